"""The clamd client's own cost per scan, beside pyclamd's in the same run; needs a clamd (``--clamd``).

``--kills N`` is another measurement: a clamd of its own is killed with SIGKILL at a random moment of each of N scans,
blocking and awaited in turn, and what the client says of each is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from mailfilter.deadline import Deadline
from mailfilter.errors import MailFilterError
from mailfilter.lookups import ScanQuestion, ScanState
from mailfilter.lookups.clamd import ClamdLookup
from mailfilter.lookups.clamd_protocol import ScannerAddress

SIZES = (10_000, 900_000)
ROUNDS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--clamd", default="tcp:127.0.0.1:3310", metavar="ADDRESS", help="as in the settings")
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="kill a clamd of our own in N scans, instead")
    parser.add_argument("--scans", type=int, default=400, metavar="N", help="scans a round at 10 kB, fewer at more")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row per size and client: CPU milliseconds of this process per scan, the best of some rounds."""
    if args.kills:
        yield _killed(args.kills)
        return
    lookup = ClamdLookup([args.clamd])
    if not lookup.ping(Deadline.after(3)):
        raise MailFilterError(f"no clamd answers at {args.clamd}; start one or name it with --clamd")
    for size in SIZES:
        data = os.urandom(size)
        scans = max(5, args.scans * SIZES[0] // size // (10 if args.quick else 1))
        clients = {"ours": _ours(lookup, data), "pyclamd": _pyclamd(lookup.addresses[0], data)}
        rows = {name: _best(scan, scans) for name, scan in clients.items()}
        rows["ours asyncio"] = min(_awaited(lookup, data, scans) for _ in range(ROUNDS))
        for name, seconds in rows.items():
            yield {"size": size, "client": name, "scans": scans, "cpu_ms_per_scan": round(1_000 * seconds, 3)}


def _killed(kills: int) -> dict[str, object]:
    """States that the scans of one infected mail end in; "clean" must not be among them."""
    from tests.servers import MARKER, Clamd, running

    data = os.urandom(300_000) + MARKER + os.urandom(600_000)
    states: Counter[str] = Counter()
    slowest, clock = 0.0, random.Random(5)
    with tempfile.TemporaryDirectory(prefix="mailfilter-") as folder, running(Clamd(Path(folder))) as server:
        assert isinstance(server, Clamd)
        lookup, question = ClamdLookup([server.tcp]), ScanQuestion(data)
        begun = time.perf_counter()
        if lookup.ask(question, Deadline.after(10)).state is not ScanState.INFECTED:
            raise MailFilterError("the clamd of our own does not find its marker")
        whole = time.perf_counter() - begun
        for number in range(kills):
            killer = threading.Timer(whole * clock.uniform(0, 1.2), server.send, (signal.SIGKILL,))
            killer.start()
            begun = time.perf_counter()
            if number % 2:
                answer = lookup.ask(question, Deadline.after(2))
            else:
                answer = asyncio.run(lookup.aask(question, Deadline.after(2)))
            slowest = max(slowest, time.perf_counter() - begun)
            states[answer.state.value] += 1
            killer.join()
            server.kill()
            server.start()
    return {"kills": kills, "states": dict(states), "deadline_s": 2.0, "slowest_s": round(slowest, 3)}


def _best(scan: Callable[[], None], scans: int) -> float:
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(scans):
            scan()
        taken.append((time.process_time() - begun) / scans)
    return min(taken)


def _ours(lookup: ClamdLookup, data: bytes) -> Callable[[], None]:
    return lambda: _expect_clean(lookup.ask(ScanQuestion(data, b"-"), Deadline.after(10)).state)


def _awaited(lookup: ClamdLookup, data: bytes, scans: int) -> float:
    async def all_of_them() -> float:
        begun = time.process_time()
        for _ in range(scans):
            _expect_clean((await lookup.aask(ScanQuestion(data, b"-"), Deadline.after(10))).state)
        return (time.process_time() - begun) / scans

    return asyncio.run(all_of_them())


def _expect_clean(state: ScanState) -> None:
    if state is not ScanState.CLEAN:
        raise MailFilterError(f"random bytes are {state.value}: the figures would be of something else")


def _pyclamd(address: ScannerAddress, data: bytes) -> Callable[[], None]:
    import pyclamd

    if address.path:
        client = pyclamd.ClamdUnixSocket(address.path, timeout=10)
    else:
        client = pyclamd.ClamdNetworkSocket(address.host, address.port, timeout=10)
    return lambda: client.scan_stream(data)

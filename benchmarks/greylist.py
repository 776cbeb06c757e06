"""The greylist: checks a CPU second on SQLite or on Redis, in batches as the chain asks.

A check is one mail of one recipient with its body's digest: three keys are read, and two written where it is new.  Of
the checks half are first attempts, a quarter are their retries from another network once the wait is over, and a
quarter are new mails of senders who have come back; the file or the server is empty at first.  ``cpu_s`` is the CPU
time of this process inside `Greylist.ask_many`, ``server_cpu_s`` that of the Redis server.  Without ``--url`` a server
is started for the run.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mailfilter.decision import GreylistState
from mailfilter.envelope import Envelope
from mailfilter.errors import MailFilterError
from mailfilter.greylist import Asking, Greylist

_START = 1_800_000_000.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument(
        "--store", choices=("sqlite", "memory", "redis"), default="sqlite", help="where entries are kept"
    )
    parser.add_argument("--url", default="", help="a Redis to use, emptied of nothing, instead of one that is started")
    parser.add_argument("--checks", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--batch", type=int, default=2048, metavar="N", help="mails asked about at once")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row."""
    checks = 20_000 if args.quick else args.checks
    with _store(args.store, args.url) as (url, server_cpu):
        clock = _Clock()
        greylist = Greylist(url, clock=clock)
        before = server_cpu()
        row = _measure(greylist, clock, checks, args.batch)
        more = {"server_cpu_s": round(server_cpu() - before, 2)} if args.store == "redis" else {}
        yield {"benchmark": "greylist", "store": args.store, **row, **more}
        greylist.close()


class _Clock:
    now = _START

    def __call__(self) -> float:
        return self.now


def _measure(greylist: Greylist, clock: _Clock, checks: int, batch: int) -> dict[str, object]:
    """Three rounds over the same senders: new, back from another network, and with another mail."""
    new, again = checks // 2, checks // 4
    cpu = wall = 0.0
    states = dict.fromkeys(GreylistState, 0)
    for number, (count, later) in enumerate(((new, 0), (again, 3600), (checks - new - again, 7200))):
        clock.now = _START + later
        for start in range(0, count, batch):
            askings = [_asking(n, number) for n in range(start, min(start + batch, count))]
            clock.now += 0.01
            began, spent = time.perf_counter(), time.process_time()
            answers = greylist.ask_many(askings)
            cpu += time.process_time() - spent
            wall += time.perf_counter() - began
            for answer in answers:
                states[answer.state] += 1
    return {
        "checks": checks,
        "batch": batch,
        "cpu_s": round(cpu, 2),
        "checks_per_cpu_second": round(checks / cpu),
        "wall_s": round(wall, 2),
        "waited": states[GreylistState.WAIT],
        "passed": states[GreylistState.PASSED],
    }


def _asking(number: int, visit: int) -> Asking:
    """A sender's first mail, the same from another network, and another mail from there."""
    network = number % 50_000 + (0 if visit == 0 else 50_000)
    client = f"10.{network >> 16}.{network >> 8 & 255}.{network & 255}"
    envelope = Envelope(
        client, None, f"sender{number}@example{number % 5000}.net", (f"user{number % 2000}@example.org",)
    )
    return Asking(envelope, (number * 2 + (visit == 2)).to_bytes(8, "big"))


@contextlib.contextmanager
def _store(name: str, url: str) -> Iterator[tuple[str, Any]]:
    if name == "memory":
        yield "memory", lambda: 0.0
        return
    with tempfile.TemporaryDirectory() as folder:
        if name == "sqlite":
            yield str(Path(folder) / "greylist.db"), lambda: 0.0
        elif url:
            yield url, lambda: _server_cpu(url)
        else:
            with _server(folder) as own:
                yield own, lambda: _server_cpu(own)


@contextlib.contextmanager
def _server(folder: str) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        raise MailFilterError("redis-server is not installed; name a running one with --url")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    facts = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([program, *facts], cwd=folder, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


def _server_cpu(url: str) -> float:
    import redis

    with redis.Redis.from_url(url) as client:
        found: Any = client.info("cpu")
    return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])

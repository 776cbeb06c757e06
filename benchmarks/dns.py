"""What DNS costs: questions, beside dnspython's resolver in the same run, and mails with lists and authentication.

Starts rbldnsd and nsd behind unbound on this machine, and asks about mails of a thousand senders that nothing is known
of (``--corpus``: their text); with ``--resolver`` only questions are measured, at that server.  CPU is this process's
own.  ``us_cpu_per_question`` of mails is all that looking at them costs, checks included, by the questions asked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from mailfilter.deadline import Deadline
from mailfilter.errors import MailFilterError
from mailfilter.lookups import DnsQuestion
from mailfilter.lookups.dns import DnsLookup
from mailfilter.lookups.dns_servers import Nameserver

ROUNDS = 3
AT_ONCE = 40
"""Questions of one mail with block lists and authentication."""
DELAY = 0.05
"""Seconds that the far resolver takes."""
_FAR = f"""
import collections, select, socket, time
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
print(udp.getsockname()[1], flush=True)
late = collections.deque()
while True:
    wait = max(0.0, late[0][0] - time.monotonic()) if late else None
    if select.select([udp], [], [], wait)[0]:
        wire, client = udp.recvfrom(4096)
        # the question without its OPT record, and one address for a minute
        reply = wire[:2] + bytes.fromhex("81800001000100000000") + wire[12:-11]
        late.append((time.monotonic() + {DELAY}, reply + bytes.fromhex("c00c000100010000003c00047f000002"), client))
    while late and late[0][0] <= time.monotonic():
        udp.sendto(*late.popleft()[1:])
"""
"""A resolver that has every address, and is far away."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--resolver", metavar="ADDRESS", help="ask this server, and start none")
    parser.add_argument("--zone", default="bl.lab.test", help="IPv4 block list below which addresses are asked for")
    parser.add_argument("--questions", type=int, default=2_000, metavar="N", help="questions a round")
    parser.add_argument("--mails", type=int, default=1_000, metavar="N", help="mails, each of another sender")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """A row for each way of asking, for a mail's questions to a far resolver, and for each way of looking at mails."""
    count = 200 if args.quick else args.questions
    if args.resolver:
        yield from _questions(args.resolver, args.zone, count)
        return
    from .dns_mails import Lab, rows, senders

    number = 100 if args.quick else args.mails
    with Lab(0) as lab:
        yield from _questions(lab.rbldnsd, args.zone, count)
    yield _far_resolver()
    yield from rows(senders(number, args.corpus))


def _questions(resolver: str, zone: str, count: int) -> Iterator[dict[str, object]]:
    """Microseconds per question of CPU and wall clock, the best of some rounds."""
    names = [f"{n % 256}.{n // 256 % 256}.0.203.{zone}" for n in range(count)]

    def fresh() -> DnsLookup:
        return DnsLookup([resolver])

    first = fresh().ask(DnsQuestion(names[0]), Deadline.after(3))
    if not first.state.known:
        raise MailFilterError(f"{resolver} does not answer for {zone}: {first.state.value}, {first.detail}")
    (server,) = fresh().servers
    ways: dict[str, Callable[[], None]] = {
        "ours, one by one": lambda: _blocking(fresh(), names),
        f"ours, {AT_ONCE} at once": lambda: _together(fresh(), names),
        f"ours, asyncio, {AT_ONCE} at once": lambda: asyncio.run(_awaited(fresh(), names)),
        "ours, asyncio, a task each, all on one loop": lambda: asyncio.run(_awaited_each(fresh(), names)),
        "ours, from the cache": lambda: _cached(fresh(), names),
        "dnspython, one by one": lambda: _dnspython(server, names),
        "dnspython, asyncio": lambda: asyncio.run(_dnspython_awaited(server, names)),
    }
    for way, ask in ways.items():
        cpu, wall = min(_timed(ask) for _ in range(ROUNDS))
        yield {
            "way": way,
            "questions": count,
            "us_cpu_per_question": round(1e6 * cpu / count, 1),
            "us_wall_per_question": round(1e6 * wall / count, 1),
        }


def _far_resolver() -> dict[str, object]:
    """Milliseconds for the questions of one mail, and of the next one that has the same, blocking and awaited."""
    row: dict[str, object] = {"way": f"{AT_ONCE} questions, a resolver {1e3 * DELAY:g} ms away"}
    with subprocess.Popen([sys.executable, "-c", _FAR], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = f"127.0.0.1:{process.stdout.readline().strip()}"
        lookups = [DnsLookup([address]) for _ in range(2)]
        questions = [DnsQuestion(f"n{n}.test") for n in range(AT_ONCE)]

        def blocking() -> None:
            lookups[0].ask_many(questions, Deadline.after(5))

        def awaited() -> None:
            asyncio.run(lookups[1].aask_many(questions, Deadline.after(5)))

        for turn in ("first", "second"):
            row[f"{turn}_wall_ms"] = round(1e3 * _timed(blocking)[1], 2)
            row[f"{turn}_wall_ms_asyncio"] = round(1e3 * _timed(awaited)[1], 2)
        row["asked"] = sum(lookup.asked for lookup in lookups)
        process.kill()
    return row


def _timed(ask: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    ask()
    return time.process_time() - cpu, time.perf_counter() - wall


def _blocking(lookup: DnsLookup, names: list[str]) -> None:
    for name in names:
        lookup.ask(DnsQuestion(name), Deadline.after(5))


def _together(lookup: DnsLookup, names: list[str]) -> None:
    for start in range(0, len(names), AT_ONCE):
        lookup.ask_many([DnsQuestion(name) for name in names[start : start + AT_ONCE]], Deadline.after(5))


async def _awaited(lookup: DnsLookup, names: list[str]) -> None:
    for start in range(0, len(names), AT_ONCE):
        await lookup.aask_many([DnsQuestion(name) for name in names[start : start + AT_ONCE]], Deadline.after(5))


async def _awaited_each(lookup: DnsLookup, names: list[str]) -> None:
    await asyncio.gather(*(lookup.aask(DnsQuestion(name), Deadline.after(5)) for name in names))


def _cached(lookup: DnsLookup, names: list[str]) -> None:
    for _ in names:
        lookup.ask(DnsQuestion(names[0]), Deadline.after(5))


def _dnspython(server: Nameserver, names: list[str]) -> None:
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [server.address], server.port
    for name in names:
        with contextlib.suppress(dns.resolver.NXDOMAIN):
            resolver.resolve(name, "A")


async def _dnspython_awaited(server: Nameserver, names: list[str]) -> None:
    import dns.asyncresolver
    import dns.resolver

    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [server.address], server.port

    async def one(name: str) -> None:
        with contextlib.suppress(dns.resolver.NXDOMAIN):
            await resolver.resolve(name, "A")

    for start in range(0, len(names), AT_ONCE):
        await asyncio.gather(*(one(name) for name in names[start : start + AT_ONCE]))

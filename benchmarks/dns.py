"""CPU time of a DNS question, beside dnspython's resolver in the same run; needs a server (``--resolver``)."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from mailfilter.deadline import Deadline
from mailfilter.errors import MailFilterError
from mailfilter.lookups import DnsQuestion
from mailfilter.lookups.dns import DnsLookup
from mailfilter.lookups.dns_servers import Nameserver

ROUNDS = 3
AT_ONCE = 40
"""Questions of one mail with block lists and authentication."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--resolver", default="127.0.0.1:5353", metavar="ADDRESS", help="server that is asked")
    parser.add_argument("--zone", default="bl.lab.test", help="IPv4 block list below which addresses are asked for")
    parser.add_argument("--questions", type=int, default=2_000, metavar="N", help="questions a round")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row per way of asking: microseconds per question of CPU and wall clock, the best of some rounds."""
    count = 200 if args.quick else args.questions
    names = [f"{n % 256}.{n // 256 % 256}.0.203.{args.zone}" for n in range(count)]

    def fresh() -> DnsLookup:
        return DnsLookup([args.resolver])

    first = fresh().ask(DnsQuestion(names[0]), Deadline.after(3))
    if not first.state.known:
        raise MailFilterError(f"{args.resolver} does not answer for {args.zone}: {first.state.value}, {first.detail}")
    (server,) = fresh().servers
    ways: dict[str, Callable[[], None]] = {
        "ours, one by one": lambda: _blocking(fresh(), names),
        "ours, 16 threads": lambda: _threads(fresh(), names),
        "ours, asyncio": lambda: asyncio.run(_awaited(fresh(), names)),
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


def _timed(ask: Callable[[], None]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    ask()
    return time.process_time() - cpu, time.perf_counter() - wall


def _blocking(lookup: DnsLookup, names: list[str]) -> None:
    for name in names:
        lookup.ask(DnsQuestion(name), Deadline.after(5))


def _threads(lookup: DnsLookup, names: list[str]) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: lookup.ask(DnsQuestion(name), Deadline.after(5)), names))


async def _awaited(lookup: DnsLookup, names: list[str]) -> None:
    for start in range(0, len(names), AT_ONCE):
        batch = names[start : start + AT_ONCE]
        await asyncio.gather(*(lookup.aask(DnsQuestion(name), Deadline.after(5)) for name in batch))


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

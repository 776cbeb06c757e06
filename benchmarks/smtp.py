"""Mails a second through aiosmtpd with the offline chain, and what of their time is ours."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from mailfilter import Config, Envelope, FilterChain
from mailfilter.quarantine.delivery import SmtpDelivery, on_the_wire

from . import smtp_load
from .corpus import load

_CLIENT = Envelope(client_ip="127.0.0.1", helo="client.example", mail_from="a@example.net", rcpt_to=("b@example.org",))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--mails", type=int, default=3000, help="mails of each corpus")
    parser.add_argument("--clients", type=int, default=8, help="connections at a time")
    parser.add_argument("--per-connection", type=int, default=1, help="mails that a client sends over one connection")
    parser.add_argument(
        "--smtplib", action="store_true", help="hand on by smtplib in threads, not over kept connections"
    )
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the least CPU of each kind counts")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row a corpus: CPU of the serving process alone; clients and next server run in another one."""
    for name in args.corpus or ["corpora/sample"]:
        corpus = load(name, limit=200 if args.quick else args.mails)
        raws = [on_the_wire(mail.raw) for mail in corpus.mails]
        yield {
            "corpus": corpus.name,
            **asyncio.run(measure(raws, args.clients, args.per_connection, args.repeat, args.smtplib)),
        }


async def measure(
    raws: Sequence[bytes], clients: int, per_connection: int, repeat: int, threads: bool
) -> dict[str, object]:
    """Null handler, chain alone, and the whole, in turns."""
    rounds: dict[str, list[float]] = {"alone": [], "checked": [], "acted": [], "whole": [], "with_others": []}
    waits: list[float] = []
    with smtp_load.running(raws, clients, per_connection) as (remote, hop):
        for _ in range(repeat):
            checked, acted = await _chain_seconds(raws)
            spent, found = await _whole(hop, remote, threads)
            new = ((await _null(remote))[0], checked, acted, spent, spent + found["cpu"])
            for name, seconds in zip(rounds, new, strict=True):
                rounds[name].append(seconds)
            waits += found["seconds"]
    least = {name: min(seconds) * 1000 / len(raws) for name, seconds in rounds.items()}
    ours = least["whole"] - least["alone"] - least["checked"] - least["acted"]
    waits.sort()
    return {
        "mails": len(raws),
        "per_connection": per_connection,
        "mails_per_cpu_second": round(1000 / least["whole"]),
        "with_clients_and_next_server": round(1000 / least["with_others"]),
        "total_ms": round(least["whole"], 3),
        "aiosmtpd_ms": round(least["alone"], 3),
        "chain_ms": round(least["checked"], 3),
        "stores_ms": round(least["acted"], 3),
        "ours_ms": round(ours, 3),
        "p50_ms": round(statistics.median(waits) * 1000, 2),
        "p99_ms": round(waits[int(len(waits) * 0.99)] * 1000, 2),
        "answers": found["answers"],
    }


async def _chain_seconds(raws: Sequence[bytes]) -> tuple[float, float]:
    """CPU of `acheck` alone, and what `act` with greylist and quarantine adds to it."""
    with tempfile.TemporaryDirectory(prefix="smtp-") as folder, FilterChain(_settings(folder)) as chain:
        envelopes = [replace(_CLIENT, mail_from=f"a{number}@example.net") for number in range(len(raws))]
        await chain.acheck(raws[0], Envelope())
        begun = time.process_time()
        verdicts = [await chain.acheck(raw, one) for raw, one in zip(raws, envelopes, strict=True)]
        checked = time.process_time()
        for raw, one, verdict in zip(raws, envelopes, verdicts, strict=True):
            chain.act(raw, one, verdict)
        return checked - begun, time.process_time() - checked


def _settings(folder: str) -> Config:
    return Config.from_mapping({"quarantine": {"path": f"{folder}/q.db"}, "greylist": {"store": f"{folder}/g.db"}})


class _Null:
    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        return "250 2.0.0 OK"


async def _null(remote: Connection) -> tuple[float, dict[str, Any]]:
    """aiosmtpd as it is, with a handler that does nothing."""
    from aiosmtpd.smtp import SMTP

    class Patient(SMTP):
        line_length_limit = 2**16  # some mails of the corpora have longer lines than it takes by itself

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Patient(_Null(), hostname="mx.example", data_size_limit=2**25), "127.0.0.1", 0
    )
    try:
        return await _loaded(remote, server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def _whole(hop: int, remote: Connection, threads: bool) -> tuple[float, dict[str, Any]]:
    """Filtering server with greylist and quarantine in new files; what it accepts goes to the next server."""
    from mailfilter.mta.server import Server
    from mailfilter.mta.smtpd import FilterHandler

    with tempfile.TemporaryDirectory(prefix="smtp-") as folder, FilterChain(_settings(folder)) as chain:
        await chain.acheck(b"Subject: warm\r\n\r\n", Envelope())
        place = f"127.0.0.1:{hop}"
        handler = FilterHandler(chain, SmtpDelivery(place) if threads else place, hostname="mx.example")
        async with Server(handler, port=0) as server:
            return await _loaded(remote, server.port)


async def _loaded(remote: Connection, port: int) -> tuple[float, dict[str, Any]]:
    """Let the clients send everything once; CPU of this process, and what they saw."""
    remote.send(port)
    begun = time.process_time()
    while not remote.poll():
        await asyncio.sleep(0.05)
    return time.process_time() - begun, remote.recv()

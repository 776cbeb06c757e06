"""Signed mails of a thousand senders, and the servers that know them, for ``benchmarks dns``."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mailfilter import Config, Envelope, FilterChain
from mailfilter.assembly import BUILT_IN
from mailfilter.checks import Mail
from mailfilter.errors import MailFilterError
from mailfilter.lookups import DnsQuestion
from mailfilter.message import Message
from mailfilter.verdict import Verdict

from .corpus import load

LISTS = 8
KEY = "rsa2048"
_FROM = re.compile(rb"(?im)^(?:from|dkim-signature|sender):.*(?:\n[ \t].*)*\n")

Stamped = tuple[bytes, Envelope]


def senders(count: int, corpus: Sequence[str]) -> list[Stamped]:
    """Mails that nobody has seen: each from a host, a domain and with a signature of its own."""
    from tests.authentication.signing import sign

    raws = [mail.raw for mail in load(corpus, limit=count).mails] if corpus else []
    mails = []
    for number in range(count):
        raw = raws[number % len(raws)] if raws else _written(number)
        domain = f"d{number}.mail.test"
        head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
        head = b"From: Ada <a@%b>\n" % domain.encode() + _FROM.sub(b"", head + b"\n")
        signed = sign(_crlf(head.rstrip(b"\n") + b"\n\n" + body), KEY, domain=domain, names="from")
        address = f"11.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        envelope = Envelope(address, helo=f"mx.{domain}", mail_from=f"a@{domain}", rcpt_to=["b@example.org"])
        mails.append((signed, envelope))
    return mails


def _written(number: int) -> bytes:
    words = " ".join(f"word{number * 7 + n}" for n in range(300))
    return f"To: b@example.org\nSubject: letter {number}\n\n{words}\n".encode()


def _crlf(raw: bytes) -> bytes:
    return raw.replace(b"\r", b"").replace(b"\n", b"\r\n")


def zone(count: int) -> str:
    """The senders' records: SPF with an include, the key, the DMARC policy, the host's address."""
    from tests.authentication.signing import record
    from tests.servers import quoted

    key = quoted(record(KEY))
    lines = ['spf TXT "v=spf1 ip4:11.0.0.0/8 -all"']
    for number in range(count):
        lines += [
            f'd{number} TXT "v=spf1 include:spf{number}.mail.test -all"',
            f'spf{number} TXT "v=spf1 ip4:11.0.0.0/8 -all"',
            f'mx.d{number} TXT "v=spf1 a -all"',
            f"mx.d{number} A 11.{number >> 16}.{number >> 8 & 255}.{number & 255}",
            f"k._domainkey.d{number} TXT {key}",
            f'_dmarc.d{number} TXT "v=DMARC1; p=reject"',
        ]
    return "\n".join(lines)


class Lab:
    """rbldnsd and nsd behind unbound, each in a folder of its own; a context manager.

    Raises `MailFilterError` where one of them is not installed.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._stack = ExitStack()
        self.lists = [f"l{number}.lab.test" for number in range(LISTS)]

    def __enter__(self) -> Lab:
        path = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"
        missing = [name for name in ("rbldnsd", "nsd", "unbound") if not shutil.which(name, path=path)]
        if missing:
            raise MailFilterError(f"{', '.join(missing)} not installed: this needs them, or name one with --resolver")
        from tests.servers import Nsd, Rbldnsd, Unbound, running

        self._stack.__enter__()
        root = Path(self._stack.enter_context(TemporaryDirectory()))
        root.chmod(0o755)
        folders = [root / name for name in ("rbldnsd", "nsd", "unbound")]
        for folder in folders:
            folder.mkdir()
        lists = Rbldnsd(folders[0], self.lists)
        self._stack.enter_context(running(lists))
        domains = Nsd(folders[1], more=zone(self._count))
        self._stack.enter_context(running(domains))
        resolver = Unbound(folders[2], lists, domains)
        self._stack.enter_context(running(resolver))
        self.resolver, self.rbldnsd = resolver.address, lists.address
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)


def settings(lab: Lab, *, alone: bool) -> Config:
    """Eight lists and authentication; ``alone``  without any other check."""
    codes = {"127.0.0.2": {"symbol": "OWN_LISTED", "points": 1.0, "description": "Listed."}}
    lists = [{"name": f"own-{n}", "zone": zone, "codes": codes} for n, zone in enumerate(lab.lists)]
    for number, entry in enumerate(lists):
        entry["codes"] = {"127.0.0.2": {**codes["127.0.0.2"], "symbol": f"OWN_{number}"}}
    others = [name for name in BUILT_IN if name not in ("dnsbl", "authentication")]
    return Config.from_mapping(
        {
            "dns": {"resolvers": [lab.resolver], "custom": lists},
            "engine": {"deadline": 60.0},
            "checks": {"disable": others if alone else ["virus"]},
        }
    )


def rows(mails: Sequence[Stamped]) -> Iterator[dict[str, object]]:
    """One row per way of looking at all mails: cost and latency, of which nothing is known before, then all.

    The servers are started anew for each, because a resolver that knows the answers gives them a shorter life.
    """
    for alone in (True, False):
        what = "lists and authentication" if alone else "all checks"
        for way, run in (("one by one", _blocking), ("all on one loop", _awaited)):
            with Lab(len(mails)) as lab, FilterChain(settings(lab, alone=alone), stateless=True) as chain:
                run(chain, mails[:1])  # what is loaded at first use
                chain.lookups[DnsQuestion].cache.clear()  # type: ignore[attr-defined]
                yield {"way": f"{what}, {way}", **_measured(chain, run, mails)}
                if alone:
                    yield {"way": f"{what}, {way}, known", **_measured(chain, run, mails)}


Run = Callable[[FilterChain, Sequence[Stamped]], list[tuple[float, Verdict]]]


def _measured(chain: FilterChain, run: Run, mails: Sequence[Stamped]) -> dict[str, object]:
    lookup: Any = chain.lookups[DnsQuestion]
    before, begun = lookup.asked, time.process_time()
    found = run(chain, mails)
    cpu, asked = time.process_time() - begun, lookup.asked - before
    walls = sorted(wall for wall, _ in found)
    questions = sum(map(len, chain.evaluate([Mail(Message(raw), envelope) for raw, envelope in mails]).answers))
    return {
        "mails": len(mails),
        "mails_per_cpu_second": round(len(mails) / cpu),
        "questions": questions,
        "asked": asked,
        "us_cpu_per_question": round(1e6 * cpu / questions, 1),
        "wall_ms_p50": round(1e3 * walls[len(walls) // 2], 1),
        "wall_ms_p99": round(1e3 * walls[min(len(walls) - 1, len(walls) * 99 // 100)], 1),
        "not_known": sum(any(symbol.name in _UNKNOWN for symbol in verdict.unknown) for _, verdict in found),
    }


_UNKNOWN = ("CHECK_FAILED", "DNSBL_UNKNOWN", "AUTH_UNKNOWN", "CLIENT_UNKNOWN")
"""What shows that something could not be learned, which makes the figures look better than they are."""


def _blocking(chain: FilterChain, mails: Sequence[Stamped]) -> list[tuple[float, Verdict]]:
    found = []
    for raw, envelope in mails:
        begun = time.perf_counter()
        verdict = chain.check(raw, envelope)
        found.append((time.perf_counter() - begun, verdict))
    return found


def _awaited(chain: FilterChain, mails: Sequence[Stamped]) -> list[tuple[float, Verdict]]:
    async def one(raw: bytes, envelope: Envelope) -> tuple[float, Verdict]:
        begun = time.perf_counter()
        verdict = await chain.acheck(raw, envelope)
        return time.perf_counter() - begun, verdict

    async def everything() -> list[tuple[float, Verdict]]:
        return list(await asyncio.gather(*(one(*mail) for mail in mails)))

    return asyncio.run(everything())

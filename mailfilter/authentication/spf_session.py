"""What all SPF records of one evaluation share: counts against the limits, and the names that macros give."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ..lookups import DnsAnswer, DnsQuestion, DnsState
from .dialogue import MAX_NAME, Dialogue, ask, ask_one, askable
from .spf_macros import check_macros, expand, letters

MAX_LOOKUPS = 10
"""Terms that ask DNS, in all records together (section 4.6.4)."""
MAX_VOID = 2
"""Such terms that may find nothing (section 4.6.4)."""
MAX_HOSTS = 10
"""Mail exchangers and reverse names that are looked at (section 4.6.4)."""


class SpfResult(Enum):
    """What a domain says of a host (section 2.6)."""

    NONE = "none"
    """There is no record, or no domain to ask about."""
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    """DNS did not tell: nothing is known."""
    PERMERROR = "permerror"
    """The record is faulty, or asks for too much."""


class StopError(Exception):
    """Ends the evaluation with an error result."""

    def __init__(self, result: SpfResult, reason: str) -> None:
        self.result = result
        self.reason = reason
        super().__init__(reason)


@dataclass(slots=True)
class Session:
    """What all records of one evaluation share."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    sender: str
    helo: str
    receiver: str
    clock: Callable[[], float]
    explain: bool
    lookups: int = 0
    voids: int = 0
    names: tuple[str, ...] | None = None
    """Reverse names that lead back to the address, once they were asked for."""

    @property
    def family(self) -> str:
        """Record type of addresses like the client's."""
        return "A" if self.address.version == 4 else "AAAA"

    def count(self) -> None:
        """Count a term that asks DNS."""
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            raise StopError(SpfResult.PERMERROR, f"more than {MAX_LOOKUPS} terms that ask DNS")

    def found(self, answer: DnsAnswer, what: str) -> tuple[str, ...]:
        """The records of a term's own question; counts it where it finds nothing."""
        records = known_records(answer, what)
        if answer.state is DnsState.NOT_FOUND:
            self.voids += 1
            if self.voids > MAX_VOID:
                raise StopError(SpfResult.PERMERROR, f"more than {MAX_VOID} terms find nothing")
        return records


def read_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address; None where the text is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def reverse_names(session: Session, counted: bool = False) -> Dialogue[tuple[str, ...]]:
    """Names of the address that lead back to it (section 5.5); what DNS does not tell is left out."""
    if session.names is None:
        answer = yield from ask_one(session.address.reverse_pointer, "PTR")
        if counted and answer.state is DnsState.NOT_FOUND:
            session.found(answer, "ptr")
        names = [name for record in answer.records[:MAX_HOSTS] if (name := askable(record))]
        answers = yield from ask(tuple(DnsQuestion(name, session.family) for name in names))
        session.names = tuple(
            name
            for name, found in zip(names, answers, strict=True)
            if any(read_address(record) == session.address for record in found.records)
        )
    return session.names


def is_below(name: str, domain: str) -> bool:
    """Whether a name is a domain or lies in it."""
    return name == domain or name.endswith("." + domain)


def target_name(session: Session, spec: str, domain: str) -> Dialogue[str | None]:
    """The name that a domain-spec gives; None where DNS cannot hold it."""
    text = (yield from expanded(session, spec, domain, False)).removesuffix(".")
    if len(text) > MAX_NAME:
        cut = text.find(".", len(text) - MAX_NAME - 1) + 1
        text = text[cut:] if cut else ""
    return _escaped(text.lower())


def _escaped(name: str) -> str | None:
    """A name out of a macro, with what no host name holds escaped (RFC 4343 section 2.1); None if not askable."""
    labels = name.split(".")
    if len(labels) < 2 or not all(0 < len(label.encode("utf-8", "replace")) < 64 for label in labels):
        return None
    if name.isascii() and name.isprintable() and "\\" not in name and " " not in name:
        return name
    coded = name.encode("utf-8", "replace")
    return "".join(chr(byte) if 0x21 <= byte < 0x7F and byte != 0x5C else f"\\{byte:03d}" for byte in coded)


def expanded(session: Session, text: str, domain: str, explaining: bool) -> Dialogue[str]:
    """Text with its macros replaced; raises `StopError` or `SpfSyntaxError`."""
    pieces = check_macros(text, explaining)
    name = ""
    if "p" in letters(pieces):
        names = yield from reverse_names(session)
        below = [name for name in names if is_below(name, domain)]
        name = domain if domain in names else next(iter((*below, *names)), "unknown")
    local, _, host = session.sender.rpartition("@")
    address = session.address
    dotted = str(address) if address.version == 4 else ".".join(address.exploded.replace(":", "")).upper()
    values = {
        "s": session.sender, "l": local, "o": host, "d": domain, "i": dotted, "p": name,
        "v": "in-addr" if address.version == 4 else "ip6", "h": session.helo, "c": str(address),
        "r": session.receiver, "t": str(int(session.clock())) if explaining else "",
    }  # fmt: skip
    return expand(pieces, values.__getitem__)


def known_records(answer: DnsAnswer, what: str) -> tuple[str, ...]:
    """The records of an answer; what DNS did not tell ends the evaluation."""
    if not answer.state.known:
        raise StopError(SpfResult.TEMPERROR, f"{what}: {answer.detail or answer.state.value}")
    return answer.records

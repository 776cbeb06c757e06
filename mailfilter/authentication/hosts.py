"""What DNS says of the host that connects and of the domains that a mail gives: reverse names, HELO, exchangers.

Dialogues of two rounds at most; what DNS did not tell is ``UNKNOWN`` in each of them (law 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address

from ..lookups import DnsAnswer, DnsQuestion, DnsState
from .dialogue import Dialogue, ask, ask_one, askable
from .spf_session import read_address

MAX_NAMES = 5
"""Reverse names of one address that are followed; an honest host has one."""

Address = IPv4Address | IPv6Address


class Standing(Enum):
    """How a claim about a host or a domain came out."""

    CONFIRMED = auto()
    """The name leads to the address; the domain has mail exchangers."""
    OTHER = auto()
    """The name leads to other addresses only; the domain has an address and no exchangers (RFC 5321 section 5.1)."""
    MISSING = auto()
    """There is no such name, or it leads nowhere."""
    REFUSES = auto()
    """The domain says that it takes no mail (a null MX, RFC 7505)."""
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """How it came out, the names that were looked at, and why it is not known where it is not."""

    standing: Standing
    names: tuple[str, ...] = ()
    reason: str = ""


def reverse(address: Address) -> Dialogue[HostAnswer]:
    """Reverse names with forward confirmation: does one of them lead back to the address?"""
    answer = yield from ask_one(address.reverse_pointer, "PTR")
    if not answer.state.known:
        return HostAnswer(Standing.UNKNOWN, reason=_why("reverse name", answer))
    names = tuple(name for record in answer.records[:MAX_NAMES] if (name := askable(record)))
    if not names:
        return HostAnswer(Standing.MISSING, answer.records[:MAX_NAMES])
    answers = yield from ask([DnsQuestion(name, _family(address)) for name in names])
    confirmed = tuple(name for name, found in zip(names, answers, strict=True) if _leads_to(address, found))
    if confirmed:
        return HostAnswer(Standing.CONFIRMED, confirmed)
    for name, found in zip(names, answers, strict=True):
        if not found.state.known:
            return HostAnswer(Standing.UNKNOWN, names, _why(name, found))
    return HostAnswer(Standing.OTHER, names)


def greeting(name: str, address: Address) -> Dialogue[HostAnswer]:
    """Whether the name in HELO leads to the address that it came from; one with an exchanger exists as well."""
    family = _family(address)
    others = tuple(rdtype for rdtype in ("A", "AAAA") if rdtype != family)
    own, other = yield from ask([DnsQuestion(name, rdtype) for rdtype in (family, *others)])
    if _leads_to(address, own):
        return HostAnswer(Standing.CONFIRMED, (name,))
    for found in (own, other):
        if not found.state.known:
            return HostAnswer(Standing.UNKNOWN, (name,), _why(name, found))
    exists = DnsState.FOUND in (own.state, other.state)
    return HostAnswer(Standing.OTHER if exists else Standing.MISSING, (name,))


def exchangers(domain: str) -> Dialogue[HostAnswer]:
    """Whether anybody could answer to an address of the domain."""
    answer = yield from ask_one(domain, "MX")
    if not answer.state.known:
        return HostAnswer(Standing.UNKNOWN, (domain,), _why(f"MX of {domain}", answer))
    if answer.records:
        return HostAnswer(Standing.REFUSES if _is_null(answer.records) else Standing.CONFIRMED, (domain,))
    answers = yield from ask([DnsQuestion(domain, rdtype) for rdtype in ("A", "AAAA")])
    if any(found.state is DnsState.FOUND for found in answers):
        return HostAnswer(Standing.OTHER, (domain,))
    for found in answers:
        if not found.state.known:
            return HostAnswer(Standing.UNKNOWN, (domain,), _why(domain, found))
    return HostAnswer(Standing.MISSING, (domain,))


def _is_null(records: Sequence[str]) -> bool:
    """One exchanger whose name is the root; beside others it means nothing (RFC 7505 section 3)."""
    return len(records) == 1 and records[0].partition(" ")[2].strip(" .") == ""


def _family(address: Address) -> str:
    return "A" if address.version == 4 else "AAAA"


def _leads_to(address: Address, answer: DnsAnswer) -> bool:
    return any(read_address(record) == address for record in answer.records)


def _why(what: str, answer: DnsAnswer) -> str:
    return f"{what}: {answer.detail or answer.state.value}"

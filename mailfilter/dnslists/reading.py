"""What an answer of DNS means to a list: only a declared code is evidence."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import Enum

from ..lookups import Answer, DnsAnswer, DnsState
from .definition import DnsList, Meaning, Octets

MUTED = "muted: "
"""What the detail of an answer begins with that is withheld because its list is broken."""
_REFUSAL = (127, 255, 255)
"""127.255.255.0/24: what lists say in place of an answer (a wrong name, an open resolver, too many questions)."""


class ListState(Enum):
    """What a list said.  Only ``LISTED`` and ``NOT_LISTED`` are knowledge."""

    LISTED = "listed"
    NOT_LISTED = "not listed"
    REFUSED = "refused"
    """The list, or the resolver, does not want to answer."""
    FAILED = "server failure"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    """An answer that the list does not declare: a closed list, or a resolver that rewrites answers."""
    MUTED = "not believed"
    """The watch over the lists has found that it is broken (`mailfilter.lookups.watch`)."""
    DISABLED = "disabled"

    @property
    def known(self) -> bool:
        """Whether the list has said something about what it was asked."""
        return self in (ListState.LISTED, ListState.NOT_LISTED)


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """State, each address that made it a listing with its meaning (one with several bits has several), and the reason
    why nothing is known."""

    state: ListState
    listings: tuple[tuple[str, Meaning], ...] = ()
    detail: str = ""

    @property
    def codes(self) -> tuple[str, ...]:
        """The addresses that made it a listing."""
        return tuple(dict.fromkeys(code for code, _ in self.listings))


_STATES = {
    DnsState.NOT_FOUND: ListState.NOT_LISTED,
    DnsState.REFUSED: ListState.REFUSED,
    DnsState.SERVFAIL: ListState.FAILED,
    DnsState.TIMEOUT: ListState.TIMEOUT,
    DnsState.MALFORMED: ListState.MALFORMED,
    DnsState.DISABLED: ListState.DISABLED,
}


def read_list_answer(definition: DnsList, answer: Answer) -> ListAnswer:
    """What an answer of DNS means to a list.  All addresses are looked at, and only declared ones count.

    One address that means a refusal, or one from outside 127.0.0.0/8, spoils the whole answer: what stands beside
    it cannot be trusted.  So does an alias that leads out of the zone: whoever answers there is not the list.
    """
    if not isinstance(answer, DnsAnswer):
        return ListAnswer(ListState.MALFORMED, detail=f"the resolver gave {type(answer).__name__}")
    if answer.state is not DnsState.FOUND:
        if answer.state is DnsState.DISABLED and answer.detail.startswith(MUTED):
            return ListAnswer(ListState.MUTED, detail=answer.detail.removeprefix(MUTED))
        return ListAnswer(_STATES[answer.state])
    addresses = [_octets(record) for record in answer.records]
    for text, address in zip(answer.records, addresses, strict=True):
        if address is not None and _is_refusal(definition, address):
            return ListAnswer(ListState.REFUSED, detail=f"the list says {text}")
    if (alias := answer.alias) and not f".{alias}".endswith(f".{definition.asked_zone}"):
        return ListAnswer(ListState.MALFORMED, detail="the answer comes from outside the zone")
    listings = []
    for text, address in zip(answer.records, addresses, strict=True):
        if address is None or address[0] != 127:
            return ListAnswer(ListState.MALFORMED, detail=f"{text[:40]} is not in 127.0.0.0/8")
        listings += [(text, meaning) for meaning in _meanings(definition, address)]
    if listings:
        return ListAnswer(ListState.LISTED, tuple(listings))
    return ListAnswer(ListState.MALFORMED, detail=f"{', '.join(answer.records[:4])} is no code of this list")


def _octets(text: str) -> Octets | None:
    try:
        return tuple(ipaddress.IPv4Address(text).packed)
    except ValueError:
        return None


def _is_refusal(definition: DnsList, address: Octets) -> bool:
    if address[:3] == _REFUSAL or any(pattern.matches(address) for pattern in definition.refused):
        return True
    return address[:3] == (127, 0, 0) and bool(address[3] & definition.refused_bits)


def _meanings(definition: DnsList, address: Octets) -> list[Meaning]:
    if definition.bits:
        if address[:3] != (127, 0, 0):
            return []
        return [meaning for bit, meaning in definition.bits if address[3] & bit]
    return [meaning for pattern, meaning in definition.codes if pattern.matches(address)]

"""DNS block lists (RFC 5782): is the address that the mail comes from listed, and as what.

Every list gives one of `ListState`; only ``LISTED`` with a declared code is evidence.  A refusal, a silent list,
an address from outside 127.0.0.0/8 are shown as unknown and are worth nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ..errors import SettingError
from ..lookups import Answer, DnsAnswer, DnsQuestion, DnsState
from ..symbols import Findings, Symbol, SymbolInfo, declared_by
from . import Asking, Mail
from .dnslists import DnsList, Meaning, Octets, chosen_lists

__all__ = ["DnsList", "DnsblCheck", "ListAnswer", "ListState", "chosen_lists", "list_query", "read_list_answer"]

NOT_ASKED = "DNSBL_NOT_ASKED"
UNKNOWN = "DNSBL_UNKNOWN"

_REFUSAL = (127, 255, 255)
"""127.255.255.0/24: what lists say in place of an answer (a wrong name, an open resolver, too many questions)."""
_NEVER_LISTED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/127", "fc00::/7", "fe80::/10", "ff00::/8",
    )
)  # fmt: skip
"""Networks whose addresses say nothing to anybody outside: private, loopback, link-local, multicast, reserved.

Those for documentation (RFC 5737, 3849) are asked about like any other; nobody sends mail from them."""


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
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """State, and each address that made it a listing with its meaning (one with several bits has several)."""

    state: ListState
    listings: tuple[tuple[str, Meaning], ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """The addresses that made it a listing."""
        return tuple(dict.fromkeys(code for code, _ in self.listings))


def list_query(definition: DnsList, address: str) -> DnsQuestion:
    """The question about an address: octets or nibbles reversed, below the zone (RFC 5782 section 2.1, 2.4)."""
    pointer = ipaddress.ip_address(address).reverse_pointer
    return DnsQuestion(f"{pointer.rsplit('.', 2)[0]}.{definition.asked_zone}", "A")


_STATES = {
    DnsState.NOT_FOUND: ListState.NOT_LISTED,
    DnsState.REFUSED: ListState.REFUSED,
    DnsState.SERVFAIL: ListState.FAILED,
    DnsState.TIMEOUT: ListState.TIMEOUT,
    DnsState.MALFORMED: ListState.MALFORMED,
    DnsState.DISABLED: ListState.DISABLED,
}


def read_list_answer(definition: DnsList, answer: DnsAnswer) -> ListAnswer:
    """What an answer of DNS means to a list.  All addresses are looked at, and only declared ones count.

    One address that means a refusal, or one from outside 127.0.0.0/8, spoils the whole answer: what stands beside
    it cannot be trusted.  Nor can an answer whose aliases lead out of the list's zone: somebody else gives it.
    """
    if answer.state is not DnsState.FOUND:
        return ListAnswer(_STATES[answer.state])
    if answer.alias and not f".{answer.alias}".endswith(f".{definition.asked_zone}".lower()):
        return ListAnswer(ListState.MALFORMED)
    addresses = [_octets(record) for record in answer.records]
    if any(address is not None and _is_refusal(definition, address) for address in addresses):
        return ListAnswer(ListState.REFUSED)
    listings = []
    for text, address in zip(answer.records, addresses, strict=True):
        if address is None or address[0] != 127:
            return ListAnswer(ListState.MALFORMED)
        listings += [(text, meaning) for meaning in _meanings(definition, address)]
    return ListAnswer(ListState.LISTED, tuple(listings)) if listings else ListAnswer(ListState.MALFORMED)


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


class DnsblCheck:
    """`LookupCheck` that asks the lists about the connecting host.

    ``lists``  definitions, see `chosen_lists`.  Raises `SettingError` where one symbol has two meanings.

    Not asked about: mail that we send or that a user has handed in with a login, because the addresses of homes
    and phones are listed as such and only what a mail server takes from outside is meant by that.
    """

    name = "dnsbl"

    def __init__(self, lists: Sequence[DnsList] = ()) -> None:
        self.lists = tuple(lists)
        symbols: dict[str, SymbolInfo] = {info.name: info for info in declared_by(self.name)}
        for definition in self.lists:
            for info in definition.symbols(self.name):
                if symbols.setdefault(info.name, info) != info:
                    raise SettingError(f"list {definition.name}", (f"symbol {info.name} has another meaning already",))
        self.symbols = tuple(symbols.values())

    def ask(self, mail: Mail) -> Asking:
        """One round: all lists at once."""
        if not self.lists:
            return (Symbol(NOT_ASKED, 1.0, "no list is configured"),)
        address, reason = _asked_about(mail)
        if not address:
            return (Symbol(NOT_ASKED, 1.0, reason),) if reason else ()
        family = "ipv6" if ":" in address else "ipv4"
        lists = [definition for definition in self.lists if family in definition.families]
        if not lists:
            return (Symbol(NOT_ASKED, 1.0, f"no list that is configured knows {family} addresses"),)
        answers = yield tuple(list_query(definition, address) for definition in lists)
        read = [read_list_answer(definition, _dns(answer)) for definition, answer in zip(lists, answers, strict=True)]
        return _findings(lists, read, address)


def _asked_about(mail: Mail) -> tuple[str, str]:
    """The address to ask about; without one, why not (``""`` when there is nothing worth telling)."""
    envelope = mail.envelope
    if envelope.client_ip is None:
        return "", "the address of the connecting host is not known"
    if envelope.auth_user or envelope.direction != "inbound":
        return "", "the mail does not come from outside"
    address = ipaddress.ip_address(envelope.client_ip.partition("%")[0])
    if any(address in network for network in _NEVER_LISTED if network.version == address.version):
        return "", ""
    return str(address), ""


def _dns(answer: Answer) -> DnsAnswer:
    if isinstance(answer, DnsAnswer):
        return answer
    return DnsAnswer(DnsState.MALFORMED, detail=f"the resolver gave {type(answer).__name__}")


def _findings(lists: Sequence[DnsList], answers: Sequence[ListAnswer], address: str) -> Findings:
    """A symbol for everything that a list declares about the address, one for all that is not known."""
    evidence: dict[str, list[str]] = {}
    unknown = []
    for definition, answer in zip(lists, answers, strict=True):
        if answer.state is ListState.LISTED:
            for code, meaning in answer.listings:
                said = f"{address} is {code} in {definition.zone}"
                evidence.setdefault(meaning.symbol, []).append(said)
        elif answer.state is not ListState.NOT_LISTED:
            unknown.append((definition, answer))
    found = [Symbol(name, 1.0, "; ".join(sorted(said))) for name, said in evidence.items()]
    if unknown and all(answer.state is ListState.DISABLED for _, answer in unknown) and len(unknown) == len(lists):
        found.append(Symbol(NOT_ASKED, 1.0, "nobody answers DNS questions"))
    elif unknown:
        said = "; ".join(f"{definition.zone}: {answer.state.value}" for definition, answer in unknown)
        found.append(Symbol(UNKNOWN, 1.0, said))
    return tuple(found)

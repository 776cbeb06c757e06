"""Addresses and networks that settings name, found by hash: what a lookup costs does not grow with their number.

A pattern is an address (``a@example.org``), a domain (``example.org``, itself only) or all that is below one
(``.example.org``).  Upper and lower case are the same, as everywhere in practice; domains are compared as A-labels.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST_LABELS = 127
"""Labels that a domain name can have (RFC 1035)."""
_LONGEST_DOMAIN = 253


def folded(address: str) -> str:
    """An address, a domain or a pattern as it is compared."""
    if address.isascii():
        return address.strip().lower().rstrip(".")
    local, at, domain = address.strip().rpartition("@")
    domain = domain.lower().rstrip(".")
    if not domain.isascii() and len(domain) <= _LONGEST_DOMAIN:
        with suppress(UnicodeError):  # one that has no A-label equals nothing but itself
            domain = domain.encode("idna").decode("ascii")
    return f"{local.lower()}{at}{domain}"


def domain_of(address: str) -> str:
    """The domain of a folded address."""
    return address.rpartition("@")[2]


def keys(address: str) -> Iterator[str]:
    """Every pattern that a folded address falls under, the closest first."""
    yield address
    domain = domain_of(address)
    if domain and domain != address:
        yield domain
    rest = domain
    for _ in range(_MOST_LABELS):
        _, dot, rest = rest.partition(".")
        if not dot:
            return
        yield f".{rest}"


def pattern_fault(text: str) -> str | None:
    """What is wrong with a pattern, or ``None``."""
    domain = text.rpartition("@")[2].removeprefix("." if "@" not in text else "")
    if not domain or not all(domain.split(".")) or any(char.isspace() or char in "*,;<>" for char in text):
        return f'"{text}" is no address (a@example.org), domain (example.org) or all below one (.example.org)'
    if text.startswith("@"):
        return f'"{text}" has nothing before the @; a domain is written without it: "{text[1:]}"'
    return None


def network_fault(text: str) -> str | None:
    """What is wrong with a network, or ``None``."""
    try:
        ipaddress.ip_network(text.strip())
    except ValueError as error:
        return f'"{text}" is no address or network: {error}'
    return None


class AddressIndex(Generic[T]):
    """Patterns and what belongs to each."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        self._found: dict[str, list[tuple[str, T]]] = {}
        for pattern, belongs in entries:
            self._found.setdefault(folded(pattern), []).append((pattern, belongs))

    def __len__(self) -> int:
        return len(self._found)

    def find(self, address: str) -> Iterator[tuple[str, T]]:
        """The patterns that a folded address falls under, each with what belongs to it."""
        for key in keys(address):
            yield from self._found.get(key, ())


class NetworkIndex(Generic[T]):
    """Networks and what belongs to each: one look for each length of prefix that occurs."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        self._found: dict[tuple[int, int], dict[int, list[tuple[str, T]]]] = {}
        for text, belongs in entries:
            network = ipaddress.ip_network(text.strip())
            low = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
            of_length = self._found.setdefault((network.version, network.prefixlen), {})
            of_length.setdefault(low, []).append((text, belongs))

    def __bool__(self) -> bool:
        return bool(self._found)

    def find(self, address: str) -> Iterator[tuple[str, T]]:
        """The networks that a client's address is in, each with what belongs to it."""
        if not self._found:
            return
        parsed = ipaddress.ip_address(address.partition("%")[0])
        value = int(parsed)
        for (version, length), of_length in self._found.items():
            if version == parsed.version:
                yield from of_length.get(value >> (parsed.max_prefixlen - length), ())

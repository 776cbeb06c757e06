"""How much a server takes on: limits on mails, sessions and time, and who is in hand."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """What is beyond these is refused for now (421, 452), only what is too large for good (552).

    ``size``  octets of a mail; ``recipients``  of a mail; ``sessions``  at a time; ``per_client``  of these from one
    address, 0 for any number; ``memory``  octets of all mails that are being received or handled; ``idle``  seconds
    that a client may be silent; ``data``  seconds that it may take over one mail; ``grace``  seconds that those in
    hand get to be finished when the server stops.
    """

    size: int = 32 * 2**20
    recipients: int = 1000
    sessions: int = 200
    per_client: int = 0
    memory: int = 512 * 2**20
    idle: float = 300.0
    data: float = 1800.0
    grace: float = 30.0


@dataclass(slots=True)
class InHand:
    """The sessions and octets that a server has in hand; ``closing`` once it is to stop."""

    limits: Limits
    sessions: set[Any] = field(default_factory=set)
    clients: Counter[str] = field(default_factory=Counter)
    octets: int = 0
    closing: bool = False

    def full(self, client: str) -> str:
        """Why no session more is taken on (those that are counted already are in), "" if one is."""
        if self.closing:
            return "421 4.3.2 Shutting down, please try again later"
        if len(self.sessions) > self.limits.sessions:
            return "421 4.3.2 Too many sessions, please try again later"
        if self.limits.per_client and self.clients[client] > self.limits.per_client:
            return "421 4.7.0 Too many sessions from your address, please try again later"
        return ""


@cache
def names(kind: type, beginnings: tuple[str, ...]) -> list[str]:
    """Attributes of a class with these beginnings."""
    return [name for base in kind.__mro__ for name in vars(base) if name.startswith(beginnings)]


Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def networks(texts: Iterable[str]) -> Networks:
    """Networks or addresses as text; `ValueError` says which is none."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def within(address: str | None, ours: Networks) -> bool:
    """Whether an address is in one of the networks."""
    if not address or not ours:
        return False
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in ours)

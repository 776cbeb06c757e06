"""Nameservers: how settings name them, and which the system has."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..errors import SettingError
from . import DnsAnswer, DnsQuestion

SHUN_SECONDS = 30.0
"""For so long a server that did not answer is asked only after the others."""
_GRACE = 0.5
"""Seconds after its deadline that a question may still be settled."""


class Nameserver(NamedTuple):
    """A resolver's address and port."""

    address: str
    port: int = 53

    @property
    def family(self) -> socket.AddressFamily:
        """IPv4 or IPv6."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def parse_nameserver(text: str, source: str = "nameservers") -> Nameserver:
    """Read ``192.0.2.1``, ``192.0.2.1:5353``, ``2001:db8::1`` or ``[2001:db8::1]:53``.

    Raises `SettingError`; a host name is none, because it would have to be looked up by what it names.
    """
    host, port = text, "53"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or "53" if rest[:1] in ("", ":") else "?"
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        allowed = 'allowed are "192.0.2.1", "192.0.2.1:5353", "2001:db8::1" and "[2001:db8::1]:5353"'
        raise SettingError(source, (f"{text!r} is no address of a nameserver; {allowed}",))
    return Nameserver(str(address), int(port))


def system_nameservers() -> tuple[Nameserver, ...]:
    """The system's resolvers, by dnspython; empty where it has none."""
    import dns.resolver

    try:
        resolver = dns.resolver.Resolver(configure=True)
    except (dns.resolver.NoResolverConfiguration, OSError, ValueError):
        return ()
    found = []
    for nameserver in resolver.nameservers:
        try:
            address = ipaddress.ip_address(str(nameserver))
        except ValueError:
            continue
        found.append(Nameserver(str(address), resolver.port))
    return tuple(found)


class Health:
    """Which servers have just failed to answer; shared by all who ask them."""

    def __init__(self) -> None:
        self._shunned: dict[Nameserver, float] = {}

    def shun(self, server: Nameserver, now: float) -> None:
        """It did not answer."""
        self._shunned[server] = now + SHUN_SECONDS

    def well(self, server: Nameserver) -> None:
        """It did."""
        if self._shunned:
            self._shunned.pop(server, None)

    def in_order(self, servers: Sequence[Nameserver], now: float) -> list[Nameserver]:
        """The servers, those that have just failed to answer last."""
        if not self._shunned:
            return list(servers)
        return sorted(servers, key=lambda server: self._shunned.get(server, 0.0) > now)


class InFlight:
    """How many questions are under way, of all threads and loops together.

    Who has none of its own may always have one, so that nobody waits for others to be done; the bound is soft by that.
    """

    def __init__(self, limit: int) -> None:
        self.total = 0
        """Questions that have been sent so far."""
        self._limit = limit
        self._count = 0
        self._lock = threading.Lock()

    def take(self, own: int) -> bool:
        """One more, if there is room; ``own``  how many the asker has already."""
        with self._lock:
            if self._count >= self._limit and own:
                return False
            self._count += 1
            self.total += 1
            return True

    def give(self) -> None:
        """One less."""
        with self._lock:
            self._count -= 1


Told = Callable[[DnsQuestion, DnsAnswer | None], None]
"""Told the answer that somebody else was given, or None where they have stopped asking.  Called from any thread."""


class Joined:
    """Who asks which question at this moment, so that others wait for that answer and do not ask as well.

    One question is under way once, which also spares a forger of replies his many chances (RFC 5452 section 5).
    """

    def __init__(self) -> None:
        self._waiting: dict[DnsQuestion, tuple[float, list[Told]]] = {}
        self._lock = threading.Lock()

    def claim(self, question: DnsQuestion, told: Told, until: float, now: float) -> bool:
        """Whether the caller is the one to ask, until then; otherwise ``told`` is called once the other one knows.

        Who has claimed a question and is not heard of in time has been lost, as a loop that was closed over it.
        """
        with self._lock:
            ends, others = self._waiting.get(question, (0.0, None))
            if others is None or ends < now:
                self._waiting[question] = (until + _GRACE, others or [])
                return True
            others.append(told)
            return False

    def settle(self, question: DnsQuestion, answer: DnsAnswer | None) -> None:
        """Tell all who wait; by the one who asked."""
        with self._lock:
            _, others = self._waiting.pop(question, (0.0, ()))
        for told in others:
            told(question, answer)

"""Nameservers: how settings name them, and which the system has."""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple

from ..errors import SettingError


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

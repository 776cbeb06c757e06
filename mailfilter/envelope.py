"""The SMTP facts that come with a mail (RFC 5321), as far as they are known."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from .errors import EnvelopeError

Direction = Literal["inbound", "outbound", "internal"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the SMTP session said.  ``None`` means "not known" everywhere; an archive knows nothing.

    ``client_ip``  address of the connecting host, IPv4 or IPv6, as text.
    ``client_name``  its verified reverse name, ``""`` when it has none.
    ``helo``  the HELO or EHLO argument.
    ``mail_from``  reverse-path without angle brackets; ``""`` is the null sender of a bounce.
    ``rcpt_to``  forward-paths; any sequence of str is taken and kept as a tuple.
    ``auth_user``  login of an authenticated submission.
    ``received_at``  when the mail came, in seconds since 1970; by this time signatures have expired or not.

    Raises `EnvelopeError` when ``client_ip`` is no address or ``direction`` is unknown.
    """

    client_ip: str | None = None
    helo: str | None = None
    mail_from: str | None = None
    rcpt_to: Sequence[str] = ()
    client_name: str | None = None
    auth_user: str | None = None
    direction: Direction = "inbound"
    received_at: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.rcpt_to, str):
            raise EnvelopeError(f"rcpt_to is a sequence of addresses, not the one text {self.rcpt_to!r}")
        object.__setattr__(self, "rcpt_to", tuple(self.rcpt_to))
        if self.direction not in DIRECTIONS:
            raise EnvelopeError(f"direction is inbound, outbound or internal, not {self.direction!r}")
        if self.client_ip is not None:
            object.__setattr__(self, "client_ip", _canonical_ip(self.client_ip))


def _canonical_ip(text: str) -> str:
    """Canonical spelling of an address; an IPv4 address mapped into IPv6 becomes IPv4 again."""
    try:
        address = ipaddress.ip_address(text.strip("[] "))
    except ValueError:
        raise EnvelopeError(f"client_ip is an IPv4 or IPv6 address, not {text!r}") from None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)

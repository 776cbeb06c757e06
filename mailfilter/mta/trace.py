"""The Received field (RFC 5321 section 4.4) that a server puts on top, and the loop that too many of them betray."""

from __future__ import annotations

import re
import time
from email.utils import formatdate

from ..envelope import Envelope

MOST_HOPS = 100
_UNFIT = re.compile(r"[^A-Za-z0-9.:_\[\]-]")
_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)
_BLANK = re.compile(rb"^\r?\n", re.MULTILINE)


def received(envelope: Envelope, hostname: str, protocol: str, mail_id: str, now: float | None = None) -> bytes:
    """The field; what the client said of itself is cut down to what a host's name can hold."""
    helo = _UNFIT.sub("?", envelope.helo or "")[:255] or "unknown"
    name = _UNFIT.sub("?", envelope.client_name or "")[:255]
    address = envelope.client_ip or ""
    literal = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    client = f" ({f'{name} ' if name else ''}{literal})" if address else ""
    when = formatdate(time.time() if now is None else now).replace("-0000", "+0000")
    text = f"Received: from {helo}{client}\r\n\tby {hostname} with {protocol} id {mail_id};\r\n\t{when}\r\n"
    return text.encode("ascii", "replace")


def loops(raw: bytes) -> bool:
    """Whether a mail has been through so many servers that it can only be going round in a circle."""
    if raw[: 2**20].lower().count(b"received") <= MOST_HOPS:
        return False
    blank = _BLANK.search(raw)
    return len(_RECEIVED.findall(raw, 0, blank.start() if blank else len(raw))) > MOST_HOPS

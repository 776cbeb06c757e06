"""When a mail says that it was written, and when hosts say that they took it."""

from __future__ import annotations

import re

from ...checks._dates import parse_date
from ..facts import Facts
from ..received import FETCHED
from ..relays import parse_received

_STAMP = re.compile(r"\b\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{2,4} \d{1,2}:\d\d", re.I)
_ZONED = re.compile(r":\d\d (?:[+-]\d{2,4}|[A-Z]{1,4})\b")
MAX_HOPS = 200


def header_date(facts: Facts) -> int | None:
    """Seconds since 1970 of ``Resent-Date``, else ``Date``; `None` where neither is a date."""
    for name in ("resent-date", "date"):
        for latin1 in facts.index.get(name, ()):
            text = " ".join(latin1.split())
            time = _read(text)
            if time is not None:
                return time
    return None


def received_dates(facts: Facts) -> list[int]:
    """Seconds since 1970 at which each hop took the mail, the latest first."""
    found: list[int] = []
    for latin1 in facts.index.get("received", ())[:MAX_HOPS]:
        line = " ".join(latin1[:4096].split())
        if ("with IMAP" in line or "with POP3" in line) and parse_received(line) == FETCHED:
            found.clear()
            continue
        time = _read(line) if _ZONED.search(line) else None
        if time is not None:
            found.append(time)
    return found


def _read(text: str) -> int | None:
    match = _STAMP.search(text)
    return parse_date(text, match.start()) if match else None


def date_difference(facts: Facts) -> int:
    """Seconds that the Date is ahead of the nearest hop; 0 where one of them is unknown.

    The first hop of all is left out where it wrote the Date itself, to the second.
    """
    written = header_date(facts)
    if written is None:
        return 0
    differences = [written - time for time in received_dates(facts)]
    if len(differences) > 1 and differences[-1] == 0:
        differences.pop()
    return min(differences, key=abs, default=0)

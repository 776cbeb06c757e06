"""When a mail says that it was written, and when hosts say that they took it."""

from __future__ import annotations

import re

from ...checks._dates import day_number, parse_date
from ...kernel import native
from ..facts import Facts
from ..received import FETCHED
from ..relays import parse_received
from ._common import once

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_STAMP = re.compile(rf"\b\d{{1,2}} {_MONTH} \d{{2,4}} \d{{1,2}}:\d\d", re.I)
_CLOCK = re.compile(r":(?<=[ \d]\d:)\d\d")
_BEFORE = len("14 May 2024 10")
_REST = len(":11:12 +0200")
"""Characters from the first colon of a date in its usual form to its end."""
_ZONED = re.compile(r":\d\d (?:[+-]\d{2,4}|[A-Z]{1,4})\b")
_USUAL = re.compile(
    rf";?\s*(?:[A-Za-z]{{2,9}},?\s+)?(\d{{1,2}})\s+({_MONTH})\s+(\d{{4}})"
    r"\s+(\d\d):(\d\d):(\d\d)\s+([+-]\d\d)(\d\d)\b"
)
"""A date as nearly all are written, and what may stand before it."""
MAX_HOPS = 200
MAX_LINE = 4096


def header_date(facts: Facts) -> int | None:
    """Seconds since 1970 of ``Resent-Date``, else ``Date``; `None` where neither is a date."""
    return once(facts, _header_date)


def _header_date(facts: Facts) -> int | None:
    for name in ("resent-date", "date"):
        for latin1 in facts.index.get(name, ()):
            time = native.date(latin1, 0) if native is not None else None
            time = _usual(latin1, 0) if time is None else time
            time = _read(" ".join(latin1.split())) if time is None else time
            if time is not None:
                return time
    return None


def received_dates(facts: Facts) -> list[int]:
    """Seconds since 1970 at which each hop took the mail, the latest first."""
    return once(facts, _received_dates)


def _received_dates(facts: Facts) -> list[int]:
    found: list[int] = []
    for latin1 in facts.index.get("received", ())[:MAX_HOPS]:
        time = None if "IMAP" in latin1 or "POP3" in latin1 else _last(latin1)
        if time is None:
            line = " ".join(latin1[:MAX_LINE].split())
            if ("with IMAP" in line or "with POP3" in line) and parse_received(line) == FETCHED:
                found.clear()
                continue
            time = _read(line) if _ZONED.search(line) else None
        if time is not None:
            found.append(time)
    return found


def _last(latin1: str) -> int | None:
    """The date behind the first semicolon of a line that has no colon before it: so it is the first date there."""
    end, colon = latin1.find(";"), latin1.find(":")
    if not 0 < end < colon:
        return None
    after = colon + _REST
    if native is not None and after < MAX_LINE and latin1[after : after + 1] in _ENDS:
        time: int | None = native.date(latin1[end + 1 : after].lstrip(), 0)
        if time is not None:
            return time
    return _usual(latin1, end)


_ENDS = frozenset(("", " ", "\r", "\n"))
"""What may follow the zone of a date for it to be of two digits and two."""


def _usual(latin1: str, start: int) -> int | None:
    """The date that a text begins with at ``start``, if it is written as most are."""
    match = _USUAL.match(latin1, start, MAX_LINE)
    if match is None:
        return None
    day, month, year, hour, minute, second, east, more = match.groups()
    days = day_number(day, month, year)
    if days is None or hour > "24" or minute > "59":
        return None
    zone = int(east) * 3600 + int(east[0] + more) * 60
    return days * 86400 + int(hour) * 3600 + int(minute) * 60 + int(second) - zone


def _read(text: str) -> int | None:
    """The first date of a text; looked for before what may be a time of day only."""
    for clock in _CLOCK.finditer(text):
        match = _STAMP.search(text, max(0, clock.start() - _BEFORE), clock.end())
        if match:
            return parse_date(text, match.start())
    return None


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


def hours_ahead(facts: Facts) -> float:
    """`date_difference` in hours."""
    return date_difference(facts) / 3600

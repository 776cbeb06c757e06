"""Dates of mail headers (RFC 5322 section 3.3, with the obsolete forms of 4.3) as seconds since 1970."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

from ..kernel import native

_DATE = re.compile(
    r"\s*(?:[A-Za-z]{2,9}\.?,?\s{0,9})?"
    r"(\d{1,2})[ \t-]{1,9}([A-Za-z]{3})[a-z]{0,6}[ \t.-]{1,9}(\d{2,4})[ \t,]{1,9}"
    r"(\d{1,2})[:.](\d\d)(?:[:.](\d\d))?\s{0,9}([+-]\d{3,4}|[A-Za-z]{1,5})?"
)
_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
    "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
_ZONES = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_LONGEST = 200
_EPOCH = date(1970, 1, 1).toordinal()


def parse_date(text: str, start: int = 0) -> int | None:
    """Seconds since 1970-01-01 UTC, or ``None`` for what is no date.  An unknown zone counts as UTC."""
    if native is not None and (seconds := native.date(text, start)) is not None:
        return int(seconds)
    return _read(text, start)


def _read(text: str, start: int) -> int | None:
    match = _DATE.match(text, start, start + _LONGEST)
    if not match:
        return None
    day, month, year, hour, minute, second, zone = match.groups()
    days = day_number(day, month, year)
    if days is None or int(hour) > 24 or int(minute) > 59:
        return None
    return days * 86400 + int(hour) * 3600 + int(minute) * 60 + int(second or 0) - _offset(zone or "")


@lru_cache(maxsize=1024)
def day_number(day: str, month: str, year: str) -> int | None:
    """Days since 1970-01-01; the mails of a batch share most of them."""
    try:
        return date(_full_year(year), _MONTHS[month.lower()], int(day)).toordinal() - _EPOCH
    except (KeyError, ValueError):
        return None


def _full_year(digits: str) -> int:
    """RFC 5322 section 4.3: two digits below 50 are of this century, other short years of the last."""
    year = int(digits)
    return year + (0 if len(digits) == 4 else 2000 if year < 50 else 1900)


def _offset(zone: str) -> int:
    """Seconds east of UTC."""
    if zone[:1] in ("+", "-"):
        return int(zone[:-2]) * 3600 + int(zone[:1] + zone[-2:]) * 60
    return _ZONES.get(zone.upper(), 0) * 3600

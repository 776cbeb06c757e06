"""Functions about charsets of far-away places: those that ``ok_locales`` does not name; without it all are near."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..facts import Facts
from ._common import Listed, Lists, Query, flag

_CYRILLIC = "KOI8R KOI8U KOI8T ISOIR111 CP1251 GEORGIANPS PT154 CP866"
_BIG5, _GB = "BIG5HKSCS BIG5 EUCTW", "GB1988 GB2312 GB231219800 GB18030 GBK ISO2022CN"
_OF_PLACE = {
    "ja": "EUCJP JISX020119760 JISX020819830 JISX020819900 JISX020819970 JISX021219900 JISX021320001 JISX021320002"
    " SHIFT_JIS SHIFTJIS ISO2022JP SJIS JIS7 JISX0201 JISX0208 JISX0212",
    "ko": "EUCKR KSC56011987",
    **dict.fromkeys(("ru", "ka", "tg", "be", "uk", "bg"), _CYRILLIC),
    "th": "TIS620",
    "zh": f"{_GB} {_BIG5}",
}
"""Charsets that are usual in a place, its name being the language's (ISO 639-1); after SpamAssassin (Apache-2.0)."""
_EVERYWHERE = re.compile(
    r"(?:US)?ASCII\Z|ISO8859|ISO10646|UTF|UCS|CP125|WINDOWS|IBM852\Z|UNICODE11UTF[78]|XUNKNOWN\Z|ISO\Z"
)
_WORD = re.compile(r"=\?([^?]+)\?.\?[^?]*\?=")
_CHARSET = re.compile(r"charset=(?:\"([^\"]+)\"|'([^']+)'|(\S+))", re.I)
_HIGH = bytes(range(0x80, 0x100))

_Near = Callable[[str], bool]


def near(locales: Iterable[str]) -> _Near | None:
    """Whether a charset is one of the places given, `None` where all are."""
    places = {word[:2] for word in locales}
    if not places or "al" in places:
        return None
    usual = {charset for place in places for charset in _OF_PLACE.get(place, "").split()}

    def is_near(label: str) -> bool:
        charset = re.sub(r"[^A-Z0-9]", "", label.upper()).removeprefix("3D")
        return bool(_EVERYWHERE.match(charset)) or charset in usual

    return is_near


def _asked(far: Callable[[Facts, _Near], bool]) -> Listed:
    def make(lists: Lists) -> Query[bool]:
        is_near = near(lists.get("ok_locales", ()))
        return flag(lambda facts: False) if is_near is None else flag(lambda facts: far(facts, is_near))

    return make


def _in_headers(facts: Facts, is_near: _Near) -> bool:
    fields = (facts.field("From:raw") or "", facts.field("Subject:raw") or "")
    return any(not is_near(match[1]) for field in fields for match in _WORD.finditer(field))


def _of_mail(facts: Facts, is_near: _Near) -> bool:
    """The mail's own charset, and no fewer octets above 127 than below in the text."""
    match = _CHARSET.search(facts.field("Content-Type") or "")
    if not match or is_near(match[1] or match[2] or match[3]):
        return False
    text = b"\n".join(facts.paragraphs)
    count = len(text) - len(text.translate(None, _HIGH))
    return count > 3 and 2 * count >= len(text)


def _never(lists: Lists) -> Query[bool]:
    """What HTML says of its charset: SpamAssassin 4.0.1 loses it on the way, and never hits, whatever the locales."""
    return flag(lambda facts: False)


FUNCTIONS: dict[str, Listed] = {
    "check_for_faraway_charset": _asked(_of_mail),
    "check_for_faraway_charset_in_headers": _asked(_in_headers),
    "html_charset_faraway": _never,
}
"""Name in rule files → what makes the query for the lists of a rule set."""

"""Functions of ``eval:`` rules whose facts are here.  Each is given the mail's facts and the rule's arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .facts import Facts

Function = Callable[[Facts, Sequence[str]], bool]
"""Whether the rule hits.  Raises ValueError or IndexError for arguments that make no sense: the rule does not hit."""


def _body_length(facts: Facts, arguments: Sequence[str]) -> bool:
    raw = facts.full
    ends = [at for at in (raw.find(b"\n\n") + 2, raw.find(b"\r\n\r\n") + 4) if at > 3]
    return len(raw) - min(ends, default=len(raw)) <= int(arguments[0])


def _header_count(facts: Facts, arguments: Sequence[str]) -> bool:
    values = {value.strip() for value in facts.index.get(arguments[0].lower(), ())}
    return int(arguments[1]) <= len(values) <= int(arguments[2])


def _missing_to(facts: Facts, arguments: Sequence[str]) -> bool:
    return "to" not in facts.index and "apparently-to" not in facts.index


def _no_relays(facts: Facts, arguments: Sequence[str]) -> bool:
    relays = facts.relays
    return not (relays.trusted or relays.untrusted or relays.unparseable)


def _unparseable(facts: Facts, arguments: Sequence[str]) -> bool:
    return facts.relays.unparseable > 0


def _texts(facts: Facts) -> tuple[int, int]:
    """How many parts are HTML, and how many are other text."""
    kinds = [part.content_type for part in facts.message.root.walk() if not part.is_container]
    html = kinds.count("text/html")
    return html, sum(kind.startswith("text/") for kind in kinds) - html


def _mime_html(facts: Facts, arguments: Sequence[str]) -> bool:
    return _texts(facts)[0] > 0


def _mime_html_only(facts: Facts, arguments: Sequence[str]) -> bool:
    html, text = _texts(facts)
    return html > 0 and text == 0


def _all_trusted(facts: Facts, arguments: Sequence[str]) -> bool:
    relays = facts.relays
    return bool(relays.trusted) and not relays.untrusted and not relays.unparseable


def _all_caps(facts: Facts, arguments: Sequence[str]) -> bool:
    subject = (facts.field("Subject") or "").strip()
    subject = re.sub(r"\A(?:(?:re|fwd|fw|aw|antwort|wg|sv|vb|vs|vl):\s*)+", "", subject, flags=re.I)
    letters = re.sub(r"[^a-zA-Z]", "", subject)
    if len(subject) < 10 or not letters or not re.search(r"\s", subject):
        return False
    return letters.isupper() and not _CAPS.search(facts.field("Subject:raw") or "")


_CAPS = re.compile(
    r"=\?(?:koi8-\w|shift-?jis|gb2312|gbk|gb18030|big5|iso-?2022-?[a-z]{2}|euc-?\w{2}|windows-125[15]|iso-?8859-5"
    r"|ks_c_5601-1987)\?",
    re.I,
)
"""Charsets of which words look like capitals."""


def _uri_truncated(facts: Facts, arguments: Sequence[str]) -> bool:
    return any(len(uri) >= 8192 for uri in facts.uris)


FUNCTIONS: dict[str, Function] = {
    "check_all_trusted": _all_trusted,
    "check_body_length": _body_length,
    "check_for_mime_html": _mime_html,
    "check_for_mime_html_only": _mime_html_only,
    "check_for_missing_to_header": _missing_to,
    "check_header_count_range": _header_count,
    "check_no_relays": _no_relays,
    "check_relays_unparseable": _unparseable,
    "check_uri_truncated": _uri_truncated,
    "subject_is_all_caps": _all_caps,
}
"""Name in rule files → function."""

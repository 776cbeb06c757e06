"""Functions about header fields: dates, characters, recipients, message-ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

from ..facts import Facts
from ._common import Query, addresses, flag, head, limit
from .dates import header_date, hours_ahead, received_dates

_Index = Mapping[str, Sequence[str]]


def _header_count(arguments: Sequence[str]) -> Callable[[_Index], bool]:
    name, low, high = arguments[0].lower(), int(arguments[1]), int(arguments[2])
    return lambda index: low <= len({value.strip() for value in index.get(name, ())}) <= high


def _missing_to(facts: Facts) -> bool:
    return "to" not in facts.index and "apparently-to" not in facts.index


_ANSWER = re.compile(r"\A(?:(?:re|fwd|fw|aw|antwort|wg|sv|vb|vs|vl):\s*)+", re.I)
_SMALL = re.compile(r"[a-z]")
_LARGE = re.compile(r"[A-Z]")


def _all_caps(facts: Facts) -> bool:
    subject = (facts.field("Subject") or "").strip()
    if ":" in subject:
        subject = _ANSWER.sub("", subject)
    if len(subject) < 10 or _SMALL.search(subject) or not _LARGE.search(subject) or not re.search(r"\s", subject):
        return False
    return not _CAPS.search(facts.field("Subject:raw") or "")


_CAPS = re.compile(
    r"=\?(?:koi8-\w|shift-?jis|gb2312|gbk|gb18030|big5|iso-?2022-?[a-z]{2}|euc-?\w{2}|windows-125[15]|iso-?8859-5"
    r"|ks_c_5601-1987)\?",
    re.I,
)
"""Charsets of which words look like capitals."""


def _shifted_date(arguments: Sequence[str]) -> Callable[[float], bool]:
    low, high = limit(arguments[0], -inf), limit(arguments[1], inf)
    return lambda hours: low <= hours < high


_ILLEGAL = re.compile(r"[^\t\n\r -~]")
_LEGAL = b"\t\n\r" + bytes(range(0x20, 0x7F))


def _with_illegal(facts: Facts) -> Facts | None:
    """The mail, if there is anything in its header that must not be."""
    envelope = facts.envelope
    told = [] if envelope is None else [envelope.helo or "", envelope.mail_from or "", envelope.client_name or ""]
    text = "".join((head(facts), *told))
    return None if text.isascii() and not text.encode("ascii").translate(None, _LEGAL) else facts


def _illegal_chars(arguments: Sequence[str]) -> Callable[[Facts], bool]:
    """More octets than ``arguments[2]``, and a larger share than ``[1]``, that a header must not hold."""
    target = arguments[0] if arguments[0].endswith(":raw") else f"{arguments[0]}:raw"
    share, most = float(arguments[1]), int(arguments[2])

    def hits(facts: Facts) -> bool:
        text = facts.field(target) or ""
        if not _ILLEGAL.search(text) or _is_utf8(text):
            return False
        count = len(_ILLEGAL.findall(text))
        return count > most and count / len(text) > share

    return hits


def _is_utf8(text: str) -> bool:
    """Whether octets above 127 are there and are UTF-8, which headers may be (RFC 6532)."""
    try:
        text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return False
    return not text.isascii()


_TEMPLATE = re.compile(r"%[A-Z][A-Z_-]")
_FREE_TEXT = re.compile(
    r"(?:x-vms-to|x-uidl|x-face|to|cc|from|subject|references|in-reply-to|(?:x-|resent-|x-original-)?message-id)\Z",
    re.I,
)


def _unresolved_template(facts: Facts) -> bool:
    return "%" in head(facts) and any(
        _TEMPLATE.search(value) and not _FREE_TEXT.match(name) for name, value in facts.headers
    )


_SORTED_FROM = 7


def _sorted_recipients(facts: Facts) -> bool:
    """Seven recipients or more in the order of the alphabet."""
    raws = [raw for name in ("to", "cc", "bcc") for raw in facts.index.get(name, ())]
    if sum(raw.count("@") + raw.count("=?") * _SORTED_FROM for raw in raws) < _SORTED_FROM:
        return False  # an encoded word may hold any number of addresses
    boxes = addresses(facts, ["ToCc:addr", "Bcc:addr"])
    return len(boxes) >= _SORTED_FROM and boxes == sorted(boxes)


_OUTLOOK_ID = re.compile(r"<[0-9a-f]{4}([0-9a-f]{8})\$[0-9a-f]{8}\$[0-9a-f]{8}@")
_TICK = 2**32 / 1e7
"""Seconds of one step of the upper half of a Windows file time (100 ns units since 1601)."""
_EPOCH_1601 = 11_644_473_600
_FUDGE = 250


def _outlook_message_id(facts: Facts) -> bool:
    """A Message-ID of Outlook's form holds the hour; here neither the Date nor the first Received agrees with it."""
    match = _OUTLOOK_ID.match((facts.field("MESSAGEID") or "").strip())
    if not match:
        return False
    told = int(match[1], 16)
    times = [header_date(facts), *received_dates(facts)[:1]]
    return not any(time is not None and abs(told - int((time + _EPOCH_1601) / _TICK)) < _FUDGE for time in times)


def _equal_from_domains(facts: Facts) -> bool:
    """The registered domains of From and of the envelope's sender differ (the name says the contrary)."""
    header = facts.field("From:addr:domain")
    envelope = facts.field("EnvelopeFrom:addr:domain")
    return bool(header and envelope) and header != envelope


def _env_and_hdr_from(facts: Facts) -> bool:
    envelope = (facts.field("EnvelopeFrom") or "").strip().lower()
    return envelope == (facts.field("From:addr") or "").strip().lower()


def _ratware_envelope_from(facts: Facts) -> bool:
    """The envelope's sender was made of the recipient's domain and local part."""
    to = addresses(facts, ["To:addr"])
    sender = (facts.field("EnvelopeFrom") or "").strip().lower()
    if not to or not sender or re.match(r"srs[01]=", sender):
        return False
    user, _, host = to[0].partition("@")
    if not user or f"{user}@" not in sender:
        return False
    domain = facts.finder.registered(host)
    return bool(domain) and re.search(rf"\b{re.escape(domain)}.{re.escape(user)}@", sender) is not None


_EZMLM = re.compile(r"^contact \S+@\S+; run by ezmlm$", re.M)


def gated(facts: Facts) -> bool:
    """Whether the mail came through what drops Received fields (an ezmlm list, MSN's groups), or has none."""
    raws = facts.index.get("received", ())
    if "mailing-list" in facts.index:
        lists, delivered = facts.field("Mailing-List") or "", facts.field("Delivered-To") or ""
        if _EZMLM.search(lists) and "mailing list " in delivered and "(qmail " in (facts.field("Received") or ""):
            return True
    if any(raw[:MAX_BLANK].strip() for raw in raws) and not any("groups.msn.com" in raw for raw in raws):
        return False
    received = facts.field("Received") or ""
    return not received.strip() or "from groups.msn.com (" in received


MAX_BLANK = 100
"""Characters that must hold one that is no blank, for a value to be told from an empty one without decoding it."""


FUNCTIONS: dict[str, Query[Any]] = {
    "check_equal_from_domains": flag(_equal_from_domains),
    "check_for_matching_env_and_hdr_from": flag(_env_and_hdr_from),
    "check_for_missing_to_header": flag(_missing_to),
    "check_for_shifted_date": Query(hours_ahead, _shifted_date),
    "check_header_count_range": Query(lambda facts: facts.index, _header_count),
    "check_illegal_chars": Query(_with_illegal, _illegal_chars),
    "check_outlook_message_id": flag(_outlook_message_id),
    "check_ratware_envelope_from": flag(_ratware_envelope_from),
    "check_unresolved_template": flag(_unresolved_template),
    "gated_through_received_hdr_remover": flag(gated),
    "sorted_recipients": flag(_sorted_recipients),
    "subject_is_all_caps": flag(_all_caps),
}
"""Name in rule files → what it asks."""

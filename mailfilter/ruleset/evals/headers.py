"""Functions about header fields: dates, characters, recipients, message-ids."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..facts import Facts
from ._common import Function, addresses, once, within
from .dates import date_difference, header_date, received_dates


def _header_count(facts: Facts, arguments: Sequence[str]) -> bool:
    values = {value.strip() for value in facts.index.get(arguments[0].lower(), ())}
    return int(arguments[1]) <= len(values) <= int(arguments[2])


def _missing_to(facts: Facts, arguments: Sequence[str]) -> bool:
    return "to" not in facts.index and "apparently-to" not in facts.index


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


def _shifted_date(facts: Facts, arguments: Sequence[str]) -> bool:
    hours = once(facts, date_difference) / 3600
    return within(hours, arguments[0], arguments[1])


_ILLEGAL = re.compile(r"[^\t\n\r -~]")


def _illegal_chars(facts: Facts, arguments: Sequence[str]) -> bool:
    """More octets than ``arguments[2]``, and a larger share than ``[1]``, that a header must not hold."""
    target = arguments[0]
    text = facts.field(target if target.endswith(":raw") else f"{target}:raw") or ""
    if not _ILLEGAL.search(text):
        return False
    if _is_utf8(text):
        return False
    count = len(_ILLEGAL.findall(text))
    return bool(text) and count > int(arguments[2]) and count / len(text) > float(arguments[1])


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


def _unresolved_template(facts: Facts, arguments: Sequence[str]) -> bool:
    return any(_TEMPLATE.search(value) and not _FREE_TEXT.match(name) for name, value in facts.headers)


_SORTED_FROM = 7


def _sorted_recipients(facts: Facts, arguments: Sequence[str]) -> bool:
    """Seven recipients or more in the order of the alphabet."""
    boxes = addresses(facts, ["ToCc:addr", "Bcc:addr"])
    return len(boxes) >= _SORTED_FROM and boxes == sorted(boxes)


_OUTLOOK_ID = re.compile(r"<[0-9a-f]{4}([0-9a-f]{8})\$[0-9a-f]{8}\$[0-9a-f]{8}@")
_TICK = 2**32 / 1e7
"""Seconds of one step of the upper half of a Windows file time (100 ns units since 1601)."""
_EPOCH_1601 = 11_644_473_600
_FUDGE = 250


def _outlook_message_id(facts: Facts, arguments: Sequence[str]) -> bool:
    """A Message-ID of Outlook's form holds the hour; here neither the Date nor the first Received agrees with it."""
    match = _OUTLOOK_ID.match((facts.field("MESSAGEID") or "").strip())
    if not match:
        return False
    told = int(match[1], 16)
    times = [once(facts, header_date), *once(facts, received_dates)[:1]]
    return not any(time is not None and abs(told - int((time + _EPOCH_1601) / _TICK)) < _FUDGE for time in times)


def _equal_from_domains(facts: Facts, arguments: Sequence[str]) -> bool:
    """The registered domains of From and of the envelope's sender differ (the name says the contrary)."""
    header = facts.field("From:addr:domain")
    envelope = facts.field("EnvelopeFrom:addr:domain")
    return bool(header and envelope) and header != envelope


def _env_and_hdr_from(facts: Facts, arguments: Sequence[str]) -> bool:
    envelope = (facts.field("EnvelopeFrom") or "").strip().lower()
    return envelope == (facts.field("From:addr") or "").strip().lower()


def _ratware_envelope_from(facts: Facts, arguments: Sequence[str]) -> bool:
    """The envelope's sender was made of the recipient's domain and local part."""
    to = addresses(facts, ["To:addr"])
    sender = (facts.field("EnvelopeFrom") or "").strip().lower()
    if not to or not sender or re.match(r"srs[01]=", sender):
        return False
    user, _, host = to[0].partition("@")
    domain = facts.finder.registered(host)
    return bool(domain and user) and re.search(rf"\b{re.escape(domain)}.{re.escape(user)}@", sender) is not None


def _gated(facts: Facts, arguments: Sequence[str] = ()) -> bool:
    return gated(facts)


_EZMLM = re.compile(r"^contact \S+@\S+; run by ezmlm$", re.M)


def gated(facts: Facts) -> bool:
    """Whether the mail came through what drops Received fields (an ezmlm list, MSN's groups), or has none."""
    received = facts.field("Received") or ""
    lists, delivered = facts.field("Mailing-List") or "", facts.field("Delivered-To") or ""
    if _EZMLM.search(lists) and "mailing list " in delivered and "(qmail " in received:
        return True
    return not received.strip() or "from groups.msn.com (" in received


FUNCTIONS: dict[str, Function] = {
    "check_equal_from_domains": _equal_from_domains,
    "check_for_matching_env_and_hdr_from": _env_and_hdr_from,
    "check_for_missing_to_header": _missing_to,
    "check_for_shifted_date": _shifted_date,
    "check_header_count_range": _header_count,
    "check_illegal_chars": _illegal_chars,
    "check_outlook_message_id": _outlook_message_id,
    "check_ratware_envelope_from": _ratware_envelope_from,
    "check_unresolved_template": _unresolved_template,
    "gated_through_received_hdr_remover": _gated,
    "sorted_recipients": _sorted_recipients,
    "subject_is_all_caps": _all_caps,
}
"""Name in rule files → function."""

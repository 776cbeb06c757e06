"""What the header block of a mail gives away: what lacks, stands twice, lies about time or shouts.

Pure: a date is compared with the newest Received header, never with the clock, so that a mail of 2002 is judged
in 2026 as it was in 2002.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..message import Message
from ..mime.words import header_text
from ..symbols import Findings, Symbol, declared_by
from . import Mail
from ._dates import parse_date
from ._text import quote

ONCE = frozenset(
    (
        "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject",
        "date", "content-type", "content-transfer-encoding", "mime-version",
    )
)  # fmt: skip
"""Fields that may stand once (RFC 5322 section 3.6, RFC 2045)."""

FUTURE = 12 * 3600
"""Seconds that Date may run ahead of the newest Received: a whole time zone, set wrongly, is forgiven."""
PAST = 7 * 86400
"""Seconds that a mail may lie in queues."""
LONGEST = 1000
"""Characters of one field that are looked at."""
GAP = " " * 6
"""Blanks in a row that are no matter of style."""
SHOUT = 8
"""Letters that a subject needs before its capitals count."""

_MESSAGE_ID = re.compile(r"\s*<[^<>@\s]+@[^<>@\s]+>\s*(?:\([^()]*\)\s*)?\Z")
_TAGS = re.compile(r"(?:\s*(?:re|fwd?|aw|sv|tr|wg)\s*(?:\[\d+\])?\s*:|\s*\[[^\[\]]{0,60}\])+", re.IGNORECASE)
_REPLY = re.compile(r"\s*re\s*(?:\[\d+\])?\s*:", re.IGNORECASE)
_NEEDLESS = re.compile(r"=\?[^?\s]{1,40}\?[bB]\?")
_UNDISCLOSED = re.compile(r"\s*undisclosed[- ]recipients?\b|\s*unlisted[- ]recipients?\b", re.IGNORECASE)


class _Block:
    """The header block as all rules need it: raw values by lower-case name, the names, the subject."""

    __slots__ = ("block", "fields", "message", "names", "subject")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.block = block = message.root.block
        self.fields, self.names = block.by_name, block.names
        self.subject = message.subject

    def plain(self, name: str) -> str:
        """What follows the colon of the first field of this name, as written, ``""`` if there is none."""
        found = self.fields.get(name)
        return found[0] if found else ""


def _from_missing(block: _Block) -> Symbol | None:
    if "from" in block.fields:
        return None
    return Symbol("FROM_MISSING", evidence="no From header")


def _duplicated(block: _Block) -> Symbol | None:
    twice = [f"{name} ×{len(raws)}" for name, raws in block.fields.items() if len(raws) > 1 and name in ONCE]
    return Symbol("HEADER_DUPLICATED", evidence=", ".join(twice)) if twice else None


def _date(block: _Block) -> Symbol | None:
    fields = block.fields
    if "date" not in fields:
        return Symbol("DATE_MISSING", evidence="no Date header")
    sent = parse_date(text := fields["date"][0])
    if sent is None:
        return Symbol("DATE_INVALID", evidence=quote(text[:LONGEST].strip()))
    received = fields["received"][0] if "received" in fields else ""
    arrived = parse_date(received, received.rfind(";") + 1)
    if arrived is None or -PAST <= sent - arrived <= FUTURE:
        return None
    hours = (sent - arrived) / 3600
    if hours > 0:
        return Symbol("DATE_FUTURE", evidence=f"{hours:.0f} hours ahead of the newest Received header")
    return Symbol("DATE_PAST", evidence=f"{-hours / 24:.0f} days older than the newest Received header")


def _message_id(block: _Block) -> Symbol | None:
    if "message-id" not in block.fields:
        return Symbol("MSGID_MISSING", evidence="no Message-ID header")
    text = block.plain("message-id")
    if _MESSAGE_ID.match(text, 0, LONGEST):
        return None
    return Symbol("MSGID_MALFORMED", evidence=quote(text[:LONGEST].strip()))


def _shouts(block: _Block) -> Symbol | None:
    text = block.subject[:LONGEST]
    tags = _TAGS.match(text)
    text = text[tags.end() :] if tags else text
    if text != text.upper() or " " not in text.strip() or sum(map(str.isupper, text)) < SHOUT:
        return None
    return Symbol("SUBJECT_SHOUTS", evidence=quote(text))


def _fake_reply(block: _Block) -> Symbol | None:
    if not _REPLY.match(block.subject):
        return None
    if not block.fields.keys().isdisjoint(("references", "in-reply-to", "thread-index")):
        return None
    return Symbol("SUBJECT_FAKE_REPLY", evidence="Re: without References, In-Reply-To or Thread-Index")


def _subject_empty(block: _Block) -> Symbol | None:
    if block.subject.strip():
        return None
    return Symbol("SUBJECT_EMPTY", evidence="empty" if "subject" in block.fields else "no Subject header")


def _subject_padded(block: _Block) -> Symbol | None:
    """Blanks that push a random tail out of the reader's sight."""
    head, _, tail = block.subject[:LONGEST].rstrip().rpartition(GAP)
    if not head.strip() or " " in tail.strip():
        return None
    return Symbol("SUBJECT_PADDED", evidence=f"{quote(tail.strip())} behind a row of blanks")


def _recipients(block: _Block) -> Symbol | None:
    if "to" not in block.fields:
        return None if "cc" in block.fields else Symbol("TO_MISSING", evidence="neither To nor Cc")
    text = block.plain("to")
    if _UNDISCLOSED.match(text, 0, LONGEST):
        return Symbol("TO_UNDISCLOSED", evidence=quote(text[:LONGEST].strip()))
    return None


def _raw_8bit(block: _Block) -> Symbol | None:
    for name, raw in zip(block.block.written, block.block.raws, strict=True):
        try:
            _ = raw.isascii() or raw.encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            evidence = f"bytes above 127 that are not UTF-8 in {quote(name, 60)}"
            return Symbol("HEADER_RAW_8BIT", evidence=evidence)
    return None


def _encoded_needlessly(block: _Block) -> Symbol | None:
    for name in ("subject", "from"):
        raw = block.plain(name)
        charset = block.message.root.header_charset
        if "=?" in raw and (value := header_text(raw, charset)).isascii() and _NEEDLESS.search(raw):
            return Symbol("ENCODED_NEEDLESSLY", evidence=f"{name} in base64 holds ASCII only: {quote(value)}")
    return None


def _verdict_headers(block: _Block) -> Symbol | None:
    for name in block.names:
        if name.startswith("x-spam-"):
            return Symbol("SPAM_HEADERS_PRESENT", evidence=f"came with {quote(name, 60)}")
    return None


def _mime_version(block: _Block) -> Symbol | None:
    if "content-type" in block.fields and "mime-version" not in block.fields:
        return Symbol("MIME_VERSION_MISSING", evidence="Content-Type without MIME-Version")
    return None


_Rule = Callable[[_Block], Symbol | None]
_RULES: tuple[_Rule, ...] = (
    _from_missing, _duplicated, _date, _message_id, _shouts, _fake_reply, _subject_empty, _subject_padded,
    _recipients, _raw_8bit, _encoded_needlessly, _verdict_headers, _mime_version,
)  # fmt: skip


def _suspected(block: _Block) -> Iterator[_Rule]:
    """The rules that may find something, in the order of `_RULES`: what each needs, as quickly as it can be seen."""
    fields, names, subject = block.fields, block.names, block.subject
    if "from" not in fields:
        yield _from_missing
    if len(names) - len(fields) > _repeated(fields):
        yield _duplicated
    yield _date
    yield _message_id
    if subject[LONGEST - SHOUT : LONGEST] or (end := subject[-SHOUT:]) == end.upper():
        yield _shouts
    if subject[:2].lower() == "re" or subject[:1].isspace():
        yield _fake_reply
    if not subject or subject.isspace():
        yield _subject_empty
    if GAP in subject:
        yield _subject_padded
    if "to" not in fields or fields["to"][0].lstrip()[:2].lower() == "un":
        yield _recipients
    if not block.block.plain:
        yield _raw_8bit
        yield _encoded_needlessly
    if "x-spam-" in ":".join(names):
        yield _verdict_headers
    if "content-type" in fields and "mime-version" not in fields:
        yield _mime_version


def _repeated(fields: Mapping[str, tuple[str, ...]]) -> int:
    """How many of the two headers that stand more than once by right do so."""
    return sum([len(fields[name]) - 1 for name in ("received", "delivered-to") if name in fields])


class HeaderCheck:
    """Missing, repeated, malformed and dressed-up header fields (RFC 5322, RFC 2047)."""

    name = "headers"
    symbols = declared_by("headers")

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail, in order."""
        return [find(mail.message) for mail in mails]


def find(message: Message) -> Findings:
    """What `HeaderCheck` finds in one message."""
    block = _Block(message)
    return tuple([symbol for rule in _suspected(block) if (symbol := rule(block)) is not None])

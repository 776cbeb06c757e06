"""How a mail is built: broken or ambiguous MIME, bodies that hide or contradict themselves, and the test strings.

Most of the knowledge is the reader's (`mailfilter.message.Message.defects`); this check says which of it is worth a
finding, and compares what the parts of one mail show.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from ..message import DefectKind, Message, Part, Text
from ..symbols import Findings, Symbol, declared_by
from . import Mail
from ._text import mixed_word, quote

LONGEST = 20_000
"""Characters of one text that are looked at."""
FEW_WORDS = 20
"""Visible words below which a web page with a picture is a picture."""
MANY_WORDS = 25
"""Different words that an alternative needs before the other is expected to say the same."""

_DEFECTS = {
    DefectKind.DUPLICATE_TYPE: "MIME_LABELLED_TWICE",
    DefectKind.DUPLICATE_ENCODING: "MIME_LABELLED_TWICE",
    DefectKind.DUPLICATE_DISPOSITION: "MIME_LABELLED_TWICE",
    DefectKind.BOUNDARY_DISPUTED: "MIME_BOUNDARY_DISPUTED",
    DefectKind.EARLY_TERMINATOR: "MIME_BOUNDARY_DISPUTED",
    DefectKind.NO_BOUNDARY: "MIME_BOUNDARY_LOST",
    DefectKind.BOUNDARY_NOT_FOUND: "MIME_BOUNDARY_LOST",
    DefectKind.BASE64_JUNK: "MIME_BASE64_BROKEN",
    DefectKind.BASE64_PADDING: "MIME_BASE64_BROKEN",
    DefectKind.UNKNOWN_ENCODING: "MIME_ENCODING_ODD",
    DefectKind.ODD_ENCODING: "MIME_ENCODING_ODD",
    DefectKind.ENCODED_MULTIPART: "MIME_ENCODING_ODD",
    DefectKind.UNKNOWN_CHARSET: "CHARSET_UNKNOWN",
    DefectKind.HEADER_JUNK: "HEADER_BLOCK_BROKEN",
    DefectKind.HEADER_SPACE: "HEADER_BLOCK_BROKEN",
    DefectKind.HEADER_NUL: "HEADER_BLOCK_BROKEN",
    DefectKind.HEADER_CONTINUATION: "HEADER_BLOCK_BROKEN",
    DefectKind.HEADER_LIMIT: "MIME_LIMIT_REACHED",
    DefectKind.WORD_LIMIT: "MIME_LIMIT_REACHED",
    DefectKind.PARAMETER_LIMIT: "MIME_LIMIT_REACHED",
    DefectKind.DEPTH_LIMIT: "MIME_LIMIT_REACHED",
    DefectKind.PART_LIMIT: "MIME_LIMIT_REACHED",
    DefectKind.READING_LIMIT: "MIME_LIMIT_REACHED",
    DefectKind.LINK_LIMIT: "MIME_LIMIT_REACHED",
}
"""Defects that are worth a finding; the others are shown by the reader and counted for nothing."""

_GTUBE = "JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
_GTUBE_KINDS = {"X": "GTUBE", "Y": "GTUBE_QUARANTINE", "Z": "GTUBE_GREYLIST"}
"""SpamAssassin's test string and, by its first letter, the milder ones that rspamd made after it."""

_SPLIT_WORD = re.compile(
    r"[A-Za-z]<(?:!--[^<>]{0,60}--|![A-Za-z0-9 ]{0,60}|/?[A-Za-z]{0,2}[0-9bcdfghjklmnpqrstvwxz]{4,30})>[A-Za-z]"
)
_ZERO_WIDTH = re.compile("[A-Za-z][\u200b-\u200d\u2060\ufeff\u00ad]{1,9}[A-Za-z]")
_WORD = re.compile(r"[^\W\d_]{3,20}")


def _defects(message: Message) -> Iterator[Symbol]:
    for defect in message.defects:
        if name := _DEFECTS.get(defect.kind):
            detail = f": {quote(defect.detail, 60)}" if defect.detail else ""
            yield Symbol(name, evidence=f"{defect.kind.value} in part {defect.place or 'of the mail itself'}{detail}")


def _mime_version(message: Message) -> Iterator[Symbol]:
    if message.header("content-type") and not message.header("mime-version"):
        yield Symbol("MIME_VERSION_MISSING", evidence="Content-Type without MIME-Version")


def _bodies(message: Message) -> Iterator[Symbol]:
    """Findings about the whole of what is shown."""
    texts = message.texts
    pictures = any("<img" in text.source[:LONGEST].lower() for text in texts if text.kind == "html")
    if not message.attachments and not pictures and not any(text.visible.strip() for text in texts):
        yield Symbol("BODY_EMPTY", evidence="neither text nor attachment")
    elif texts and all(text.kind == "html" for text in texts):
        yield Symbol("HTML_ONLY", evidence="no plain text beside the web page")
        words = sum(len(text.visible[:LONGEST].split()) for text in texts)
        if words < FEW_WORDS and pictures:
            yield Symbol("HTML_PICTURE_ONLY", evidence=f"a picture and {words} words")


def _alternatives(message: Message) -> Iterator[Symbol]:
    """Parts of multipart/alternative are the same text for different readers (RFC 2046 5.1.4), or should be."""
    shown = {text.part: text for text in message.texts}
    for part in message.parts:
        if part.content_type != "multipart/alternative":
            continue
        leaves = {text.kind: text for leaf in _leaves(part) if (text := shown.get(leaf.path))}
        if len(leaves) < 2:
            continue
        plain, html = _vocabulary(leaves["plain"]), _vocabulary(leaves["html"])
        if len(plain) < MANY_WORDS and len(html) < MANY_WORDS:
            continue
        common = len(plain & html) / max(1, min(len(plain), len(html)))
        if len(plain) >= MANY_WORDS <= len(html) and common < 0.2:
            yield Symbol("ALTERNATIVE_DIFFERS", evidence=f"plain text and web page share {common:.0%} of their words")


def _leaves(part: Part) -> Iterator[Part]:
    stack = [part]
    while stack:
        at = stack.pop()
        if at.children:
            stack.extend(at.children)
        else:
            yield at


def _vocabulary(text: Text) -> set[str]:
    return set(_WORD.findall(text.visible[:LONGEST].lower()))


def _each_text(message: Message) -> Iterator[Symbol]:
    """Findings about one text at a time."""
    for text in message.texts:
        yield from _test_strings(text)
        visible = text.visible[:LONGEST]
        if text.kind == "html":
            yield from _web_page(text, visible)
        if visible.isascii():
            continue
        if match := _ZERO_WIDTH.search(visible):
            yield Symbol("TEXT_ZERO_WIDTH", evidence=f"invisible characters within a word: {quote(match[0])}")
        if word := mixed_word(visible[:4000]):
            yield Symbol("TEXT_MIXED_SCRIPT", evidence=f"{quote(word)} mixes alphabets that look alike")


def _web_page(text: Text, visible: str) -> Iterator[Symbol]:
    if match := _SPLIT_WORD.search(text.source[:LONGEST]):
        yield Symbol("HTML_SPLIT_WORD", evidence=f"a word is cut by {quote(match[0])}")
    if len(text.hidden) > max(200, len(text.visible)):
        evidence = f"{len(text.hidden)} characters are hidden, {len(text.visible)} are shown"
        yield Symbol("HTML_HIDDEN_TEXT", evidence=evidence)


def _test_strings(text: Text) -> Iterator[Symbol]:
    at = text.visible.find(_GTUBE)
    if at > 0 and (name := _GTUBE_KINDS.get(text.visible[at - 1])):
        yield Symbol(name, evidence="the test string of spam filters")


def _encoded_text(message: Message) -> Iterator[Symbol]:
    """Base64 hides plain ASCII from filters that do not decode; nobody else needs it."""
    for part in message.parts:
        if part.encoding != "base64" or part.content_type not in ("text/plain", "text/html"):
            continue
        if not part.is_attachment and part.data and part.data.isascii():
            yield Symbol("TEXT_ENCODED_NEEDLESSLY", evidence=f"part {part.path} in base64 holds ASCII only")
            return


_RULES: tuple[Callable[[Message], Iterator[Symbol]], ...] = (
    _defects, _mime_version, _bodies, _alternatives, _each_text, _encoded_text,
)  # fmt: skip


class StructureCheck:
    """Broken and ambiguous MIME, hidden and contradictory bodies, test strings (RFC 2045, RFC 2046)."""

    name = "structure"
    symbols = declared_by("structure")

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail, in order."""
        return [find(mail.message) for mail in mails]


def find(message: Message) -> Findings:
    """What `StructureCheck` finds in one message: each symbol once, with the first place that shows it."""
    found: dict[str, Symbol] = {}
    for rule in _RULES:
        for symbol in rule(message):
            found.setdefault(symbol.name, symbol)
    return tuple(found.values())

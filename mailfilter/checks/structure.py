"""How a mail is built: broken or ambiguous MIME, bodies that hide or contradict themselves, and the test strings.

Most of the knowledge is the reader's (`mailfilter.message.Message.defects`); this check says which of it is worth a
finding, and compares what the parts of one mail show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..message import DefectKind, Message, Text
from ..symbols import Findings, Symbol, declared_by
from . import Mail
from ._needles import Needles
from ._text import mixed_word, quote

LONGEST = 20_000
"""Characters of one text that are searched."""
SAMPLE = 2_000
"""Characters of one text whose words are compared."""
FEW_WORDS = 20
"""Visible words below which a web page with a picture is a picture."""
MANY_WORDS = 20
"""Different words that a text needs before it is compared with another."""
ALIKE = 0.2
"""Share of their words below which two alternatives are not the same text."""

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
    DefectKind.NO_BLANK_LINE: "HEADER_BLOCK_BROKEN",
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

_GTUBE_NEEDLE = Needles(_GTUBE)

ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
_CUT = re.compile(r"<!(?:--[^<>]{0,60}--|[A-Za-z0-9 ]{0,60})>[A-Za-z]")
_MANY_BYTES = ("utf", "iso-2022", "gb", "hz")
_ZERO_WIDTH = re.compile(f"[{ZERO_WIDTH}]{{1,9}}[A-Za-z]")


def _defects(message: Message) -> Iterator[Symbol]:
    for defect in message.defects:
        if name := _DEFECTS.get(defect.kind):
            detail = f": {quote(defect.detail, 60)}" if defect.detail else ""
            yield Symbol(name, evidence=f"{defect.kind.value}, in {_place(defect.place)}{detail}")


def _place(path: str) -> str:
    return f"part {path}" if path else "the mail itself"


def _shown(message: Message, bodies: Sequence[Text]) -> Iterator[Symbol]:
    """Findings about the whole of what is shown."""
    if not message.attachments and not any(map(_shows_anything, bodies)):
        yield Symbol("BODY_EMPTY", evidence="neither text nor attachment")
    elif {text.kind for text in bodies} == {"html"}:
        yield Symbol("HTML_ONLY", evidence="no plain text beside the web page")
        words = sum(map(_count_words, bodies))
        if words < FEW_WORDS and any(map(_has_picture, bodies)):
            yield Symbol("HTML_PICTURE_ONLY", evidence=f"a picture and {words} words")


def _shows_anything(text: Text) -> bool:
    return bool(text.visible and not text.visible.isspace()) or (text.kind == "html" and _has_picture(text))


def _has_picture(text: Text) -> bool:
    return "<img" in text.source or "<IMG" in text.source


def _count_words(text: Text) -> int:
    """Words of a short text; a long one has enough of them anyway."""
    return len(text.visible.split()) if len(text.visible) < SAMPLE else FEW_WORDS


def _alternatives(message: Message, bodies: Sequence[Text]) -> Iterator[Symbol]:
    """Parts of multipart/alternative are the same text for different readers (RFC 2046 5.1.4), or should be."""
    by_part = {text.part: text for text in bodies}
    for part in message.parts:
        if part.content_type == "multipart/alternative":
            leaves = {text.kind: text for leaf in part.walk() if (text := by_part.get(leaf.path))}
            if len(leaves) == 2 and (common := _in_common(leaves["plain"], leaves["html"])) < ALIKE:
                evidence = f"plain text and web page share {common:.0%} of their words"
                yield Symbol("ALTERNATIVE_DIFFERS", evidence=evidence)


def _in_common(one: Text, other: Text) -> float:
    """Share of the smaller vocabulary that is in the other as well; 1.0 where there is too little to tell."""
    words, others = _vocabulary(one.visible), _vocabulary(other.visible)
    smaller = min(len(words), len(others))
    return len(words & others) / smaller if smaller >= MANY_WORDS else 1.0


def _vocabulary(text: str) -> set[str]:
    """Words with the punctuation that stands at them; enough to compare texts by."""
    return set(text[:SAMPLE].lower().split())


def _gtube(visible: str) -> Iterator[Symbol]:
    at = visible.find(_GTUBE)
    if at > 0 and (name := _GTUBE_KINDS.get(visible[at - 1])):
        yield Symbol(name, evidence="the test string of spam filters")


def _alphabets(visible: str) -> Iterator[Symbol]:
    """Characters that are not seen, or not seen for what they are."""
    if any(map(visible.__contains__, ZERO_WIDTH)):
        for match in _ZERO_WIDTH.finditer(visible, 1, LONGEST):
            if "A" <= visible[match.start() - 1] <= "z":
                yield Symbol("TEXT_ZERO_WIDTH", evidence=f"invisible characters within a word: {quote(match[0])}")
                break
    if word := mixed_word(visible[:SAMPLE]):
        yield Symbol("TEXT_MIXED_SCRIPT", evidence=f"{quote(word)} mixes alphabets that look alike")


def _web_page(visible: str, source: str, hidden: str) -> Iterator[Symbol]:
    for match in _CUT.finditer(source, 1, LONGEST):
        if source[match.start() - 1].isalpha():
            yield Symbol("HTML_SPLIT_WORD", evidence=f"a word is cut by {quote(match[0][:-1])}")
            break
    if len(hidden) > len(visible):
        fresh = len(_vocabulary(hidden) - _vocabulary(visible))
        if fresh >= MANY_WORDS:
            yield Symbol("HTML_HIDDEN_TEXT", evidence=f"{fresh} different words are hidden that are not shown")


def _encoded_text(message: Message) -> Iterator[Symbol]:
    """Base64 hides plain ASCII from filters that do not decode; nobody else needs it.

    Where the charset is one of many bytes a character, mail programs encode without looking at what is written.
    """
    for part in message.parts:
        if part.encoding != "base64" or part.content_type not in ("text/plain", "text/html"):
            continue
        if part.data and part.data.isascii() and not part.is_attachment and not part.charset.startswith(_MANY_BYTES):
            yield Symbol("TEXT_ENCODED_NEEDLESSLY", evidence=f"part {part.path} in base64 holds ASCII only")
            return


class StructureCheck:
    """Broken and ambiguous MIME, hidden and contradictory bodies, test strings (RFC 2045, RFC 2046)."""

    name = "structure"
    symbols = declared_by("structure")

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail, in order."""
        return [find(mail.message) for mail in mails]


def find(message: Message) -> Findings:
    """What `StructureCheck` finds in one message: each symbol once, with the first place that shows it."""
    texts = bodies = message.texts
    symbols: list[Symbol] = []
    if message.attachments:
        attached = {part.path for part in message.attachments}
        bodies = tuple([text for text in texts if text.part not in attached])
    if message.defects:
        symbols += _defects(message)
    if len(bodies) != 1 or bodies[0].kind == "html" or not _shows_anything(bodies[0]):
        symbols += _shown(message, bodies)
    if len(bodies) > 1:
        symbols += _alternatives(message, bodies)
    for _, kind, visible, source, hidden in texts:  # those of attachments among them
        if _GTUBE_NEEDLE.within(visible):
            symbols += _gtube(visible)
        if kind == "html":
            symbols += _web_page(visible, source, hidden)
        if not visible.isascii():
            symbols += _alphabets(visible)
    if "base64" in [part.encoding for part in message.parts]:
        symbols += _encoded_text(message)
    found: dict[str, Symbol] = {}
    for symbol in symbols:
        found.setdefault(symbol.name, symbol)
    return tuple(found.values())

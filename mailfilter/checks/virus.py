"""Virus scan: the mail as it is and, where that is not enough, every part of every reading.

A scanner takes a mail apart in its own way.  Where mail programs would read the mail differently than the scanner
does (several readings, uuencoded files), and where the mail as a whole is beyond the scanner's limits, each part's
content is asked about too, so that nothing is passed because it was not looked at.  So it is where the answer is one
that may hide another: clamd names a single finding, and an encrypted archive takes the place of one beyond its limits.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from ..lookups import Answer, ScanAnswer, ScanQuestion, ScanState
from ..message import DefectKind, Message, Part
from ..mime.transfer import UUENCODE
from ..symbols import Findings, Symbol, declared_by
from . import Asking, Mail
from ._text import quote

MAX_PARTS = 250
"""Parts of one mail that are scanned one by one; a mail with more was not scanned whole, and is said not to be."""
DEEP = 5
"""Levels below which parts are scanned one by one: clamd stops somewhere, and in mails within mails does not say so."""
MAX_EVIDENCE = 500

SYMBOLS = {
    ScanState.INFECTED: "VIRUS_INFECTED",
    ScanState.UNWANTED: "VIRUS_PUA",
    ScanState.PHISHING: "VIRUS_PHISHING",
    ScanState.ENCRYPTED: "VIRUS_ENCRYPTED",
    ScanState.TOO_LARGE: "VIRUS_TOO_LARGE",
    ScanState.LIMITS_EXCEEDED: "VIRUS_LIMITS_EXCEEDED",
    ScanState.SCANNER_ERROR: "VIRUS_SCANNER_ERROR",
    ScanState.UNAVAILABLE: "VIRUS_UNAVAILABLE",
    ScanState.POISON: "VIRUS_POISON",
    ScanState.DISABLED: "VIRUS_UNSCANNED",
}
"""What each state of a scan is shown as; a clean one is no finding."""

_SETTLED = (ScanState.INFECTED, ScanState.UNAVAILABLE, ScanState.POISON, ScanState.DISABLED)
"""Nothing is gained by asking about the parts."""
_MAY_HIDE = (ScanState.UNWANTED, ScanState.PHISHING, ScanState.ENCRYPTED)
"""What is said of one part where several would have to be said."""
_FOUND = (ScanState.INFECTED, ScanState.UNWANTED, ScanState.PHISHING)
_NOT_SEEN_WHOLE = (ScanState.TOO_LARGE, ScanState.LIMITS_EXCEEDED)
"""The parts' answers stand in for the mail's."""

_LIMITS = {
    DefectKind.DEPTH_LIMIT: "nested more deeply than it is taken apart",
    DefectKind.READING_LIMIT: "it can be read in more ways than were scanned",
}
"""Caps of the reader that leave something unscanned."""

_NO_SCANNER = "no scanner is configured"
_UNSCANNED = (Symbol(SYMBOLS[ScanState.DISABLED], 1.0, _NO_SCANNER),)

_Scanned = tuple[str, ScanAnswer]
"""What was scanned, in words, and the answer."""


class VirusCheck:
    """`LookupCheck` that asks a scanner; the evidence of every symbol names signature or cause, and the place."""

    name = "virus"

    def __init__(self) -> None:
        self.symbols = declared_by(self.name)

    def unasked(self, mail: Mail, answered: Container[type[Any]]) -> Findings | None:
        """Without a scanner the same of every mail."""
        return None if ScanQuestion in answered else _UNSCANNED

    def ask(self, mail: Mail) -> Asking:
        """One question, and a second round about the parts if the mail needs it."""
        message = mail.message
        answers = yield (ScanQuestion(message.raw, bytes.fromhex(message.digest)),)
        whole: _Scanned = ("the whole mail", _scan_answer(answers[0]))
        state = whole[1].state
        if state in _SETTLED or not (state in (*_NOT_SEEN_WHOLE, *_MAY_HIDE) or _read_differently(message)):
            return _findings([whole])
        leaves = list(_leaves(message))
        questions = {ScanQuestion(part.data): _place(part) for part in reversed(leaves[:MAX_PARTS])}
        if not questions:
            return _findings([whole])
        answers = yield tuple(questions)
        scanned = list(zip(questions.values(), map(_scan_answer, answers), strict=True))
        if detail := _not_scanned(message, len(leaves)):
            scanned.append(("the whole mail", ScanAnswer(ScanState.LIMITS_EXCEEDED, detail=detail)))
        return _findings(scanned if state in _NOT_SEEN_WHOLE else [whole, *scanned])


def _not_scanned(message: Message, leaves: int) -> str:
    """Why something in the mail was not scanned although its parts were, in words; ``""`` if all was."""
    if leaves > MAX_PARTS:
        return f"{leaves} parts, of which {MAX_PARTS} were scanned"
    return next((_LIMITS[defect.kind] for defect in message.defects if defect.kind in _LIMITS), "")


def _read_differently(message: Message) -> bool:
    """Whether the scanner may see other content than a mail program shows."""
    if len(message.readings()) > 1 or (b"\r" in message.raw and b"\n" not in message.raw):
        return True
    if any(part.depth > DEEP for part in message.parts):
        return True
    return any(part.encoding in UUENCODE or (part.is_text and part.children) for part in message.parts)


def _leaves(message: Message) -> Iterator[Part]:
    """Parts with content of their own, of all readings."""
    return (part for part in message.parts if not part.is_container and part.data)


def _place(part: Part) -> str:
    name = f" {quote(part.names[0])}" if part.names else ""
    return f"part {part.path or '1'}{name}"


def _scan_answer(answer: Answer) -> ScanAnswer:
    if isinstance(answer, ScanAnswer):
        return answer
    return ScanAnswer(ScanState.SCANNER_ERROR, detail=f"the scanner gave {type(answer).__name__}")


def _findings(scanned: list[_Scanned]) -> Findings:
    """One symbol per state, with all its evidence."""
    evidence: dict[str, list[str]] = {}
    for place, answer in scanned:
        if answer.state is not ScanState.CLEAN:
            evidence.setdefault(SYMBOLS[answer.state], []).append(_words(place, answer))
    return tuple(Symbol(name, 1.0, _short("; ".join(sorted(words)))) for name, words in evidence.items())


def _words(place: str, answer: ScanAnswer) -> str:
    if answer.state is ScanState.DISABLED:
        return _NO_SCANNER
    cause = ", ".join(name if name.isprintable() else quote(name) for name in answer.names)
    said = ": ".join(filter(None, (cause, answer.detail))) or answer.state.value
    return f"{said} in {place}" if answer.state in _FOUND else f"{said} ({place})"


def _short(text: str) -> str:
    return text if len(text) <= MAX_EVIDENCE else text[: MAX_EVIDENCE - 1] + "…"

"""A pattern for hyperscan: look-around spelled out where that is possible, line ends where lines are joined.

The library (Vectorscan 5.4.12) loses matches of ``[ab]$`` at the end of a text; ``$`` is not used.  In lines it is
the line end itself; elsewhere it is left out.

Lines are scanned in one text, each with its line end.  So that a pattern matches there exactly where it matches in a
line alone, what could run over a line end is written without it.  What cannot be said in hyperscan's language is left
out: the pattern then matches wherever the given one does, and more (``exact`` is false).
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from . import tree
from .relax import without_high
from .tree import FAILURES, FLAGS, REPEATS, bare, codes_of, parse, trimmed, walk

MAX_DEPTH = 40
"""Groups within each other, references followed."""
MAX_SIZE = 10_000
"""Characters of a pattern whose repeats are written out."""


class Text(Enum):
    """What a pattern is looked for in: a text alone; lines; lines to which their end belongs."""

    WHOLE = "whole"
    LINES = "lines"
    ENDED = "ended"


class Rest(Enum):
    """What may follow within a line once its end was taken: nothing; nothing before ``$``; or it must be more."""

    MORE = 0
    DOLLAR = 1
    EMPTY = 2


class Spelled(NamedTuple):
    """A pattern, its flags, and whether it matches nothing but what the given one matches."""

    expression: bytes
    flags: str
    exact: bool


class _Hard(Exception):
    """An end of line before ``$``: to be written as an alternative of its own."""


class _Unknown(Exception):
    """An element that is not known."""


def spelled(pattern: bytes, flags: str, text: Text, loose: bool = False) -> Spelled | None:
    """The pattern for ``text``, `None` if it cannot be read or would grow too large.

    A ``loose`` one has ``^`` and ``$`` at its ends alone, and one class for all letters above ASCII.
    """
    try:
        parsed, flags = parse(pattern, flags)
        if tree.size(parsed) > MAX_SIZE:
            return None
        items = bare(parsed)
        if not items:
            items = list(parsed)
        writer, expression = _write(items, flags, text, loose)
        if not writer.exact:
            _, expression = _write(trimmed(items), flags, text, loose)
    except (*FAILURES, _Unknown, _Hard, KeyError):
        return None
    kept = flags if text is Text.WHOLE else "".join(sorted({*flags, "m"}))
    return Spelled(expression.encode("latin-1"), kept, writer.exact)


def _write(parsed: Any, flags: str, text: Text, loose: bool) -> tuple[_Writer, str]:
    writer = _Writer(parsed, flags, text, loose)
    try:
        return writer, writer.sequence(parsed, Rest.MORE if text is Text.LINES else Rest.EMPTY, True, True)
    except _Hard:
        writer = _Writer(parsed, flags, text, loose)
        inner = writer.sequence(parsed, Rest.MORE, True, True)
        ended = writer.ended(parsed)
        return writer, inner if ended is None else f"(?:{inner}|{ended})"


class _Writer:
    """Writes elements back to front: whether a line end may be taken depends on what comes after."""

    def __init__(self, parsed: Any, flags: str, text: Text, loose: bool) -> None:
        self.text = text
        self.loose = loose
        self.flags = flags
        self.exact = True
        self.depth = 0
        self.groups = {value[0]: value[3] for name, value in walk(parsed) if name == "SUBPATTERN"}

    def sequence(self, items: Any, rest: Rest, start: bool, end: bool) -> str:
        """Text of a sequence.

        ``start`` and ``end``: whether nothing of the match comes before or after it.
        """
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Unknown("too deep")
        out: list[str] = []
        items = list(items)
        for number in range(len(items) - 1, -1, -1):
            name, value = str(items[number][0]), items[number][1]
            first, last = start and number == 0, end and number == len(items) - 1
            out.append(self.element(name, value, rest, first, last))
            rest = min(rest, self.after(name, value, last), key=lambda one: one.value)
        self.depth -= 1
        return "".join(reversed(out))

    def element(self, name: str, value: Any, rest: Rest, start: bool, end: bool) -> str:
        """Text of one element."""
        match name:
            case "LITERAL" | "NOT_LITERAL" | "IN" | "ANY":
                return self.single(name, value, rest)
            case "SUBPATTERN":
                return self.group(value, rest, start, end)
            case "ATOMIC_GROUP":
                self.exact = False
                return f"(?:{self.sequence(value, rest, start, end)})"
            case "BRANCH":
                return self.branch(value[1], rest, start, end)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                self.exact = self.exact and name != "POSSESSIVE_REPEAT"
                return self.repeat(value, rest)
            case "AT":
                return self.anchor(str(value), rest, start, end)
            case "ASSERT" | "ASSERT_NOT":
                return self.look(name == "ASSERT_NOT", value[0], value[1], rest, start, end)
            case "GROUPREF":
                self.exact = False
                return f"(?:{self.sequence(self.groups[value], rest, False, False)})"
        raise _Unknown(name)

    def branch(self, branches: Any, rest: Rest, start: bool, end: bool) -> str:
        """Alternatives."""
        texts: dict[str, None] = {}
        if self.loose:
            merged, branches = without_high(branches)
            if merged:
                self.exact = False
                texts[merged] = None
        texts.update(dict.fromkeys([self.sequence(branch, rest, start, end) for branch in branches]))
        return "(?:" + "|".join(texts) + ")"

    def single(self, name: str, value: Any, rest: Rest) -> str:
        """One character, or a class: without the line end unless the line may end there."""
        codes = codes_of(name, value, self.flags)
        if 10 not in codes or self.text is Text.WHOLE:
            return tree.written(name, value, self.flags)
        if rest is Rest.DOLLAR:
            raise _Hard
        if rest is Rest.EMPTY:
            return tree.written(name, value, self.flags)
        return tree.byte_class(codes - {10})

    def group(self, value: Any, rest: Rest, start: bool, end: bool) -> str:
        _, added, dropped, items = value
        before = self.flags
        self.flags = _changed(before, added, dropped)
        text = self.sequence(items, rest, start, end)
        self.flags = before
        letters = [(letter, flag) for letter, flag in FLAGS if letter != "m" or self.text is Text.WHOLE]
        on = "".join(letter for letter, flag in letters if added & flag)
        off = "".join(letter for letter, flag in letters if dropped & flag)
        return f"(?{on}{'-' + off if off else ''}:{text})"

    def repeat(self, value: Any, rest: Rest) -> str:
        low, high, body = value
        high = None if str(high) == "MAXREPEAT" else int(high)
        if self.text is Text.WHOLE or rest is Rest.MORE:
            return self.counted(self.sequence(body, rest, False, False), low, high, body)
        if low < 2:
            return self.counted(self.sequence(body, rest, False, False), low, high, body)
        if self.after_all(body) is not Rest.MORE:
            return self.counted(self.sequence(body, rest, False, False), 0, high, body)
        inner = self.counted(self.sequence(body, Rest.MORE, False, False), low - 1, high and high - 1, body)
        return inner + f"(?:{self.sequence(body, rest, False, False)})"

    @staticmethod
    def counted(text: str, low: int, high: int | None, body: Any) -> str:
        """A text repeated."""
        if not text or high == 0:
            return ""
        if len(body) != 1 or str(body[0][0]) not in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            text = f"(?:{text})"
        if (low, high) == (1, 1):
            return text
        short = {(0, 1): "?", (0, None): "*", (1, None): "+"}.get((low, high))
        return text + (short or f"{{{low},{'' if high is None else high}}}")

    def anchor(self, name: str, rest: Rest, start: bool, end: bool) -> str:
        """``^``, ``$`` and their like; in joined lines they are those of the line."""
        if self.loose and not ("BOUNDARY" in name or (start if "BEGIN" in name else end)):
            self.exact = False
            return ""
        if name in ("AT_BEGINNING", "AT_BOUNDARY"):
            return "^" if name == "AT_BEGINNING" else "\\b"
        if name == "AT_BEGINNING_STRING":
            return "\\A" if self.text is Text.WHOLE else "^"
        if end and (name == "AT_END" if self.text is Text.ENDED else self.text is Text.LINES and "END" in name):
            return "\\n"
        if name == "AT_NON_BOUNDARY" and (self.text is Text.WHOLE or rest is Rest.MORE):
            return "\\B"
        self.exact = False
        return ""

    def look(self, negative: bool, direction: int, items: Any, rest: Rest, start: bool, end: bool) -> str:
        """Look-around: at the ends of a pattern it can be matched, within it is left out."""
        if not negative and ((direction < 0 and start) or (direction > 0 and end)):
            if tree.is_last_line_end(items):
                return self.anchor("AT_END", rest, start, end)
            return f"(?:{self.sequence(items, rest, start, end)})"
        if negative and len(items) == 1 and ((direction < 0 and start) or (direction > 0 and end)):
            name = str(items[0][0])
            if name in ("LITERAL", "NOT_LITERAL", "IN"):
                return self.no_neighbour(codes_of(name, items[0][1], self.flags), direction)
        self.exact = False
        return ""

    def no_neighbour(self, codes: frozenset[int], direction: int) -> str:
        """Any other character, or none at all."""
        others = tree.ALL_CODES - codes
        if direction < 0:
            edge = "\\A" if self.text is Text.WHOLE else "^"
            return f"(?:{edge}|{tree.byte_class(others if self.text is Text.WHOLE else others - {10})})"
        if self.text is Text.WHOLE:
            self.exact = False
            return ""
        return tree.byte_class(others | {10} if self.text is Text.LINES else others)

    def after(self, name: str, value: Any, end: bool) -> Rest:
        """Whether an element may be empty after the end of a line."""
        match name:
            case "SUBPATTERN":
                return self.after_all(value[3], end)
            case "ATOMIC_GROUP":
                return self.after_all(value, end)
            case "BRANCH":
                return max((self.after_all(branch, end) for branch in value[1]), key=lambda one: one.value)
            case "AT":
                return {"AT_END": Rest.DOLLAR, "AT_NON_BOUNDARY": Rest.EMPTY, "AT_END_STRING": Rest.EMPTY}.get(
                    str(value), Rest.MORE
                )
            case "ASSERT":
                if tree.is_last_line_end(value[1]):
                    return Rest.DOLLAR
                return self.after_all(value[1], end) if value[0] > 0 else Rest.EMPTY
            case "ASSERT_NOT":
                return Rest.DOLLAR if end and len(value[1]) == 1 else Rest.EMPTY
            case "GROUPREF":
                return self.after_all(self.groups[value])
        if name in REPEATS:
            return Rest.EMPTY if value[0] == 0 else self.after_all(value[2])
        return Rest.MORE

    def after_all(self, items: Any, end: bool = False) -> Rest:
        """Whether a sequence may be empty after the end of a line."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Unknown("too deep")
        last = len(items) - 1
        found = [self.after(str(name), value, end and at == last) for at, (name, value) in enumerate(items)]
        self.depth -= 1
        return min(found, key=lambda one: one.value, default=Rest.EMPTY)

    def ended(self, items: Any) -> str | None:
        """What of a sequence ends with the end of a line and does not hold it before, `None` if nothing does."""
        found = []
        items = list(items)
        for number in range(len(items) - 1, -1, -1):
            name, value = str(items[number][0]), items[number][1]
            text = self.ended_element(name, value)
            if text is not None:
                found.append(self.sequence(items[:number], Rest.MORE, False, False) + text)
            if self.after(name, value, False) is Rest.MORE:
                break
        return f"(?:{'|'.join(found)})" if found else None

    def ended_element(self, name: str, value: Any) -> str | None:
        """What of one element ends with the end of a line, as `ended` says of a sequence."""
        if name in ("LITERAL", "NOT_LITERAL", "IN", "ANY"):
            return "\\n" if 10 in codes_of(name, value, self.flags) else None
        if name == "SUBPATTERN":
            before = self.flags
            self.flags = _changed(before, value[1], value[2])
            text = self.ended(value[3])
            self.flags = before
            if text is not None and (value[1] or value[2]):
                raise _Hard
            return text
        if name == "BRANCH":
            texts = [text for branch in value[1] if (text := self.ended(branch)) is not None]
            return f"(?:{'|'.join(texts)})" if texts else None
        if name in REPEATS:
            text = self.ended(value[2])
            if text is None:
                return None
            high = None if str(value[1]) == "MAXREPEAT" else int(value[1]) - 1
            low = 0 if self.after_all(value[2]) is not Rest.MORE else max(value[0] - 1, 0)
            return self.counted(self.sequence(value[2], Rest.MORE, False, False), low, high, value[2]) + text
        if name == "AT" or name.startswith("ASSERT"):
            return None
        raise _Hard


def _changed(flags: str, added: int, dropped: int) -> str:
    """Flags within a group."""
    on = {letter for letter, flag in FLAGS if added & flag}
    off = {letter for letter, flag in FLAGS if dropped & flag}
    return "".join(sorted({*flags, *on} - off))

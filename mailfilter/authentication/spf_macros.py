"""Macros of SPF (RFC 7208 section 7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

_PIECE = re.compile(r"%\{([a-zA-Z])([0-9]*)([rR]?)([.\-+,/_=]*)\}|%([%_-])|([^%]+)|(%)")
_LETTERS = frozenset("slodipvh")
_ONLY_EXPLAINING = frozenset("crt")
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}
_UNRESERVED = "-._~"
MAX_LABELS = 128
"""More labels than a name can have (section 7.3)."""
MAX_EXPANDED = 10_000
"""Characters to which an explanation may grow."""


class SpfSyntaxError(ValueError):
    """A record, or a macro in it, does not follow the grammar."""


@dataclass(frozen=True, slots=True)
class Macro:
    """``%{letter digits r delimiters}``; ``keep`` 0 means all labels."""

    letter: str
    keep: int
    reverse: bool
    delimiters: str

    def expand(self, value: str) -> str:
        """The value taken apart at the delimiters, reversed, cut to the rightmost labels, and joined by dots."""
        delimiters = self.delimiters or "."
        if self.reverse or self.keep or self.delimiters:
            labels = re.split(f"[{re.escape(delimiters)}]", value)
            if self.reverse:
                labels.reverse()
            value = ".".join(labels[-self.keep :] if self.keep else labels)
        return quote(value, safe=_UNRESERVED) if self.letter.isupper() else value


def check_macros(text: str, explaining: bool = False) -> list[Macro | str]:
    """Take a macro-string apart into macros and literal text.  Raises `SpfSyntaxError`."""
    if not explaining and not all("!" <= char <= "~" for char in text):
        raise SpfSyntaxError(f"{text[:60]!r} holds what a macro-string may not")
    pieces: list[Macro | str] = []
    for match in _PIECE.finditer(text):
        letter, digits, reverse, delimiters, escape, literal, stray = match.groups()
        if letter:
            pieces.append(_macro(letter, digits, reverse, delimiters, explaining))
        elif escape:
            pieces.append(_ESCAPES[escape])
        elif stray:
            raise SpfSyntaxError(f"{text[:60]!r}: a lone %")
        else:
            pieces.append(literal)
    return pieces


def _macro(letter: str, digits: str, reverse: str, delimiters: str, explaining: bool) -> Macro:
    low = letter.lower()
    if low not in _LETTERS and not (explaining and low in _ONLY_EXPLAINING):
        raise SpfSyntaxError(f"%{{{letter}}} means nothing here")
    significant = digits.lstrip("0")
    if digits and not significant:
        raise SpfSyntaxError("a macro that keeps no label")
    return Macro(letter, min(int(significant[:4] or "0"), MAX_LABELS), bool(reverse), delimiters)


def expand(pieces: list[Macro | str], value: Callable[[str], str]) -> str:
    """The macro-string with its macros replaced; ``value`` gives that of a letter (lower case)."""
    found = []
    size = 0
    for piece in pieces:
        text = piece if isinstance(piece, str) else piece.expand(value(piece.letter.lower()))
        size += len(text)
        if size > MAX_EXPANDED:
            raise SpfSyntaxError(f"it grows beyond {MAX_EXPANDED} characters")
        found.append(text)
    return "".join(found)


def letters(pieces: list[Macro | str]) -> set[str]:
    """The macro letters that occur, in lower case."""
    return {piece.letter.lower() for piece in pieces if isinstance(piece, Macro)}

"""Character classes and escapes of Perl's patterns, written so that hyperscan and `regex` read them alike."""

from __future__ import annotations

import re
from functools import lru_cache

CLASSES = {"h": r"\t\x20", "v": r"\n\x0b\f\r", "N": None, "R": None}
_POSIX = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\s",
    "blank": r"\t\x20", "punct": r"!-/:-@\[-`{-~", "print": r"\x20-~", "graph": "!-~", "cntrl": r"\x00-\x1f\x7f",
    "xdigit": "0-9A-Fa-f", "word": r"\w", "ascii": r"\x00-\x7f",
}  # fmt: skip
_NOT_POSIX = {
    "alpha": r"\x00-@\[-`{-\xff", "digit": r"\D", "alnum": r"\x00-/:-@\[-`{-\xff", "upper": r"\x00-@\[-\xff",
    "lower": r"\x00-`{-\xff", "space": r"\S", "blank": r"\x00-\x08\n-\x1f!-\xff",
    "punct": r"\x00-\x200-9A-Za-z\x7f-\xff",
    "print": r"\x00-\x1f\x7f-\xff", "graph": r"\x00-\x20\x7f-\xff", "cntrl": r"\x20-~\x80-\xff",
    "xdigit": r"\x00-/:-@G-`g-\xff", "word": r"\W", "ascii": r"\x80-\xff",
}  # fmt: skip
_POSIX_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")
_HEX = re.compile(r"[0-9A-Fa-f]{1,2}")
_OCTAL = re.compile(r"[0-7]{1,3}")
_SIMPLE = re.compile(r"\[\^?\]?(?:[^\]\\\[]|\\.)*\]", re.S)
NEVER = ("[^\\x00-\\xff]", "(?!)")
"""What matches nothing, for hyperscan and for `regex`."""


class PatternError(ValueError):
    """A pattern that is not one; the message says why."""


def read_class(text: str, at: int) -> tuple[str, str, int]:
    """The class at ``at``: for hyperscan, for `regex`, and where it ends.  Raises `PatternError`."""
    simple = _SIMPLE.match(text, at)
    if simple:
        return (*_simple(simple[0]), simple.end())
    reader = _ClassReader(text, at)
    fast, exact = reader.run()
    return fast, exact, reader.at


@lru_cache(4096)
def _simple(text: str) -> tuple[str, str]:
    """A class without classes in it; tags put the same ones into a pattern again and again."""
    return _ClassReader(text, 0).run()


def read_code(text: str, at: int) -> tuple[int, int]:
    """The character that an escape stands for, and where it ends.  Raises `PatternError` for one that is not known."""
    char = text[at + 1 : at + 2]
    simple = {"e": 27, "a": 7, "n": 10, "r": 13, "t": 9, "f": 12}
    if char in simple:
        return simple[char], at + 2
    if char == "x":
        if wide := re.compile(r"\\x\{\s*([0-9A-Fa-f]*)\s*\}").match(text, at):
            return int(wide[1] or "0", 16), wide.end()
        digits = _HEX.match(text, at + 2)
        return (int(digits[0], 16), digits.end()) if digits else (0, at + 2)
    if char == "c" and at + 2 < len(text):
        return ord(text[at + 2].upper()) ^ 64, at + 3
    if char in "01234567" and (octal := _OCTAL.match(text, at + 1)):
        return int(octal[0], 8) & 0xFF, octal.end()
    if char == "o" and (braced := re.compile(r"\\o\{([0-7]+)\}").match(text, at)):
        return int(braced[1], 8), braced.end()
    if char.isalpha():
        raise PatternError(f"unknown escape \\{char}")
    return (ord(char) if char else 92), at + 2


class _ClassReader:
    """One pass over a class."""

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at

    def run(self) -> tuple[str, str]:
        """A class: every member is written so that both engines read it in the same way."""
        text = self.text
        self.at += 1
        out = ["["]
        if text.startswith("^", self.at):
            out.append("^")
            self.at += 1
        members: list[str] = []
        first = True
        while True:
            if self.at >= len(text):
                raise PatternError("an unclosed [")
            if text[self.at] == "]" and not first:
                self.at += 1
                break
            first = False
            members.append(self.member())
        kept = [member for member in members if member]
        if not kept:
            return NEVER if len(out) == 1 else ("[\\x00-\\xff]", "[\\x00-\\xff]")
        text = "".join(out + kept) + "]"
        return text, text

    def member(self) -> str:
        """One member or range of a class, ``""`` if no byte is in it."""
        if match := _POSIX_CLASS.match(self.text, self.at):
            table = _NOT_POSIX if match[1] else _POSIX
            if match[2] not in table:
                raise PatternError(f"no POSIX class [:{match[2]}:]")
            self.at = match.end()
            return table[match[2]]
        low = self.atom()
        if isinstance(low, str):
            return low
        text = self.text
        if text.startswith("-", self.at) and not text.startswith("-]", self.at) and self.at + 1 < len(text):
            mark = self.at
            self.at += 1
            high = self.atom() if not _POSIX_CLASS.match(text, self.at) else ""
            if isinstance(high, int):
                if high < low:
                    raise PatternError(f"an empty range in a class: {text[mark - 1 : self.at]!r}")
                if low > 255:
                    return ""
                return f"{_byte(low)}-{_byte(min(high, 255))}"
            self.at = mark
        return _byte(low) if low < 256 else ""

    def atom(self) -> int | str:
        """A character's code, or a class within a class as text."""
        char = self.text[self.at]
        if char != "\\":
            self.at += 1
            return ord(char)
        after = self.text[self.at + 1 : self.at + 2]
        if after and after in "wWdDsS":
            self.at += 2
            return "\\" + after
        if after in ("h", "v"):
            self.at += 2
            return CLASSES[after] or ""
        if after == "b":
            self.at += 2
            return 8
        if after in ("p", "P", "N", "H", "V", "R", "X"):
            raise PatternError(f"\\{after} in a class is not supported")
        if after in ("E", "Q"):
            self.at += 2
            return ""
        code, self.at = read_code(self.text, self.at)
        return code


def _byte(code: int) -> str:
    """A byte as a member of a class."""
    char = chr(code)
    return char if code < 128 and char.isalnum() else f"\\x{code:02x}"

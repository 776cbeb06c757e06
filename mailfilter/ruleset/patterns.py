"""Perl's regular expressions, rewritten for hyperscan and for the `regex` module.

Text is bytes throughout, each byte one character (latin-1): so ``\\w`` and ``/i`` know ASCII only, as in Perl for
octets.  Both outputs mean the same; they differ where the engines spell a thing differently.  The reference is
perlre(1).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .charclasses import CLASSES, NEVER, PatternError, read_class, read_code

_DELIMITERS = {"{": "}", "(": ")", "<": ">", "[": "]"}
_FLAGS = frozenset("imsxnaudlp")
_QUANTIFIER = re.compile(r"\{\s*(\d{1,5})?\s*(,)?\s*(\d{1,5})?\s*\}")
MAX_PATTERN = 500_000
"""Characters of a pattern."""


class Pattern(NamedTuple):
    """One pattern: as written, for hyperscan, for `regex`, and its flags out of ``ims``."""

    source: str
    fast: bytes
    exact: bytes
    flags: str


def parse_pattern(text: str) -> Pattern:
    """``/…/flags``, ``m{…}flags``, ``qr!…!flags`` to a `Pattern`.  Raises `PatternError`."""
    body, flags = split_delimiters(text)
    return translate(body, flags)


def split_delimiters(text: str) -> tuple[str, str]:
    """The pattern between its delimiters, and its flags.  Raises `PatternError`."""
    if text.startswith("/"):
        close, start = "/", 1
    elif match := re.match(r"(?:m|qr)(\W)", text):
        if match[1] == "\\" or match[1].isspace():
            raise PatternError(f"{match[1]!r} is no delimiter")
        close, start = _DELIMITERS.get(match[1], match[1]), match.end()
    else:
        raise PatternError("no delimiters: a pattern is written /…/ or m{…}")
    end = text.rfind(close)
    if end < start:
        raise PatternError(f"the closing {close} is missing")
    flags = text[end + 1 :]
    if wrong := sorted(set(flags) - _FLAGS):
        raise PatternError(f"unknown flag or text after the closing {close}: {''.join(wrong)!r}")
    body = text[start:end]
    if close not in "})]>" and re.search(r"(?<!\\)" + re.escape(close), body.replace("\\\\", "")):
        raise PatternError(f"an unescaped {close} within the pattern")
    return body, flags


def translate(body: str, flags: str = "") -> Pattern:
    """A pattern without delimiters for both engines.  Raises `PatternError`."""
    if len(body) > MAX_PATTERN:
        raise PatternError(f"longer than {MAX_PATTERN} characters")
    writer = _Writer(body, "x" in flags)
    writer.run()
    fast = "".join(writer.fast).encode("latin-1", "replace")
    exact = "".join(writer.exact).encode("latin-1", "replace")
    return Pattern(f"/{body}/{flags}", fast, exact, "".join(sorted(set(flags) & set("ims"))))


class _Writer:
    """One pass over a pattern."""

    def __init__(self, text: str, extended: bool) -> None:
        self.text, self.at, self.extended = text, 0, extended
        self.fast: list[str] = []
        self.exact: list[str] = []
        self.depth = 0

    def put(self, fast: str, exact: str | None = None) -> None:
        self.fast.append(fast)
        self.exact.append(fast if exact is None else exact)

    def run(self) -> None:
        """Read the whole text; `PatternError` for what cannot be translated."""
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if char == "\\":
                self.escape()
            elif char == "[":
                fast, exact, self.at = read_class(text, self.at)
                self.put(fast, exact)
            elif char == "(":
                self.group()
            elif char == "{":
                self.brace()
            elif self.extended and (char.isspace() or char == "#"):
                newline = text.find("\n", self.at)
                self.at = self.at + 1 if char != "#" else len(text) if newline < 0 else newline + 1
            else:
                self.depth -= char == ")"
                if self.depth < 0:
                    raise PatternError("an unopened )")
                self.put(char if ord(char) < 128 else f"\\x{ord(char):02x}")
                self.at += 1
        if self.depth:
            raise PatternError("an unclosed (")

    def group(self) -> None:
        """What starts with a parenthesis: comments, code, flags, named groups."""
        text, at = self.text, self.at
        if text.startswith("(?#", at):
            end = text.find(")", at)
            if end < 0:
                raise PatternError("an unclosed (?#")
            self.at = end + 1
            return
        if text.startswith(("(?{", "(??{", "(*"), at):
            raise PatternError("code or verbs within a pattern are not run")
        if match := re.compile(r"\(\?(\^?)([a-z]*)(-[a-z]+)?([:)])").match(text, at):
            self.flags(match)
            return
        self.depth += 1
        if match := re.compile(r"\(\?P?(?:<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')").match(text, at):
            name = match[1] or match[2]
            self.put(f"(?<{name}>", f"(?P<{name}>")
            self.at = match.end()
        else:
            self.put("(")
            self.at += 1
            if mark := re.compile(r"\?(?:<?[=!>|:]?|[>|:=!])").match(text, self.at):
                self.put(mark[0])
                self.at = mark.end()

    def flags(self, match: re.Match[str]) -> None:
        """``(?i)`` and ``(?i-s:``: what the engines know of it."""
        on, off = match[2], (match[3] or "")[1:]
        if set(on + off) - _FLAGS:
            raise PatternError(f"unknown flags in {match[0]}")
        if "x" in on:
            self.extended = True
        kept = "".join(flag for flag in on if flag in "ims")
        gone = "".join(flag for flag in ("ims" if match[1] else off) if flag in "ims" and flag not in kept)
        middle = kept + (f"-{gone}" if gone else "")
        if match[4] == ":":
            self.depth += 1
            self.put(f"(?{middle}:")
        elif middle:
            self.put(f"(?{middle})")
        self.at = match.end()

    def brace(self) -> None:
        match = _QUANTIFIER.match(self.text, self.at)
        if match and (match[1] or match[3]):
            low = match[1] or "0"
            self.put(f"{{{low}{match[2] or ''}{match[3] or ''}}}")
            self.at = match.end()
        else:
            self.put("\\{")
            self.at += 1

    def escape(self) -> None:
        """A backslash outside of a class."""
        char = self.text[self.at + 1 : self.at + 2]
        if not char:
            raise PatternError("ends in a backslash")
        if char == "Q":
            self.quoted()
        elif char in ("z", "Z", "E", "K"):
            self.put(*{"z": ("\\z", "\\Z"), "Z": ("\\Z", "(?=\\n?\\Z)"), "E": ("",), "K": ("",)}[char])
            self.at += 2
        elif char in "hHvVNR":
            spelled = {"N": "[^\\n]", "R": "(?:\\r\\n|[\\n\\x0b\\f\\r])"}.get(char)
            negated = "^" if char.isupper() else ""
            self.put(spelled or f"[{negated}{CLASSES[char.lower()]}]")
            self.at += 2
        elif char in "gk":
            self.reference(char)
        elif char in "123456789":
            number = re.compile(r"[1-9]\d?").match(self.text, self.at + 1)
            assert number is not None
            self.put(f"\\{number[0]}")
            self.at += 1 + len(number[0])
        elif char in "bBAGwWdDsS" or not (char.isalnum() or ord(char) > 127):
            if self.text.startswith(("\\b{", "\\B{"), self.at):
                raise PatternError(f"\\{char}{{}} is not supported")
            self.put("\\" + char if char not in "/\"'`#@%&,;:<>=~!_ " else char)
            self.at += 2
        else:
            code, self.at = read_code(self.text, self.at)
            self.put(f"\\x{code:02x}" if code < 256 else NEVER[0], None if code < 256 else NEVER[1])

    def quoted(self) -> None:
        """``\\Q…\\E``"""
        end = self.text.find("\\E", self.at)
        inner = self.text[self.at + 2 : end if end >= 0 else len(self.text)]
        self.put("".join(char if char.isalnum() else f"\\x{ord(char):02x}" for char in inner if ord(char) < 256))
        self.at = end + 2 if end >= 0 else len(self.text)

    def reference(self, char: str) -> None:
        """``\\g{1}``, ``\\g{name}``, ``\\k<name>``: a group again."""
        match = re.compile(r"\\(?:g(?:\{?(-?\d+)\}?)|[gk](?:\{(\w+)\}|<(\w+)>|'(\w+)'))").match(self.text, self.at)
        if not match:
            raise PatternError(f"\\{char} names no group")
        if match[1]:
            number = int(match[1])
            if number < 0:
                raise PatternError("relative references are not supported")
            self.put(f"\\{number}")
        else:
            name = match[2] or match[3] or match[4]
            self.put(f"\\k<{name}>", f"(?P={name})")
        self.at = match.end()

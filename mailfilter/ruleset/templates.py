"""``%{NAME}`` in patterns: text that another rule has captured with ``(?<NAME>…)``, or that is known of the mail.

After SpamAssassin's manual (Mail::SpamAssassin::Conf, "Capturing tags using regex named capture groups").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from .charclasses import PatternError

_TEMPLATE = re.compile(r"(?<!\\)%\{([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*(?:\([^)}]*\))?)\}")
_GIVEN = re.compile(r"\(\?P?[<']([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)[>']")
_ANYTHING = r"(?:[\x00-\xff]+)"
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\[]|\\.|\[:\w+:\]|\[)*\]", re.S)


def asked(pattern: str) -> tuple[str, ...]:
    """Names of the templates in a pattern, each once."""
    return tuple(dict.fromkeys(_TEMPLATE.findall(pattern))) if "%{" in pattern else ()


def given(pattern: str) -> tuple[str, ...]:
    """Names that a pattern captures, each once."""
    return tuple(dict.fromkeys(_GIVEN.findall(pattern))) if "(?" in pattern else ()


def widened(body: str) -> str:
    """A pattern that matches wherever ``body`` can, whatever its templates stand for.  Raises `PatternError`.

    Not so where a template stands in what must not match (`is_turned`).
    """
    for piece in _CLASS.finditer(body):
        if _TEMPLATE.search(piece[0]):
            raise PatternError("a template within a class of characters")
    return _filled(body, lambda name: _ANYTHING)


def filled(body: str, values: Callable[[str], Sequence[bytes]]) -> str:
    """``body`` with each template replaced by the alternatives that are its values, taken literally."""
    return _filled(body, lambda name: "(?:" + "|".join(map(_quoted, values(name))) + ")")


def _filled(body: str, spell: Callable[[str], str]) -> str:
    return _TEMPLATE.sub(lambda match: spell(match[1]), body)


def _quoted(text: bytes) -> str:
    return "".join([chr(code) if chr(code).isalnum() and code < 128 else f"\\x{code:02x}" for code in text])


def is_turned(body: str) -> bool:
    """Whether a template stands in a look-ahead or look-behind that must not match."""
    return any(negative for negative in _negative(body))


def _negative(body: str) -> Iterator[bool]:
    """For each template, whether a group around it is negative."""
    stack: list[bool] = []
    position = 0
    while position < len(body):
        if match := _TEMPLATE.match(body, position):
            yield any(stack)
            position = match.end()
        elif body[position] == "\\":
            position += 2
        elif match := _CLASS.match(body, position):
            position = match.end()
        else:
            if body[position] == "(":
                stack.append(body.startswith(("(?!", "(?<!"), position))
            elif body[position] == ")" and stack:
                stack.pop()
            position += 1

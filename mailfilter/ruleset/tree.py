"""The standard library's own reading of a pattern as a tree (it has no public name)."""

from __future__ import annotations

import importlib
import re
from typing import Any

FLAGS = (("i", re.I), ("s", re.S), ("m", re.M))
FAILURES = (re.error, RecursionError, OverflowError, ValueError, ImportError)
"""What `parse` raises for a pattern that it cannot read."""
CATEGORIES = {
    "CATEGORY_DIGIT": "\\d", "CATEGORY_NOT_DIGIT": "\\D", "CATEGORY_SPACE": "\\s", "CATEGORY_NOT_SPACE": "\\S",
    "CATEGORY_WORD": "\\w", "CATEGORY_NOT_WORD": "\\W",
}  # fmt: skip
REPEATS = frozenset(("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"))


def parse(pattern: bytes, flags: str) -> tuple[Any, str]:
    """The tree, a sequence of (operation, value), and the flags with those that the pattern sets for all of it."""
    parsed = importlib.import_module("re._parser").parse(pattern, re.DOTALL if "s" in flags else 0)
    own = parsed.state.flags
    return parsed, "".join(sorted(set(flags) | {name for name, flag in FLAGS if own & flag}))


def char(code: int) -> str:
    """A character as it stands in a pattern or a class."""
    text = chr(code)
    return text if code < 128 and text.isalnum() else f"\\x{code:02x}"

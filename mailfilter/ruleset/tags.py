"""``replace_tag``: names in angle brackets within a pattern that stand for pieces of pattern.

``<inter NAME>`` puts a piece between two tags that touch, ``<pre NAME>`` one before and ``<post NAME>`` one after
each tag; replacements may hold tags again, five rounds at most.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_ROUNDS = 6
MAX_LENGTH = 500_000


@dataclass(slots=True)
class Tags:
    """The pieces by kind and name, and what brackets a tag."""

    tag: dict[str, str] = field(default_factory=dict)
    pre: dict[str, str] = field(default_factory=dict)
    inter: dict[str, str] = field(default_factory=dict)
    post: dict[str, str] = field(default_factory=dict)
    start: str = "<"
    end: str = ">"

    def replace(self, pattern: str) -> str:
        """``pattern`` with its tags replaced.  Raises ValueError when it grows beyond all bounds."""
        start, end = re.escape(self.start), re.escape(self.end)
        for _ in range(MAX_ROUNDS):
            before = pattern
            modifiers = []
            for kind, table in (("pre", self.pre), ("post", self.post), ("inter", self.inter)):
                match = re.search(f"{start}{kind} (.{{1,100}}?){end}", pattern)
                if match:
                    pattern = pattern[: match.start()] + pattern[match.end() :]
                modifiers.append(table.get(match[1], "") if match else "")
            pattern = self._round(pattern, *modifiers)
            if len(pattern) > MAX_LENGTH:
                raise ValueError(f"tags grow the pattern beyond {MAX_LENGTH} characters")
            if pattern == before:
                break
        return pattern

    def _round(self, pattern: str, pre: str, post: str, inter: str) -> str:
        """Replace every tag once; pieces alternate: text, tag, text, tag, …, text."""
        start, end = re.escape(self.start), re.escape(self.end)
        pieces = re.split(f"({start}[^<>{start}{end}]{{1,100}}{end})", pattern)
        out = []
        for number, piece in enumerate(pieces):
            if number % 2:
                name = piece[len(self.start) : -len(self.end)]
                out.append(f"{pre}{self.tag.get(name) or piece}{post}")
            else:
                touches = not piece and 0 < number < len(pieces) - 1
                out.append(inter if touches else piece)
        return "".join(out)

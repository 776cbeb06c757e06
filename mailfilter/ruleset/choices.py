"""What was found out about patterns and need not be found out again."""

from __future__ import annotations

import hashlib
from typing import Any

from .cache import Cache
from .lean import WORTH, shortened
from .patterns import Pattern
from .relax import COSTLY, is_costly

Choice = list[Any]


class Choices:
    """What was found out about patterns: their form, what is left of them in ASCII text.  Kept as JSON."""

    def __init__(self, cache: Cache, of: str) -> None:
        self._cache, self._of = cache, of
        self._known = cache.read_choices(of)
        self._used: dict[str, Choice] = {}

    def key(self, use: str, pattern: Pattern, *more: str) -> str:
        """The name of a question about a pattern."""
        words = (use, pattern.flags, *more)
        return hashlib.sha256(" ".join(words).encode() + b"\0" + pattern.exact).hexdigest()[:32]

    def get(self, key: str) -> Choice | None:
        """The answer, `None` if it is not known."""
        found = self._known.get(key)
        if found is not None:
            self._used[key] = found
        return found

    def put(self, key: str, choice: Choice) -> None:
        """Keep an answer."""
        self._known[key] = self._used[key] = choice

    def shorter(self, pattern: Pattern) -> Pattern | None:
        """`lean.shortened`, remembered."""
        if len(pattern.exact) < WORTH:
            return pattern
        key = self.key("lean", pattern)
        known = self.get(key)
        if known is None:
            short = shortened(pattern)
            known = [] if short is None else [0] if short is pattern else [short.exact.decode("latin-1"), short.flags]
            self.put(key, known)
        if len(known) < 2:
            return pattern if known else None
        text = known[0].encode("latin-1")
        return Pattern(pattern.source, text, text, known[1])

    def costly(self, pattern: Pattern) -> bool:
        """`relax.is_costly`, remembered."""
        if len(pattern.exact) < 2 * COSTLY:
            return False
        key = self.key("costly", pattern)
        known = self.get(key)
        if known is None:
            known = [0] if is_costly(pattern) else []
            self.put(key, known)
        return bool(known)

    def write(self) -> None:
        """Keep everything that was used, and what others kept meanwhile."""
        self._cache.write_choices(self._of, self._used)

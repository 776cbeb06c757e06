"""What keyed stores decide: pure functions over the entries that a decision looks at.

An entry's first byte says what it is: ``k`` and a time: known since; ``w`` and a time: waiting since; ``c``: a counter.
Times are seconds since the epoch in decimal.  The script in `keyed_redis` does the same inside the server; contract
tests hold them to each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, MutableMapping, Sequence
from typing import NamedTuple

BUCKETS = 12
"""Parts of a counter's window that are counted apart."""

RENEWALS = 64
"""A known entry is renewed once this part of its lifetime has gone: a busy sender costs reads, not writes."""

VOUCHES, EARNS, WAITS = 0, 1, 2
"""Roles of a key: lets pass where it is known; becomes known on a pass; remembers the first attempt.  They add up."""

Values = MutableMapping[bytes, bytes]
"""Entries by key, without those that have expired."""


class Timing(NamedTuple):
    """Seconds: to the retry that is let in, within which it must come, and that a sender stays known."""

    wait: float
    window: float
    lifetime: float


class Attempt(NamedTuple):
    """The keys that an attempt goes by, and the role of each, as bytes of the same length."""

    keys: tuple[bytes, ...]
    roles: bytes


class Counter(NamedTuple):
    """One count over a sliding window of ``seconds``.

    ``add``  what a mail counts for; ``fresh``  keys of which each that is not there counts for one more;
    ``number``  total that is passed by anything above it; ``share`` and ``of``  it is passed only if the total is also
    above this share of the total of the counter with this index in the same tally; ``binding``  a mail that passes it
    is counted nowhere.
    """

    key: bytes
    seconds: int
    add: int = 1
    fresh: tuple[bytes, ...] = ()
    number: int = 0
    share: float = 0.0
    of: int = -1
    binding: bool = False


class Tally(NamedTuple):
    """The counters that one mail counts in: in all of them, or, where it passes a binding one, in none."""

    counters: tuple[Counter, ...]


Write = Callable[[bytes, bytes, float], None]
"""Takes a key, its new entry, and the time at which that is gone."""

"""What keyed stores decide: pure functions over the entries that a decision looks at.

An entry's first byte says what it is: ``k`` and a time: known since; ``w`` and a time: waiting since; ``c``: a counter;
``s``: what was seen of someone.
Times are seconds since the epoch in decimal.  The script in `keyed_redis` does the same inside the server; contract
tests hold them to each other.
"""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from typing import NamedTuple

BUCKETS = 12
"""Parts of a counter's window that are counted apart."""

RENEWALS = 64
"""A known entry is renewed once this part of its lifetime has gone: a busy sender costs reads, not writes."""

VOUCHES, EARNS, WAITS = 0, 1, 2
"""Roles of a key: lets pass where it is known; becomes known on a pass; remembers the first attempt.  They add up."""

HOUR, DAY = 3600, 86_400

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


class Sighting(NamedTuple):
    """Someone is seen: ``key`` is kept for ``lifetime`` seconds after the last time.

    ``number``  what this counts for in `Seen.recent`; ``beside``  keys whose entries are wanted along with it.
    """

    key: bytes
    lifetime: int
    number: int = 1
    beside: tuple[bytes, ...] = ()


class Seen(NamedTuple):
    """What is known of someone, this time included.

    ``first``, ``before``  whole seconds since the epoch: seen for the first time, and for the last time before this
    (``first`` again where there was none); ``days``  days (UTC) on which they were seen; ``times``; ``recent``  the sum
    of numbers in this hour of the clock and the one before it; ``beside``  the entries that were wanted.
    """

    first: int
    before: int
    days: int
    times: int
    recent: int
    beside: tuple[bytes | None, ...] = ()


Changes = dict[bytes, tuple[bytes, float]]
"""New entries by key, each with the time at which it is gone."""


def stamp(kind: bytes, now: float) -> bytes:
    """The entry that says that something is so since ``now``."""
    return b"%s%.3f" % (kind, now)


def settle(attempt: Attempt, values: Values, changes: Changes, timing: Timing, now: float) -> int:
    """Whole seconds that the attempt has to wait, rounded up; 0 when it passes.

    It passes where any of its keys is known, or where one has waited long enough.  On a pass every key that earns
    becomes known; otherwise every key that waits and is new remembers since when.  Who comes again too early changes
    nothing.  A time that is still to come (a clock was set back) counts as now, so no wait becomes longer than it was.
    """
    passed, first = False, None
    for key, role in zip(attempt.keys, attempt.roles, strict=True):
        value = values.get(key)
        if value is not None:
            if value[:1] == b"k":
                passed = True
            elif role & WAITS:
                since = min(float(value[1:]), now)
                first = since if first is None else min(first, since)
    since = now if first is None else first
    wait = 0 if passed else math.ceil(max(since + timing.wait - now, 0.0))
    if wait == 0:
        _pass(attempt, values, changes, timing, now)
    else:
        _wait(attempt, values, changes, (stamp(b"w", since), since + timing.window), now)
    return wait


def _pass(attempt: Attempt, values: Values, changes: Changes, timing: Timing, now: float) -> None:
    for key, role in zip(attempt.keys, attempt.roles, strict=True):
        if role & EARNS:
            value = values.get(key, b"")
            if value[:1] != b"k" or not 0 <= now - float(value[1:]) < timing.lifetime / RENEWALS:
                values[key] = known = stamp(b"k", now)
                changes[key] = known, now + timing.lifetime


def _wait(attempt: Attempt, values: Values, changes: Changes, entry: tuple[bytes, float], now: float) -> None:
    for key, role in zip(attempt.keys, attempt.roles, strict=True):
        if role & WAITS:
            value = values.get(key)
            if value is None or float(value[1:]) > now:
                values[key] = entry[0]
                changes[key] = entry


def count(tally: Tally, values: Values, changes: Changes, now: float) -> tuple[int, ...]:
    """Total of every counter with this mail in it; the mail is counted unless it passes a binding counter.

    A total covers the current twelfth of the window and the twelve before it, so it is never below the count of any
    ``seconds`` that end now.  A mail that is not counted does not delay the next one.
    """
    parts = [_parts(values.get(counter.key), counter.seconds, now) for counter in tally.counters]
    adds = [counter.add + sum(key not in values for key in counter.fresh) for counter in tally.counters]
    totals = tuple(sum(part) + add for (_, part), add in zip(parts, adds, strict=True))
    pairs = zip(tally.counters, totals, strict=True)
    if not any(counter.binding and over(counter, total, totals) for counter, total in pairs):
        for counter, (bucket, part), add in zip(tally.counters, parts, adds, strict=True):
            if add:
                part[0] += add
                values[counter.key] = entry = b"c%d " % bucket + b" ".join(b"%d" % number for number in part)
                changes[counter.key] = entry, now + counter.seconds * (BUCKETS + 2) / BUCKETS
    return totals


def over(counter: Counter, total: int, totals: tuple[int, ...]) -> bool:
    """Whether a total passes its counter's number, and its share where it has one."""
    return total > counter.number and (counter.of < 0 or total > counter.share * totals[counter.of])


def _parts(value: bytes | None, seconds: int, now: float) -> tuple[int, list[int]]:
    """Number of the current bucket, and what was counted in it and the twelve before it."""
    bucket, part = int(now * BUCKETS // seconds), [0] * (BUCKETS + 1)
    if value is None:
        return bucket, part
    newest, *numbers = map(int, value[1:].split())
    later = bucket - newest
    if abs(later) > BUCKETS:
        return bucket, part
    if later < 0:  # a clock was set back, or another machine's is ahead: its bucket is counted on
        return newest, numbers
    return bucket, part[:later] + numbers[: BUCKETS + 1 - later]


def sight(sighting: Sighting, values: Values, changes: Changes, now: float) -> Seen:
    """Note a sighting, and say what is known with it.

    Where a clock was set back, the last sighting keeps its time, so that no day is counted twice.
    """
    at, value = int(now), values.get(sighting.key)
    beside = tuple(map(values.get, sighting.beside))
    first, last, days, times, hour, recent, earlier = at, at, 0, 0, at // HOUR, 0, 0
    if value is not None:
        first, last, days, times, hour, recent, earlier = map(int, value[1:].split())
    new = max(last, at)
    days += value is None or new // DAY > last // DAY
    later = new // HOUR - hour
    if later > 0:
        recent, earlier = 0, recent if later == 1 else 0
    recent += sighting.number
    known = min(first, at), new, days, times + 1, new // HOUR, recent, earlier
    values[sighting.key] = entry = b"s%d %d %d %d %d %d %d" % known
    changes[sighting.key] = entry, now + sighting.lifetime
    return Seen(min(first, at), last, days, times + 1, recent + earlier, beside)

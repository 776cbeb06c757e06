"""One level of what a site teaches: a learner of its own, laid over the log-odds of the level below.

The learner is, per part of a mail, a logistic regression on hashed n-grams that learns from a mail while its error
exceeds a margin.  After each mail some earlier ones are gone through again, alternately of the other class and of
the same, so that the classes stay balanced however one-sided the teaching is.

What the parts and the level below say of a mail is fused by a `Stack`, which is told of each taught mail before the
parts learn it, so the weights rest on honest predictions (progressive validation).  The level below counts less the
more the site has taught of such mail, and in full for mail that is unlike all that was taught.

A level is a function of the taught mails in their order.  Weights are whole numbers and sums of them exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .fusion import Stack, chance
from .site_features import PARTS, SLOTS, Grams

ONE = 1 << 16
"""Fixed-point unit of weights."""
FIRST_STEP, LAST_STEP, STEP_HALF = 20.0, 5.0, 200.0
"""Size of a step at the first mail and after many, and the number of mails at which it is midway."""
MARGIN = 0.3
"""A mail is learned from while its error (1 - probability of its class) exceeds this."""
REPLAYS = 3
"""Earlier mails gone through again after each mail."""
CERTAIN = 8.0
"""Log-odds of one judge are cut here, either way."""
BELOW_HALF = 10.0
"""Number of mails like this one that, once taught, halve the weight of the level below."""
ONE_SIDED = 1.0
"""Mails of the rarer class at which the learner's word counts half even for mail unlike all that was taught.

While one class alone is taught, everything that mails have in common would speak for it: after forty spams and no
ham, all ham was lost.  So until both are known the learner is heard only on mail that is like what it was taught.
"""

_MEAN = (0.0, 1.0, *[0.5] * len(PARTS))
_VARIANCE = (0.5, 0.25, *[0.05] * len(PARTS))


class Look(NamedTuple):
    """What a level sees in one mail: log-odds of each part, and the share of n-grams that it has learned from."""

    parts: tuple[float, ...]
    familiarity: float


class Level:
    """What one level has learned so far."""

    def __init__(self) -> None:
        self.weights: NDArray[np.int32] = np.zeros(SLOTS, np.int32)
        self.stack = Stack(_MEAN, _VARIANCE)
        self.pools: tuple[list[int], list[int]] = ([], [])
        """Identifiers of the taught ham and spam, in order."""

    @property
    def taught(self) -> int:
        """Number of mails taught."""
        return len(self.pools[0]) + len(self.pools[1])

    def look(self, grams: Grams) -> Look:
        """What the parts say of a mail."""
        found = self.weights.take(grams.slots)
        sums = np.add.reduceat(found, _starts(grams.counts), dtype=np.int64).tolist()
        parts = tuple(total / (ONE * math.sqrt(n)) for total, n in zip(sums, grams.counts, strict=True))
        return Look(parts, np.count_nonzero(found) / len(found))

    def fuse(self, below: float, look: Look) -> float:
        """Log-odds of a mail of which the level below says ``below``; just that if nothing was taught."""
        return self.stack.log_odds(self._inputs(below, look)) if self.taught else below

    def influence(self, look: Look) -> tuple[float, tuple[float, ...]]:
        """What a unit of log-odds of the level below is worth in the fused log-odds, and of each part."""
        trust, below, *_ = self._inputs(1.0, look)
        _, weight, *parts = self.stack.mean
        return weight * below, tuple(part * trust for part in parts)

    def support(self, below: float, look: Look) -> float:
        """How much of such mail has been seen (0..1), here or by the level below, which says ``below``."""
        return max(below, look.familiarity * self.taught / (self.taught + BELOW_HALF))

    def teach(
        self, number: int, spam: bool, below: float, grams: Grams, seed: int, recall: Callable[[int], Grams]
    ) -> None:
        """Learn one mail.

        ``number``  its identifier, by which ``recall`` gives the n-grams of earlier ones; ``seed`` decides which of
        them are gone through again; ``below`` what the level below says of the mail.
        """
        self.stack.learn(self._inputs(below, self.look(grams)), spam)
        step = LAST_STEP + (FIRST_STEP - LAST_STEP) * STEP_HALF / (STEP_HALF + self.taught)
        self.pools[spam].append(number)
        self._learn(grams, spam, step)
        for turn in range(REPLAYS):
            which = spam if turn % 2 else not spam
            if pool := self.pools[which]:
                again = pool[_mixed(seed + turn) % len(pool)]
                self._learn(grams if again == number else recall(again), which, step)

    def _inputs(self, below: float, look: Look) -> tuple[float, ...]:
        """What the stack weighs: a constant, the level below, and the parts."""
        like = look.familiarity**2
        fade = BELOW_HALF / (BELOW_HALF + self.taught * like)
        rarer = min(len(self.pools[0]), len(self.pools[1]))
        trust = (rarer + ONE_SIDED * like * look.familiarity) / (rarer + ONE_SIDED)
        return (trust, _cut(below) * fade, *(_cut(part) * trust for part in look.parts))

    def _learn(self, grams: Grams, spam: bool, step: float) -> None:
        """One step of every part whose error is beyond the margin."""
        found = self.weights.take(grams.slots)
        sums = np.add.reduceat(found, _starts(grams.counts), dtype=np.int64).tolist()
        changes = []
        for total, count in zip(sums, grams.counts, strict=True):
            root = math.sqrt(count)
            error = spam - chance(total / (ONE * root))
            changes.append(round(step * error / root * ONE) if abs(error) > MARGIN else 0)
        if any(changes):
            self.weights[grams.slots] = found + np.repeat(np.array(changes, np.int32), grams.counts)


def _starts(counts: tuple[int, ...]) -> list[int]:
    starts = [0]
    for count in counts[:-1]:
        starts.append(starts[-1] + count)
    return starts


def _cut(log_odds: float) -> float:
    return min(max(log_odds, -CERTAIN), CERTAIN)


def _mixed(seed: int) -> int:
    """A number that depends on every bit of ``seed`` (splitmix64; Steele, Lea, Flood 2014)."""
    value = (seed + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return value ^ (value >> 31)

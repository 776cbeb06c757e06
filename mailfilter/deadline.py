"""One deadline for one piece of work, handed down to everything that may wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]
"""Seconds that only go forward; `time.monotonic`, or a fake one in tests."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on a monotonic clock after which nobody waits for an answer any more."""

    at: float
    clock: Clock = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Clock = time.monotonic) -> Deadline:
        """The deadline ``seconds`` from now."""
        return cls(clock() + seconds, clock)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - self.clock())

    @property
    def expired(self) -> bool:
        """Whether the time is up."""
        return self.clock() >= self.at

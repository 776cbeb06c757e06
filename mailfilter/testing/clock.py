"""A clock that a test moves by hand."""

from __future__ import annotations


class FakeClock:
    """Stands where a `mailfilter.deadline.Clock` is wanted: call it for the time in seconds, `advance` it."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass; a monotonic clock never goes back, so they are not negative."""
        if seconds < 0:
            raise ValueError(f"a monotonic clock never goes back, not by {-seconds} seconds either")
        self.now += seconds

"""Not waiting again and again for a store that does not answer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ..deadline import Clock
from ..errors import StoreError
from . import KeyedStore
from .keyed import Attempt, Seen, Sighting, Tally, Timing

T = TypeVar("T")


class Guarded:
    """A `KeyedStore` that, once it has failed, is left alone for ``pause`` seconds; everything fails at once then.

    After that one caller tries it, and the others go on failing until that one has been answered.
    """

    def __init__(self, store: KeyedStore, pause: float = 1.0, clock: Clock = time.monotonic) -> None:
        self.store, self._pause, self._clock = store, pause, clock
        self._lock = threading.Lock()
        self._failed = ""
        self._until = 0.0
        self.legacy = bool(getattr(store, "legacy", False))

    def attempt(self, attempts: Sequence[Attempt], timing: Timing, now: float) -> list[int]:
        """See `KeyedStore.attempt`."""
        return self._asked(lambda: self.store.attempt(attempts, timing, now))

    def tally(self, tallies: Sequence[Tally], now: float) -> list[tuple[int, ...]]:
        """See `KeyedStore.tally`."""
        return self._asked(lambda: self.store.tally(tallies, now))

    def sight(self, sightings: Sequence[Sighting], now: float) -> list[Seen]:
        """See `KeyedStore.sight`."""
        return self._asked(lambda: self.store.sight(sightings, now))

    def get(self, keys: Sequence[bytes], now: float) -> list[bytes | None]:
        """See `KeyedStore.get`."""
        return self._asked(lambda: self.store.get(keys, now))

    def put(self, entries: Mapping[bytes, bytes], seconds: float, now: float) -> None:
        """See `KeyedStore.put`."""
        self._asked(lambda: self.store.put(entries, seconds, now))

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def _asked(self, ask: Callable[[], T]) -> T:
        if self._failed:
            with self._lock:
                if self._failed and self._clock() < self._until:
                    raise StoreError(f"not asked again yet: {self._failed}")
                self._until = self._clock() + self._pause
        try:
            result = ask()
        except StoreError as error:
            self._until = self._clock() + self._pause
            self._failed = str(error)
            raise
        self._failed = ""
        return result


class Complaint:
    """Logs that a store failed, at most once in ``every`` seconds: with a store that is dead every mail is a reason.

    ``consequence``  what it means, in words that follow the store's own.
    """

    def __init__(self, logger: logging.Logger, consequence: str, every: float = 10.0) -> None:
        self._logger, self._consequence, self._every = logger, consequence, every
        self._quiet = float("-inf")

    def __call__(self, error: StoreError) -> None:
        if time.monotonic() >= self._quiet:
            self._quiet = time.monotonic() + self._every
            self._logger.error("%s (%s)", error, self._consequence, extra={"event": "store_failed"})

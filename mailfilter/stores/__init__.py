"""Where state is kept: small entries under a key that expire by themselves, and what is kept for good.

`KeyedStore` is the one interface of everything that is looked up by a key (greylist, counters, caches).  It holds
whole decisions and not single reads and writes, so that every decision is atomic and costs one transaction or one
round trip, however many keys it looks at.  `open_keyed` finds the store that a setting names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ..errors import StoreError
from .keyed import Attempt, Seen, Sighting, Tally, Timing


class KeyedStore(Protocol):
    """Entries of bytes under keys of bytes (16 or more, evenly spread), each with a time at which it is gone.

    ``now`` is the caller's clock in seconds since the epoch.  Every method is one transaction or one round trip, may be
    called from many threads, and raises `StoreError` and nothing else when the store does not answer in time.
    """

    def attempt(self, attempts: Sequence[Attempt], timing: Timing, now: float) -> list[int]:
        """Note attempts, in order, and say how many whole seconds each has to wait; 0 passes (`keyed.settle`)."""
        ...

    def tally(self, tallies: Sequence[Tally], now: float) -> list[tuple[int, ...]]:
        """Count what may be counted, in order, and give every counter's total with it (`keyed.count`)."""
        ...

    def sight(self, sightings: Sequence[Sighting], now: float) -> list[Seen]:
        """Note who is seen, in order, and give what is known of each with it (`keyed.sight`)."""
        ...

    def get(self, keys: Sequence[bytes], now: float) -> list[bytes | None]:
        """The entries under ``keys``; `None` where there is none, or none any more."""
        ...

    def put(self, entries: Mapping[bytes, bytes], seconds: float, now: float) -> None:
        """Set entries that stay for ``seconds``."""
        ...

    def close(self) -> None:
        """Let go of files and sockets."""
        ...


def open_keyed(url: str) -> KeyedStore:
    """The store that a setting names: "memory", ``redis://host:port/db``, or the path of a SQLite file.

    Raises `StoreError` for a file that cannot be opened and for a URL that cannot be read, `MissingExtraError` where
    the URL needs a package that is not installed.  A server that does not answer is found out when it is needed.
    """
    from .guard import Guarded
    from .keyed_sqlite import SqliteStore

    if url == "memory":
        return SqliteStore()
    scheme, found, _ = url.partition("://")
    if not found:
        return Guarded(SqliteStore(url))
    from .keyed_redis import SCHEMES, RedisStore

    if scheme not in SCHEMES:
        kinds = ", ".join(f"{kind}://" for kind in SCHEMES)
        raise StoreError(f"there is no store of the kind {scheme}://; there are {kinds}, a path and memory")
    return Guarded(RedisStore(url))

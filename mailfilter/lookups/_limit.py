"""A limit on what one event loop has under way at once."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary


class LoopLimit:
    """One semaphore per event loop: a lookup may serve several loops, a semaphore belongs to one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    def here(self) -> asyncio.Semaphore:
        """The running loop's semaphore."""
        loop = asyncio.get_running_loop()
        semaphore = self._loops.get(loop)
        if semaphore is None:
            semaphore = self._loops.setdefault(loop, asyncio.Semaphore(self._limit))
        return semaphore

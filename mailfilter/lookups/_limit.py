"""A limit on what one event loop has under way at once."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary


class LoopLimit:
    """One semaphore per event loop: a lookup may serve several loops, a semaphore belongs to one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def acquire(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for a turn on the running loop; whoever got one gives it back with `release`."""
        semaphore = self._here()
        if not semaphore.locked():
            return await semaphore.acquire()
        try:
            async with asyncio.timeout(seconds):
                return await semaphore.acquire()
        except TimeoutError:
            return False

    def release(self) -> None:
        """Give a turn back, on the loop where it was got."""
        self._here().release()

    def _here(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        semaphore = self._loops.get(loop)
        if semaphore is None:
            semaphore = self._loops.setdefault(loop, asyncio.Semaphore(self._limit))
        return semaphore

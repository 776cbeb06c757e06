"""Long work said while it goes on: compiling thousands of patterns takes a minute the first time."""

from __future__ import annotations

import logging
import time

_log = logging.getLogger("mailfilter")
PATIENCE = 2.0
"""Seconds without a word; without a logging of its own a program shows such a line on standard error."""
MANY = 100
"""Patterns whose compiling is announced before it starts: it will take longer than that."""


class Progress:
    """Says how far ``what`` has come, not oftener than every `PATIENCE` seconds."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.done = 0
        self.start = self.said = time.monotonic()
        self._announced = False

    def before(self, count: int, note: str = "") -> None:
        """Work of ``count`` patterns is about to start."""
        if not self._announced and count >= MANY:
            self._announced = True
            _log.warning("%s takes a while the first time%s", self.what, note)

    def after(self, count: int) -> None:
        """``count`` patterns more are done."""
        self.done += count
        now = time.monotonic()
        if now - self.said >= PATIENCE:
            self.said = now
            _log.warning("%s: %d patterns in %.0f s", self.what, self.done, now - self.start)

"""Verdicts kept for the very same bytes, as long as the scanner's signatures are the same.

clamd's VERSION names the official signatures that lie *on disk*, which it may still be loading, and says nothing of
signatures from elsewhere.  So nothing is kept where no signature version is named, nothing for a while after it has
changed, and nothing for longer than a set time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from . import ScanAnswer

ASK_EVERY = 60.0
"""Seconds for which a version is taken to hold."""
SETTLE = 120.0
"""Seconds after a change of version in which verdicts may still come from the old signatures."""
MOST = 10_000
"""Verdicts that are kept."""


class VerdictCache:
    """A pure store (no I/O): the caller tells the version and the time, in seconds of a monotonic clock.

    ``seconds``  how long a verdict is good; 0 switches the cache off.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[float, ScanAnswer]] = OrderedDict()
        self._asked_at = float("-inf")
        self._settled_at = float("-inf")
        self._named = ""

    @property
    def version(self) -> str:
        """The version that holds now; a verdict is kept under the one that held before the scan began."""
        return self._named

    def wants_version(self, now: float) -> bool:
        """Whether the scanner is to be asked for its version; says so to one caller a minute."""
        if not self._seconds:
            return False
        with self._lock:
            if now - self._asked_at < ASK_EVERY:
                return False
            self._asked_at = now
            return True

    def note_version(self, said: str, now: float) -> None:
        """What the scanner answered to VERSION; a change empties the cache, and so does no answer."""
        named = said if said.count("/") >= 2 else ""  # "ClamAV 1.4.3/27800/Mon Nov ..." where signatures have a version
        with self._lock:
            if named != self._named:
                self._kept.clear()
                if self._named:
                    self._settled_at = now + SETTLE
                self._named = named

    def get(self, digest: bytes, now: float) -> ScanAnswer | None:
        """The verdict on these bytes, if it is still good."""
        if not self._kept:
            return None
        with self._lock:
            kept = self._kept.get(digest)
            if kept is None or now - self._asked_at >= ASK_EVERY or now >= kept[0]:
                return None
            self._kept.move_to_end(digest)
            return kept[1]

    def put(self, digest: bytes, answer: ScanAnswer, under: str, now: float) -> None:
        """Keep a verdict that was asked for when ``under`` was the version; what is no knowledge is not kept."""
        if not self._seconds or not answer.state.known:
            return
        with self._lock:
            if under and under == self._named and now >= self._settled_at:
                self._kept[digest] = (now + self._seconds, answer)
                self._kept.move_to_end(digest)
                if len(self._kept) > MOST:
                    self._kept.popitem(last=False)

    def clear(self, settled_at: float = float("-inf")) -> None:
        """Forget all verdicts, and the version; nothing is kept before ``settled_at``."""
        with self._lock:
            self._kept.clear()
            self._asked_at, self._settled_at, self._named = float("-inf"), settled_at, ""

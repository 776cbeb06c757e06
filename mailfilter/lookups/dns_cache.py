"""What DNS said, for as long as it said that it holds; bounded, shared by threads and tasks."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from ..deadline import Clock
from . import DnsAnswer, DnsQuestion

MAX_TTL = 86_400
"""Nothing is believed for longer than a day (RFC 8767 advises a bound)."""
MAX_TEXT = 4_096
"""Characters of an answer that is worth keeping."""


class DnsCache:
    """Answers by question; the least recently used goes first when ``size`` is reached.

    Only knowledge is kept: positive answers by their TTL, negative ones by their zone's SOA (RFC 2308), and
    nothing that has no TTL.  A failure is never kept: it says nothing about the name.
    """

    def __init__(self, size: int = 20_000, clock: Clock = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[DnsQuestion, tuple[float, DnsAnswer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, question: DnsQuestion) -> DnsAnswer | None:
        """What is known, with the time to live that is left; `None` if nothing is."""
        with self._lock:
            kept = self._kept.get(question)
            if kept is None:
                return None
            left = kept[0] - self._clock()
            if left <= 0:
                del self._kept[question]
                return None
            self._kept.move_to_end(question)
        answer = kept[1]
        return DnsAnswer(answer.state, answer.records, max(1, int(left)), answer.detail, answer.alias)

    def put(self, question: DnsQuestion, answer: DnsAnswer) -> None:
        """Keep an answer if it is knowledge with a time to live."""
        life = min(answer.ttl, MAX_TTL)
        if life <= 0 or not answer.state.known or sum(map(len, answer.records)) > MAX_TEXT:
            return
        with self._lock:
            self._kept[question] = (self._clock() + life, answer)
            self._kept.move_to_end(question)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()

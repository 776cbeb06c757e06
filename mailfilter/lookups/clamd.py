"""Virus scanning through clamd's INSTREAM, blocking and under asyncio.

One new connection per scan: nothing is shared between threads or tasks, so no answer can reach the wrong asker, and
a scanner that was restarted is simply connected to again.  Several addresses are tried in order.  The verdict is
never read through pyclamd, whose ``None`` means "clean" and "died" alike; see ``docs/decisions/0002-clamd-client.md``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from ..deadline import Deadline
from . import ScanAnswer, ScanQuestion, ScanState
from ._limit import LoopLimit
from .clamd_asyncio import ascan
from .clamd_cache import SETTLE, VerdictCache
from .clamd_health import ScannerHealth, reload, scanner_health, stats, version
from .clamd_protocol import ScannerAddress, parse_scanner_address
from .clamd_transport import scan

_GIVES_NO_VERDICT = (ScanState.UNAVAILABLE, ScanState.SCANNER_ERROR)


class ClamdLookup:
    """Answers `ScanQuestion` from one or several clamds.

    ``addresses``  ``unix:/path``, ``tcp:host:port`` or ``tcp:[::1]:port``, in order of preference; with none the
    answer is always ``DISABLED``.
    ``max_scans``  scans that one event loop has under way at once; more wait their turn.
    ``cache_seconds``  how long a verdict is good for the very same bytes and signatures; 0: every scan is asked for.

    With several addresses each gets an even share of the time that is left, so that one that hangs does not use up
    the others' time.  Raises `SettingError` for an address that is none.
    """

    kind: type[Any] = ScanQuestion

    def __init__(self, addresses: Sequence[str], *, max_scans: int = 64, cache_seconds: float = 0.0) -> None:
        self.addresses = tuple(parse_scanner_address(text) for text in addresses)
        self._limit = LoopLimit(max_scans)
        self._cache = VerdictCache(cache_seconds)

    def ask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        """Scan, blocking until the verdict or the deadline."""
        if self._cache.wants_version(deadline.clock()):
            self._note_version(deadline)
        found = self._cache.get(question.digest, deadline.clock())
        if found is not None:
            return found
        under = self._cache.version
        failures: list[ScanAnswer] = []
        for number, address in enumerate(self.addresses):
            share = _share(deadline, len(self.addresses) - number)
            answer = scan(address, question.data, share)
            if answer.state not in _GIVES_NO_VERDICT:
                return self._keep(question, answer, under, deadline)
            failures.append(answer)
        return _no_verdict(failures)

    async def aask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        """Scan under asyncio."""
        if self._cache.wants_version(deadline.clock()):
            await asyncio.to_thread(self._note_version, deadline)
        found = self._cache.get(question.digest, deadline.clock())
        if found is not None:
            return found
        under = self._cache.version
        failures: list[ScanAnswer] = []
        if not await self._limit.acquire(deadline.remaining()):
            return ScanAnswer(ScanState.UNAVAILABLE, detail="no turn to scan before the deadline")
        try:
            for number, address in enumerate(self.addresses):
                share = _share(deadline, len(self.addresses) - number)
                answer = await ascan(address, question.data, share)
                if answer.state not in _GIVES_NO_VERDICT:
                    return self._keep(question, answer, under, deadline)
                failures.append(answer)
        finally:
            self._limit.release()
        return _no_verdict(failures)

    def _note_version(self, deadline: Deadline) -> None:
        """Ask the preferred scanner for its signatures' version, for a short while only: it is no verdict."""
        share = Deadline.after(min(0.5, deadline.remaining() / 8), deadline.clock)
        said = version(self.addresses[0], share) if self.addresses else ""
        self._cache.note_version(said, deadline.clock())

    def _keep(self, question: ScanQuestion, answer: ScanAnswer, under: str, deadline: Deadline) -> ScanAnswer:
        """Keep a verdict of the scanner whose version is known; a stand-in's signatures may be others."""
        if answer.scanner == str(self.addresses[0]):
            self._cache.put(question.digest, answer, under, deadline.clock())
        return answer

    def health(self, deadline: Deadline) -> tuple[ScannerHealth, ...]:
        """PING and VERSION at every address; never raises."""
        return self._administer(scanner_health, deadline)

    def ping(self, deadline: Deadline) -> bool:
        """Whether any address answers."""
        return any(health.alive for health in self.health(deadline))

    def version(self, deadline: Deadline) -> str:
        """Engine and signature version of the first address that answers, ``""`` if none does."""
        return next((health.version for health in self.health(deadline) if health.alive), "")

    def reload(self, deadline: Deadline) -> tuple[ScannerHealth, ...]:
        """Have every address read its signatures anew; ``detail`` holds what it said.  Verdicts kept are dropped."""
        self._cache.clear(deadline.clock() + SETTLE)
        return self._administer(reload, deadline)

    def stats(self, deadline: Deadline) -> tuple[ScannerHealth, ...]:
        """What every address says of its threads, queue and memory, as text in ``detail``."""
        return self._administer(stats, deadline)

    def _administer(
        self, order: Callable[[ScannerAddress, Deadline], ScannerHealth], deadline: Deadline
    ) -> tuple[ScannerHealth, ...]:
        return tuple(
            order(address, _share(deadline, len(self.addresses) - number))
            for number, address in enumerate(self.addresses)
        )

    def close(self) -> None:
        """Nothing is kept open between scans; verdicts kept are dropped."""
        self._cache.clear()


def _share(deadline: Deadline, parts: int) -> Deadline:
    """The part of the time left that one of ``parts`` scanners may use."""
    return Deadline.after(deadline.remaining() / parts, deadline.clock)


def _no_verdict(failures: list[ScanAnswer]) -> ScanAnswer:
    """One answer for several scanners without a verdict: one that answered at all says more than a silent one."""
    if not failures:
        return ScanAnswer(ScanState.DISABLED, detail="no scanner is configured")
    told = any(answer.state is ScanState.SCANNER_ERROR for answer in failures)
    state = ScanState.SCANNER_ERROR if told else ScanState.UNAVAILABLE
    names = ", ".join(answer.scanner for answer in failures)
    detail = "; ".join(f"{answer.scanner}: {answer.detail}" for answer in failures)
    return ScanAnswer(state, (), names, detail, any(answer.lost for answer in failures))

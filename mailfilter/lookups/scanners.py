"""Several scanners as one, and what a scanner of another make is held to.

A scanner is a `Lookup` of `ScanQuestion`; a plug-in is a factory under the entry point group ``mailfilter.scanners``
that is given its settings table and returns one.  `mailfilter.testing.scanner_contract` holds it to what is promised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..deadline import Deadline
from . import Lookup, ScanAnswer, ScanQuestion, ScanState

_WORST_FIRST = (
    ScanState.INFECTED,
    ScanState.POISON,
    ScanState.SCANNER_ERROR,
    ScanState.UNAVAILABLE,
    ScanState.TOO_LARGE,
    ScanState.LIMITS_EXCEEDED,
    ScanState.ENCRYPTED,
    ScanState.UNWANTED,
    ScanState.PHISHING,
    ScanState.DISABLED,
    ScanState.CLEAN,
)
"""Which of two answers counts: malware, then what is not known, then what was found, clean last."""


class AllScanners:
    """Asks each scanner in turn until one finds malware; clean is what all of them call clean.

    An answer that is none, and an exception, count as an error of that scanner's.
    """

    kind: type[Any] = ScanQuestion

    def __init__(self, scanners: Sequence[Lookup]) -> None:
        self.scanners = tuple(scanners)

    def ask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        """Scan with all, blocking."""
        answers: list[ScanAnswer] = []
        for scanner in self.scanners:
            try:
                answers.append(_checked(scanner.ask(question, deadline)))
            except Exception as error:
                answers.append(_failed(scanner, error))
            if answers[-1].state is ScanState.INFECTED:
                break
        return _worst(answers)

    async def aask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        """Scan with all under asyncio."""
        answers: list[ScanAnswer] = []
        for scanner in self.scanners:
            try:
                answers.append(_checked(await scanner.aask(question, deadline)))
            except Exception as error:
                answers.append(_failed(scanner, error))
            if answers[-1].state is ScanState.INFECTED:
                break
        return _worst(answers)

    def close(self) -> None:
        """Close all."""
        for scanner in self.scanners:
            scanner.close()


def _checked(answer: object) -> ScanAnswer:
    if isinstance(answer, ScanAnswer) and isinstance(answer.state, ScanState):
        return answer
    return ScanAnswer(ScanState.SCANNER_ERROR, detail=f"a scanner answered {answer!r:.200}")


def _failed(scanner: Lookup, error: Exception) -> ScanAnswer:
    name = type(scanner).__name__
    return ScanAnswer(ScanState.SCANNER_ERROR, (), name, f"{type(error).__name__}: {error}"[:300])


def _worst(answers: Sequence[ScanAnswer]) -> ScanAnswer:
    if not answers:
        return ScanAnswer(ScanState.DISABLED, detail="no scanner is configured")
    return min(answers, key=lambda answer: _WORST_FIRST.index(answer.state))

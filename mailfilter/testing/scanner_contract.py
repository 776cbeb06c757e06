"""What a scanner is held to: whatever goes wrong on the other side, it is never read as clean.

    def make(behaviour):
        # a context manager that gives a Lookup whose other side behaves like that
        ...

    check_scanner(make)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from ..deadline import Deadline
from ..lookups import Lookup, ScanAnswer, ScanQuestion, ScanState

FAULTS = ("closes", "hangs", "lies_about_length", "answers_twice", "garbage")
"""How the other side fails: ends without an answer; never answers; stops reading before the end and calls it clean;
says clean and infected of one mail; says what nobody understands."""
GOOD = ("clean", "infected")
"""How it works: what each is to be read as."""
SLACK = 0.3
"""Seconds that an answer may come after its deadline, beside a tenth of it."""
SIZE = 400_000
"""Octets of the mail that is scanned: more than a socket or a pipe takes before anybody reads."""

Make = Callable[[str], AbstractContextManager[Lookup]]


def check_scanner(make: Make, seconds: float = 2.0) -> None:
    """Hold a scanner to the contract; raises AssertionError that says what was broken.

    ``make`` is called with each of `FAULTS` and `GOOD`; what it gives is asked several times.
    """
    for behaviour in (*FAULTS, *GOOD):
        with make(behaviour) as scanner:
            assert scanner.kind is ScanQuestion, f"kind is {scanner.kind!r}"
            for answer in _answers(scanner, behaviour, seconds):
                _check(behaviour, answer)
            scanner.close()
            _check(behaviour, _timed(behaviour, seconds, lambda deadline: scanner.ask(_QUESTION, deadline)))
            late = scanner.ask(_QUESTION, Deadline.after(0))
            assert late.state is not ScanState.CLEAN or behaviour == "clean", "clean, with no time to scan"


_QUESTION = ScanQuestion(b"Subject: contract\r\n\r\n" + b"x" * SIZE)


def _answers(scanner: Lookup, behaviour: str, seconds: float) -> list[ScanAnswer]:
    def awaited(deadline: Deadline) -> ScanAnswer:
        answer: ScanAnswer = asyncio.run(scanner.aask(_QUESTION, deadline))
        return answer

    blocking = _timed(behaviour, seconds, lambda deadline: scanner.ask(_QUESTION, deadline))
    return [blocking, _timed(behaviour, seconds, awaited)]


def _timed(behaviour: str, seconds: float, ask: Callable[[Deadline], ScanAnswer]) -> ScanAnswer:
    begun = time.monotonic()
    try:
        answer = ask(Deadline.after(seconds))
    except Exception as error:
        raise AssertionError(f"{behaviour}: raised {error!r}") from error
    taken = time.monotonic() - begun
    assert taken <= seconds * 1.1 + SLACK, f"{behaviour}: {taken:.2f} s with a deadline of {seconds:g} s"
    return answer


def _check(behaviour: str, answer: ScanAnswer) -> None:
    assert isinstance(answer, ScanAnswer), f"{behaviour}: answered {answer!r}"
    if behaviour == "clean":
        assert answer.state is ScanState.CLEAN, f"clean is read as {answer}"
    elif behaviour == "infected":
        assert answer.state is ScanState.INFECTED, f"infected is read as {answer}"
        assert answer.names, "infected by something without a name"
    else:
        assert answer.state is not ScanState.CLEAN, f"{behaviour} is read as clean"
        if behaviour == "hangs":
            assert answer.lost, "a scan that hangs is not marked as lost, so a mail that kills the scanner goes on"

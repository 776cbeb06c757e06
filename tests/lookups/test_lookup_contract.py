"""The lookup contract catches what breaks it, and the shipped stand-ins keep it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mailfilter.deadline import Deadline
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState, ScanAnswer, ScanQuestion, ScanState
from mailfilter.testing.answers import AnswersLookup
from mailfilter.testing.clock import FakeClock
from mailfilter.testing.lookup_contract import check_lookup

QUESTIONS = [DnsQuestion("a.test"), DnsQuestion("b.test", "TXT"), DnsQuestion("missing.test")]
ANSWERS = {
    QUESTIONS[0]: DnsAnswer(DnsState.FOUND, ("127.0.0.2",), 60),
    QUESTIONS[1]: DnsAnswer(DnsState.NOT_FOUND),
}


class Broken(AnswersLookup):
    """Keeps the contract but for what a test changes."""

    def __init__(self) -> None:
        super().__init__(DnsQuestion, ANSWERS)


def test_answers_out_of_a_mapping_keep_the_contract() -> None:
    lookup = AnswersLookup(DnsQuestion, ANSWERS)
    check_lookup(lookup, QUESTIONS)
    assert lookup.ask(QUESTIONS[0], Deadline.after(1)) == ANSWERS[QUESTIONS[0]]
    assert lookup.ask(QUESTIONS[2], Deadline.after(1)).state is DnsState.DISABLED
    assert lookup.asked[-2:] == [QUESTIONS[0], QUESTIONS[2]]
    scanner = AnswersLookup(ScanQuestion, default=ScanAnswer(ScanState.CLEAN))
    check_lookup(scanner, [ScanQuestion(b"x")])


def test_answers_that_come_too_late_are_no_answers() -> None:
    lookup = AnswersLookup(DnsQuestion, ANSWERS, delay=0.3)
    check_lookup(lookup, QUESTIONS[:1], seconds=0.1, threads=2)
    assert lookup.ask(QUESTIONS[0], Deadline.after(0.05)).state is DnsState.TIMEOUT
    assert lookup.ask(QUESTIONS[0], Deadline.after(2)).state is DnsState.FOUND


def test_raising_is_caught() -> None:
    class Raises(Broken):
        def ask(self, question: Any, deadline: Deadline) -> Any:
            raise OSError("broken")

    class RaisesAwaited(Broken):
        async def aask(self, question: Any, deadline: Deadline) -> Any:
            raise OSError("broken")

    for lookup in (Raises(), RaisesAwaited()):
        with pytest.raises(AssertionError, match=r"raised OSError\('broken'\)"):
            check_lookup(lookup, QUESTIONS)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "no DnsAnswer"),
        (ScanAnswer(ScanState.CLEAN), "no DnsAnswer"),
        (DnsAnswer(DnsState.FOUND), "with records"),
        (DnsAnswer(DnsState.TIMEOUT, ("127.0.0.2",)), "with records"),
    ],
)
def test_wrong_answers_are_caught(answer: Any, said: str) -> None:
    class Wrong(Broken):
        def ask(self, question: Any, deadline: Deadline) -> Any:
            return answer

    with pytest.raises(AssertionError, match=said):
        check_lookup(Wrong(), QUESTIONS)


def test_outstaying_the_deadline_is_caught() -> None:
    class Slow(Broken):
        def ask(self, question: Any, deadline: Deadline) -> Any:
            time.sleep(0.3)
            return super().ask(question, deadline)

    with pytest.raises(AssertionError, match=r"with a deadline of 0\.05 s"):
        check_lookup(Slow(), QUESTIONS, seconds=0.05)


def test_two_faces_that_differ_are_caught() -> None:
    class TwoFaced(Broken):
        async def aask(self, question: Any, deadline: Deadline) -> Any:
            return DnsAnswer(DnsState.NOT_FOUND)

    with pytest.raises(AssertionError, match=r"awaited \['not found'"):
        check_lookup(TwoFaced(), QUESTIONS)


def test_breaking_under_threads_is_caught() -> None:
    class Shared(Broken):
        last: Any = None

        def ask(self, question: Any, deadline: Deadline) -> Any:
            self.last = question
            time.sleep(0.002)
            return super().ask(self.last, deadline)

    with pytest.raises(AssertionError, match="beside others"):
        check_lookup(Shared(), QUESTIONS)


def test_not_coming_back_after_close_is_caught() -> None:
    class Closed(Broken):
        def close(self) -> None:
            self.answers.clear()

    with pytest.raises(AssertionError, match="after close"):
        check_lookup(Closed(), QUESTIONS)


def test_the_wrong_kind_is_caught() -> None:
    with pytest.raises(AssertionError, match="no kind of question"):
        check_lookup(AnswersLookup(int), QUESTIONS)
    with pytest.raises(AssertionError, match="questions of another kind"):
        check_lookup(AnswersLookup(ScanQuestion), QUESTIONS)


def test_the_fake_clock_moves_by_hand_and_never_back() -> None:
    clock = FakeClock(5.0)
    deadline = Deadline.after(2.0, clock)
    assert (clock(), deadline.remaining(), deadline.expired) == (5.0, 2.0, False)
    clock.advance(2.0)
    assert (deadline.remaining(), deadline.expired) == (0.0, True)
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1.0)

"""The engine alone, with answers handed in by hand: no socket, no thread, no clock."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.checks import Asking, Mail
from mailfilter.deadline import Deadline
from mailfilter.envelope import Envelope
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState, ScanQuestion, ScanState
from mailfilter.lookups.drivers import adrive, drive
from mailfilter.lookups.engine import CHECK_FAILED, MAX_ROUNDS, Engine
from mailfilter.message import Message
from mailfilter.symbols import Symbol, SymbolInfo

FOUND = DnsAnswer(DnsState.FOUND, ("127.0.0.2",))


class Asker:
    """A lookup check made of one generator function."""

    def __init__(self, ask: Callable[[Mail], Asking], name: str = "asker") -> None:
        self.ask = ask
        self.name = name
        self.symbols = (SymbolInfo("SEEN", "seen", "lists", 1.0, name),)


def mails(count: int) -> list[Mail]:
    return [Mail(Message(b"Subject: %d\n\n" % number), Envelope()) for number in range(count)]


def ask_once(*names: str) -> Callable[[Mail], Asking]:
    def ask(mail: Mail) -> Asking:
        answers = yield tuple(DnsQuestion(name) for name in names)
        return tuple(Symbol("SEEN", 1.0, f"{a.state.value}") for a in answers)

    return ask


def test_a_question_shared_by_a_batch_is_asked_once() -> None:
    engine = Engine([Asker(ask_once("a", "a", "b"))], mails(5))
    assert engine.take_questions() == [DnsQuestion("a"), DnsQuestion("b")]
    assert engine.take_questions() == []
    engine.answer(DnsQuestion("b"), FOUND)
    assert not engine.done
    engine.answer(DnsQuestion("a"), FOUND)
    assert engine.done
    assert [len(found) for found in engine.findings] == [3] * 5


def test_answers_come_back_in_the_order_of_the_questions() -> None:
    got: list[object] = []

    def ask(mail: Mail) -> Asking:
        got.extend((yield (DnsQuestion("a"), DnsQuestion("b"), DnsQuestion("a"))))
        return ()

    engine = Engine([Asker(ask)], mails(1))
    b = DnsAnswer(DnsState.NOT_FOUND)
    engine.answer(DnsQuestion("b"), b)
    engine.answer(DnsQuestion("a"), FOUND)
    assert got == [FOUND, b, FOUND]


def test_several_rounds_and_a_question_answered_before_needs_no_second_asking() -> None:
    def ask(mail: Mail) -> Asking:
        yield (DnsQuestion("a"),)
        yield (DnsQuestion("b"),)
        yield ()
        answers = yield (DnsQuestion("a"), DnsQuestion("b"))
        return (Symbol("SEEN", float(len(answers))),)

    engine = Engine([Asker(ask)], mails(1))
    assert engine.take_questions() == [DnsQuestion("a")]
    engine.answer(DnsQuestion("a"), FOUND)
    assert engine.take_questions() == [DnsQuestion("b")]
    engine.answer(DnsQuestion("b"), FOUND)
    assert engine.done
    assert engine.findings == [[Symbol("SEEN", 2.0)]]


def test_late_and_unasked_answers_change_nothing() -> None:
    engine = Engine([Asker(ask_once("a"))], mails(1))
    engine.answer(DnsQuestion("poison"), FOUND)
    engine.give_up("too late")
    before = [list(found) for found in engine.findings]
    engine.answer(DnsQuestion("a"), FOUND)
    assert engine.findings == before == [[Symbol("SEEN", 1.0, "timeout")]]


def test_giving_up_ends_later_rounds_as_well() -> None:
    def ask(mail: Mail) -> Asking:
        first = yield (DnsQuestion("a"),)
        second = yield (DnsQuestion("b"), ScanQuestion(b"x"))
        return tuple(Symbol("SEEN", 1.0, answer.state.name) for answer in (*first, *second))

    engine = Engine([Asker(ask)], mails(2))
    engine.give_up("deadline")
    assert engine.done
    assert engine.take_questions() == []
    assert [symbol.evidence for symbol in engine.findings[1]] == ["TIMEOUT", "TIMEOUT", ScanState.UNAVAILABLE.name]


def fails_at_start(mail: Mail) -> Asking:
    raise KeyError("start")


def fails_later(mail: Mail) -> Asking:
    yield (DnsQuestion("a"),)
    raise ValueError("later")


def never_ends(mail: Mail) -> Asking:
    number = 0
    while True:
        number += 1
        yield (DnsQuestion(f"{number}"),)


def asks_nonsense(mail: Mail) -> Asking:
    yield 7  # type: ignore[misc]
    return ()


def finds_the_undeclared(mail: Mail) -> Asking:
    yield ()
    return (Symbol("OTHER"),)


@pytest.mark.parametrize("broken", [fails_at_start, fails_later, never_ends, asks_nonsense, finds_the_undeclared])
def test_a_broken_check_costs_itself_only(broken: Callable[[Mail], Asking]) -> None:
    engine = Engine([Asker(broken, "broken"), Asker(ask_once("a"), "sound")], mails(2))
    for _ in range(2 * MAX_ROUNDS):
        for question in engine.take_questions():
            engine.answer(question, FOUND)
    assert engine.done
    for found in engine.findings:
        assert sorted(symbol.name for symbol in found) == [CHECK_FAILED, "SEEN"]
        assert any(symbol.evidence.startswith("broken: ") for symbol in found)


@given(st.permutations(["a", "b", "c", "d"]))
def test_the_order_of_answers_does_not_matter(order: list[str]) -> None:
    def ask(mail: Mail) -> Asking:
        first = yield (DnsQuestion("a"), DnsQuestion("b"))
        second = yield (DnsQuestion("c"), DnsQuestion("d"))
        return tuple(Symbol("SEEN", 1.0, a.records[0]) for a in (*first, *second))

    engine = Engine([Asker(ask)], mails(3))
    while not engine.done:
        asked = engine.take_questions()
        for question in sorted(asked, key=lambda q: order.index(q.name)):
            engine.answer(question, DnsAnswer(DnsState.FOUND, (question.name,)))
    assert [[s.evidence for s in found] for found in engine.findings] == [["a", "b", "c", "d"]] * 3


class Slow:
    """Answers after ``seconds``, whatever the deadline; counts what it was asked."""

    kind = DnsQuestion

    def __init__(self, seconds: float) -> None:
        self.seconds, self.asked, self._lock = seconds, [], threading.Lock()  # type: ignore[var-annotated]

    def ask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        with self._lock:
            self.asked.append(question)
        time.sleep(self.seconds)
        return FOUND

    async def aask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        self.asked.append(question)
        await asyncio.sleep(self.seconds)
        return FOUND

    def close(self) -> None:
        pass


class Raising(Slow):
    def ask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        raise OSError("broken promise")

    async def aask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        raise OSError("broken promise")


def run(lookup: Slow | None, seconds: float, face: str, count: int = 3) -> Engine:
    engine = Engine([Asker(ask_once("a", "b"))], mails(count))
    lookups = {} if lookup is None else {DnsQuestion: lookup}
    if face == "async":
        asyncio.run(adrive(engine, lookups, Deadline.after(seconds)))
    else:
        with ThreadPoolExecutor(8) as pool:
            drive(engine, lookups, Deadline.after(seconds), pool)
    return engine


@pytest.mark.parametrize("face", ["blocking", "async"])
class TestDrivers:
    def test_all_is_asked_side_by_side_and_once(self, face: str) -> None:
        lookup = Slow(0.05)
        engine = run(lookup, 5, face)
        assert sorted(q.name for q in lookup.asked) == ["a", "b"]
        assert {s.evidence for found in engine.findings for s in found} == {"found"}

    def test_the_deadline_ends_it(self, face: str) -> None:
        start = time.monotonic()
        engine = run(Slow(0.6), 0.1, face)
        assert engine.done
        assert {s.evidence for found in engine.findings for s in found} == {"timeout"}
        if face == "async":
            assert time.monotonic() - start < 0.5

    def test_nobody_to_ask_is_disabled_and_not_a_timeout(self, face: str) -> None:
        engine = run(None, 5, face)
        assert {s.evidence for found in engine.findings for s in found} == {"disabled"}

    def test_a_lookup_that_raises_has_not_answered(self, face: str) -> None:
        engine = run(Raising(0), 5, face)
        assert {s.evidence for found in engine.findings for s in found} == {"timeout"}

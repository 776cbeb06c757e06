"""An answer that comes in any turn of the loop is waited for, beside one that comes in any other."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from typing import Any

import pytest

from mailfilter.checks import Mail
from mailfilter.deadline import Deadline
from mailfilter.envelope import Envelope
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState, ScanAnswer, ScanQuestion, ScanState
from mailfilter.lookups.drivers import adrive
from mailfilter.lookups.engine import Engine
from mailfilter.message import Message
from mailfilter.symbols import Symbol, SymbolInfo


class Asks:
    """Asks a name server and a scanner at once."""

    name = "asks"
    symbols = (SymbolInfo("BOTH_ANSWERED", "Both.", "content", 0.0, "asks"),)

    def ask(self, mail: Mail) -> Generator[Any, Any, Any]:
        answers = yield (DnsQuestion("a.test"), ScanQuestion(b"x"))
        return (Symbol("BOTH_ANSWERED"),) if None not in answers else ()


class Names:
    """A `ManyLookup` that answers after some turns of the loop."""

    kind = DnsQuestion

    def __init__(self, turns: int) -> None:
        self.turns = turns

    def talk(self) -> None:
        """Of threads, which are not used here."""

    def start(self, questions: Any, deadline: Deadline, done: Any) -> None:
        loop = asyncio.get_running_loop()

        def turn(left: int) -> None:
            if left:
                loop.call_soon(turn, left - 1)
            else:
                for question in questions:
                    done(question, DnsAnswer(DnsState.NOT_FOUND))

        turn(self.turns)

    def leave(self, questions: Any, done: Any) -> None:
        """Nobody waits any more."""


class Scanner:
    """Answers after some turns of the loop."""

    kind = ScanQuestion

    def __init__(self, turns: int) -> None:
        self.turns = turns

    async def aask(self, question: Any, deadline: Deadline) -> ScanAnswer:
        for _ in range(self.turns):
            await asyncio.sleep(0)
        return ScanAnswer(ScanState.CLEAN)


@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize("second", range(6))
def test_answers_in_any_turns(first: int, second: int) -> None:
    def late(number: int, frame: object) -> None:
        raise AssertionError("it goes round and round, and nobody else has a turn")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    try:
        lookups: Any = {DnsQuestion: Names(first), ScanQuestion: Scanner(second)}
        mail = Mail(Message(b"Subject: x\r\n\r\n"), Envelope())
        check: Any = Asks()
        engine = Engine((check,), [mail], None, {"asks": frozenset({"BOTH_ANSWERED"})})
        asyncio.run(adrive(engine, lookups, Deadline.after(10)))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert [symbol.name for symbol in engine.findings[0]] == ["BOTH_ANSWERED"]

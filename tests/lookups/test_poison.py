"""The poison guard: a mail that kills the scanner is set aside, an ill scanner sets nothing aside."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from mailfilter import Config, Envelope, FilterChain
from mailfilter.checks.virus import VirusCheck
from mailfilter.deadline import Deadline
from mailfilter.decision import Action
from mailfilter.lookups import ScanAnswer, ScanQuestion, ScanState
from mailfilter.lookups.poison import LIFETIME, PoisonGuard
from mailfilter.testing.fake_clamd import FakeClamd, Session

BAD = b"Received: %d\nSubject: x\n\nkills the scanner\n"
GOOD = b"Subject: x\n\ngood\n"


class Fragile:
    """Dies of one body; gives no verdict on anything while it is ``ill``."""

    kind = ScanQuestion

    def __init__(self) -> None:
        self.ill, self.asked = False, 0

    def ask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        self.asked += 1
        if self.ill or b"kills" in question.data:
            return ScanAnswer(ScanState.UNAVAILABLE, detail="closed", lost=True)
        return ScanAnswer(ScanState.CLEAN)

    async def aask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        return self.ask(question, deadline)

    def close(self) -> None:
        pass


class Run:
    """A guard whose clock moves on with every scan."""

    def __init__(self, store: str = "memory", awaited: bool = False) -> None:
        self.now, self.scanner, self.awaited = 0.0, Fragile(), awaited
        self.guard = PoisonGuard(self.scanner, 3, store, lambda: self.now)

    def ask(self, data: bytes) -> ScanState:
        self.now += 60
        question, deadline = ScanQuestion(data), Deadline.after(5)
        if self.awaited:
            return asyncio.run(self.guard.aask(question, deadline)).state
        return self.guard.ask(question, deadline).state


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("store", ["memory", "file"])
def test_a_mail_that_kills_the_scanner_is_set_aside(store: str, awaited: bool, tmp_path: Path) -> None:
    run = Run("memory" if store == "memory" else str(tmp_path / "poison.db"), awaited)
    for number in range(3):
        assert run.ask(BAD % number) is ScanState.UNAVAILABLE
        assert run.ask(GOOD) is ScanState.CLEAN
    asked = run.scanner.asked
    assert run.ask(BAD % 99) is ScanState.POISON
    assert run.scanner.asked == asked
    assert run.ask(GOOD) is ScanState.CLEAN


def test_an_ill_scanner_sets_nothing_aside() -> None:
    run = Run()
    run.ask(GOOD)
    run.scanner.ill = True
    for number in range(20):
        assert run.ask(GOOD) is ScanState.UNAVAILABLE
        assert run.ask(BAD % number) is ScanState.UNAVAILABLE
    assert run.guard.strikes(GOOD) <= 1
    run.scanner.ill = False
    assert run.ask(GOOD) is ScanState.CLEAN


def test_a_scanner_that_is_not_reached_is_no_strike() -> None:
    class Absent(Fragile):
        def ask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
            return ScanAnswer(ScanState.UNAVAILABLE, detail="not reached")

    guard = PoisonGuard(Absent())
    for _ in range(5):
        guard.ask(ScanQuestion(GOOD), Deadline.after(1))
    assert guard.strikes(GOOD) == 0


def test_processes_share_a_store(tmp_path: Path) -> None:
    path = str(tmp_path / "poison.db")
    for number in range(3):
        run = Run(path)
        run.now = 1000.0 * number
        run.ask(BAD % number)
        run.ask(GOOD)
        run.guard.close()
    assert Run(path).guard.ask(ScanQuestion(BAD % 9), Deadline.after(1)).state is ScanState.POISON


def test_strikes_are_forgotten() -> None:
    run = Run()
    for number in range(3):
        run.ask(BAD % number), run.ask(GOOD)
    run.now += LIFETIME
    assert run.ask(BAD % 1) is ScanState.UNAVAILABLE


def test_a_store_that_fails_is_logged_and_scans_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = Run(str(tmp_path / "no" / "such" / "folder.db"))
    with caplog.at_level(logging.ERROR, "mailfilter"):
        assert run.ask(BAD % 1) is ScanState.UNAVAILABLE
        assert run.ask(GOOD) is ScanState.CLEAN
    assert "poison guard" in caplog.text


def test_an_awaited_scan_that_is_cut_off_at_the_deadline_is_a_strike() -> None:
    class Slow(Fragile):
        async def aask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
            await asyncio.sleep(30)
            raise AssertionError

    guard = PoisonGuard(Slow())

    async def cut(seconds: float) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await guard.aask(ScanQuestion(BAD % 1), Deadline.after(seconds))

    asyncio.run(cut(30))
    assert guard.strikes(BAD % 1) == 0  # cancelled for another reason
    asyncio.run(cut(0.05))
    assert guard.strikes(BAD % 1) == 1


def test_the_chain_holds_it_in_the_end(tmp_path: Path) -> None:
    """A clamd that dies of one mail: refused for now three times, then held."""

    def behave(session: Session) -> None:
        if session.command() == "INSTREAM" and b"kills" not in (session.stream() or b""):
            session.send(b"stream: OK\0")

    def table(address: str) -> dict[str, Any]:
        return {"virus": {"clamd": [address]}, "quarantine": {"path": str(tmp_path / "q.db")}}

    envelope = Envelope(mail_from="a@example.net", rcpt_to=["b@example.org"])
    with (
        FakeClamd(behave) as server,
        FilterChain(Config.from_mapping(table(server.address)), checks=[VirusCheck()]) as chain,
    ):
        actions = []
        for number in range(4):
            verdict = chain.act(BAD % number, envelope, chain.check(BAD % number, envelope))
            actions.append(verdict.action)
            assert chain.check(GOOD, envelope).action is Action.ACCEPT
        assert actions == [Action.GREYLIST] * 3 + [Action.QUARANTINE]
        assert verdict.receipt
        assert [symbol.name for symbol in verdict.unknown] == ["VIRUS_POISON"]

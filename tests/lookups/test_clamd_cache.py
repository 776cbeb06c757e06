"""Verdicts that are kept: only knowledge, only for the same bytes and signatures, never for long."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.deadline import Deadline
from mailfilter.lookups import ScanAnswer, ScanQuestion, ScanState
from mailfilter.lookups.clamd import ClamdLookup
from mailfilter.lookups.clamd_cache import ASK_EVERY, MOST, SETTLE, VerdictCache
from mailfilter.testing.fake_clamd import FakeClamd, Session

CLEAN = ScanAnswer(ScanState.CLEAN)
V1, V2 = "ClamAV 1.4.3/27001/Mon Nov 2", "ClamAV 1.4.3/27002/Tue Nov 3"


def cache(version: str = V1, now: float = 0.0, seconds: float = 300.0) -> VerdictCache:
    made = VerdictCache(seconds)
    assert made.wants_version(now)
    made.note_version(version, now)
    return made


def test_the_version_is_asked_for_once_a_minute() -> None:
    made = cache()
    assert not made.wants_version(ASK_EVERY - 0.1)
    assert made.wants_version(ASK_EVERY)
    assert not made.wants_version(ASK_EVERY + 1)
    assert not VerdictCache(0).wants_version(0)


@pytest.mark.parametrize("state", ScanState)
def test_only_knowledge_is_kept(state: ScanState) -> None:
    made = cache()
    made.put(b"d", ScanAnswer(state), V1, 1)
    assert (made.get(b"d", 2) is not None) == state.known


@pytest.mark.parametrize("version", ["", "ClamAV 1.4.3", "ClamAV 0.0.0 (fake)"])
def test_without_a_version_of_signatures_nothing_is_kept(version: str) -> None:
    made = cache(version)
    made.put(b"d", CLEAN, version, 1)
    assert made.get(b"d", 2) is None


def test_a_changed_version_empties_it_and_is_waited_for() -> None:
    """clamd names what lies on disk before it has loaded it."""
    made = cache()
    made.put(b"d", CLEAN, V1, 1)
    made.note_version(V2, ASK_EVERY)
    assert made.get(b"d", ASK_EVERY) is None
    made.put(b"d", CLEAN, V1, ASK_EVERY + SETTLE)  # begun under the old one
    made.put(b"d", CLEAN, V2, ASK_EVERY + 1)  # perhaps answered by the old one
    assert made.get(b"d", ASK_EVERY + 2) is None
    now = ASK_EVERY + SETTLE
    assert made.wants_version(now)
    made.note_version(V2, now)
    made.put(b"d", CLEAN, V2, now)
    assert made.get(b"d", now + 1) is CLEAN


def test_no_answer_to_version_empties_it() -> None:
    made = cache()
    made.put(b"d", CLEAN, V1, 1)
    made.note_version("", ASK_EVERY)
    assert made.get(b"d", ASK_EVERY) is None


def test_a_verdict_and_a_version_grow_old() -> None:
    made = cache(seconds=30)
    made.put(b"d", CLEAN, V1, 1)
    assert made.get(b"d", 30.9) is CLEAN
    assert made.get(b"d", 31) is None
    long = cache(seconds=3000)
    long.put(b"d", CLEAN, V1, 1)
    assert long.get(b"d", ASK_EVERY) is None  # nobody has asked for the version again


def test_the_least_used_go_first() -> None:
    made = cache()
    for number in range(MOST + 5):
        made.put(b"%d" % number, CLEAN, V1, 1)
        assert made.get(b"0", 1) is CLEAN
    assert made.get(b"1", 1) is None


@given(st.lists(st.tuples(st.sampled_from("pgnw"), st.sampled_from([b"a", b"b"]), st.sampled_from([V1, V2, ""]))))
def test_what_comes_out_was_put_in_under_the_version_that_holds(steps: list[tuple[str, bytes, str]]) -> None:
    made, holds, now = cache(), V1, 0.0
    put: set[tuple[bytes, str]] = set()
    for step, digest, version in steps:
        now += 20
        if step == "p":
            made.put(digest, CLEAN, version, now)
            put.add((digest, version))
        elif step == "n" and made.wants_version(now):
            made.note_version(version, now)
            holds = version
        elif made.get(digest, now) is not None:
            assert (digest, holds) in put


@dataclass
class Versioned:
    """A clamd that knows nothing bad, counts its scans, and has the version that it is given."""

    version: str
    scans: int = 0

    def __call__(self, session: Session) -> None:
        if session.command() == "VERSION":
            session.send(self.version.encode() + b"\n")
        elif session.stream() is not None:
            self.scans += 1
            session.send(b"stream: OK\0")


@pytest.mark.parametrize("awaited", [False, True])
def test_the_client_asks_once_for_the_same_bytes(awaited: bool) -> None:
    behaviour, now = Versioned(V1), [0.0]
    with FakeClamd(behaviour) as server:
        lookup = ClamdLookup([server.address], cache_seconds=300)

        def ask(data: bytes) -> ScanState:
            deadline = Deadline(now[0] + 5, lambda: now[0])
            question = ScanQuestion(data)
            return (asyncio.run(lookup.aask(question, deadline)) if awaited else lookup.ask(question, deadline)).state

        assert {ask(b"x") for _ in range(5)} == {ScanState.CLEAN}
        assert behaviour.scans == 1
        ask(b"y")
        assert behaviour.scans == 2
        behaviour.version, now[0] = V2, ASK_EVERY
        ask(b"x")
        ask(b"x")
        assert behaviour.scans == 4  # new signatures are being loaded
        now[0] = ASK_EVERY + SETTLE
        ask(b"x")
        ask(b"x")
        assert behaviour.scans == 5
    now[0] += ASK_EVERY
    assert ask(b"x") is ScanState.UNAVAILABLE  # a version that nobody tells any more


def test_without_the_setting_every_scan_is_asked_for() -> None:
    behaviour = Versioned(V1)
    with FakeClamd(behaviour) as server:
        lookup = ClamdLookup([server.address])
        for _ in range(3):
            lookup.ask(ScanQuestion(b"x"), Deadline.after(5))
    assert behaviour.scans == 3

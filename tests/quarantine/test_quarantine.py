"""Quarantine: what was taken can be got back, byte for byte (law 1)."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.decision import Action, Reason
from mailfilter.envelope import Envelope
from mailfilter.errors import StoreError
from mailfilter.quarantine import Quarantine
from mailfilter.stores.index_sqlite import SqliteIndex
from mailfilter.verdict import ScoredSymbol, Verdict

RULE = ScoredSymbol("RULE", 6.5, 1.0, "seen", "a rule", "headers")
VERDICT = Verdict(Action.QUARANTINE, Reason.SCORE, 6.5, 0.9, (RULE,), (), 6.0, "00" * 32)
ENVELOPE = Envelope(client_ip="203.0.113.9", mail_from="a@example.net", rcpt_to=["b@example.org"])


@pytest.fixture
def store(tmp_path: Path) -> Quarantine:
    return Quarantine(str(tmp_path / "quarantine.db"), clock=lambda: 1_000_000.0)


@settings(max_examples=25)
@given(st.binary(max_size=2000))
def test_any_bytes_come_back(raw: bytes) -> None:
    store = Quarantine(":memory:")
    assert store.release(store.hold(raw, ENVELOPE, VERDICT)) == raw


def test_an_entry_says_what_and_why(store: Quarantine) -> None:
    receipt = store.hold(b"mail", ENVELOPE, VERDICT)
    (held,) = store.entries()
    assert (held.receipt, held.state, held.size, held.stored) == (receipt, "held", 4, 1_000_000.0)
    assert held.envelope == ENVELOPE
    assert held.verdict["symbols"][0]["name"] == "RULE"


def test_a_released_mail_stays_and_is_marked(store: Quarantine) -> None:
    receipt = store.hold(b"mail", ENVELOPE, VERDICT)
    store.release(receipt)
    assert [held.state for held in store.entries()] == ["released"]
    assert store.get(receipt) == b"mail"


def test_a_deleted_mail_leaves_a_tombstone_without_content(store: Quarantine) -> None:
    receipt = store.bury(ENVELOPE, replace(VERDICT, action=Action.DELETE))
    assert [(held.state, held.size) for held in store.entries()] == [("deleted", 0)]
    with pytest.raises(StoreError, match="only its tombstone is left"):
        store.get(receipt)


def test_an_unknown_receipt_is_said(store: Quarantine) -> None:
    with pytest.raises(StoreError, match="no mail has the receipt nope"):
        store.get("nope")


def test_what_is_held_outlives_the_process(store: Quarantine, tmp_path: Path) -> None:
    receipt = store.hold(b"mail", ENVELOPE, VERDICT)
    store.close()
    assert Quarantine(str(tmp_path / "quarantine.db")).get(receipt) == b"mail"


def test_a_store_that_cannot_write_says_so(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.db"
    Quarantine(str(path)).close()
    store = Quarantine(str(path))
    blocker = sqlite3.connect(path, isolation_level=None)
    assert isinstance(store.index, SqliteIndex)
    store.index._db.execute("PRAGMA busy_timeout=50")
    blocker.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="cannot be written: database is locked"):
        store.hold(b"mail", ENVELOPE, VERDICT)
    blocker.execute("ROLLBACK")
    assert store.get(store.hold(b"mail", ENVELOPE, VERDICT)) == b"mail"


def test_a_place_that_is_not_there_is_said_at_start(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Quarantine(str(tmp_path / "nowhere" / "q.db"))

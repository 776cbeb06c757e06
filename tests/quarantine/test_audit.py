"""`verify`: what it finds between index and mails, and what it sets right."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mailfilter.errors import StoreError
from mailfilter.quarantine import Keyring, Quarantine, WrongKeyError
from mailfilter.stores.blobs import PART

from .made import ENVELOPE, KEYS, MAIL, VERDICT, hold, later, only, store


def found(audit: Any) -> dict[str, Any]:
    """What is not as it should be."""
    return {name: value for name, value in audit.to_dict().items() if value and name not in ("entries", "whole")}


def test_what_is_in_order_is_left_as_it_is() -> None:
    quarantine = store()
    hold(quarantine)
    audit = quarantine.verify(grace=0)
    assert (audit.entries, audit.whole, found(audit), audit.wrong) == (1, 1, {}, False)


@pytest.mark.parametrize("keys", [None, KEYS])
def test_a_lost_index_is_made_again_from_the_mails(tmp_path: Path, keys: Keyring | None) -> None:
    quarantine = store(tmp_path, keys=keys)
    receipts = sorted(hold(quarantine, MAIL + bytes([number]), f"b{number}@example.org") for number in range(5))
    before = list(quarantine.entries())
    quarantine.close()
    for name in os.listdir(tmp_path):
        if name.startswith("q.db") and not name.endswith("mails"):
            (tmp_path / name).unlink()
    quarantine = store(tmp_path, keys=keys)
    assert sorted(quarantine.verify().reindexed) == receipts
    assert sorted(quarantine.entries(), key=lambda held: held.receipt) == sorted(before, key=lambda held: held.receipt)


def test_only_looking_changes_nothing(tmp_path: Path) -> None:
    quarantine = store(tmp_path)
    receipt = hold(quarantine)
    (tmp_path / "q.db.mails" / receipt).rename(tmp_path / "q.db.mails" / ("0" * 16))
    audit = quarantine.verify(repair=False, grace=0)
    assert (audit.missing, audit.aside) == ([receipt], ["0" * 16])
    assert (only(quarantine).fault, os.listdir(tmp_path / "q.db.mails")) == ("", ["0" * 16])


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_row_without_its_mail_is_marked_until_it_is_back(tmp_path: Path, fault: str) -> None:
    quarantine = store(tmp_path)
    receipt = hold(quarantine)
    path = tmp_path / "q.db.mails" / receipt
    whole = path.read_bytes()
    path.unlink() if fault == "missing" else path.write_bytes(whole[:-3])
    audit = quarantine.verify(grace=0)
    assert (audit.wrong, found(audit)) == (True, {fault: [receipt]})
    assert (only(quarantine).fault, only(quarantine).state, quarantine.stats().faulty) == (fault, "held", 1)
    path.write_bytes(whole)
    audit = quarantine.verify(grace=0)
    assert (audit.wrong, found(audit), only(quarantine).fault) == (False, {"mended": [receipt]}, "")


def test_one_mail_in_the_place_of_another_is_seen() -> None:
    quarantine = store()
    first, second = hold(quarantine), hold(quarantine, MAIL + b"2")
    data = quarantine.blobs.read(second)
    assert data is not None
    quarantine.blobs.write(first, data)
    assert quarantine.verify(grace=0).damaged == [first]


def test_what_a_killed_process_left(tmp_path: Path) -> None:
    """Killed before the row was written; tried again by the sender; killed before the file was removed, or whole."""
    quarantine = store(tmp_path)
    mails = tmp_path / "q.db.mails"
    first = hold(quarantine)
    (mails / f"aa.1{PART}").write_bytes(b"mailfilter held 1\n{")
    (tmp_path / "elsewhere").mkdir()
    other = store(tmp_path / "elsewhere")
    for raw in (MAIL, MAIL + b"2"):  # the first is the same delivery as the one that is held
        name = hold(other, raw)
        (tmp_path / "elsewhere" / "q.db.mails" / name).rename(mails / name)
    deleted = hold(quarantine, b"third")
    data = (mails / deleted).read_bytes()
    quarantine.delete(deleted)
    (mails / deleted).write_bytes(data)
    (mails / ("f" * 16)).write_bytes(b"mailfilter held 1\n{")
    (mails / "README").write_bytes(b"not ours")
    audit = quarantine.verify(grace=0)
    assert (audit.reindexed, audit.duplicates, audit.leftovers, audit.parts) == ([name], 1, 1, 1)
    assert (audit.aside, audit.foreign) == (["f" * 16 + ".damaged"], ["README"])
    assert sorted(os.listdir(mails)) == sorted([first, name, "f" * 16 + ".damaged", "README"])
    assert quarantine.get(name) == MAIL + b"2"
    again = quarantine.verify(grace=0)
    assert found(again) == {"aside": ["f" * 16 + ".damaged"], "foreign": ["README"]}


def test_what_may_still_be_in_the_making_is_left(tmp_path: Path) -> None:
    quarantine = store(tmp_path)
    hold(quarantine)
    mails = tmp_path / "q.db.mails"
    (mails / f"aa.1{PART}").write_bytes(b"half")
    (tmp_path / "elsewhere").mkdir()
    name = hold(store(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere" / "q.db.mails" / name).rename(mails / name)
    assert found(quarantine.verify(grace=900)) == {}
    later(quarantine, 1)
    assert found(quarantine.verify(grace=900)) == {"duplicates": 1}


def test_a_row_that_verify_made_is_the_row_of_who_was_about_to_make_it() -> None:
    """`verify` comes between the file and the row of a process that goes on."""
    quarantine = store()
    real = quarantine.index.add

    def slow(row: Any) -> str:
        if not quarantine.index.page(_all()):
            quarantine.index.add = real  # type: ignore[method-assign]
            assert quarantine.verify(grace=0).reindexed == [row.receipt]
        return real(row)

    quarantine.index.add = slow  # type: ignore[method-assign]
    receipt = quarantine.hold(MAIL, ENVELOPE, VERDICT)
    assert (only(quarantine).receipt, quarantine.get(receipt)) == (receipt, MAIL)


def _all() -> Any:
    from mailfilter.quarantine import Query

    return Query()


def test_a_wrong_key_marks_nothing(tmp_path: Path) -> None:
    hold(store(tmp_path, keys=KEYS))
    other = store(tmp_path, keys=Keyring(secrets=(b"x" * 32,)))
    with pytest.raises(WrongKeyError, match="is sealed with key"):
        other.verify(grace=0)
    bare = store(tmp_path)
    with pytest.raises(StoreError, match=r"is sealed, and no key is given: set \[quarantine\] keys"):
        bare.verify(grace=0)
    assert only(store(tmp_path, keys=KEYS)).fault == ""


def test_what_was_tampered_with_is_damaged(tmp_path: Path) -> None:
    quarantine = store(tmp_path, keys=KEYS)
    receipt = hold(quarantine)
    path = tmp_path / "q.db.mails" / receipt
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert quarantine.verify(grace=0).damaged == [receipt]
    with pytest.raises(StoreError, match="is damaged"):
        quarantine.get(receipt)


def test_the_old_table_is_carried_over(tmp_path: Path) -> None:
    import json
    import sqlite3
    from dataclasses import asdict

    path = tmp_path / "q.db"
    old = sqlite3.connect(path)
    old.execute(
        "CREATE TABLE mail (receipt TEXT PRIMARY KEY, stored REAL NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL,"
        " envelope TEXT NOT NULL, verdict TEXT NOT NULL, raw BLOB)"
    )
    for number, state in enumerate(("held", "released", "disarmed", "restored", "deleted", "held")):
        raw = None if state == "deleted" else b"same" if state == "held" else MAIL + bytes([number])
        facts = json.dumps(asdict(ENVELOPE)), json.dumps(VERDICT.to_dict())
        old.execute("INSERT INTO mail VALUES (?, ?, ?, ?, ?, ?, ?)", (f"{number:016}", 5.0, state, "d", *facts, raw))
    old.commit()
    old.close()
    for _ in range(2):
        quarantine = Quarantine(str(path))
        states = {held.receipt: str(held.state) for held in quarantine.entries()}
        assert states == {f"{0:016}": "held", f"{1:016}": "released", f"{2:016}": "disarmed", f"{3:016}": "restored",
                          f"{4:016}": "deleted"}  # fmt: skip
        assert quarantine.get(f"{2:016}") == MAIL + b"\x02"
        assert (quarantine.entry(f"{0:016}").envelope, quarantine.entry(f"{2:016}").subject) == (ENVELOPE, "Offer")
        assert found(quarantine.verify(grace=0)) == {}
        quarantine.close()
    tables = sqlite3.connect(path).execute("SELECT count(*) FROM sqlite_schema WHERE name = 'mail'").fetchone()
    assert tables == (0,)

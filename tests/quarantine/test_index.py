"""What every index has to do, shown for each of them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailfilter.errors import MissingExtraError, StoreError
from mailfilter.stores import index_sql
from mailfilter.stores.index import Index, Place, Query, Recipient, Row, Unseen, open_index
from mailfilter.stores.index_sqlite import SqliteIndex

ROW = Row("aa", 100.0, "held", 100.0, None, "id-1", "d1" * 32, 10, True, "", "a@example.net", ("ONE", "TWO_X"),
          b"\0facts", (Recipient("b@example.org"),))  # fmt: skip


def row(receipt: str, stored: float = 100.0, *to: str, **more: object) -> Row:
    recipients = tuple(map(Recipient, to or ("b@example.org",)))
    return replace(ROW, receipt=receipt, stored=stored, identity=f"id-{receipt}", recipients=recipients, **more)  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    places = {"memory": lambda: ":memory:", "sqlite": lambda: str(tmp_path / "q.db")}
    place = places.get(request.param, lambda: request.getfixturevalue("database"))()
    found = open_index(place)
    yield found
    found.close()


def receipts(index: Index, query: Query) -> list[str]:
    return [found.receipt for found in index.page(query)]


def test_a_row_comes_back_as_it_was(index: Index) -> None:
    assert index.add(ROW) == "aa"
    assert (index.get("aa"), index.waiting("id-1"), index.get("bb")) == (ROW, ROW, None)


def test_adding_twice_is_adding_once(index: Index) -> None:
    assert [index.add(ROW), index.add(ROW), index.add(replace(ROW, receipt="bb"))] == ["aa"] * 3
    assert receipts(index, Query()) == ["aa"]


def test_an_identity_is_free_again_once_the_entry_waits_no_more(index: Index) -> None:
    index.add(ROW)
    assert index.move("aa", {"held"}, "released", 5.0, kept=True, waits=False)
    assert index.add(replace(ROW, receipt="bb")) == "bb"


FOUND = [
    (Query(), "abc"),
    (Query(receipt="b"), "b"),
    (Query(receipt="%"), ""),
    (Query(digest="d1d1"), "abc"),
    (Query(digest="1d"), ""),
    (Query(recipient="EXAMPLE.com"), "c"),
    (Query(recipient="b_example"), ""),
    (Query(sender="A@Example"), "abc"),
    (Query(untold="b@example.org"), "ab"),
    (Query(untold="b@example"), ""),
    (Query(since=200.0), "bc"),
    (Query(before=200.0), "a"),
    (Query(states=("held",)), "ab"),
    (Query(states=("held", "noticed")), "abc"),
    (Query(symbol="TWO_X"), "abc"),
    (Query(symbol="TWO"), ""),
    (Query(symbol="TWOXX"), ""),
    (Query(kept=False), ""),
    (Query(faulty=True), "b"),
    (Query(faulty=False, since=150.0), "c"),
]


def test_entries_are_found(index: Index) -> None:
    index.add(row("a"))
    index.add(row("b", 200.0))
    index.add(row("c", 300.0, "x@example.com"))
    index.note_notice("x@example.com", ["c"], 400.0)
    index.note_fault("b", "missing")
    assert [(query, "".join(receipts(index, query))) for query, _ in FOUND] == FOUND


def test_pages_are_in_order_and_miss_nothing(index: Index) -> None:
    for number in range(7):
        index.add(row(f"r{number}", float(number // 3)))
    found, after = [], None
    while page := index.page(Query(), after, 2):
        found += [one.receipt for one in page]
        after = Place(page[-1].stored, page[-1].receipt)
    assert found == [f"r{number}" for number in range(7)]


def test_a_state_changes_from_where_it_may_only(index: Index) -> None:
    index.add(ROW)
    assert not index.move("aa", {"noticed"}, "expired", 200.0, kept=False, waits=False)
    assert index.move("aa", {"held", "noticed"}, "deleted", 200.0, kept=False, waits=False)
    found = index.get("aa")
    assert found is not None
    assert (found.state, found.changed, found.kept, found.identity) == ("deleted", 200.0, False, None)


def test_the_time_of_a_state_is_that_of_its_beginning(index: Index) -> None:
    index.add(ROW)
    for now in (200.0, 300.0):
        index.move("aa", {"held", "released"}, "released", now, kept=True, waits=False)
    assert index.page(Query())[0].changed == 200.0


def test_noticed_is_what_all_were_told_of(index: Index) -> None:
    index.add(row("a", 1.0, "b@example.org", "c@example.org"))
    assert index.to_notice() == ["b@example.org", "c@example.org"]
    index.note_notice("b@example.org", ["a"], 200.0)
    assert (index.page(Query())[0].state, index.to_notice()) == ("held", ["c@example.org"])
    index.note_notice("c@example.org", ["a"], 300.0)
    found = index.page(Query())[0]
    assert (found.state, found.changed, [one.noticed for one in found.recipients]) == ("noticed", 300.0, [200.0, 300.0])


def test_who_is_not_to_be_told_is_not_waited_for(index: Index) -> None:
    index.add(replace(ROW, recipients=(Recipient(""), Recipient("out@example.com", False))))
    assert index.to_notice() == [""]
    index.note_notice("", ["aa"], 200.0)
    assert index.page(Query())[0].state == "noticed"


def test_who_has_the_mail_need_not_be_told(index: Index) -> None:
    index.add(row("a", 1.0, "b@example.org", "c@example.org"))
    index.note_release("a", ["b@example.org"], 150.0)
    assert index.to_notice() == ["c@example.org"]
    index.note_notice("c@example.org", ["a"], 200.0)
    assert index.page(Query())[0].state == "noticed"


def test_sizes_counts_and_what_nobody_saw(index: Index) -> None:
    for number in range(3):
        index.add(row(f"r{number}", float(number)))
    index.move("r2", {"held"}, "deleted", 9.0, kept=False, waits=False)
    index.note_seen(["r0"], 9.0)
    assert (index.used(), index.unseen()) == (20, Unseen(1, 1.0))
    assert [tuple(count) for count in index.counts()] == [("deleted", 1, 0), ("held", 2, 20)]


def test_a_fault_is_noted_and_lifted(index: Index) -> None:
    index.add(ROW)
    index.note_fault("aa", "missing")
    found = index.get("aa")
    assert found is not None
    assert (found.fault, found.identity) == ("missing", None)
    index.note_fault("aa", "")
    assert index.page(Query())[0].fault == ""


def test_facts_change(index: Index) -> None:
    index.add(ROW)
    index.set_facts("aa", b"\xff\x00")
    assert index.page(Query())[0].facts == b"\xff\x00"


def test_old_tombstones_go_and_nothing_else(index: Index) -> None:
    for number in range(3):
        index.add(row(f"r{number}"))
    index.move("r0", {"held"}, "deleted", 200.0, kept=False, waits=False)
    index.move("r1", {"held"}, "deleted", 300.0, kept=False, waits=False)
    assert index.purge({"deleted", "held"}, 250.0) == 1
    assert receipts(index, Query()) == ["r1", "r2"]


def test_many_receipts_at_once(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_sql, "_CHUNK", 3)
    many = [f"r{number:04}" for number in range(10)]
    for receipt in many:
        index.add(row(receipt))
    index.note_seen(many, 150.0)
    index.note_notice("b@example.org", many, 200.0)
    assert [(found.receipt, found.seen, found.state) for found in index.page(Query())] == [
        (receipt, 150.0, "noticed") for receipt in many
    ]


def test_odd_text_is_taken(index: Index) -> None:
    odd = replace(ROW, sender="ü'\"%_\\@example.net", recipients=(Recipient("'; DROP TABLE quarantine_entry; --"),))
    index.add(odd)
    assert index.get("aa") == odd
    assert receipts(index, Query(sender="%_\\")) == ["aa"]


def test_threads_share_an_index(index: Index) -> None:
    def work(first: int) -> None:
        for number in range(first, first + 20):
            index.add(row(f"r{number}"))

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receipts(index, Query())) == 60


def test_a_forked_process_has_its_own_connection(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    index = open_index(str(tmp_path / "q.db"))
    if (child := os.fork()) == 0:
        os._exit(0 if index.add(ROW) == "aa" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert index.get("aa") == ROW


@pytest.mark.server
def test_a_lost_connection_is_made_anew(database: str) -> None:
    import psycopg

    index = open_index(database)
    index.add(ROW)
    with psycopg.connect(database, autocommit=True) as db:
        others = "FROM pg_stat_activity WHERE usename = 'tester' AND pid <> pg_backend_pid()"
        assert len(db.execute(f"SELECT pg_terminate_backend(pid) {others}").fetchall()) >= 1
    assert index.add(row("bb")) == "bb"
    assert index.get("aa") == ROW
    index.close()


def test_a_database_that_is_not_there_is_said_without_its_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError) as caught:
        open_index("postgresql://tester:hidden@127.0.0.1:1/held")
    assert "cannot be opened" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_others_cannot_read_who_writes_to_whom(tmp_path: Path) -> None:
    index = SqliteIndex(str(tmp_path / "q.db"))
    index.add(ROW)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    index.close()


def test_tables_of_a_newer_version_are_left_alone(tmp_path: Path) -> None:
    index = SqliteIndex(str(tmp_path / "q.db"))
    index._db.execute("PRAGMA user_version=9")
    index.close()
    with pytest.raises(StoreError, match="made by a newer version of mailfilter"):
        SqliteIndex(str(tmp_path / "q.db"))


@pytest.mark.server
def test_tables_of_a_newer_version_in_postgres_are_left_alone(database: str) -> None:
    import psycopg

    open_index(database).close()
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("UPDATE quarantine_version SET version = 9")
    with pytest.raises(StoreError, match="made by a newer version of mailfilter"):
        open_index(database)


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mailfilter\[postgres\]'"):
        open_index("postgresql://host/held")

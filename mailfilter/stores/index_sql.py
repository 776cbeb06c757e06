"""The statements of an index, in the SQL that SQLite and PostgreSQL have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from .index import Count, Place, Query, Recipient, Row, Unseen

T = TypeVar("T")
VERSION = 1
"""Version of the tables.  A file of before there were any is carried over by `mailfilter.quarantine.migration`."""

_COLUMNS = "receipt, stored, state, changed, seen, identity, digest, size, kept, fault, sender, symbols, facts"
_CHUNK = 400
"""Receipts named in one statement."""


def schema(number: str, octets: str) -> tuple[str, ...]:
    """The statements that make the tables; ``number`` and ``octets`` are the types of a double and of bytes."""
    return (
        f"""CREATE TABLE quarantine_entry (
            receipt TEXT PRIMARY KEY, stored {number} NOT NULL, state TEXT NOT NULL, changed {number} NOT NULL,
            seen {number}, identity TEXT UNIQUE, digest TEXT NOT NULL, size BIGINT NOT NULL, kept INTEGER NOT NULL,
            fault TEXT NOT NULL, sender TEXT NOT NULL, symbols TEXT NOT NULL, facts {octets} NOT NULL)""",
        f"""CREATE TABLE quarantine_recipient (
            receipt TEXT NOT NULL, address TEXT NOT NULL, notify INTEGER NOT NULL, noticed {number}, released {number},
            PRIMARY KEY (receipt, address))""",
        "CREATE INDEX quarantine_order ON quarantine_entry (stored, receipt)",
        "CREATE INDEX quarantine_used ON quarantine_entry (size) WHERE kept = 1",
        "CREATE INDEX quarantine_open ON quarantine_entry (state, stored) WHERE state IN ('held', 'noticed')",
        "CREATE INDEX quarantine_unnoticed ON quarantine_recipient (address) WHERE noticed IS NULL AND notify = 1",
    )


class Cursor(Protocol):
    """What both databases' cursors have."""

    @property
    def rowcount(self) -> int: ...

    def fetchall(self) -> list[Any]: ...


Run = Callable[[str, Sequence[Any]], Cursor]
"""Runs one statement with ``?`` for its values."""


class SqlIndex:
    """`Index` but for the connection, which a subclass has."""

    place: str

    def _work(self, doing: str, work: Callable[[Run], T]) -> T:
        """``work`` within one transaction; ``doing`` is for messages ("read", "written")."""
        raise NotImplementedError

    def add(self, row: Row) -> str:
        """See `Index.add`."""
        values = (
            row.receipt, row.stored, row.state, row.changed, row.seen, row.identity, row.digest, row.size,
            int(row.kept), row.fault, row.sender, f" {' '.join(row.symbols)} ", row.facts,
        )  # fmt: skip

        def work(run: Run) -> str:
            marks = ", ".join("?" * len(values))
            insert = f"INSERT INTO quarantine_entry ({_COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING"
            if not run(insert, values).rowcount:
                there = "SELECT receipt FROM quarantine_entry WHERE receipt = ? OR identity = ? ORDER BY receipt <> ?"
                found = run(there, (row.receipt, row.identity, row.receipt)).fetchall()
                return str(found[0][0])
            for one in row.recipients:
                run(
                    "INSERT INTO quarantine_recipient VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (row.receipt, one.address, int(one.notify), one.noticed, one.released),
                )
            return row.receipt

        return self._work("written", work)

    def get(self, receipt: str) -> Row | None:
        """See `Index.get`."""
        return self._one("receipt", receipt)

    def waiting(self, identity: str) -> Row | None:
        """See `Index.waiting`."""
        return self._one("identity", identity)

    def page(self, query: Query, after: Place | None = None, limit: int = 500) -> list[Row]:
        """See `Index.page`."""
        where, values = _where(query)
        if after is not None:
            where.append("(stored > ? OR (stored = ? AND receipt > ?))")
            values += [after.stored, after.stored, after.receipt]
        wanted = f"WHERE {' AND '.join(where)}" if where else ""
        statement = f"SELECT {_COLUMNS} FROM quarantine_entry {wanted} ORDER BY stored, receipt LIMIT ?"
        return self._work("read", lambda run: _rows(run, run(statement, (*values, limit)).fetchall()))

    def move(self, receipt: str, sources: Collection[str], target: str, now: float, *, kept: bool, waits: bool) -> bool:
        """See `Index.move`."""
        identity = "identity" if waits else "NULL"
        statement = (
            f"UPDATE quarantine_entry SET changed = CASE WHEN state = ? THEN changed ELSE ? END, state = ?, kept = ?,"
            f" identity = {identity} WHERE receipt = ? AND state IN ({_marks(sources)})"
        )
        values = (target, now, target, int(kept), receipt, *sources)
        return self._work("written", lambda run: bool(run(statement, values).rowcount))

    def note_notice(self, address: str, receipts: Sequence[str], now: float) -> None:
        """See `Index.note_notice`.  An entry of whose recipients nobody is left to be told is *noticed*."""
        told = "UPDATE quarantine_recipient SET noticed = ? WHERE address = ? AND noticed IS NULL AND receipt IN"
        done = (
            "UPDATE quarantine_entry SET state = 'noticed', changed = ? WHERE state = 'held' AND NOT EXISTS"
            " (SELECT 1 FROM quarantine_recipient AS r WHERE r.receipt = quarantine_entry.receipt AND r.notify = 1"
            " AND r.noticed IS NULL AND r.released IS NULL) AND receipt IN"
        )

        def work(run: Run) -> None:
            for some in _chunks(receipts):
                run(f"{told} ({_marks(some)})", (now, address, *some))
                run(f"{done} ({_marks(some)})", (now, *some))

        self._work("written", work)

    def note_release(self, receipt: str, addresses: Iterable[str], now: float) -> None:
        """See `Index.note_release`."""
        statement = "UPDATE quarantine_recipient SET released = ? WHERE receipt = ? AND address = ?"
        values = [(now, receipt, address) for address in addresses]
        self._work("written", lambda run: [run(statement, each) for each in values])

    def note_seen(self, receipts: Sequence[str], now: float) -> None:
        """See `Index.note_seen`."""
        statement = "UPDATE quarantine_entry SET seen = ? WHERE seen IS NULL AND receipt IN"
        parts = [(f"{statement} ({_marks(some)})", (now, *some)) for some in _chunks(receipts)]
        self._work("written", lambda run: [run(*part) for part in parts])

    def note_fault(self, receipt: str, fault: str) -> None:
        """See `Index.note_fault`.  A mail that comes again is not taken for one whose octets are gone."""
        identity = ", identity = NULL" if fault else ""
        statement = f"UPDATE quarantine_entry SET fault = ?{identity} WHERE receipt = ? AND kept = 1 AND fault <> ?"
        self._work("written", lambda run: run(statement, (fault, receipt, fault)))

    def set_facts(self, receipt: str, facts: bytes) -> None:
        """See `Index.set_facts`."""
        statement = "UPDATE quarantine_entry SET facts = ? WHERE receipt = ?"
        self._work("written", lambda run: run(statement, (facts, receipt)))

    def to_notice(self) -> list[str]:
        """See `Index.to_notice`."""
        statement = (
            "SELECT DISTINCT address FROM quarantine_recipient AS r JOIN quarantine_entry AS e ON e.receipt = r.receipt"
            " WHERE r.noticed IS NULL AND r.notify = 1 AND r.released IS NULL AND e.state = 'held' ORDER BY address"
        )
        return [str(row[0]) for row in self._work("read", lambda run: run(statement, ()).fetchall())]

    def counts(self) -> list[Count]:
        """See `Index.counts`."""
        statement = "SELECT state, count(*), sum(size * kept) FROM quarantine_entry GROUP BY state ORDER BY state"
        rows = self._work("read", lambda run: run(statement, ()).fetchall())
        return [Count(str(state), int(mails), int(size)) for state, mails, size in rows]

    def used(self) -> int:
        """See `Index.used`."""
        statement = "SELECT coalesce(sum(size), 0) FROM quarantine_entry WHERE kept = 1"
        return int(self._work("read", lambda run: run(statement, ()).fetchall())[0][0])

    def unseen(self) -> Unseen:
        """See `Index.unseen`."""
        statement = "SELECT count(*), min(stored) FROM quarantine_entry WHERE state = 'held' AND seen IS NULL"
        mails, oldest = self._work("read", lambda run: run(statement, ()).fetchall())[0]
        return Unseen(int(mails), oldest)

    def purge(self, states: Collection[str], before: float) -> int:
        """See `Index.purge`."""
        gone = f"kept = 0 AND changed < ? AND state IN ({_marks(states)})"
        values = (before, *states)

        def work(run: Run) -> int:
            chosen = f"(SELECT receipt FROM quarantine_entry WHERE {gone})"
            run(f"DELETE FROM quarantine_recipient WHERE receipt IN {chosen}", values)
            return run(f"DELETE FROM quarantine_entry WHERE {gone}", values).rowcount

        return self._work("written", work)

    def _one(self, column: str, value: str) -> Row | None:
        statement = f"SELECT {_COLUMNS} FROM quarantine_entry WHERE {column} = ?"
        rows = self._work("read", lambda run: _rows(run, run(statement, (value,)).fetchall()))
        return rows[0] if rows else None


def _rows(run: Run, found: Sequence[Sequence[Any]]) -> list[Row]:
    """Rows with their recipients."""
    recipients: dict[str, list[Recipient]] = {values[0]: [] for values in found}
    for some in _chunks(list(recipients)):
        statement = (
            "SELECT receipt, address, notify, noticed, released FROM quarantine_recipient"
            f" WHERE receipt IN ({_marks(some)}) ORDER BY receipt, address"
        )
        for receipt, address, notify, noticed, released in run(statement, some).fetchall():
            recipients[receipt].append(Recipient(address, bool(notify), noticed, released))
    return [_row(values, recipients[values[0]]) for values in found]


def _row(values: Sequence[Any], recipients: Sequence[Recipient]) -> Row:
    receipt, stored, state, changed, seen, identity, digest, size, kept, fault, sender, symbols, facts = values
    return Row(
        receipt, stored, state, changed, seen, identity, digest, size, bool(kept), fault, sender,
        tuple(symbols.split()), bytes(facts), tuple(recipients),
    )  # fmt: skip


def _where(query: Query) -> tuple[list[str], list[Any]]:
    """Conditions and their values."""
    where: list[str] = []
    values: list[Any] = []

    def add(condition: str, *more: Any) -> None:
        where.append(condition)
        values.extend(more)

    for column in ("receipt", "digest"):
        if given := getattr(query, column):
            add(rf"{column} LIKE ? ESCAPE '\'", _like(given) + "%")
    if query.sender:
        add(r"sender LIKE ? ESCAPE '\'", f"%{_like(query.sender.lower())}%")
    if query.recipient:
        chosen = r"SELECT receipt FROM quarantine_recipient WHERE address LIKE ? ESCAPE '\'"
        add(f"receipt IN ({chosen})", f"%{_like(query.recipient.lower())}%")
    if query.untold is not None:
        chosen = "SELECT receipt FROM quarantine_recipient WHERE address = ? AND notify = 1 AND noticed IS NULL"
        add(f"receipt IN ({chosen} AND released IS NULL)", query.untold)
    if query.since is not None:
        add("stored >= ?", query.since)
    if query.before is not None:
        add("stored < ?", query.before)
    if query.states:
        add(f"state IN ({_marks(query.states)})", *query.states)
    if query.symbol:
        add(r"symbols LIKE ? ESCAPE '\'", f"% {_like(query.symbol)} %")
    if query.kept is not None:
        add("kept = ?", int(query.kept))
    if query.faulty is not None:
        add("fault <> ''" if query.faulty else "fault = ''")
    return where, values


def _like(text: str) -> str:
    """``text`` as it stands, within a LIKE pattern."""
    for special in "\\%_":
        text = text.replace(special, "\\" + special)
    return text.replace("\0", "")


def _marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))


def _chunks(receipts: Sequence[str]) -> list[Sequence[str]]:
    return [receipts[start : start + _CHUNK] for start in range(0, len(receipts), _CHUNK)]

"""The quarantine: held mail, octet for octet, on the disk before anyone is told that it was accepted.

A mail's file is written first and is durable before its row in the index is; the row goes first when a mail is deleted.
So a process that is killed leaves at worst a file without a row, which `Quarantine.verify` sets right.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from ..envelope import Envelope
from ..errors import StoreError
from ..stores.blobs import Blobs, open_blobs
from ..stores.index import Count, Index, Place, Query, Row, open_index
from ..verdict import Verdict
from . import entry as entries_
from .audit import Audit, examine, verify
from .entry import Held
from .keys import Keyring
from .links import Link, make_token, read_token
from .seals import Seals
from .states import GONE, KEPT, SOURCES, WAITS, State, can

_log = logging.getLogger("mailfilter.quarantine")

DAY = 86_400.0
Deliver = Callable[[Envelope, bytes], Collection[str]]
"""Hands a mail on to the recipients of the envelope; returns those that were refused, raises where nothing went."""
_WATCH = 600.0
"""Seconds between two looks at whether somebody looks."""
_PAGE = 200


class Expiry(NamedTuple):
    """What `Quarantine.expire` did: mails that went, mails old enough of which nobody was told yet (they stay), and
    tombstones that went."""

    expired: int
    waiting: int
    forgotten: int


class Stats(NamedTuple):
    """Numbers of a quarantine: entries by state, octets kept and the most that may be, entries with a fault, those that
    nobody has looked at or was told of, the age of the oldest of them in seconds, and whether that is too old."""

    counts: tuple[Count, ...]
    size: int
    quota: int
    faulty: int
    unseen: int
    oldest: float
    alarm: bool


class Quarantine:
    """Keeps what was held, and tombstones of what was deleted.

    ``path``   the index: a file, ``":memory:"``, or a ``postgresql://`` URL.
    ``blobs``  the mails: a folder or an fsspec URL; by default the folder ``PATH.mails``.
    ``keys``   seals mails and what is known of them on the disk, if ``encrypt``; signs links.
    ``quota``  octets of held mail beyond which new mail is refused, 0 for no limit.
    ``keep``   seconds that a mail is kept after its state last changed; ``alarm`` seconds after which it is too long
    that nobody has looked; ``tombstones`` seconds that a tombstone stays, `None` for ever.

    Several processes may use the same one.  Methods raise `StoreError` when the disk does not do what was asked for:
    whatever they were to store is then not stored.
    """

    def __init__(
        self,
        path: str,
        clock: Callable[[], float] = time.time,
        *,
        blobs: str | Blobs = "",
        keys: Keyring | None = None,
        encrypt: bool = True,
        quota: int = 0,
        keep: float = 30 * DAY,
        alarm: float = 2 * DAY,
        tombstones: float | None = 365 * DAY,
    ) -> None:
        self.path, self.keys, self.quota = path, keys, quota
        self.keep, self.alarm, self.tombstones = keep, alarm, tombstones
        self.clock = clock
        self._watched, self._watching = -_WATCH, threading.Lock()
        self.index: Index = open_index(path)
        self.place = self.index.place
        self.seals = Seals(self.place, keys, encrypt)
        try:
            self.blobs: Blobs = open_blobs(blobs or _beside(path)) if isinstance(blobs, str) else blobs
            from .migration import migrate

            migrate(self)
        except BaseException:
            self.index.close()
            raise

    def hold(self, raw: bytes, envelope: Envelope, verdict: Verdict) -> str:
        """Store a mail; the receipt that comes back is proof that it is on the disk.

        The same mail with the same envelope, while it waits here, is that delivery once more by a sender who did
        not hear of the first: it is not stored twice, and the receipt is the first one's.
        """
        self._watch()
        receipt, stored = secrets.token_hex(8), self.clock()
        known = entries_.facts(raw, envelope, verdict)
        digest = hashlib.sha256(raw).hexdigest()
        row = entries_.row(receipt, stored, State.HELD, digest, len(raw), known, self.seals.seal_facts(receipt, known))
        there = self.index.waiting(row.identity or "")
        if there is not None and self._intact(there):
            return there.receipt
        if self.quota and (used := self.index.used()) + len(raw) > self.quota:
            raise StoreError(
                f"quarantine {self.place}: is full: {used} octets of {self.quota} (quarantine.quota), and"
                f" {len(raw)} more were to be held; release, delete or expire mail, or raise the quota"
            )
        try:
            self.blobs.write(receipt, self.seals.seal(receipt, entries_.pack(receipt, stored, raw, known)))
            first = self.index.add(row)
        except StoreError:
            self._undo(receipt)
            raise
        if first != receipt:
            self.blobs.remove(receipt)
        return first

    def bury(self, envelope: Envelope, verdict: Verdict) -> str:
        """Leave a tombstone for a mail that policy deletes: digest, envelope and reasons, without its content."""
        receipt = secrets.token_hex(8)
        known = entries_.facts(b"", envelope, verdict)
        sealed = self.seals.seal_facts(receipt, known)
        return self.index.add(entries_.row(receipt, self.clock(), State.DELETED, verdict.digest, 0, known, sealed))

    def get(self, receipt: str) -> bytes:
        """The exact octets that were held."""
        row = self._row(receipt)
        if not row.kept:
            how = "was deleted by policy" if not row.size else f"was {row.state}"
            raise StoreError(f"quarantine {self.place}: {receipt} {how}; only its tombstone is left")
        fault, raw = examine(self, row)
        if fault:
            self.index.note_fault(receipt, fault)
            raise StoreError(
                f"quarantine {self.place}: the mail of {receipt} is {fault} in {self.blobs.place}; restore it from a"
                " backup and run `mailfilter quarantine verify`"
            )
        return raw

    def entry(self, receipt: str) -> Held:
        """One entry.  Raises `StoreError` where there is none."""
        return self._held(self._row(receipt))

    def entries(self) -> Iterator[Held]:
        """Every entry, oldest first, without the mails' octets."""
        return self.search(Query())

    def search(self, query: Query, subject: str = "") -> Iterator[Held]:
        """Entries that fit, oldest first; ``subject`` is found anywhere in theirs, whatever the case."""
        wanted = subject.casefold()
        for row in self.rows(query):
            held = self._held(row)
            if wanted in held.subject.casefold():
                yield held

    def rows(self, query: Query) -> Iterator[Row]:
        """Rows that fit, oldest first; what changes meanwhile may or may not be among them."""
        after = None
        while page := self.index.page(query, after, _PAGE):
            yield from page
            after = Place(page[-1].stored, page[-1].receipt)

    def release(self, receipt: str, deliver: Deliver | None = None, recipients: Sequence[str] = ()) -> bytes:
        """Let a mail out: hand it to ``deliver``, note it, and return its octets; it stays stored until it expires.

        ``recipients``  those of its recipients that it is for; all by default.  Its state is *released* once all have
        it.  Raises `StoreError` where it is not there or ``deliver`` was refused for some; who has got it is noted
        first.  Killed between delivery and note, a mail may be delivered twice, never lost.
        """
        raw, row = self.get(receipt), self._row(receipt)
        envelope = self._held(row).envelope
        if recipients:
            envelope = entries_.chosen(envelope, recipients)
            if not envelope.rcpt_to:
                raise StoreError(f"quarantine {self.place}: {receipt} was not for {', '.join(recipients)}")
        elif deliver is not None and not envelope.rcpt_to:
            raise StoreError(f"quarantine {self.place}: nobody knows whom {receipt} was for; name the recipients")
        refused = set(deliver(envelope, raw)) if deliver is not None else set()
        self._note_release(row, [address for address in envelope.rcpt_to if address not in refused], bool(refused))
        if refused:
            raise StoreError(f"quarantine {self.place}: {receipt} was refused for {', '.join(sorted(refused))}")
        return raw

    def mark(self, receipt: str, state: str) -> None:
        """Note what became of a mail: "disarmed" (delivered without some parts), "restored"; its octets stay."""
        target = State(state)
        if target in GONE or target is State.HELD:
            raise ValueError(f"a mail is not marked as {state}")
        self._move(receipt, target)

    def restore(self, receipt: str) -> bytes:
        """The exact original of a mail that was disarmed or held by mistake; it stays stored, marked as restored."""
        raw = self.get(receipt)
        self._move(receipt, State.RESTORED)
        return raw

    def delete(self, receipt: str) -> None:
        """Remove a mail's octets because a person said so; a tombstone stays."""
        if State(self._row(receipt).state) is not State.DELETED:
            self._move(receipt, State.DELETED)
        self.blobs.remove(receipt)

    def look(self, receipts: Sequence[str]) -> None:
        """Note that a person has looked at these entries."""
        self.index.note_seen(receipts, self.clock())

    def expire(self) -> Expiry:
        """Remove the octets of mail that was kept long enough; those whom it was for were told of every one."""
        now, expired, waiting = self.clock(), 0, 0
        sources = SOURCES[State.EXPIRED]
        for row in self.rows(Query(before=now - self.keep, states=KEPT, kept=True)):
            if not can(row.state, State.EXPIRED):
                waiting += 1
            elif row.changed <= now - self.keep and self.index.move(
                row.receipt, sources & {row.state}, State.EXPIRED, now, kept=False, waits=False
            ):
                self.blobs.remove(row.receipt)
                expired += 1
        if waiting:
            _log.warning("quarantine %s: %d mails are old enough to expire, but nobody was told", self.place, waiting)
        forgotten = 0 if self.tombstones is None else self.index.purge(GONE, now - self.tombstones)
        return Expiry(expired, waiting, forgotten)

    def verify(self, *, repair: bool = True, grace: float = 900.0) -> Audit:
        """Compare index and mails both ways; see `mailfilter.quarantine.audit.verify`."""
        return verify(self, repair=repair, grace=grace)

    def stats(self) -> Stats:
        """What is there, and whether somebody looks."""
        unseen = self.index.unseen()
        age = 0.0 if unseen.oldest is None else max(0.0, self.clock() - unseen.oldest)
        faulty = sum(1 for _ in self.rows(Query(kept=True, faulty=True)))
        counts = tuple(self.index.counts())
        return Stats(counts, self.index.used(), self.quota, faulty, unseen.mails, age, age > self.alarm)

    def token(self, receipt: str, recipient: str) -> str:
        """A token for a link by which ``recipient`` may release a mail to himself, for as long as it is kept."""
        if self.keys is None:
            raise StoreError("links in notices are signed with a key: set [quarantine] keys")
        return make_token(Link(receipt, recipient, self.clock() + self.keep), self.keys)

    def redeem(self, token: str) -> Link:
        """What a link stands for; nothing is released by it.  Raises `LinkError`.

        Programs follow links before people do: release only once a person has pressed a button (POST), then
        with ``release(link.receipt, deliver, [link.recipient])``.
        """
        if self.keys is None:
            raise StoreError("links in notices are signed with a key: set [quarantine] keys")
        link = read_token(token, self.keys, self.clock())
        self.look([link.receipt])
        return link

    def reseal(self) -> int:
        """Seal everything with the newest key (or open everything, without ``encrypt``); how many entries changed."""
        changed, seals = 0, self.seals
        for row in self.rows(Query()):
            data = self.blobs.read(row.receipt) if row.kept else None
            if seals.fresh(row.facts) and (data is None or seals.fresh(data)):
                continue
            self.index.set_facts(row.receipt, seals.seal_facts(row.receipt, seals.open_facts(row)))
            if data is not None:
                self.blobs.write(row.receipt, seals.seal(row.receipt, seals.open(row.receipt, data)))
            changed += 1
        return changed

    def close(self) -> None:
        """Close the index."""
        self.index.close()

    def _row(self, receipt: str) -> Row:
        row = self.index.get(receipt)
        if row is None:
            raise StoreError(f"quarantine {self.place}: no mail has the receipt {receipt}")
        return row

    def _held(self, row: Row) -> Held:
        return entries_.held(row, self.seals.open_facts(row))

    def _move(self, receipt: str, target: State) -> None:
        kept, waits = target not in GONE, target in WAITS
        if not self.index.move(receipt, SOURCES[target], target, self.clock(), kept=kept, waits=waits):
            state = self._row(receipt).state
            raise StoreError(f"quarantine {self.place}: {receipt} is {state} and cannot become {target}")

    def _note_release(self, row: Row, to: Sequence[str], partly: bool) -> None:
        """Who has got the mail; once all have, and where nobody knows who all are, it is released."""
        self.index.note_release(row.receipt, entries_.columns(to), self.clock())
        self.look([row.receipt])
        recipients = self._row(row.receipt).recipients
        left = [one for one in recipients if one.address and one.released is None]
        if not partly and not left:
            self._move(row.receipt, State.RELEASED)

    def _intact(self, row: Row) -> bool:
        """Whether the mail of a row is whole; where it is not, another one that is the same takes its place."""
        fault, _ = examine(self, row)
        if fault:
            self.index.note_fault(row.receipt, fault)
        return not fault

    def _undo(self, receipt: str) -> None:
        """Remove a file whose row could not be written, unless it was after all (the answer may have been lost)."""
        try:
            if self.index.get(receipt) is None:
                self.blobs.remove(receipt)
        except StoreError as error:
            _log.warning("%s; `mailfilter quarantine verify` sets it right", error)

    def _watch(self) -> None:
        """Say it in the log, now and then, when nobody looks."""
        now = self.clock()
        with self._watching:
            if now - self._watched < _WATCH:
                return
            self._watched = now
        unseen = self.index.unseen()
        if unseen.oldest is not None and now - unseen.oldest > self.alarm:
            age = (now - unseen.oldest) / DAY
            _log.error(
                "quarantine %s: nobody looks: %d mails unseen, the oldest for %.1f days",
                self.place, unseen.mails, age, extra={"unseen": unseen.mails, "oldest_days": age},
            )  # fmt: skip


def _beside(path: str) -> str:
    """Where the mails are by default."""
    if "://" in path:
        raise StoreError("a quarantine index in PostgreSQL needs a place for the mails: set [quarantine] blobs")
    return path if path == ":memory:" else f"{os.fspath(path)}.mails"

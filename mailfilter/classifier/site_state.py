"""What follows from a journal: the levels of one site and, if asked for, of one user on top of it.

The rows of both are gone through in one order, so that what the site's level says of a mail that a user taught is
what it said at that moment.  Thereby the state is a function of the rows alone.
"""

from __future__ import annotations

import hashlib
import struct

import numpy as np

from .journal import Journal, Position, Row
from .site_features import SLOTS, Grams
from .site_level import Level

_SEED = struct.Struct("<Q")


class State:
    """Levels, and how far into the journal they reach.

    ``who``  whose levels there are, the site's (``""``) first.
    """

    def __init__(self, who: tuple[str, ...]) -> None:
        self.who = who
        self.levels = {name: Level() for name in who}
        self.position = Position(-1, 0)

    def catch_up(self, journal: Journal) -> None:
        """Take in what the journal has more than is known here; start again where its rows have changed."""
        with journal.reading():
            now = journal.position()
            known = self.position
            self.position = Position(-1, 0)  # until all is taken in: a failure in between means to start again
            if now.epoch != known.epoch or now.last < known.last:
                known = self._start_again(journal, now)
            for row in journal.rows(self.who, known.last):
                self._take(row, journal)
            self.position = now

    def store(self, journal: Journal) -> None:
        """Keep a snapshot, so that others need not go through all rows again."""
        name = self.who[-1]
        journal.store_snapshot(name, self.position, b"".join(_packed(self.levels[who]) for who in self.who))

    def fingerprint(self) -> str:
        """Digest of all that decides what the levels say; equal states have equal ones."""
        whole = b"".join(_packed(self.levels[who]) for who in self.who)
        return hashlib.sha256(whole).hexdigest()

    def log_odds(self, below: float, support: float, grams: Grams) -> tuple[float, float]:
        """Log-odds of a mail, and how much of such mail has been seen, on top of what the shipped model says."""
        for who in self.who:
            level = self.levels[who]
            if level.taught:
                look = level.look(grams)
                support = level.support(support, look)
                below = level.fuse(below, look)
        return below, support

    def _take(self, row: Row, journal: Journal) -> None:
        grams, below = Grams.from_bytes(row.grams), row.below
        if row.who:
            site = self.levels[self.who[0]]
            below = site.fuse(below, site.look(grams)) if site.taught else below
        seed = _SEED.unpack(row.digest[: _SEED.size])[0]
        self.levels[row.who].teach(
            row.id, row.spam, below, grams, seed, lambda number: Grams.from_bytes(journal.grams(number))
        )

    def _start_again(self, journal: Journal, now: Position) -> Position:
        self.levels = {name: Level() for name in self.who}
        last = 0
        if found := journal.snapshot(self.who[-1], now.epoch):
            last, stored = found
            for name in self.who:
                stored = _unpacked(self.levels[name], stored)
                self.levels[name].pools = journal.classes(name, last)
        return Position(now.epoch, last)


def _packed(level: Level) -> bytes:
    """A level without its pools, which the journal has."""
    places = np.flatnonzero(level.weights)
    numbers = level.stack.numbers()
    return b"".join(
        (
            struct.pack(f"<II{len(numbers)}d", len(places), len(numbers), *numbers),
            places.astype("<u4").tobytes(),
            level.weights[places].astype("<i4").tobytes(),
        )
    )


def _unpacked(level: Level, data: bytes) -> bytes:
    """Fill ``level`` from the start of ``data``; the rest of it.  Raises ValueError on damage."""
    try:
        count, size = struct.unpack_from("<II", data)
        level.stack.restore(struct.unpack_from(f"<{size}d", data, 8))
        at = 8 + 8 * size
        places = np.frombuffer(data, "<u4", count, at)
        weights = np.frombuffer(data, "<i4", count, at + 4 * count)
    except struct.error as error:
        raise ValueError(f"a stored snapshot is damaged: {error}") from None
    if count and int(places.max()) >= SLOTS:
        raise ValueError("a stored snapshot is damaged: a slot beyond the table")
    level.weights[places] = weights
    return data[at + 8 * count :]

"""A content model that goes on learning at one site: the shipped model, what the site taught, what a user taught.

`SiteModel` is used where a `Model` is (`judge`, `score`, `explain`): the chain's content check takes either.
Teaching writes to a journal that processes share; every process notices what others taught before its next
judgement.  Nothing is ever learned from the filter's own verdicts: only from what it is told.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import StoreError
from ..message import Message
from .features import BITS as SLOT_BITS
from .features import Extractor, Features, layout
from .journal import Done, Journal, Row
from .model import Judgement, Model
from .site_explain import site_clues
from .site_features import SHARED, Grams, grams
from .site_level import BELOW_HALF
from .site_state import State
from .spans import Clue

_log = logging.getLogger("mailfilter.learning")

KEEP = 5000
"""Default number of mails of each class that are kept per teacher."""
TAUGHT_THRESHOLD = 3.0
"""Log-odds above which a mail is called spam where much has been taught: a lost ham is worth twenty missed spams."""
_BATCH = 64
"""Mails per transaction when many are taught."""
_TOGETHER = 16
"""Mails whose n-grams are made together: more do not fit into a processor's cache, and are slower."""
_OTHERS: list[Journal] = []
"""Connections of a parent process: never closed here, lest SQLite tidies up files that the parent uses."""
_SNAPSHOT_AFTER = 200
"""Rows that were gone through after which a snapshot is worth its writing."""


class Seen(NamedTuple):
    """What is needed of one mail: what the base says, how familiar it is to it, and the mail's n-grams."""

    below: float
    support: float
    grams: Grams


class SiteModel:
    """The shipped or any other model, overlaid with what was taught at a site.

    ``base``  the model underneath; ``path``  the site's file, or ``":memory:"``; while it is not there, the base
    alone speaks.  ``user``  whose own teaching is laid on top of the site's; None or ``""`` for none.  ``keep``
    mails of each class that are kept per teacher.

    Judging is a function of the base and the taught mails; one mail and a batch give the same bits.  Safe to use
    from several threads and after a fork.  Raises `StoreError` at construction when ``path`` is no such file.
    """

    def __init__(self, base: Model, path: str | Path, user: str | None = None, *, keep: int = KEEP) -> None:
        self.base = base
        self.path, self.user, self.keep = str(path), user or "", keep
        if not self.user.isprintable():
            raise StoreError(f"user {self.user!r}: a name of printable characters is expected")
        self._who = ("", self.user) if self.user else ("",)
        self._lock = threading.RLock()
        self._extractor = Extractor(layout(SHARED))
        self._places = [SHARED.index(name) for name in base.layout.names]
        self._runs = list(_runs(self._places))
        self._journal: Journal | None = None
        self._opened: tuple[int, ...] = ()
        self._version = -1
        self._state = State(self._who)
        folder = os.path.dirname(os.path.abspath(self.path))
        if not os.path.isdir(folder):
            raise StoreError(f"{self.path}: the file of taught mail cannot be made: there is no folder {folder}")
        self._refresh()

    @property
    def threshold(self) -> float:
        """Log-odds above which a mail should be called spam.

        A base's threshold allows for places that it has never seen.  Once both classes are taught here, what comes
        out is calibrated by this place's own mail, and the threshold comes down to `TAUGHT_THRESHOLD`.
        """
        with self._lock:
            rarer = max(min(map(len, level.pools)) for level in self._state.levels.values())
        beyond = max(self.base.threshold - TAUGHT_THRESHOLD, 0.0)
        return self.base.threshold - beyond * rarer / (rarer + BELOW_HALF)

    @property
    def facts(self) -> dict[str, Any]:
        """What the base was trained on, for people."""
        return self.base.facts

    def judge(self, messages: Sequence[Message]) -> Judgement:
        """Calibrated log-odds of spam of each message, and how much has been seen of such mail (0..1).

        Should the file fail while the filter runs, what was known of it before goes on to be used.
        """
        with self._lock:
            try:
                self._refresh()
            except StoreError as error:
                _log.error("%s; judging by what was learned before", error)
            rows = [
                self._state.log_odds(*seen)
                for start in range(0, len(messages), _TOGETHER)
                for seen in self._see(messages[start : start + _TOGETHER])
            ]
        table = np.array(rows, np.float64).reshape(len(rows), 2)
        return Judgement(table[:, 0], table[:, 1])

    def score(self, messages: Sequence[Message]) -> NDArray[np.float64]:
        """Calibrated log-odds of spam of each message; above 0 means more likely spam than not."""
        return self.judge(messages).log_odds

    def support(self, messages: Sequence[Message]) -> NDArray[np.float64]:
        """How much has been seen of mail like each message: 0 nothing, 1 all of it."""
        return self.judge(messages).support

    def explain(self, message: Message, n: int = 10) -> tuple[Clue, ...]:
        """The ``n`` pieces of the mail that moved its log-odds most, here and in the base, strongest first.

        Views of what the site or the user taught are named ``site:VIEW`` and ``user:VIEW``.
        """
        with self._lock:
            self._refresh()
            (seen,) = self._see((message,))
            share, clues = site_clues(self._state, message, seen.grams)
        base = [clue._replace(weight=round(clue.weight * share, 4)) for clue in self.base.explain(message, n)]
        found = sorted((*clues, *base), key=lambda clue: (-abs(clue.weight), clue.view, clue.text))
        return tuple(found[: max(n, 0)])

    def describe(self) -> dict[str, Any]:
        """What has been taught: counts per level (``site``, ``user``), weights of a constant, of the level below and
        of each part, and a fingerprint of the state."""
        with self._lock:
            self._refresh()
            levels = {}
            for who, level in self._state.levels.items():
                ham, spam = (len(pool) for pool in level.pools)
                weights = [round(weight, 3) for weight in level.stack.mean]
                levels["user" if who else "site"] = {"ham": ham, "spam": spam, "weights": weights}
            return {"path": self.path, "user": self.user, "levels": levels, "state": self._state.fingerprint()}

    def learn(self, mails: Iterable[tuple[Message | bytes, bool]]) -> Done:
        """Teach mails, each with whether it is spam; what is known is left alone, or gets its other class.

        When this returns, all of them are on the disk.  Raises `StoreError` if the file cannot be written; mails
        before the last full batch are then learned all the same.
        """
        done, waiting = Done(), iter(mails)
        while batch := tuple(itertools.islice(waiting, _BATCH)):
            messages = [mail if isinstance(mail, Message) else Message(mail) for mail, _ in batch]
            rows = [
                Row(0, self.user, _digest(message), spam, seen.below, seen.grams.to_bytes())
                for message, (_, spam), seen in zip(messages, batch, self._see(messages), strict=True)
            ]
            with self._lock:
                done += self._open().add(rows, self.keep)
                self._version = -1
        return done

    def forget(self, mails: Iterable[Message | bytes]) -> Done:
        """Take back what was taught, as though it had never been."""
        digests = [_digest(mail if isinstance(mail, Message) else Message(mail)) for mail in mails]
        with self._lock:
            done = self._open().remove(self.user, digests)
            self._version = -1
        return done

    def known(self, message: Message) -> bool | None:
        """The class in which this mail was taught at the topmost level, None if it was not."""
        with self._lock:
            return self._open().known(self.user, _digest(message))

    def settle(self) -> None:
        """Take in all that was taught and keep a snapshot of it, so that other processes are ready sooner."""
        with self._lock:
            before = self._state.position
            self._refresh()
            if self._journal is not None and self._state.position != before:
                self._state.store(self._journal)

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._lock:
            self._drop()

    def _see(self, messages: Sequence[Message]) -> list[Seen]:
        """The base's word and the n-grams of each message; n-grams that both need are made once."""
        found = self._extractor.extract_many(messages)
        judged = self._base_judgement(found)
        return [
            Seen(*row)
            for row in zip(
                judged.log_odds.tolist(), judged.support.tolist(), grams(messages, found), strict=True
            )
        ]

    def _base_judgement(self, found: Features) -> Judgement:
        """What the base says, from those of the features that are of its views, put into its own regions."""
        bounds = [0, *np.cumsum(found.counts).tolist()]
        pieces = [
            found.slots[bounds[mail + first] : bounds[mail + last]] - shift
            for mail in range(0, found.counts.size, len(SHARED))
            for first, last, shift in self._runs
        ]
        slots = np.concatenate(pieces) if pieces else found.slots
        return self.base.judge_batch(Features(slots, found.counts[:, self._places]))

    def _open(self) -> Journal:
        """The journal, made if it is not there; a connection is never carried over a fork."""
        found = _identity(self.path)
        if self._journal is None or found != self._opened:
            self._drop()
            self._journal = Journal(self.path)
            self._opened = _identity(self.path)
        return self._journal

    def _drop(self) -> None:
        """Let go of the file and of what it taught.  A parent's connection is left to the parent, open."""
        if self._journal is not None:
            if self._opened[-1] == os.getpid():
                self._journal.close()
            else:
                _OTHERS.append(self._journal)
        self._journal, self._version, self._state = None, -1, State(self._who)

    def _refresh(self) -> None:
        """Take in what was taught since, here or by another process; a file that is gone has taught nothing."""
        if self.path != ":memory:" and not os.path.exists(self.path):
            self._drop()
            return
        journal = self._open()
        version = journal.version()
        if version == self._version:
            return
        try:
            before = self._state.position.last
            self._state.catch_up(journal)
            if self._state.position.last - before > _SNAPSHOT_AFTER:
                self._state.store(journal)
        except (ValueError, IndexError) as error:
            raise StoreError(f"{self.path}: {error}; move it away and learn again") from None
        self._version = version


def _identity(path: str) -> tuple[int, ...]:
    """Which file is at ``path``, and for which process it is opened."""
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, os.getpid())
    return (found.st_dev, found.st_ino, os.getpid())


def _runs(places: Sequence[int]) -> Iterable[tuple[int, int, int]]:
    """First and one past the last of each run of neighbours among ``places``, and how far its slots are to move."""
    for gap, run in itertools.groupby(enumerate(places), lambda item: item[1] - item[0]):
        members = [place for _, place in run]
        yield members[0], members[-1] + 1, gap << SLOT_BITS


def _digest(message: Message) -> bytes:
    return bytes.fromhex(message.digest)

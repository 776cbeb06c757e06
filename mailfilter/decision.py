"""From points to one action: pure, and the same for one mail or ten million stored rows.

Order of authority: malware, then the deny list, then the allow list (where a sender is proved), then the score with the
greylist's word.  An allow entry takes the score's place, and nothing else's: floors for what policy has an action of
its own for (a scanner that did not answer, a banned attachment) hold for everyone.  All else can only make the action
sterner, so raising a score or lowering a limit never makes it milder (law 4).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scoring import Hits, Points, flagged, thousandths
from .symbols import MALWARE, RATE, UNKNOWN, Catalogue


class Action(StrEnum):
    """What to do with a mail, from the mildest to the sternest."""

    ACCEPT = "accept"
    GREYLIST = "greylist"
    """Refuse for now (4xx): the sender's queue keeps the mail and tries again."""
    QUARANTINE = "quarantine"
    BOUNCE = "bounce"
    """Refuse for good (5xx) while the sender is connected, so that the sender is told."""
    DELETE = "delete"

    @property
    def severity(self) -> int:
        """0 for accept … 4 for delete."""
        return ACTIONS.index(self)


ACTIONS = tuple(Action)

DENIED = "SENDER_DENIED"
"""Symbol of a mail whose sender is on the deny list."""
ALLOWED = "SENDER_ALLOWED"
"""Symbol of a mail whose sender is on the allow list, and proved."""

_NEVER = np.iinfo(np.int64).max
_BLOCK = 1 << 16
"""Rows that are decided at a time: their temporary arrays stay in the processor's cache."""

_Int8 = NDArray[np.int8]


class Reason(IntEnum):
    """What settled the action."""

    SCORE = 0
    GREYLIST_PASSED = 1
    """In the doubtful band, but the sender has come back after the wait."""
    NOT_KNOWN = 2
    """Something that policy insists on knowing was not known."""
    MALWARE = 3
    NOT_STORED = 4
    """It was to be kept, and the store failed; see `FilterChain.act`."""
    NOT_WANTED = 5
    """Something was found that policy has an action of its own for, such as a banned attachment."""
    DENIED = 6
    """The sender is on the deny list."""
    ALLOWED = 7
    """The sender is on the allow list and is proved to be who is meant there: the score does not count."""
    OVER_LIMIT = 8
    """A limit on how much may pass was passed (`mailfilter.counters`)."""
    NOT_DELIVERED = 9
    """It was to be handed on, and the next server did not take it (`mailfilter.mta`)."""


class GreylistState(IntEnum):
    """What the greylist says of a sender; `NOT_ASKED` leaves a greylist action as it is."""

    NOT_ASKED = 0
    WAIT = 1
    PASSED = 2
    WAIT_ALWAYS = 3
    """As `WAIT`, and so would a mail that its score lets in: everybody's first attempt is refused."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits in points and the actions for what outranks them.

    A limit of ``None`` means never.  ``floors`` maps a symbol's name to the mildest action that a mail with that
    symbol may get; ``on_malware`` is the same for every symbol of group ``malware``, ``on_denied`` for the deny list.
    ``disarm`` names symbols whose cause may be taken out of the mail (`mailfilter.disarm`), ``disarm_malware`` all of
    that group: until that is done, and wherever it cannot be, the mail is held.
    """

    greylist: float | None = 4.0
    quarantine: float | None = 6.0
    bounce: float | None = 12.0
    delete: float | None = None
    on_malware: Action = Action.QUARANTINE
    floors: Mapping[str, Action] = field(default_factory=dict)
    disarm: frozenset[str] = frozenset()
    disarm_malware: bool = False
    on_denied: Action = Action.BOUNCE

    def deletes(self) -> bool:
        """Whether any mail can be deleted under this policy."""
        return self.delete is not None or Action.DELETE in (self.on_malware, self.on_denied, *self.floors.values())

    def thresholds(self) -> tuple[int, ...]:
        """For each severity from 1 on, the thousandths from which the score's action is at least as stern."""
        return _thresholds(self.greylist, self.quarantine, self.bounce, self.delete)

    def limits(self) -> tuple[Points, NDArray[np.int8]]:
        """Limits in thousandths, ascending, and the severity that begins at each; index 0 lies below the first."""
        pairs = [
            (limit, action.severity) for action in ACTIONS[1:] if (limit := getattr(self, action.value)) is not None
        ]
        severities = np.array([0, *(severity for _, severity in pairs)], np.int8)
        return thousandths([limit for limit, _ in pairs]), severities


_NOT_WANTED = 1
"""Flag of a column with a floor (or to be removed) that says what was found, and not what is unknown."""
_INFECTED = 1 << len(ACTIONS)
"""Flag of a malware column; below it bit ``n`` stands for a floor of severity ``n``."""
_REMOVABLE = _INFECTED << 1
"""Flag of a column whose cause may be taken out of the mail."""
_DENIED = _REMOVABLE << 1
"""Flag of the deny list's column."""
_ALLOWED = _DENIED << 1
"""Flag of the allow list's column."""
_LIMITED = _ALLOWED << 1
"""Flag of a column that says that a limit was passed."""
_FLOORS = _INFECTED - 1 - _NOT_WANTED

_HIGHEST = np.array([max(flags.bit_length() - 1, 0) for flags in range(_INFECTED)], np.int8)
"""Severity of the highest floor among the flags."""


@lru_cache(maxsize=4096)
def _thresholds(*limits: float | None) -> tuple[int, ...]:
    known = [_NEVER if limit is None else int(thousandths([limit])[0]) for limit in limits]
    return tuple(min(known[number:]) for number in range(len(known)))


@dataclass(frozen=True, slots=True)
class Marks:
    """Which columns of the hit matrix outrank the score: computed once from a catalogue and a policy.

    ``malware``  bool (columns,); ``floor``  severity (columns,), 0 where a symbol has no floor; ``unknown``  bool
    (columns,), what could not be learned; ``disarm``  bool (columns,), what may be taken out of the mail; ``listed``
    int8 (columns,): -1 for the deny list's symbol, 1 for the allow list's, else 0; ``flags`` uint16 (columns,): all of
    these as bits, so that one look at the hits finds them.
    """

    malware: NDArray[np.bool_]
    floor: NDArray[np.int8]
    unknown: NDArray[np.bool_]
    disarm: NDArray[np.bool_]
    listed: NDArray[np.int8]
    flags: NDArray[np.uint16]

    @classmethod
    def of(cls, catalogue: Catalogue, policy: Policy) -> Marks:
        """The marks of a policy over a catalogue's columns."""
        malware = np.array([info.group == MALWARE for info in catalogue.values()], np.bool_)
        unknown = np.array([info.group == UNKNOWN for info in catalogue.values()], np.bool_)
        accept = Action.ACCEPT
        floor = np.array([policy.floors.get(name, accept).severity for name in catalogue], np.int8)
        disarm = np.array([name in policy.disarm for name in catalogue], np.bool_)
        floor[disarm] = 0
        listed = np.array([(name == ALLOWED) - (name == DENIED) for name in catalogue], np.int8)
        removable = disarm | (malware & policy.disarm_malware)
        flags = (
            np.where(floor > 0, 1 << floor.astype(np.int64), 0)
            | np.where(~unknown & ((floor > 0) | removable), _NOT_WANTED, 0)
            | np.where(removable, _REMOVABLE, 0)
            | np.where(listed < 0, _DENIED, np.where(listed > 0, _ALLOWED, 0))
            | np.where(np.array([info.group == RATE for info in catalogue.values()], np.bool_), _LIMITED, 0)
            | np.where(malware, _INFECTED, 0)
        )
        return cls(malware, floor, unknown, removable, listed, flags.astype(np.uint16))

    def outranks(self) -> NDArray[np.bool_]:
        """Which columns count for more than their points; bool (columns,)."""
        outranking: NDArray[np.bool_] = self.malware | (self.floor > 0) | self.disarm | (self.listed != 0)
        return outranking


@dataclass(frozen=True, slots=True)
class Decisions:
    """One row per mail: ``actions`` are severities (int8), ``reasons`` are `Reason` values (int8).

    ``disarm``  bool: the mail is held for nothing but what may be taken out of it, and would be accepted without.
    """

    actions: NDArray[np.int8]
    reasons: NDArray[np.int8]
    disarm: NDArray[np.bool_]

    def mildest(self, starts: NDArray[np.int64]) -> Decisions:
        """One row for each run of rows that begins at ``starts`` (ascending, the first 0): the mildest of its actions.

        Of several reasons for it the highest counts, so that the order of rows does not; disarmed where all are.
        """
        actions = np.minimum.reduceat(self.actions, starts)
        runs = np.diff(starts, append=len(self.actions))
        reasons = np.where(self.actions == actions.repeat(runs), self.reasons, np.int8(-1))
        return Decisions(actions, np.maximum.reduceat(reasons, starts), np.logical_and.reduceat(self.disarm, starts))


Governing = Sequence[tuple[Policy, Marks]]
"""The policies of a table, each with its marks."""


def decide(
    points: Points, hits: Hits, marks: Marks, policy: Policy, greylist: NDArray[np.int8] | None = None
) -> Decisions:
    """Decide every row.  ``greylist`` holds `GreylistState` values, all `NOT_ASKED` when left out."""
    return decide_each(points, hits, ((policy, marks),), None, greylist)


def decide_each(
    points: Points,
    hits: Hits,
    governing: Governing,
    which: NDArray[np.integer[Any]] | None,
    greylist: NDArray[np.int8] | None = None,
) -> Decisions:
    """Decide every row by a policy of its own: ``which``, (rows,), are places in ``governing``; None: all by the first.

    The same as `decide` for each policy's rows, in one look at the hits.
    """
    which = None if len(governing) == 1 else which
    actions = _by_score(points, governing, which)
    reasons = np.full(len(points), Reason.SCORE, np.int8)
    decisions = Decisions(actions, reasons, np.zeros(len(points), np.bool_))
    if greylist is not None:
        passed = (actions == Action.GREYLIST.severity) & (greylist == GreylistState.PASSED)
        actions[passed], reasons[passed] = Action.ACCEPT.severity, Reason.GREYLIST_PASSED
        waiting = (actions == Action.ACCEPT.severity) & (greylist == GreylistState.WAIT_ALWAYS)
        actions[waiting] = Action.GREYLIST.severity
    flags = [marks.flags for _, marks in governing]
    found = flagged(hits, flags[0] if len(flags) == 1 else np.bitwise_or.reduce(flags))
    marked = np.flatnonzero(found)
    if len(marked):
        few = hits.take(marked)
        for number, (policy, _) in enumerate(governing):
            mine = np.flatnonzero(which[marked] == number) if which is not None else np.arange(len(marked))
            if len(mine):
                own = few if which is None else few.take(mine)
                _outrank(decisions, marked[mine], flagged(own, flags[number]), policy)
    return decisions


_FEW = 1000
"""Rows up to which one search for each costs less than a comparison of all with each limit."""


def _by_score(points: Points, governing: Governing, which: NDArray[np.integer[Any]] | None) -> _Int8:
    """The severity that each row's points alone mean."""
    if which is None and len(points) <= _FEW:
        thresholds = governing[0][0].thresholds()
        if len(points) == 1:  # one mail, as it comes: numpy's calls cost more than the search
            return np.array([bisect_right(thresholds, points.item())], np.int8)
        return np.array(thresholds, np.int64).searchsorted(points, side="right").astype(np.int8)
    limits = np.array([policy.thresholds() for policy, _ in governing], np.int64).T.copy()
    severity = np.zeros(len(points), np.int8)
    for begin in range(0, len(points), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        here, reached = points[part], severity[part]
        own = None if which is None else which[part]
        for limit in limits:
            reached += here >= (limit[0] if own is None else limit.take(own))
    return severity


def _outrank(decisions: Decisions, rows: NDArray[np.int64], flags: NDArray[np.uint16], policy: Policy) -> None:
    """Let what outranks the score in these rows have its say; in place."""
    actions, reasons = decisions.actions[rows], decisions.reasons[rows]
    infected, removable, denied = (flags & flag > 0 for flag in (_INFECTED, _REMOVABLE, _DENIED))
    allowed = (flags & _ALLOWED > 0) & ~denied
    actions[allowed], reasons[allowed] = Action.ACCEPT.severity, Reason.ALLOWED
    why = np.where(flags & _NOT_WANTED, np.int8(Reason.NOT_WANTED), np.int8(Reason.NOT_KNOWN))
    why[flags & _LIMITED > 0] = Reason.OVER_LIMIT
    _raise(actions, reasons, _HIGHEST.take(flags & _FLOORS), why)
    _raise(actions, reasons, np.where(denied, np.int8(policy.on_denied.severity), np.int8(0)), why)
    reasons[denied] = Reason.DENIED
    decisions.disarm[rows] = removable & (actions == Action.ACCEPT.severity) & (~infected | policy.disarm_malware)
    _raise(actions, reasons, np.where(removable, np.int8(Action.QUARANTINE.severity), np.int8(0)), why)
    np.maximum(actions, np.int8(policy.on_malware.severity), out=actions, where=infected)
    reasons[infected] = Reason.MALWARE
    decisions.actions[rows], decisions.reasons[rows] = actions, reasons


def _raise(actions: _Int8, reasons: _Int8, floors: _Int8, why: _Int8) -> None:
    """Make every row at least as stern as its floor; in place."""
    milder = actions < floors
    actions[milder], reasons[milder] = floors[milder], why[milder]

"""From points to one action: pure, and the same for one mail or ten million stored rows.

Order of authority: malware, then floors for what is not known (a scanner that did not answer), then the score.
Each step can only make the action sterner, so raising a score or lowering a limit never makes it milder (law 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from .scoring import Hits, Points, any_hit, thousandths
from .symbols import MALWARE, Catalogue


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


class GreylistState(IntEnum):
    """What the greylist says of a sender; `NOT_ASKED` leaves a greylist action as it is."""

    NOT_ASKED = 0
    WAIT = 1
    PASSED = 2


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits in points and the actions for what outranks them.

    A limit of ``None`` means never.  ``floors`` maps a symbol's name to the mildest action that a mail with that
    symbol may get; ``on_malware`` is the same for every symbol of group ``malware``.
    """

    greylist: float | None = 4.0
    quarantine: float | None = 6.0
    bounce: float | None = 12.0
    delete: float | None = None
    on_malware: Action = Action.QUARANTINE
    floors: Mapping[str, Action] = field(default_factory=dict)

    def limits(self) -> tuple[Points, NDArray[np.int8]]:
        """Limits in thousandths, ascending, and the severity that begins at each; index 0 lies below the first."""
        pairs = [
            (limit, action.severity) for action in ACTIONS[1:] if (limit := getattr(self, action.value)) is not None
        ]
        severities = np.array([0, *(severity for _, severity in pairs)], np.int8)
        return thousandths([limit for limit, _ in pairs]), severities


@dataclass(frozen=True, slots=True)
class Marks:
    """Which columns of the hit matrix outrank the score: computed once from a catalogue and a policy.

    ``malware``  bool (columns,); ``floor``  severity (columns,), 0 where a symbol has no floor.
    """

    malware: NDArray[np.bool_]
    floor: NDArray[np.int8]

    @classmethod
    def of(cls, catalogue: Catalogue, policy: Policy) -> Marks:
        """The marks of a policy over a catalogue's columns."""
        malware = np.array([info.group == MALWARE for info in catalogue.values()], np.bool_)
        accept = Action.ACCEPT
        floor = np.array([policy.floors.get(name, accept).severity for name in catalogue], np.int8)
        return cls(malware, floor)


@dataclass(frozen=True, slots=True)
class Decisions:
    """One row per mail: ``actions`` are severities (int8), ``reasons`` are `Reason` values (int8)."""

    actions: NDArray[np.int8]
    reasons: NDArray[np.int8]


def decide(
    points: Points, hits: Hits, marks: Marks, policy: Policy, greylist: NDArray[np.int8] | None = None
) -> Decisions:
    """Decide every row.  ``greylist`` holds `GreylistState` values, all `NOT_ASKED` when left out."""
    limits, severities = policy.limits()
    actions = severities[np.searchsorted(limits, points, side="right")]
    reasons = np.full(len(points), Reason.SCORE, np.int8)
    if greylist is not None:
        passed = (actions == Action.GREYLIST.severity) & (greylist == GreylistState.PASSED)
        actions[passed], reasons[passed] = Action.ACCEPT.severity, Reason.GREYLIST_PASSED
    for severity in np.unique(marks.floor[marks.floor > 0]):
        _raise(actions, reasons, any_hit(hits, marks.floor == severity), int(severity), Reason.NOT_KNOWN)
    infected = any_hit(hits, marks.malware)
    _raise(actions, reasons, infected, policy.on_malware.severity, Reason.MALWARE)
    reasons[infected] = Reason.MALWARE
    return Decisions(actions, reasons)


def _raise(
    actions: NDArray[np.int8], reasons: NDArray[np.int8], rows: NDArray[np.bool_], severity: int, reason: Reason
) -> None:
    """Make ``rows`` at least as stern as ``severity``; in place."""
    milder = rows & (actions < severity)
    actions[milder], reasons[milder] = severity, reason

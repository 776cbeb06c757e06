"""What can become of held mail: a small machine of states, pure.

    held ──notice──▶ noticed ──expire──▶ expired
      │                 │
      ├──── release ────┼──▶ released ──expire──▶ expired
      ├──── restore ────┼──▶ restored ──expire──▶ expired
      ├──── disarm ─────┼──▶ disarmed ──expire──▶ expired
      └──── delete ─────┴──▶ deleted    (from every state that still has the mail)

There is no way from *held* to *expired*: nothing goes before those whom it was for were told, or a person has
dealt with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where an entry stands.

    ``held``  waits, and not everybody whom it is for was told;  ``noticed``  waits, all were told;  ``released``  let
    out to its recipients;  ``disarmed``  delivered without some parts, with a note in their place;  ``restored``  the
    original of such a mail, or of one held by mistake, was handed out;  ``deleted``, ``expired``  only a tombstone is
    left: digest, envelope, reason and symbols.
    """

    HELD = "held"
    NOTICED = "noticed"
    RELEASED = "released"
    DISARMED = "disarmed"
    RESTORED = "restored"
    DELETED = "deleted"
    EXPIRED = "expired"


GONE = frozenset({State.DELETED, State.EXPIRED})
"""Only a tombstone is left."""
KEPT = frozenset(State) - GONE
"""The octets of the mail are there."""
OPEN = frozenset({State.HELD, State.NOTICED})
"""Nobody has decided yet."""
WAITS = OPEN | {State.DISARMED}
"""The same delivery once more is this entry and not another one: its sender did not hear of the first."""

SOURCES: Mapping[State, frozenset[State]] = {
    State.HELD: frozenset(),
    State.NOTICED: frozenset({State.HELD, State.NOTICED}),
    State.RELEASED: KEPT,
    State.DISARMED: WAITS,
    State.RESTORED: KEPT,
    State.DELETED: KEPT,
    State.EXPIRED: KEPT - {State.HELD},
}
"""For each state, those out of which it can come about."""


def can(source: str, target: State) -> bool:
    """Whether an entry may go from one state to the other."""
    return source in SOURCES[target]

"""The readings of an ambiguous mail.

Where mail programs disagree, the reader takes the primary reading and notes the dispute.  Each further reading
takes another side in one dispute, the same side everywhere in the mail (mail programs are consistent); disputes
that only such a reading meets are followed too, breadth first, up to `MAX_READINGS`.  A mail without disputes
is read once.
"""

from __future__ import annotations

from typing import NamedTuple

from .defects import DISPUTED, DefectKind
from .part import Part
from .tree import Dialect, Reader

MAX_READINGS = 8


class Reading(NamedTuple):
    """One way to read a mail: the dispute in which it takes another side, and the tree.  The primary's is None."""

    cause: DefectKind | None
    root: Part


def settle(reader: Reader, root: Part) -> None:
    """Decode what may hold disputes, so that `Reader.disputes` is complete."""
    if reader.coded:
        for part in root.walk():
            if part.encoding == "base64":
                _ = part.data


def other_readings(reader: Reader, root: Part) -> list[Reading]:
    """The readings that take another side in a dispute than the primary one, texts outside of parts included."""
    settle(reader, root)
    if not reader.disputes:
        return []
    found: list[Reading] = []
    queue = _turns(reader, {})
    seen = {frozenset(dialect.items()) for _, dialect in queue}
    while queue:
        if len(found) == MAX_READINGS - 2:
            reader.choose(DefectKind.READING_LIMIT, "", 0)
            break
        cause, dialect = queue.pop(0)
        other = Reader(reader.raw, reader.base, dialect)
        tree = other.read()
        settle(other, tree)
        found.append(Reading(cause, tree.with_outside() if other.outside else tree))
        for turn in _turns(other, dialect):
            key = frozenset(turn[1].items())
            if key not in seen:
                seen.add(key)
                queue.append(turn)
    return found


def _turns(reader: Reader, dialect: Dialect) -> list[tuple[DefectKind, Dialect]]:
    """Dialects that take another side in one more dispute; every first alternative before any second one."""
    disputes = [kind for kind in DISPUTED if kind in reader.disputes and kind not in dialect]
    turns: list[tuple[DefectKind, Dialect]] = []
    for variant in range(1, 1 + max((reader.disputes[kind] for kind in disputes), default=0)):
        turns += [(kind, {**dialect, kind: variant}) for kind in disputes if reader.disputes[kind] >= variant]
    return turns

"""Other scores and limits over a stored hit table: who changes, from what to what, and because of which symbols."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..decision import ACTIONS, Decisions, Reason
from ..envelope import Envelope
from ..errors import StoreError
from ..policy.copies import decide_table
from ..scoring import SCALE, Caps, Hits, Points, contributions, cuts, score, thousandths
from ..symbols import UNKNOWN, Catalogue, SymbolInfo
from .table import Table, paths

if TYPE_CHECKING:
    from ..chain import FilterChain

_LABELS = {1: "spam", 0: "ham", -1: "no label"}


@dataclass(frozen=True, slots=True)
class Change:
    """One mail whose action changes.

    ``before`` and ``after`` are actions, ``points`` the score in points before and after; ``because`` the symbols
    (and CAP_GROUP) whose contribution changed, largest first, with the change in points; ``limits`` whether limits
    alone, with the old score, would have changed it.
    """

    path: str
    label: str
    before: str
    after: str
    points: tuple[float, float]
    because: tuple[tuple[str, float], ...]
    limits: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """A table decided anew.

    ``unknown``  symbols of the table that the new settings do not know, with their hits: they count for nothing;
    ``absent``  symbols of the new settings that were never looked for; ``flips``  rows that change, (changed,).
    """

    table: Table
    points: Points
    decisions: Decisions
    unknown: dict[str, int]
    absent: tuple[str, ...]
    flips: NDArray[np.int64]
    _new: _Weighed
    _old: _Weighed
    _old_limits: NDArray[np.int8]

    def counts(self) -> dict[tuple[str, str], Counter[str]]:
        """How many mails go from which action to which, by label."""
        result: dict[tuple[str, str], Counter[str]] = {}
        old, new, labels = self.table.columns["action"], self.decisions.actions, self.table.columns["label"]
        for row in self.flips.tolist():
            key = (ACTIONS[old[row]].value, ACTIONS[new[row]].value)
            result.setdefault(key, Counter())[_LABELS[int(labels[row])]] += 1
        return dict(sorted(result.items(), key=lambda item: -sum(item[1].values())))

    def errors(self, actions: NDArray[np.int8]) -> dict[str, int]:
        """Of labelled mail: ham from the quarantine limit on, spam below it, and how many of each there are."""
        label, flagged = self.table.columns["label"], actions >= 2
        return {
            "ham": int((label == 0).sum()),
            "ham_lost": int((flagged & (label == 0)).sum()),
            "spam": int((label == 1).sum()),
            "spam_missed": int((~flagged & (label == 1)).sum()),
        }

    def listed(self, most: int | None = None) -> Iterator[Change]:
        """The mails that change, those that fall or rise furthest first; at most ``most`` of them."""
        old, new, label = self.table.columns["action"], self.decisions.actions, self.table.columns["label"]
        steps = np.abs(new[self.flips].astype(int) - old[self.flips])
        rows = self.flips[np.argsort(-steps, kind="stable")][:most]
        names = paths(self.table.columns) if len(rows) else []
        for row in rows.tolist():
            yield Change(
                names[row],
                _LABELS[int(label[row])],
                ACTIONS[old[row]].value,
                ACTIONS[new[row]].value,
                (float(self.table.columns["points"][row]) / SCALE, float(self.points[row]) / SCALE),
                self._because(row),
                bool(self._old_limits[row] == new[row]),
            )

    def _because(self, row: int) -> tuple[tuple[str, float], ...]:
        before, after = self._old.row(row), self._new.row(row)
        moved = {name: after.get(name, 0) - before.get(name, 0) for name in before | after}
        ordered = sorted(((name, by) for name, by in moved.items() if by), key=lambda item: (-abs(item[1]), item[0]))
        return tuple((name, by / SCALE) for name, by in ordered)


@dataclass(frozen=True, slots=True)
class _Weighed:
    """Hits with what weighs them, so that any row can be shown."""

    names: tuple[str, ...]
    hits: Hits
    weights: Points
    caps: Caps | None

    def row(self, number: int) -> dict[str, int]:
        """Contributions of one row in thousandths, caps included."""
        a, b = self.hits.indptr[number : number + 2]
        one = Hits(np.array([0, b - a]), self.hits.indices[a:b], self.hits.values[a:b])
        per_hit = contributions(one, self.weights)
        found = {self.names[column]: int(by) for column, by in zip(one.indices.tolist(), per_hit, strict=True)}
        if self.caps is not None:
            by_group = zip(self.caps.groups, cuts(one, per_hit, self.caps)[0].tolist(), strict=True)
            found |= {f"CAP_{group.upper()}": by for group, by in by_group}
        return found


def compare(table: Table, chain: FilterChain, envelopes: Sequence[Envelope] | None = None) -> Changes:
    """Decide every row of ``table`` with the scores, caps, limits and floors of ``chain``; no mail is read.

    ``envelopes``  one a row, so that rules for recipients and directions apply; by default those that the table knows,
    and where it knows none the rules for inbound mail to nobody in particular.  The senders' lists count as they were
    found; greylist state does not.  Of a mail to several the mildest action counts, as in a verdict.  Raises
    `StoreError` for a damaged envelope.
    """
    if envelopes is None and chain.rules:
        envelopes = _known(table)
    meta, columns, weights = table.meta, table.columns, chain.weights
    place = np.array([weights.column.get(name, -1) for name in meta["symbols"]], np.int32)
    hits, unknown = _moved(table, place)
    points = score(hits, weights.thousandths, weights.caps)
    decisions = decide_table(points, hits, chain.policies, chain.rules, envelopes)
    by_limits = decide_table(columns["points"], hits, chain.policies, chain.rules, envelopes).actions
    known = set(meta["symbols"])
    absent = tuple(n for n in weights.names if n not in known and chain.catalogue[n].group != UNKNOWN)
    return Changes(
        table,
        points,
        decisions,
        unknown,
        absent,
        np.flatnonzero(decisions.actions != columns["action"]),
        _Weighed(weights.names, hits, weights.thousandths, weights.caps),
        _weighed(table),
        by_limits,
    )


def _known(table: Table) -> Sequence[Envelope] | None:
    try:
        return table.envelopes()
    except ValueError as error:
        raise StoreError(f"the hit table is damaged: {error}") from None


def _moved(table: Table, place: NDArray[np.int32]) -> tuple[Hits, dict[str, int]]:
    """The hits in the columns of the new weights, without those that have none, which are counted."""
    hits = table.hits
    if (place == np.arange(len(place))).all():
        return hits, {}
    column = place.take(hits.indices)
    kept = column >= 0
    if kept.all():
        return Hits(hits.indptr, column, hits.values), {}
    lost = np.bincount(hits.indices[~kept], minlength=len(place))
    unknown = {table.meta["symbols"][number]: int(lost[number]) for number in np.flatnonzero(lost).tolist()}
    running = np.concatenate([[0], np.cumsum(kept)])
    return Hits(running[hits.indptr], column[kept], hits.values[kept]), unknown


def _weighed(table: Table) -> _Weighed:
    meta: dict[str, Any] = table.meta
    entries = zip(meta["symbols"], meta["groups"], strict=True)
    catalogue = Catalogue(SymbolInfo(name, "", group, 0.0, "") for name, group in entries)
    caps = Caps.of(catalogue, meta["caps"]) if meta["caps"] else None
    return _Weighed(tuple(meta["symbols"]), table.hits, thousandths(meta["points"]), caps)


def settled_by(changes: Changes) -> dict[str, int]:
    """How many of the mails that change are settled by what (`Reason`)."""
    found = Counter(changes.decisions.reasons[changes.flips].tolist())
    return {Reason(reason).name.lower(): count for reason, count in sorted(found.items())}

"""Points: the sparse hit matrix times the weights, exact.

Messages x symbols is a sparse matrix in CSR form; weights are a vector.  Points are whole thousandths
(``int64``): each contribution ``value * weight`` is rounded once, and sums of integers are exact.  So the shown
contributions add up to the score, whatever the order or the batch (laws 4 and 5), and one mail gives the
same number as a million.  Points are SpamAssassin's in kind: 5.0 is its customary limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .errors import SettingError
from .symbols import UNKNOWN, Catalogue, Symbol

SCALE = 1000
"""Thousandths in a point."""

MAX_POINTS = 1000.0
"""Bound of a symbol's points either way; keeps every sum far from the end of ``int64``."""

MAX_VALUE = 1000.0
"""Bound of a graded symbol's value."""

Points = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Weights:
    """Points per symbol, in catalogue order.

    ``names``  symbol of each column; ``thousandths``  int64, shape (columns,); ``column``  name to column.
    """

    names: tuple[str, ...]
    thousandths: Points
    column: Mapping[str, int] = field(repr=False)

    @classmethod
    def from_catalogue(cls, catalogue: Catalogue, scores: Mapping[str, float], source: str = "scores") -> Weights:
        """Default points with the settings' ``scores`` laid over them.

        Raises `SettingError` for a score of an unknown symbol, of a symbol of group ``unknown`` (law 3: what
        is not known is worth nothing), or beyond `MAX_POINTS`.
        """
        faults = [fault for name, points in scores.items() if (fault := _fault(catalogue, name, points))]
        if faults:
            raise SettingError(source, tuple(faults))
        names = tuple(catalogue)
        points = [scores.get(name, catalogue[name].points) for name in names]
        return cls(names, thousandths(points), {name: number for number, name in enumerate(names)})


def _fault(catalogue: Catalogue, name: str, points: float) -> str | None:
    if name not in catalogue:
        return f"scores.{name}: no such symbol; `mailfilter doctor --symbols` lists them"
    if catalogue[name].group == UNKNOWN and points != 0:
        return f"scores.{name}: what is not known carries no points, got {points}"
    if not abs(points) <= MAX_POINTS:
        return f"scores.{name}: {points} is not between -{MAX_POINTS:g} and {MAX_POINTS:g}"
    return None


def thousandths(points: Sequence[float]) -> Points:
    """Points as whole thousandths, rounded half to even."""
    return np.rint(np.asarray(points, dtype=np.float64) * SCALE).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Hits:
    """Hit matrix in CSR form: row ``i`` has the columns ``indices[indptr[i]:indptr[i + 1]]``.

    ``indptr``  int64 (rows + 1,); ``indices``  int32 (hits,), ascending in a row; ``values``  float64 (hits,).
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float64]

    @property
    def rows(self) -> int:
        """Number of messages."""
        return len(self.indptr) - 1

    @classmethod
    def from_rows(cls, rows: Iterable[Iterable[Symbol]], weights: Weights) -> Hits:
        """Build the matrix from merged findings (see `merge`)."""
        indptr, indices, values = [0], [], []
        for row in rows:
            for symbol in row:
                indices.append(weights.column[symbol.name])
                values.append(symbol.value)
            indptr.append(len(indices))
        return cls(np.array(indptr, np.int64), np.array(indices, np.int32), np.array(values, np.float64))


def merge(symbols: Iterable[Symbol], weights: Weights) -> list[Symbol]:
    """One entry per symbol, in column order: the largest value counts, evidence is put together.

    Values are clipped to 0..`MAX_VALUE`; a value that is not a number counts as 0.
    """
    merged: dict[int, Symbol] = {}
    for symbol in symbols:
        column = weights.column[symbol.name]
        value = min(max(symbol.value, 0.0), MAX_VALUE) if symbol.value == symbol.value else 0.0
        other = merged.get(column)
        if other is None:
            merged[column] = symbol if value == symbol.value else symbol._replace(value=value)
        else:
            merged[column] = Symbol(symbol.name, max(value, other.value), _together(other, symbol))
    return [merged[column] for column in sorted(merged)]


def _together(one: Symbol, other: Symbol) -> str:
    """Evidence of two findings of one symbol, sorted so that order does not matter."""
    parts = {part for text in (one.evidence, other.evidence) for part in text.split(" | ") if part}
    return " | ".join(sorted(parts))


def contributions(hits: Hits, weights: Points) -> Points:
    """Thousandths that each hit adds; shape (hits,)."""
    return np.rint(hits.values * weights[hits.indices]).astype(np.int64)


def sums(hits: Hits, per_hit: Points) -> Points:
    """Sum of a per-hit quantity over each row; shape (rows,).  Exact: integers only."""
    running = np.zeros(len(per_hit) + 1, np.int64)
    np.cumsum(per_hit, out=running[1:])
    return running[hits.indptr[1:]] - running[hits.indptr[:-1]]


def score(hits: Hits, weights: Points) -> Points:
    """Score of each message in thousandths of a point; shape (rows,)."""
    return sums(hits, contributions(hits, weights))


def any_hit(hits: Hits, columns: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a row has a hit in any of the marked ``columns``; shape (rows,)."""
    return sums(hits, columns[hits.indices].astype(np.int64)) > 0

"""Points: the sparse hit matrix times the weights, exact.

Messages x symbols is a sparse matrix in CSR form; weights are a vector.  Points are whole thousandths
(``int64``): each contribution ``value * weight`` is rounded once, and sums of integers are exact.  So the shown
contributions add up to the score, whatever the order or the batch (laws 4 and 5), and one mail gives the
same number as a million.  Points are SpamAssassin's in kind: 5.0 is its customary limit.

No one source decides alone: the points of a group of symbols can be capped, either way.  What the cap cuts off is a
contribution of its own, so the sum stays the score; and a capped sum still never falls when a weight rises.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import SettingError
from .symbols import MALWARE, UNKNOWN, Catalogue, Symbol

SCALE = 1000
"""Thousandths in a point."""

MAX_POINTS = 1000.0
"""Bound of a symbol's points either way; keeps every sum far from the end of ``int64``."""

MAX_VALUE = 1000.0
"""Bound of a graded symbol's value."""

Points = NDArray[np.int64]

_BLOCK = 1 << 16
"""Hits that are weighed at a time: their temporary arrays stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Groups whose points are capped.

    ``groups``  their names; ``limits``  thousandths that each may add or take at most, (groups,); ``group``  position
    in ``groups`` of each column, -1 for a column without a cap, int8 (columns,).
    """

    groups: tuple[str, ...]
    limits: Points
    group: NDArray[np.int8]

    @classmethod
    def of(cls, catalogue: Catalogue, caps: Mapping[str, float], source: str = "groups") -> Caps:
        """Caps in points by group.  Raises `SettingError` for malware and the unknown, and for a negative cap."""
        faults = [fault for group, points in caps.items() if (fault := cap_fault(group, points))]
        if faults:
            raise SettingError(source, tuple(faults))
        place = {group: number for number, group in enumerate(caps)}
        group = [place.get(info.group, -1) for info in catalogue.values()]
        return cls(tuple(caps), thousandths(list(caps.values())), np.array(group, np.int8))


def cap_fault(group: str, points: float) -> str | None:
    """What is wrong with a cap, or ``None``."""
    if group == MALWARE:
        return f"groups.{group}: malware outranks the score, so its points are not capped"
    if group == UNKNOWN:
        return f"groups.{group}: what is not known carries no points that could be capped"
    if not 0 <= points <= MAX_POINTS:
        return f"groups.{group}: {points} is not between 0 and {MAX_POINTS:g}"
    return None


@dataclass(frozen=True, slots=True)
class Weights:
    """Points per symbol, in catalogue order.

    ``names``  symbol of each column; ``thousandths``  int64, shape (columns,); ``column``  name to column;
    ``caps``  capped groups, ``None`` where no group is.
    """

    names: tuple[str, ...]
    thousandths: Points
    column: Mapping[str, int] = field(repr=False)
    caps: Caps | None = None

    @classmethod
    def from_catalogue(
        cls,
        catalogue: Catalogue,
        scores: Mapping[str, float],
        source: str = "scores",
        caps: Mapping[str, float] | None = None,
    ) -> Weights:
        """Default points with the settings' ``scores`` laid over them, and the settings' ``caps`` by group.

        Raises `SettingError` for a score of an unknown symbol, of a symbol of group ``unknown`` (law 3: what
        is not known is worth nothing), or beyond `MAX_POINTS`; and as `Caps.of` does.
        """
        faults = [fault for name, points in scores.items() if (fault := _fault(catalogue, name, points))]
        if faults:
            raise SettingError(source, tuple(faults))
        names = tuple(catalogue)
        points = [scores.get(name, catalogue[name].points) for name in names]
        column = {name: number for number, name in enumerate(names)}
        return cls(names, thousandths(points), column, Caps.of(catalogue, caps, source) if caps else None)


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

    def take(self, rows: NDArray[np.int64]) -> Hits:
        """These rows, in the order in which they are named; a row may be named more than once."""
        lengths = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(self.indptr[rows] - indptr[:-1], lengths) + np.arange(indptr[-1])
        return Hits(indptr, self.indices[places], self.values[places])

    @classmethod
    def from_rows(cls, rows: Iterable[Iterable[Symbol]], weights: Weights) -> Hits:
        """Build the matrix from merged findings (see `merge`)."""
        column, indptr, found = weights.column, [0], list[Symbol]()
        for row in rows:
            found.extend(row)
            indptr.append(len(found))
        indices, values = [column[symbol[0]] for symbol in found], [symbol[1] for symbol in found]
        return cls(np.array(indptr, np.int64), np.array(indices, np.int32), np.array(values, np.float64))


def merge(symbols: Iterable[Symbol], weights: Weights) -> list[Symbol]:
    """One entry per symbol, in column order: the largest value counts, evidence is put together.

    Values are clipped to 0..`MAX_VALUE`; a value that is not a number counts as 0.
    """
    merged = by_column(symbols, weights.column)
    return [merged[column] for column in sorted(merged)]


def by_column(symbols: Iterable[Symbol], columns: Mapping[str, int]) -> dict[int, Symbol]:
    """What `merge` makes of findings, by column, in any order."""
    merged: dict[int, Symbol] = {}
    for symbol in symbols:
        name, value, _ = symbol
        column = columns[name]
        if not 0.0 <= value <= MAX_VALUE:
            value = 0.0 if math.isnan(value) else min(max(value, 0.0), MAX_VALUE)
            symbol = symbol._replace(value=value)
        if column in merged:
            other = merged[column]
            symbol = Symbol(name, max(value, other.value), _together(other, symbol))
        merged[column] = symbol
    return merged


def _together(one: Symbol, other: Symbol) -> str:
    """Evidence of two findings of one symbol, sorted so that order does not matter."""
    parts = {part for text in (one.evidence, other.evidence) for part in text.split(" | ") if part}
    return " | ".join(sorted(parts))


def contributions(hits: Hits, weights: Points) -> Points:
    """Thousandths that each hit adds; shape (hits,)."""
    return np.rint(hits.values * weights[hits.indices]).astype(np.int64)


def sums(hits: Hits, per_hit: Points) -> Points:
    """Sum of a per-hit quantity over each row; shape (rows,).  Exact: integers only."""
    if len(hits.indptr) == 2:
        return np.array([per_hit.sum()], np.int64)
    running = np.zeros(len(per_hit) + 1, np.int64)
    np.cumsum(per_hit, out=running[1:])
    return running[hits.indptr[1:]] - running[hits.indptr[:-1]]


def cuts(hits: Hits, per_hit: Points, caps: Caps) -> Points:
    """Thousandths that the caps take from each row, per capped group, shape (rows, groups); 0 where none is reached.

    A group's sum is kept within its limit either way, so a cut is negative where too much speaks for spam.
    """
    count = len(caps.groups)
    group = caps.group[hits.indices]
    capped = group >= 0
    rows = np.repeat(np.arange(hits.rows), np.diff(hits.indptr))[capped]
    # float64 holds these sums exactly: they are integers far below 2**53.
    grouped = np.bincount(rows * count + group[capped], per_hit[capped], hits.rows * count)
    found = grouped.astype(np.int64).reshape(hits.rows, count)
    return np.clip(found, -caps.limits, caps.limits) - found


def score(hits: Hits, weights: Points, caps: Caps | None = None) -> Points:
    """Score of each message in thousandths of a point; shape (rows,).

    The same numbers as `contributions`, `sums` and `cuts` give, in blocks that stay in the processor's cache: sums
    are of whole numbers below 2**53, which float64 holds exactly, so the order of adding is of no account.
    """
    if caps is None:
        return _weighed(hits, weights)
    result = _weighed(hits, np.where(caps.group < 0, weights, 0))
    for number, limit in enumerate(caps.limits.tolist()):
        result += np.clip(_weighed(hits, np.where(caps.group == number, weights, 0)), -limit, limit)
    return result


def _weighed(hits: Hits, weights: Points) -> Points:
    """Sums of `contributions` over each row, uncapped."""
    result = np.zeros(hits.rows, np.int64)
    exact = weights.astype(np.float64)
    space = np.empty(min(len(hits.indices), _BLOCK))
    for first, last in _row_blocks(hits.indptr):
        begin, end = hits.indptr[first], hits.indptr[last]
        if begin == end:
            continue
        size = int(end - begin)
        each = exact.take(hits.indices[begin:end], mode="wrap", out=space[:size] if size <= len(space) else None)
        each *= hits.values[begin:end]
        np.rint(each, out=each)
        _add_up(each, hits.indptr[first : last + 1] - begin, result[first:last])
    return result


def _row_blocks(indptr: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of rows with about `_BLOCK` hits each; a longer row is a block of its own."""
    first, rows = 0, len(indptr) - 1
    while first < rows:
        last = int(indptr.searchsorted(indptr[first] + _BLOCK, side="right")) - 1
        last = min(max(last, first + 1), rows)
        yield first, last
        first = last


def _add_up(each: NDArray[np.float64], bounds: NDArray[np.int64], out: Points) -> None:
    """Sums of ``each`` between ``bounds`` into ``out``; an empty range is 0 (``reduceat`` would give its start)."""
    filled = bounds[1:] > bounds[:-1]
    if filled.all():
        out[:] = np.add.reduceat(each, bounds[:-1])
    else:
        out[filled] = np.add.reduceat(each, bounds[:-1][filled])


def any_hit(hits: Hits, columns: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a row has a hit in any of the marked ``columns``; shape (rows,)."""
    return sums(hits, columns[hits.indices].astype(np.int64)) > 0


_Flags = TypeVar("_Flags", NDArray[np.uint8], NDArray[np.uint16])


def flagged(hits: Hits, flags: _Flags) -> _Flags:
    """Bits of all the columns that a row hits, put together; ``flags`` (columns,), result (rows,).

    Flags are rare, so a block of hits without any is passed over after one look.
    """
    if len(hits.indptr) == 2:
        return np.array([np.bitwise_or.reduce(flags[hits.indices])], flags.dtype)
    result = np.zeros(hits.rows, flags.dtype)
    if not flags.any():
        return result
    for begin in range(0, len(hits.indices), _BLOCK):
        found = flags.take(hits.indices[begin : begin + _BLOCK], mode="wrap")
        if found.max():
            places = np.flatnonzero(found != 0)
            rows = hits.indptr.searchsorted(places + begin, side="right") - 1
            np.bitwise_or.at(result, rows, found[places])
    return result

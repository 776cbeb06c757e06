"""What each rule is worth: where it hits, what the loss would be without it, which rules are dead or twins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset

Floats = NDArray[np.float64]
Counts = NDArray[np.intp]

TWIN = 0.95
"""Share of common hits (Jaccard) from which two rules say the same."""
_FEW = 5
"""Hits below which no twin is called one."""


@dataclass(frozen=True, slots=True)
class RuleWorth:
    """One rule.

    ``points`` fitted, ``default`` of the catalogue; ``ham``, ``spam`` mails that it hits; ``so`` share of the spam
    rate in the sum of both rates (SpamAssassin's S/O), ``None`` without hits; ``loss`` rise of the loss, in missed
    spams of full doubt, when its points go and the others stay; ``spam_lost``, ``ham_saved`` mails that fall below the
    quarantine limit then; ``note`` what is wrong with it, ``""`` if nothing.
    """

    name: str
    group: str
    points: float
    default: float
    ham: int
    spam: int
    so: float | None
    loss: float
    spam_lost: int
    ham_saved: int
    note: str


@dataclass(frozen=True, slots=True)
class Judged:
    """How mail left out was judged: fold of each mail, points of each fold (folds, columns), caps, costs, limit."""

    fold: NDArray[np.int64]
    points: Floats
    group: NDArray[np.int64]
    caps: Floats
    weight: Floats
    sharpness: float
    limit: float
    pivot: float
    """Score at which the fitted loss is in full doubt."""


def worth(data: Dataset, fitted: Floats, judged: Judged) -> list[RuleWorth]:
    """One entry per tunable rule, the most valuable first; without refitting, so twins seem worth little each."""
    loss, spam_lost, ham_saved = _without(data, judged)
    binary = data.x.copy()
    binary.data[:] = 1.0
    spam_hits = np.asarray(binary[data.spam].sum(axis=0)).ravel().astype(int)
    ham_hits = np.asarray(binary[~data.spam].sum(axis=0)).ravel().astype(int)
    spam_rate, ham_rate = spam_hits / data.spam.sum(), ham_hits / (~data.spam).sum()
    graded = np.bincount(data.x.indices, data.x.data != 1.0, data.x.shape[1]) > 0
    twins = _twins(binary, data.tunable & ~graded)
    found = []
    for column in np.flatnonzero(data.tunable).tolist():
        rates = float(spam_rate[column] + ham_rate[column])
        points = round(float(fitted[column]), 3)
        found.append(
            RuleWorth(
                data.names[column],
                data.groups[column],
                points,
                float(data.defaults[column]),
                int(ham_hits[column]),
                int(spam_hits[column]),
                float(spam_rate[column]) / rates if rates else None,
                float(loss[column]),
                int(spam_lost[column]),
                int(ham_saved[column]),
                _note(data.names, points, rates, twins.get(column)),
            )
        )
    return sorted(found, key=lambda rule: (-rule.loss, rule.name))


def _note(names: Sequence[str], points: float, rates: float, twin: tuple[int, float] | None) -> str:
    if not rates:
        return "dead: never hits here"
    if points == 0:
        return "dead: the fit gives it nothing"
    if twin is not None:
        return f"redundant: {100 * twin[1]:.0f} % of its hits are those of {names[twin[0]]}"
    return ""


def _without(data: Dataset, judged: Judged) -> tuple[Floats, Counts, Counts]:
    """Rise of the loss, spam lost and ham saved, per column, if each hit of that column did not count."""
    x = data.x
    rows = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    each = x.data * judged.points[judged.fold[rows], x.indices]
    places = len(judged.caps) + 1
    place = np.where(judged.group < 0, places - 1, judged.group)[x.indices]
    sums = np.bincount(rows * places + place, each, x.shape[0] * places).reshape(-1, places)
    caps = np.append(judged.caps, np.inf)
    cut = np.clip(sums, -caps, caps)
    score = cut.sum(axis=1)
    mine, cap = sums[rows, place], caps[place]
    without = score[rows] - cut[rows, place] + np.clip(mine - each, -cap, cap)
    sign = np.where(data.spam, -judged.sharpness, judged.sharpness)[rows]
    rise = np.logaddexp(0, sign * (without - judged.pivot)) - np.logaddexp(0, sign * (score[rows] - judged.pivot))
    columns, spam = x.shape[1], data.spam[rows]
    falls = (score[rows] >= judged.limit) & (without < judged.limit)
    return (
        np.bincount(x.indices, judged.weight[rows] * rise / np.log(2), columns).astype(np.float64),
        np.bincount(x.indices, falls & spam, columns),
        np.bincount(x.indices, falls & ~spam, columns),
    )


def _twins(binary: Any, plain: NDArray[np.bool_]) -> dict[int, tuple[int, float]]:
    """Of plain rules whose hits are nearly those of an earlier one: that rule and the share in common."""
    common = (binary.T @ binary).tocoo()
    hits = np.asarray(binary.sum(axis=0)).ravel()
    earlier = (common.col < common.row) & plain[common.row] & plain[common.col]
    rule, other, both = common.row[earlier], common.col[earlier], common.data[earlier]
    share = both / (hits[rule] + hits[other] - both)
    near = (share >= TWIN) & (hits[rule] >= _FEW)
    return {int(a): (int(b), float(c)) for a, b, c in zip(rule[near], other[near], share[near], strict=True)}

"""The whole of a tuning: fit, cross-validation, limits, worth of rules, settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import MailFilterError
from ..scoring import MAX_POINTS, cap_fault
from ..symbols import GROUPS
from .dataset import Dataset, folds, importance
from .estimator import PointsClassifier
from .limits import Limits, choose
from .worth import Judged, RuleWorth, worth

Floats = NDArray[np.float64]

FIXED = 20.0
"""Points from which a symbol is no evidence but a command (a test string); a fit leaves it alone."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to tune.

    ``cost_ham``    how many missed spams a lost ham is worth in the fit.
    ``max_fp``      share of ham that may be quarantined or worse; ``certain``: its upper bound must be below.
    ``max_delayed`` share of ham that may be greylisted.
    ``max_points``  most points of a rule either way; a rule whose default is larger keeps that as its bound.
    ``alpha``       pull towards the points that a rule has now.
    ``sharpness``   log-odds per point.
    ``folds``       parts of the cross-validation; ``by_table``: each table is one, so that limits and errors are those
                    of mail from places that the fit has not seen.
    ``balance``     0: every mail counts the same in the fit; 1: every table does, per class.
    ``scores``      points that rules have now, where not the catalogue's.
    ``caps``        points by group.
    ``ranges``      lowest and highest points of single rules; equal ones fix a rule.
    """

    cost_ham: float = 50.0
    max_fp: float = 0.001
    certain: bool = False
    max_delayed: float = 0.01
    max_points: float = 6.0
    alpha: float = 3.0
    sharpness: float = 1.0
    folds: int = 5
    by_table: bool = False
    balance: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)
    caps: Mapping[str, float] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tuned:
    """The result.

    ``estimator``  fitted on all mail; ``points``  per column in points, rounded to thousandths; ``left_out``  score of
    each mail by a fit without its fold; ``limits`` chosen on those; ``rules``  what each is worth.
    """

    data: Dataset
    options: Options
    estimator: PointsClassifier
    points: Floats
    left_out: Floats
    limits: Limits
    rules: list[RuleWorth]

    @property
    def scores(self) -> dict[str, float]:
        """Points of every rule that the fit could move and that differ from the catalogue's, or were set before."""
        set_before = self.options.scores
        found = {}
        for column, name in enumerate(self.data.names):
            points = float(self.points[column])
            if points != self.data.defaults[column] or name in set_before:
                found[name] = points
        return found


def tune(data: Dataset, options: Options | None = None) -> Tuned:
    """Fit weights and choose limits.  Raises `MailFilterError` for options that contradict each other or the data."""
    options = options or Options()
    _check(data, options)
    lower, upper, prior = _bounds(data, options)
    names = list(options.caps)
    group = np.array([names.index(name) if name in options.caps else -1 for name in data.groups], np.int64)
    caps = np.array([options.caps[name] for name in names], np.float64)

    def fitted(rows: NDArray[np.bool_]) -> PointsClassifier:
        made = PointsClassifier(
            options.cost_ham,
            alpha=options.alpha,
            sharpness=options.sharpness,
            lower=lower,
            upper=upper,
            prior=prior,
            groups=group if len(caps) else None,
            caps=caps if len(caps) else None,
        )
        return made.fit(data.x[rows], data.spam[rows], importance(data.rows(rows), options.balance))

    fold = data.source if options.by_table else folds(data, options.folds)
    count = int(fold.max()) + 1
    left_out, each = np.zeros(len(fold)), np.zeros((count, len(data.names)))
    for number in range(count):
        out = fold == number
        if not out.any():
            continue
        part = fitted(~out)
        each[number], left_out[out] = part.coef_, part.points(data.x[out])
    limits = choose(left_out, data.spam, options.max_fp, options.max_delayed, options.certain)
    whole = fitted(np.ones(len(fold), np.bool_))
    points = np.round(whole.coef_, 3) + 0.0
    weight = np.where(data.spam, 1.0, options.cost_ham) * importance(data, options.balance)
    judged = Judged(fold, each, group, caps, weight, options.sharpness, limits.quarantine, whole.limit)
    return Tuned(data, options, whole, points, left_out, limits, worth(data, points, judged))


def _bounds(data: Dataset, options: Options) -> tuple[Floats, Floats, Floats]:
    """Lowest and highest points of each column, and those it has now.  A rule keeps its sign."""
    prior = np.array([options.scores.get(n, d) for n, d in zip(data.names, data.defaults.tolist(), strict=True)])
    reach = np.maximum(np.abs(data.defaults), options.max_points)
    lower, upper = np.where(data.defaults < 0, -reach, 0.0), np.where(data.defaults > 0, reach, 0.0)
    resting = ~data.tunable | (np.abs(data.defaults) >= FIXED)
    lower[resting], upper[resting] = prior[resting], prior[resting]
    for name, (low, high) in options.ranges.items():
        column = data.names.index(name)
        lower[column], upper[column] = low, high
    return lower, upper, np.clip(prior, lower, upper)


def _check(data: Dataset, options: Options) -> None:
    faults = [
        fault
        for name, value, low, high in (
            ("cost-ham", options.cost_ham, 0.001, 1e6),
            ("max-fp", options.max_fp, 0.0, 0.5),
            ("max-delayed", options.max_delayed, 0.0, 0.5),
            ("max-points", options.max_points, 0.001, MAX_POINTS),
            ("alpha", options.alpha, 0.0, 1e6),
            ("balance", options.balance, 0.0, 1.0),
        )
        if (fault := "" if low <= value <= high else f"--{name} is from {low:g} to {high:g}, not {value:g}")
    ]
    if options.max_delayed < options.max_fp:
        faults.append(
            f"--max-delayed ({options.max_delayed:g}) is below --max-fp ({options.max_fp:g}): more ham would be held "
            "than delayed"
        )
    if options.by_table:
        faults += _too_few_tables(data)
    smallest = min(int(data.spam.sum()), int((~data.spam).sum()))
    if not 2 <= options.folds <= smallest:
        faults.append(f"--folds is from 2 to {smallest}, the rarer of ham and spam, not {options.folds}")
    for name, (low, high) in options.ranges.items():
        if name not in data.names:
            faults.append(f"--range {name}: no such symbol in the table")
        elif not data.tunable[data.names.index(name)]:
            faults.append(f"--range {name}: malware, the unknown and symbols without points stay out of the fit")
        elif not -MAX_POINTS <= low <= high <= MAX_POINTS:
            faults.append(f"--range {name}: {low:g} to {high:g} is no range of points")
    for name, cap in options.caps.items():
        wrong = cap_fault(name, cap) if name in GROUPS else f"groups.{name}: no such group ({', '.join(GROUPS)})"
        faults.extend([wrong] if wrong else [])
    if faults:
        raise MailFilterError("tune: " + "; ".join(faults))


def _too_few_tables(data: Dataset) -> list[str]:
    """What keeps tables from being left out one by one: too few, or one that holds all ham or all spam."""
    count = int(data.source.max()) + 1
    if count < 2:
        return ["--by-table needs two tables or more"]
    alone = [number for number in range(count) if len(set(data.spam[data.source != number].tolist())) < 2]
    return [f"--by-table: without table {number + 1} the others hold one class only" for number in alone]

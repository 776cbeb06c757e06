"""Measures of a filter that gives scores, their intervals, and whether one filter is shown to be better than another.

Rates and 1 - ROCA are in per cent, intervals two-sided at 95 %, calibration errors are fractions.  Intervals of
ranking measures come from the bootstrap over mails (percentile method, ham and spam drawn apart, fixed seed); mails
of one campaign are not independent, so read them as the least there is to doubt.  Definitions: Cormack and Lynam,
*TREC 2005 Spam Track Overview*.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .corpus import interval, miss_at, roca, upper95

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROUNDS = 1000
SEED = 0
_CHUNK = 50
BUDGETS = {"0.1": 0.001, "0.5": 0.005, "1": 0.01}
"""Shares of ham that may be lost, by the name they have in a row."""


class Errors(NamedTuple):
    """Mails of each class, and how many of them were called the other."""

    ham: int
    spam: int
    ham_lost: int
    spam_missed: int


def errors(called: ArrayLike, is_spam: ArrayLike) -> Errors:
    """What a filter's own word on each mail (n,) comes to."""
    word, spam = np.asarray(called, dtype=bool), np.asarray(is_spam, dtype=bool)
    return Errors(int((~spam).sum()), int(spam.sum()), int((word & ~spam).sum()), int((~word & spam).sum()))


def lam(found: Errors) -> float:
    """Logistic average misclassification in per cent: the mean of both error rates on the scale of log-odds.

    Half an error and one mail are added to each rate, ``(e + 0.5) / (n + 1)``, or it would be 0 as soon as one of the
    classes has no error.
    """
    rates = [(found.ham_lost + 0.5) / (found.ham + 1), (found.spam_missed + 0.5) / (found.spam + 1)]
    return float(100 / (1 + math.exp(-sum(math.log(rate / (1 - rate)) for rate in rates) / 2)))


class Reliability(NamedTuple):
    """Per bin, ascending: mean stated probability, true share of spam, and share of all weight."""

    stated: Floats
    true: Floats
    mass: Floats


def reliability(
    probabilities: ArrayLike, is_spam: ArrayLike, bins: int = 15, *, balanced: bool = False
) -> Reliability:
    """Stated probability against truth in ``bins`` of equal mass (Nguyen and O'Connor 2015); empty ones left out.

    ``balanced``  ham and spam weigh the same as classes, for log-odds that are calibrated so; else every mail does.
    """
    values, spam = np.asarray(probabilities, dtype=np.float64), np.asarray(is_spam, dtype=bool)
    weight = np.ones(len(values))
    if balanced and spam.any() and not spam.all():
        weight = np.where(spam, 1 / spam.sum(), 1 / (~spam).sum())
    levels, level = np.unique(values, return_inverse=True)
    # Among equal probabilities the order of the corpus must not matter: each gets the mean of its equals.
    shares = np.bincount(level, weight * spam) / np.bincount(level, weight) if len(levels) else np.empty(0)
    order = np.argsort(values, kind="stable")
    weight, level = weight[order], level[order]
    place = (bins * (np.cumsum(weight) - weight / 2) / max(weight.sum(), 1e-300)).astype(np.intp)
    mass = np.bincount(place, weight, bins)
    used = mass > 0
    stated = np.bincount(place, weight * levels[level], bins)[used] / mass[used]
    true = np.bincount(place, weight * shares[level], bins)[used] / mass[used]
    return Reliability(stated, true, mass[used] / max(mass.sum(), 1e-300))


def ece(probabilities: ArrayLike, is_spam: ArrayLike, bins: int = 15, *, balanced: bool = False) -> float:
    """Expected calibration error, a fraction: mean gap between stated probability and truth over `reliability`'s bins.

    (Naeini et al. 2015.)  NaN for no mail.
    """
    found = reliability(probabilities, is_spam, bins, balanced=balanced)
    return float(np.sum(found.mass * np.abs(found.stated - found.true))) if len(found.mass) else math.nan


def probability(log_odds: ArrayLike) -> Floats:
    """Log-odds as probability, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(log_odds, dtype=np.float64) / 2)), dtype=np.float64)


class Resampled(NamedTuple):
    """Measures of one filter on resampled mails, one row a round."""

    roca: Floats
    missed: dict[str, Floats]


def resample(
    many: Sequence[ArrayLike], is_spam: ArrayLike, rounds: int = ROUNDS, seed: int = SEED
) -> list[Resampled]:
    """1 - ROCA and spam missed at each of `BUDGETS` for each of ``many`` score arrays, on the same resampled mails."""
    spam = np.asarray(is_spam, dtype=bool)
    rankings = [_Ranking.of(np.asarray(scores, dtype=np.float64), spam) for scores in many]
    collected: list[list[tuple[Floats, dict[str, Floats]]]] = [[] for _ in rankings]
    for ham_weights, spam_weights in _draws(int((~spam).sum()), int(spam.sum()), rounds, seed):
        for place, ranking in zip(collected, rankings, strict=True):
            place.append(ranking.measure(ham_weights, spam_weights))
    return [
        Resampled(
            np.concatenate([one for one, _ in pieces]),
            {name: np.concatenate([missed[name] for _, missed in pieces]) for name in BUDGETS},
        )
        for pieces in collected
    ]


def _draws(ham: int, spam: int, rounds: int, seed: int) -> Iterator[tuple[Floats, Floats]]:
    """How often each mail is drawn, (rounds of this chunk, mails), for ham and for spam."""
    random = np.random.default_rng(seed)
    for start in range(0, rounds, _CHUNK):
        size = min(_CHUNK, rounds - start)
        yield _counts(random, ham, size), _counts(random, spam, size)


def _counts(random: np.random.Generator, mails: int, rounds: int) -> Floats:
    drawn = random.integers(mails, size=(rounds, mails))
    flat = np.bincount((drawn + mails * np.arange(rounds)[:, None]).ravel(), minlength=rounds * mails)
    return flat.reshape(rounds, mails).astype(np.float64)


class _Ranking(NamedTuple):
    """Order of ham and of spam by score, and where each distinct score starts in either."""

    ham_order: NDArray[np.intp]
    spam_order: NDArray[np.intp]
    ham_starts: NDArray[np.intp]
    spam_starts: NDArray[np.intp]

    @classmethod
    def of(cls, scores: Floats, spam: Flags) -> _Ranking:
        ham_order, spam_order = np.argsort(scores[~spam]), np.argsort(scores[spam])
        levels = np.unique(scores)
        starts = [
            np.append(np.searchsorted(part[order], levels), len(part))
            for part, order in ((scores[~spam], ham_order), (scores[spam], spam_order))
        ]
        return cls(ham_order, spam_order, starts[0], starts[1])

    def measure(self, ham_weights: Floats, spam_weights: Floats) -> tuple[Floats, dict[str, Floats]]:
        """1 - ROCA and misses of weighted mails, one a row of weights."""
        ham = _mass(ham_weights[:, self.ham_order], self.ham_starts)
        spam = _mass(spam_weights[:, self.spam_order], self.spam_starts)
        not_above = np.cumsum(spam, axis=1)
        hams, spams = ham.sum(axis=1), spam.sum(axis=1)
        value = 100 * np.sum(ham * (not_above - spam / 2), axis=1) / (hams * spams)
        above = hams[:, None] - np.cumsum(ham, axis=1)
        rows = np.arange(len(ham))
        missed = {
            name: 100 * not_above[rows, np.argmax(above <= np.floor(share * hams[:, None] + 1e-9), axis=1)] / spams
            for name, share in BUDGETS.items()
        }
        return value, missed


def _mass(weights: Floats, starts: NDArray[np.intp]) -> Floats:
    """Weight on each level, per row; ``starts`` has one entry more than there are levels."""
    sums = np.concatenate((np.zeros((len(weights), 1)), np.cumsum(weights, axis=1)), axis=1)
    return np.asarray(np.diff(sums[:, starts], axis=1))


def percentile_interval(values: ArrayLike) -> tuple[float, float]:
    """The middle 95 % of resampled values."""
    low, high = np.percentile(np.asarray(values, dtype=np.float64), [2.5, 97.5])
    return float(low), float(high)


def ranking_row(scores: ArrayLike, is_spam: ArrayLike) -> dict[str, Any]:
    """1 - ROCA and spam missed at each budget, with intervals; None for each where one of the classes is missing."""
    spam = np.asarray(is_spam, dtype=bool)
    names = [f"fn_pct_at_fp_{name}" for name in BUDGETS]
    if spam.all() or not spam.any():
        return dict.fromkeys(["one_minus_roca_pct", "one_minus_roca_interval", *names])
    drawn = resample([scores], spam)[0]
    low, high = percentile_interval(drawn.roca)
    value = roca(scores, spam)
    if value == 0:  # resampling mails without an error finds none: fall back on the rule of three
        high = upper95(0, min(int(spam.sum()), int((~spam).sum())))
    row: dict[str, Any] = {"one_minus_roca_pct": short(value), "one_minus_roca_interval": [short(low), short(high)]}
    for name, share in BUDGETS.items():
        row[f"fn_pct_at_fp_{name}"] = short(miss_at(scores, spam, share))
        row[f"fn_pct_at_fp_{name}_interval"] = [short(end) for end in percentile_interval(drawn.missed[name])]
    return row


def error_row(found: Errors) -> dict[str, Any]:
    """Counts and rates of both errors, with exact intervals; a rate is None where the class is missing."""
    row: dict[str, Any] = {"ham": found.ham, "spam": found.spam, "fp": found.ham_lost, "fn": found.spam_missed}
    for name, wrong, n in (("fp", found.ham_lost, found.ham), ("fn", found.spam_missed, found.spam)):
        row[f"{name}_pct"] = short(100 * wrong / n) if n else None
        row[f"{name}_interval"] = [short(end) for end in interval(wrong, n)] if n else None
    row["fp_upper95_pct"] = short(upper95(found.ham_lost, found.ham)) if found.ham else None
    return row


def mcnemar(first_wrong: ArrayLike, second_wrong: ArrayLike) -> float:
    """Exact two-sided p of McNemar's test (1947): are the two wrong equally often, on the same mails?"""
    first, second = np.asarray(first_wrong, dtype=bool), np.asarray(second_wrong, dtype=bool)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    n, few = only_first + only_second, min(only_first, only_second)
    return min(1.0, float(2 * sum(math.comb(n, k) for k in range(few + 1)) / 2**n))


def compare(
    names: tuple[str, str],
    scores: tuple[ArrayLike, ArrayLike],
    called: tuple[ArrayLike, ArrayLike],
    is_spam: ArrayLike,
) -> dict[str, Any]:
    """Whether the first of two filters is better than the second on the same mails.

    1 - ROCA: the paired bootstrap interval of the difference must not hold 0.  Errors by each one's own word:
    McNemar's p must be below 0.05.  Anything less is ``"not shown"``, never ``"better"``.
    """
    spam = np.asarray(is_spam, dtype=bool)
    wrong = [np.asarray(one, dtype=bool) != spam for one in called]
    row: dict[str, Any] = {"filter": names[0], "against": names[1]}
    if spam.any() and not spam.all():
        first, second = resample(scores, spam)
        low, high = percentile_interval(first.roca - second.roca)
        row["one_minus_roca_difference"] = short(roca(scores[0], spam) - roca(scores[1], spam))
        row["one_minus_roca_difference_interval"] = [short(low), short(high)]
        row["one_minus_roca"] = verdict(low, high)
    for name, members in (("fp", ~spam), ("fn", spam)):
        counts = [int(one[members].sum()) for one in wrong]
        p = mcnemar(wrong[0][members], wrong[1][members])
        row[name] = "not shown" if p >= 0.05 else "better" if counts[0] < counts[1] else "worse"
        row[f"{name}_mcnemar_p"] = short(p)
    return row


def verdict(low: float, high: float) -> str:
    """What an interval of "ours less theirs" of an error shows: better, worse, or nothing."""
    return "better" if high < 0 else "worse" if low > 0 else "not shown"


def short(value: float) -> float:
    """Four significant digits: more than any of these measures has."""
    return float(f"{value:.4g}")

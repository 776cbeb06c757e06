"""How good log-odds are: ranking, errors at a threshold, calibration.  Rates in per cent, numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def one_minus_roca(log_odds: NDArray[np.float64], spam: NDArray[np.bool_]) -> float:
    """Area above the ROC curve in per cent (TREC spam track): the chance that a ham scores above a spam."""
    values = np.sort(log_odds[~spam])
    above = len(values) - np.searchsorted(values, log_odds[spam], "right")
    equal = len(values) - np.searchsorted(values, log_odds[spam], "left") - above
    return float(100 * (above + equal / 2).mean() / len(values))


def calibration_error(log_odds: NDArray[np.float64], spam: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error (0..1) over equal bins of probability, both classes weighing the same."""
    chance = 1 / (1 + np.exp(-np.clip(log_odds, -40, 40)))
    weight = np.where(spam, 0.5 / max(int(spam.sum()), 1), 0.5 / max(int((~spam).sum()), 1))
    place = np.minimum((chance * bins).astype(np.intp), bins - 1)
    mass = np.bincount(place, weight, bins)
    gap = np.abs(np.bincount(place, weight * chance, bins) - np.bincount(place, weight * spam, bins))
    return float(gap[mass > 0].sum())


def quality(log_odds: NDArray[np.float64], spam: NDArray[np.bool_], threshold: float) -> dict[str, float | int]:
    """The usual figures of one set of judgements, rounded; those that need both classes only if both are there."""
    ham, bad = int((~spam).sum()), int(spam.sum())
    result: dict[str, float | int] = {"ham": ham, "spam": bad}
    if ham:
        lost = int((log_odds[~spam] > threshold).sum())
        result |= {"fp": lost, "fp_pct": round(100 * lost / ham, 3)}
    if bad:
        result["fn_pct"] = round(100 * float((log_odds[spam] <= threshold).mean()), 2)
    if ham and bad:
        result["one_minus_roca_pct"] = round(one_minus_roca(log_odds, spam), 4)
        result["ece"] = round(calibration_error(log_odds, spam), 4)
    return result

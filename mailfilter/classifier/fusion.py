"""Stacking that learns from feedback: how far to believe each of several judges of one mail.

Bayesian logistic regression on the judges' log-odds, one observation at a time: a normal distribution over the
coefficients, updated by one Newton step with the curvature at the prediction (the extended Kalman filter for
logistic regression; Fahrmeir 1992, and MacKay 1992 for the approximation).  The prior says what is believed before
any feedback; a judge that errs loses weight within some tens of observations.

Plain Python floats in a fixed order, so that equal observations give equal bits everywhere.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

_LEAST = 0.02
"""Least curvature: a confident mistake must move the coefficients by a finite step."""


def chance(log_odds: float) -> float:
    """Probability of ``log_odds``, safe for any finite number."""
    return 1 / (1 + math.exp(-min(max(log_odds, -40.0), 40.0)))


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(map(operator.mul, one, other))


class Stack:
    """Coefficients of some judges and how sure they are.

    ``mean``  coefficients believed before any feedback; ``variance``  of each, how freely feedback may move it.
    """

    def __init__(self, mean: Sequence[float], variance: Sequence[float]) -> None:
        self.mean = list(mean)
        self.covariance = [[variance[i] if i == j else 0.0 for j in range(len(mean))] for i in range(len(mean))]

    def log_odds(self, inputs: Sequence[float]) -> float:
        """The fused log-odds of one mail."""
        return _dot(self.mean, inputs)

    def learn(self, inputs: Sequence[float], spam: bool) -> None:
        """Take in what a mail turned out to be, of which the judges had said ``inputs``."""
        probability = chance(self.log_odds(inputs))
        curvature = max(probability * (1 - probability), _LEAST)
        spread = [_dot(row, inputs) for row in self.covariance]
        shrink = 1 / (1 / curvature + _dot(spread, inputs))
        step = shrink / curvature * (spam - probability)
        for i, (row, s) in enumerate(zip(self.covariance, spread, strict=True)):
            factor = s * shrink
            self.covariance[i] = [c - factor * t for c, t in zip(row, spread, strict=True)]
            self.mean[i] += s * step

    def numbers(self) -> list[float]:
        """All numbers of the state, to store them."""
        return [*self.mean, *(value for row in self.covariance for value in row)]

    def restore(self, numbers: Sequence[float]) -> None:
        """The inverse of `numbers`.  Raises ValueError if there are too few, too many, or one is not finite."""
        size = len(self.mean)
        if len(numbers) != size * (size + 1) or not all(map(math.isfinite, numbers)):
            raise ValueError("the stored weights of the judges are damaged")
        self.mean = list(numbers[:size])
        self.covariance = [list(numbers[size * (i + 1) : size * (i + 2)]) for i in range(size)]

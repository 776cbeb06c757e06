"""Limits for a budget of lost ham, chosen on scores of mail that the weights were not fitted on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from ..errors import MailFilterError

LOWEST = 0.5
"""No limit lies lower: a mail in which nothing was found has 0 points and passes."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Errors out of ``n`` mails and the exact two-sided 95 % interval of their share (Clopper and Pearson 1934)."""

    errors: int
    n: int

    @property
    def share(self) -> float:
        """Errors per mail."""
        return self.errors / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the interval, as shares."""
        low = 0.0 if self.errors == 0 else float(betaincinv(self.errors, self.n - self.errors + 1, 0.025))
        high = 1.0 if self.errors == self.n else float(betaincinv(self.errors + 1, self.n - self.errors, 0.975))
        return low, high

    @property
    def upper(self) -> float:
        """The one-sided 95 % upper bound; 3/n for no error."""
        return 1.0 if self.errors == self.n else float(betaincinv(self.errors + 1, self.n - self.errors, 0.95))

    def __str__(self) -> str:
        low, high = self.interval
        share = f"{100 * self.share:.3g} %, 95 % interval {100 * low:.2g} to {100 * high:.2g} %"
        return f"{self.errors} of {self.n} ({share})"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits in points, and what they come to on mail left out of the fit."""

    greylist: float
    quarantine: float
    bounce: float
    ham_lost: Rate
    spam_missed: Rate
    ham_greylisted: Rate


def choose(
    scores: NDArray[np.float64], spam: NDArray[np.bool_], max_fp: float, max_delayed: float, certain: bool = False
) -> Limits:
    """The lowest limits that keep within the budgets, half-way to the next spam above.

    ``scores``  points (mails,) of mail left out; ``max_fp`` and ``max_delayed``  shares of ham that may be
    quarantined, and that may be greylisted or worse; ``certain``  whether the one-sided 95 % upper bound must keep
    within ``max_fp`` and not only the share itself.  Bounce begins 2 points above the highest ham.

    Raises `MailFilterError` when there is too little ham to be certain.
    """
    ham = np.sort(scores[~spam])[::-1]
    allowed = int(max_fp * len(ham) + 1e-9)
    if certain:
        allowed = _certain(len(ham), max_fp)
    quarantine = _above(ham, allowed, scores[spam])
    greylist = min(_above(ham, int(max_delayed * len(ham) + 1e-9), scores[spam]), quarantine)
    bounce = _rounded(max(float(ham[0]) + 2.0, quarantine + 2.0))
    return Limits(
        greylist,
        quarantine,
        bounce,
        Rate(int((ham >= quarantine).sum()), len(ham)),
        Rate(int((scores[spam] < quarantine).sum()), int(spam.sum())),
        Rate(int(((ham >= greylist) & (ham < quarantine)).sum()), len(ham)),
    )


def _certain(ham: int, max_fp: float) -> int:
    """Errors among ``ham`` mails up to which the upper bound keeps within ``max_fp``."""
    allowed = -1
    while allowed + 1 < ham and Rate(allowed + 1, ham).upper <= max_fp:
        allowed += 1
    if allowed < 0:
        needed = math.ceil(math.log(0.05) / math.log1p(-max_fp)) if 0 < max_fp < 1 else 0
        raise MailFilterError(f"tune: {ham} ham cannot show a loss of at most {100 * max_fp:g} %; {needed} could")
    return allowed


def _above(ham: NDArray[np.float64], allowed: int, spam: NDArray[np.float64]) -> float:
    """A limit that ``allowed`` of the ham (descending) may reach, half-way from the next ham to the spam above it."""
    if allowed >= len(ham):
        return LOWEST
    below = float(ham[allowed])
    higher = spam[spam > below]
    limit = (below + float(higher.min())) / 2 if len(higher) else below + 1.0
    return _rounded(max(limit, below + 0.001, LOWEST))


def _rounded(limit: float) -> float:
    return math.ceil(limit * 1000 - 1e-6) / 1000

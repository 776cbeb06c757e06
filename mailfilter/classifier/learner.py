"""The learner: logistic regression on presence features, trained online by near-error passes.

A mail is learned from only while its error exceeds a margin ("thick threshold", Goodman and Yih 2006; Sculley
2008), for a few passes with a falling step.  All sums are whole numbers, so that the same mails give the same
weights on every machine, whatever its vector unit does to the order of additions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ONE = 1 << 16
"""Fixed-point unit of weights while they are learned."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a part is learned.

    ``step``    step of the first pass; pass k has ``step / (1 + decay * k)``.
    ``margin``  a mail is learned from while its error (1 - probability of its own class) exceeds this.
    ``passes``  number of passes over all mails.
    ``window``  each time a mail is learned from, a window of its n-grams is, that has between this share and all
                of them, at random: what stands beside it must do without it (1: always all).
    ``orders``  how often all is learned anew, in another order each time; the weights are the mean.
    """

    step: float = 5.0
    decay: float = 1.0
    margin: float = 0.1
    passes: int = 5
    window: float = 1.0
    orders: int = 1


@dataclass(frozen=True, slots=True)
class Rows:
    """Slots of many mails, one after the other: mail ``i`` has ``slots[bounds[i]:bounds[i + 1]]``."""

    slots: NDArray[np.int32]
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @classmethod
    def of(cls, rows: Sequence[NDArray[np.int32]]) -> Rows:
        """Rows out of one array a mail."""
        bounds = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=bounds[1:])
        return cls(np.concatenate(rows) if rows else np.empty(0, np.int32), bounds)

    def only(self, seen: NDArray[np.bool_]) -> Rows:
        """The same rows without the slots that are not ``seen``."""
        kept = seen[self.slots]
        sums = np.zeros(len(kept) + 1, np.int64)
        np.cumsum(kept, out=sums[1:])
        return Rows(self.slots[kept], sums[self.bounds])


def widely_seen(
    rows: Rows, groups: NDArray[np.intp], chosen: NDArray[np.intp], slots: int, corpora: int, mails: int
) -> NDArray[np.bool_]:
    """Which slots occur in at least ``mails`` mails of at least ``corpora`` groups, among the ``chosen`` mails.

    What only one corpus has tells the corpus, not the class.  With fewer groups than ``corpora``, all count.
    """
    present = np.zeros(slots, np.int16)
    names = np.unique(groups[chosen])
    for group in names:
        members = chosen[groups[chosen] == group]
        pieces = [rows.slots[rows.bounds[i] : rows.bounds[i + 1]] for i in members]
        present += np.bincount(np.concatenate(pieces), minlength=slots) >= min(mails, len(members))
    return present >= min(corpora, len(names))


def learn(
    rows: Rows,
    spam: NDArray[np.bool_],
    importance: NDArray[np.float64],
    chosen: NDArray[np.intp],
    slots: int,
    schedule: Schedule,
    seed: int = 0,
) -> NDArray[np.int32]:
    """Weights (fixed point, `ONE` is 1.0) of one part, learned from the ``chosen`` mails.

    ``importance``  factor on the step per mail: class weights and corpus balance.
    ``seed``  of the orders and windows.
    """
    total: NDArray[np.int64] = np.zeros(slots, np.int64)
    for number in range(schedule.orders):
        chance = np.random.Generator(np.random.PCG64(seed + number))
        weights = np.zeros(slots, np.int32)
        pass_over(weights, rows, spam, importance, chance, chance.permutation(chosen), schedule)
        total += weights
    return (total // schedule.orders).astype(np.int32)


def pass_over(
    weights: NDArray[np.int32],
    rows: Rows,
    spam: NDArray[np.bool_],
    importance: NDArray[np.float64],
    chance: np.random.Generator,
    order: NDArray[np.intp],
    schedule: Schedule,
) -> None:
    """Learn into ``weights``, in place, from the mails of ``order`` one after the other; windows by ``chance``."""
    edge = math.log((1 - schedule.margin) / schedule.margin)
    bounds = rows.bounds.tolist()
    sign = np.where(spam, 1.0, -1.0).tolist()
    factor = importance.tolist()
    walk = order.tolist()
    for number in range(schedule.passes):
        step = schedule.step / (1 + schedule.decay * number)
        windows = chance.random((len(walk), 2)).tolist() if schedule.window < 1 else None
        for at, mail in enumerate(walk):
            start, end = bounds[mail], bounds[mail + 1]
            if windows is not None:
                start, end = _window(start, end, windows[at], schedule.window)
            if start == end:
                continue
            found = rows.slots[start:end]
            weight = weights.take(found)
            root = math.sqrt(end - start)
            towards = sign[mail] * int(weight.sum(dtype=np.int64)) / (ONE * root)
            if towards < edge:
                error = 1 / (1 + math.exp(max(towards, -60.0)))
                weights[found] = weight + round(sign[mail] * step * factor[mail] * error / root * ONE)


def _window(start: int, end: int, chance: list[float], share: float) -> tuple[int, int]:
    """A random stretch of ``start:end`` that has at least ``share`` of it."""
    left_out = int((end - start) * chance[0] * (1 - share))
    skipped = int(chance[1] * (left_out + 1))
    return start + skipped, end - (left_out - skipped)


def fit_logistic(
    inputs: NDArray[np.float64], spam: NDArray[np.bool_], importance: NDArray[np.float64], ridge: float = 1e-3
) -> NDArray[np.float64]:
    """Coefficients of a weighted logistic regression without a constant, by Newton's method with a small ridge."""
    share = importance / importance.sum()
    beta = np.zeros(inputs.shape[1])
    for _ in range(60):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ beta, -40, 40)))
        slope = inputs.T @ (share * (chance - spam)) + ridge * beta
        bend = (inputs * (share * chance * (1 - chance))[:, None]).T @ inputs + ridge * np.eye(len(beta))
        change = np.linalg.solve(bend, slope)
        beta -= change * min(1.0, 5.0 / max(float(np.abs(change).max()), 1e-12))
        if float(np.abs(change).max()) < 1e-9:
            break
    return beta

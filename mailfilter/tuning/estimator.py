"""Points by logistic regression: non-negative for what speaks for spam, capped by group, costs of errors unequal.

The model of a mail is the one that the chain computes, ``score = Σ over groups of clip(Σ value · points, ± cap)``, and
the log-odds that the mail is rather to be stopped are ``sharpness · (score - limit)``.  Fitted is the loss of costs

    Σ cost_i · log(1 + exp(∓ log-odds_i)) + alpha · Σ (points_j - prior_j)²

under ``lower <= points <= upper`` with L-BFGS-B (Byrd, Lu, Nocedal, Zhu 1995).  The prior is what a person thought of a
rule, so one that hardly ever hits keeps its points.  Rows with the same hits and label are one row of more weight.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, issparse
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_array, check_is_fitted

Floats = NDArray[np.float64]


class PointsClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A scikit-learn classifier whose weights are points; class 1 is spam.

    ``cost_ham``   how many missed spams one lost ham is worth; 1 counts errors, more moves the boundary.
    ``alpha``      pull of each weight towards its prior, per square point, in units of one mail of average cost.
    ``limit``      points from which a mail is to be stopped.
    ``sharpness``  log-odds per point.
    ``lower``, ``upper``, ``prior``  points per column, (columns,) or one number; ``prior`` 0 shrinks to nothing.
    ``groups``     group of each column, -1 for none; ``caps`` points per group.  Both or neither.
    ``max_iter``, ``tol``  end of the search.

    Fitted: ``coef_`` points (columns,), ``classes_``, ``n_iter_``, ``loss_``, ``n_features_in_``, and
    ``calibration_``, slope and constant that make log-odds of points for the mix of the training mail.
    """

    def __init__(
        self,
        cost_ham: float = 1.0,
        *,
        alpha: float = 1.0,
        limit: float = 6.0,
        sharpness: float = 1.0,
        lower: ArrayLike | float = -10.0,
        upper: ArrayLike | float = 10.0,
        prior: ArrayLike | float = 0.0,
        groups: ArrayLike | None = None,
        caps: ArrayLike | None = None,
        max_iter: int = 300,
        tol: float = 1e-6,
    ) -> None:
        self.cost_ham = cost_ham
        self.alpha = alpha
        self.limit = limit
        self.sharpness = sharpness
        self.lower = lower
        self.upper = upper
        self.prior = prior
        self.groups = groups
        self.caps = caps
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> PointsClassifier:
        """Fit to values ``X`` (mails, columns), dense or CSR, and labels ``y``; `ValueError` for one class only."""
        x = _matrix(X)
        labels = np.asarray(y)
        self.classes_ = np.unique(labels)
        if len(self.classes_) != 2:
            raise ValueError(f"ham and spam are both needed; the labels hold {len(self.classes_)} class(es)")
        spam = labels == self.classes_[1]
        weight = np.ones(len(spam)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        weight = np.where(spam, weight, weight * self.cost_ham)
        self.n_features_in_ = x.shape[1]
        lower, upper, prior = (self._each(name) for name in ("lower", "upper", "prior"))
        if (lower > upper).any():
            column = int(np.flatnonzero(lower > upper)[0])
            raise ValueError(f"column {column}: lower bound {lower[column]} is above the upper bound {upper[column]}")
        free = np.flatnonzero(lower < upper)
        x, spam, weight = _collapsed(x, spam, weight)
        self._search(x, spam, weight / weight.mean(), free, (lower, upper, np.clip(prior, lower, upper)))
        self.calibration_ = _curve(self.points(x), spam, np.where(spam, weight, weight / self.cost_ham))
        return self

    def decision_function(self, X: Any) -> Floats:
        """Points above the limit, (mails,): from 0 on a mail is to be stopped."""
        return self.points(X) - self.limit

    def points(self, X: Any) -> Floats:
        """Score of each mail in points, caps counted."""
        check_is_fitted(self)
        return _Sums(_matrix(X), self._group_of(), self._caps()).total(self.coef_)

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of ham and spam, (mails, 2), for the mix of the training mail and without regard to costs.

        The points were fitted with ham counted ``cost_ham`` times; a logistic curve over them, fitted without costs,
        takes that out again (Platt 1999).
        """
        slope, constant = self.calibration_
        spam = expit(slope * self.points(X) + constant)
        return np.column_stack([1 - spam, spam])

    def predict(self, X: Any) -> NDArray[Any]:
        """What is to be stopped, at the costs given."""
        return self.classes_[(self.decision_function(X) >= 0).astype(np.intp)]

    def _search(
        self, x: Any, spam: NDArray[np.bool_], weight: Floats, free: NDArray[np.intp], fixed: tuple[Floats, ...]
    ) -> None:
        lower, upper, prior = fixed
        sign = np.where(spam, -self.sharpness, self.sharpness)
        sums = _Sums(x, self._group_of(), self._caps())
        points = prior.copy()

        def value(moved: Floats) -> tuple[float, Floats]:
            points[free] = moved
            margin = sign * (sums.total(points) - self.limit)
            away = moved - prior[free]
            loss = float(weight @ np.logaddexp(0.0, margin)) + self.alpha * float(away @ away)
            gradient = sums.gradient(weight * sign * expit(margin))
            return loss, gradient[free] + 2 * self.alpha * away

        found = minimize(
            value,
            prior[free],
            jac=True,
            method="L-BFGS-B",
            bounds=np.column_stack([lower[free], upper[free]]),
            options={"maxiter": self.max_iter, "ftol": self.tol, "gtol": 1e-8, "maxcor": 20},
        )
        points[free] = found.x
        self.coef_, self.n_iter_, self.loss_ = points, int(found.nit), float(found.fun)

    def _each(self, name: str) -> Floats:
        given = np.asarray(getattr(self, name), np.float64)
        if given.ndim and given.shape != (self.n_features_in_,):
            raise ValueError(f"{name} has shape {given.shape}, there are {self.n_features_in_} columns")
        return np.broadcast_to(given, (self.n_features_in_,)).copy()

    def _caps(self) -> Floats:
        return np.asarray([] if self.caps is None else self.caps, np.float64)

    def _group_of(self) -> NDArray[np.int64] | None:
        """Capped group of each column, -1 for none; ``None`` where no group is capped."""
        return None if self.groups is None or self.caps is None else np.asarray(self.groups, np.int64)


class _Sums:
    """Scores under caps and their gradient; ``x`` CSR, ``group`` (columns,) with -1 for no cap, ``caps`` (groups,)."""

    def __init__(self, x: Any, group: NDArray[np.int64] | None, caps: Floats) -> None:
        self._x, self._caps = x, caps
        self.capped = group is not None and len(caps) > 0
        if group is not None and self.capped:
            # One row for each mail and group; the last of a mail holds what no cap is on.
            self._cells = (x.shape[0], len(caps) + 1)
            place = np.where(group < 0, len(caps), group)
            cell = np.repeat(np.arange(x.shape[0]) * self._cells[1], np.diff(x.indptr)) + place[x.indices]
            self._x = csr_matrix((x.data, (cell, x.indices)), shape=(self._cells[0] * self._cells[1], x.shape[1]))
            self._inside = np.ones(self._cells)
        self._mirrored = self._x.T.tocsr()

    def by_group(self, points: Floats) -> Floats:
        """Sums of each row by group, uncut, (rows, groups + 1); the last are those without a cap."""
        return np.asarray(self._x @ points, np.float64).reshape(self._cells)

    def total(self, points: Floats) -> Floats:
        """Score of each row; `gradient` refers to the last one."""
        if not self.capped:
            return np.asarray(self._x @ points, np.float64)
        sums = self.by_group(points)
        cut = np.clip(sums[:, :-1], -self._caps, self._caps)
        np.equal(cut, sums[:, :-1], out=self._inside[:, :-1])
        return np.asarray(cut.sum(axis=1) + sums[:, -1], np.float64)

    def gradient(self, slope: Floats) -> Floats:
        """Slope of a loss by each column's points, from its slope by each row's score."""
        by_row = (self._inside * slope[:, None]).ravel() if self.capped else slope
        return np.asarray(self._mirrored @ by_row, np.float64)


def _curve(points: Floats, spam: NDArray[np.bool_], weight: Floats) -> tuple[float, float]:
    """Slope and constant of a logistic curve over points; hardly bent by the ridge, never falling."""
    sign, share = np.where(spam, -1.0, 1.0), weight / weight.sum()

    def value(line: Floats) -> tuple[float, Floats]:
        margin = sign * (line[0] * points + line[1])
        slope = share * sign * expit(margin)
        ridge = 1e-6 * float(line @ line)
        gradient = np.array([slope @ points, slope.sum()]) + 2e-6 * line
        return float(share @ np.logaddexp(0.0, margin)) + ridge, gradient

    found = minimize(value, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(1e-3, 100), (None, None)])
    return float(found.x[0]), float(found.x[1])


def _matrix(given: Any) -> Any:
    if issparse(given):
        return check_array(given, accept_sparse="csr", dtype=np.float64)
    return csr_matrix(check_array(given, dtype=np.float64))


def _collapsed(x: Any, spam: NDArray[np.bool_], weight: Floats) -> tuple[Any, NDArray[np.bool_], Floats]:
    """Rows with the same hits and label as one row that weighs as much as all of them."""
    x = x.sorted_indices() if not x.has_sorted_indices else x
    starts, columns, values = x.indptr.tolist(), x.indices, x.data
    first: dict[tuple[bytes, bytes, bool], int] = {}
    place = [
        first.setdefault((columns[a:b].tobytes(), values[a:b].tobytes(), label), len(first))
        for a, b, label in zip(starts, starts[1:], spam.tolist(), strict=False)
    ]
    total = np.bincount(place, weight, len(first)).astype(np.float64)
    kept = np.unique(place, return_index=True)[1]
    return x[kept], spam[kept], total

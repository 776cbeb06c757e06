"""The learner as scikit-learn estimators: mails to n-grams, n-grams to log-odds, for model selection and calibration.

    make_pipeline(MailFeatures(), NearErrorClassifier()).fit(mails, labels)

is what `mailfilter.classifier.train` does for one part of a model, in a form that cross_val_predict, GridSearchCV,
CalibratedClassifierCV and TunedThresholdClassifierCV take.  Scoring mail needs none of this: nothing else in the
package imports this module, so scikit-learn is loaded where it is asked for only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix, issparse
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..message import Message
from .features import Extractor, layout
from .learner import ONE, Rows, Schedule, learn, pass_over
from .train import PORTABLE
from .views import views as made_views

__all__ = ["MailFeatures", "NearErrorClassifier"]

Floats = NDArray[np.float64]

_LARGEST = 10_000.0
"""Bound of step times weight of a mail: weights are fixed-point numbers of 32 bits."""


class NearErrorClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression on presence features, learned by near-error passes (`mailfilter.classifier.learner`).

    A column counts as present in a row where its value is not 0; how large the value is does not matter.  Log-odds
    are the weights of what is present over the square root of how many of them were seen in training.  Two classes;
    of those the second in sorted order (`True`, 1, "spam") is spam.

    ``step``, ``decay``, ``margin``, ``passes``, ``window``, ``orders``  see `Schedule`; a window is a stretch of a
    row's columns in the order in which a CSR matrix stores them.
    ``ham_weight``    how many missed spams a lost ham is worth; multiplies what ``class_weight`` says.
    ``class_weight``  ``None``, "balanced", or weights by label.
    ``random_state``  seed of orders and windows: a number (the same data give the same weights, bit for bit), a
                      RandomState or ``None``.

    Fitted: ``classes_`` (2,), ``weights_`` int32 (columns,) in units of 1/65536, ``seen_`` bool (columns,), and
    ``n_features_in_``; ``coef_`` is ``weights_`` as floats, (1, columns).  Raises `ValueError` for one class only, and
    for settings out of range.
    """

    def __init__(
        self,
        *,
        step: float = 5.0,
        decay: float = 1.0,
        margin: float = 0.1,
        passes: int = 5,
        window: float = 1.0,
        orders: int = 1,
        ham_weight: float = 1.0,
        class_weight: Mapping[Any, float] | str | None = None,
        random_state: Any = 0,
    ) -> None:
        self.step = step
        self.decay = decay
        self.margin = margin
        self.passes = passes
        self.window = window
        self.orders = orders
        self.ham_weight = ham_weight
        self.class_weight = class_weight
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_class = False
        # By presence alone, the check's clouds of real numbers all look the same.
        tags.classifier_tags.poor_score = True
        return tags

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> NearErrorClassifier:
        """Learn from values ``X`` (mails, columns), dense or sparse, and labels ``y``; forgets what was learned before.

        ``sample_weight``  factor on the step per mail, (mails,); a mail of weight 0 is not learned from.
        """
        schedule = self._schedule()
        x, labels = self._checked(X, y, reset=True)
        self.classes_ = _two(np.unique(labels))
        spam, importance = self._importance(x, labels, sample_weight)
        rows, chosen = _rows(x), np.flatnonzero(importance > 0)
        self.seen_ = np.zeros(x.shape[1], np.bool_)
        self._see(x, importance > 0)
        self._mails = len(chosen)
        self.weights_ = learn(rows, spam, importance, chosen, x.shape[1], schedule, self._seed())
        return self

    def partial_fit(
        self, X: Any, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> NearErrorClassifier:
        """Learn from some more mail, in one pass in the order given, with the full step.

        ``classes``  both labels; needed in the first call unless ``y`` holds both.
        """
        schedule = self._schedule()
        first = not hasattr(self, "classes_")
        x, labels = self._checked(X, y, reset=first)
        if first:
            self.classes_ = _two(np.unique(labels if classes is None else np.asarray(classes)))
            self.weights_, self.seen_ = np.zeros(x.shape[1], np.int32), np.zeros(x.shape[1], np.bool_)
            self._mails = 0
        elif classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
            raise ValueError(f"classes {classes!r} are not those of the first call, {self.classes_.tolist()!r}")
        if strange := set(np.unique(labels).tolist()) - set(self.classes_.tolist()):
            raise ValueError(f"labels {sorted(strange)!r} are not among the classes {self.classes_.tolist()!r}")
        spam, importance = self._importance(x, labels, sample_weight)
        chosen = np.flatnonzero(importance > 0)
        self._see(x, importance > 0)
        chance = np.random.Generator(np.random.PCG64([self._seed(), self._mails]))
        once = Schedule(schedule.step, schedule.decay, schedule.margin, 1, schedule.window)
        pass_over(self.weights_, _rows(x), spam, importance, chance, chosen, once)
        self._mails += len(chosen)
        return self

    def decision_function(self, X: Any) -> Floats:
        """Log-odds of spam of each row, (mails,)."""
        check_is_fitted(self)
        x = _presence(validate_data(self, X, reset=False, accept_sparse="csr", accept_large_sparse=False))
        sums = _row_sums(self.weights_.take(x.indices), x.indptr)
        known = _row_sums(self.seen_.take(x.indices), x.indptr)
        log_odds: Floats = sums / (ONE * np.sqrt(np.maximum(known, 1)))
        return log_odds

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of both classes, (mails, 2); uncalibrated, and with unequal weights not meant to be chances."""
        spam = expit(self.decision_function(X))
        return np.column_stack([1 - spam, spam])

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier class of each row."""
        spam = self.decision_function(X) > 0
        labels: NDArray[Any] = self.classes_[spam.astype(np.intp)]
        return labels

    @property
    def coef_(self) -> Floats:
        """Weights of the columns, (1, columns)."""
        check_is_fitted(self)
        return (self.weights_ / ONE)[None, :]

    def _schedule(self) -> Schedule:
        for name, value, good, range_ in (
            ("step", self.step, 0 < self.step <= _LARGEST, f"above 0 and up to {_LARGEST:g}"),
            ("decay", self.decay, 0 <= self.decay < math.inf, "0 or more"),
            ("margin", self.margin, 0 < self.margin < 1, "between 0 and 1"),
            ("passes", self.passes, _whole(self.passes), "a whole number from 1"),
            ("window", self.window, 0 < self.window <= 1, "above 0 and up to 1"),
            ("orders", self.orders, _whole(self.orders), "a whole number from 1"),
            ("ham_weight", self.ham_weight, 0 < self.ham_weight < math.inf, "above 0"),
        ):
            if not good:
                raise ValueError(f"{name} has to be {range_}, got {value!r}")
        return Schedule(self.step, self.decay, self.margin, int(self.passes), self.window, int(self.orders))

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _checked(self, X: Any, y: ArrayLike, *, reset: bool) -> tuple[Any, NDArray[Any]]:
        """Presence as CSR, and labels of not more than two classes."""
        x, labels = validate_data(self, X, y, reset=reset, accept_sparse="csr", accept_large_sparse=False)
        check_classification_targets(labels)
        kind = type_of_target(labels, input_name="y")
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        return _presence(x), labels

    def _see(self, x: Any, used: NDArray[np.bool_]) -> None:
        """Note the columns of the rows that are ``used``."""
        self.seen_[x.indices[np.repeat(used, np.diff(x.indptr))]] = True

    def _importance(
        self, x: Any, labels: NDArray[Any], sample_weight: ArrayLike | None
    ) -> tuple[NDArray[np.bool_], Floats]:
        """Which rows are spam, and the factor on the step of each."""
        spam: NDArray[np.bool_] = labels == self.classes_[1]
        result: Floats = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True, copy=True)
        if self.class_weight is not None:
            ham_factor, spam_factor = self._class_weights(labels)
            result *= np.where(spam, spam_factor, ham_factor)
        result[~spam] *= self.ham_weight
        if len(result) and result.max() * self.step > _LARGEST:
            raise ValueError(f"step times weight of a mail is {result.max() * self.step:g}, at most {_LARGEST:g} works")
        return spam, result

    def _class_weights(self, labels: NDArray[Any]) -> tuple[float, float]:
        """What ``class_weight`` says of both classes."""
        if self.class_weight == "balanced" and len(np.unique(labels)) < 2:
            raise ValueError('class_weight "balanced" needs mail of both classes in each call; give numbers instead')
        ham, spam = compute_class_weight(self.class_weight, classes=self.classes_, y=labels)
        return float(ham), float(spam)


class MailFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer from raw mails to the presence of hashed n-grams, as `mailfilter.classifier.features` makes them.

    ``views``  names of the views to look at (`mailfilter.classifier.views.VIEWS`); each has 2^20 columns.

    Nothing is learned: `fit` only checks the names.  `transform` takes a sequence of bytes or `Message` and gives a
    CSR matrix of ones, int8, (mails, columns), whose rows stand in the order of the mail's text, which is what a
    window of `NearErrorClassifier` goes by.
    """

    def __init__(self, views: Sequence[str] = PORTABLE) -> None:
        self.views = views

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    def fit(self, X: Any = None, y: Any = None) -> MailFeatures:
        """Raise `ValueError` for a view that does not exist; nothing is learned."""
        self._extractor()
        return self

    def transform(self, X: Iterable[bytes | Message]) -> csr_matrix:
        """Which n-grams stand in each mail.  Raises `TypeError` for what is no mail."""
        extractor = self._extractor()
        names = extractor.layout.names
        pieces = [
            extractor.hash_in_order(made_views(message, names)).slots.astype(np.int32) for message in _messages(X)
        ]
        rows = Rows.of(pieces)
        ones = np.ones(len(rows.slots), np.int8)
        return csr_matrix((ones, rows.slots, rows.bounds), shape=(len(pieces), extractor.layout.slots))

    def _extractor(self) -> Extractor:
        if isinstance(self.views, str) or not len(self.views):
            raise ValueError(f"views has to be a list of names, got {self.views!r}")
        try:
            return Extractor(layout(tuple(self.views)))
        except KeyError as error:
            raise ValueError(error.args[0]) from None


def _messages(mails: Any) -> Iterable[Message]:
    if isinstance(mails, bytes | str | Message):
        raise TypeError(f"mails have to be a list of bytes or Message, got one {type(mails).__name__}")
    for number, mail in enumerate(mails):
        if not isinstance(mail, bytes | Message):
            raise TypeError(f"mail {number} has to be bytes or a Message, got {type(mail).__name__}")
        yield mail if isinstance(mail, Message) else Message(bytes(mail))


def _two(classes: NDArray[Any]) -> NDArray[Any]:
    if len(classes) != 2:
        raise ValueError(f"ham and spam are both needed; the labels hold {len(classes)} class(es)")
    return classes


def _whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and int(value) >= 1


def _presence(given: Any) -> Any:
    """CSR whose stored values are those that are not 0; columns of a row keep their order."""
    if not issparse(given):
        return csr_matrix(given != 0)
    if not given.has_canonical_format:
        summed = given.copy()
        summed.sum_duplicates()
        given = summed if summed.nnz < given.nnz else given
    if given.nnz and not np.all(given.data):
        given = given.copy()
        given.eliminate_zeros()
    return given


def _rows(x: Any) -> Rows:
    return Rows(x.indices.astype(np.int32, copy=False), x.indptr.astype(np.int64, copy=False))


def _row_sums(values: NDArray[Any], indptr: NDArray[Any]) -> NDArray[np.int64]:
    """Sum of whole numbers per row of a CSR matrix: exact, so any batch gives the same bits."""
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=sums[1:])
    totals: NDArray[np.int64] = np.diff(sums[indptr])
    return totals

"""The estimator: what it is asked to minimise, its bounds and caps, and scikit-learn's tools working on it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV

from mailfilter.scoring import Caps, Hits, score
from mailfilter.tuning import PointsClassifier
from mailfilter.tuning.estimator import _Sums


def data(mails: int = 600, rules: int = 12, seed: int = 0) -> tuple[csr_matrix, np.ndarray]:
    random = np.random.default_rng(seed)
    spam = random.random(mails) < 0.4
    chance = np.where(spam[:, None], np.linspace(0.05, 0.6, rules), np.linspace(0.5, 0.02, rules))
    values = (random.random((mails, rules)) < chance) * random.choice([1.0, 0.5], (mails, rules))
    return csr_matrix(values), spam


SIDES = {"lower": [-5.0] * 6 + [0.0] * 6, "upper": [0.0] * 6 + [5.0] * 6, "prior": [-0.5] * 6 + [0.5] * 6}
GROUPS = {"groups": [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, -1], "caps": [2.5, 3.0]}


def test_it_learns_within_its_bounds() -> None:
    x, spam = data()
    made = PointsClassifier(limit=2.0, **SIDES).fit(x, spam)
    assert (made.coef_ >= np.array(SIDES["lower"])).all()
    assert (made.coef_ <= np.array(SIDES["upper"])).all()
    assert made.score(x, spam) > 0.9
    assert made.n_features_in_ == 12


def test_a_fixed_weight_stays_and_a_dead_rule_keeps_its_prior() -> None:
    x, spam = data()
    x = csr_matrix(np.hstack([x.toarray(), np.zeros((x.shape[0], 1))]))
    sides = {name: [*values, {"lower": 0.0, "upper": 5.0, "prior": 0.7}[name]] for name, values in SIDES.items()}
    sides["lower"][11] = sides["upper"][11] = 1.25
    made = PointsClassifier(limit=2.0, **sides).fit(x, spam)
    assert made.coef_[11] == 1.25
    assert made.coef_[12] == pytest.approx(0.7)


def test_points_under_caps_are_what_the_chain_computes() -> None:
    x, spam = data()
    made = PointsClassifier(limit=2.0, **SIDES, **GROUPS).fit(x, spam)
    made.coef_ = np.round(made.coef_, 3)
    hits = Hits(x.indptr.astype(np.int64), x.indices.astype(np.int32), x.data)
    caps = Caps(("a", "b"), np.array([2500, 3000]), np.array(GROUPS["groups"], np.int8))
    exact = score(hits, np.rint(made.coef_ * 1000).astype(np.int64), caps) / 1000
    assert np.abs(exact - made.points(x)).max() < 0.006  # every contribution of the chain is rounded to a thousandth
    assert made.points(x).max() <= 2.5 + 3.0 + 5.0


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    x, spam = data(60)
    for group in (None, np.array(GROUPS["groups"])):
        sums = _Sums(x, group, np.array(GROUPS["caps"]))

        def loss(points: np.ndarray, sums: _Sums = sums) -> float:
            return float(np.logaddexp(0, np.where(spam, -1, 1) * (sums.total(points) - 2.0)).sum())

        def slope(points: np.ndarray, sums: _Sums = sums) -> np.ndarray:
            margin = np.where(spam, -1, 1) * (sums.total(points) - 2.0)
            return sums.gradient(np.where(spam, -1, 1) / (1 + np.exp(-margin)))

        assert check_grad(loss, slope, np.linspace(-1.3, 2.1, 12)) < 1e-4


def test_a_dearer_ham_is_lost_more_rarely_and_probabilities_stay_honest() -> None:
    x, spam = data(3000)
    cheap, dear = (PointsClassifier(cost, limit=2.0, **SIDES).fit(x, spam) for cost in (1.0, 50.0))
    assert dear.predict(x)[~spam].sum() < cheap.predict(x)[~spam].sum()
    for made in (cheap, dear):
        probability = made.predict_proba(x)
        assert np.allclose(probability.sum(axis=1), 1)
        assert abs(probability[:, 1].mean() - spam.mean()) < 0.02


def test_copies_of_mails_are_weights_and_order_does_not_matter() -> None:
    x, spam = data(200)
    weight = np.random.default_rng(1).integers(1, 4, 200)
    order = np.repeat(np.arange(200), weight)[::-1]
    one = PointsClassifier(limit=2.0, **SIDES).fit(x, spam, sample_weight=weight)
    other = PointsClassifier(limit=2.0, **SIDES).fit(x[order], spam[order])
    # Weights are relative to the average mail, so as many mails of the same weight say the same.
    assert np.allclose(one.coef_, other.coef_, atol=0.05)


def test_grid_search_and_threshold_tuning_work_on_it() -> None:
    x, spam = data(400)
    made = PointsClassifier(limit=2.0, **SIDES)
    assert clone(made).get_params()["limit"] == 2.0
    search = GridSearchCV(made, {"alpha": [0.1, 10.0], "sharpness": [0.5, 1.0]}, cv=3, scoring="roc_auc").fit(x, spam)
    assert search.best_score_ > 0.95
    tuned = TunedThresholdClassifierCV(made, scoring="balanced_accuracy", cv=3).fit(x, spam)
    assert tuned.score(x, spam) > 0.9
    named = PointsClassifier(limit=2.0, **SIDES).fit(x, np.where(spam, "spam", "ham"))
    assert set(named.predict(x)) == {"ham", "spam"}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"lower": [1.0] * 12, "upper": [0.0] * 12}, "column 0: lower bound 1.0 is above the upper bound 0.0"),
        ({"prior": [0.0] * 3}, r"prior has shape \(3,\), there are 12 columns"),
    ],
)
def test_bounds_that_contradict_each_other(how: dict[str, list[float]], said: str) -> None:
    x, spam = data()
    with pytest.raises(ValueError, match=said):
        PointsClassifier(**how).fit(x, spam)


def test_one_class_is_no_fit() -> None:
    x, _ = data()
    with pytest.raises(ValueError, match="ham and spam are both needed"):
        PointsClassifier().fit(x, np.ones(x.shape[0]))

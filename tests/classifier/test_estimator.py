"""The learner under scikit-learn: its contract, the same weights as in training, and its tools on raw mails."""

from __future__ import annotations

import pickle
from random import Random

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from mailfilter.classifier.estimator import MailFeatures, NearErrorClassifier
from mailfilter.classifier.features import Extractor, layout
from mailfilter.classifier.learner import ONE, Schedule
from mailfilter.classifier.model import UNSEEN
from mailfilter.classifier.train import Options, train
from mailfilter.message import Message

NOT_OURS = {
    f"check_sample_weight_equivalence_on_{kind}_data": "online: a mail of weight 2 is one step of twice the size, "
    "two mails are two steps, the second of which sees what the first has taught"
    for kind in ("dense", "sparse")
}
"""Checks whose contract does not apply, and why."""

WORDS = """
minutes meeting report agenda draft budget review patch kernel release notes lunch thanks regards
prize winner claim free money click offer pills casino urgent account verify limited bonus
please find the attached and see you with your our for this week today online order
"""
HAM_WORDS, SPAM_WORDS, COMMON_WORDS = (line.split() for line in WORDS.strip().splitlines())


def mails(count: int = 80, seed: int = 1) -> tuple[list[bytes], np.ndarray]:
    """Mails that we make up, every other one spam, with some words of the other class in each."""
    random = Random(seed)
    made = []
    for number in range(count):
        own, other = (SPAM_WORDS, HAM_WORDS) if number % 2 else (HAM_WORDS, SPAM_WORDS)
        words = random.choices(own, k=9) + random.choices(other, k=4) + random.choices(COMMON_WORDS, k=12)
        random.shuffle(words)
        text = " ".join(words)
        made.append(f"From: a{number}@b.example\nSubject: {' '.join(words[:3])}\n\n{text}\n".encode())
    return made, np.arange(count) % 2 == 1


def pipeline(**settings: object) -> Pipeline:
    return make_pipeline(MailFeatures(views=("text",)), NearErrorClassifier(**settings))


def rows(count: int = 60, columns: int = 30, seed: int = 0) -> tuple[csr_matrix, np.ndarray]:
    random = np.random.default_rng(seed)
    spam = random.random(count) < 0.5
    chance = np.where(spam[:, None], np.linspace(0.1, 0.8, columns), np.linspace(0.8, 0.1, columns))
    return csr_matrix((random.random((count, columns)) < chance).astype(float)), spam


def test_it_keeps_the_contract_of_scikit_learn() -> None:
    outcome = check_estimator(NearErrorClassifier(), on_skip=None, on_fail=None, expected_failed_checks=NOT_OURS)
    failed = {check["check_name"]: check["exception"] for check in outcome if check["status"] == "failed"}
    assert failed == {}
    assert {check["check_name"] for check in outcome if check["status"] == "xfail"} == NOT_OURS.keys()
    assert sum(check["status"] == "passed" for check in outcome) > 40


@pytest.mark.parametrize("schedule", [Schedule(5.0, 1.0, 0.1, 5, 1.0, 3), Schedule(1.0, 1.0, 0.1, 4, 0.5, 1)])
def test_the_weights_are_those_of_training(schedule: Schedule) -> None:
    raws, spam = mails()
    options = Options(views=("text",), schedule=schedule, ham_weight=7.0, blend=(), seed=5)
    model = train(zip(raws, spam.tolist(), strict=True), options)
    settings = {name: getattr(schedule, name) for name in Schedule.__dataclass_fields__}
    made = NearErrorClassifier(**settings, ham_weight=7.0, random_state=5)
    features = MailFeatures(views=("text",))
    made.fit(features.fit_transform(raws), spam)
    known = model.weights != UNSEEN
    assert np.array_equal(known, made.seen_)
    step = round(model.fusion.scale[0] * ONE)
    expected = np.clip(np.rint(made.weights_[known] / step), -127, 127)
    assert np.array_equal(model.weights[known], expected)
    assert len(np.unique(expected)) > 20
    fresh, _ = mails(20, seed=9)
    said = made.decision_function(features.transform(fresh))
    alone = np.array([made.decision_function(features.transform([raw]))[0] for raw in fresh])
    assert said.tobytes() == alone.tobytes()
    assert np.corrcoef(said, model.score([Message(raw) for raw in fresh]))[0, 1] > 0.99


def test_features_are_those_of_the_model() -> None:
    raws, _ = mails(6)
    used = layout(("text", "marks"))
    matrix = MailFeatures(views=used.names).transform([raws[0], *map(Message, raws[1:])])
    assert matrix.shape == (6, used.slots)
    for number, raw in enumerate(raws):
        slots = matrix.indices[matrix.indptr[number] : matrix.indptr[number + 1]]
        assert np.array_equal(np.sort(slots), Extractor(used).extract(Message(raw)).slots)
    assert MailFeatures().transform([]).shape[0] == 0


def test_dense_sparse_and_values_make_no_difference() -> None:
    x, spam = rows()
    first = NearErrorClassifier().fit(x, spam)
    louder = x.toarray() * -3.5
    padded = csr_matrix((np.append(x.data, 0.0), np.append(x.indices, 7), [*x.indptr[:-1], x.nnz + 1]), x.shape)
    twice = csr_matrix((np.repeat(x.data, 2), np.repeat(x.indices, 2), x.indptr * 2), x.shape)
    for other in (louder, x.tocsc(), padded if not x[-1, 7] else x, twice):
        second = NearErrorClassifier().fit(other, spam)
        assert np.array_equal(first.weights_, second.weights_)
        assert np.array_equal(first.decision_function(x), second.decision_function(other))
    assert first.coef_.shape == (1, 30)
    assert first.score(x, spam) > 0.9


def test_learning_piece_by_piece() -> None:
    x, spam = rows(200)
    whole = NearErrorClassifier(window=0.7).partial_fit(x, spam)
    pieces = NearErrorClassifier()
    single = NearErrorClassifier().partial_fit(x, spam)
    for start in range(0, 200, 50):
        pieces.partial_fit(x[start : start + 50], spam[start : start + 50], classes=[False, True])
    assert np.array_equal(single.weights_, pieces.weights_)
    assert not np.array_equal(single.weights_, whole.weights_)
    assert min(whole.score(x, spam), pieces.score(x, spam)) > 0.9
    one_class = NearErrorClassifier().partial_fit(x[spam], spam[spam], classes=[False, True])
    assert one_class.classes_.tolist() == [False, True]
    with pytest.raises(ValueError, match="not those of the first call"):
        one_class.partial_fit(x, spam, classes=["ham", "spam"])
    with pytest.raises(ValueError, match=r"labels \[2\] are not among the classes"):
        NearErrorClassifier().fit(x, spam.astype(int)).partial_fit(x, spam.astype(int) * 2)


def test_weights_of_classes_and_mails() -> None:
    x, spam = rows()
    names = np.where(spam, "spam", "ham")
    dear = NearErrorClassifier(ham_weight=8.0).fit(x, names)
    same = NearErrorClassifier(class_weight={"ham": 8.0, "spam": 1.0}).fit(x, names)
    each = NearErrorClassifier().fit(x, names, sample_weight=np.where(spam, 1.0, 8.0))
    assert dear.classes_.tolist() == ["ham", "spam"]
    assert np.array_equal(dear.weights_, same.weights_)
    assert np.array_equal(dear.weights_, each.weights_)
    plain = NearErrorClassifier().fit(x, names)
    assert dear.decision_function(x).mean() < plain.decision_function(x).mean()
    with pytest.raises(ValueError, match="needs mail of both classes"):
        NearErrorClassifier(class_weight="balanced").partial_fit(x[spam], names[spam], classes=["ham", "spam"])
    with pytest.raises(ValueError, match="step times weight"):
        NearErrorClassifier().fit(x, names, sample_weight=np.full(len(names), 1e9))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"step": 0}, "step has to be above 0"),
        ({"margin": 1.0}, "margin has to be between 0 and 1"),
        ({"passes": 0}, "passes has to be a whole number"),
        ({"orders": 1.5}, "orders has to be a whole number"),
        ({"window": float("nan")}, "window has to be above 0"),
        ({"ham_weight": -1}, "ham_weight has to be above 0"),
    ],
)
def test_settings_out_of_range(settings: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        NearErrorClassifier(**settings).fit(*rows())
    assert "\n" not in str(caught.value)


def test_what_is_no_mail_is_refused() -> None:
    with pytest.raises(TypeError, match="a list of bytes or Message, got one bytes"):
        MailFeatures().transform(b"From: a@b.example\n\nx\n")
    with pytest.raises(TypeError, match="mail 1 has to be bytes or a Message, got str"):
        MailFeatures().transform([b"x", "y"])
    with pytest.raises(ValueError, match="no such view: nonsense"):
        MailFeatures(views=("nonsense",)).fit()
    with pytest.raises(ValueError, match="a list of names, got 'text'"):
        MailFeatures(views="text").fit()


def test_cloning_and_pickling() -> None:
    raws, spam = mails(30)
    made = pipeline(step=2.0, random_state=None).set_params(nearerrorclassifier__random_state=3).fit(raws, spam)
    again = pickle.loads(pickle.dumps(made))
    assert np.array_equal(made.decision_function(raws), again.decision_function(raws))
    copy = clone(made)
    assert copy.get_params()["nearerrorclassifier__step"] == 2.0
    assert np.array_equal(copy.fit(raws, spam).decision_function(raws), made.decision_function(raws))
    assert not np.array_equal(
        clone(made).set_params(nearerrorclassifier__random_state=4).fit(raws, spam).decision_function(raws),
        made.decision_function(raws),
    )


def test_model_selection_on_raw_mails() -> None:
    raws, spam = mails()
    said = cross_val_predict(pipeline(), raws, spam, cv=4, method="decision_function")
    assert ((said > 0) == spam).mean() > 0.8
    grid = {"nearerrorclassifier__step": [0.5, 5.0], "mailfeatures__views": [("subject",), ("text",)]}
    search = GridSearchCV(pipeline(), grid, cv=2, scoring="roc_auc").fit(raws, spam)
    assert search.best_params_["mailfeatures__views"] == ("text",)
    assert search.best_score_ > 0.95


def test_calibration_and_thresholds_on_raw_mails() -> None:
    raws, spam = mails()
    fresh, truth = mails(seed=2)
    dear = pipeline(ham_weight=20.0)
    calibrated = CalibratedClassifierCV(dear, cv=4, ensemble=False).fit(raws, spam)
    plain = dear.fit(raws, spam).predict_proba(fresh)
    assert log_loss(truth, calibrated.predict_proba(fresh)) < log_loss(truth, plain)
    tuned = TunedThresholdClassifierCV(pipeline(), scoring="balanced_accuracy", cv=4).fit(raws, spam)
    assert (tuned.predict(fresh) == truth).mean() > 0.8

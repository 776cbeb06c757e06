"""Training gives the same bytes every time, refuses what cannot be learned from, and writes all or nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mailfilter.classifier.examples import Example, collect
from mailfilter.classifier.features import layout
from mailfilter.classifier.learner import ONE, Rows, Schedule, learn, widely_seen
from mailfilter.classifier.model import UNSEEN
from mailfilter.classifier.train import AT_HOME, EVERYTHING, PORTABLE, Options, run, train
from mailfilter.errors import ArchiveError, MailFilterError, ModelError

from .conftest import LESSONS


def corpus(place: Path, mails: list[tuple[str, bytes]]) -> Path:
    (place / "data").mkdir(parents=True)
    lines = []
    for number, (label, raw) in enumerate(mails):
        (place / "data" / str(number)).write_bytes(raw)
        lines.append(f"{label} data/{number}\n")
    (place / "index").write_text("".join(lines))
    return place


def mail(words: str) -> bytes:
    return f"From: a@b.example\nSubject: {words[:20]}\n\n{words}\n".encode()


HAM = [("ham", mail(f"the minutes of meeting {word} are attached, see you there")) for word in ("one", "two", "six")]
SPAM = [("spam", mail(f"claim your {word} prize now, click here for free money")) for word in ("big", "new", "hot")]


def test_the_same_mails_give_the_same_bytes(tmp_path: Path, lessons: list[Example]) -> None:
    for name in ("one", "two"):
        train(lessons[:80] + lessons[-80:]).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_run_reads_corpora_and_writes_a_model(tmp_path: Path) -> None:
    model = run([corpus(tmp_path / "c", HAM + SPAM)], tmp_path / "out.npz")
    assert (tmp_path / "out.npz").exists()
    assert model.facts["corpora"] == {"c": {"ham": 3, "spam": 3}}


@pytest.mark.parametrize(
    ("mails", "says"),
    [
        ([], "no labelled mail"),
        ([("none", b"x")], "no labelled mail"),
        (HAM, "all 3 mails are ham"),
        (SPAM, "all 3 mails are spam"),
        ([*HAM, *SPAM, ("spam", HAM[0][1])], "labelled both ham and spam: .*data/6"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(tmp_path: Path, mails: list[tuple[str, bytes]], says: str) -> None:
    place = corpus(tmp_path / "c", mails)
    with pytest.raises(MailFilterError, match=says) as caught:
        run([place], tmp_path / "out.npz")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.npz").exists()


def test_a_corpus_that_is_not_there_or_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError):
        run([tmp_path / "nothing"], tmp_path / "out.npz")
    with pytest.raises(ModelError):
        run([corpus(tmp_path / "c", HAM + SPAM)], tmp_path / "no folder" / "out.npz")


def test_twins_are_learned_once() -> None:
    same = [
        Example(mail(f"your code is {number} and it is valid for ten minutes"), False, "a") for number in (11, 22, 33)
    ]
    other = [Example(mail("free money, click here now and claim it today"), True, "a")]
    data = collect(same + other, layout(PORTABLE))
    assert len(data) == 2
    assert data.twins == 2


def test_folds_keep_kin_together_and_have_both_classes() -> None:
    names = [
        ("list-a", False),
        ("list-b-2", False),
        ("list-spam", True),
        ("work", False),
        ("phish", True),
        ("mixed1", True),
        ("mixed2", False),
    ]
    data = collect([Example(mail(f"words of {name} " * 9), spam, name) for name, spam in names], layout(PORTABLE))
    fold = dict(zip((name for name, _ in names), data.fold.tolist(), strict=True))
    assert fold["list-a"] == fold["list-b-2"] == fold["list-spam"]
    assert fold["mixed1"] == fold["mixed2"]
    assert fold["work"] == fold["phish"]
    assert len(set(fold.values())) == 3


def test_what_one_corpus_alone_has_is_not_learned() -> None:
    rows = Rows.of([np.array(slots, np.int32) for slots in ([1, 2], [1, 2], [1, 3], [1, 3])])
    groups = np.array([0, 0, 1, 1])
    seen = widely_seen(rows, groups, np.arange(4), 5, corpora=2, mails=2)
    assert seen.tolist() == [False, True, False, False, False]
    assert widely_seen(rows, groups, np.arange(2), 5, corpora=2, mails=2).tolist() == [False, True, True, False, False]


def test_what_training_does_not_know_counts_as_unseen(lessons: list[Example]) -> None:
    half = [lesson._replace(corpus=f"part{number % 2}x") for number, lesson in enumerate(lessons)]
    model = train(half, Options(views=("words",)))
    assert 0 < np.count_nonzero(model.weights != UNSEEN) < len(model.weights) // 20


def test_learning_separates_and_stops_at_the_margin() -> None:
    rows = Rows.of([np.array(slots, np.int32) for slots in ([0, 1], [0, 2])])
    spam, even = np.array([True, False]), np.ones(2)
    weights = learn(rows, spam, even, np.arange(2), 3, Schedule(step=4.0, passes=50, margin=0.1))
    assert weights[1] > 0 > weights[2]
    more = learn(rows, spam, even, np.arange(2), 3, Schedule(step=4.0, passes=500, margin=0.1))
    assert np.array_equal(weights, more)
    assert abs(int(weights[1]) + int(weights[0])) < 40 * ONE


def test_ham_weight_moves_the_balance_towards_ham(lessons: list[Example]) -> None:
    few = lessons[::3]
    mild, strict = (train(few, Options(views=EVERYTHING, ham_weight=weight)) for weight in (1.0, 20.0))
    assert not np.array_equal(mild.weights, strict.weights)


def test_how_a_mail_came_weighs_twice_where_the_model_is_at_home(lessons: list[Example]) -> None:
    model = train(lessons[::3], AT_HOME)
    factors = dict(zip(model.layout.parts, model.fusion.factors, strict=True))
    assert factors.pop("header") == pytest.approx(2 * factors["body"], rel=1e-5)
    assert len(set(factors.values())) == 1


def test_lessons_are_ours_and_balanced() -> None:
    labels = [line.split()[0] for line in (LESSONS / "index").read_text().splitlines()]
    assert min(labels.count("ham"), labels.count("spam")) > 100

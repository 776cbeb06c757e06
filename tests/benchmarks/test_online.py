"""The jig: a filter never sees a label before it should, and curves add up."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks import online
from benchmarks.filters import Answer, Answers, Filter
from benchmarks.metrics import Errors, errors
from mailfilter.errors import MailFilterError


class Diary(Filter):
    """Writes down what it is asked, and knows nothing."""

    name = "diary"

    def __init__(self) -> None:
        self.pages: list[str] = []

    def classify(self, raw: bytes) -> Answer:
        self.pages.append(f"classify {raw.decode()}")
        return Answer(float(len(self.pages)), False)

    def learn(self, raw: bytes, spam: bool) -> None:
        self.pages.append(f"learn {raw.decode()} {'spam' if spam else 'ham'}")


def _play(told: Sequence[int]) -> tuple[Diary, online.Run]:
    diary = Diary()
    return diary, online.play("diary", diary, [b"a", b"b", b"c"], np.array([True, False, True]), told)


def test_immediate_feedback_comes_after_each_answer() -> None:
    diary, done = _play(online.when("immediate", 3))
    assert diary.pages == ["classify a", "learn a spam", "classify b", "learn b ham", "classify c", "learn c spam"]
    assert done.answers.score.tolist() == [1.0, 3.0, 5.0]
    assert done.learned == 3


def test_late_labels_come_late_and_some_never() -> None:
    diary, done = _play([1, 1, online.NEVER])
    assert diary.pages == ["classify a", "classify b", "learn a spam", "learn b ham", "classify c"]
    assert done.learned == 2
    assert _play([5, 2, 2])[0].pages[-2:] == ["learn b ham", "learn c spam"]


def test_plans_of_feedback() -> None:
    assert online.when("immediate", 4) == [0, 1, 2, 3]
    delays = np.array(online.when("delayed", 1000)) - np.arange(1000)
    assert delays.min() == 0
    assert 150 < delays.max() <= 200
    partial = online.when("partial", 3000)
    known = [number for number in partial if number != online.NEVER]
    assert all(partial[number] == number for number in known)
    assert 900 < len(known) < 1100
    assert online.when("delayed", 50) == online.when("delayed", 50)


def test_the_last_point_of_the_curve_is_the_whole() -> None:
    random = np.random.default_rng(0)
    spam = random.random(250) < 0.5
    answers = Answers(random.normal(size=250) + 2 * spam, random.random(250) < 0.5)
    points = online.curve(answers, spam)
    assert [point["mails"] for point in points] == list(range(10, 251, 10))
    whole = online._figures(answers, spam)
    assert points[-1]["one_minus_roca_pct"] == whole["one_minus_roca_pct"]
    assert points[-1]["lam_pct"] == whole["lam_pct"]
    after = online._figures(Answers(answers.score[100:], answers.spam[100:]), spam[100:])
    assert points[-1]["since_100"] == after["one_minus_roca_pct"]
    assert points[9]["since_100"] is None
    assert Errors(whole["ham"], whole["spam"], points[-1]["fp"], points[-1]["fn"]) == errors(answers.spam, spam)


def _args(path: Path, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus", action="append", default=[])
    parser.add_argument("--quick", action="store_true")
    online.add_arguments(parser)
    return parser.parse_args(["--corpus", str(path), *words])


def test_filters_side_by_side(corpus_path: Path) -> None:
    words = ["--filter", "ngram-baseline", "--filter", "bow-baseline"]
    rows = list(online.run(_args(corpus_path, *words)))
    assert [row.get("filter") for row in rows[:2]] == ["ngram-baseline", "bow-baseline"]
    for row in rows[:2]:
        assert row["mails"] == row["learned"] == 60
        assert {"one_minus_roca_pct", "lam_pct", "sm_pct_at_hm_0.1", "curve"} <= row.keys()
    assert rows[2]["comparison"]["against"] == "bow-baseline"  # type: ignore[index]


def test_our_filter_learns_from_nothing(corpus_path: Path) -> None:
    (row,) = online.run(_args(corpus_path, "--start", "empty"))
    late = row["curve"][-1]  # type: ignore[index]
    assert late["one_minus_roca_pct"] < 25


def test_saved_answers_stand_in_for_a_run(corpus_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    _, _, live = online.run(_args(corpus_path, "--filter", "ngram-baseline", "--filter", "bow-baseline"))
    list(online.run(_args(corpus_path, "--filter", "bow-baseline", "--save", str(folder))))
    (file,) = folder.iterdir()
    words = ["--filter", "ngram-baseline", "--against", str(file)]
    _, saved = online.run(_args(corpus_path, *words))
    assert saved["comparison"] == live["comparison"] | {"against": "bow-baseline (saved)"}  # type: ignore[operator]
    for other in (["--headers", "content"], ["--feedback", "delayed"]):
        with pytest.raises(MailFilterError, match="other mails"):
            list(online.run(_args(corpus_path, *words, *other)))
    (tmp_path / "not.json").write_text("[]")
    with pytest.raises(MailFilterError, match="no answers"):
        list(online.run(_args(corpus_path, "--filter", "bow-baseline", "--against", str(tmp_path / "not.json"))))


def test_a_model_that_knows_the_corpus_is_marked(corpus_path: Path, tmp_path: Path) -> None:
    from mailfilter.classifier.train import run

    run([corpus_path], tmp_path / "model.npz")
    known, fresh, comparison = online.run(
        _args(corpus_path, "--start", str(tmp_path / "model.npz"), "--start", "empty", "--feedback", "partial")
    )
    assert known["trained_on_it"] is True
    assert "trained_on_it" not in fresh
    assert comparison["comparison"]["against"] == "ours from empty"  # type: ignore[index]


def test_one_class_only_is_refused(tmp_path: Path) -> None:
    from .conftest import mail, write_corpus

    place = write_corpus(tmp_path / "ham", [("ham", mail(1, False)), ("ham", mail(2, False))])
    with pytest.raises(MailFilterError, match="only one of them"):
        list(online.run(_args(place, "--filter", "bow-baseline")))


def test_a_command_must_be_named(corpus_path: Path) -> None:
    with pytest.raises(MailFilterError, match="--command"):
        list(online.run(_args(corpus_path, "--filter", "command")))


def test_a_program_that_is_not_there_gives_a_row_with_the_reason(corpus_path: Path) -> None:
    (row,) = online.run(_args(corpus_path, "--filter", "command", "--command", "no-such-filter-program"))
    assert row["left_out"] == "no-such-filter-program is not installed"

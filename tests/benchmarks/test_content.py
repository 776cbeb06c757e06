"""Splits that do not leak, thresholds from training alone, and the rows of each benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.corpus import presented
from benchmarks.filters import Setup
from benchmarks.splits import Seen, cross_validated, lowest_threshold

from .conftest import mail, write_corpus

KEYS = {
    "ham", "spam", "fp", "fn", "fp_pct", "fp_upper95_pct", "fn_pct", "one_minus_roca_pct", "fn_pct_at_fp_0.1",
    "fn_pct_at_fp_0.5", "fn_pct_at_fp_1", "ece", "us_per_mail", "train_us_per_mail", "duplicates", "n", "threshold",
}  # fmt: skip


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    """Rows that a run of the benchmarks prints."""
    assert main(words) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def fails(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line of a run that a person has to mend."""
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_odd_lines_train_and_even_lines_test(corpus_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--headers", "both", "--cross-validate", "--filter", "ngram-baseline")
    everything, content = rows(capsys, "content", "--odd-even", str(corpus_path), *words)
    for row, headers in ((everything, "all"), (content, "content")):
        assert row.keys() >= KEYS
        assert row["headers"] == headers
        assert (row["n"], row["train_mails"], row["duplicates"]) == (30, 30, 0)
        assert row["threshold"]["kind"] == "cross-validated"
        assert row["one_minus_roca_pct"] == 0
        assert row["one_minus_roca_interval"][1] > 0


def test_our_model_and_a_rival_are_compared(corpus_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--headers", "content", "--filter", "ours", "--filter", "bow-baseline", "--quick")
    ours, bow, last = rows(capsys, "content", "--odd-even", str(corpus_path), *words)
    assert (ours["filter"], bow["filter"]) == ("ours", "bow-baseline")
    assert last["comparison"]["one_minus_roca"] == "not shown"


def test_twins_are_counted_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = [("spam" if n % 3 == 0 else "ham", mail(n, n % 3 == 0)) for n in range(30)]
    copy = first[0][1].replace(b"Subject: ", b"Subject: Fwd: ")
    second = [("spam" if n % 3 == 0 else "ham", mail(n, n % 3 == 0)) for n in range(100, 120)] + [("ham", copy)]
    train, test = write_corpus(tmp_path / "a", first), write_corpus(tmp_path / "b", second)
    words = ("--train", str(train), "--test", str(test), "--headers", "all", "--filter", "bow-baseline")
    (row,) = rows(capsys, "content", *words)
    assert row["duplicates"] == 1
    assert (row["n"], row["ham"]) == (20, 14)
    assert row["with_duplicates"]["ham"] == 15
    assert row["with_duplicates"]["fp"] == row["fp"] + 1


def test_a_model_is_tested_as_it_is(corpus_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mailfilter.classifier.train import run

    run([corpus_path], tmp_path / "model.npz")
    words = ("--model", str(tmp_path / "model.npz"), "--test", str(corpus_path), "--headers", "content")
    row, other = rows(capsys, "content", *words, "--filter", "ours", "--filter", "bow-baseline")
    assert row["threshold"]["kind"] == "own"
    words = (*words, "--threshold", "100")
    assert rows(capsys, "content", *words)[0]["fn"] == 20
    assert row["trained_on"] == ["easy"]
    assert row["duplicates_not_sought_in"] == ["easy"]
    assert "left_out" in other


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give --odd-even CORPUS"),
        (("--odd-even", "a", "--corpus", "b"), "give --odd-even CORPUS"),
        (("--train", "a"), "give --odd-even CORPUS"),
        (("--odd-even", "a", "--model", "default"), "give --odd-even CORPUS"),
        (("--odd-even", "/no/such/corpus"), "/no/such/corpus"),
        (("--odd-even", "/no/such/corpus", "--plot", "x.gif"), "ends in .png or .svg"),
    ],
)
def test_wrong_options_give_one_line(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAILFILTER_CORPORA", raising=False)
    assert message in fails(capsys, "content", *words)


def test_the_threshold_keeps_within_its_budget() -> None:
    scores, spam = np.array([1.0, 2.0, 3.0, 4.0, 9.0]), np.array([False, False, False, False, True])
    assert lowest_threshold(scores, spam, 0.0) == 4.0
    assert lowest_threshold(scores, spam, 0.25) == 3.0
    assert lowest_threshold(scores, spam, 0.24) == 4.0


def test_cross_validation_does_not_count_a_mail_whose_twin_was_learned() -> None:
    raws = [presented(mail(n, n % 2 == 0), "all") for n in range(20)]
    raws[7] = raws[0].replace(b"Subject: ", b"Subject: Re: ")
    spam = np.array([n % 2 == 0 for n in range(20)])
    scores, counts = cross_validated("bow-baseline", Setup(), Seen(raws, spam, ("c",) * 20, []), 5)
    assert np.flatnonzero(~counts).tolist() == [0, 7]
    assert len(scores) == 20


def test_the_mbox_line_never_reaches_a_filter() -> None:
    raw = mail(1, False)
    assert raw.startswith(b"From x@localhost")
    assert presented(raw, "all").startswith(b"Received:")
    assert presented(raw, "content").startswith(b"From: a1@example.org")
    assert presented(b"Received: x\n\nFrom here on\n", "all") == b"Received: x\n\nFrom here on\n"


def test_leave_one_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpora: list[str] = []
    for number, kinds in enumerate(("both", "both", "spam")):
        numbers = range(100 * number, 100 * number + 14)
        mails = [(("spam", mail(n, True)) if kinds == "spam" or n % 2 else ("ham", mail(n, False))) for n in numbers]
        place = write_corpus(tmp_path / f"c{number}", mails)
        corpora += ["--corpus", str(place)]
    place = write_corpus(tmp_path / "phish", [("spam", mail(n, True)) for n in range(900, 905)])
    found = rows(capsys, "leave-one-out", *corpora, "--test-only", str(place), "--list")
    tests = [(row["left_out"], row["test"]) for row in found if "test" in row]
    assert tests == [
        ("c0", "c0"),
        ("c0", "spam of phish, ham of c0"),
        ("c1", "c1"),
        ("c1", "spam of phish, ham of c1"),
        ("c2", "c2"),
        ("each", "spam of c2, ham of each"),
        ("each", "each"),
    ]
    everything = found[-1]
    stern = rows(capsys, "leave-one-out", *corpora, "--test-only", "--threshold", "2")[-1]
    assert {"fp": stern["fp"], "fn": stern["fn"]} == everything["errors_above"]["2"]
    assert (everything["ham"], everything["spam"]) == (14, 28)
    assert sum(row["fp"] for row in found if row.get("test") in ("c0", "c1")) == everything["fp"]


def test_lost_ham_is_listed_with_reasons(corpus_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mailfilter.classifier.train import run

    # A model that learned the labels the wrong way round loses every ham there is.
    wrong = [("ham" if n % 3 == 0 else "spam", mail(n, n % 3 == 0)) for n in range(200, 260)]
    run([write_corpus(tmp_path / "wrong", wrong)], tmp_path / "model.npz")
    words = ("--corpus", str(corpus_path), "--of", "model", "--model", str(tmp_path / "model.npz"))
    *lost, counts = rows(capsys, "false-positives", *words)
    assert len(lost) == counts["fp"] == counts["ham"] == 40
    assert counts["by_kind"] == {"personal": {"ham": 40, "fp": 40}}
    assert all(row["reasons"] and row["log_odds"] > 0 for row in lost)
    assert {Path(row["lost"]).name for row in lost} == {f"{n:03}" for n in range(60) if n % 3}


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        (b"From: MAILER-DAEMON@a.example\n", "bounce"),
        (b"From: x@a.example\nContent-Type: multipart/report; boundary=b\n", "bounce"),
        (b"From: x@a.example\nList-Id: <l.a.example>\nList-Post: <mailto:l@a.example>\n", "list"),
        (b"From: x@a.example\nPrecedence: list\n", "list"),
        (b"From: x@a.example\nList-Unsubscribe: <https://a.example/u>\n", "newsletter"),
        (b"From: no-reply@a.example\n", "automatic"),
        (b"From: x@a.example\nAuto-Submitted: auto-generated\n", "automatic"),
        (b"From: x@a.example\nIn-Reply-To: <1@b.example>\n", "reply"),
        (b"From: x@a.example\nAuto-Submitted: no\n", "personal"),
    ],
)
def test_kinds_of_mail(headers: bytes, kind: str) -> None:
    from benchmarks import false_positives
    from mailfilter.message import Message

    assert false_positives.kind(Message(headers + b"\nbody\n")) == kind

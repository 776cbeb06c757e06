"""Filters side by side on the same mails."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.__main__ import main
from benchmarks.corpus import presented
from benchmarks.filters import Answers, Setup, make

from .conftest import mail

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
"""The line that every filter is to call spam, made for tests."""


def _rows(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert main(["peers", *words]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_ours_and_a_peer_learn_the_same_mails(corpus_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("bogofilter") is None:
        pytest.skip("bogofilter is not installed")
    words = ["--odd-even", str(corpus_path), "--filter", "chain", "--filter", "bogofilter", "--views", "portable"]
    ours, theirs, compared = _rows(capsys, *words)
    assert (ours["filter"], theirs["filter"]) == ("chain", "bogofilter")
    for row in (ours, theirs):
        assert row["learned"] == row["n"] == 30
        assert row["fp"] == 0
        assert row["mails_per_cpu_second"] > 0
        assert row["one_minus_roca_pct"] == 0
    assert 0 < ours["p50_ms"] <= ours["p99_ms"]
    assert theirs["p50_ms"] is None
    assert compared["comparison"]["n"] == 30


def test_out_of_the_box_a_filter_that_has_to_learn_is_left_out(
    corpus_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAILFILTER_CORPORA", raising=False)  # twins of these mails are not looked for in real corpora
    words = ["--test", str(corpus_path), "--filter", "chain", "--filter", "bogofilter"]
    ours, theirs = _rows(capsys, *words)
    assert ours["learned"] == 0
    assert ours["n"] == 60
    assert "knows nothing before" in theirs["left_out"]


def test_ahead_means_in_both_errors_and_on_the_mails_that_both_judged() -> None:
    spam = np.array([True, True, False, False, True])
    every = np.arange(5)
    called = np.array([True, False, False, False, True])
    ours = peers.Judged("chain", every, Answers(np.array([9.0, 1, 0, 0, 9]), called))
    other = peers.Judged("x", every[1:4], Answers(np.array([1.0, 9, 0]), np.array([False, True, False])))
    found = peers._against(ours, other, spam)
    assert (found["n"], found["ahead_in_both_errors"]) == (3, True)
    assert found["errors"]["x"] == {"ham": 2, "spam": 1, "ham_lost": 1, "spam_missed": 1}
    assert found["missed_at_their_ham_lost"] == 0
    assert peers._against(other, ours, spam)["ahead_in_both_errors"] is False


def test_spam_missed_where_as_much_ham_is_lost() -> None:
    scores, spam = np.array([9.0, 5.0, 7.0, 1.0, 3.0]), np.array([True, True, False, False, True])
    assert [peers._missed(scores, spam, lost) for lost in (0, 1, 2)] == [2, 0, 0]
    assert peers._missed(scores[spam], spam[spam], 1) is None


def test_a_slow_filter_is_asked_evenly() -> None:
    assert peers._places(10, 0).tolist() == list(range(10))
    assert peers._places(9, 3).tolist() == [0, 4, 8]
    assert peers._places(2, 3).tolist() == [0, 1]


def test_rspamd_learns_and_scores() -> None:
    """It really runs, in a folder of its own, and what it costs is counted."""
    if shutil.which("rspamd") is None or shutil.which("redis-server") is None:
        pytest.skip("rspamd or redis-server is not installed")
    with make("rspamd", Setup()) as tested:
        folder = tested.folder  # type: ignore[attr-defined]
        before = tested.cpu()
        tested.learn(presented(mail(1, True), "all"), True)
        assert tested.classify(b"Subject: test\n\n" + GTUBE + b"\n").spam
        assert not tested.classify(presented(mail(3, False), "all")).spam
        assert tested.cpu() > before
    assert not folder.exists()

"""Other filters: the command line interface, and the adapters where the programs are installed."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.adapters import CommandFilter, parse_answer
from benchmarks.corpus import presented
from benchmarks.filters import Answer, Filter, LeftOut, Setup, make

from .conftest import mail

# A filter in a few lines: it calls spam what equals the last spam that it learned.
PROGRAM = '''
import pathlib, sys

def run(words):
    store = pathlib.Path("store")
    if words[0] == "initialize":
        store.write_text("")
    elif words[0] == "train":
        if words[1] == "spam":
            store.write_text(pathlib.Path(words[2]).read_text())
    elif words[0] == "classify":
        spam = pathlib.Path(words[1]).read_text() == store.read_text()
        return f"user=x class={'spam' if spam else 'ham'} score={0.9 if spam else 1e-3}"
    return "ok"

if sys.argv[1:]:
    print(run(sys.argv[1:]))
else:
    for line in sys.stdin:
        if line.strip() == "classify crash":
            sys.exit(3)
        print(run(line.split()), flush=True)
'''


@pytest.fixture
def program(tmp_path: Path) -> str:
    place = tmp_path / "filter.py"
    place.write_text(PROGRAM)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(place))}"


@pytest.mark.parametrize("prefix", ["", "lines:"])
def test_any_program_can_be_driven(program: str, prefix: str) -> None:
    with make("command", Setup(command=prefix + program)) as tested:
        folder = tested.folder  # type: ignore[attr-defined]
        assert tested.classify(b"pills") == Answer(0.001, False)
        tested.learn(b"pills", True)
        assert tested.classify(b"pills") == Answer(0.9, True)
        tested.learn(b"lunch", False)
        assert tested.answers([b"pills", b"lunch"]).spam.tolist() == [True, False]
        assert tested.cpu() > 0
    assert not folder.exists()


def test_a_program_that_fails_says_what_and_how(tmp_path: Path) -> None:
    with pytest.raises(LeftOut, match="failed with status 1"):
        CommandFilter(f"{shlex.quote(sys.executable)} -c 'raise SystemExit(1)'")


def test_a_program_that_ends_early_is_noticed(program: str) -> None:
    tested = CommandFilter("lines:" + program)
    with pytest.raises(LeftOut, match="ended at 'classify' with status 3"):
        tested._say("classify", "crash")
    tested.close()


def test_answers_are_read_by_their_words() -> None:
    assert parse_answer(b"tfile=a class=Spam score=0.5\n", "x") == Answer(0.5, True)
    for line in (b"", b"spam 0.5", b"class=spam", b"score=1", b"class=spam score=much"):
        with pytest.raises(LeftOut, match="class=spam"):
            parse_answer(line, "x")


def _installed(name: str) -> bool:
    if name.startswith("spamassassin"):
        words = ["perl", "-MMail::SpamAssassin", "-e1"]
        return bool(shutil.which("perl")) and not subprocess.run(words, capture_output=True, check=False).returncode
    return shutil.which(name) is not None


def _told_apart(tested: Filter, mails: list[bytes], spam: np.ndarray) -> None:
    answers = tested.answers(tested.prepare(mails))
    assert answers.score[spam].min() > answers.score[~spam].max()
    probabilities = tested.probabilities(answers.score)
    assert probabilities is not None
    assert 0 <= probabilities.min() <= probabilities.max() <= 1


@pytest.mark.parametrize("name", ["ngram-baseline", "bow-baseline", "bogofilter", "spamprobe", "spamassassin"])
def test_filters_learn_and_tell_apart(name: str) -> None:
    """All at once and one by one come to the same words, and one mail asked alone scores as in a batch."""
    if name not in ("ngram-baseline", "bow-baseline") and not _installed(name):
        pytest.skip(f"{name} is not installed")
    numbers = range(24)
    mails = [presented(mail(number, number % 2 == 0), "all") for number in numbers]
    spam = np.array([number % 2 == 0 for number in numbers])
    with make(name, Setup()) as tested:
        assert tested.classify(mails[0]).spam is False
        tested.train(mails[:16], spam[:16], ["easy"] * 16)
        _told_apart(tested, mails[16:], spam[16:])
        batch = tested.answers(tested.prepare(mails[16:18]))
        assert tested.classify(mails[16]).score == pytest.approx(batch.score[0], abs=1e-12)
    with make(name, Setup()) as tested:
        for raw, label in zip(mails[:16], spam[:16].tolist(), strict=True):
            tested.learn(raw, label)
        _told_apart(tested, mails[16:], spam[16:])


def test_our_model_alone_in_a_batch_and_mail_by_mail(corpus_path: Path) -> None:
    mails = [presented(mail(number, number % 2 == 0), "all") for number in range(24)]
    spam = np.array([number % 2 == 0 for number in range(24)])
    with make("ours", Setup(start="empty", views="portable")) as tested:
        tested.train(mails[:16], spam[:16], ["easy"] * 16)
        _told_apart(tested, mails[16:], spam[16:])
        for raw, label in zip(mails[:16], spam[:16].tolist(), strict=True):
            tested.learn(raw, label)
        assert tested.classify(mails[0]).spam
        assert not tested.classify(mails[1]).spam

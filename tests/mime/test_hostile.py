"""Mails made to hang, crash or bloat a reader; and real malformed ones where they are at hand."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import pytest

from mailfilter.archives import ArchivedMail, find_corpus, read_archive
from mailfilter.errors import ArchiveError
from mailfilter.testing.hostile import hostile_mails

from .evaluate import evaluate

SECONDS = 0.3
"""The bound for each mail of full size; here they are a third of that, which leaves room for a busy machine."""
MANY = 30_000

NAMES = [name for name, _ in hostile_mails(MANY)]


@pytest.fixture(scope="module")
def mails() -> dict[str, bytes]:
    return dict(hostile_mails(MANY))


def seconds(raw: bytes) -> float:
    """CPU time to evaluate a mail: the best of up to three tries."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        evaluate(raw)
        best = min(best, time.process_time() - began)
        if best < SECONDS:
            break
    return best


@pytest.mark.parametrize("name", NAMES)
def test_time_is_bounded(name: str, mails: dict[str, bytes]) -> None:
    assert seconds(mails[name]) < SECONDS


@pytest.mark.parametrize(
    "name", ["parts 1e5", "header lines 1e5", "html divs 1e5", "every ambiguity at once", "blanks 1e6"]
)
def test_memory_is_linear(name: str, mails: dict[str, bytes]) -> None:
    raw = mails[name]
    tracemalloc.start()
    try:
        evaluate(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * len(raw) + 2_000_000


def test_time_is_linear_in_one_long_line() -> None:
    head = b"Subject: x\nContent-Type: text/plain\n\n"
    short, long = (seconds(head + b"a" * size) for size in (200_000, 2_000_000))
    assert long < 30 * short + 0.1


def torture() -> Path | None:
    """The ``mime-torture`` corpus, packed or not, where ``$MAILFILTER_CORPORA`` has it."""
    try:
        return find_corpus("mime-torture", os.environ)
    except ArchiveError:
        return None


@pytest.mark.skipif(torture() is None, reason="no mime-torture in $MAILFILTER_CORPORA")
def test_torture_corpus() -> None:
    place = torture()
    assert place is not None
    mails = [item for item in read_archive(place) if isinstance(item, ArchivedMail)]
    assert len(mails) >= 1000
    assert [mail.path for mail in mails if seconds(mail.raw) > SECONDS] == []

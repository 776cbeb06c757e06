"""What benchmarks share, against values worked out by hand."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpus import (
    content_headers_only,
    interval,
    load,
    miss_at,
    near_duplicates,
    presented,
    roca,
    upper95,
)
from mailfilter.errors import ArchiveError

SAMPLE = Path(__file__).parents[2] / "corpora" / "sample"


def write_corpus(folder: Path, n: int) -> str:
    (folder / "data").mkdir(parents=True)
    lines = []
    for number in range(n):
        (folder / "data" / str(number)).write_bytes(b"Subject: %d\n\nbody\n" % number)
        lines.append(f"{'spam' if number % 3 == 0 else 'ham'} data/{number}\n")
    (folder / "index").write_text("".join(lines) + "none data/none\nham data/gone\n")
    (folder / "data" / "none").write_bytes(b"no label")
    return str(folder)


def test_load_counts_labels_and_what_cannot_be_read(tmp_path: Path) -> None:
    corpus = load(write_corpus(tmp_path / "c", 6))
    assert corpus.name == "c"
    assert corpus.counts == {"mails": 7, "ham": 4, "spam": 2, "unreadable": 1}
    assert corpus.is_spam.tolist() == [True, False, False, True, False, False, False]
    assert len(corpus.labelled().mails) == 6
    assert [mail.line for mail in corpus.lines(1).mails] == [1, 3, 5, 7]
    assert [mail.line for mail in corpus.lines(0).mails] == [2, 4, 6]


def test_load_takes_several_by_path_or_name_and_always_the_same_slice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILFILTER_CORPORA", str(tmp_path))
    one, _ = write_corpus(tmp_path / "one", 40), write_corpus(tmp_path / "two", 40)
    corpus = load([one, "two"], limit=10)
    assert corpus.name == "one+two"
    assert len(corpus.mails) == 20
    lines = [mail.line for mail in corpus.mails]
    assert lines[:10] == sorted(lines[:10], key=lambda line: line or 0)
    assert load([one, "two"], limit=10) == corpus
    assert corpus.counts["spam"] > 0
    with pytest.raises(ArchiveError, match="name at least one corpus"):
        load([])


def test_load_puts_an_archive_in_order_of_its_index(tmp_path: Path) -> None:
    from tests.archives.builders import tar_of

    files = [("index", b"spam 2\nham 1\n"), ("1", b"Subject: 1\n\n"), ("2", b"Subject: 2\n\n")]
    (tmp_path / "c.tar").write_bytes(tar_of(files))
    assert [mail.label for mail in load(str(tmp_path / "c.tar")).mails] == ["spam", "ham"]


def test_intervals() -> None:
    # Clopper and Pearson 1934 for 0 of n is 1 - 0.025^(1/n); the rule of three is 1 - 0.05^(1/n).
    assert interval(0, 100) == pytest.approx((0.0, 100 * (1 - 0.025**0.01)))
    assert interval(100, 100) == pytest.approx((100 * 0.025**0.01, 100.0))
    assert upper95(0, 100) == pytest.approx(100 * (1 - 0.05**0.01))
    assert upper95(0, 3000) == pytest.approx(0.1, rel=0.01)
    # 10 of 100: the table value of every textbook is 4.90 to 17.62.
    assert interval(10, 100) == pytest.approx((4.90, 17.62), abs=0.005)
    assert interval(0, 0) == (0.0, 100.0)
    assert upper95(5, 5) == 100.0


@given(st.integers(1, 500), st.data())
def test_an_interval_holds_its_rate(n: int, data: st.DataObject) -> None:
    errors = data.draw(st.integers(0, n))
    low, high = interval(errors, n)
    assert low <= 100 * errors / n <= upper95(errors, n) <= high


def test_roca_by_hand() -> None:
    # Pairs ham/spam: (1,2) right, (1,3) right, (2,2) tied, (2,3) right, (4,2) and (4,3) wrong: 2.5 of 6.
    assert roca([1, 2, 4, 2, 3], [0, 0, 0, 1, 1]) == pytest.approx(100 * 2.5 / 6)
    assert roca([1, 2, 3, 4], [0, 0, 1, 1]) == 0.0
    assert roca([3, 4, 1, 2], [0, 0, 1, 1]) == 100.0
    assert roca([1, 1, 1, 1], [0, 0, 1, 1]) == 50.0
    for labels in ([0, 0], [1, 1]):
        with pytest.raises(ValueError, match="both ham and spam"):
            roca([1, 2], labels)
    with pytest.raises(ValueError, match="one length"):
        roca([1, 2, 3], [0, 1])


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_roca_is_the_share_of_inverted_pairs(rows: list[tuple[int, bool]]) -> None:
    ham = [score for score, spam in rows if not spam]
    spam = [score for score, spam in rows if spam]
    if not ham or not spam:
        return
    inverted = sum((h > s) + 0.5 * (h == s) for h in ham for s in spam)
    assert roca(*map(np.array, zip(*rows, strict=True))) == pytest.approx(100 * inverted / (len(ham) * len(spam)))


def test_miss_at_by_hand() -> None:
    scores = [0.1, 0.2, 0.3, 0.9, 0.05, 0.3, 0.5, 0.95]
    labels = [0, 0, 0, 0, 1, 1, 1, 1]
    # No ham may be lost: the threshold is 0.9, only 0.95 is above.
    assert miss_at(scores, labels, 0) == 75.0
    assert miss_at(scores, labels, 0.24) == 75.0
    # One of four may be lost: the threshold is 0.3, which itself is not above it.
    assert miss_at(scores, labels, 0.25) == 50.0
    assert miss_at(scores, labels, 0.5) == 25.0
    assert miss_at(scores, labels, 1) == 0.0


RAW = (
    b"From a@example.org Tue Nov 24 06:12:29 2026\r\nReceived: from x\r\n\tby y; date\r\nfrom: A\r\nX-Spam: yes\r\n"
    b"SUBJECT : two\r\n lines\r\nList-Id: <x>\r\nContent-Type: text/plain;\r\n\tcharset=utf-8\r\nBcc: z\r\n\r\n"
    b"Received: in the body\r\n"
)
CONTENT = (
    b"from: A\r\nSUBJECT : two\r\n lines\r\nContent-Type: text/plain;\r\n\tcharset=utf-8\r\n\r\n"
    b"Received: in the body\r\n"
)


def test_content_headers_only() -> None:
    assert content_headers_only(RAW) == CONTENT
    assert content_headers_only(CONTENT) == CONTENT
    assert content_headers_only(b"") == b""
    assert content_headers_only(b"no header at all\nDate: x\n") == b"no header at all\nDate: x\n"
    assert content_headers_only(b"X-A: 1\nTo: b") == b"To: b"
    assert content_headers_only(b"X-A: 1\nbody begins\nTo: b\n") == b"body begins\nTo: b\n"


def test_presented() -> None:
    assert presented(RAW, "content") == CONTENT
    assert presented(RAW, "all") == RAW[RAW.index(b"Received") :]
    assert presented(CONTENT, "all") == CONTENT


def test_near_duplicates_by_construction() -> None:
    rng = random.Random(4)
    words = [bytes(rng.choices(b"abcdefghijklmnop", k=7)) for _ in range(4000)]

    def text(seed: int) -> list[bytes]:
        return random.Random(seed).choices(words, k=300)

    def raw(body: bytes, subject: bytes = b"x") -> bytes:
        return b"Subject: " + subject + b"\n\n" + body + b"\n"

    base = text(1)
    changed = [*base[:290], *text(2)[:10]]  # 3 % other words: likeness about 0.93
    half = [*base[:150], *text(3)[:150]]  # likeness about a third
    train = [raw(b" ".join(base)), raw(b"short"), raw(b"")]
    test = [
        raw(b" ".join(text(5))),
        raw(b"\r\n".join(base), b"other subject, other line ends"),
        raw(b" ".join(changed)),
        raw(b" ".join(half)),
        raw(b"short"),
        raw(b"shorn"),
        raw(b""),
    ]
    assert near_duplicates(train, test).tolist() == [1, 2, 4]
    assert near_duplicates([], test).tolist() == []
    assert near_duplicates(test, train).tolist() == [0, 1]


def test_the_sample_has_no_twins() -> None:
    raws = [mail.raw for mail in load(str(SAMPLE)).mails]
    for bit in range(len(raws).bit_length()):  # any two mails are on different sides of one of the splits
        sides = [[raw for at, raw in enumerate(raws) if bool(at >> bit & 1) is side] for side in (True, False)]
        assert near_duplicates(*sides).tolist() == []

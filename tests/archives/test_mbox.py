"""Mailboxes: where a mail begins, what is unquoted, and that no cut of the stream matters."""

from __future__ import annotations

import gzip
import io
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.archives import ArchivedMail, Unreadable, read_archive
from mailfilter.archives.mbox import read_mbox

from .builders import mail, names, read

FROM = b"From a@example.org Tue Nov 24 06:12:29 2026\n"
DATES = (
    b"From a@example.org Tue Nov  4 06:12:29 2026",
    b"From - Tue Nov 24 06:12:29 2026",
    b"From MAILER-DAEMON Tue Nov 24 06:12 2026",
    b"From 1234567890123@xxx Tue Nov 24 06:12:29 +0000 2026",
    b"From a@example.org  Tue Nov 24 06:12:29 CET 1999 remote from uucp.example",
    b'From "a b"@example.org Tue Nov 24 06:12:29 2026 +0100',
)


class Dribble:
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._file = io.BytesIO(data)
        self._sizes = sizes

    def read(self, size: int, /) -> bytes:
        step = self._sizes.pop() if self._sizes else size
        return self._file.read(min(step, size))


def split(data: bytes, max_bytes: int = 10**6) -> list[bytes]:
    items = list(read_mbox("box", io.BytesIO(data), max_bytes))
    return [item.raw for item in items if isinstance(item, ArchivedMail)]


def test_mails_come_in_order_with_their_numbers(tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.write_bytes(b"".join(FROM + mail(n) + b"\n" for n in range(3)))
    mails, reports = read(box)
    assert names(mails, box) == ["#1", "#2", "#3"]
    assert [item.raw for item in mails] == [FROM + mail(n) for n in range(3)]
    assert reports == {}


def test_a_mailbox_of_one_mail_is_that_mail(tmp_path: Path) -> None:
    box = tmp_path / "one.eml"
    box.write_bytes(FROM + mail(1))
    assert [item.path for item in read(box)[0]] == [str(box)]


@pytest.mark.parametrize("line", DATES)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_from_lines_of_many_writers(line: bytes, end: bytes) -> None:
    one = (line + b"\n" + mail(1) + b"\n").replace(b"\n", end)
    assert len(split(one * 3)) == 3


def test_without_empty_line_a_header_field_must_follow() -> None:
    assert len(split(FROM + mail(1) + FROM + mail(2))) == 2
    assert len(split(FROM + mail(1) + FROM + b"and then he left\n")) == 1


@pytest.mark.parametrize("prose", [b"From now on we meet at eight.\n", b"From 10:30 on\n", b"From the year 2026\n"])
def test_prose_that_begins_with_from_is_no_separator(prose: bytes) -> None:
    raw = FROM + b"Subject: x\n\nHello\n\n" + prose + b"more\n"
    assert split(raw) == [raw]


def test_content_length_is_not_trusted() -> None:
    lying = b"Content-Length: 100000\nSubject: x\n\nshort\n"
    assert split(FROM + lying + b"\n" + FROM + mail(2)) == [FROM + lying, FROM + mail(2)]


def test_one_quote_is_taken_off_each_quoted_from_line() -> None:
    raw = FROM + b"Subject: x\n\n>From here\n>>From there\n> From a reply\n >From inside\n"
    assert split(raw) == [FROM + b"Subject: x\n\nFrom here\n>From there\n> From a reply\n >From inside\n"]


def test_a_mail_over_the_limit_is_reported_and_the_next_one_read() -> None:
    big = FROM + b"Subject: big\n\n" + b"x" * 400_000 + b"\n\n"
    items = list(read_mbox("box", io.BytesIO(FROM + mail(1) + b"\n" + big * 2 + FROM + mail(4)), 1000))
    assert [type(item) for item in items] == [ArchivedMail, Unreadable, Unreadable, ArchivedMail]
    assert [item.path for item in items] == ["box#1", "box#2", "box#3", "box#4"]


def test_truncated_gzip_gives_the_whole_mails_and_then_says_where_it_broke(tmp_path: Path) -> None:
    box = tmp_path / "box.gz"
    bodies = [random.Random(n).randbytes(5000).hex() for n in range(4)]  # compress badly: the cut is in the last
    packed = gzip.compress(b"".join(FROM + mail(n, body) + b"\n" for n, body in enumerate(bodies)))
    box.write_bytes(packed[:-1000])
    mails, reports = read(box)
    assert len(mails) == 3
    assert list(reports) == [""]
    assert reports[""].startswith("broken after 3 mails: ")


@given(
    st.lists(st.text(st.sampled_from("ab\n>From :"), max_size=60), min_size=1, max_size=5),
    st.lists(st.integers(1, 40), max_size=60),
)
def test_blocks_do_not_matter(bodies: list[str], sizes: list[int]) -> None:
    data = b"".join(FROM + mail(n, body) + b"\n" for n, body in enumerate(bodies))
    whole = [item.raw for item in read_mbox("box", io.BytesIO(data), 10**6) if isinstance(item, ArchivedMail)]
    parts = [item.raw for item in read_mbox("box", Dribble(data, sizes), 10**6) if isinstance(item, ArchivedMail)]
    assert parts == whole
    assert len(whole) == len(bodies)


@given(st.lists(st.binary(max_size=200), min_size=2, max_size=5), st.sampled_from([b"\n", b"\r\n"]))
def test_what_mboxrd_quotes_comes_back(bodies: list[bytes], end: bytes) -> None:
    """Bytes in, quoted as mboxrd does, the same bytes out."""
    raws = [b"Subject: x" + end + end + body.replace(b"\r", b"") + b"." + end for body in bodies]
    box = b""
    for raw in raws:
        lines = raw.split(b"\n")
        quoted = [b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines]
        box += FROM.replace(b"\n", end) + b"\n".join(quoted) + end
    assert split(box) == [FROM.replace(b"\n", end) + raw for raw in raws]


def test_a_pipe_may_hold_an_mbox() -> None:
    from .builders import Pipe

    items = list(read_archive("-", stream=Pipe((FROM + mail(1) + b"\n") * 2)))
    assert [item.path for item in items] == ["-#1", "-#2"]

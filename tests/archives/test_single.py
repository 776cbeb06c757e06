"""One file or stream: what it is taken for, and how corpora are found by name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
from pathlib import Path

import pytest

from mailfilter.archives import ArchivedMail, Unreadable, find_corpus, read_archive
from mailfilter.archives.kinds import Kind, kind_of
from mailfilter.errors import ArchiveError

from .builders import Pipe, mail, read, tar_of

HEADS = [
    (b"", Kind.EMPTY),
    (b"From: a@example.org\n", Kind.MAIL),
    (b"Return-Path: <>\r\nTo: x\r\n", Kind.MAIL),
    (b"X-Strange : 1\nReceived: by x\n", Kind.MAIL),
    (b">From a@example.org Tue Nov 24 2026\nSubject: x\n", Kind.MAIL),
    (b"From a@example.org Tue Nov 24 06:12:29 2026\n", Kind.MBOX),
    (b"From a@example.org\nSubject: x\n", Kind.MBOX),
    (b"From here on it is a story\nof two\n", Kind.UNKNOWN),
    (b"Note: this is a text\nwith a colon\n", Kind.UNKNOWN),
    (b'{"from": 1}\n', Kind.UNKNOWN),
    (b"# From: a comment\n", Kind.UNKNOWN),
    (b"PK\x03\x04rest", Kind.ZIP),
    (b"\x1f\x8b\x08rest", Kind.GZIP),
    (b"BZh91AY&SYrest", Kind.BZIP2),
    (b"\xfd7zXZ\x00rest", Kind.XZ),
    (b"BZh is how it begins\n", Kind.UNKNOWN),
    (tar_of([("x", b"")])[:512], Kind.TAR),
    (tar_of([("x", b"")])[:511], Kind.UNKNOWN),
]


@pytest.mark.parametrize(("head", "kind"), HEADS)
def test_kinds_are_told_by_their_first_bytes(head: bytes, kind: Kind) -> None:
    assert kind_of(head) is kind


@pytest.mark.parametrize("raw", [b"", mail(1), b"no header", b"\0" * 600, b"\xff\xfe" * 300])
def test_a_file_that_somebody_names_is_a_mail_whatever_its_bytes(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "some.thing"
    path.write_bytes(raw)
    assert list(read_archive(path)) == [ArchivedMail(str(path), raw)]
    assert list(read_archive("-", stream=Pipe(raw))) == [ArchivedMail("-", raw)]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_one_layer_of_compression_is_taken_off(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    path = tmp_path / "mail"
    path.write_bytes(pack(mail(1)))
    assert [item.raw for item in read(path)[0]] == [mail(1)]
    path.write_bytes(pack(pack(mail(1))))
    mails, reports = read(path)
    assert mails == []
    assert reports[""].endswith("data inside compressed data is not unpacked")


def test_what_is_surely_no_mail_is_reported(tmp_path: Path) -> None:
    for name, head, reason in (
        ("x.7z", b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
        ("x.eml", b"Rar!\x1a\x07\x01", "a RAR archive"),
        ("x.tar.gz", b"no gzip", "named like an archive, but its first bytes are not those of one"),
        ("x.zip", b"", "named like an archive, but its first bytes are not those of one"),
    ):
        (tmp_path / name).write_bytes(head)
        assert read(tmp_path / name) == ([], {"": reason})


def test_an_empty_tar_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(tar_of([]))
    assert list(read_archive(path)) == []


def test_a_truncated_gzip_of_one_mail(tmp_path: Path) -> None:
    path = tmp_path / "x.eml.gz"
    path.write_bytes(gzip.compress(mail(1))[:-5])
    (item,) = read_archive(path)
    assert isinstance(item, Unreadable)
    assert "end-of-stream" in item.reason
    path.write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(ArchiveError, match="cannot be read"):
        list(read_archive(path))


def test_standard_input_is_the_default_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Pipe(mail(7))))
    assert list(read_archive("-")) == [ArchivedMail("-", mail(7))]


def test_a_stream_over_the_limit_is_not_read_to_its_end() -> None:
    class Endless(Pipe):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert size > 0
            self.taken += size
            return b"x" * size

    stream = Endless()
    assert list(read_archive("-", stream=stream, max_bytes=10**6)) == [
        Unreadable("-", "larger than the limit of 1000000 bytes a mail")
    ]
    assert stream.taken < 2 * 10**6


def test_corpora_are_found_by_path_then_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"MAILFILTER_CORPORA": str(tmp_path)}
    (tmp_path / "a.tar.xz").touch()
    (tmp_path / "a.zip").touch()
    (tmp_path / "b").mkdir()
    (tmp_path / "b.mbox").touch()
    assert find_corpus("a", environ) == tmp_path / "a.tar.xz"
    assert find_corpus("b", environ) == tmp_path / "b"
    assert find_corpus(str(tmp_path / "b.mbox"), {}) == tmp_path / "b.mbox"
    monkeypatch.chdir(tmp_path)
    assert find_corpus("b", {}) == Path("b")
    monkeypatch.chdir("/")
    with pytest.raises(ArchiveError, match="MAILFILTER_CORPORA names no folder"):
        find_corpus("b", {})
    for name in ("c", "../b", "..x/y"):
        with pytest.raises(ArchiveError, match=r"nor in MAILFILTER_CORPORA=.* one of .*\.tar\.xz"):
            find_corpus(name, environ)

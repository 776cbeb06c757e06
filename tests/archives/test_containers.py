"""Tar and zip: labels, members of all kinds, damage, and bombs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailfilter.archives import ArchivedMail, Item, Unreadable, read_archive
from mailfilter.errors import ArchiveError

from .builders import Files, Pipe, mail, names, read, tar_of, zip_of

FROM = b"From a@example.org Tue Nov 24 06:12:29 2026\n"
INDEX = ("c/index", b"spam data/1\nham data/2\nnone data/3\n")
DATA = [("c/data/3", mail(3)), ("c/data/1", b"any bytes"), ("c/data/2", b"")]
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}


def packed(kind: str, files: Files) -> bytes:
    return zip_of(files) if kind == "zip" else PACKERS[kind](tar_of(files))


@pytest.mark.parametrize("kind", [*PACKERS, "zip"])
@pytest.mark.parametrize("index_first", [True, False])
def test_members_come_in_order_of_the_archive_with_labels_of_the_index(
    tmp_path: Path, kind: str, index_first: bool
) -> None:
    path = tmp_path / "archive"  # no suffix: the bytes say what it is
    path.write_bytes(packed(kind, [INDEX, *DATA] if index_first else [*DATA, INDEX]))
    mails, reports = read(path)
    assert [(item.path, item.raw) for item in mails] == [(f"{path}!{name}", data) for name, data in DATA]
    assert [(item.label, item.line) for item in mails] == [(None, 3), ("spam", 1), ("ham", 2)]
    assert reports == {}


@pytest.mark.parametrize("kind", PACKERS)
def test_tars_may_come_through_a_pipe(kind: str) -> None:
    items = list(read_archive("-", stream=Pipe(packed(kind, [INDEX, *DATA]))))
    assert [item.label for item in items if isinstance(item, ArchivedMail)] == [None, "spam", "ham"]
    late = list(read_archive("-", stream=Pipe(packed(kind, [("a.eml", mail(1)), INDEX]))))
    assert isinstance(late[0], ArchivedMail)
    assert late[1] == Unreadable(
        "-!c/index", "an index that is not used: another one is, or it comes after the mails in a stream"
    )


def test_a_zip_needs_a_file() -> None:
    data = packed("zip", [INDEX, *DATA])
    assert len(list(read_archive("-", stream=io.BytesIO(data)))) == 3
    with pytest.raises(ArchiveError, match="cannot be read from a pipe"):
        list(read_archive("-", stream=Pipe(data)))


def test_the_index_of_the_whole_is_taken_of_several(tmp_path: Path) -> None:
    trec = [
        ("trec/data/inmail.1", mail(1)),
        ("trec/delay/index", b"ham ../data/inmail.1\n"),
        ("trec/full/index", b"spam ../data/inmail.1\nham ../../../etc/passwd\n"),
    ]
    for kind in ("tar.gz", "zip"):
        path = tmp_path / kind
        path.write_bytes(packed(kind, trec))
        mails, reports = read(path)
        assert [(item.label, item.line) for item in mails] == [("spam", 1)]
        assert reports["trec/full/index"] == "line 2: ../../../etc/passwd leads out of the archive"
        assert reports["trec/delay/index"].startswith("an index that is not used")


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_members_without_an_index(tmp_path: Path, kind: str) -> None:
    files = [
        ("a.eml", b""),
        ("b.txt", mail(1)),
        ("box", (FROM + mail(2) + b"\n") * 2),
        ("README", b"a text\n"),
        (".hidden", mail(3)),
        ("inner.tar", tar_of([("x.eml", mail(4))])),
        ("inner.gz", gzip.compress(mail(5))),
        ("/abs.eml", mail(6)),
        ("../up.eml", mail(7)),
        ("big.eml", b"Subject: x\n\n" + b"x" * 2000),
    ]
    path = tmp_path / "within" / "x"
    path.parent.mkdir()
    path.write_bytes(packed(kind, files))
    mails, reports = read(path, max_bytes=1500)
    assert [item.path for item in mails] == [
        f"{path}!{name}" for name in ("a.eml", "b.txt", "box#1", "box#2", "/abs.eml", "../up.eml")
    ]
    assert {name: reason.partition(" inside")[0] for name, reason in reports.items()} == {
        "README": "not a mail: it does not begin with a header",
        ".hidden": "a hidden file",
        "inner.tar": "a tar archive",
        "inner.gz": "gzip data",
        "big.eml": "larger than the limit of 1500 bytes a mail",
    }
    assert sorted(tmp_path.rglob("*.eml")) == [], "members are never written anywhere"


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_index_and_its_archive_that_do_not_agree(tmp_path: Path, kind: str) -> None:
    files = [("index", b"spam 1\nham gone\nham 2\n"), ("1", mail(1)), ("extra", mail(2)), ("2", mail(3))]
    path = tmp_path / "x"
    path.write_bytes(packed(kind, files))
    mails, reports = read(path)
    assert names(mails, path) == ["1", "2"]
    assert reports == {
        "extra": "not listed in the index, or a second member of that name",
        "gone": "listed in the index but not in the archive",
    }


def test_members_of_a_tar_that_are_no_files(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        kinds = (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)
        for name, kind in zip("dshf", kinds, strict=True):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    assert read(path) == ([], dict.fromkeys("shf", "a link, device, pipe or sparse file"))


def truncated(kind: str, keep: int) -> bytes:
    """An archive of eight mails of 5 kB that hardly compress, cut to ``keep`` bytes."""
    files = [(str(n), mail(n, random.Random(n).randbytes(2500).hex())) for n in range(8)]
    index = ("index", b"".join(b"ham %d\n" % n for n in range(8)))
    return packed(kind, [index, *files])[:keep]


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.xz"])
def test_a_truncated_tar_gives_what_was_readable_and_one_report(tmp_path: Path, kind: str) -> None:
    whole = truncated(kind, 10**6)
    path = tmp_path / "x"
    for keep in (len(whole) * 7 // 10, len(whole) // 2):
        path.write_bytes(whole[:keep])
        for mails, reports in (read(path), read("-", stream=Pipe(whole[:keep]))):
            assert list(reports) == [""]
            assert reports[""].startswith(f"broken after {len(mails)} items: ")
            assert reports[""].endswith(f"; {8 - len(mails)} more are listed in its index")
            assert [item.raw for item in mails] == [
                mail(n, random.Random(n).randbytes(2500).hex()) for n in range(len(mails))
            ]
            assert len(mails) >= 8 * keep // len(whole) - 2


def test_bzip2_gives_nothing_before_its_first_block_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(truncated("tar.bz2", 20_000))
    with pytest.raises(ArchiveError, match="cannot be read: Compressed file ended"):
        list(read_archive(path))


def test_a_tar_cut_between_two_members_is_not_taken_for_whole(tmp_path: Path) -> None:
    data = tar_of([("1.eml", mail(1)), ("2.eml", mail(2))])
    path = tmp_path / "x.tar"
    path.write_bytes(data[:1024])
    mails, reports = read(path)
    assert len(mails) == 1
    assert reports[""].startswith("broken after 1 items: no end mark")
    path.write_bytes(data[:1024] + b"\xff" * 512 + data[1024:])
    assert read(path)[1] == {"": "broken after 1 items: bad checksum"}


def test_a_damaged_zip_member_costs_only_itself(tmp_path: Path) -> None:
    files = [(f"{n}.eml", mail(n, random.Random(n).randbytes(500).hex())) for n in range(3)]
    data = bytearray(zip_of(files))
    middle = data.index(b"1.eml") + 100
    data[middle : middle + 20] = b"\xff" * 20
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    mails, reports = read(path)
    assert names(mails, path) == ["0.eml", "2.eml"]
    assert list(reports) == ["1.eml"]
    assert reports["1.eml"].startswith("cannot be read: ")
    path.write_bytes(data[:-30])
    with pytest.raises(ArchiveError, match="the zip archive cannot be read"):
        list(read_archive(path))


def test_encrypted_members_of_a_zip_are_reported(tmp_path: Path) -> None:
    data = bytearray(zip_of([("index", b"spam 1\nham 2\n"), ("1", mail(1)), ("2", mail(2))]))
    local = data.index(b"PK\x03\x04", data.index(b"PK\x03\x04", 1))
    central = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[local + 6] |= 1
    data[central + 8] |= 1
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    mails, reports = read(path)
    assert names(mails, path) == ["2"]
    assert reports == {"1": "encrypted"}


def test_bombs_cost_no_more_than_one_mail_may(tmp_path: Path) -> None:
    bomb = ("bomb.eml", b"Subject: x\n\n" + bytes(30_000_000))
    for kind in ("tar.gz", "zip"):
        path = tmp_path / kind
        path.write_bytes(packed(kind, [bomb, ("after.eml", mail(1))]))
        mails, reports = read(path, max_bytes=1_000_000)
        assert (names(mails, path), list(reports)) == (["after.eml"], ["bomb.eml"])
    lying = bytearray(packed("zip", [bomb]))  # says that it is small
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = lying.index(mark) + offset
        lying[at : at + 4] = (100).to_bytes(4, "little")
    path.write_bytes(lying)
    mails, reports = read(path, max_bytes=1_000_000)
    assert sum(len(item.raw) for item in mails) <= 1_000_000
    assert len(mails) + len(reports) == 1


def header(name: str, size: int, kind: bytes = b"0") -> bytes:
    """A tar header with any size, also negative or huge (base 256)."""
    member = tarfile.TarInfo(name)
    member.type = kind
    block = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = size.to_bytes(12, "big", signed=True) if size < 0 else b"\x80" + size.to_bytes(11, "big")
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 8 * 32)
    return bytes(block)


PAX = header("p", 10, b"x") + b"10 a=b123\n".ljust(512, b"\0")
HOSTILE = {
    "headers without end": PAX * 5000 + bytes(1024),
    "a size below zero": header("m", -512) + bytes(2048),
    "a header with a size below zero": header("p", -512, b"x") + bytes(2048),
    "a header of a terabyte": header("p", 10**12, b"x") + bytes(4096),
    "a name of a terabyte": header("p", 10**12, b"L") + bytes(4096),
    "a file of a petabyte": header("m.eml", 10**15) + bytes(4096),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_tar_headers(tmp_path: Path, what: str) -> None:
    good = tar_of([("1.eml", mail(1))])[:1024]
    path = tmp_path / "x.tar"
    path.write_bytes(good + HOSTILE[what])
    mails, reports = read(path)
    assert names(mails, path) == ["1.eml"]
    assert "" in reports


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good archive with a few bytes changed, put in or taken out."""
    kind = draw(st.sampled_from([*PACKERS, "zip"]))
    data = bytearray(packed(kind, [INDEX, *DATA, ("c/" + "x" * 120, mail(4))]))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 600))] = draw(st.binary(max_size=30))
    return bytes(data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=damaged())
def test_no_damage_raises_anything_but_archive_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    for options in ({"path": path}, {"path": "-", "stream": Pipe(data)}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zipfile warns of names given twice
            try:
                items: list[Item] = list(read_archive(**options))
            except ArchiveError as error:
                items = [Unreadable(error.path, error.reason)]
        for item in items:
            assert isinstance(item, ArchivedMail) or (item.reason and "\n" not in item.reason)


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=6), st.sampled_from([*PACKERS, "zip"]))
def test_listed_bytes_come_back_unchanged(raws: list[bytes], kind: str) -> None:
    files = [(f"data/{n}", raw) for n, raw in enumerate(raws)]
    index = ("index", b"".join(b"spam data/%d\n" % n for n in range(len(raws))))
    items = list(read_archive("-", stream=io.BytesIO(packed(kind, [*files, index]))))
    assert [item.raw for item in items if isinstance(item, ArchivedMail)] == raws
    assert len(items) == len(raws)


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    name = b"caf\xe9.eml".decode("utf-8", "surrogateescape")
    path.write_bytes(tar_of([("index", b"spam caf\xe9.eml\n"), (name, mail(1))], tarfile.GNU_FORMAT))
    mails, reports = read(path)
    assert [(item.label, item.path) for item in mails] == [("spam", f"{path}!{name}")]
    assert reports == {}


def test_zip_members_stored_by_an_unknown_method(tmp_path: Path) -> None:
    data = bytearray(zip_of([("1.eml", mail(1))]))
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(mark) + offset] = 97
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    assert read(path)[1] == {"1.eml": "cannot be read: That compression method is not supported"}


def test_zipfile_is_what_wrote_these() -> None:
    """The builders make what the standard library itself takes for whole."""
    assert zipfile.ZipFile(io.BytesIO(zip_of(DATA))).testzip() is None
    with tarfile.open(fileobj=io.BytesIO(tar_of(DATA))) as tar:
        assert tar.getnames() == [name for name, _ in DATA]

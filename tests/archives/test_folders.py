"""Folders: TREC layout, Maildir, MH, plain files, and what else lies about in them."""

from __future__ import annotations

import bz2
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailfilter.archives import ArchivedMail, read_archive
from mailfilter.errors import ArchiveError

from .builders import mail, names, read, tar_of


def fill(folder: Path, *files: tuple[str, bytes]) -> Path:
    for name, data in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_an_index_gives_order_labels_and_lines(tmp_path: Path) -> None:
    fill(tmp_path, ("data/1", mail(1)), ("data/2", mail(2)), ("data/a b", b"no header"))
    fill(tmp_path, ("index", b"ham data/2\n\nnone data/a b\r\nspam  ./data/1\n"))
    mails, reports = read(tmp_path)
    assert [(item.label, item.line) for item in mails] == [("ham", 1), (None, 3), ("spam", 4)]
    assert names(mails, tmp_path) == ["data/2", "data/a b", "data/1"]
    assert mails[1].raw == b"no header"
    assert reports == {}


def test_a_listed_file_is_one_mail_byte_for_byte(tmp_path: Path) -> None:
    line = b"From a@example.org Tue Nov 24 06:12:29 2026\n"
    raw = line + b"Subject: x\n\n>From here\n\n" + line + b"\n"
    fill(tmp_path, ("index", b"ham data/1\nspam data/2"), ("data/1", raw), ("data/2", b""))
    assert [item.raw for item in read(tmp_path)[0]] == [raw, b""]


def test_the_layout_of_the_trec_corpora(tmp_path: Path) -> None:
    fill(tmp_path, ("full/index", b"spam ../data/inmail.1\nham ../data/inmail.2\n"))
    fill(tmp_path, ("partial/index", b"ham ../data/inmail.2\n"))
    fill(tmp_path, ("data/inmail.1", mail(1)), ("data/inmail.2", mail(2)))
    whole = [item.label for item in read_archive(tmp_path) if isinstance(item, ArchivedMail)]
    assert whole == ["spam", "ham"]
    part = [item.label for item in read_archive(tmp_path / "partial" / "index") if isinstance(item, ArchivedMail)]
    assert part == ["ham"]


def test_faults_of_an_index_are_reported_line_by_line(tmp_path: Path) -> None:
    lines = b"ham data/1\nmaybe data/1\nspam data/1\nham /etc/passwd\nspam ../../x\nham data/gone\nham data\n"
    fill(tmp_path, ("index", lines), ("data/1", mail(1)), ("data/extra", mail(2)))
    items = list(read_archive(tmp_path))
    assert [item.path for item in items if isinstance(item, ArchivedMail)] == [f"{tmp_path}/data/1"]
    reasons = [item.reason for item in items if not isinstance(item, ArchivedMail)]
    assert [reason.partition(":")[0] for reason in reasons[:4]] == ["line 2", "line 3", "line 4", "line 5"]
    gone = "listed in the index (line 6) but not there"
    assert reasons[4:] == [gone, "a folder, not a file", "not listed in the index"]


def test_a_file_named_index_that_is_none_is_a_file_like_others(tmp_path: Path) -> None:
    fill(tmp_path, ("index", b"just a text\n"), ("1.eml", mail(1)))
    mails, reports = read(tmp_path)
    assert (len(mails), list(reports)) == (1, ["index"])


def test_maildir_with_subfolders(tmp_path: Path) -> None:
    fill(tmp_path, ("cur/1:2,S", mail(1)), ("new/2", b""), ("tmp/3", mail(3)), ("dovecot-uidlist", b"3 V1 N2\n"))
    fill(tmp_path, (".Sent/cur/4:2,", b"any bytes"), (".Sent/maildirfolder", b""))
    (tmp_path / ".Sent/new").mkdir()
    mails, reports = read(tmp_path)
    assert names(mails, tmp_path) == [".Sent/cur/4:2,", "cur/1:2,S", "new/2"]
    assert sorted(reports) == [".Sent/maildirfolder", "dovecot-uidlist", "tmp"]


def test_mh_is_read_by_number(tmp_path: Path) -> None:
    fill(tmp_path, *((str(n), mail(n)) for n in (10, 9, 100)), ("7", b"no header"), (".mh_sequences", b"cur: 9\n"))
    mails, reports = read(tmp_path)
    assert names(mails, tmp_path) == ["7", "9", "10", "100"]
    assert reports == {".mh_sequences": "a hidden file"}


def test_sub_folders_stand_in_their_place(tmp_path: Path) -> None:
    fill(tmp_path, *((name, mail(1)) for name in ("b/2.eml", "c.eml", "a.eml", "b/1.eml", "b/x/y/z.eml")))
    assert names(read(tmp_path)[0], tmp_path) == ["a.eml", "b/1.eml", "b/2.eml", "b/x/y/z.eml", "c.eml"]


def test_what_is_no_mail_is_reported(tmp_path: Path) -> None:
    fill(tmp_path, ("ok.eml", mail(1)), ("empty.eml", b""), ("odd.eml", b"no header"), (".git/x", mail(2)))
    fill(tmp_path, ("README", b"Note: a text\n"), ("empty", b""))
    fill(tmp_path, ("x.png", b"\x89PNG\r\n\x1a\n"), ("x.pdf", b"%PDF-1.4"))
    fill(tmp_path, ("x.tar", tar_of([("a.eml", mail(3))])), ("x.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"))
    fill(tmp_path, ("sub/._resource", mail(4)), ("box.bz2", bz2.compress(mail(5))))
    os.symlink("nowhere", tmp_path / "broken.eml")
    os.symlink(tmp_path, tmp_path / "sub" / "loop")
    os.mkfifo(tmp_path / "pipe.eml")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "s"))
        mails, reports = read(tmp_path)
    assert names(mails, tmp_path) == ["box.bz2", "empty.eml", "odd.eml", "ok.eml"]
    assert reports == {
        ".git": "a hidden folder",
        "README": "not a mail: it does not begin with a header",
        "broken.eml": "a broken link",
        "empty": "empty, and not named like a mail",
        "pipe.eml": "a named pipe, not a file",
        "s": "a socket, not a file",
        "sub/._resource": "a hidden file",
        "sub/loop": "a link to a folder, not followed",
        "x.msg": "an OLE file (Outlook .msg, old Office)",
        "x.pdf": "a PDF file",
        "x.png": "a PNG picture",
        "x.tar": "a tar archive inside another archive or folder is not opened: name it itself",
    }


def test_a_link_to_a_file_is_followed_also_from_an_index(tmp_path: Path) -> None:
    fill(tmp_path, ("real/1", mail(1)), ("box/index", b"ham link\nham fifo\nham loop\n"))
    os.symlink("../real/1", tmp_path / "box" / "link")
    os.mkfifo(tmp_path / "box" / "fifo")
    os.symlink("loop", tmp_path / "box" / "loop")
    mails, reports = read(tmp_path / "box")
    assert [item.raw for item in mails] == [mail(1)]
    assert reports["fifo"] == "a named pipe, not a file"
    assert reports["loop"] == "Too many levels of symbolic links"


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    for name in ("big.eml", "listed/data"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with open(tmp_path / name, "wb") as file:
            file.write(b"Subject: x\n\n")
            file.truncate(1 << 40)  # a hole: reading it all would take hours
    (tmp_path / "listed" / "index").write_bytes(b"spam data\n")
    reason = "larger than the limit of 1000 bytes a mail"
    assert read(tmp_path / "listed", max_bytes=1000) == ([], {"data": reason})
    assert read(tmp_path / "big.eml", max_bytes=1000) == ([], {"": reason})
    assert read(tmp_path, max_bytes=1000)[1]["big.eml"] == reason


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that any user may enter, with the rights of an ordinary user while the test runs."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may read everything; be nobody for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_permission_denied_is_reported(public_folder: Path) -> None:
    fill(public_folder, ("secret.eml", mail(1)), ("closed/1.eml", mail(2)), ("open.eml", mail(3)))
    (public_folder / "secret.eml").chmod(0)
    (public_folder / "closed").chmod(0)
    with ordinary_user():
        mails, reports = read(public_folder)
        with pytest.raises(ArchiveError, match="Permission denied"):
            list(read_archive(public_folder / "secret.eml"))
    (public_folder / "closed").chmod(0o700)
    assert names(mails, public_folder) == ["open.eml"]
    assert reports == {"secret.eml": "Permission denied", "closed": "the folder cannot be read: Permission denied"}


def test_a_relative_index_names_no_file_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, ("index", b"spam data/1\n"), ("data/1", mail(1)))
    monkeypatch.chdir(tmp_path)
    for path in (".", "index", "./index"):
        (item,) = read_archive(path)
        assert (type(item), os.path.normpath(item.path)) == (ArchivedMail, "data/1")


def test_missing_and_special_paths_are_errors_at_the_call(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchiveError, match="No such file or directory"):
        read_archive(tmp_path / "gone")
    with pytest.raises(ArchiveError, match="is a named pipe"):
        read_archive(tmp_path / "pipe")
    with pytest.raises(ArchiveError, match="is a device"):
        read_archive("/dev/zero")

"""What every place for mails has to do, shown for each of them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from mailfilter.errors import MissingExtraError, StoreError
from mailfilter.stores.blobs import PART, Blobs, FolderBlobs, FsspecBlobs, MemoryBlobs, open_blobs
from mailfilter.stores.places import without_password


@pytest.fixture(params=["memory", "folder", "memory-url", "file-url"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if "url" in request.param:
        pytest.importorskip("fsspec", reason="pip install 'mailfilter[fsspec]'")
    if request.param == "file-url":
        return FsspecBlobs(f"file://{tmp_path}/mails")
    names = {"memory": ":memory:", "folder": str(tmp_path / "mails"), "memory-url": f"memory://{tmp_path.name}/mails"}
    return open_blobs(names[request.param])


def test_the_name_chooses_the_kind(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    names = (":memory:", str(tmp_path / "mails"), f"file://{tmp_path}/mails", "memory://x/y")
    assert [type(open_blobs(name)) for name in names] == [MemoryBlobs, FolderBlobs, FolderBlobs, FsspecBlobs]


def test_what_is_written_is_there(blobs: Blobs) -> None:
    blobs.write("a1", b"\0\r\nraw")
    assert (blobs.read("a1"), blobs.has("a1"), list(blobs.names())) == (b"\0\r\nraw", True, ["a1"])
    assert (blobs.read("a2"), blobs.has("a2")) == (None, False)


def test_writing_once_more_replaces(blobs: Blobs) -> None:
    blobs.write("a1", b"old")
    blobs.write("a1", b"new")
    assert (blobs.read("a1"), list(blobs.names())) == (b"new", ["a1"])


def test_removing_is_done_once(blobs: Blobs) -> None:
    blobs.write("a1", b"x")
    blobs.remove("a1")
    blobs.remove("a1")
    assert list(blobs.names()) == []


def test_renaming(blobs: Blobs) -> None:
    blobs.write("a1", b"x")
    blobs.rename("a1", "a1.damaged")
    assert (list(blobs.names()), blobs.read("a1.damaged")) == (["a1.damaged"], b"x")


def test_what_was_half_written_is_swept_and_is_no_name(blobs: Blobs) -> None:
    if isinstance(blobs, MemoryBlobs):
        return
    blobs.write(f"a1.0000{PART}", b"half")
    blobs.write("a1", b"x")
    assert list(blobs.names()) == ["a1"]
    assert [blobs.sweep(3600.0), blobs.sweep(0.0), blobs.sweep(0.0)] == [0, 1, 0]
    assert blobs.read("a1") == b"x"


def test_a_file_is_synchronised_before_it_has_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = FolderBlobs(str(tmp_path / "mails"))
    done: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def noted(*words: object, name: str = name, real: object = real) -> object:
            at = os.readlink(f"/proc/self/fd/{words[0]}") if name == "fsync" else ""
            done.append(f"{name} {'folder' if at.endswith('mails') else 'file'}" if at else name)
            return real(*words)  # type: ignore[operator]

        monkeypatch.setattr(os, name, noted)
    blobs.write("a1", b"x")
    assert done == ["fsync file", "replace", "fsync folder"]


def test_a_file_that_cannot_be_synchronised_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = FolderBlobs(str(tmp_path / "mails"))

    def fails(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        with pytest.raises(StoreError, match="cannot be written: No space left on device"):
            blobs.write("a1", b"x")
    assert os.listdir(tmp_path / "mails") == []


def test_a_folder_without_a_parent_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened: No such file or directory"):
        FolderBlobs(str(tmp_path / "no" / "mails"))


def test_others_cannot_read_mails(tmp_path: Path) -> None:
    blobs = FolderBlobs(str(tmp_path / "mails"))
    blobs.write("a1", b"x")
    modes = [oct(os.stat(path).st_mode & 0o777) for path in (tmp_path / "mails", tmp_path / "mails" / "a1")]
    assert modes == ["0o700", "0o600"]


def test_a_protocol_that_nobody_knows_is_said() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_blobs("nosuch://bucket/folder")


def test_young_parts_of_a_folder_stay(tmp_path: Path) -> None:
    blobs = FolderBlobs(str(tmp_path / "mails"))
    for name, age in (("young", 10), ("old", 1000)):
        path = tmp_path / "mails" / f"{name}{PART}"
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    assert blobs.sweep(500.0) == 1
    assert os.listdir(tmp_path / "mails") == [f"young{PART}"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ftp://u:secret@host:21/mails", "ftp://u@host:21/mails"),
        ("postgresql://u:secret@a:1,b:2/held?sslmode=require", "postgresql://u@a:1,b:2/held?sslmode=require"),
        ("postgresql://host/held?password=secret&user=u", "postgresql://host/held?password=…&user=u"),
        ("s3://bucket/folder", "s3://bucket/folder"),
        ("/var/a:b@c", "/var/a:b@c"),
    ],
)
def test_places_are_shown_without_passwords(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mailfilter\[fsspec\]'"):
        open_blobs("s3://bucket/folder")

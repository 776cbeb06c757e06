"""Archives built in memory, and what reading one gives."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mailfilter.archives import ArchivedMail, Unreadable, read_archive

Files = Iterable[tuple[str, bytes]]


def mail(number: int, body: str = "hello") -> bytes:
    """A small mail that says which one it is."""
    return f"From: a@example.org\nSubject: mail {number}\n\n{body}\n".encode()


def tar_of(files: Files, format: int = tarfile.PAX_FORMAT) -> bytes:
    """An uncompressed tar of regular files."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=format) as tar:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return target.getvalue()


def zip_of(files: Files) -> bytes:
    """A zip with deflated members."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return target.getvalue()


class Pipe(io.BytesIO):
    """A stream that cannot seek, like standard input."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise io.UnsupportedOperation("a pipe")


def read(path: str | Path, **options: Any) -> tuple[list[ArchivedMail], dict[str, str]]:
    """Mails of an archive, and reasons by path with everything before the archive's own name cut off."""
    items = list(read_archive(path, **options))
    cut = len(str(path)) if str(path) != "-" else 1
    reports = {item.path[cut:].lstrip("/!"): item.reason for item in items if isinstance(item, Unreadable)}
    assert len(reports) == sum(isinstance(item, Unreadable) for item in items), "two reports for one path"
    return [item for item in items if isinstance(item, ArchivedMail)], reports


def names(mails: Iterable[ArchivedMail], path: str | Path) -> list[str]:
    """Paths of mails, seen from the archive."""
    return [item.path[len(str(path)) :].lstrip("/!") for item in mails]

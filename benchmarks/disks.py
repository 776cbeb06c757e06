"""Small file systems of their own, to be filled and to be cut off; only root can have them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailfilter.errors import MailFilterError

_SHUTDOWN = 0x8004587D
"""FS_IOC_SHUTDOWN of Linux; `_NO_FLUSH`: without writing the journal out before."""
_NO_FLUSH = 2


class NoDiskError(MailFilterError):
    """A file system of our own cannot be had here."""


class Disk:
    """An ext4 file system in a file (``image``), mounted at ``folder``."""

    def __init__(self, place: Path, megabytes: int) -> None:
        self.image, self.folder, self.device = place / "disk.img", place / "disk", ""
        for program in ("mkfs.ext4", "losetup", "mount", "e2fsck"):
            if shutil.which(program, path=_PATH) is None:
                raise NoDiskError(f"a small file system cannot be made here: {program} is missing")
        self.folder.mkdir()
        with self.image.open("wb") as file:
            file.truncate(megabytes * 2**20)
        _run("mkfs.ext4", "-q", "-F", str(self.image))
        self.device = _run("losetup", "-f", "--show", str(self.image))
        self.mount()

    def mount(self) -> None:
        """Mount it."""
        _run("mount", self.device, str(self.folder))

    def cut_off(self) -> None:
        """Take no more writes and forget those that are in memory only, as when the power goes."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_FLUSH))
        except OSError as error:
            raise NoDiskError(f"a disk cannot be cut off here: {error.strerror}") from None
        finally:
            os.close(folder)

    def come_back(self) -> None:
        """Mount it anew, as a machine does that starts again."""
        _run("umount", str(self.folder))
        with contextlib.suppress(NoDiskError):  # it says by its status that there was something to set right
            _run("e2fsck", "-p", self.device)
        self.mount()

    def protect(self, on: bool) -> None:
        """Make it read-only, or writable again; nothing may be open for writing."""
        _run("mount", "-o", "remount,ro" if on else "remount,rw", str(self.folder))

    def close(self) -> None:
        """Let go of it."""
        try:
            _run("umount", str(self.folder))
        except NoDiskError:  # something in it is open yet
            with contextlib.suppress(NoDiskError):
                _run("umount", "-l", str(self.folder))
        if self.device:
            _run("losetup", "-d", self.device)


@contextmanager
def disk(place: Path, megabytes: int) -> Iterator[Disk]:
    """A small file system.  Raises `NoDiskError` where there is none to be had."""
    made = Disk.__new__(Disk)
    made.device = ""
    try:
        made.__init__(place, megabytes)  # type: ignore[misc]
        yield made
    finally:
        if made.device:
            made.close()


_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "PATH": _PATH})
    if done.returncode:
        raise NoDiskError(f"a small file system cannot be had here: {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()

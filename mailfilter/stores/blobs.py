"""Octets under a name, whole or not at all: in a folder, under an fsspec URL, or in memory.

A name is a short text of letters, digits, ``-`` and ``.`` that never ends in ``.part``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ..errors import MissingExtraError, StoreError
from .places import without_password

PART = ".part"
"""Ending of the name of what is being written, or was when its writer was killed."""


class Blobs(Protocol):
    """Octets under names.  Every method may be called by many threads and processes and raises `StoreError` only."""

    place: str
    """Where they are, for messages."""

    def write(self, name: str, data: bytes) -> None:
        """Put ``data`` there, in the place of what was; when this returns it is durable, if it raises it may be."""
        ...

    def read(self, name: str) -> bytes | None:
        """The octets, or `None` if there are none of that name."""
        ...

    def remove(self, name: str) -> None:
        """Remove what is there, if anything is."""
        ...

    def rename(self, name: str, other: str) -> None:
        """Give it another name."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is anything of that name."""
        ...

    def names(self) -> Iterator[str]:
        """Every name under which something is complete, in no order."""
        ...

    def sweep(self, age: float) -> int:
        """Remove what writers that were killed left half-written ``age`` seconds ago or earlier; how many."""
        ...


class MemoryBlobs:
    """`Blobs` that are gone with the object."""

    place = "memory"

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    def write(self, name: str, data: bytes) -> None:
        """See `Blobs.write`."""
        self._held[name] = data

    def read(self, name: str) -> bytes | None:
        """See `Blobs.read`."""
        return self._held.get(name)

    def remove(self, name: str) -> None:
        """See `Blobs.remove`."""
        self._held.pop(name, None)

    def rename(self, name: str, other: str) -> None:
        """See `Blobs.rename`."""
        if name in self._held:
            self._held[other] = self._held.pop(name)

    def has(self, name: str) -> bool:
        """See `Blobs.has`."""
        return name in self._held

    def names(self) -> Iterator[str]:
        """See `Blobs.names`."""
        yield from list(self._held)

    def sweep(self, age: float) -> int:
        """See `Blobs.sweep`."""
        return 0


class FolderBlobs:
    """`Blobs` as files of one folder, which is made if only it is missing.

    Written under another name, synchronised, renamed, and the folder synchronised: after a crash of the machine a file
    is there whole or not at all.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        with self._reported("opened"):
            if not os.path.isdir(place):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(place, 0o700)
                _synchronise(os.path.dirname(os.path.abspath(place)))
            os.listdir(place)

    def write(self, name: str, data: bytes) -> None:
        """See `Blobs.write`."""
        path = self._path(name)
        part = f"{path}.{secrets.token_hex(4)}{PART}"
        with self._reported("written"):
            try:
                _write_through(part, data)
                os.replace(part, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(part)
                raise
            _synchronise(self.place)

    def read(self, name: str) -> bytes | None:
        """See `Blobs.read`."""
        with self._reported("read"):
            try:
                with open(self._path(name), "rb") as file:
                    return file.read()
            except FileNotFoundError:
                return None

    def remove(self, name: str) -> None:
        """See `Blobs.remove`."""
        with self._reported("written"), contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(name))

    def rename(self, name: str, other: str) -> None:
        """See `Blobs.rename`."""
        with self._reported("written"):
            os.replace(self._path(name), self._path(other))
            _synchronise(self.place)

    def has(self, name: str) -> bool:
        """See `Blobs.has`."""
        return os.path.exists(self._path(name))

    def names(self) -> Iterator[str]:
        """See `Blobs.names`."""
        with self._reported("read"), os.scandir(self.place) as entries:
            yield from [entry.name for entry in entries if not entry.name.endswith(PART)]

    def sweep(self, age: float) -> int:
        """See `Blobs.sweep`."""
        swept, before = 0, time.time() - age
        with self._reported("swept"), os.scandir(self.place) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if entry.name.endswith(PART) and entry.stat().st_mtime <= before:
                        os.unlink(entry.path)
                        swept += 1
        return swept

    def _path(self, name: str) -> str:
        return os.path.join(self.place, name)

    @contextmanager
    def _reported(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"quarantined mails in {self.place}: cannot be {doing}: {error.strerror}") from None


class FsspecBlobs:
    """`Blobs` under a URL that fsspec knows (``s3://bucket/folder``, ``sftp://host/folder``, …).

    They are as durable as that service says once it has taken them; what was taken is asked for its size.  Half-written
    names are told by their ending, so renaming has to work there.  Raises `MissingExtraError` without fsspec.
    """

    def __init__(self, url: str) -> None:
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise MissingExtraError("A quarantine whose mails lie under a URL", "fsspec") from None
        self.place = without_password(url)
        with self._reported("opened"):
            self._files, self._root = url_to_fs(url)
            self._files.makedirs(self._root, exist_ok=True)

    def write(self, name: str, data: bytes) -> None:
        """See `Blobs.write`."""
        part = f"{name}.{secrets.token_hex(4)}{PART}"
        with self._reported("written"):
            self._files.pipe_file(self._path(part), data)
            size = self._files.info(self._path(part)).get("size")
            if size != len(data):
                raise OSError(f"{size} of {len(data)} octets have arrived")
            self._files.mv(self._path(part), self._path(name))  # what was there is there until this is done

    def read(self, name: str) -> bytes | None:
        """See `Blobs.read`."""
        with self._reported("read"):
            try:
                return bytes(self._files.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def remove(self, name: str) -> None:
        """See `Blobs.remove`."""
        with self._reported("written"):
            try:
                self._files.rm_file(self._path(name))
            except Exception:  # each service has its own for what is not there
                if self._files.exists(self._path(name)):
                    raise

    def rename(self, name: str, other: str) -> None:
        """See `Blobs.rename`."""
        with self._reported("written"):
            self._files.mv(self._path(name), self._path(other))

    def has(self, name: str) -> bool:
        """See `Blobs.has`."""
        with self._reported("read"):
            return bool(self._files.exists(self._path(name)))

    def names(self) -> Iterator[str]:
        """See `Blobs.names`."""
        for name in self._listed():
            if not name.endswith(PART):
                yield name

    def sweep(self, age: float) -> int:
        """See `Blobs.sweep`.  Where the service tells no time, nothing is old enough unless ``age`` is 0."""
        swept = 0
        for name in self._listed():
            with self._reported("swept"), contextlib.suppress(FileNotFoundError):
                if name.endswith(PART) and (age <= 0 or self._age(name) >= age):
                    self._files.rm_file(self._path(name))
                    swept += 1
        return swept

    def _age(self, name: str) -> float:
        try:
            return time.time() - float(self._files.modified(self._path(name)).timestamp())
        except (NotImplementedError, AttributeError, TypeError):
            return -1.0

    def _listed(self) -> list[str]:
        with self._reported("read"):
            self._files.invalidate_cache()
            found: list[Any] = self._files.ls(self._root, detail=False)
        return [str(path).rstrip("/").rpartition("/")[2] for path in found]

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _reported(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (StoreError, FileNotFoundError):
            raise
        except Exception as error:  # each service has its own
            said = " ".join(str(error).split()) or type(error).__name__
            raise StoreError(f"quarantined mails in {self.place}: cannot be {doing}: {said}") from None


def open_blobs(place: str) -> Blobs:
    """What a setting names: ``":memory:"``, a folder, or a URL."""
    if place == ":memory:":
        return MemoryBlobs()
    place = place.removeprefix("file://")  # fsspec would not synchronise
    return FsspecBlobs(place) if "://" in place else FolderBlobs(place)


def _write_through(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _synchronise(folder: str) -> None:
    """Have the names in ``folder`` on the disk."""
    if os.name != "posix":  # elsewhere a folder cannot be opened, and renaming is durable by itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Reading bytes with a cap, looking ahead, and one layer of compression."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import IO, BinaryIO, Protocol, cast

from .kinds import HEAD, Kind, kind_of

BLOCK = 1 << 18
"""Bytes asked for at a time."""

READ_ERRORS = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    RuntimeError,
    ValueError,
    LookupError,
    OverflowError,
    struct.error,
)
"""What reading damaged data raises, over all the formats.

`tarfile` and `zipfile` promise less than they raise: a password or nesting is a RuntimeError, an unknown method
NotImplementedError, and damaged headers end in ValueError, LookupError, OverflowError or struct.error.
"""


class Readable(Protocol):
    """What is asked of a stream: up to ``size`` bytes, ``b""`` at the end and only there."""

    def read(self, size: int, /) -> bytes: ...


class Replay:
    """A stream whose first bytes were looked at already and come again, and so does the error that ended the look."""

    __slots__ = ("_error", "_head", "_rest")

    def __init__(self, head: bytes, rest: Readable, error: Exception | None = None) -> None:
        self._head = head
        self._rest = rest
        self._error = error

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; fewer than asked does not mean the end."""
        if self._head:
            taken, self._head = self._head[:size], self._head[size:]
            return taken
        if self._error is not None:
            raise self._error
        return self._rest.read(size)


@dataclass(frozen=True, slots=True)
class Source:
    """A file or stream with a name; ``again`` says whether ``open`` may be called a second time."""

    path: str
    open: Callable[[], AbstractContextManager[BinaryIO]]
    again: bool = True

    @classmethod
    def of_stream(cls, path: str, stream: BinaryIO) -> Source:
        """A stream that somebody else opened and will close."""
        if not stream.seekable():
            return cls(path, lambda: nullcontext(stream), again=False)
        start = stream.tell()

        def rewind() -> AbstractContextManager[BinaryIO]:
            stream.seek(start)
            return nullcontext(stream)

        return cls(path, rewind)


def peek(stream: Readable, name: str = "") -> tuple[Kind, bytes, Replay]:
    """Kind and first bytes of ``stream``, and a stream that begins with them again.

    Raises `READ_ERRORS` when the stream is broken before its first byte; a later break is met when it is read.
    """
    head, broken = b"", None
    try:
        while len(head) < HEAD and (more := stream.read(HEAD - len(head))):
            head += more
    except READ_ERRORS as error:
        if not head:
            raise
        broken = error
    return kind_of(head, name), head, Replay(head, stream, broken)


class _Unpacked:
    """Decompressed data, as soon as there is some: a break further on must not cost what came before it."""

    __slots__ = ("read",)

    def __init__(self, file: gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile) -> None:
        self.read = file.read1


def decompressed(stream: Readable, kind: Kind) -> Readable:
    """``stream`` unpacked; a truncated or damaged one raises one of `READ_ERRORS` where it breaks."""
    file = cast("IO[bytes]", stream)
    if kind is Kind.GZIP:
        return _Unpacked(gzip.GzipFile(fileobj=file, mode="rb"))
    return _Unpacked(bz2.BZ2File(file) if kind is Kind.BZIP2 else lzma.LZMAFile(file))


def read_capped(stream: Readable, max_bytes: int) -> bytes | None:
    """Everything that is left of ``stream``, or None when that is more than ``max_bytes``."""
    whole = io.BytesIO()  # hands its buffer over in the end: a mail of 100 MB is in memory once, not twice
    while block := stream.read(min(BLOCK, max_bytes + 1 - whole.tell())):
        whole.write(block)
        if whole.tell() > max_bytes:
            return None
    return whole.getvalue()


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading, links followed.

    Raises OSError for anything else without touching it: a FIFO would hang, a device may act on being opened.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise OSError(f"{file_type(mode)}, not a file")
    return open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def file_type(mode: int) -> str:
    """What a thing of the file system is, in words."""
    names = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((name for test, name in names if test(mode)), "a thing of unknown type")


def why(error: BaseException) -> str:
    """The reason that an error gives, without number and file name, in one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join((text or type(error).__name__).split())


def too_large(max_bytes: int) -> str:
    """The reason for a mail over the cap."""
    return f"larger than the limit of {max_bytes} bytes a mail"

"""Tar archives, read forwards only: plain, compressed, or coming through a pipe."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import IO, cast

from .index import MAX_INDEX, Index, best_index, is_index, parse_index
from .items import Items, Unreadable
from .kinds import HEAD
from .members import missing, normal, read_member
from .streams import BLOCK, READ_ERRORS, Readable, Source, decompressed, peek, read_capped, why


class _Forward:
    """The file that `tarfile` wants, over a stream that cannot seek: forwards by reading, back a few bytes only.

    When the stream breaks, what came before is still given; ``error`` says why it then ends.
    """

    _BACK = 512
    _LONGEST = 1 << 20

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._window = b""
        self._start = 0
        self._position = 0
        self.error: BaseException | None = None

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        self._position = position

    def read(self, size: int, /) -> bytes:
        """``size`` bytes, fewer only at the end.  A header may not ask for more than it could need."""
        if not 0 <= size <= self._LONGEST:
            raise tarfile.ReadError(f"a header of {size} bytes")
        end = self._position + size
        while self._start + len(self._window) < end and self._extend():
            pass
        offset = self._position - self._start
        data = self._window[offset : offset + size]
        self._position += len(data)
        return data

    def _extend(self) -> bool:
        """Take one more block into the window, drop what lies too far back; False at the end."""
        if self.error is not None:
            return False
        try:
            block = self._stream.read(BLOCK)
        except READ_ERRORS as error:
            self.error, block = error, b""
        drop = max(0, min(self._position - self._BACK - self._start, len(self._window)))
        self._window = self._window[drop:] + block
        self._start += drop
        return bool(block)


class _Data:
    """The data of one member."""

    __slots__ = ("_file", "_left")

    def __init__(self, file: _Forward, member: tarfile.TarInfo) -> None:
        file.seek(member.offset_data)
        self._file = file
        self._left = member.size

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; EOFError when the archive ends within the member."""
        data = self._file.read(min(size, self._left, BLOCK))
        if not data and size and self._left:
            raise EOFError(f"ends {self._left} bytes before the end of a member")
        self._left -= len(data)
        return data


class _Info(tarfile.TarInfo):
    """`tarfile` takes a damaged header for the end of the archive; this remembers how it really ended."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> _Info:
        try:
            return super().fromtarfile(tar)
        except tarfile.HeaderError as error:
            cast(_Tar, tar).ended = error
            raise


class _Tar(tarfile.TarFile):
    """A tar file that forgets the members it has given and knows how it ended."""

    tarinfo = _Info
    members: list[tarfile.TarInfo]
    ended: tarfile.HeaderError | None = None

    def next(self) -> tarfile.TarInfo | None:
        """The next member; the first one is read when the file is opened."""
        try:
            return super().next()
        except RecursionError:  # each extended header is read inside the one before
            raise tarfile.ReadError("extended headers without end") from None

    def forwards(self) -> Iterator[tarfile.TarInfo]:
        """Each member; raises `READ_ERRORS` where the archive is damaged or ends early."""
        before = -1
        while (member := self.next()) is not None:
            self.members.clear()
            if member.size < 0 or self.offset <= before:
                raise tarfile.ReadError("a member that leads backwards")
            before = self.offset
            yield member
        how = type(self.ended).__name__
        if how == "EmptyHeaderError":
            raise tarfile.ReadError("no end mark: cut off between two members, or its writer left the mark out")
        if how != "EOFHeaderError":
            raise tarfile.ReadError(str(self.ended))


@contextmanager
def _opened(source: Source) -> Iterator[_Forward]:
    """The tar of ``source``, decompressed where it is compressed."""
    with source.open() as file:
        kind, _, stream = peek(file)
        yield _Forward(decompressed(stream, kind) if kind.compressed else stream)


def _members(file: _Forward) -> Iterator[tarfile.TarInfo]:
    """Each member but the folders; raises `READ_ERRORS` where the archive is damaged or ends early."""
    tar = _Tar(fileobj=cast("IO[bytes]", file), mode="r")
    return (member for member in tar.forwards() if not member.isdir())


def read_tar(source: Source, max_bytes: int) -> Items:
    """The mails of a tar in its order, labelled from its index.

    A source that can be opened again is gone through twice, unless its index is the first member; in a pipe only
    an index that comes first can be used.  Where the archive breaks, what came before is given, and one report
    says where.
    """
    index = _find_index(source) if source.again else None
    given = 0
    with _opened(source) as file:
        try:
            members = _members(file)
            if not source.again:
                index, members = _leading_index(source, file, members)
            yield from index.faults if index is not None else ()
            for member in members:
                for item in _read_member(source, file, member, index, max_bytes):
                    yield item
                    given += 1
        except READ_ERRORS as error:
            reason = f"broken after {given} items: {why(file.error or error)}"
            lost = len(index.entries) if index is not None else 0
            yield Unreadable(source.path, reason + (f"; {lost} more are listed in its index" if lost else ""))
            return
    yield from missing(source.path, index)


def _read_member(
    source: Source, file: _Forward, member: tarfile.TarInfo, index: Index | None, max_bytes: int
) -> Items:
    """What one member gives; raises `READ_ERRORS` where the archive breaks."""
    if not member.isreg() or member.issparse():
        yield Unreadable(f"{source.path}!{member.name}", "a link, device, pipe or sparse file")
    else:
        yield from read_member(source.path, member.name, member.size, partial(_Data, file, member), index, max_bytes)


def _leading_index(
    source: Source, file: _Forward, members: Iterator[tarfile.TarInfo]
) -> tuple[Index | None, Iterator[tarfile.TarInfo]]:
    """The index if it is the first member, and the members that are left to read."""
    first = next(members, None)
    if first is None:
        return None, members
    text = b""
    if _is_index_name(first.name) and first.isreg():
        text = read_capped(_Data(file, first), MAX_INDEX) or b""
    if not is_index(text[:HEAD]):
        return None, chain((first,), members)
    return _parse(source, first.name, text), members


def _find_index(source: Source) -> Index | None:
    """The index of the whole archive.  One that comes first and near the root is taken without reading on."""
    texts: dict[str, bytes] = {}
    with _opened(source) as file:
        try:
            for number, member in enumerate(_members(file)):
                if not (_is_index_name(member.name) and member.isreg()):
                    continue
                text = read_capped(_Data(file, member), MAX_INDEX) or b""
                if is_index(text[:HEAD]):
                    texts[member.name] = text
                    if number == 0 and normal(member.name).count("/") <= 1:
                        break
        except READ_ERRORS:
            pass  # the second pass meets the same break and reports it
    name = best_index(texts)
    return None if name is None else _parse(source, name, texts[name])


def _is_index_name(name: str) -> bool:
    return posixpath.basename(name) == "index"


def _parse(source: Source, name: str, text: bytes) -> Index:
    return parse_index(text, f"{source.path}!{name}", posixpath.dirname(normal(name)))

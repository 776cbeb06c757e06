"""Zip archives.  Each member is read with a cap, so that a bomb costs no more than one mail may."""

from __future__ import annotations

import posixpath
import zipfile
from typing import cast

from ..errors import ArchiveError
from .index import MAX_INDEX, Index, best_index, is_index, parse_index
from .items import Items, Unreadable
from .kinds import HEAD
from .members import missing, normal, read_member
from .single import guarded
from .streams import READ_ERRORS, Readable, Source, read_capped, why

_ENCRYPTED = 0x1


def read_zip(source: Source, max_bytes: int) -> Items:
    """The mails of a zip in the order of its directory, labelled from its index.

    Raises `ArchiveError` when the directory, which stands at the end of the file, cannot be read.
    """
    if not source.again:
        raise ArchiveError(source.path, "a zip archive cannot be read from a pipe; give the file itself")
    with source.open() as file:
        try:
            archive = zipfile.ZipFile(file)
        except READ_ERRORS as error:
            raise ArchiveError(source.path, f"the zip archive cannot be read: {why(error)}") from None
        with archive:
            members = [member for member in archive.infolist() if not member.filename.endswith("/")]
            index = _find_index(source, archive, members)
            if index is not None:
                yield from index.faults
            for member in members:
                yield from _read_member(source, archive, member, index, max_bytes)
            yield from missing(source.path, index)


def _read_member(
    source: Source, archive: zipfile.ZipFile, member: zipfile.ZipInfo, index: Index | None, max_bytes: int
) -> Items:
    """What one member gives; its damage is its own."""
    path = f"{source.path}!{member.filename}"
    if member.flag_bits & _ENCRYPTED:
        if index is not None:
            index.entries.pop(normal(member.filename), None)
        yield Unreadable(path, "encrypted")
        return

    def open_member() -> Readable:
        return cast(Readable, archive.open(member))

    found = read_member(source.path, member.filename, member.file_size, open_member, index, max_bytes)
    yield from guarded(path, found)


def _find_index(source: Source, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Index | None:
    """The index of the whole archive, if it has one."""
    texts: dict[str, bytes] = {}
    for member in members:
        if posixpath.basename(member.filename) == "index" and not member.flag_bits & _ENCRYPTED:
            try:
                text = read_capped(cast(Readable, archive.open(member)), MAX_INDEX) or b""
            except READ_ERRORS:
                continue  # reported when its turn comes
            if is_index(text[:HEAD]):
                texts[member.filename] = text
    name = best_index(texts)
    if name is None:
        return None
    return parse_index(texts[name], f"{source.path}!{name}", posixpath.dirname(normal(name)))

"""Streams of mail out of any archive, one mail in memory at a time.

`read_archive` reads a mail file, standard input, a folder (plain files, TREC layout with an ``index``, Maildir,
MH), an mbox, a tar or a zip; mails, mboxes and tars may be packed with gzip, bzip2 or xz.  What a thing is, its
bytes say, not its name.  Every mail comes as an `ArchivedMail`; everything else comes as an `Unreadable` with the
reason, so that the two add up to what is there.  Archives are only ever read: a member's name is text, never a
place to write to, and an archive inside an archive is reported, not opened.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, cast

from ..errors import ArchiveError
from .corpora import find_corpus
from .folders import load_index, read_folder, read_indexed
from .items import MAX_BYTES, ArchivedMail, Item, Items, Label, Unreadable
from .kinds import Kind, foreign
from .mbox import read_mbox
from .single import guarded, read_whole
from .streams import READ_ERRORS, Readable, Source, decompressed, file_type, open_regular, peek, why
from .tars import read_tar
from .zips import read_zip

__all__ = ["MAX_BYTES", "ArchivedMail", "Item", "Label", "Unreadable", "find_corpus", "read_archive"]

PACKED = (".tar", ".tgz", ".gz", ".bz2", ".xz", ".zip")
"""Names that only an archive or compressed data has."""


def read_archive(path: str | Path, *, max_bytes: int = MAX_BYTES, stream: BinaryIO | None = None) -> Items:
    """The mails of ``path``, in the order of its index, or sorted (folders), or as they stand (mbox, tar, zip).

    ``path``       a file or folder; the str ``"-"`` reads ``stream``, by default standard input.
    ``max_bytes``  cap for one mail; a larger one is reported and never held in memory as a whole.

    A file that is no known kind of container is one mail, whatever its bytes: somebody named it as one.  A file
    named ``index`` in TREC layout stands for the corpus that it lists.

    Raises `ArchiveError`, at the call when ``path`` is not there, else at the first item, when the archive as a
    whole cannot be read.  What is wrong with a member is an `Unreadable`.
    """
    if path == "-":
        return _read_source(Source.of_stream("-", stream or sys.stdin.buffer), max_bytes)
    place = Path(path)
    try:
        mode = os.stat(place).st_mode
    except OSError as error:
        raise ArchiveError(str(path), why(error)) from None
    if place.is_dir():
        return read_folder(place, max_bytes)
    if not place.is_file():
        raise ArchiveError(str(path), f"is {file_type(mode)}; name a file or a folder, or give the mail on '-'")
    index = load_index(place) if place.name == "index" else None
    if index is not None:
        return read_indexed(place, index, max_bytes)
    return _read_source(Source(str(path), lambda: open_regular(place)), max_bytes)


def _read_source(source: Source, max_bytes: int) -> Items:
    """Read one file or stream as what its first bytes say, looking through one layer of compression."""
    try:
        with source.open() as file:
            kind, head, stream = peek(file, source.path)
            packed = kind.compressed
            if packed:
                kind, head, stream = peek(decompressed(stream, kind))
            if not packed and kind in (Kind.UNKNOWN, Kind.EMPTY) and source.path.lower().endswith(PACKED):
                yield Unreadable(source.path, "named like an archive, but its first bytes are not those of one")
                return
            if not kind.archive:
                yield from guarded(source.path, _read_text(source.path, kind, head, stream, max_bytes))
                return
    except READ_ERRORS as error:
        raise ArchiveError(source.path, f"cannot be read: {why(error)}") from None
    if not source.again:
        source = Source(source.path, lambda: nullcontext(cast(BinaryIO, stream)), again=False)
    yield from read_tar(source, max_bytes) if kind is Kind.TAR else read_zip(source, max_bytes)


def _read_text(path: str, kind: Kind, head: bytes, stream: Readable, max_bytes: int) -> Items:
    """A file that is no archive: an mbox, something that surely is no mail, or else one mail."""
    strange = foreign(head)
    if kind is Kind.MBOX:
        yield from read_mbox(path, stream, max_bytes)
    elif strange or kind.compressed:
        yield Unreadable(path, strange or f"{kind.value} inside compressed data is not unpacked")
    else:
        yield read_whole(path, stream, max_bytes)

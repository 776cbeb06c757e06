"""Folders of mail: with a TREC index, Maildir, MH, or just files.

Links to files are followed, links to folders are not, so no loop can arise.  Nothing but regular files is ever
opened.  Hidden files and whatever else gives no mail is reported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import ArchiveError
from .index import MAX_INDEX, Index, is_index, parse_index
from .items import Item, Items, Label, Unreadable
from .kinds import HEAD
from .single import guarded, read_found, read_whole
from .streams import file_type, open_regular, read_capped, too_large, why

_INDEX_PLACES = ("index", "full/index")
_HERE = "\0"
"""Stands for the name of an index's own folder, which may have none ("/") or several (links)."""


def read_folder(folder: Path, max_bytes: int) -> Items:
    """The mails of a folder: in the order of its index if it has one, else sorted, sub-folders in their place."""
    for place in _INDEX_PLACES:
        index = load_index(folder / place) if (folder / place).is_file() else None
        if index is not None:
            yield from read_indexed(folder / place, index, max_bytes)
            return
    yield from _read_tree(str(folder), max_bytes)


def load_index(path: Path) -> Index | None:
    """The index in the file ``path``, None when it is not one in TREC layout."""
    try:
        with open_regular(path) as file:
            if not is_index(file.read(HEAD)):
                return None
            file.seek(0)
            text = read_capped(file, MAX_INDEX)
    except OSError as error:
        raise ArchiveError(str(path), f"the index cannot be read: {why(error)}") from None
    if text is None:
        raise ArchiveError(str(path), too_large(MAX_INDEX))
    # The public TREC corpora keep full/index beside data/ and write ../data/x: one step up is allowed.
    return parse_index(text, str(path), _HERE)


def read_indexed(path: Path, index: Index, max_bytes: int) -> Items:
    """The mails that the index in file ``path`` lists, in its order, then reports of files that it does not list."""
    yield from index.faults
    root = str(path.parent)
    listed = {os.path.join(root, path.name)}
    for entry, (label, line) in index.entries.items():
        inside = entry.startswith(_HERE + "/")
        file = os.path.join(root, entry[len(_HERE) + 1 :] if inside else "../" + entry)
        listed.add(file)
        try:
            with open_regular(file) as stream:
                yield _whole(file, stream, max_bytes, label, line)
        except FileNotFoundError:
            yield Unreadable(file, f"listed in the index (line {line}) but not there")
        except OSError as error:
            yield Unreadable(file, why(error))
    for file, reason in _walk(root):
        if file not in listed:
            yield Unreadable(file, reason or "not listed in the index")


def _whole(
    file: str, stream: BinaryIO, max_bytes: int, label: Label | None = None, line: int | None = None
) -> Item:
    """A file as one mail; its size is asked before it is read."""
    if os.fstat(stream.fileno()).st_size > max_bytes:
        return Unreadable(file, too_large(max_bytes))
    return read_whole(file, stream, max_bytes, label, line)


def _read_tree(folder: str, max_bytes: int) -> Items:
    """The mails of a folder without an index."""
    for file, reason in _walk(folder):
        if reason:
            yield Unreadable(file, reason)
            continue
        try:
            with open_regular(file) as stream:
                if _in_maildir(file):
                    yield _whole(file, stream, max_bytes)
                else:
                    size = os.fstat(stream.fileno()).st_size
                    yield from guarded(file, read_found(file, file, size, stream, max_bytes, unpack=True))
        except OSError as error:
            yield Unreadable(file, why(error))


def _in_maildir(file: str) -> bool:
    """Whether a file is a delivered mail of a Maildir, whatever it looks like."""
    folder = os.path.dirname(file)
    return os.path.basename(folder) in ("cur", "new") and _is_maildir(os.path.dirname(folder))


def _is_maildir(folder: str) -> bool:
    return os.path.isdir(f"{folder}/cur") and os.path.isdir(f"{folder}/new")


def _walk(folder: str) -> Iterator[tuple[str, str]]:
    """Everything below ``folder`` but the folders, sorted; with the reason when it cannot be mail."""
    waiting = [iter(_listing(folder))]
    while waiting:
        entry = next(waiting[-1], None)
        if entry is None:
            waiting.pop()
            continue
        path, reason = entry
        if reason is None:
            waiting.append(iter(_listing(path)))
        else:
            yield path, reason


def _listing(folder: str) -> list[tuple[str, str | None]]:
    """The entries of one folder in order: names of digits by number (MH), then the others by name.

    Each with the reason why it is passed over, ``""`` when it is to be looked at, None when it is a folder to enter.
    """
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: _order(entry.name))
    except OSError as error:
        return [(folder, f"the folder cannot be read: {why(error)}")]
    return [(entry.path, _reason(entry)) for entry in found]


def _order(name: str) -> tuple[int, int, bytes]:
    number = int(name) if name.isascii() and name.isdigit() and len(name) <= 18 else None
    return (1, 0, os.fsencode(name)) if number is None else (0, number, os.fsencode(name))


def _reason(entry: os.DirEntry[str]) -> str | None:
    """Why an entry of a folder is passed over; see `_listing`."""
    try:
        if entry.is_file(follow_symlinks=False):
            return "a hidden file" if entry.name.startswith(".") else ""
        if entry.is_dir(follow_symlinks=False):
            return _folder_reason(entry)
        if entry.is_dir():
            return "a link to a folder, not followed"
        return "" if entry.is_file() else f"{file_type(entry.stat().st_mode)}, not a file"
    except FileNotFoundError:
        return "a broken link"
    except OSError as error:
        return why(error)


def _folder_reason(entry: os.DirEntry[str]) -> str | None:
    """Why a folder is passed over, None when it is entered; the sub-folders of a Maildir have hidden names."""
    if entry.name.startswith(".") and not _is_maildir(entry.path):
        return "a hidden folder"
    if entry.name == "tmp" and _is_maildir(os.path.dirname(entry.path)):
        return "a Maildir's tmp: mail that is still being delivered"
    return None

"""What tar and zip have in common: members with names, some of them mails, perhaps an index."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from .index import Index
from .items import Item, Items, Unreadable
from .single import read_found, read_whole
from .streams import Readable, too_large

NOT_LISTED = "not listed in the index, or a second member of that name"
UNUSED_INDEX = "an index that is not used: another one is, or it comes after the mails in a stream"


def normal(name: str) -> str:
    """A member's name as the index would have it; nothing is ever written to it."""
    return posixpath.normpath(name).lstrip("/")


def read_member(
    archive: str, name: str, size: int, open_member: Callable[[], Readable], index: Index | None, max_bytes: int
) -> Items:
    """The mail or mails of one regular member.  With an index, exactly what it lists is mail.

    An entry is taken out of ``index.entries`` when its member has come, so what stays there at the end is missing.
    Raises `READ_ERRORS` of the member's stream.
    """
    path = f"{archive}!{name}"
    key = normal(name)
    if index is not None and path == index.path:
        return
    if index is not None and key in index.entries:
        label, line = index.entries[key]
        if size > max_bytes:
            item: Item = Unreadable(path, too_large(max_bytes))
        else:
            item = read_whole(path, open_member(), max_bytes, label, line)
        del index.entries[key]
        yield item
    elif posixpath.basename(key) == "index":
        yield Unreadable(path, UNUSED_INDEX)
    elif index is not None:
        yield Unreadable(path, NOT_LISTED)
    elif posixpath.basename(key).startswith("."):
        yield Unreadable(path, "a hidden file")
    else:
        yield from read_found(path, key, size, open_member(), max_bytes)


def missing(archive: str, index: Index | None) -> Items:
    """One report for each line of the index whose member never came."""
    if index is not None:
        for name in index.entries:
            yield Unreadable(f"{archive}!{name}", "listed in the index but not in the archive")

"""One file, or one member of an archive, whatever it turns out to be."""

from __future__ import annotations

from .items import ArchivedMail, Item, Items, Label, Unreadable
from .kinds import Kind, foreign, named_like_mail
from .mbox import read_mbox
from .streams import READ_ERRORS, Readable, decompressed, peek, read_capped, too_large, why


def guarded(path: str, items: Items) -> Items:
    """``items``, and where their stream breaks, one last report instead of an error."""
    number = 0
    try:
        for item in items:
            number += 1
            yield item
    except READ_ERRORS as error:
        yield Unreadable(path, f"{f'broken after {number} mails' if number else 'cannot be read'}: {why(error)}")


def read_whole(
    path: str, stream: Readable, max_bytes: int, label: Label | None = None, line: int | None = None
) -> Item:
    """All of ``stream`` as one mail, byte for byte, whatever it looks like: somebody said that it is one.

    Raises `READ_ERRORS` where the stream breaks.
    """
    raw = read_capped(stream, max_bytes)
    return Unreadable(path, too_large(max_bytes)) if raw is None else ArchivedMail(path, raw, label, line)


def read_found(path: str, name: str, size: int, stream: Readable, max_bytes: int, *, unpack: bool = False) -> Items:
    """The mail or mails in a file of ``size`` bytes that nobody described; what holds none is reported.

    ``unpack`` allows one layer of compression around a mail or an mbox; archives are never opened here.
    Raises `READ_ERRORS` where the stream breaks.
    """
    kind, head, stream = peek(stream, name)
    if unpack and kind.compressed:
        kind, head, stream = peek(decompressed(stream, kind), name)
        size = 0  # not known
    strange = foreign(head)
    if kind is Kind.MBOX:
        yield from read_mbox(path, stream, max_bytes)
    elif kind is Kind.MAIL or (named_like_mail(name) and not strange and kind in (Kind.EMPTY, Kind.UNKNOWN)):
        yield Unreadable(path, too_large(max_bytes)) if size > max_bytes else read_whole(path, stream, max_bytes)
    else:
        yield Unreadable(path, strange or _not_mail(kind))


def _not_mail(kind: Kind) -> str:
    """Why a file of this kind gave no mail."""
    if kind is Kind.EMPTY:
        return "empty, and not named like a mail"
    if kind.archive or kind.compressed:
        return f"{kind.value} inside another archive or folder is not opened: name it itself"
    return "not a mail: it does not begin with a header"

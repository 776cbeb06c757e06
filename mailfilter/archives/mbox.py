"""Mailbox files in the mbox family (RFC 4155), split as they stream by.

A mail begins at a line ``From SENDER … TIME … YEAR`` that stands first, or after an empty line, or (some writers
leave the empty line out) directly before a header field.  ``Content-Length`` is not trusted: it is wrong as soon
as a program edits the mail.  One leading ``>`` is taken from lines ``>From ``, ``>>From `` … (mboxrd); on files
of the older mboxo kind this restores what the writer changed and errs only where a mail itself had ``>From ``.
The empty line that ends each mail belongs to the mailbox and is taken off.  The From_ line stays: it holds the
envelope sender, and `mailfilter.message.Message` sets it apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .items import ArchivedMail, Items, Unreadable
from .kinds import field_line, from_line
from .streams import BLOCK, Readable, too_large

_QUOTED = re.compile(rb"^>(?=>*From )", re.MULTILINE)
_LONGEST_FROM = 1024
"""A From_ line and the beginning of the line after it fit in here; what is longer is no From_ line."""


def read_mbox(path: str, stream: Readable, max_bytes: int) -> Items:
    """The mails of an mbox in order: ``path#1``, ``path#2`` …, or plain ``path`` when there is only one.

    At most one mail, a little over ``max_bytes`` at worst, is in memory.  Raises `READ_ERRORS` where the stream breaks.
    """
    for number, (raw, last) in enumerate(_pieces(stream, max_bytes), 1):
        name = path if last and number == 1 else f"{path}#{number}"
        yield ArchivedMail(name, _unquoted(raw)) if raw is not None else Unreadable(name, too_large(max_bytes))


def _pieces(stream: Readable, max_bytes: int) -> Iterator[tuple[bytes | None, bool]]:
    """Pairs of (mail or None when it is too large, whether it is the last)."""
    held = bytearray()
    searched = 0
    oversized = False
    at_end = False
    while not at_end:
        block = stream.read(BLOCK)
        held += block
        at_end = not block
        start = 0
        while True:
            cut, searched = _next_cut(held, max(searched, start), at_end)
            if cut < 0:
                break
            fits = not oversized and cut - start <= max_bytes
            yield (bytes(held[start:cut]) if fits else None), False
            start, oversized = cut, False
        del held[:start]
        searched -= start
        if searched > max_bytes:
            oversized = True
            del held[: searched - 2]  # the two before tell whether a From_ line follows an empty one
            searched = 2
    yield (None if oversized or len(held) > max_bytes else bytes(held)), True


def _next_cut(held: bytearray, start: int, at_end: bool) -> tuple[int, int]:
    """Where the next mail begins in ``held`` (-1: not known yet), and from where to search on.

    ``start`` is the index to search from; the From_ line found lies behind it.
    """
    while True:
        newline = held.find(b"\nFrom ", start)
        if newline < 0:
            return -1, max(start, len(held) - 5)
        line = newline + 1
        window = bytes(held[line : line + _LONGEST_FROM])
        if len(window) < _LONGEST_FROM and not at_end:
            return -1, newline
        first, _, following = window.partition(b"\n")
        after_empty = held[max(0, newline - 1) : newline] == b"\n" or held[max(0, newline - 2) : newline] == b"\n\r"
        if from_line(first) and (after_empty or field_line(following)):
            return line, line
        start = line


def _unquoted(raw: bytes) -> bytes:
    """One mail as it was before it was put into the mailbox."""
    if b"\n>" in raw:
        raw = _QUOTED.sub(b"", raw)
    if raw.endswith(b"\n\n"):
        return raw[:-1]
    return raw[:-2] if raw.endswith(b"\n\r\n") else raw

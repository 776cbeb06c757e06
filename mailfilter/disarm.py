"""Taking parts out of a mail and leaving a notice in the place of each; pure, on the raw bytes.

Every octet outside of what is taken out stays as it is, boundaries and odd line ends among it, so a part that is left
is the part that was sent.  Signatures over the whole mail (DKIM, S/MIME, PGP) break, and a header says so; the original
lies in the quarantine under the receipt that the notice names (law 9).
"""

from __future__ import annotations

import hashlib
import quopri
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .checks._text import quote
from .message import Message, Part

_CONTENT_FIELD = re.compile(rb"^content-[!-9;-~]*[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*\n?", re.IGNORECASE | re.MULTILINE)


class Removed(NamedTuple):
    """What was taken out: the part's path, its name (``""`` if none), why, and its decoded size and SHA-256."""

    path: str
    name: str
    why: str
    size: int
    digest: str


class Disarmed(NamedTuple):
    """The mail without the parts, and what they were."""

    raw: bytes
    removed: tuple[Removed, ...]


class _Splice(NamedTuple):
    """Octets ``start`` to ``end`` of the mail go; ``host`` is the part that they are, ``removed`` what they held."""

    start: int
    end: int
    host: Part
    removed: tuple[Removed, ...]


def disarm(message: Message, doomed: Sequence[tuple[Part, str]], receipt: str) -> Disarmed | None:
    """``message`` without the ``doomed`` parts (each with why, in words), of whatever reading.

    A part within encoded data (an encoded message, a uuencoded file) goes with what encodes it.  Returns ``None`` where
    nothing is to be taken out, where the mail had to be changed to be read at all, and where the readings of an
    ambiguous mail overlap so that no cut is right in all of them.
    """
    parents = dict(_parents(message))
    wanted = [_splice(part, why, parents) for part, why in doomed]
    if None in wanted or not (splices := _merged(splice for splice in wanted if splice is not None)):
        return None
    raw, newline = message.raw, b"\r\n" if b"\r\n" in message.raw[:2000] else b"\n"
    pieces, at = [], 0
    for splice in splices:
        pieces += [raw[at : splice.start], _replacement(raw, splice, parents, receipt, newline)]
        at = splice.end
    removed = tuple(item for splice in splices for item in splice.removed)
    fields = b"".join(f"{name}: {value}".encode() + newline for name, value in headers(removed, receipt))
    return Disarmed(fields + b"".join([*pieces, raw[at:]]), removed)


def headers(removed: Iterable[Removed], receipt: str) -> tuple[tuple[str, str], ...]:
    """Fields for the top of a disarmed mail: what went, where the original is, what became of signatures."""
    paths = ",".join(dict.fromkeys(item.path or "0" for item in removed))
    return (
        ("X-Mailfilter-Disarmed", f"parts={paths}; receipt={receipt}"),
        ("X-Mailfilter-Signatures", "broken by the removal (DKIM, S/MIME, PGP); those of the kept original are not"),
    )


def _parents(message: Message) -> Iterator[tuple[int, Part]]:
    """The part that holds each part, by identity, over all readings."""
    for reading in message.readings():
        for part in reading.root.walk():
            for child in (*part.children, *part.outside):
                yield id(child), part


def _splice(part: Part, why: str, parents: dict[int, Part]) -> _Splice | None:
    """The octets of the mail that have to go for this part to be gone; ``None`` if the reader cannot say."""
    names = part.names
    digest = hashlib.sha256(part.data).hexdigest()
    removed = Removed(part.path, names[0] if names else "", why, len(part.data), digest)
    host: Part | None = part
    while host is not None and host.span is None:
        host = parents.get(id(host))
    if host is None or (span := host.span) is None or (head := host.header_span) is None:
        return None
    return _Splice(head[0], span[1], host, (removed,))


def _merged(splices: Iterable[_Splice]) -> list[_Splice]:
    """In order; what lies within another is taken with it; empty where two overlap in part."""
    merged: list[_Splice] = []
    for splice in sorted(splices, key=lambda splice: (splice.start, -splice.end)):
        if not merged or splice.start >= merged[-1].end:
            merged.append(splice)
        elif splice.end <= merged[-1].end:
            outer = merged[-1]
            removed = tuple(dict.fromkeys((*outer.removed, *splice.removed)))
            merged[-1] = outer._replace(removed=removed)
        else:
            return []
    return merged


def _replacement(raw: bytes, splice: _Splice, parents: dict[int, Part], receipt: str, newline: bytes) -> bytes:
    """What stands in the place of a part: the headers of a whole message are kept, a part's own are not."""
    host, parent = splice.host, parents.get(id(splice.host))
    text = notice(splice.removed, receipt)
    if host.header_span == (splice.start, splice.start) and parent is not None:
        return text.encode("ascii", "backslashreplace").replace(b"\n", newline)  # text outside of the parts
    kept = b""
    if parent is None or parent.content_type.startswith("message/"):
        block = raw[splice.start : host.header_span[1]] if host.header_span else b""
        kept = _CONTENT_FIELD.sub(b"", block).rstrip(b"\r\n")
        kept += newline if kept else b""
    body = quopri.encodestring(text.encode("utf-8", "backslashreplace"))
    fields = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
    follows = raw[splice.end : splice.end + 2]
    end = b"" if follows.startswith((b"\n", b"\r")) else newline
    return kept + (fields + body.rstrip(b"\n")).replace(b"\n", newline) + end


def notice(removed: Sequence[Removed], receipt: str) -> str:
    """What the recipient reads in the place of the parts."""
    lines = ["A part of this message was removed before it was delivered to you.", ""]
    for item in removed:
        lines.append(f"What it was:  {quote(item.name) if item.name else 'a part without a name'}, {item.size} bytes")
        lines.append(f"Why it went:  {item.why}")
    lines += ["", "The rest of the message is as it was sent. The original is kept, unchanged."]
    lines += [f"If this was a mistake, your postmaster can restore it. The receipt is {receipt}.", ""]
    return "\n".join(lines)

"""Cutting a multipart at its boundary (RFC 2046, 5.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .defects import DefectKind
from .params import Label
from .part import Part, Span

if TYPE_CHECKING:
    from .tree import Reader

_FIRST_DASHES = re.compile(rb"^--(?![ \t-]*+$)([^\r\n]{1,200})", re.M)
MAX_INNER = 16
"""Longer boundaries that are looked for in the headers of parts."""
MAX_STOCK = 400
"""Characters of a preamble that may be the usual notice to programs without MIME."""
_STOCK_PREAMBLE = re.compile(rb"[^\n]*(?:multi-?part|MIME)[^\n]*(?:\n[^\n]{0,100}){0,4}\Z", re.I)
_PLAIN = Label("")


def find_boundary(reader: Reader, part: Part) -> bytes | None:
    """The delimiter of a multipart without its dashes, ``None`` if the multipart stays a leaf."""
    buf, start, end, path = part._buffer, part._start, part._end, part._path
    values = part._label.values("boundary")
    if len(values) == 1 and not values[0][-1:].isspace():
        boundary = values[0].encode("latin-1", "replace")
        if boundary and buf.find(b"--" + boundary, start, end) >= 0:
            return boundary
    spelt = [value.rstrip() for value in values] + [value for value in values if value[-1:].isspace()]
    candidates = [value.encode("latin-1", "replace") for value in dict.fromkeys(spelt) if value.strip()]
    usable = [c for c in candidates if buf.find(b"--" + c, start, end) >= 0]
    if usable:
        return _pick(reader, part, candidates, usable)
    kind = DefectKind.BOUNDARY_NOT_FOUND if candidates else DefectKind.NO_BOUNDARY
    guess = _FIRST_DASHES.search(buf, start, end)
    if reader.choose(kind, path, int(guess is not None)) and guess:
        return guess[1].rstrip(b" \t") or None
    return None


def _pick(reader: Reader, part: Part, candidates: list[bytes], usable: list[bytes]) -> bytes | None:
    """Which of several boundaries counts.  Primary is the first as written, even where it does not occur."""
    sides: list[bytes | None] = [*usable]
    if usable[0] != candidates[0]:
        sides.insert(0, None)
    if len(sides) == 1:
        return sides[0]
    return sides[min(reader.choose(DefectKind.BOUNDARY_DISPUTED, part._path, len(sides) - 1), len(sides) - 1)]


def cut(reader: Reader, part: Part, boundary: bytes) -> tuple[Part, ...]:
    """The parts between the delimiter lines."""
    buf, end, mapped, path = part._buffer, part._end, part._mapped, part._path
    lines, closed = _delimiters(reader, part, b"--" + boundary)
    if not lines:
        reader.choose(DefectKind.BOUNDARY_NOT_FOUND, path, 0)
        return ()
    part._preamble = (part._start, _before(buf, part._start, lines[0][0]))
    last = len(lines)
    if closed:
        last -= 1
        part._epilogue = (lines[-1][1], end)
    else:
        reader.choose(DefectKind.NO_TERMINATOR, path, 0)
    default = "message/rfc822" if part._content_type == "multipart/digest" else "text/plain"
    children: list[Part] = []
    prefix = f"{path}." if path else ""
    for i in range(last):
        top = lines[i][1]
        if i + 1 < len(lines) and lines[i + 1][0] == top:  # two delimiter lines in a row are one
            continue
        number = f"{prefix}{len(children) + 1}"
        if reader.parts_left <= 1:
            reader.choose(DefectKind.PART_LIMIT, path, 0)
            children.append(reader.leaf(part, buf, top, end, number, _PLAIN, "text/plain"))
            part._epilogue = None
            return tuple(children)
        stop = max(top, _before(buf, top, lines[i + 1][0])) if i + 1 < len(lines) else end
        children.append(reader.entity(buf, top, stop, mapped, number, part._depth + 1, default))
    _note_outside(reader, part, prefix)
    return tuple(children)


def _note_outside(reader: Reader, part: Part, prefix: str) -> None:
    """Keep preamble and epilogue with content as leaves of their own: another reading shows them as texts."""
    buf = part._buffer
    for name, kind, span in (
        ("preamble", DefectKind.PREAMBLE, part._preamble),
        ("epilogue", DefectKind.EPILOGUE, part._epilogue),
    ):
        if span is None or span[1] - span[0] < 3 or not (text := buf[span[0] : span[1]].strip()):
            continue
        if name == "preamble" and len(text) < MAX_STOCK and _STOCK_PREAMBLE.match(text):
            continue
        reader.choose(kind, part._path, 0)
        part._outside += (reader.leaf(part, buf, *span, prefix + name, _PLAIN, "text/plain"),)
        reader.outside = reader.outside or kind


def _delimiters(reader: Reader, part: Part, delimiter: bytes) -> tuple[list[Span], bool]:
    """(start, end) of each delimiter line, and whether the last one closes the multipart."""
    buf, start, end, path = part._buffer, part._start, part._end, part._path
    size = len(delimiter)
    limit = reader.parts_left
    lines: list[Span] = []
    inner: dict[bytes, bool] = {}
    closed = False
    position = buf.find(delimiter, start, end)
    while position >= 0 and len(lines) <= limit:
        newline = buf.find(b"\n", position + size, end)
        after = end if newline < 0 else newline + 1
        if position == start or buf[position - 1] == 10:
            tail = buf[position + size : min(after, position + size + 80)].rstrip(b" \t\r\n")
            if tail in (b"", b"--") or (
                not _is_inner(part, delimiter[2:] + tail, inner) and reader.choose(DefectKind.BOUNDARY_PREFIX, path, 1)
            ):
                if closed and not reader.choose(DefectKind.EARLY_TERMINATOR, path, 1):
                    return lines, True
                lines.append((position, after))
                closed = tail.startswith(b"--")
        elif buf[position - 1] == 13:
            reader.choose(DefectKind.BARE_CR, path, 1)
        position = buf.find(delimiter, position + size, end)
    return lines, closed


def _is_inner(part: Part, boundary: bytes, known: dict[bytes, bool]) -> bool:
    """Whether a longer boundary is that of a multipart within: both ways to read its lines show the same parts."""
    boundary = boundary.removesuffix(b"--")
    if boundary not in known and len(known) < MAX_INNER:
        span = part._start, part._end
        known[boundary] = any(part._buffer.find(mark + boundary, *span) >= 0 for mark in (b"=", b'="'))
    return known.get(boundary, False)


def _before(buf: bytes, start: int, position: int) -> int:
    """The end of what precedes a delimiter line: the line end before it belongs to the delimiter."""
    if position > start and buf[position - 1] == 10:
        position -= 1
        if position > start and buf[position - 1] == 13:
            position -= 1
    return position

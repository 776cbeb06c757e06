"""The MIME tree (RFC 2045, RFC 2046) of one reading of a mail.

A `Reader` holds how disputed spots are read (its dialect), and collects where there were any.  It takes apart
bytes by searching for boundaries within bounds, so no body is copied and every part knows where it lies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .defects import Defect, DefectKind
from .headers import Header, read_block
from .params import Label, parse_label
from .part import SHOWN_MESSAGES, Part, Span
from .transfer import IDENTITY, KNOWN, UuBlock, decode, looks_like_base64

MAX_DEPTH = 30
"""Levels of nesting that are taken apart; what lies deeper stays one leaf."""
MAX_PARTS = 1000
"""Parts of one reading; the rest of the multipart in which they run out stays one leaf."""
MAX_DEFECTS = 1000

Dialect = Mapping[DefectKind, int]

_PLAIN = Label("")
_ENCODING = re.compile(r'"?([^\s;,()"]+)"?\s*(.*)', re.S)
_HARMLESS = re.compile(r"(?:[78][ -]?bits?|none|plain|ascii|us-ascii|utf-?8|iso-8859-\d+|text.*|[78]|binary.*)\Z")
_FIRST_DASHES = re.compile(rb"^--([^\s-][^\r\n]{0,199}?|-[^\r\n]{1,199}?)[ \t]*\r?$", re.M)
_STOCK_PREAMBLE = re.compile(rb"[^\n]*(?:multi-?part|MIME)[^\n]*(?:\n[^\n]{0,100}){0,4}\Z", re.I)


class Reader:
    """Takes one mail apart in one dialect."""

    __slots__ = ("charset", "defects", "dialect", "disputes", "parts_left", "raw")

    def __init__(self, raw: bytes, dialect: Dialect) -> None:
        self.raw = raw
        self.dialect = dialect
        self.disputes: dict[DefectKind, int] = {}
        self.defects: dict[Defect, None] = {}
        self.parts_left = MAX_PARTS
        self.charset = ""

    def choose(self, kind: DefectKind, place: str, alternatives: int, detail: str = "") -> int:
        """Note a defect; for a disputed one, the reading that this dialect takes (0: the primary one)."""
        if len(self.defects) < MAX_DEFECTS:
            self.defects[Defect(kind, place, detail)] = None
        if not alternatives:
            return 0
        if self.disputes.get(kind, 0) < alternatives:
            self.disputes[kind] = alternatives
        return min(self.dialect.get(kind, 0), alternatives) if self.dialect else 0

    def read(self) -> Part:
        """The tree of the whole mail."""
        raw, mapped = self.raw, True
        if b"\r" in raw:
            if b"\n" not in raw:
                raw = raw.replace(b"\r", b"\n")
            elif self.dialect.get(DefectKind.BARE_CR):
                raw = re.sub(rb"\r(?!\n)", b"\n", raw)
        if self.dialect.get(DefectKind.HEADER_NUL):
            raw, mapped = raw.translate(None, b"\0"), False
        start = 0
        if raw.startswith(b"\xef\xbb\xbf"):
            start = 3
            self.choose(DefectKind.BOM, "", 0)
        return self._entity(raw, start, len(raw), mapped, "", 0, "text/plain", message=True)

    def _entity(
        self, buf: bytes, top: int, end: int, mapped: bool, path: str, depth: int, default: str, message: bool = False
    ) -> Part:
        """Read headers and body of a message or of a part.  ``path`` of a message is that of what holds it."""
        self.parts_left -= 1
        pairs, start = read_block(self, buf, top, end, path)
        types, encodings, dispositions = [], [], 0
        for name, raw in pairs:
            if name[:1] in b"Cc":
                low = name.lower()
                if low == b"content-type":
                    types.append(raw)
                elif low == b"content-transfer-encoding":
                    encodings.append(raw)
                elif low == b"content-disposition":
                    dispositions += 1
        label, content_type = self._type(types, path, default) if types else (_PLAIN, default)
        encoding = self._encoding(encodings, buf, start, end, path) if encodings else ""
        if dispositions > 1:
            self.choose(DefectKind.DUPLICATE_DISPOSITION, path, 0)
        charset = self._header_charset(buf, top, start, label, path)
        new = tuple.__new__
        headers = tuple([new(Header, (str(name, "latin-1"), raw, charset)) for name, raw in pairs])
        multipart = content_type.startswith("multipart/")
        own = path if multipart or not message else f"{path}.1" if path else "1"
        part = Part(
            self, buf, (top, start, end), mapped, own, depth, headers, label, content_type, encoding
        )
        if multipart or content_type.startswith("message/"):
            part._children = self._below(part, multipart)
        return part

    def _header_charset(self, buf: bytes, top: int, start: int, label: Label, path: str) -> str:
        """What 8-bit bytes in this header block mean: the charset of the text that follows, or of the mail."""
        block = buf[top:start]
        if block.isascii():
            return ""
        self.choose(DefectKind.HEADER_8BIT, path, 0)
        charset = label.get("charset").lower() if label.parameters else ""
        if charset and not self.charset:
            self.charset = charset
        return charset or self.charset

    def _type(self, raws: list[bytes], path: str, default: str) -> tuple[Label, str]:
        labels = list(dict.fromkeys(map(parse_label, raws))) if len(raws) > 1 else [parse_label(raws[0])]
        label = labels[0]
        if len(labels) > 1:
            label = labels[_nth(self.choose(DefectKind.DUPLICATE_TYPE, path, len(labels) - 1), len(labels))]
        if label.capped:
            self.choose(DefectKind.PARAMETER_LIMIT, path, 0)
        token = label.token
        if token.count("/") != 1:
            self.choose(DefectKind.MALFORMED_TYPE, path, 0, token[:40])
            token = "text/plain"
        return label, token

    def _encoding(self, raws: list[bytes], buf: bytes, start: int, end: int, path: str) -> str:
        values = list(dict.fromkeys(str(raw, "latin-1").strip().lower() for raw in raws))
        value = values[0]
        if len(values) > 1:
            value = values[_nth(self.choose(DefectKind.DUPLICATE_ENCODING, path, len(values) - 1), len(values))]
        if value in KNOWN:
            return value
        match = _ENCODING.match(value)
        token = match[1] if match else ""
        if token in KNOWN:
            odd = token not in IDENTITY
            return "" if self.choose(DefectKind.ODD_ENCODING, path, int(odd), value[:40]) else token
        if not token or _HARMLESS.match(value):
            self.choose(DefectKind.UNKNOWN_ENCODING, path, 0, value[:40])
            return ""
        body = buf[start:end]
        guess = "base64" if looks_like_base64(body) else "quoted-printable" if b"=3D" in body or b"=\n" in body else ""
        return guess if self.choose(DefectKind.UNKNOWN_ENCODING, path, int(bool(guess)), value[:40]) else ""

    def _below(self, part: Part, multipart: bool) -> tuple[Part, ...]:
        """Children of a multipart or message; none where it stays a leaf."""
        kind = part._content_type
        if not multipart:
            if kind in SHOWN_MESSAGES:
                return ()
            if kind == "message/partial" and not self.choose(DefectKind.PARTIAL_MESSAGE, part._path, 1):
                return ()
        if part._depth >= MAX_DEPTH:
            self.choose(DefectKind.DEPTH_LIMIT, part._path, 0)
            return ()
        if self.parts_left <= 0:
            self.choose(DefectKind.PART_LIMIT, part._path, 0)
            return ()
        if multipart:
            return self._multipart(part)
        buf, start, end, mapped = part._buffer, part._start, part._end, part._mapped
        if part._encoding not in IDENTITY:
            buf, mapped = part.data, False
            start, end = 0, len(buf)
        return (self._entity(buf, start, end, mapped, part._path, part._depth + 1, "text/plain", message=True),)

    def _multipart(self, part: Part) -> tuple[Part, ...]:
        encoding = part._encoding
        if encoding not in IDENTITY:
            path = part._path
            if self.choose(DefectKind.ENCODED_MULTIPART, path, 1, encoding):
                body = part._buffer[part._start : part._end]
                part._buffer = decode(body, encoding, lambda kind, count: self.choose(kind, path, count))
                part._start, part._end, part._mapped, part._top = 0, len(part._buffer), False, 0
            part._encoding = ""
        boundary = self._boundary(part)
        if boundary is None:
            return ()
        return self._split(part, boundary)

    def _boundary(self, part: Part) -> bytes | None:
        """The delimiter of a multipart, ``None`` if it stays a leaf."""
        buf, start, end, path = part._buffer, part._start, part._end, part._path
        candidates = [value.rstrip().encode("latin-1", "replace") for value in part._label.values("boundary")]
        candidates = [c for c in dict.fromkeys(candidates) if c]
        usable = [c for c in candidates if buf.find(b"--" + c, start, end) >= 0]
        if usable:
            if len(usable) > 1:
                variant = self.choose(DefectKind.BOUNDARY_DISPUTED, path, len(usable) - 1)
                return usable[_nth(variant, len(usable))]
            if usable[0] != candidates[0]:
                variant = self.choose(DefectKind.BOUNDARY_DISPUTED, path, 1)
                return usable[0] if variant else None
            return usable[0]
        kind = DefectKind.BOUNDARY_NOT_FOUND if candidates else DefectKind.NO_BOUNDARY
        guess = _FIRST_DASHES.search(buf, start, end)
        if self.choose(kind, path, int(guess is not None)) and guess:
            return guess[1]
        return None

    def _split(self, part: Part, boundary: bytes) -> tuple[Part, ...]:
        """Cut a body at its delimiter lines."""
        buf, end, mapped = part._buffer, part._end, part._mapped
        lines, closed = self._delimiters(part, boundary)
        if not lines:
            self.choose(DefectKind.BOUNDARY_NOT_FOUND, part._path, 0)
            return ()
        default = "message/rfc822" if part._content_type == "multipart/digest" else "text/plain"
        part._preamble = (part._start, _before(buf, part._start, lines[0][0]))
        last = len(lines) - 1 if closed else len(lines)
        if closed:
            part._epilogue = (lines[-1][1], end)
        else:
            self.choose(DefectKind.NO_TERMINATOR, part._path, 0)
        children = []
        prefix = f"{part._path}." if part._path else ""
        for i in range(last):
            top = lines[i][1]
            stop = end
            if self.parts_left <= 1:
                self.choose(DefectKind.PART_LIMIT, part._path, 0)
            elif i + 1 < len(lines):
                stop = max(top, _before(buf, top, lines[i + 1][0]))
            children.append(self._entity(buf, top, stop, mapped, f"{prefix}{i + 1}", part._depth + 1, default))
            if stop == end:
                break
        self._outside(part, children, prefix)
        return tuple(children)

    def _outside(self, part: Part, children: list[Part], prefix: str) -> None:
        """Preamble and epilogue with content: other readings show them as texts."""
        buf = part._buffer
        for kind, span in ((DefectKind.PREAMBLE, part._preamble), (DefectKind.EPILOGUE, part._epilogue)):
            if span is None or not buf[span[0] : span[1]].strip():
                continue
            if kind is DefectKind.PREAMBLE and _STOCK_PREAMBLE.match(buf[span[0] : span[1]].strip()):
                continue
            if self.choose(kind, part._path, 1) and self.parts_left > 0:
                self.parts_left -= 1
                bounds = (span[0], span[0], span[1])
                path = f"{prefix}{'preamble' if kind is DefectKind.PREAMBLE else 'epilogue'}"
                children.append(
                    Part(self, buf, bounds, part._mapped, path, part._depth + 1, (), _PLAIN, "text/plain", "")
                )

    def _delimiters(self, part: Part, boundary: bytes) -> tuple[list[Span], bool]:
        """(start, end) of each delimiter line, and whether the last one closes the multipart."""
        buf, start, end, path = part._buffer, part._start, part._end, part._path
        delimiter = b"--" + boundary
        size = len(delimiter)
        lines: list[Span] = []
        closed = False
        position = buf.find(delimiter, start, end)
        while position >= 0 and len(lines) <= self.parts_left:
            newline = buf.find(b"\n", position + size, end)
            after = end if newline < 0 else newline + 1
            if position == start or buf[position - 1] == 10:
                tail = buf[position + size : min(after, position + size + 80)].rstrip(b" \t\r\n")
                exact = tail in (b"", b"--")
                if not exact and not self.choose(DefectKind.BOUNDARY_PREFIX, path, 1):
                    position = buf.find(delimiter, after, end)
                    continue
                if closed and not self.choose(DefectKind.EARLY_TERMINATOR, path, 1):
                    return lines, True
                lines.append((position, after))
                closed = tail.startswith(b"--")
            elif buf[position - 1] == 13:
                self.choose(DefectKind.BARE_CR, path, 1)
            position = buf.find(delimiter, position + size, end)
        return lines, closed

    def uu_parts(self, part: Part, blocks: list[UuBlock]) -> tuple[Part, ...]:
        """Leaves for the uuencoded files within a text."""
        found = []
        for number, block in enumerate(blocks, 1):
            self.parts_left -= 1
            if not block.whole:
                self.choose(DefectKind.UU_BROKEN, part._path, 0)
            label = parse_label(b'application/octet-stream; name="%s"' % block.name.replace(b'"', b""))
            leaf = Part(
                self, block.data, (0, 0, len(block.data)), False, f"{part._path}.{number}", part._depth + 1, (), label,
                "application/octet-stream", "",
            )  # fmt: skip
            leaf._names = (block.name.decode("utf-8", "replace").rstrip("\r"),)
            leaf._disposition = "attachment"
            found.append(leaf)
        return tuple(found)


def _nth(variant: int, count: int) -> int:
    """Which of ``count`` candidates a reading takes: the first, the last, then those between."""
    return 0 if variant == 0 else count - 1 if variant == 1 else min(variant - 1, count - 1)


def _before(buf: bytes, start: int, position: int) -> int:
    """The end of what precedes a delimiter line: the line end before it belongs to the delimiter."""
    if position > start and buf[position - 1] == 10:
        position -= 1
        if position > start and buf[position - 1] == 13:
            position -= 1
    return position

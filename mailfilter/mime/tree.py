"""The MIME tree (RFC 2045, RFC 2046) of one reading of a mail.

A `Reader` holds how disputed spots are read (its dialect), and collects where there were any.  It takes apart
bytes by searching for boundaries within bounds, so no body is copied and every part knows where it lies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .defects import Defect, DefectKind
from .headers import NO_BLOCK, read_block
from .kinds import SHOWN_MESSAGES
from .multipart import cut, find_boundary
from .params import Label, parse_label
from .part import Part
from .transfer import IDENTITY, KNOWN, UuBlock, decode, looks_like_base64

MAX_DEPTH = 30
"""Levels of nesting that are taken apart; what lies deeper stays one leaf."""
MAX_PARTS = 1000
"""Parts of one reading; the rest of the multipart in which they run out stays one leaf."""
MAX_DEFECTS = 1000
MAX_ALTERNATIVES = 4
"""Sides of one dispute that are looked at besides the primary one."""

Dialect = Mapping[DefectKind, int]
"""Which side to take in each dispute; 0, or not named, is the primary reading."""

_PLAIN = Label("")
_ENCODING = re.compile(r'"?([^\s;,()"]+)"?\s*(.*)', re.S)
_HARMLESS = re.compile(r"(?:[78][ -]?bits?|none|plain|ascii|us-ascii|utf-?8|iso-8859-\d+|text.*|[78]|binary.*)\Z")


class Reader:
    """Takes one mail apart in one dialect."""

    __slots__ = ("base", "charset", "coded", "defects", "dialect", "disputes", "made", "outside", "raw")

    def __init__(self, raw: bytes, base: int, dialect: Dialect) -> None:
        """``base``: where the mail starts in ``raw``; places in the mail count from there."""
        self.raw = raw
        self.base = base
        self.dialect = dialect
        self.disputes: dict[DefectKind, int] = {}
        self.defects: dict[Defect, None] = {}
        self.made = 0
        self.charset = ""
        self.coded = False
        self.outside: DefectKind | None = None

    @property
    def parts_left(self) -> int:
        """How many more parts may be made."""
        return MAX_PARTS - self.made

    def choose(self, kind: DefectKind, place: str, alternatives: int, detail: str = "") -> int:
        """Note a defect; for a disputed one, the reading that this dialect takes (0: the primary one)."""
        if not self.dialect and len(self.defects) < MAX_DEFECTS:  # those of other readings are nobody's
            self.defects[Defect(kind, place, detail)] = None
        if not alternatives:
            return 0
        alternatives = min(alternatives, MAX_ALTERNATIVES)
        if self.disputes.get(kind, 0) < alternatives:
            self.disputes[kind] = alternatives
        return min(self.dialect.get(kind, 0), alternatives) if self.dialect else 0

    def read(self) -> Part:
        """The tree of the whole mail."""
        raw, start, mapped = self.raw, self.base, True
        if b"\n" not in raw and b"\r" in raw:
            raw = raw.replace(b"\r", b"\n")
        if self.dialect:
            if self.dialect.get(DefectKind.BARE_CR):
                raw = b"\r\n".join([line.replace(b"\r", b"\n") for line in raw.split(b"\r\n")])
            if self.dialect.get(DefectKind.HEADER_NUL):
                raw, start, mapped = raw[start:].translate(None, b"\0"), 0, False
        if raw.startswith(b"\xef\xbb\xbf", start):
            raw, start, mapped = raw[start + 3 :], 0, False
            self.choose(DefectKind.BOM, "", 0)
        return self.entity(raw, start, len(raw), mapped, "", 0, "text/plain", message=True)

    def entity(
        self, buf: bytes, top: int, end: int, mapped: bool, path: str, depth: int, default: str, message: bool = False
    ) -> Part:
        """Read headers and body of a message or of a part.  ``path`` of a message is that of what holds it."""
        block = read_block(self, buf, top, end, path)
        start = block[5]
        label, kind, encoding = _PLAIN, default, ""
        if types := block.values("content-type"):
            label, kind = self._type(types, path)
        if encodings := block.values("content-transfer-encoding"):
            encoding = self._encoding(encodings, buf, start, end, path)
        dispositions = block.values("content-disposition")
        if len(dispositions) > 1 and len(set(dispositions)) > 1:
            self.choose(DefectKind.DUPLICATE_DISPOSITION, path, 0)
        charset = "" if block[4] else self._header_charset(buf, top, start, label, path)
        multipart = kind.startswith("multipart/")
        if message and not multipart:
            path = f"{path}.1" if path else "1"
        part = Part(self, buf, top, start, end, mapped, path, depth, block, charset, label, kind, encoding)
        if not dispositions:
            part._disposition = ""
            if not label.named and len(types) < 2:
                part._names = ()
        self.made += 1
        if encoding == "base64":
            self.coded = True
        if multipart or kind.startswith("message/"):
            part._children = self._multipart(part) if multipart else self._message(part)
        return part

    def _header_charset(self, buf: bytes, top: int, start: int, label: Label, path: str) -> str:
        """What 8-bit bytes in this header block mean: the charset of the text that follows, or of the mail."""
        if buf[top:start].isascii():
            return ""
        self.choose(DefectKind.HEADER_8BIT, path, 0)
        self.charset = self.charset or label.charset
        return label.charset or self.charset

    def _type(self, values: tuple[str, ...], path: str) -> tuple[Label, str]:
        """The label and the type that count."""
        label = parse_label(values[0])
        if len(values) > 1:
            labels = list(dict.fromkeys(map(parse_label, values)))
            if len(labels) > 1:
                label = labels[nth(self.choose(DefectKind.DUPLICATE_TYPE, path, len(labels) - 1), len(labels))]
        if label.capped:
            self.choose(DefectKind.PARAMETER_LIMIT, path, 0)
        token = label.token
        if token.count("/") != 1:
            self.choose(DefectKind.MALFORMED_TYPE, path, 0, token[:40])
            token = "text/plain"
        return label, token

    def _encoding(self, values: tuple[str, ...], buf: bytes, start: int, end: int, path: str) -> str:
        """The transfer encoding that counts: one of `KNOWN`."""
        value = values[0].strip().lower()
        if len(values) > 1:
            distinct = list(dict.fromkeys([value.strip().lower() for value in values]))
            if len(distinct) > 1:
                variant = self.choose(DefectKind.DUPLICATE_ENCODING, path, len(distinct) - 1)
                value = distinct[nth(variant, len(distinct))]
        if value in KNOWN:
            return value
        match = _ENCODING.match(value)
        token = match[1] if match else ""
        if token in KNOWN:
            disputed = int(token not in IDENTITY)
            return "" if self.choose(DefectKind.ODD_ENCODING, path, disputed, value[:40]) else token
        if not token or _HARMLESS.match(value):
            self.choose(DefectKind.UNKNOWN_ENCODING, path, 0, value[:40])
            return ""
        body = buf[start:end]
        guess = "base64" if looks_like_base64(body) else "quoted-printable" if b"=3D" in body or b"=\n" in body else ""
        return guess if self.choose(DefectKind.UNKNOWN_ENCODING, path, int(bool(guess)), value[:40]) else ""

    def _at_limit(self, part: Part) -> bool:
        """Whether a container stays a leaf because of the caps."""
        if part._depth >= MAX_DEPTH:
            self.choose(DefectKind.DEPTH_LIMIT, part._path, 0)
        elif self.made >= MAX_PARTS:
            self.choose(DefectKind.PART_LIMIT, part._path, 0)
        else:
            return False
        return True

    def _message(self, part: Part) -> tuple[Part, ...]:
        """The message within a message; transfer-encoded ones are decoded, as mail programs do."""
        kind = part._content_type
        if kind in SHOWN_MESSAGES or (
            kind == "message/partial" and not self.choose(DefectKind.PARTIAL_MESSAGE, part._path, 1)
        ):
            return ()
        if self._at_limit(part):
            return ()
        buf, start, end, mapped = part._buffer, part._start, part._end, part._mapped
        if part._encoding not in IDENTITY:
            buf, mapped = part.data, False
            start, end = 0, len(buf)
        return (self.entity(buf, start, end, mapped, part._path, part._depth + 1, "text/plain", message=True),)

    def _multipart(self, part: Part) -> tuple[Part, ...]:
        """The parts of a multipart.  A transfer encoding of its own is ignored (RFC 2045, 6.4), or disputed."""
        if self._at_limit(part):
            return ()
        boundary = find_boundary(self, part)
        if part._encoding not in IDENTITY:
            boundary = self._encoded_multipart(part, boundary)
        return () if boundary is None else cut(self, part, boundary)

    def _encoded_multipart(self, part: Part, boundary: bytes | None) -> bytes | None:
        """The boundary of a multipart that has a transfer encoding; disputed where only decoding shows any parts."""
        encoding, path = part._encoding, part._path
        if self.choose(DefectKind.ENCODED_MULTIPART, path, int(boundary is None), encoding):
            body = part._buffer[part._start : part._end]
            part._buffer = decode(body, encoding, lambda kind, count: self.choose(kind, path, count))
            part._top, part._start, part._end, part._mapped = 0, 0, len(part._buffer), False
            boundary = find_boundary(self, part)
        if boundary is not None:
            part._encoding = ""
        return boundary

    def leaf(self, part: Part, buf: bytes, start: int, end: int, path: str, label: Label, kind: str) -> Part:
        """A leaf without headers of its own within ``part``; it lies in ``part``'s buffer if ``buf`` is that."""
        mapped = part._mapped and buf is part._buffer
        leaf = Part(self, buf, start, start, end, mapped, path, part._depth + 1, NO_BLOCK, "", label, kind, "")
        self.made += 1
        return leaf

    def uu_parts(self, part: Part, blocks: list[UuBlock]) -> tuple[Part, ...]:
        """Leaves for the uuencoded files within a text."""
        found = []
        for number, block in enumerate(blocks, 1):
            if not block.whole:
                self.choose(DefectKind.UU_BROKEN, part._path, 0)
            name = block.name.decode("utf-8", "replace").strip()
            kind = "application/octet-stream"
            leaf = self.leaf(part, block.data, 0, len(block.data), f"{part._path}.{number}", _PLAIN, kind)
            leaf._names, leaf._disposition, leaf._encoding = (name,), "attachment", "x-uuencode"
            leaf._data = block.data
            found.append(leaf)
        part._files = tuple([(block.start, block.end) for block in blocks])
        return tuple(found)


def nth(variant: int, count: int) -> int:
    """Which of ``count`` candidates a reading takes: the first, the last, then those between."""
    return 0 if variant == 0 else count - 1 if variant == 1 else min(variant - 1, count - 1)

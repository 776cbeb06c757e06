"""One part of a mail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from operator import is_
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..kernel import native
from .charsets import decode_text
from .defects import DefectKind
from .headers import Block, Header
from .kinds import SHOWN_MESSAGES, dispositions, find_names, offered_as_file, shown_as_html
from .magic import detect
from .params import Label, as_text
from .transfer import BEGIN_HINT, IDENTITY, decode, find_uu_blocks

if TYPE_CHECKING:
    from .tree import Reader

Span = tuple[int, int]
_ASCII_LABELS = frozenset(("", "us-ascii", "iso-8859-1", "utf-8", "windows-1252", "iso-8859-15", "ascii"))


class Part:
    """A node of the MIME tree: read-only; what costs time is computed when it is first asked for."""

    __slots__ = (
        "_block", "_buffer", "_children", "_content_type", "_data", "_depth", "_disposition", "_encoding",
        "_end", "_epilogue", "_files", "_header_charset", "_headers", "_label", "_mapped", "_names",
        "_outside", "_path", "_preamble", "_reader", "_start", "_text", "_top", "_type",
    )  # fmt: skip

    def __init__(
        self, reader: Reader, buffer: bytes, top: int, start: int, end: int, mapped: bool, path: str, depth: int,
        block: Block, charset: str, label: Label, content_type: str, encoding: str,
    ) -> None:  # fmt: skip
        self._reader = reader
        self._buffer = buffer
        self._top, self._start, self._end = top, start, end
        self._mapped = mapped
        self._path = path
        self._depth = depth
        self._block = block
        self._header_charset = charset
        self._label = label
        self._content_type = content_type
        self._encoding = encoding
        self._headers: tuple[Header, ...] | None = None
        self._children: tuple[Part, ...] | None = None
        self._outside: tuple[Part, ...] = ()
        self._preamble: Span | None = None
        self._epilogue: Span | None = None
        self._files: tuple[Span, ...] = ()
        self._data: bytes | None = None
        self._text: str | None = None
        self._names: tuple[str, ...] | None = None
        self._type: str | None = None
        self._disposition: str | None = None

    def __repr__(self) -> str:
        return f"<Part {self._path!r} {self._content_type} {self._end - self._start} bytes>"

    @property
    def path(self) -> str:
        """As IMAP numbers parts: ``"1.2"``; ``""`` for a multipart that is the whole mail.

        The multipart that an attached message consists of has the path of the part that holds the message.
        """
        return self._path

    @property
    def depth(self) -> int:
        """How many parts this one lies within."""
        return self._depth

    @property
    def headers(self) -> tuple[Header, ...]:
        """The part's own headers, in order."""
        if self._headers is None:
            self._headers = self._block.headers(self._header_charset)
        return self._headers

    @property
    def header_charset(self) -> str:
        """What bytes above 127 in the headers mean if they are not UTF-8, ``""`` for windows-1252."""
        return self._header_charset

    @property
    def header_values(self) -> tuple[str, ...]:
        """The values of all headers, decoded, in order; cheaper than one by one from `headers`."""
        return self._block.texts(self._header_charset)

    @property
    def block(self) -> Block:
        """The header block as it was taken apart, not decoded."""
        return self._block

    @property
    def content_type(self) -> str:
        """The type that the part is labelled as, lower case; the default type if it has no label."""
        return self._content_type

    @property
    def encoding(self) -> str:
        """The transfer encoding that is undone to get `data`, lower case, ``""`` for none."""
        return self._encoding

    @property
    def label(self) -> Label:
        """The Content-Type as it was taken apart; the same object for the same text."""
        return self._label

    @property
    def params(self) -> Mapping[str, str]:
        """Parameters of the Content-Type, names in lower case, RFC 2231 forms decoded and joined."""
        label = self._label
        names = dict.fromkeys(parameter.name.partition("*")[0] for parameter in label.parameters)
        return MappingProxyType({name: as_text(label.get(name)) for name in names})

    @property
    def charset(self) -> str:
        """The charset label, lower case, ``""`` if there is none."""
        return self._label.charset

    @property
    def disposition(self) -> str:
        """``"attachment"``, ``"inline"``, … in lower case, ``""`` if there is none."""
        if self._disposition is None:
            labels = dispositions(self._block)
            self._disposition = labels[0].token if labels else ""
        return self._disposition

    @property
    def names(self) -> tuple[str, ...]:
        """Every file name that some mail program may show for this part, the likeliest first."""
        if self._names is None:
            self._names = find_names(self._block, self._label, self._reader.charset)
        return self._names

    def _place(self, span: Span | None) -> Span | None:
        """A span of the buffer as one of `Message.raw`."""
        if span is None or not self._mapped:
            return None
        base = self._reader.base
        return (span[0] - base, span[1] - base)

    @property
    def span(self) -> Span | None:
        """Where the body lies in `Message.raw`; ``None`` if it lies within decoded data."""
        return self._place((self._start, self._end))

    @property
    def header_span(self) -> Span | None:
        """Where the header block lies in `Message.raw`, the empty line included."""
        return self._place((self._top, self._start))

    @property
    def preamble_span(self) -> Span | None:
        """Of a multipart: where the text before the first part lies in `Message.raw`."""
        return self._place(self._preamble)

    @property
    def epilogue_span(self) -> Span | None:
        """Of a multipart: where the text after the closing boundary lies in `Message.raw`."""
        return self._place(self._epilogue)

    @property
    def outside(self) -> tuple[Part, ...]:
        """Of a multipart: preamble and epilogue as leaves, if there is content in them."""
        return self._outside

    @property
    def dialect(self) -> tuple[int, int]:
        """How disputed base64 is read: what may make two parts of the same place and labels differ."""
        dialect = self._reader.dialect
        return dialect.get(DefectKind.BASE64_JUNK, 0), dialect.get(DefectKind.BASE64_PADDING, 0)

    @property
    def is_container(self) -> bool:
        """Whether this is a multipart or a message that has been taken apart; everything else is a leaf."""
        return bool(self._children) and not self.is_text

    @property
    def is_text(self) -> bool:
        """Whether `text` is given: labelled as text, or lines to be read, and not taken apart."""
        kind = self._content_type
        if kind.startswith("text/") or kind in SHOWN_MESSAGES:
            return True
        if self._children:
            return False
        return kind.startswith("multipart/") or self.is_html

    @property
    def is_html(self) -> bool:
        """Whether a browser would show this as HTML: by its label, or as an attachment by name or content."""
        if self._content_type == "text/plain" and self._names == ():  # most parts, and cheaper to see here
            return False
        return shown_as_html(self)

    @property
    def data(self) -> bytes:
        """The body, transfer encoding undone; ``b""`` for a multipart that has been taken apart."""
        if self._data is not None:
            return self._data
        if self._children and self._content_type.startswith("multipart/"):
            return b""
        body = self._buffer[self._start : self._end]
        if self._encoding not in IDENTITY:
            reader, path = self._reader, self._path
            body = decode(body, self._encoding, lambda kind, count: reader.choose(kind, path, count))
        elif self._children:
            return body
        self._data = body
        return body

    @property
    def text(self) -> str:
        """The body as text, ``""`` if it is none.  Line ends are kept."""
        if self._text is None:
            if self._content_type[:5] != "text/" and not self.is_text:
                self._text = ""
            else:
                data = self.data
                plain = self._label.charset in _ASCII_LABELS and data.isascii()
                self._text = str(data, "ascii") if plain else self._decode_text(data)
        return self._text

    def _decode_text(self, data: bytes) -> str:
        label = self._label.charset
        text, known, good = decode_text(data, label)
        if not known:
            self._reader.choose(DefectKind.UNKNOWN_CHARSET, self._path, 0, label[:40])
        elif not good:
            self._reader.choose(DefectKind.UNDECODABLE_TEXT, self._path, 0, label[:40])
        return text

    @property
    def shown_text(self) -> str:
        """`text` without the uuencoded files in it, which mail programs show as attachments."""
        if not self.children or not self._files:
            return self.text
        data = self.data
        edges = [0, *[edge for span in self._files for edge in span], len(data)]
        rest = b"".join([data[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)])
        return decode_text(rest, self._label.charset)[0]

    @property
    def detected_type(self) -> str:
        """The MIME type by content, ``""`` if it is not recognised (plain text is not)."""
        if self._type is None:
            data = self._data if self._data is not None else self.data
            self._type = detect(data) if data else ""
        return self._type

    @property
    def is_attachment(self) -> bool:
        """Whether mail programs offer this as a file rather than show it as body text."""
        return offered_as_file(self)

    @property
    def children(self) -> tuple[Part, ...]:
        """Parts of a multipart, the message within a message, the uuencoded files within a text."""
        if self._children is None:
            self._children = self._uu_children()
        return self._children

    def _uu_children(self) -> tuple[Part, ...]:
        if self._content_type != "text/plain":
            return ()
        if self._encoding in IDENTITY:
            buf, start, end = self._buffer, self._start, self._end
        else:
            buf, start = self.data, 0
            end = len(buf)
        holds_begin = native.holds_begin if native is not None else _holds_begin
        if not holds_begin(buf, start, end):
            return ()
        return self._reader.uu_parts(self, find_uu_blocks(self.data, self._reader.parts_left))

    def with_outside(self) -> Part:
        """This tree with what stands before and after the parts of its multiparts shown as parts too."""
        children = tuple([child.with_outside() for child in self.children])
        if not self._outside and all(map(is_, children, self.children)):
            return self
        twin = copy(self)
        twin._children = children + self._outside
        twin._outside = ()
        return twin

    def walk(self) -> Iterator[Part]:
        """This part and all below it, parents before children."""
        stack = [self]
        while stack:
            part = stack.pop()
            yield part
            stack.extend(reversed(part.children))


def _holds_begin(buf: bytes, start: int, end: int) -> bool:
    """Whether a line starts as a uuencoded file does."""
    return BEGIN_HINT.search(buf, start, end) is not None or buf.startswith(b"begin ", start, end)

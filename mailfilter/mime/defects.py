"""What can be wrong with a mail, and where."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class DefectKind(Enum):
    """One way to break the rules of mail; the value says it in words.

    Kinds listed in `DISPUTED` are those that mail programs read in different ways: a mail with one of them has
    more than one reading.
    """

    __hash__ = object.__hash__  # members are singletons; Enum's own hashes the name each time

    # The header block
    NO_HEADERS = "the text starts without any header"
    NO_BLANK_LINE = "header block and body are not separated by an empty line"
    HEADER_JUNK = "a line within the header block is no header"
    HEADER_SPACE = "blanks between header name and colon"
    HEADER_CONTINUATION = "the first line of the header block is a continuation line"
    HEADER_FROM = "an mbox From_ line within the header block"
    HEADER_8BIT = "bytes above 127 in a header"
    HEADER_NUL = "NUL within the header block"
    BARE_CR = "a carriage return without line feed"
    BOM = "a byte order mark before the first header"
    HEADER_LIMIT = "more header lines than are taken apart"
    WORD_LIMIT = "more encoded words in a header than are decoded"
    PARAMETER_LIMIT = "more parameters in a header than are taken apart"
    # Said twice
    DUPLICATE_TYPE = "several Content-Type headers that differ"
    DUPLICATE_ENCODING = "several Content-Transfer-Encoding headers that differ"
    DUPLICATE_DISPOSITION = "several Content-Disposition headers that differ"
    # Labels
    MALFORMED_TYPE = "a Content-Type that is no type"
    UNKNOWN_ENCODING = "a transfer encoding that nobody knows"
    ODD_ENCODING = "a transfer encoding with something after or around its name"
    ENCODED_MULTIPART = "a multipart with a transfer encoding of its own"
    UNKNOWN_CHARSET = "a charset that nobody knows"
    UNDECODABLE_TEXT = "text that is not of the charset it is said to be"
    # Structure
    NO_BOUNDARY = "a multipart without boundary parameter"
    BOUNDARY_NOT_FOUND = "a multipart whose boundary does not occur"
    BOUNDARY_DISPUTED = "a boundary parameter that can be read in several ways"
    BOUNDARY_PREFIX = "lines that start with the boundary and go on"
    EARLY_TERMINATOR = "parts after the closing boundary"
    NO_TERMINATOR = "no closing boundary"
    PREAMBLE = "content before the first part"
    EPILOGUE = "content after the closing boundary"
    PARTIAL_MESSAGE = "a fragment of a message"
    DEPTH_LIMIT = "parts nested deeper than are taken apart"
    PART_LIMIT = "more parts than are taken apart"
    READING_LIMIT = "more readings than are looked at"
    LINK_LIMIT = "more links than are collected"
    # Encoded content
    BASE64_JUNK = "characters that are not base64"
    BASE64_PADDING = "base64 that goes on after its padding"
    BASE64_LENGTH = "base64 that ends within a group"
    UU_BROKEN = "uuencoded data without begin, end or with broken lines"


class Defect(NamedTuple):
    """One defect: its kind, the path of the part (``""`` for the mail itself) and a detail for a person."""

    kind: DefectKind
    place: str
    detail: str = ""


DISPUTED = (
    DefectKind.DUPLICATE_TYPE,
    DefectKind.BOUNDARY_DISPUTED,
    DefectKind.EARLY_TERMINATOR,
    DefectKind.DUPLICATE_ENCODING,
    DefectKind.NO_BOUNDARY,
    DefectKind.BOUNDARY_NOT_FOUND,
    DefectKind.HEADER_JUNK,
    DefectKind.HEADER_SPACE,
    DefectKind.BARE_CR,
    DefectKind.HEADER_NUL,
    DefectKind.ODD_ENCODING,
    DefectKind.UNKNOWN_ENCODING,
    DefectKind.ENCODED_MULTIPART,
    DefectKind.BASE64_PADDING,
    DefectKind.BASE64_JUNK,
    DefectKind.PARTIAL_MESSAGE,
    DefectKind.BOUNDARY_PREFIX,
)
"""The disputed kinds, in the order in which their readings are looked at.

`DefectKind.PREAMBLE` and `DefectKind.EPILOGUE` give a further reading too, without taking the mail apart again.
"""

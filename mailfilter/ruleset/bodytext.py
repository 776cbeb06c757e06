"""The text of parts as body rules want it: decoded, normalised, cut as SpamAssassin cuts it."""

from __future__ import annotations

import re

from ..kernel import native
from ..mime.charsets import decode_text
from ..mime.part import Part

MAX_LINE = 2048
"""Octets of one line of a body; longer ones are cut at a blank."""

_PARAGRAPH = re.compile(r"\n\s*\n")
_HTML_NAME = re.compile(r"\.s?html?\Z", re.I)
_ODD_TEXTS = frozenset(("text/x-vcard", "text/calendar"))


def effective_type(part: Part) -> str:
    """``text/plain`` for every text that is not HTML; what is called .html is HTML whatever its label."""
    kind = part.content_type
    if (part.label.parameters or part.disposition) and any(_HTML_NAME.search(name) for name in part.names[:4]):
        return "text/html"
    if kind.startswith("text/"):
        return kind if kind == "text/html" or kind in _ODD_TEXTS else "text/plain"
    return "text/plain" if kind.startswith("multipart/") else kind


def characters(data: bytes, charset: str) -> str:
    """A part's text: UTF-8 if it is that, else as it is labelled."""
    if data.isascii() and not charset.startswith(("iso-2022", "utf-7", "utf-16", "hz")):
        return data.decode("ascii")
    try:
        if not data.isascii():
            return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    text, known, good = decode_text(data, charset)
    return text if known and good else decode_text(data, "windows-1252")[0]


def normalised(text: str) -> bytes:
    """Blank lines end a paragraph; within one every run of white space is one blank.  In UTF-8."""
    done = native.rule_paragraphs(text) if native is not None else None
    return _normalised(text) if done is None else done


def _normalised(text: str) -> bytes:
    out = []
    for paragraph in _PARAGRAPH.split(text):
        words = " ".join(paragraph.split())
        if not words:
            out.append(" " if paragraph else "")
            continue
        before = " " if paragraph[0].isspace() else ""
        out.append(before + words + " " if paragraph[-1].isspace() else before + words)
    return "\n".join(out).encode("utf-8", "replace")


def split_lines(text: bytes) -> list[bytes]:
    """Lines with their ends, those beyond `MAX_LINE` cut after a blank."""
    lines = text.splitlines(keepends=True) if b"\r" not in text else text.replace(b"\r", b" ").splitlines(True)
    if len(text) <= MAX_LINE or max(map(len, lines), default=0) <= MAX_LINE:
        return lines
    out = []
    for line in lines:
        while len(line) > MAX_LINE:
            cut = line.rfind(b" ", 0, MAX_LINE + 1) + 1 or MAX_LINE
            out.append(line[:cut])
            line = line[cut:]
        out.append(line)
    return out


def cut_lines(data: bytes) -> bytes:
    """Lines beyond all measure cut, as SpamAssassin cuts those of a part."""
    lines = data.split(b"\n")
    if max(map(len, lines)) <= MAX_LINE - 1:
        return data
    out = []
    for line in lines:
        out += [line[at : at + MAX_LINE] for at in range(0, len(line), MAX_LINE)] or [b""]
    return b"\n".join(out)


def pieces_of(data: bytes) -> list[bytes]:
    """Pieces of 2048 to 4096 octets, cut after a line end, else after ``>``, else after a blank."""
    found = []
    start = 0
    while len(data) - start > 2 * MAX_LINE:
        for mark in (b"\n", b">", b" "):
            end = data.find(mark, start + MAX_LINE, start + 2 * MAX_LINE)
            if end >= 0:
                break
        else:
            end = start + MAX_LINE
        found.append(data[start : end + 1])
        start = end + 1
    if start < len(data):
        found.append(data[start:])
    return found

"""What is attached, by every name it may be shown under and by what its bytes are.

Bytes are looked at cheaply: the kind that the reader detected, the member names of a zip, and the markers of macros.
Nothing is unpacked; what is inside is the virus scanner's to see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ..message import Message, Part
from ..mime import magic
from ..symbols import Findings, Symbol, declared_by
from . import Mail
from ._lists import read_list, words
from ._text import quote
from ._zip import zip_entries

MOST = 500
"""Parts of one mail that are looked at."""
LONGEST = 1000
"""Characters of a name that are looked at, from its end."""

_EXECUTABLE = words("attachments.toml", "executable")
_DISK_IMAGE = words("attachments.toml", "disk_image")
_MACRO = words("attachments.toml", "macro")
_WEB_PAGE = words("attachments.toml", "web_page")
_DOCUMENT = words("attachments.toml", "document")
_CONTENT = {extension: frozenset(kinds) for extension, kinds in read_list("attachments.toml")["content"].items()}

_RUNS = frozenset((magic.EXE, magic.ELF, magic.MACH_O, magic.LNK, magic.JAR, magic.APK, magic.CLASS))
_BIDI = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_OLE_MACRO = (b"_\0V\0B\0A\0_\0P\0R\0O\0J\0E\0C\0T\0", b"Attribut\0e VB_")
"""Directory entry of a VBA project (MS-OVBA 2.2.1) and the start of compressed module source (2.4.1)."""


@lru_cache(maxsize=2048)
def _about_name(name: str) -> tuple[Symbol, ...]:
    """What one file name gives."""
    shown = quote(name)
    found = []
    if _BIDI.search(name):
        found.append(Symbol("ATTACH_NAME_BIDI", evidence=f"{shown} is shown in another order than it is written"))
    stems = [extension.strip() for extension in _plain(name).split(".")[1:]]
    last = stems[-1] if stems else ""
    if last in _EXECUTABLE:
        found.append(Symbol("ATTACH_EXECUTABLE", evidence=f"{shown} runs when opened"))
        if len(stems) > 1 and stems[-2] in _DOCUMENT:
            found.append(Symbol("ATTACH_DOUBLE_EXTENSION", evidence=f"{shown} ends in .{last}, not .{stems[-2]}"))
    elif last in _DISK_IMAGE:
        found.append(Symbol("ATTACH_DISK_IMAGE", evidence=shown))
    elif last in _MACRO:
        found.append(Symbol("ATTACH_MACRO", evidence=f"{shown} may hold macros"))
    elif last in _WEB_PAGE:
        found.append(Symbol("ATTACH_WEB_PAGE", evidence=shown))
    return tuple(found)


def _plain(name: str) -> str:
    """The name as the file system will have it: cut at NUL, no final dots or blanks, lower case."""
    return _BIDI.sub("", name.partition("\0")[0]).rstrip(". \t\r\n\u00a0").lower()


def extension_of(name: str) -> str:
    """What follows the last dot of a name, ``""`` if there is none."""
    return _plain(name[-LONGEST:]).rpartition(".")[2].strip() if "." in name else ""


def _about_content(part: Part) -> Iterator[Symbol]:
    """What the bytes give, beside the name and the label."""
    kind = part.detected_type
    if kind.startswith(magic.OOXML):
        kind = magic.OOXML
    if kind in _RUNS:
        yield Symbol("ATTACH_EXECUTABLE", evidence=f"part {part.path} is a program ({kind}) by its content")
    yield from _disagreement(part, kind)
    yield from _about_zip(part)
    if kind == magic.OLE and any(marker in part.data for marker in _OLE_MACRO):
        yield Symbol("ATTACH_MACRO", evidence=f"part {part.path} holds a VBA project")


def _disagreement(part: Part, kind: str) -> Iterator[Symbol]:
    """A known kind of content behind the extension of another; pictures are often misnamed and harmless."""
    if not kind or kind.startswith("image/"):
        return
    for name in part.names:
        expected = _CONTENT.get(extension_of(name))
        if expected and kind not in expected:
            yield Symbol("ATTACH_TYPE_DISAGREES", evidence=f"{quote(name[-LONGEST:])} is {kind} by its content")
            return


def _about_zip(part: Part) -> Iterator[Symbol]:
    for entry in zip_entries(part.data):
        if entry.encrypted:
            yield Symbol("ATTACH_ENCRYPTED", evidence=f"part {part.path} holds {quote(entry.name)} under a password")
        extension = extension_of(entry.name)
        if extension in _EXECUTABLE:
            yield Symbol("ATTACH_ARCHIVED_EXECUTABLE", evidence=f"part {part.path} holds {quote(entry.name)}")
        elif entry.name.lower().endswith("vbaproject.bin"):
            yield Symbol("ATTACH_MACRO", evidence=f"part {part.path} holds {quote(entry.name)}")


class AttachmentCheck:
    """Attachments that run, hide, or are not what they are named."""

    name = "attachments"
    symbols = declared_by("attachments")

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail, in order."""
        return [find(mail.message) for mail in mails]


def find(message: Message) -> Findings:
    """What `AttachmentCheck` finds in one message: each symbol once, with the first part that shows it."""
    found: dict[str, Symbol] = {}
    for part in message.parts[:MOST]:
        if part.children or not (part.names or part.is_attachment):
            continue
        for name in part.names:
            for symbol in _about_name(name[-LONGEST:]):
                found.setdefault(symbol.name, symbol)
        for symbol in _about_content(part):
            found.setdefault(symbol.name, symbol)
    return tuple(found.values())

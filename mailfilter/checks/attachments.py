"""What is attached, by every name it may be shown under, by what its bytes are, and by what lies in an archive.

Archives are looked into within a budget (`mailfilter.checks._archives`); what is too much is named as a bomb, or as
not looked into.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..errors import SettingError
from ..message import Message, Part
from ..mime import magic
from ..symbols import Findings, Symbol, declared_by
from . import Mail
from ._active import pdf_actions, rtf_objects, smuggles
from ._archives import Member, is_archive, look_into
from ._lists import read_list, words
from ._text import quote
from ._unpack import Bomb, Budget, Unread

MOST = 500
"""Parts of one mail that are looked at."""
LONGEST = 1000
"""Characters of a name that are looked at, from its end."""

_EXECUTABLE = words("attachments.toml", "executable")
_DISK_IMAGE = words("attachments.toml", "disk_image")
_MACRO = words("attachments.toml", "macro")
_WEB_PAGE = words("attachments.toml", "web_page")
_UNREAD_ARCHIVE = words("attachments.toml", "unread_archive")
_DOCUMENT = words("attachments.toml", "document")
_CONTENT = {extension: frozenset(kinds) for extension, kinds in read_list("attachments.toml")["content"].items()}

_RUNS = frozenset((magic.EXE, magic.ELF, magic.MACH_O, magic.LNK, magic.JAR, magic.APK, magic.CLASS))
_DISK_IMAGES = frozenset(("application/x-iso9660-image",))
_SMUGGLES = "ATTACH_SMUGGLES"
_WEB_KINDS = frozenset((magic.HTML, "image/svg+xml"))
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
    elif last in _UNREAD_ARCHIVE:
        found.append(Symbol("ATTACH_UNREAD", evidence=f"{shown} is an archive that is not looked into"))
    elif last in _WEB_PAGE:
        found.append(Symbol("ATTACH_WEB_PAGE", evidence=shown))
    return tuple(found)


def _plain(name: str) -> str:
    """The name as the file system will have it: cut at NUL, no final dots or blanks, lower case."""
    return _BIDI.sub("", name.partition("\0")[0]).rstrip(". \t\r\n\u00a0").lower()


def extension_of(name: str) -> str:
    """What follows the last dot of a name, ``""`` if there is none."""
    return _plain(name[-LONGEST:]).rpartition(".")[2].strip() if "." in name else ""


def _about_content(part: Part, budget: Budget) -> Iterator[Symbol]:
    """What the bytes give, beside the name and the label."""
    kind = part.detected_type
    data = part.data
    if kind in _RUNS:
        yield Symbol("ATTACH_EXECUTABLE", evidence=f"part {part.path} is a program ({kind}) by its content")
    elif kind in _DISK_IMAGES or data[-512:-504] == b"conectix" or data.startswith(b"vhdxfile"):
        yield Symbol("ATTACH_DISK_IMAGE", evidence=f"part {part.path} is a disk image by its content")
    yield from _disagreement(part, magic.OOXML if kind.startswith(magic.OOXML) else kind)
    if is_archive(kind, data):
        yield from _about_archive(part, budget)
    yield from _about_document(part, budget)


def _about_document(part: Part, budget: Budget) -> Iterator[Symbol]:
    """Documents that do more than to be read."""
    kind, data, place = part.detected_type, part.data, f"part {part.path}"
    if kind == magic.OLE and any(marker in data for marker in _OLE_MACRO):
        yield Symbol("ATTACH_MACRO", evidence=f"{place} holds a VBA project")
    elif kind == "application/pdf":
        for action in pdf_actions(data, budget):
            if action == "launch":
                yield Symbol("ATTACH_PDF_LAUNCH", evidence=f"{place} has a launch action")
            else:
                yield Symbol("ATTACH_PDF_SCRIPT", evidence=f"{place} has JavaScript")
    elif kind == "application/rtf" and rtf_objects(data):
        yield Symbol("ATTACH_RTF_OBJECT", evidence=f"{place} has an object in it")
    elif (kind in _WEB_KINDS or part.is_html) and smuggles(data):
        yield _smuggled(part)


def _disagreement(part: Part, kind: str) -> Iterator[Symbol]:
    """A known kind of content behind the extension of another; pictures are often misnamed and harmless."""
    if not kind or kind.startswith("image/"):
        return
    for name in part.names:
        expected = _CONTENT.get(extension_of(name))
        if expected and kind not in expected:
            yield Symbol("ATTACH_TYPE_DISAGREES", evidence=f"{quote(name[-LONGEST:])} is {kind} by its content")
            return


def _about_archive(part: Part, budget: Budget) -> Iterator[Symbol]:
    """What lies within; each symbol with the first member that shows it."""
    found: dict[str, Symbol] = {}
    place = f"part {part.path}"

    def note(member: Member) -> None:
        for symbol in _about_member(member, place):
            found.setdefault(symbol.name, symbol)

    try:
        look_into(part.data, part.detected_type, "", budget, note)
    except Bomb as bomb:
        found["ATTACH_BOMB"] = Symbol("ATTACH_BOMB", evidence=f"{place}: {bomb}")
    except Unread as unread:
        found["ATTACH_UNREAD"] = Symbol("ATTACH_UNREAD", evidence=f"{place}: {unread}")
    yield from found.values()


def _about_member(member: Member, place: str) -> Iterator[Symbol]:
    name = member.name[-LONGEST:]
    where = f"{place} holds {quote(name) if name else 'a file'}"
    if member.place:
        where += f" in {quote(member.place.lstrip('/'))}"
    if member.encrypted:
        yield Symbol("ATTACH_ENCRYPTED", evidence=f"{where} under a password")
    if member.kind in _RUNS:
        yield Symbol("ATTACH_ARCHIVED_EXECUTABLE", evidence=f"{where}, a program ({member.kind}) by its content")
    if name.lower().endswith("vbaproject.bin"):
        yield Symbol("ATTACH_MACRO", evidence=where)
    for symbol in _about_name(name):
        if symbol.name == "ATTACH_EXECUTABLE":
            yield Symbol("ATTACH_ARCHIVED_EXECUTABLE", evidence=where)
        elif symbol.name != "ATTACH_WEB_PAGE":
            yield symbol._replace(evidence=f"{where}: {symbol.evidence}")


class AttachmentCheck:
    """Attachments that run, hide, or are not what they are named.

    ``banned``  what is not wanted here: lists of ``rules/attachments.toml`` (``executable``), extensions (``.iso``) and
    types by label or content (``application/x-elf``).  Raises `SettingError` for a list that is not there.
    """

    name = "attachments"
    symbols = declared_by("attachments")

    def __init__(self, banned: Sequence[str] = (), source: str = "settings") -> None:
        self.banned = Banned.of(banned, source)

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail, in order."""
        return [find(mail.message, self.banned) for mail in mails]


@dataclass(frozen=True, slots=True)
class Banned:
    """Extensions (lower case, no dot) and types that are not wanted."""

    extensions: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()

    @classmethod
    def of(cls, banned: Sequence[str], source: str) -> Banned:
        """From the setting's words."""
        lists = {name: value for name, value in read_list("attachments.toml").items() if isinstance(value, list)}
        extensions = {item[1:].lower() for item in banned if item.startswith(".")}
        types = {item.lower() for item in banned if "/" in item}
        for item in banned:
            if not item.startswith(".") and "/" not in item:
                if item not in lists:
                    known = f"there are {', '.join(sorted(lists))}, endings (.exe) and types (application/x-elf)"
                    raise SettingError(source, (f'attachments.banned: no list "{item}"; {known}',))
                extensions.update(lists[item])
        return cls(frozenset(extensions), frozenset(types))

    def why(self, part: Part, budget: Budget) -> str:
        """What in this part is not wanted, in words, ``""`` if nothing is; archives are looked into."""
        found: list[str] = []
        if hits := {part.content_type, part.detected_type} & self.types:
            found.append(min(hits))
        found += [quote(name[-LONGEST:]) for name in part.names if extension_of(name) in self.extensions]

        def note(member: Member) -> None:
            if extension_of(member.name) in self.extensions or member.kind in self.types:
                found.append(f"{quote(member.name[-LONGEST:])} in an archive")

        if not found and is_archive(part.detected_type, part.data):
            with contextlib.suppress(Bomb, Unread):  # named by the check itself
                look_into(part.data, part.detected_type, "", budget, note)
        return found[0] if found else ""


NOTHING_BANNED = Banned()


def find(message: Message, banned: Banned = NOTHING_BANNED) -> Findings:
    """What `AttachmentCheck` finds in one message: each symbol once, with the first part that shows it."""
    found: dict[str, Symbol] = {}
    budgets: tuple[Budget, ...] = ()
    for part in message.parts[:MOST]:
        if part.is_container:
            continue
        if part.names or part.is_attachment:
            budgets = budgets or (Budget(), Budget())
            for symbol in _about_file(part, banned, *budgets):
                found.setdefault(symbol.name, symbol)
        elif part.is_html and smuggles(part.data):
            found.setdefault(_SMUGGLES, _smuggled(part))
    return tuple(found.values())


def find_in_part(part: Part, banned: Banned) -> Findings:
    """What is found in one part by itself."""
    if part.names or part.is_attachment:
        return tuple(_about_file(part, banned, Budget(), Budget()))
    return (_smuggled(part),) if part.is_html and smuggles(part.data) else ()


def _about_file(part: Part, banned: Banned, budget: Budget, second: Budget) -> Iterator[Symbol]:
    for name in part.names:
        yield from _about_name(name[-LONGEST:])
    yield from _about_content(part, budget)
    if (banned.extensions or banned.types) and (why := banned.why(part, second)):
        yield Symbol("ATTACH_BANNED", evidence=f"part {part.path}: {why}")


def _smuggled(part: Part) -> Symbol:
    return Symbol(_SMUGGLES, evidence=f"part {part.path} has a script that makes a file")

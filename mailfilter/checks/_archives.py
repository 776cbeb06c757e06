"""What lies in an attached archive, and in the archives within: names and kinds, within a budget.

Zip, tar, gzip, bzip2 and xz are looked into, of 7z and rar the names are read.  Nothing is unpacked but archives within
archives, the first octets of other members, and a sample of a stream that may be a bomb.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..mime import magic
from ._rar import RAR4, RAR5, rar_entries
from ._sevenzip import SIGNATURE as SEVENZIP
from ._sevenzip import read_sevenzip
from ._tar import is_tar, tar_entries
from ._unpack import BOMB_RATIO, MAX_DEPTH, MAX_MEMBERS, MAX_OPEN, Bomb, Budget, Unread, measure, peek, unpack
from ._zip import DEFLATED, STORED, zip_entries

MAX_PEEKS = 200
"""Members of one archive whose content is looked at; of the others there is the name."""
_SUSPECT = 20_000
"""Packed octets from which a member's true rate is measured where its header may lie."""

ZIPS = frozenset((magic.ZIP, magic.JAR, magic.APK))
_STREAMS = {"application/gzip": "gzip", "application/x-bzip2": "bzip2", "application/x-xz": "xz"}
_UNREAD = frozenset(
    ("application/zstd", "application/vnd.ms-cab-compressed", "application/x-arj")
)  # known for archives, and not looked into


class Member(NamedTuple):
    """One member: its name, the archive that it lies in, whether it is encrypted, and its kind by content if seen."""

    name: str
    place: str
    encrypted: bool = False
    kind: str = ""


_Emit = Callable[[Member], None]


def is_archive(kind: str, data: bytes) -> bool:
    """Whether content of this kind (as `mailfilter.mime.magic` has it) is looked into."""
    return bool(
        kind in ZIPS
        or kind.startswith(magic.OOXML)
        or kind in _STREAMS
        or kind in _UNREAD
        or data.startswith((SEVENZIP, RAR4, RAR5))
        or _is_tar(kind, data)
        or b"PK\x01\x02" in data
    )


def _is_tar(kind: str, data: bytes) -> bool:
    return kind == "application/x-tar" or (not kind and len(data) >= 512 and is_tar(data))


def look_into(data: bytes, kind: str, place: str, budget: Budget, emit: _Emit, depth: int = 1) -> None:
    """Call ``emit`` for every member of an archive and of those within.

    Raises `Bomb` for one that is made to exhaust, and `Unread` where the rest was not looked into.
    """
    if depth > MAX_DEPTH:
        raise Bomb(f"archives nested more than {MAX_DEPTH} deep")
    if depth == 1:
        budget.size += len(data)
    late: list[str] = []
    for member, content in _members(data, kind, place, budget):
        budget.take_member()
        head, whole = content(True) if content else (b"", b"")
        found = magic.detect(head) if head else ""
        emit(member._replace(kind=found))
        if content and is_archive(found, head):
            try:
                look_into(whole or content(False)[1], found, f"{place}/{member.name}"[-200:], budget, emit, depth + 1)
            except Unread as reason:
                late.append(str(reason))
    if late:
        raise Unread(late[0])


_Content = Callable[[bool], tuple[bytes, bytes]]
"""Given True: a member's first octets, and all of them if that costs nothing; given False, unpacks."""


def _members(data: bytes, kind: str, place: str, budget: Budget) -> Iterator[tuple[Member, _Content | None]]:
    if kind in _STREAMS:
        yield from _stream(data, _STREAMS[kind], place, budget)
    elif data.startswith(SEVENZIP):
        yield from _sevenzip(data, place)
    elif kind in _UNREAD:
        raise Unread(f"{kind} is not looked into")
    elif data.startswith((RAR4, RAR5)):
        yield from ((Member(entry.name, place, entry.encrypted), None) for entry in rar_entries(data))
    elif _is_tar(kind, data):
        for entry in tar_entries(data):
            yield Member(entry.name, place), _stored(data[entry.start : entry.start + entry.size])
    else:
        yield from _zip(data, place, budget, peeks=0 if kind.startswith(magic.OOXML) else MAX_PEEKS)


def _stored(content: bytes) -> _Content:
    return lambda _: (content, content)


def _stream(data: bytes, method: str, place: str, budget: Budget) -> Iterator[tuple[Member, _Content]]:
    """The one thing that gzip and its like hold."""
    measure(method, data, budget)
    head = unpack(method, data, 1024, budget)
    if not is_archive(magic.detect(head), head):
        yield Member("", place), _stored(head)
        return
    whole = unpack(method, data, MAX_OPEN, budget)
    yield Member("", place), _stored(whole)
    if len(whole) == MAX_OPEN:
        raise Unread(f"more than {MAX_OPEN >> 20} MB in one archive")


def _sevenzip(data: bytes, place: str) -> Iterator[tuple[Member, None]]:
    found = read_sevenzip(data)
    for name in found.names or ([""] if found.encrypted else []):
        yield Member(name, place, found.encrypted), None
    if not found.read and not found.encrypted:
        raise Unread("the header of a 7z file cannot be read")


def _zip(data: bytes, place: str, budget: Budget, peeks: int) -> Iterator[tuple[Member, _Content | None]]:
    """Members by both lists; sizes are summed before anything is unpacked."""
    entries = list(zip_entries(data, budget.members))
    local = [entry for entry in entries if entry.start]
    listed = [entry for entry in entries if not entry.start]
    if max(len(local), len(listed)) > budget.members:
        raise Bomb(f"more than {MAX_MEMBERS} members")
    budget.claim(max(sum(entry.size for entry in half) for half in (local, listed)))
    names = {entry.name for entry in local}
    for entry in entries:
        if not entry.start and entry.name in names and not entry.encrypted:
            continue
        content: _Content | None = None
        if entry.start and not entry.encrypted and peeks > 0:
            peeks -= 1
            packed = memoryview(data)[entry.start : entry.start + entry.packed if entry.packed else len(data)]
            content = _zipped(packed, entry.method, entry.size, budget)
        yield Member(entry.name, place, entry.encrypted), content


def _zipped(packed: memoryview, method: int, size: int, budget: Budget) -> _Content | None:
    if method not in (STORED, DEFLATED):
        return None

    def content(first: bool) -> tuple[bytes, bytes]:
        if method == STORED:
            budget.take_work(0 if first else min(len(packed), MAX_OPEN))
            return bytes(packed[:1024]), b"" if first else bytes(packed[:MAX_OPEN])
        if first:
            if len(packed) >= _SUSPECT and size < len(packed) * BOMB_RATIO:
                _check_rate(packed, budget)
            return peek("deflate", packed, 1024), b""
        whole = unpack("deflate", packed, MAX_OPEN, budget)
        if len(whole) == MAX_OPEN:
            raise Unread(f"more than {MAX_OPEN >> 20} MB in one archive")
        return b"", whole

    return content


def _check_rate(packed: memoryview, budget: Budget) -> None:
    """Measure a member that claims a usual rate and begins at an unusual one."""
    if len(peek("deflate", packed[:512], 65_536)) >= 65_536 // 2:
        measure("deflate", packed, budget)

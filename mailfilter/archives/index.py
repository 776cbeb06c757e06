"""The index of a corpus in TREC layout: ``spam|ham|none PATH`` a line, PATH seen from the index's own folder."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from .items import Label, Unreadable

MAX_INDEX = 256 * 1024 * 1024
"""Bytes of an index that are read."""

_LINE = re.compile(r"(spam|ham|none)[ \t]+(\S.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Index:
    """What an index says of each path; ``entries`` keeps its order.

    Paths are normal ones (no ``.``, no inner ``..``), seen from the root of the archive.
    """

    path: str
    entries: dict[str, tuple[Label | None, int]]
    faults: tuple[Unreadable, ...]


def is_index(head: bytes) -> bool:
    """Whether a file named ``index`` that begins with ``head`` is one in TREC layout."""
    lines = head.decode("utf-8", "surrogateescape").split("\n")
    first = next((line for line in lines if line.strip()), "")
    return _LINE.match(first) is not None


def parse_index(text: bytes, path: str, base: str) -> Index:
    """Read an index named ``path`` for reports; its paths start at ``base``, the folder it stands in.

    Faulty lines are reported in ``faults`` and passed over; so is a second line for a path, and a path that
    leads out of the archive (more ``..`` than ``base`` has folders).
    """
    entries: dict[str, tuple[Label | None, int]] = {}
    faults: list[Unreadable] = []
    for number, line in enumerate(text.decode("utf-8", "surrogateescape").split("\n"), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            faults.append(Unreadable(path, f"line {number}: expected spam, ham or none and a path"))
            continue
        label, name = match[1].lower(), posixpath.normpath(posixpath.join(base, match[2]))
        if name.startswith(("/", "../")) or name == "..":
            faults.append(Unreadable(path, f"line {number}: {match[2]} leads out of the archive"))
        elif name in entries:
            faults.append(Unreadable(path, f"line {number}: {match[2]} is listed on line {entries[name][1]} already"))
        else:
            entries[name] = (None if label == "none" else cast(Label, label), number)
    return Index(path, entries, tuple(faults))


def best_index(names: Iterable[str]) -> str | None:
    """Of several index files that of the whole: the one nearest the root, ``full/index`` before its neighbours."""
    def rank(name: str) -> tuple[int, bool, str]:
        return name.count("/"), not name.endswith("full/index"), name

    return min(names, key=rank, default=None)

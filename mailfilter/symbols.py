"""Findings and the catalogue of everything that can be found.

A check says *what it saw* as a `Symbol`; what that is worth stands in the catalogue
(``rules/catalogue.toml``) and can be overridden in the settings.  What could *not* be learned is a symbol
too, of the group ``unknown``: it carries no points ever (law 3), it is shown as unknown, and policy may act on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from .errors import SettingError
from .tables import tables

MALWARE = "malware"
UNKNOWN = "unknown"
RATE = "rate"
GROUPS = (
    "malware",
    "unknown",
    "content",
    "headers",
    "structure",
    "links",
    "attachments",
    "lists",
    "sender",
    "reputation",
    "rate",
)
"""Groups that symbols are shown and capped in.  ``malware`` outranks all; ``unknown`` never scores."""


class Symbol(NamedTuple):
    """One finding.  ``value`` multiplies the symbol's points: 1.0 for plain yes, a grade for graded ones."""

    name: str
    value: float = 1.0
    evidence: str = ""


Findings = tuple[Symbol, ...]
"""What one check found in one mail, in any order."""


@dataclass(frozen=True, slots=True)
class SymbolInfo:
    """Catalogue entry: what a symbol means, the check that finds it, its group and its default points."""

    name: str
    description: str
    group: str
    points: float
    check: str


class Catalogue(Mapping[str, SymbolInfo]):
    """Every symbol that can occur, by name, in a fixed order (which is the column order of hit tables)."""

    def __init__(self, entries: Iterable[SymbolInfo]) -> None:
        self._entries: dict[str, SymbolInfo] = {}
        for entry in entries:
            if entry.name in self._entries:
                other = self._entries[entry.name].check
                raise SettingError("catalogue", (f"symbol {entry.name} is declared by {other} and {entry.check}",))
            self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> SymbolInfo:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def read_catalogue(by_check: Mapping[str, Mapping[str, Any]], source: str) -> tuple[SymbolInfo, ...]:
    """The entries of a catalogue: one table per check, one sub-table per symbol.

    Raises `SettingError` listing every entry that lacks a key, has one too many, or gives points to the
    unknown (law 3).
    """
    faults: list[str] = []
    entries = [
        SymbolInfo(name, entry["description"], entry["group"], float(entry["points"]), check)
        for check, table in by_check.items()
        for name, entry in table.items()
        if not _collect(faults, f"{check}.{name}", entry)
    ]
    if faults:
        raise SettingError(source, tuple(faults))
    return tuple(entries)


def _collect(faults: list[str], where: str, entry: object) -> list[str]:
    """Append the faults of one catalogue entry to ``faults`` and return them."""
    if not isinstance(entry, dict):
        found = [f"{where}: expected a table with description, group and points, got {entry!r}"]
    else:
        found = [f"{where}: unknown key {key!r}" for key in entry.keys() - {"description", "group", "points"}]
        if not isinstance(entry.get("description"), str) or not entry["description"]:
            found.append(f"{where}.description: a sentence is required")
        if entry.get("group") not in GROUPS:
            found.append(f"{where}.group: {entry.get('group')!r} is none of {', '.join(GROUPS)}")
        points = entry.get("points")
        if isinstance(points, bool) or not isinstance(points, int | float):
            found.append(f"{where}.points: a number is required, got {points!r}")
        elif entry.get("group") == UNKNOWN and points != 0:
            found.append(f"{where}.points: what is not known carries no points, got {points}")
    faults.extend(found)
    return found


@cache
def shipped_catalogue() -> tuple[SymbolInfo, ...]:
    """The entries of ``rules/catalogue.toml`` that is installed with the library."""
    source = "mailfilter/rules/catalogue.toml"
    try:
        return read_catalogue(tables("catalogue.toml"), source)
    except ValueError as error:  # an edit that left something that is not TOML
        raise SettingError(source, (str(error),)) from None


def declared_by(check: str) -> tuple[SymbolInfo, ...]:
    """The shipped entries of one check; a check's ``symbols`` attribute is made of this."""
    return tuple(entry for entry in shipped_catalogue() if entry.check == check)

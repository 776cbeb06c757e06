"""DNS lists as data: what is asked of a list, and what its answers mean (``rules/dnslists.toml``).

A definition declares every code that counts.  An answer that is not declared is never a listing: most disasters
with block lists are answers like "you ask too much" read as "listed".
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any, Literal

from ..errors import SettingError
from ..symbols import SymbolInfo

MAX_POINTS = 5.0
"""What one symbol of one list may be worth by its definition: no list decides alone."""
MAX_TOTAL = 12.0
"""What everything that one list can say is worth together is below this, the default limit for a bounce."""

Octets = tuple[int, ...]
Family = Literal["ipv4", "ipv6"]


@dataclass(frozen=True, slots=True)
class CodePattern:
    """Answers that mean one thing: ``127.0.0.4``, ``127.0.0.4-7`` or ``127.0.*.3``."""

    text: str
    bounds: tuple[tuple[int, int], ...]

    def matches(self, address: Octets) -> bool:
        """Whether an address is one of these answers."""
        return all(low <= octet <= high for octet, (low, high) in zip(address, self.bounds, strict=True))


def parse_code(text: str) -> CodePattern:
    """Read a pattern of addresses within 127.0.0.0/8.  Raises ValueError saying what is wrong."""
    fields = text.split(".")
    if len(fields) != 4 or fields[0] != "127":
        raise ValueError(f'{text!r} is none of "127.0.0.2", "127.0.0.4-7" and "127.0.*.3"')
    return CodePattern(text, tuple(_bounds(text, part) for part in fields))


def _bounds(text: str, part: str) -> tuple[int, int]:
    if part == "*":
        return (0, 255)
    low, _, high = part.partition("-")
    numbers = [int(number) for number in (low, high or low) if number.isascii() and number.isdigit()]
    if len(numbers) != 2 or not 0 <= numbers[0] <= numbers[1] <= 255:
        raise ValueError(f"{text!r}: {part!r} is no number from 0 to 255, no range of them and no *")
    return (numbers[0], numbers[1])


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code or bit says: the symbol, its points, and a sentence."""

    symbol: str
    points: float
    description: str


@dataclass(frozen=True, slots=True)
class DnsList:
    """One list.  Either ``codes`` or ``bits`` is filled.

    ``zone``  as written; ``{key}`` stands for a key from the environment variable ``key_env``.
    ``kind``  what is asked: ``ip``, the address of the connecting host.
    ``codes``  answers and their meaning; every address of an answer is looked at.
    ``bits``  meaning of each bit of the last octet of ``127.0.0.x``.
    ``refused``, ``refused_bits``  answers that mean "not answered", beside 127.255.255.0/24 which always does.
    ``families``  of addresses that the list knows.
    """

    name: str
    zone: str
    codes: tuple[tuple[CodePattern, Meaning], ...] = ()
    bits: tuple[tuple[int, Meaning], ...] = ()
    refused: tuple[CodePattern, ...] = ()
    refused_bits: int = 0
    kind: str = "ip"
    families: tuple[Family, ...] = ("ipv4",)
    home: str = ""
    licence: str = ""
    enabled: bool = False
    key_env: str = ""
    key: str = field(default="", repr=False)

    @property
    def asked_zone(self) -> str:
        """The zone with its key; not to be shown."""
        return self.zone.replace("{key}", self.key.lower())

    @property
    def meanings(self) -> tuple[Meaning, ...]:
        """Everything that the list can say, each once."""
        return tuple(dict.fromkeys(meaning for _, meaning in (*self.codes, *self.bits)))

    def symbols(self, check: str) -> tuple[SymbolInfo, ...]:
        """What the list can find, as entries of the catalogue."""
        return tuple(
            SymbolInfo(meaning.symbol, meaning.description, "lists", meaning.points, check) for meaning in self.meanings
        )


@cache
def shipped_lists() -> Mapping[str, DnsList]:
    """The definitions of ``rules/dnslists.toml`` by name."""
    text = resources.files("mailfilter.rules").joinpath("dnslists.toml").read_text(encoding="utf-8")
    return {definition.name: definition for definition in read_lists(text, "mailfilter/rules/dnslists.toml")}


def read_lists(text: str, source: str) -> tuple[DnsList, ...]:
    """Definitions out of TOML text, one table per list.  Raises `SettingError` with every fault."""
    from ._dnslist_reader import read_list

    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingError(source, (f"is not valid TOML: {error}",)) from None
    faults: list[str] = []
    found = [read_list(name, table, name, faults) for name, table in tables.items()]
    _raise(source, faults)
    return tuple(definition for definition in found if definition is not None)


def chosen_lists(
    names: Sequence[str],
    custom: Iterable[Mapping[str, Any]] = (),
    source: str = "settings",
    environment: Mapping[str, str] = os.environ,
) -> tuple[DnsList, ...]:
    """The shipped lists that are named, those that ship switched on, and definitions of one's own (``name`` inside).

    Raises `SettingError`: a name that does not ship, a faulty definition, a key that is not in the environment, two
    lists of one name, or one symbol with two meanings.
    """
    from ._dnslist_reader import read_list

    faults: list[str] = []
    shipped = shipped_lists()
    for name in names:
        if name not in shipped:
            faults.append(f'dns.lists: no list "{name}" ships; known are {", ".join(shipped)}')
    found = [definition for name, definition in shipped.items() if name in names or definition.enabled]
    for number, table in enumerate(custom):
        where = f"dns.custom[{number}]"
        definition = read_list(table.get("name"), {k: v for k, v in table.items() if k != "name"}, where, faults)
        if definition is not None:
            found.append(definition)
    found = [_with_key(definition, environment, faults) for definition in found]
    faults.extend(_conflicts(found))
    _raise(source, faults)
    return tuple(found)


def _with_key(definition: DnsList, environment: Mapping[str, str], faults: list[str]) -> DnsList:
    if not definition.key_env:
        return definition
    key = environment.get(definition.key_env, "")
    if not (key.isascii() and key.isalnum()):
        faults.append(f'list "{definition.name}" wants a key of letters and digits in {definition.key_env}')
    return replace(definition, key=key)


def _conflicts(found: Sequence[DnsList]) -> list[str]:
    names = [definition.name for definition in found]
    faults = [f'two lists are named "{name}"' for name in dict.fromkeys(names) if names.count(name) > 1]
    meanings: dict[str, tuple[Meaning, str]] = {}
    for definition in found:
        for meaning in definition.meanings:
            known, owner = meanings.setdefault(meaning.symbol, (meaning, definition.name))
            if known != meaning:
                faults.append(f'symbol {meaning.symbol} means two things, in "{owner}" and "{definition.name}"')
    return faults


def _raise(source: str, faults: list[str]) -> None:
    if faults:
        raise SettingError(source, tuple(faults))

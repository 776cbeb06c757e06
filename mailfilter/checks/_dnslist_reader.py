"""Reads one list definition out of a TOML table and names every fault by its key."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from .dnslists import MAX_POINTS, MAX_TOTAL, CodePattern, DnsList, Meaning, parse_code

_SYMBOL = re.compile(r"[A-Z][A-Z0-9_]{2,63}")
_ZONE = re.compile(r"(?:\{key\}\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){1,10}")
_FAMILIES = ("ipv4", "ipv6")
_KEYS = frozenset(
    ("zone", "kind", "families", "codes", "bits", "refused", "refused_bits", "home", "licence", "enabled", "key_env")
)


def read_list(name: object, table: object, where: str, faults: list[str]) -> DnsList | None:
    """The definition, or `None` after appending what is wrong with it to ``faults``."""
    if not isinstance(name, str) or not name:
        faults.append(f"{where}.name: a name is required, got {name!r}")
        name = "?"
    if not isinstance(table, Mapping):
        faults.append(f"{where}: a table is expected, got {table!r}")
        return None
    reader = _Reader(table, where)
    definition = DnsList(
        name=name,
        zone=reader.zone(),
        codes=reader.codes(),
        bits=reader.bits(),
        refused=reader.refused(),
        refused_bits=reader.refused_bits(),
        kind=reader.choice("kind", "ip", ("ip",)),
        families=reader.families(),
        home=reader.text("home"),
        licence=reader.text("licence"),
        enabled=reader.switch("enabled"),
        key_env=reader.text("key_env"),
    )
    reader.check_whole(definition)
    faults.extend(reader.faults)
    return None if reader.faults else definition


class _Reader:
    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self._table = table
        self._where = where
        known = ", ".join(sorted(_KEYS))
        self.faults = [f"{where}.{key}: unknown key; known are {known}" for key in table.keys() - _KEYS]

    def _fault(self, key: str, said: str) -> None:
        self.faults.append(f"{self._where}.{key}: {said}")

    def text(self, key: str) -> str:
        value = self._table.get(key, "")
        if isinstance(value, str):
            return value
        self._fault(key, f"a text is expected, got {value!r}")
        return ""

    def switch(self, key: str) -> bool:
        value = self._table.get(key, False)
        if isinstance(value, bool):
            return value
        self._fault(key, f"true or false is expected, got {value!r}")
        return False

    def choice(self, key: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self._table.get(key, default)
        if value not in allowed:
            self._fault(key, f"{' or '.join(allowed)} is expected, got {value!r}")
        return str(value)

    def zone(self) -> str:
        value = self.text("zone")
        if not _ZONE.fullmatch(value):
            self._fault("zone", f'a name like "bl.example.org" or "{{key}}.bl.example.org" is required, got {value!r}')
        return value

    def families(self) -> Any:
        value = self._table.get("families", ["ipv4"])
        if not isinstance(value, list) or not value or any(entry not in _FAMILIES for entry in value):
            self._fault("families", f"a list of ipv4 and ipv6 is expected, got {value!r}")
            return ("ipv4",)
        return tuple(value)

    def refused(self) -> tuple[CodePattern, ...]:
        value = self._table.get("refused", [])
        if not isinstance(value, list):
            self._fault("refused", f"a list of codes is expected, got {value!r}")
            return ()
        return tuple(pattern for code in value if (pattern := self._code("refused", code)) is not None)

    def refused_bits(self) -> int:
        value = self._table.get("refused_bits", 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
            self._fault("refused_bits", f"a sum of bits from 0 to 255 is expected, got {value!r}")
            return 0
        return value

    def codes(self) -> tuple[tuple[CodePattern, Meaning], ...]:
        found = []
        for code, entry in self._subtable("codes"):
            pattern = self._code("codes", code)
            meaning = self._meaning(f'codes."{code}"', entry)
            if pattern is not None and meaning is not None:
                found.append((pattern, meaning))
        return tuple(found)

    def bits(self) -> tuple[tuple[int, Meaning], ...]:
        found = []
        for text, entry in self._subtable("bits"):
            bit = int(text) if text.isascii() and text.isdigit() else 0
            if bit not in (1, 2, 4, 8, 16, 32, 64, 128):
                self._fault(f"bits.{text}", "a bit is one of 1, 2, 4, 8, 16, 32, 64, 128")
            meaning = self._meaning(f"bits.{text}", entry)
            if meaning is not None:
                found.append((bit, meaning))
        return tuple(found)

    def _subtable(self, key: str) -> list[tuple[str, Any]]:
        value = self._table.get(key, {})
        if isinstance(value, Mapping):
            return list(value.items())
        self._fault(key, f"a table is expected, got {value!r}")
        return []

    def _code(self, key: str, code: object) -> CodePattern | None:
        try:
            return parse_code(str(code))
        except ValueError as error:
            self._fault(key, str(error))
            return None

    def _meaning(self, key: str, entry: object) -> Meaning | None:
        before = len(self.faults)
        if not isinstance(entry, Mapping):
            self._fault(key, f"a table with symbol, points and description is expected, got {entry!r}")
            return None
        for extra in entry.keys() - {"symbol", "points", "description"}:
            self._fault(f"{key}.{extra}", "unknown key; known are symbol, points, description")
        symbol, points, description = entry.get("symbol"), entry.get("points"), entry.get("description")
        if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
            self._fault(f"{key}.symbol", f"capitals, digits and _ are expected, got {symbol!r}")
        if isinstance(points, bool) or not isinstance(points, int | float) or not math.isfinite(points):
            self._fault(f"{key}.points", f"a number is required, got {points!r}")
        elif abs(points) > MAX_POINTS:
            self._fault(f"{key}.points", f"at most {MAX_POINTS:g}, so that no list decides alone, got {points:g}")
        if not isinstance(description, str) or not description:
            self._fault(f"{key}.description", f"a sentence is required, got {description!r}")
        if len(self.faults) > before:
            return None
        return Meaning(str(symbol), float(points or 0.0), str(description))

    def check_whole(self, definition: DnsList) -> None:
        """What only shows when all keys are read."""
        if bool(self._table.get("codes")) == bool(self._table.get("bits")):
            self._fault("codes", "either codes or bits are required, and not both")
        if ("{key}" in definition.zone) != bool(definition.key_env):
            self._fault("key_env", "a zone with {key} names the variable that holds the key, and only such a zone")
        if definition.refused_bits & sum(bit for bit, _ in definition.bits):
            self._fault("refused_bits", "a bit either means refused or has a meaning")
        meanings: dict[str, Meaning] = {}
        for _, meaning in (*definition.codes, *definition.bits):
            if meanings.setdefault(meaning.symbol, meaning) != meaning:
                self._fault("codes", f"symbol {meaning.symbol} has two meanings")
        total = sum(max(meaning.points, 0.0) for meaning in meanings.values())
        if total >= MAX_TOTAL:
            said = f"all its symbols together are worth {total:g}; below {MAX_TOTAL:g}, so that no list decides alone"
            self._fault("bits" if definition.bits else "codes", said)

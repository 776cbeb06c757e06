"""Reads one list definition out of a TOML table and names every fault by its key."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from .definition import (
    FORMS,
    MAX_POINTS,
    NORMALISATIONS,
    SOURCES,
    TEST_POINTS,
    TEST_POINTS_6,
    CodePattern,
    DnsList,
    Meaning,
    parse_code,
)

_SYMBOL = re.compile(r"[A-Z][A-Z0-9_]{2,63}")
_ZONE = re.compile(r"\{key\}|(?:[a-z0-9_-]{1,63}|\{key\})(?:\.(?:[a-z0-9_-]{1,63}|\{key\})){1,10}")
_FAMILIES = ("ipv4", "ipv6")
_HASHES = ("md5", "sha1", "sha256")
_ENCODINGS = ("hex", "base32")
_CLOSED_KEYS = frozenset(("zone", "closed", "home"))
_KEYS = frozenset(
    (
        "zone", "kind", "ask", "form", "addresses", "families", "codes", "bits", "refused", "refused_bits", "hash",
        "encoding", "normalise", "allow", "trusted", "test_listed", "test_unlisted", "home", "source", "licence",
        "key_env",
    )
)  # fmt: skip


def read_list(name: object, table: object, where: str, faults: list[str]) -> DnsList | None:
    """The definition, or `None` after appending what is wrong with it to ``faults``."""
    if not isinstance(name, str) or not name:
        faults.append(f"{where}.name: a name is required, got {name!r}")
        name = "?"
    if not isinstance(table, Mapping):
        faults.append(f"{where}: a table is expected, got {table!r}")
        return None
    if "closed" in table:
        reader = _Reader(table, where, _CLOSED_KEYS)
        definition = DnsList(name, reader.zone(), home=reader.text("home"), closed=reader.text("closed"))
    else:
        reader = _Reader(table, where, _KEYS)
        definition = reader.definition(name)
        reader.check_whole(definition)
    faults.extend(reader.faults)
    return None if reader.faults else definition


class _Reader:
    def __init__(self, table: Mapping[str, Any], where: str, keys: frozenset[str]) -> None:
        self._table = table
        self._where = where
        known = ", ".join(sorted(keys))
        self.faults = [f"{where}.{key}: unknown key; known are {known}" for key in table.keys() - keys]

    def definition(self, name: str) -> DnsList:
        """Every key by itself."""
        kind = self.choice("kind", "ip", tuple(SOURCES))
        sources, forms = SOURCES.get(kind, ("client",)), FORMS.get(kind, ("reversed",))
        families = self.several("families", ("ipv4",), _FAMILIES)
        defaults = TEST_POINTS_6 if kind == "ip" and families == ("ipv6",) else TEST_POINTS.get(kind, ("", ""))
        return DnsList(
            name=name,
            zone=self.zone(),
            kind=kind,
            ask=self.several("ask", sources[:1], sources),
            form=self.choice("form", forms[0], forms),
            addresses=self.switch("addresses"),
            codes=self.codes(),
            bits=self.bits(),
            refused=self.refused(),
            refused_bits=self.refused_bits(),
            families=families,
            hash=self.choice("hash", "sha1", _HASHES),
            encoding=self.choice("encoding", "hex", _ENCODINGS),
            normalise=self.several("normalise", (), NORMALISATIONS),
            allow=self.switch("allow"),
            trusted=self.switch("trusted"),
            tests=(self.text("test_listed", defaults[0]), self.text("test_unlisted", defaults[1])),
            home=self.text("home"),
            source=self.text("source"),
            licence=self.text("licence"),
            key_env=self.text("key_env"),
        )

    def _fault(self, key: str, said: str) -> None:
        self.faults.append(f"{self._where}.{key}: {said}")

    def text(self, key: str, default: str = "") -> str:
        value = self._table.get(key, default)
        if isinstance(value, str):
            return value
        self._fault(key, f"a text is expected, got {value!r}")
        return default

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

    def several(self, key: str, default: tuple[str, ...], allowed: tuple[str, ...]) -> Any:
        if key not in self._table:
            return default
        value = self._table[key]
        if not isinstance(value, list | tuple) or not value or any(entry not in allowed for entry in value):
            self._fault(key, f"a list of {' and '.join(allowed)} is expected, got {value!r}")
            return default
        return tuple(value)

    def zone(self) -> str:
        value = self.text("zone")
        if not _ZONE.fullmatch(value):
            self._fault("zone", f'a name like "bl.example.org" or "{{key}}.bl.example.org" is required, got {value!r}')
        return value

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
        if definition.hash == "sha256" and definition.encoding == "hex":
            self._fault("encoding", "base32 is expected for sha256: 64 digits are too long for a label of DNS")
        meanings: dict[str, Meaning] = {}
        for _, meaning in (*definition.codes, *definition.bits):
            if meanings.setdefault(meaning.symbol, meaning) != meaning:
                self._fault("codes", f"symbol {meaning.symbol} has two meanings")
        self._check_praise(definition)

    def _check_praise(self, definition: DnsList) -> None:
        """What lowers a score must not be had by writing a name into a mail (an allow entry needs proof)."""
        praise = [meaning.symbol for meaning in definition.meanings if meaning.points < 0]
        if (definition.allow or praise) and (definition.kind, definition.ask) != ("ip", ("client",)):
            what = "a list of good senders" if definition.allow else f"a list that gives negative points ({praise[0]})"
            self._fault("ask", f"{what} is asked about the connecting host only: all else can be forged")
        blame = [meaning.symbol for meaning in definition.meanings if meaning.points > 0]
        if definition.allow and blame:
            self._fault("allow", f"a list of good senders gives no positive points ({blame[0]})")

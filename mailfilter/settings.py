"""Typed settings out of a TOML table: every fault is found in one pass and named by its key.

A settings section is a frozen dataclass.  Each field is made with `setting`, which carries what is allowed and
one sentence of documentation, so that the checker, the example file and its test read the same source.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import date
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a setting may be.

    ``kind`` is one of number, integer, switch, text, texts (list of text), integers (list), numbers (table of
    numbers), tables (list of tables), date (a date or a time) and free (a table that somebody else checks).
    ``never`` allows the word "never" for a number, which becomes ``None``.
    """

    kind: str
    doc: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    never: bool = False

    def describe(self) -> str:
        """What is allowed, in words."""
        if self.choices:
            return "one of " + ", ".join(f'"{choice}"' for choice in self.choices)
        text = _WORDS[self.kind]
        if math.isfinite(self.low) and math.isfinite(self.high):
            text += f" from {self.low:g} to {self.high:g}"
        elif math.isfinite(self.low):
            text += f" of at least {self.low:g}"
        return text + (' or "never"' if self.never else "")


_WORDS = {
    "number": "a number",
    "integer": "a whole number",
    "switch": "true or false",
    "text": "a text",
    "texts": "a list of texts",
    "integers": "a list of whole numbers",
    "numbers": "a table of numbers",
    "tables": "a list of tables",
    "date": "a date (2027-01-31) or a time (2027-01-31T12:00:00Z)",
    "free": "a table",
}


def setting(default: Any, kind: str, doc: str, **limits: Any) -> Any:
    """A dataclass field with its `Allowed`; a mutable default is copied per instance."""
    metadata = {"allowed": Allowed(kind, doc, **limits)}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def build(section: type[T], table: object, where: str, faults: list[str]) -> T:
    """Make ``section`` from a TOML table; faults are appended, and the default stands in for a faulty value."""
    if not isinstance(table, Mapping):
        faults.append(f"{where}: a table is expected, got {table!r}")
        table = {}
    known: dict[str, Field[Any]] = {item.name: item for item in fields(section)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            faults.append(f"{_join(where, key)}: unknown setting; known here: {', '.join(known)}")
    values = {}
    for name, item in known.items():
        if name in table:
            before = len(faults)
            value = _value(item.metadata["allowed"], table[name], _join(where, name), faults)
            if len(faults) == before:
                values[name] = value
    return section(**values)


def default_of(item: Field[Any]) -> Any:
    """The default of a field made with `setting`."""
    if item.default is not MISSING:
        return item.default
    assert item.default_factory is not MISSING
    return item.default_factory()


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _value(allowed: Allowed, value: Any, where: str, faults: list[str]) -> Any:
    """The checked value; on a fault a line is appended and the value is not to be used."""
    if allowed.never and value == "never":
        return None
    if not _right_kind(allowed.kind, value) or not _in_range(allowed, value):
        faults.append(f"{where}: {allowed.describe()} is expected, got {value!r}")
        return None
    if allowed.kind == "number":
        return float(value)
    return tuple(value) if allowed.kind in ("texts", "tables", "integers") else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _all_of(kind: type, values: object) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, str) and all(isinstance(v, kind) for v in values)


def _right_kind(kind: str, value: object) -> bool:
    match kind:
        case "number":
            return _is_number(value)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "switch":
            return isinstance(value, bool)
        case "text":
            return isinstance(value, str)
        case "texts":
            return _all_of(str, value)
        case "tables":
            return _all_of(dict, value)
        case "date":
            return isinstance(value, date)
        case "integers":
            return isinstance(value, Sequence) and all(_is_number(n) and isinstance(n, int) for n in value)
        case "numbers":
            return isinstance(value, dict) and all(_is_number(number) for number in value.values())
        case _:
            return isinstance(value, dict)


def _in_range(allowed: Allowed, value: Any) -> bool:
    if allowed.choices:
        return bool(value in allowed.choices)
    return allowed.kind not in ("number", "integer") or bool(allowed.low <= value <= allowed.high)

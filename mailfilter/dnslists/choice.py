"""Which lists are asked: the shipped ones by name, and definitions of one's own."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from ..errors import SettingError
from .definition import DnsList, Meaning
from .reader import read_list


@cache
def _shipped() -> tuple[DnsList, ...]:
    text = resources.files("mailfilter.rules").joinpath("dnslists.toml").read_text(encoding="utf-8")
    return read_lists(text, "mailfilter/rules/dnslists.toml")


@cache
def shipped_lists() -> Mapping[str, DnsList]:
    """The definitions of ``rules/dnslists.toml`` by name."""
    return {definition.name: definition for definition in _shipped() if not definition.closed}


@cache
def closed_lists() -> Mapping[str, DnsList]:
    """Lists that have ceased, by name: naming one in the settings, or its zone, is an error that says so."""
    return {definition.name: definition for definition in _shipped() if definition.closed}


def read_lists(text: str, source: str) -> tuple[DnsList, ...]:
    """Definitions out of TOML text, one table per list.  Raises `SettingError` with every fault."""
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
    custom: Sequence[Mapping[str, Any]] = (),
    source: str = "settings",
    environment: Mapping[str, str] = os.environ,
) -> tuple[DnsList, ...]:
    """The shipped lists that are named, and definitions of one's own (with their ``name`` inside).

    A list whose key is not in the environment is given back without one: it is not `DnsList.configured`.

    Raises `SettingError`: a name that does not ship, a list that is closed, a faulty definition, a key that is none,
    two lists of one name, or one symbol with two meanings.
    """
    if not names and not custom:
        return ()
    faults: list[str] = []
    shipped, closed = shipped_lists(), closed_lists()
    for name in names:
        if name in closed:
            faults.append(f'dns.lists: list "{name}" is closed: {closed[name].closed} ({closed[name].home})')
        elif name not in shipped:
            faults.append(f'dns.lists: no list "{name}" ships; known are {", ".join(shipped)}')
    found = [definition for name, definition in shipped.items() if name in names]
    for number, table in enumerate(custom):
        where = f"dns.custom[{number}]"
        definition = read_list(table.get("name"), {k: v for k, v in table.items() if k != "name"}, where, faults)
        if definition is None:
            continue
        if dead := _closed_zone(definition.zone):
            faults.append(f"{where}.zone: {definition.zone} is closed: {dead.closed} ({dead.home})")
        found.append(definition)
    found = [_with_key(definition, environment, faults) for definition in found]
    faults.extend(_conflicts(found))
    _raise(source, faults)
    return tuple(found)


def _closed_zone(zone: str) -> DnsList | None:
    return next((dead for dead in closed_lists().values() if f".{zone}".endswith(f".{dead.zone}")), None)


def _with_key(definition: DnsList, environment: Mapping[str, str], faults: list[str]) -> DnsList:
    if not definition.key_env:
        return definition
    key = environment.get(definition.key_env, "").strip().strip(".")
    labels = key.split(".") if definition.zone == "{key}" else [key]
    if key and not all(part.isascii() and part.replace("-", "").replace("_", "").isalnum() for part in labels):
        what = "the name of a zone" if definition.zone == "{key}" else "a key of letters and digits"
        faults.append(f'list "{definition.name}" wants {what} in {definition.key_env}')
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

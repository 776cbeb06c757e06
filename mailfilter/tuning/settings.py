"""Tuned settings as TOML text: the settings that were there, with the new points and limits in place."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from ..config import Config
from .tune import Tuned


def settings(tuned: Tuned, base: Mapping[str, Any] | None = None, made_from: str = "") -> str:
    """The text of a settings file that `mailfilter check` reads; every other setting of ``base`` stays as it is.

    So does a limit that is "never", for greylist and bounce.

    Raises `SettingError` should the result not be readable, for example with faults that ``base`` has.
    """
    table: dict[str, Any] = dict(base or {})
    limits = tuned.limits
    policy = dict(table.get("policy", {}))
    never = {name for name in ("greylist", "bounce") if policy.get(name) == "never"}
    found = {"greylist": limits.greylist, "quarantine": limits.quarantine, "bounce": limits.bounce}
    policy |= {name: limit for name, limit in found.items() if name not in never}
    if isinstance(policy.get("delete"), int | float) and policy["delete"] < limits.bounce:
        policy["delete"] = limits.bounce
    table["policy"] = policy
    table["scores"] = dict(table.get("scores", {})) | tuned.scores
    if tuned.options.caps:
        table["groups"] = dict(tuned.options.caps)
    text = _head(tuned, made_from) + dump(table)
    Config.from_mapping(tomllib.loads(text), "tuned settings")
    return text


def _head(tuned: Tuned, made_from: str) -> str:
    options, spam = tuned.options, tuned.data.spam
    lines = [
        f"made by `mailfilter tune`{' of ' + made_from if made_from else ''}: "
        f"{int((~spam).sum())} ham, {int(spam.sum())} spam",
        f"a lost ham costs {options.cost_ham:g} missed spams; budget of lost ham {100 * options.max_fp:g} %",
        "on mail left out of the fit:",
        f"  ham lost     {tuned.limits.ham_lost}",
        f"  spam missed  {tuned.limits.spam_missed}",
        f"  ham greylisted  {tuned.limits.ham_greylisted}",
    ]
    return "".join(f"# {line}\n" for line in lines)


def dump(table: Mapping[str, Any]) -> str:
    """A settings table as TOML: numbers, texts, switches, lists, tables and lists of tables."""
    lines: list[str] = []
    _table(table, "", lines)
    return "\n".join(lines) + "\n"


def _table(table: Mapping[str, Any], path: str, lines: list[str]) -> None:
    nested = {key: value for key, value in table.items() if isinstance(value, Mapping) or _tables(value)}
    lines.extend(f"{_key(key)} = {_value(value)}" for key, value in table.items() if key not in nested)
    for key, value in nested.items():
        name = f"{path}{_key(key)}"
        if isinstance(value, Mapping):
            lines.extend(["", f"[{name}]"])
            _table(value, f"{name}.", lines)
        else:
            for one in value:
                lines.extend(["", f"[[{name}]]"])
                _table(one, f"{name}.", lines)


def _tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _key(key: str) -> str:
    plain = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if plain else _value(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _text(value)
        case list() | tuple():
            return "[" + ", ".join(map(_value, value)) + "]"
        case Mapping():
            return "{" + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + "}"
        case float():
            return repr(value) if "e" not in repr(value) else f"{value:.6f}"
        case _:
            return str(value)


_SHORT = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _text(value: str) -> str:
    """A basic string; control characters, which TOML does not allow, as escapes."""
    escaped = (_SHORT.get(c) or (c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}") for c in value)
    return '"' + "".join(escaped) + '"'

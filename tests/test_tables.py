"""Shipped tables are those of their TOML files, whether or not a fresh copy lies beside them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailfilter import tables

RULES = Path(__file__).parent.parent / "rules"


def test_copy_is_fresh() -> None:
    said = "rules/*.toml was changed: run python -m mailfilter.tables"
    assert (RULES / tables.COPY).read_text(encoding="utf-8") == tables.made(), said


@pytest.mark.parametrize("path", sorted(RULES.glob("*.toml")), ids=lambda path: path.name)
def test_tables_are_those_of_the_file(path: Path) -> None:
    assert tables.tables(path.name) == tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    forget()
    monkeypatch.setattr(tables, "_folder", lambda: tmp_path)
    (tmp_path / "some.toml").write_text("words = ['one']\n")
    yield tmp_path
    forget()


def forget() -> None:
    tables.tables.cache_clear()
    tables._copy.cache_clear()


def test_what_was_changed_since_is_read_itself(folder: Path) -> None:
    (folder / tables.COPY).write_text(tables.made())
    (folder / "some.toml").write_text("words = ['two']\n")
    assert tables.tables("some.toml") == {"words": ["two"]}


@pytest.mark.parametrize("copy", ["", "{", "[]", "{}", json.dumps({"some.toml": []}), json.dumps({"some.toml": 1})])
def test_a_damaged_copy_changes_nothing(folder: Path, copy: str) -> None:
    (folder / tables.COPY).write_text(copy)
    assert tables.tables("some.toml") == {"words": ["one"]}


def test_no_copy(folder: Path) -> None:
    assert tables.tables("some.toml") == {"words": ["one"]}


def test_a_fresh_copy_is_used(folder: Path) -> None:
    digest = json.loads(tables.made())["some.toml"][0]
    (folder / tables.COPY).write_text(json.dumps({"some.toml": [digest, {"words": ["of the copy"]}]}))
    assert tables.tables("some.toml") == {"words": ["of the copy"]}

"""The word and domain lists that several checks share, read once from ``rules/*.toml``."""

from __future__ import annotations

from typing import Any

from ..tables import tables


def read_list(file: str) -> dict[str, Any]:
    """The tables of one shipped list file, for example ``read_list("domains.toml")``.  Not to be changed."""
    return tables(file)


def words(file: str, key: str) -> frozenset[str]:
    """One list of a shipped list file as a set."""
    return frozenset(read_list(file)[key])

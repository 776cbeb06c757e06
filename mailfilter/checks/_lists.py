"""The word and domain lists that several checks share, read once from ``rules/*.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any


@cache
def read_list(file: str) -> dict[str, Any]:
    """The tables of one shipped list file, for example ``read_list("domains.toml")``.  Not to be changed."""
    return tomllib.loads(resources.files("mailfilter.rules").joinpath(file).read_text(encoding="utf-8"))


def words(file: str, key: str) -> frozenset[str]:
    """One list of a shipped list file as a set."""
    return frozenset(read_list(file)[key])

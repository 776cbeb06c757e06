"""Corpora by name: where this machine keeps them, and where in the world they come from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import ArchiveError

SUFFIXES = ("", ".tar.xz", ".tar.gz", ".tgz", ".tar.bz2", ".tar", ".zip", ".mbox")
"""What a corpus named NAME may be called in the folder of corpora, in the order they are tried."""


def find_corpus(name: str, environ: Mapping[str, str]) -> Path:
    """Where a corpus is: ``name`` itself if it is a path that exists, else looked up in ``$MAILFILTER_CORPORA``.

    There ``name`` may be a folder or file of that name or an archive ``NAME.tar.xz`` and so on (`SUFFIXES`).
    Raises `ArchiveError` that says where was looked and, for a corpus that is registered, where to get it.
    """
    if Path(name).exists():
        return Path(name)
    folder = environ.get("MAILFILTER_CORPORA", "")
    home = registry().get(name, {}).get("home", "")
    hint = f"; it comes from {home}" if home else ""
    if not folder:
        raise ArchiveError(name, f"no such file or folder, and MAILFILTER_CORPORA names no folder of corpora{hint}")
    if "/" not in name and name not in ("", ".", ".."):
        for suffix in SUFFIXES:
            place = Path(folder) / (name + suffix)
            if place.exists():
                return place
    tried = ", ".join(name + suffix for suffix in SUFFIXES)
    raise ArchiveError(name, f"no such file or folder, nor in MAILFILTER_CORPORA={folder} one of {tried}{hint}")


@cache
def registry() -> dict[str, dict[str, Any]]:
    """The register of public corpora (``corpora/registry.toml``), by name; its head says what the keys mean."""
    text = resources.files("mailfilter.corpora").joinpath("registry.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)

"""The tables of the data files that are shipped (``rules/*.toml``), fast.

TOML is what people write; the standard library reads it in Python, at a hundredth of the speed of its JSON.  So the
same tables also lie in ``rules/tables.json``, each with the digest of the file that it was made from.  A file that was
changed since is read itself: a stale copy costs time and changes nothing.  ``python -m mailfilter.tables`` makes the
copy anew.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

COPY = "tables.json"


@cache
def tables(file: str) -> dict[str, Any]:
    """The tables of one shipped file, for example ``tables("domains.toml")``.  Not to be changed.

    Raises `tomllib.TOMLDecodeError` for a file that is not TOML.
    """
    raw = _folder().joinpath(file).read_bytes()
    match _copy().get(file):
        case [str(digest), dict(known)] if digest == hashlib.sha256(raw).hexdigest():
            return known
    return _parsed(raw)


def made() -> str:
    """What the copy should hold: of each file its digest and its tables."""
    files = sorted(path.name for path in _folder().iterdir() if path.name.endswith(".toml"))
    raws = {name: _folder().joinpath(name).read_bytes() for name in files}
    lines = [
        f"{json.dumps(name)}: {json.dumps([hashlib.sha256(raw).hexdigest(), _parsed(raw)], ensure_ascii=False)}"
        for name, raw in raws.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _folder() -> Path:
    return Path(str(resources.files("mailfilter.rules")))


@cache
def _copy() -> dict[str, Any]:
    try:
        found = json.loads(_folder().joinpath(COPY).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _parsed(raw: bytes) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(raw.decode("utf-8"))


if __name__ == "__main__":
    _folder().joinpath(COPY).write_text(made(), encoding="utf-8")

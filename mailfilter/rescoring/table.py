"""A hit table in memory, and how it is read and checked."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..decision import ACTIONS
from ..envelope import Envelope
from ..errors import StoreError
from ..scoring import Hits
from . import envelopes

FORMAT = 3
READ = (2, 3)
"""Formats that are read; 2 has no envelopes."""

COLUMNS: Mapping[str, tuple[str, int]] = {
    "digest": ("|u1", 32),
    "label": ("|i1", 0),
    "line": ("<i4", 0),
    "time": ("<i8", 0),
    "points": ("<i8", 0),
    "action": ("|i1", 0),
    "indptr": ("<i8", 0),
    "indices": ("<i4", 0),
    "values": ("<f8", 0),
    "path_end": ("<i8", 0),
    "path": ("|u1", 0),
    "answer_end": ("<i8", 0),
    "answer": ("|u1", 0),
    "envelope_end": ("<i8", 0),
    "envelope": ("|u1", 0),
}
"""Column name to dtype and width (0: one-dimensional)."""

Columns = dict[str, NDArray[Any]]

_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, struct.error)


class Table(NamedTuple):
    """``meta`` as the JSON says, ``columns`` as `mailfilter.rescoring` lists them."""

    meta: dict[str, Any]
    columns: Columns

    @property
    def rows(self) -> int:
        """Number of mails."""
        return len(self.columns["label"])

    @property
    def hits(self) -> Hits:
        """The hit matrix; its columns are ``meta["symbols"]``."""
        return Hits(self.columns["indptr"], self.columns["indices"], self.columns["values"])

    def envelopes(self) -> list[Envelope] | None:
        """The envelope of each mail, `None` where nothing is known of any.  Raises `ValueError` for a damaged one."""
        if not len(self.columns["envelope"]):
            return None
        return envelopes.read(pieces(self.columns, "envelope"), self.columns["time"].tolist())


def load(path: str | Path) -> Table:
    """Read and check a hit table.  Raises `StoreError` when it is none, is damaged or of another format."""
    try:
        if Path(path).suffix == ".parquet":
            from .parquet import read

            meta, columns = read(path)
        else:
            if not zipfile.is_zipfile(path) and Path(path).stat().st_size:
                raise ValueError("it is none, or cut off")
            with np.load(path, allow_pickle=False) as stored:
                columns = {name: stored[name] for name in stored.files}
            meta = json.loads(columns.pop("meta").tobytes())
    except _DAMAGE as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise StoreError(f"{path}: is not a readable hit table: {reason}") from None
    if not isinstance(meta, dict) or "format" not in meta:
        raise StoreError(f"{path}: is not a hit table")
    if meta["format"] not in READ:
        written = f"format {meta['format']} of mailfilter {meta.get('mailfilter', '?')}"
        raise StoreError(f"{path}: is {written}, this one reads formats 2 and 3; write it again: `mailfilter rescore`")
    if meta["format"] == 2:
        columns |= {"envelope_end": np.zeros(len(columns["label"]), np.int64), "envelope": np.zeros(0, np.uint8)}
    fault = _fault(meta, columns)
    if fault:
        raise StoreError(f"{path}: is a damaged hit table: {fault}")
    return Table(meta, columns)


def _fault(meta: Mapping[str, Any], columns: Columns) -> str | None:
    """The first thing that does not fit together, or ``None``."""
    if columns.keys() != COLUMNS.keys():
        return f"its columns are {', '.join(sorted(columns))}"
    for name, (dtype, width) in COLUMNS.items():
        if columns[name].dtype != np.dtype(dtype) or columns[name].ndim != (2 if width else 1):
            return f"{name} is {columns[name].dtype} {columns[name].shape}"
    try:
        lists = [list(meta[key]) for key in ("symbols", "groups", "points", "defaults")]
        points = np.array([*lists[2], *lists[3], *meta["caps"].values()], np.float64)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"its description does not hold symbols with points: {error}"
    if len({len(one) for one in lists}) != 1 or not np.isfinite(points).all():
        return "symbols, groups and points are not of one length"
    return _misfit(columns, len(lists[0]))


def _misfit(columns: Columns, symbols: int) -> str | None:
    rows = len(columns["label"])
    for name in ("digest", "line", "time", "points", "action", "path_end", "answer_end", "envelope_end"):
        if len(columns[name]) != rows:
            return f"{name} has {len(columns[name])} rows of {rows}"
    indptr, indices = columns["indptr"], columns["indices"]
    if len(indptr) != rows + 1 or indptr[0] != 0 or indptr[-1] != len(indices) or (np.diff(indptr) < 0).any():
        return "indptr does not divide the hits into rows"
    if len(columns["values"]) != len(indices) or not np.isfinite(columns["values"]).all():
        return "values are not numbers, one a hit"
    if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < symbols:
        return "a hit is of a symbol that the table does not name"
    if rows and not 0 <= int(columns["action"].min()) <= int(columns["action"].max()) < len(ACTIONS):
        return "an action is none"
    for name in ("path", "answer", "envelope"):
        ends = columns[f"{name}_end"]
        if (np.diff(ends, prepend=0) < 0).any() or (int(ends[-1]) if rows else 0) != len(columns[name]):
            return f"{name}_end does not divide {name}"
    return None


def paths(columns: Mapping[str, NDArray[Any]]) -> list[str]:
    """The paths of a loaded table, one per row."""
    return [piece.decode("utf-8", "surrogateescape") for piece in pieces(columns, "path")]


def pieces(columns: Mapping[str, NDArray[Any]], name: str) -> list[bytes]:
    """The bytes of each row of a column of text (``path``, ``answer``, ``envelope``)."""
    blob, ends = columns[name].tobytes(), columns[f"{name}_end"].tolist()
    return [blob[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]

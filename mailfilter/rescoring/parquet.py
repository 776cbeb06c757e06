"""Hit tables as Parquet, for those who read them with pandas, polars or DuckDB (extra ``mailfilter[parquet]``)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingExtraError
from .table import COLUMNS, Columns, pieces

_KEY = b"mailfilter"


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("a hit table in Parquet", "parquet") from None
    return pyarrow


def require() -> None:
    """Raise `MissingExtraError` at once, and not after hours of work."""
    _pyarrow()


def write(path: Path, meta: dict[str, Any], parts: Iterable[Columns]) -> None:
    """One file, a row group a part; ``symbols`` and ``values`` are lists, texts are bytes."""
    arrow = _pyarrow()
    plain = {"label": "int8", "line": "int32", "time": "int64", "points": "int64", "action": "int8"}
    schema = arrow.schema(
        [("digest", arrow.binary(32)), ("path", arrow.binary())]
        + [(name, getattr(arrow, kind)()) for name, kind in plain.items()]
        + [("symbols", arrow.list_(arrow.int32())), ("values", arrow.list_(arrow.float64()))]
        + [("answers", arrow.binary()), ("envelope", arrow.binary())],
        metadata={_KEY: json.dumps(meta).encode()},
    )
    with arrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in parts:
            ends = arrow.array(part["indptr"].astype(np.int32))
            digests = [row.tobytes() for row in part["digest"]]
            arrays = [
                arrow.array(digests, arrow.binary(32)),
                arrow.array(pieces(part, "path"), arrow.binary()),
                *(arrow.array(part[name]) for name in plain),
                arrow.ListArray.from_arrays(ends, arrow.array(part["indices"])),
                arrow.ListArray.from_arrays(ends, arrow.array(part["values"])),
                arrow.array(pieces(part, "answer"), arrow.binary()),
                arrow.array(pieces(part, "envelope"), arrow.binary()),
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))


def read(path: str | Path) -> tuple[Any, Columns]:
    """Meta and columns, as `mailfilter.rescoring` lists them.  Raises `ValueError` or `OSError` for other files."""
    arrow = _pyarrow()
    try:
        table = arrow.parquet.read_table(path)
        described = (table.schema.metadata or {}).get(_KEY)
        if described is None:
            raise ValueError("it was not written by mailfilter")
        columns = _columns(table.combine_chunks())
    except arrow.ArrowException as error:
        raise ValueError(str(error)) from None
    return json.loads(described), columns


def _columns(table: Any) -> Columns:
    found: dict[str, Any] = {name: table[name].to_numpy() for name in ("label", "line", "time", "points", "action")}
    found["digest"] = np.frombuffer(b"".join(table["digest"].to_pylist()), np.uint8).reshape(-1, 32)
    for name, column in (("path", "path"), ("answer", "answers"), ("envelope", "envelope")):
        known = column != "envelope" or column in table.column_names
        texts = table[column].to_pylist() if known else [b""] * len(table)
        found[f"{name}_end"] = np.cumsum([len(text) for text in texts])
        found[name] = np.frombuffer(b"".join(texts), np.uint8)
    lengths = [len(row) for row in table["symbols"].to_pylist()]
    found["indptr"] = np.concatenate([[0], np.cumsum(lengths)])
    found["indices"] = table["symbols"].combine_chunks().flatten().to_numpy()
    found["values"] = table["values"].combine_chunks().flatten().to_numpy()
    return {name: np.ascontiguousarray(found[name], dtype) for name, (dtype, _) in COLUMNS.items()}

"""Hit tables: what every check found in every mail of an archive, kept so that it can be weighed again.

A table is one ``.npz`` of plain arrays, readable without this library (``numpy.load``, no pickle):

    meta      uint8   JSON in UTF-8: format, symbols with points, limits, counts, what could not be read
    digest    uint8   (n, 32)  SHA-256 of each mail
    label     int8    (n,)     1 spam, 0 ham, -1 not known
    points    int64   (n,)     score in thousandths of a point
    action    int8    (n,)     0 accept, 1 greylist, 2 quarantine, 3 bounce, 4 delete
    indptr    int64   (n + 1,) rows of the hit matrix (CSR)
    indices   int32   (hits,)  its columns: positions in meta["symbols"]
    values    float64 (hits,)  its values
    path_end  int64   (n,)     end of each path in ``path``
    path      uint8            paths in UTF-8 (undecodable bytes as surrogates), one after the other

Rows stream to spool files beside the target, so memory does not grow with the archive; the table appears under
its name only when it is whole.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ._version import __version__
from .archives import ArchivedMail
from .chain import Batch, FilterChain
from .checks import Mail
from .decision import ACTIONS
from .envelope import Envelope
from .errors import StoreError
from .message import Message
from .scoring import SCALE

FORMAT = 1
_LABELS = {"spam": 1, "ham": 0, None: -1}
_COLUMNS: Mapping[str, tuple[str, int]] = {
    "digest": ("|u1", 32),
    "label": ("|i1", 0),
    "points": ("<i8", 0),
    "action": ("|i1", 0),
    "indptr": ("<i8", 0),
    "indices": ("<i4", 0),
    "values": ("<f8", 0),
    "path_end": ("<i8", 0),
    "path": ("|u1", 0),
}
"""Column name to dtype and width (0: one-dimensional)."""


def rescore(
    chain: FilterChain,
    mails: Iterable[ArchivedMail],
    out: str | Path,
    unreadable: Sequence[tuple[str, str]] = (),
) -> dict[str, int]:
    """Run ``chain`` over ``mails`` and write the hit table ``out``; returns how many mails got which action.

    ``unreadable`` may be filled while ``mails`` is read; it is written last.  Raises `StoreError` when the
    table cannot be written; nothing half-written stays under its name.
    """
    counts = np.zeros(len(ACTIONS), np.int64)
    waiting: list[ArchivedMail] = []

    def messages() -> Iterable[Mail]:
        for item in mails:
            waiting.append(item)
            yield Mail(Message(item.raw), Envelope())

    try:
        with _Spool(Path(out)) as spool:
            for batch in chain.batches(messages()):
                done = chain.evaluate(batch)
                spool.append(done, waiting)
                counts += np.bincount(done.decisions.actions, minlength=len(ACTIONS))
                waiting.clear()
            spool.finish(_meta(chain, counts, unreadable))
    except OSError as error:
        raise StoreError(f"{out}: the hit table cannot be written: {error.strerror or error}") from None
    return {action.value: int(count) for action, count in zip(ACTIONS, counts, strict=True)}


def load(path: str | Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Metadata and columns of a hit table; `StoreError` when it is none, is damaged or of another format."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        meta = json.loads(arrays.pop("meta").tobytes())
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise StoreError(f"{path}: is not a readable hit table: {error}") from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT or arrays.keys() != _COLUMNS.keys():
        raise StoreError(f"{path}: is not a hit table of format {FORMAT}; write it again with `mailfilter rescore`")
    return meta, arrays


def paths(arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    """The paths of a loaded table, one per row."""
    blob, ends = arrays["path"].tobytes(), arrays["path_end"].tolist()
    return [blob[a:b].decode("utf-8", "surrogateescape") for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def _meta(chain: FilterChain, counts: NDArray[np.int64], unreadable: Sequence[tuple[str, str]]) -> dict[str, Any]:
    policy = chain.policy
    return {
        "format": FORMAT,
        "mailfilter": __version__,
        "symbols": list(chain.weights.names),
        "points": (chain.weights.thousandths / SCALE).tolist(),
        "limits": {action.value: getattr(policy, action.value) for action in ACTIONS[1:]},
        "actions": {action.value: int(count) for action, count in zip(ACTIONS, counts, strict=True)},
        "unreadable": [{"path": path, "reason": reason} for path, reason in unreadable],
    }


class _Spool:
    """Columns growing in temporary files next to the target; removed whatever happens."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._folder = tempfile.TemporaryDirectory(prefix=".rescore-", dir=target.parent)
        self._open = ExitStack()
        self._files: dict[str, IO[bytes]] = {
            name: self._open.enter_context(Path(self._folder.name, name).open("w+b")) for name in _COLUMNS  # noqa: SIM115
        }
        self._hits = self._path_bytes = 0
        self._write("indptr", [0])

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()
        self._folder.cleanup()

    def append(self, batch: Batch, items: Sequence[ArchivedMail]) -> None:
        """Add the rows of one batch."""
        names = [item.path.encode("utf-8", "surrogateescape") for item in items]
        ends = self._path_bytes + np.cumsum([len(name) for name in names])
        self._write("digest", [list(bytes.fromhex(mail.message.digest)) for mail in batch.mails])
        self._write("label", [_LABELS[item.label] for item in items])
        self._write("points", batch.points)
        self._write("action", batch.decisions.actions)
        self._write("indptr", batch.hits.indptr[1:] + self._hits)
        self._write("indices", batch.hits.indices)
        self._write("values", batch.hits.values)
        self._write("path_end", ends)
        self._files["path"].write(b"".join(names))
        self._hits += len(batch.hits.indices)
        self._path_bytes = int(ends[-1])

    def finish(self, meta: dict[str, Any]) -> None:
        """Put the columns together under the target's name."""
        whole = Path(self._folder.name, "table.npz")
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, file in self._files.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    _copy_column(member, file, *_COLUMNS[name])
            with archive.open("meta.npy", "w") as member:
                blob = np.frombuffer(json.dumps(meta).encode(), np.uint8)
                np.lib.format.write_array(member, blob, allow_pickle=False)
        os.replace(whole, self._target)

    def _write(self, name: str, rows: Any) -> None:
        self._files[name].write(np.asarray(rows, dtype=_COLUMNS[name][0]).tobytes())


def _copy_column(member: IO[bytes], file: IO[bytes], dtype: str, width: int) -> None:
    """Header and bytes of one column, copied in pieces."""
    size = file.tell()
    rows = size // (np.dtype(dtype).itemsize * max(width, 1))
    shape = (rows, width) if width else (rows,)
    np.lib.format.write_array_header_1_0(member, {"descr": dtype, "fortran_order": False, "shape": shape})
    file.seek(0)
    while piece := file.read(1 << 20):
        member.write(piece)

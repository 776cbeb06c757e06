"""The pieces of a run that are done, kept beside the target until the table is whole."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..archives import ArchivedMail
from ..errors import StoreError
from ..message import Message
from .envelopes import plain
from .table import COLUMNS, Columns

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every member of a table, so that the same hits give the same bytes."""


class Spool:
    """A folder of finished pieces, ``000000.npz`` on, and what they were made with.

    ``made_with``  plain values that must be the same for a run to be resumed.  Raises `StoreError` where a run to be
    resumed was made otherwise, `OSError` where the folder cannot be written.
    """

    def __init__(self, target: Path, made_with: dict[str, Any], resume: bool) -> None:
        self._target = target
        self.folder = target.with_name(f".{target.name}.spool")
        manifest, described = self.folder / "manifest.json", json.dumps(made_with).encode()
        if not resume:
            self.clear()
        elif manifest.exists() and manifest.read_bytes() != described:
            raise StoreError(
                f"{target}: the unfinished run was made with other settings or another version; "
                "go on with those, or begin anew without --resume"
            )
        self.folder.mkdir(exist_ok=True)
        self.pieces = 0
        try:
            _write(manifest, described)
        except OSError:
            if not resume:
                self.clear()
            raise
        while self._piece(self.pieces).exists():
            self.pieces += 1
        self.kept = self.pieces
        """Pieces that an earlier run has left."""

    def clear(self) -> None:
        """Take the folder away with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def same(self, number: int, items: Sequence[ArchivedMail]) -> bool:
        """Whether piece ``number`` is of these mails, with what is known of their envelopes."""
        digests = bytes.fromhex("".join(Message(item.raw).digest for item in items))
        envelopes = b"".join(plain(item.envelope) for item in items)
        return bool(
            digests == self._read(number, "digest").tobytes()
            and envelopes == self._read(number, "envelope").tobytes()
        )

    def add(self, columns: Columns) -> None:
        """Keep the next piece; it is there whole or not at all."""
        part = self.folder / "part"
        try:
            with part.open("wb") as file:
                np.savez(file, **columns)  # type: ignore[arg-type]
            os.replace(part, self._piece(self.pieces))
        except OSError:
            part.unlink(missing_ok=True)
            raise
        self.pieces += 1

    def column(self, name: str) -> Iterator[Any]:
        """One column, piece by piece, ends moved behind what came before."""
        offset = 0
        if name == "indptr":
            yield np.zeros(1, np.int64)
        for number in range(self.pieces):
            found = self._read(number, name)
            if name == "indptr" or name.endswith("_end"):
                found = found[1:] + offset if name == "indptr" else found + offset
                offset = int(found[-1])
            yield found

    def finish(self, meta: dict[str, Any]) -> None:
        """Put the pieces together under the target's name and forget them."""
        whole = self.folder / f"table{self._target.suffix}"
        try:
            if self._target.suffix == ".parquet":
                from .parquet import write

                write(whole, meta, (self._columns(number) for number in range(self.pieces)))
            else:
                self._write_npz(whole, meta)
            os.replace(whole, self._target)
        except OSError:
            whole.unlink(missing_ok=True)
            raise
        self.clear()

    def _write_npz(self, whole: Path, meta: dict[str, Any]) -> None:
        with zipfile.ZipFile(whole, "w") as archive:
            for name, (dtype, width) in COLUMNS.items():
                rows = sum(len(found) for found in self.column(name))
                with archive.open(_member(name), "w", force_zip64=True) as member:
                    shape = (rows, width) if width else (rows,)
                    np.lib.format.write_array_header_1_0(
                        member, {"descr": dtype, "fortran_order": False, "shape": shape}
                    )
                    for found in self.column(name):
                        member.write(np.ascontiguousarray(found, dtype).tobytes())
            with archive.open(_member("meta"), "w") as member:
                np.lib.format.write_array(member, np.frombuffer(json.dumps(meta).encode(), np.uint8))

    def _columns(self, number: int) -> Columns:
        return {name: self._read(number, name) for name in COLUMNS}

    def _read(self, number: int, name: str) -> Any:
        try:
            with np.load(self._piece(number), allow_pickle=False) as stored:
                return stored[name]
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise StoreError(f"{self._piece(number)}: is damaged ({error}); begin anew without --resume") from None

    def _piece(self, number: int) -> Path:
        return self.folder / f"{number:06}.npz"


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info._compresslevel = 1  # type: ignore[attr-defined]
    return info


def _write(path: Path, data: bytes) -> None:
    part: IO[bytes]
    with path.with_suffix(".part").open("wb") as part:
        part.write(data)
    os.replace(path.with_suffix(".part"), path)

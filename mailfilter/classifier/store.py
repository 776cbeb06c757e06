"""Model files: one uncompressed ``.npz`` with a JSON manifest, read without pickle and without copying.

The container is a zip of stored (not compressed) members: ``manifest.json`` and ``weights.npy``.  The weights are
mapped from the file; their SHA-256 stands in the manifest.  Writing goes to a temporary name and is renamed, so a
reader sees the old model or the new one, and a crash leaves the old one.
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import os
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

MANIFEST = "manifest.json"
WEIGHTS = "weights.npy"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The same date in every file, so that equal models are equal bytes."""
_LARGEST = 1 << 30
_DAMAGE = (
    zipfile.BadZipFile, KeyError, ValueError, struct.error, OSError, EOFError, RuntimeError, zlib.error,
)  # fmt: skip
"""What reading a damaged container can raise; a bit that says that a member is encrypted, a RuntimeError."""
_AGAIN = "train or install the model again"


def write(path: Path, manifest: dict[str, Any], weights: NDArray[np.int8]) -> None:
    """Write a model to ``path``, all or nothing.  Raises `ModelError` if the place cannot be written."""
    array = io.BytesIO()
    np.lib.format.write_array(array, weights, version=(1, 0), allow_pickle=False)
    manifest = manifest | {"sha256": hashlib.sha256(weights.tobytes()).hexdigest()}
    text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False) + "\n"
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as container:
                container.writestr(zipfile.ZipInfo(MANIFEST, _EPOCH), text)
                container.writestr(zipfile.ZipInfo(WEIGHTS, _EPOCH), array.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise ModelError(str(path), f"cannot be written: {error.strerror or error}") from None


def read(path: Path) -> tuple[dict[str, Any], NDArray[np.int8]]:
    """Manifest and weights of a model file; the weights are mapped read-only.

    Raises `ModelError` with one line when the file is missing, is no model, is damaged or cut off.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ModelError(str(path), f"cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise ModelError(str(path), f"is empty; {_AGAIN}") from None
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as container:
            manifest = _manifest(container)
            offset = _offset(mapped, container.getinfo(WEIGHTS))
            size = container.getinfo(WEIGHTS).file_size
        weights = _array(mapped, offset, size)
    except _DAMAGE as error:
        raise ModelError(str(path), f"is no model file or is damaged ({_why(error)}); {_AGAIN}") from None
    if hashlib.sha256(weights.data).hexdigest() != manifest.get("sha256"):
        raise ModelError(str(path), f"the weights are not those that the manifest describes; {_AGAIN}")
    return manifest, weights


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _manifest(container: zipfile.ZipFile) -> dict[str, Any]:
    """The manifest; raises ValueError or KeyError if it is not there or is no JSON object."""
    if container.getinfo(MANIFEST).file_size > 1 << 20:
        raise ValueError("the manifest is too large")
    manifest = json.loads(container.read(MANIFEST).decode("utf-8"), parse_constant=_no_constant)
    if not isinstance(manifest, dict):
        raise ValueError("the manifest is no JSON object")
    return manifest


def _no_constant(name: str) -> float:
    raise ValueError(f"the manifest holds {name}")


def _offset(mapped: mmap.mmap, info: zipfile.ZipInfo) -> int:
    """Where a stored member's bytes start: after its local header (APPNOTE 4.3.7)."""
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > _LARGEST:
        raise ValueError("the weights are compressed or too large")
    signature, name, extra = struct.unpack_from("<4s22xHH", mapped, info.header_offset)
    if signature != b"PK\x03\x04":
        raise ValueError("the weights are not where the directory says")
    return info.header_offset + 30 + int(name) + int(extra)


def _array(mapped: mmap.mmap, offset: int, size: int) -> NDArray[np.int8]:
    """The array in ``.npy`` format at ``offset``, without a copy; raises ValueError unless it is flat int8."""
    head = io.BytesIO(mapped[offset : offset + min(size, 256)])
    if np.lib.format.read_magic(head) != (1, 0):
        raise ValueError("the weights are of another array format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(head)
    if len(shape) != 1 or dtype != np.int8 or head.tell() + shape[0] != size:
        raise ValueError("the weights are of another shape")
    if offset + size > len(mapped):
        raise ValueError("the file is cut off")
    return np.frombuffer(mapped, np.int8, shape[0], offset + head.tell())

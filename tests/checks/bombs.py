"""Archives that are made to exhaust whoever unpacks them; made here, because no mail server likes to carry them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from functools import cache

MB = 1 << 20


def zipped(*members: tuple[str, bytes], level: int = 1) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return target.getvalue()


@cache
def zeros_in_zip() -> bytes:
    target = io.BytesIO()
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
        archive.open("zeros.bin", "w") as member,
    ):
        for _ in range(200):
            member.write(bytes(MB))
    return target.getvalue()


def lying_zip() -> bytes:
    """The same with sizes that raise no suspicion."""
    data = bytearray(zeros_in_zip())
    central = data.rindex(b"PK\x01\x02")
    for at in (22, central + 24):
        data[at : at + 4] = struct.pack("<L", 600_000)
    return bytes(data)


def forty_two() -> bytes:
    """16 zips in each of 16 zips, five levels of it, and a file that says it has 4 GB in each of the innermost."""
    data = bytearray(zipped(("0.dll", bytes(MB))))
    data[22:26] = struct.pack("<L", 2**32 - 2)
    central = data.rindex(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<L", 2**32 - 2)
    inner = bytes(data)
    for _ in range(5):
        inner = zipped(*((f"lib {number:x}.zip", inner) for number in range(16)), level=9)
    return inner


def quine(size: int = 3000) -> bytes:
    """A zip in which each of its zips begins with what holds it, as far as a reader of any patience follows."""
    data = b"r"
    for _ in range(200):
        data = zipped(("r/r.zip", data), level=9)
    return data + bytes(max(0, size - len(data)))


def zeros_in_gzip() -> bytes:
    return gzip.compress(bytes(200 * MB), 1)


def zeros_in_bzip2() -> bytes:
    return bz2.compress(bytes(50 * MB)) * 4


def zeros_in_xz() -> bytes:
    return lzma.compress(bytes(50 * MB), preset=0) * 4


def many_in_zip() -> bytes:
    """100,000 empty members, by hand because the standard library takes its time; the lists alone."""
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 0, 0, 0, 0, 6, 0) + b"member"
    listed = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0) + b"member"
    return local * 100_000 + listed * 100_000


def many_in_tar() -> bytes:
    header = tarfile.TarInfo("file").tobuf()
    return gzip.compress(header * 100_000, 1)


def deep_zip() -> bytes:
    data = b"x"
    for _ in range(1000):
        data = zipped(("n.zip", data))
    return data


def deep_gzip() -> bytes:
    data = b"x"
    for _ in range(1000):
        data = gzip.compress(data, 1)
    return data


def wide() -> bytes:
    inner = zipped(("b", b"y" * 9_000_000))
    return zipped(*((f"{number}.zip", inner) for number in range(100)), level=9)

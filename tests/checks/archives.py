"""Archives that nothing in the standard library writes: rar and 7z, as small as they can be, by their format notes."""

from __future__ import annotations

import lzma
import struct
import zlib

Member = tuple[str, bool]
"""Name, and whether it is encrypted."""


def rar4(*members: Member, headers_encrypted: bool = False) -> bytes:
    """Stored members of three octets."""
    main = _block4(0x73, 0x80 if headers_encrypted else 0, bytes(6))
    out = b"Rar!\x1a\x07\x00" + main
    for name, encrypted in members:
        field = name.encode()
        body = struct.pack("<LLBLLBBHL", 3, 3, 3, 0, 0, 29, 0x30, len(field), 0) + field
        out += _block4(0x74, 0x8000 | (4 if encrypted else 0), body) + b"abc"
    return out + _block4(0x7B, 0x4000, b"")


def _block4(kind: int, flags: int, body: bytes) -> bytes:
    rest = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(rest) & 0xFFFF) + rest


def rar5(*members: Member, headers_encrypted: bool = False) -> bytes:
    """Stored members of three octets."""
    out = b"Rar!\x1a\x07\x01\x00"
    out += _block5(bytes([4, 0, 0, 0])) if headers_encrypted else _block5(bytes([1, 0, 0]))
    for name, encrypted in members:
        field = name.encode()
        extra = bytes([2, 1, 0]) if encrypted else b""
        facts = bytes([0, 3, 0, 0, 0, len(field)]) + field
        head = bytes([2, 3, len(extra), 3]) if extra else bytes([2, 2, 3])
        out += _block5(head + facts + extra) + b"abc"
    return out + _block5(bytes([5, 0, 0]))


def _block5(body: bytes) -> bytes:
    sized = bytes([len(body)]) + body
    return struct.pack("<L", zlib.crc32(sized)) + sized


def sevenzip(*names: str, encoded: bool = False, encrypted: bool = False) -> bytes:
    """Empty members; ``encoded`` compresses the header, ``encrypted`` names AES as a coder."""
    field = b"\0" + b"".join(name.encode("utf-16-le") + b"\0\0" for name in names)
    coder = bytes([0x24]) + b"\x06\xf1\x07\x01" + b"\x01\x00" if encrypted else bytes([0x01, 0x00])
    streams = bytes([4, 6, 0, 1, 9, 3, 0, 7, 0x0B, 1, 0, 1]) + coder + bytes([0x0C, 3, 0, 0])
    header = bytes([1]) + streams + bytes([5, len(names), 0x11, len(field)]) + field + bytes([0, 0])
    body = b"abc"
    if encoded:
        filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]
        packed = lzma.compress(header, lzma.FORMAT_RAW, filters=filters)
        folder = bytes([0x0B, 1, 0, 1, 0x21, 0x21, 1, 8])
        sizes = bytes([6, len(body), 1, 9, _short(packed), 0, 7]) + folder + bytes([0x0C, _short(header), 0, 0])
        body, header = body + packed, bytes([0x17]) + sizes
    start = struct.pack("<QQL", len(body), len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<L", zlib.crc32(start)) + start + body + header


def _short(data: bytes) -> int:
    """A length that one octet of 7z's numbers holds."""
    assert len(data) < 128
    return len(data)

"""Domain names between text and wire form (RFC 1035 section 3.1 and 4.1.4)."""

from __future__ import annotations

MAX_NAME = 255
MAX_POINTERS = 126
"""As many as a name can have labels; a chain of more leads nowhere."""

_SIZES = tuple(bytes((min(size, 255),)) for size in range(4 * MAX_NAME + 1))


class NotAskableError(ValueError):
    """The text is no name that DNS can hold, or no record type."""


class MalformedError(ValueError):
    """Bytes that are no DNS message."""


def pack_name(name: str) -> bytes:
    """A name in wire form, lower case.  Raises `NotAskableError` for what DNS cannot hold."""
    if len(name) > 4 * MAX_NAME:
        raise NotAskableError(f"a name of {len(name)} characters cannot be asked for")
    if "\\" in name or not name.isascii():
        return _pack_odd_name(name)
    labels = name.lower().removesuffix(".").encode("ascii").split(b".")
    if labels == [b""]:
        return b"\0"
    sizes = list(map(len, labels))
    packed = b"".join([_SIZES[size] + label for size, label in zip(sizes, labels, strict=True)]) + b"\0"
    if len(packed) > MAX_NAME or 0 in sizes or max(sizes) > 63:
        raise NotAskableError(f"{name[:80]!r} cannot be asked for: an empty label, or one or all of it too long")
    return packed


def _pack_odd_name(name: str) -> bytes:
    """Escapes and IDNA, by dnspython."""
    import dns.name

    try:
        packed = dns.name.from_text(name.lower()).to_wire()
    except Exception as error:
        raise NotAskableError(f"{name[:80]!r} cannot be asked for: {error}") from None
    assert packed is not None
    return packed.lower()


def unpack_name(wire: bytes, at: int) -> tuple[bytes, int]:
    """A name in wire form, lower case and without compression, and where it ends.  Raises `MalformedError`.

    Pointers only ever go backwards, so this ends.
    """
    labels: list[bytes] = []
    size, end, lowest, pointers = 1, -1, at, 0
    while (length := wire[at]) != 0:
        if length < 64:
            size += length + 1
            if size > MAX_NAME:
                raise MalformedError("a name is too long")
            labels.append(wire[at : at + length + 1])
            at += length + 1
        elif length >= 192:
            end = at + 2 if end < 0 else end
            at = (length & 63) << 8 | wire[at + 1]
            pointers += 1
            if at >= lowest or pointers > MAX_POINTERS:
                raise MalformedError("a name points forwards, or on and on")
            lowest = at
        else:
            raise MalformedError("an unknown kind of label")
    return b"".join(labels).lower() + b"\0", (at + 1 if end < 0 else end)


def name_text(packed: bytes) -> str:
    """A name as text: lower case, no final dot, ``.`` for the root; odd bytes escaped as in RFC 4343."""
    labels, at = [], 0
    while packed[at]:
        label = packed[at + 1 : at + 1 + packed[at]]
        at += 1 + packed[at]
        plain = label.isascii() and label.decode("ascii").isprintable() and not set(label) & set(b' .\\"')
        labels.append(label.decode("ascii") if plain else "".join(map(_escape, label)))
    return ".".join(labels) or "."


def _escape(byte: int) -> str:
    if byte in b".\\":
        return "\\" + chr(byte)
    return chr(byte) if 0x21 <= byte < 0x7F else f"\\{byte:03d}"

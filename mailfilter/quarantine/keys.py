"""Secrets of the quarantine: mails sealed on the disk, and links that only we can have made.

A key file has one secret a line, at least 32 octets in base64, the newest first: that one seals and signs, all of them
open and check.  Every use has a key of its own, derived from the secret by HKDF (RFC 5869).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import StoreError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MAGIC = b"mailfilter sealed 1\n"
_NONCE = 12
_NAME = 4
"""Octets of a secret's name, which stands before what it sealed."""
_SECRET = 32


class WrongKeyError(StoreError):
    """Something is sealed with a secret that is not among those that are known, or was tampered with."""


@dataclass(frozen=True)
class Secret:
    """One secret; ``name`` is derived from it and tells nothing of it."""

    octets: bytes

    @cached_property
    def name(self) -> bytes:
        """Four octets that tell it from others."""
        return _derive(self.octets, b"name")[:_NAME]

    @cached_property
    def cipher(self) -> AESGCM:
        """AES-256 in Galois/counter mode (NIST SP 800-38D)."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(_derive(self.octets, b"seal"))

    def sign(self, text: bytes) -> bytes:
        """HMAC-SHA256."""
        return hmac.digest(_derive(self.octets, b"link"), text, "sha256")


class Keyring:
    """The secrets of a file, or of an environment variable (``env:NAME``), or given as they are.

    Raises `StoreError` where they cannot be read or are none.  A file is read again when it has changed, so that a
    process that runs on seals with the newest secret, and opens what another one sealed with it.
    """

    def __init__(self, place: str = "", *, secrets: tuple[bytes, ...] = ()) -> None:
        self.place = place or "the given keys"
        self._source, self._version = place, (0, 0)
        self._secrets = tuple(map(Secret, secrets))
        if not secrets:
            self._refresh()

    @property
    def newest(self) -> Secret:
        """The secret that seals and signs."""
        return self.all[0]

    @property
    def all(self) -> tuple[Secret, ...]:
        """Every secret, the newest first."""
        self._refresh()
        return self._secrets

    def seal(self, data: bytes, about: str) -> bytes:
        """``data`` that only these secrets open again, and only as what it is ``about``."""
        secret, nonce = self.newest, os.urandom(_NONCE)
        return b"".join((_MAGIC, secret.name, nonce, secret.cipher.encrypt(nonce, data, about.encode())))

    def open(self, data: bytes, about: str) -> bytes:
        """What was sealed.  Raises `WrongKeyError`."""
        from cryptography.exceptions import InvalidTag

        head = len(_MAGIC) + _NAME
        name, nonce, rest = data[len(_MAGIC) : head], data[head : head + _NONCE], data[head + _NONCE :]
        secret = next((one for one in self.all if one.name == name), None)
        if secret is None:
            known = ", ".join(one.name.hex() for one in self._secrets)
            raise WrongKeyError(f"{about} is sealed with key {name.hex()}, which is not in {self.place} (has {known})")
        try:
            return secret.cipher.decrypt(nonce, rest, about.encode())
        except (InvalidTag, ValueError):
            raise TamperedError(f"{about} is damaged: it does not open with the key that sealed it") from None

    def sealed_by_newest(self, data: bytes) -> bool:
        """Whether ``data`` is sealed, and with the newest secret."""
        return data.startswith(_MAGIC + self.newest.name)

    def _refresh(self) -> None:
        """Read the secrets where that was not done yet, or the file is another one now."""
        if not self._source or (self._secrets and self._source.startswith("env:")):
            return
        if self._source.startswith("env:"):
            lines = os.environ.get(self._source[4:], "").split()
        else:
            version = _version(self._source)
            if self._secrets and version in (self._version, None):
                return
            lines, self._version = _lines(self._source), version or (0, 0)
        found = tuple(Secret(_decoded(line, self._source)) for line in lines)
        if not found:
            raise StoreError(f"quarantine keys {self._source}: there is no key{_HINT}")
        self._secrets = found


class TamperedError(StoreError):
    """What is sealed does not open with the secret that it names: it is damaged or was tampered with."""


_HINT = "; `mailfilter quarantine rekey` makes one"


def is_sealed(data: bytes) -> bool:
    """Whether ``data`` was sealed, with whatever secret."""
    return data.startswith(_MAGIC)


def add_key(path: str) -> str:
    """Put a new secret on top of a key file, which only its owner may read; its name, in hex."""
    secret = secrets.token_bytes(_SECRET)
    _write(path, [base64.b64encode(secret).decode("ascii"), *(_lines(path) if os.path.exists(path) else ())])
    return Secret(secret).name.hex()


def drop_old(path: str) -> int:
    """Leave only the newest secret in a key file; how many went."""
    newest, *old = _lines(path)
    _write(path, [newest])
    return len(old)


def _version(path: str) -> tuple[int, int] | None:
    """What changes with a file; `None` if there is none: what was read of it before goes on to be used."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split()
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "is not text"
        raise StoreError(f"quarantine keys {path}: cannot be read: {said}{_HINT}") from None


def _write(path: str, lines: list[str]) -> None:
    """Put a key file in place as a whole: one that is lost half-way would be all that it sealed."""
    part = f"{path}.{secrets.token_hex(4)}.part"
    try:
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(descriptor)
        os.replace(part, path)
    except OSError as error:
        raise StoreError(f"quarantine keys {path}: cannot be written: {error.strerror}") from None


def _decoded(line: str, source: str) -> bytes:
    try:
        octets = base64.b64decode(line, validate=True)
    except binascii.Error:
        octets = b""
    if len(octets) < _SECRET:
        raise StoreError(f"quarantine keys {source}: a key is {_SECRET} octets or more in base64, one a line{_HINT}")
    return octets


def _derive(secret: bytes, use: bytes) -> bytes:
    """A key for one use: HKDF-SHA256 without salt."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, b"mailfilter quarantine " + use + b"\x01", "sha256")

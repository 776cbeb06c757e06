"""Public keys out of DNS (RFC 6376 section 3.6.1, RFC 8463), and what a signature is worth under one.

The arithmetic is that of ``cryptography``, which is imported when the first signature is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from ..lookups import DnsAnswer, DnsState
from .outcome import Outcome, RefusedError
from .tags import TagError, names, octets, parse_tags

MIN_BITS = 1024
"""Shorter RSA keys can be broken by anybody (RFC 8301 section 3.2)."""
MAX_BITS = 8192
"""Longer ones cost more than a signature is worth to us; 4096 is the longest that is expected of a verifier."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key: ``kind`` is ``rsa`` or ``ed25519``; ``bits`` of an Ed25519 key are 256.

    ``testing``  the domain is still trying it out; ``strict``  i= must be the very domain (t=s).
    ``hashes``  what it may be used with, empty for all.
    """

    kind: str
    bits: int
    public: Any
    testing: bool = False
    strict: bool = False
    hashes: tuple[str, ...] = ()

    def verify(self, signature: bytes, digest: bytes) -> bool:
        """Whether ``signature`` over a SHA-256 ``digest`` is this key's."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            if self.kind == "ed25519":
                self.public.verify(signature, digest)
            else:
                self.public.verify(signature, digest, PKCS1v15(), Prehashed(SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True


class Unusable(NamedTuple):
    """Why a record is no key that can be used."""

    outcome: Outcome
    reason: str
    bits: int = 0


def key_of(answer: DnsAnswer, kind: str) -> Key:
    """The key of a ``selector._domainkey`` answer; of several records the first that is one.

    Raises `RefusedError`: ``temperror`` where DNS did not tell, else ``permerror`` or, for a key too short, ``policy``.
    """
    if not answer.state.known:
        raise RefusedError(Outcome.TEMPERROR, f"key: {answer.detail or answer.state.value}")
    if answer.state is DnsState.NOT_FOUND:
        raise RefusedError(Outcome.PERMERROR, "there is no key")
    why = Unusable(Outcome.PERMERROR, "the key record is empty")
    for text in answer.records[:4]:
        read = read_key(text)
        if isinstance(read, Key) and read.kind == kind:
            return read
        why = read if isinstance(read, Unusable) else Unusable(Outcome.PERMERROR, f"the key is not one of {kind}")
    raise RefusedError(*why)


@lru_cache(maxsize=512)
def read_key(text: str) -> Key | Unusable:
    """A key record; what is wrong with it where it is none."""
    try:
        tags = parse_tags(text)
        if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
            return Unusable(Outcome.PERMERROR, "the record is no key")
        if not tags["p"]:
            return Unusable(Outcome.PERMERROR, "the key is revoked")
        services = names(tags.get("s", "*"))
        if "*" not in services and "email" not in services:
            return Unusable(Outcome.PERMERROR, "the key is not for mail")
        return _load(tags, octets(tags["p"], "p"))
    except TagError as error:
        return Unusable(Outcome.PERMERROR, f"key: {error}")


def _load(tags: dict[str, str], data: bytes) -> Key | Unusable:
    kind, flags, hashes = tags.get("k", "rsa").lower(), names(tags.get("t", "")), names(tags.get("h", ""))
    if hashes and "sha256" not in hashes:
        return Unusable(Outcome.PERMERROR, "the key is not for sha256")
    public: Any
    try:
        if kind == "ed25519":
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

            public, bits = Ed25519PublicKey.from_public_bytes(data), 256
        elif kind == "rsa":
            from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
            from cryptography.hazmat.primitives.serialization import load_der_public_key

            public = load_der_public_key(data)
            if not isinstance(public, RSAPublicKey):
                return Unusable(Outcome.PERMERROR, "the key is not one of rsa")
            bits = public.key_size
        else:
            return Unusable(Outcome.PERMERROR, f"a key of an unknown kind, {kind[:20]!r}")
    except Exception as error:
        return Unusable(Outcome.PERMERROR, f"the key cannot be read: {type(error).__name__}")
    if kind == "rsa" and not MIN_BITS <= bits <= MAX_BITS:
        wrong = "short" if bits < MIN_BITS else "long"
        return Unusable(Outcome.POLICY, f"a key of {bits} bits is too {wrong}", bits)
    return Key(kind, bits, public, "y" in flags, "s" in flags, hashes)

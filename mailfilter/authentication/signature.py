"""A signature field taken apart, and the check of what it signs; DKIM-Signature and ARC-Message-Signature share it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..lookups import DnsQuestion
from .dialogue import askable
from .keys import Key
from .outcome import Outcome, RefusedError
from .signed import Field, SignedMail, canonical_header, without_signature
from .tags import TagError, names, number, octets, parse_tags, required

ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}


@dataclass(frozen=True, slots=True)
class Signature:
    """``relaxed_header``, ``relaxed_body``  the canonical forms; ``length``  octets of the body that are signed (l=).

    ``identity``  i= of DKIM, its default filled in; ``signed_at``, ``expires``  in seconds since 1970.
    """

    field: Field
    kind: str
    domain: str
    selector: str
    identity: str
    headers: tuple[str, ...]
    relaxed_header: bool
    relaxed_body: bool
    body_hash: bytes
    value: bytes
    length: int | None
    signed_at: int | None
    expires: int | None

    @property
    def question(self) -> DnsQuestion:
        """Where its key is."""
        return DnsQuestion(f"{self.selector}._domainkey.{self.domain}", "TXT")

    def cuts(self, mail: SignedMail) -> int:
        """Octets at the end of the body that are not signed."""
        return 0 if self.length is None else max(0, len(mail.body(self.relaxed_body)) - self.length)

    def check(self, mail: SignedMail, key: Key) -> None:
        """Raise `RefusedError` where the mail is not what the owner of ``key`` signed."""
        body = mail.body(self.relaxed_body)
        if self.length is not None:
            if self.length > len(body):
                raise RefusedError(Outcome.FAIL, "more is signed than there is")
            body = body[: self.length]
        if hashlib.sha256(body).digest() != self.body_hash:
            raise RefusedError(Outcome.FAIL, "the body is not what was signed")
        fields = mail.select(self.headers)
        lines = [canonical_header(field.raw, self.relaxed_header) + b"\r\n" for field in fields]
        lines.append(canonical_header(without_signature(self.field.raw), self.relaxed_header))
        if not key.verify(self.value, hashlib.sha256(b"".join(lines)).digest()):
            raise RefusedError(Outcome.FAIL, "the header is not what was signed, or not by this key")


def read_signature(field: Field, tags: dict[str, str], forms: str = "simple/simple") -> Signature:
    """Read what both kinds of signature share; ``forms`` are meant where c= is not there.

    Raises `TagError` or `RefusedError`.
    """
    required(tags, "a", "b", "bh", "d", "s")
    if "h" not in tags:
        raise TagError("no h=")
    header, body = _canonical_forms(tags.get("c", forms))
    length = number(tags, "l")
    domain, selector = key_place(tags)
    return Signature(
        field=field,
        kind=algorithm(tags),
        domain=domain,
        selector=selector,
        identity=tags.get("i", "").lower() or "@" + domain,
        headers=names(tags["h"]),
        relaxed_header=header,
        relaxed_body=body,
        body_hash=octets(tags["bh"], "bh"),
        value=octets(tags["b"], "b"),
        length=length,
        signed_at=number(tags, "t"),
        expires=number(tags, "x"),
    )


def field_tags(field: Field) -> dict[str, str]:
    """The tags of a field.  Raises `TagError`."""
    return parse_tags(field.value.decode("latin-1"))


def algorithm(tags: dict[str, str]) -> str:
    """The kind of key that a= wants.  Raises `TagError`, or `RefusedError` for SHA-1 (RFC 8301 section 3.1)."""
    text = tags["a"].lower()
    if text == "rsa-sha1":
        raise RefusedError(Outcome.POLICY, "SHA-1 proves nothing any more")
    if text not in ALGORITHMS:
        raise TagError(f"a={text[:30]!r} is unknown")
    return ALGORITHMS[text]


def key_place(tags: dict[str, str]) -> tuple[str, str]:
    """Domain and selector.  Raises `TagError` where DNS cannot be asked for them."""
    domain, selector = askable(tags["d"]), tags["s"].lower()
    if domain is None or askable(f"{selector}._domainkey.{domain}") is None:
        raise TagError(f"d={tags['d'][:60]!r}, s={selector[:60]!r} name no key")
    return domain, selector


def _canonical_forms(text: str) -> tuple[bool, bool]:
    """Whether header and body are relaxed; a body of which nothing is said is simple."""
    header, _, body = text.lower().partition("/")
    if {header, body or "simple"} - {"simple", "relaxed"} or text.endswith("/"):
        raise TagError(f"c={text[:30]!r} is unknown")
    return header == "relaxed", body == "relaxed"

"""DKIM (RFC 6376, 8301, 8463): who has signed the mail, and does it hold.

`verify` is a dialogue of one round: it asks for the keys of all signatures at once and returns a result for each.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..lookups import DnsAnswer
from .dialogue import Dialogue, ask
from .keys import key_of
from .outcome import Outcome, RefusedError
from .signature import Signature, field_tags, read_signature
from .signed import Field, SignedMail
from .tags import TagError, names, required

MAX_SIGNATURES = 8
"""Signatures that are looked at, from the top; the others are left alone (section 6.1 lets a verifier choose)."""
FROM_UNSIGNED = "From is not signed"
"""Reason of a signature that leaves open who the mail says it is from."""
CLOCK_SKEW = 300
"""Seconds by which a signer's clock may be ahead or behind."""


@dataclass(frozen=True, slots=True)
class DkimAnswer:
    """One signature: its outcome, who signed (d=, s=, i=), and what is weak about it even where it passes.

    ``bits``  of the key, 0 where it was not seen; ``cut``  octets at the end of the body that are not signed (l=).
    ``testing``  the domain's key says that it is being tried out.
    ``kind``  ``rsa`` or ``ed25519``.
    """

    outcome: Outcome
    domain: str = ""
    selector: str = ""
    identity: str = ""
    reason: str = ""
    bits: int = 0
    cut: int = 0
    testing: bool = False
    kind: str = ""


def verify(mail: SignedMail, now: float | None = None) -> Dialogue[tuple[DkimAnswer, ...]]:
    """A result for each DKIM-Signature, from the top; none for a mail without.  ``now`` in seconds since 1970."""
    now = time.time() if now is None else now
    read = [_read(field, now) for field in mail.by_name.get("dkim-signature", ())[:MAX_SIGNATURES]]
    signatures = [signature for signature in read if isinstance(signature, Signature)]
    answers = yield from ask([signature.question for signature in signatures])
    keys = iter(answers)
    return tuple(
        _check(mail, signature, next(keys)) if isinstance(signature, Signature) else signature for signature in read
    )


def _read(field: Field, now: float) -> Signature | DkimAnswer:
    tags: dict[str, str] = {}
    try:
        tags = field_tags(field)
        required(tags, "v", "h")
        signature = read_signature(field, tags)
        _judge(signature, tags, now)
    except TagError as error:
        return DkimAnswer(Outcome.PERMERROR, *_who(tags), str(error))
    except RefusedError as error:
        return DkimAnswer(error.outcome, *_who(tags), error.reason)
    return signature


def _who(tags: dict[str, str]) -> tuple[str, str, str]:
    return tags.get("d", "").lower(), tags.get("s", "").lower(), tags.get("i", "").lower()


def _judge(signature: Signature, tags: dict[str, str], now: float) -> None:
    """What section 6.1.1 asks for before a key is fetched.  Raises `TagError` or `RefusedError`."""
    if tags["v"] != "1":
        raise TagError(f"v={tags['v'][:20]!r} is unknown")
    host = signature.identity.rpartition("@")[2]
    if "@" not in signature.identity or not (host == signature.domain or host.endswith("." + signature.domain)):
        raise TagError("i= is not within d=")
    if "dns/txt" not in names(tags.get("q", "dns/txt")):
        raise TagError("q= is unknown")
    if "from" not in signature.headers:
        raise RefusedError(Outcome.PERMERROR, FROM_UNSIGNED)
    if signature.expires is not None:
        if signature.signed_at is not None and signature.expires < signature.signed_at:
            raise TagError("x= is before t=")
        if signature.expires + CLOCK_SKEW < now:
            raise RefusedError(Outcome.FAIL, "the signature has expired")
    if signature.signed_at is not None and signature.signed_at > now + CLOCK_SKEW:
        raise RefusedError(Outcome.FAIL, "the signature is from the future")


def _check(mail: SignedMail, signature: Signature, answer: DnsAnswer) -> DkimAnswer:
    who = (signature.domain, signature.selector, signature.identity)
    bits, testing = 0, False
    try:
        key = key_of(answer, signature.kind)
        bits, testing = key.bits, key.testing
        if key.strict and signature.identity.rpartition("@")[2] != signature.domain:
            raise RefusedError(Outcome.PERMERROR, "the key is for its very domain only (t=s)")
        signature.check(mail, key)
    except RefusedError as error:
        return DkimAnswer(error.outcome, *who, error.reason, bits or error.bits, 0, testing, signature.kind)
    return DkimAnswer(Outcome.PASS, *who, "", bits, signature.cuts(mail), testing, signature.kind)

"""ARC (RFC 8617): what hosts on the way say they saw before they changed the mail, and whether their chain holds.

`verify` is a dialogue of two rounds: the key of the newest message signature, then those of all seals.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from ..lookups import DnsQuestion
from .dialogue import Dialogue, ask, ask_one
from .keys import key_of
from .outcome import Outcome, RefusedError
from .signature import Signature, algorithm, field_tags, key_place, read_signature
from .signed import Field, SignedMail, canonical_header, without_signature
from .tags import TagError, number, octets, required

MAX_SETS = 50
"""Hosts that a chain may have (section 4.2.1)."""

_INSTANCE = re.compile(r"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,3})[ \t\r\n]*;")
_SEAL, _SIGNATURE, _RESULTS = "arc-seal", "arc-message-signature", "arc-authentication-results"


@dataclass(frozen=True, slots=True)
class ArcAnswer:
    """Outcome of the chain, who sealed it and what each saw (both oldest first), and why it does not hold.

    ``results``  the values of ARC-Authentication-Results, to be believed as far as its sealer and all later ones are.
    """

    outcome: Outcome
    sealers: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    reason: str = ""

    def trusted(self, sealers: frozenset[str]) -> tuple[str, ...]:
        """What hosts saw whose words reached us through trusted hands only, newest first."""
        if self.outcome is not Outcome.PASS:
            return ()
        believed = []
        for sealer, seen in zip(reversed(self.sealers), reversed(self.results), strict=True):
            if sealer not in sealers:
                break
            believed.append(seen)
        return tuple(believed)


@dataclass(frozen=True, slots=True)
class _Seal:
    """An ARC-Seal; ``state`` is its cv=."""

    field: Field
    kind: str
    domain: str
    selector: str
    state: str
    value: bytes

    @property
    def question(self) -> DnsQuestion:
        return DnsQuestion(f"{self.selector}._domainkey.{self.domain}", "TXT")


@dataclass(frozen=True, slots=True)
class _Set:
    """What one host has added."""

    seal: _Seal
    signature: Field
    results: Field


def verify(mail: SignedMail) -> Dialogue[ArcAnswer]:
    """Check the chain of a mail (section 5.2)."""
    try:
        sets = _sets(mail)
    except (TagError, RefusedError) as error:
        return ArcAnswer(Outcome.FAIL, reason=str(error))
    if not sets:
        return ArcAnswer(Outcome.NONE)
    sealers = tuple(one.seal.domain for one in sets)
    results = tuple(one.results.value.decode("latin-1") for one in sets)
    try:
        signature = _message_signature(sets[-1].signature)
        answer = yield from ask_one(signature.question.name, "TXT")
        signature.check(mail, key_of(answer, signature.kind))
        if signature.cuts(mail):
            raise RefusedError(Outcome.FAIL, "a part of the body is not signed (l=)")
        yield from _check_seals(sets)
    except (TagError, RefusedError) as error:
        unknown = isinstance(error, RefusedError) and error.outcome is Outcome.TEMPERROR
        return ArcAnswer(Outcome.TEMPERROR if unknown else Outcome.FAIL, sealers, results, str(error))
    return ArcAnswer(Outcome.PASS, sealers, results)


def _sets(mail: SignedMail) -> list[_Set]:
    """The sets in order.  Raises `TagError` or `RefusedError` where their structure is broken."""
    seals = _numbered(mail, _SEAL)
    signatures, results = _numbered(mail, _SIGNATURE), _numbered(mail, _RESULTS)
    wanted = set(range(1, len(seals) + 1))
    if not seals.keys() == signatures.keys() == results.keys() == wanted:
        raise RefusedError(Outcome.FAIL, "sets are missing or not complete")
    sets = [_Set(_read_seal(seals[n]), signatures[n], results[n]) for n in sorted(wanted)]
    for number_, one in enumerate(sets, 1):
        if one.seal.state == "fail":
            raise RefusedError(Outcome.FAIL, f"host {number_} found the chain broken")
        if (one.seal.state == "none") != (number_ == 1):
            raise RefusedError(Outcome.FAIL, f"cv= of host {number_} is wrong")
    return sets


def _numbered(mail: SignedMail, name: str) -> dict[int, Field]:
    fields = mail.by_name.get(name, [])
    if len(fields) > MAX_SETS:
        raise RefusedError(Outcome.FAIL, f"more than {MAX_SETS} sets")
    numbered: dict[int, Field] = {}
    for field in fields:
        instance = _instance(field)
        if instance in numbered:
            raise RefusedError(Outcome.FAIL, f"{name} {instance} stands twice")
        numbered[instance] = field
    return numbered


def _instance(field: Field) -> int:
    if field.name == _RESULTS:
        found = _INSTANCE.match(field.value.decode("latin-1"))
        instance = int(found[1]) if found else None
    else:
        instance = number(field_tags(field), "i")
    if instance is None or not 1 <= instance <= MAX_SETS:
        raise TagError(f"{field.name} without a number")
    return instance


def _read_seal(field: Field) -> _Seal:
    tags = field_tags(field)
    required(tags, "a", "b", "cv", "d", "s")
    if "h" in tags:
        raise TagError("a seal with h=")
    if tags["cv"] not in ("none", "pass", "fail"):
        raise TagError(f"cv={tags['cv'][:20]!r} is unknown")
    number(tags, "t")
    return _Seal(field, algorithm(tags), *key_place(tags), tags["cv"], octets(tags["b"], "b"))


def _message_signature(field: Field) -> Signature:
    """Read the signature; without c= it is relaxed, as those who wrote the validation suite have it."""
    signature = read_signature(field, field_tags(field), "relaxed/relaxed")
    if _SEAL in signature.headers:
        raise TagError("ARC-Seal is signed by ARC-Message-Signature")
    return signature


def _check_seals(sets: list[_Set]) -> Dialogue[None]:
    """Raise `RefusedError` for the first seal that does not hold; each covers all sets up to its own."""
    answers = yield from ask([one.seal.question for one in sets])
    covered = hashlib.sha256()
    for one, answer in zip(sets, answers, strict=True):
        for field in (one.results, one.signature):
            covered.update(canonical_header(field.raw, True) + b"\r\n")
        own = covered.copy()
        own.update(canonical_header(without_signature(one.seal.field.raw), True))
        if not key_of(answer, one.seal.kind).verify(one.seal.value, own.digest()):
            raise RefusedError(Outcome.FAIL, f"the seal of {one.seal.domain} is broken")
        covered.update(canonical_header(one.seal.field.raw, True) + b"\r\n")

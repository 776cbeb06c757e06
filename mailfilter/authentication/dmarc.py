"""DMARC (RFC 7489): does anything that was proved belong to the domain that the reader is shown, and if not, what
does that domain ask for.

`discover` is a dialogue of one round that finds the policy; `judge` is pure.  The organizational domain is found by
the public suffix list, or by the tree walk of RFC 7489's successor (draft-ietf-dmarc-dmarcbis) where that is set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from ..lookups import DnsAnswer, DnsQuestion, DnsState
from .dialogue import Dialogue, ask, askable

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_VERSION = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_WALK_LABELS = 7
"""Labels of the longest parent that the tree walk looks at."""
_LONGEST_RECORD = 4096


class Policy(Enum):
    """What a domain asks for mail that is not proved to be its own, from mild to strict."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def milder(self) -> Policy:
        """The next milder one, for mail that a domain wants to be let off (RFC 7489 section 6.6.4)."""
        return Policy.QUARANTINE if self is Policy.REJECT else Policy.NONE


class DmarcResult(Enum):
    """Results by their names in Authentication-Results (RFC 7489 section 11.2)."""

    NONE = "none"
    """The domain has no policy."""
    PASS = "pass"
    FAIL = "fail"
    TEMPERROR = "temperror"
    """DNS did not tell: nothing is known."""


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A policy: for the domain, for its subdomains and for those that do not exist (None: as the one before).

    ``percent``  of failing mail that it is for; ``strict_dkim``, ``strict_spf``  whether only the very domain counts.
    ``psd``  ``y`` for a public suffix, ``n`` for an organizational domain; ``testing``  t=y of the successor.
    """

    policy: Policy
    subdomains: Policy | None = None
    nonexistent: Policy | None = None
    percent: int = 100
    strict_dkim: bool = False
    strict_spf: bool = False
    psd: str = "u"
    testing: bool = False


@dataclass(frozen=True, slots=True)
class Discovery:
    """What DNS says of a From domain: its organization and the policy for it.  ``error``: it did not tell."""

    domain: str
    organization: str
    record: DmarcRecord | None = None
    own: bool = True
    exists: bool = True
    walk: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """A domain that was authenticated: by ``dkim`` or ``spf``.

    ``certain``  False where DNS did not tell.  An empty domain may be any.
    """

    method: str
    domain: str
    organization: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class DmarcAnswer:
    """Result, the From domain, what it asks for this mail where it fails, what proved it, and why it is not known."""

    result: DmarcResult
    domain: str
    policy: Policy = Policy.NONE
    proof: Proof | None = None
    reason: str = ""


def parse_record(text: str) -> DmarcRecord | None:
    """Read a TXT record; None where it is no policy (RFC 7489 section 6.3; tags that cannot be read are left out)."""
    text = text[:_LONGEST_RECORD].strip(" \t")
    if not _VERSION.match(text):
        return None
    tags: dict[str, str] = {}
    for spec in text.split(";"):
        name, equals, value = spec.partition("=")
        if equals:
            tags.setdefault(name.strip(" \t").lower(), value.strip(" \t").lower())
    policy = _policy(tags.get("p"))
    if policy is None:
        if "rua" not in tags:
            return None
        policy = Policy.NONE  # section 6.6.3: whoever wants reports has a policy
    percent = tags.get("pct", "")
    return DmarcRecord(
        policy,
        _policy(tags.get("sp")),
        _policy(tags.get("np")),
        int(percent) if re.fullmatch("[0-9]{1,2}", percent) else 100,
        tags.get("adkim") == "s",
        tags.get("aspf") == "s",
        tags.get("psd", "u"),
        tags.get("t") == "y",
    )


def _policy(text: str | None) -> Policy | None:
    try:
        return Policy(text)
    except ValueError:
        return None


@cache
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()  # 65 ms, so not before it is needed


@lru_cache(maxsize=4096)
def organization(domain: str) -> str:
    """The organizational domain by the public suffix list (section 3.2); a suffix itself is its own."""
    if domain.rpartition(".")[2].isdigit():  # an address, which the list takes for a name
        return domain
    return _suffixes().privatesuffix(domain) or domain


def discover(domain: str, walk: bool = False) -> Dialogue[Discovery]:
    """Find the policy for a From domain (section 6.6.3), by the tree walk if ``walk``."""
    name = askable(domain)
    if name is None:
        return Discovery(domain, domain)
    if walk:
        return (yield from _walk(name))
    above = organization(name)
    names = (name,) if above == name else (name, above)
    answers = yield from ask([DnsQuestion(f"_dmarc.{one}", "TXT") for one in names])
    for one, answer in zip(names, answers, strict=True):
        if not answer.state.known:
            return Discovery(name, above, error=_why(one, answer))
        if (record := _only(answer)) is not None:
            return Discovery(name, above, record, one == name)
    return Discovery(name, above)


def find_organization(domain: str, walk: bool = False) -> Dialogue[str]:
    """The organizational domain of an authenticated one; the domain itself where DNS does not tell."""
    if not walk or askable(domain) is None:
        return organization(domain)
    found = yield from _walk(domain, asked_for_policy=False)
    return domain if found.error else found.organization


def _only(answer: DnsAnswer) -> DmarcRecord | None:
    """The policy of an answer; two policies are none (section 6.6.3)."""
    records = [text for text in answer.records if _VERSION.match(text.strip(" \t"))]
    return parse_record(records[0]) if len(records) == 1 else None


def _why(name: str, answer: DnsAnswer) -> str:
    return f"_dmarc.{name}: {answer.detail or answer.state.value}"


def _walk(name: str, asked_for_policy: bool = True) -> Dialogue[Discovery]:
    """The tree walk, all steps asked for at once; those beyond its end are not looked at."""
    labels = name.split(".")
    parents = range(max(1, len(labels) - _WALK_LABELS), len(labels))
    names = (name, *(".".join(labels[start:]) for start in parents))
    answers = yield from ask([DnsQuestion(f"_dmarc.{one}", "TXT") for one in names])
    found: list[tuple[str, DmarcRecord]] = []
    for one, answer in zip(names, answers, strict=True):
        if not answer.state.known:
            return Discovery(name, name, walk=True, error=_why(one, answer))
        if (record := _only(answer)) is not None:
            found.append((one, record))
            if record.psd in ("y", "n"):
                break
    above = _organization_of(name, found)
    records = dict(found)
    record = records.get(name) or records.get(above) or (found[-1][1] if found else None)
    exists = True
    if asked_for_policy and record is not None and record.nonexistent is not None and name not in records:
        others = yield from ask([DnsQuestion(name, rdtype) for rdtype in ("A", "AAAA", "MX")])
        exists = any(answer.state is not DnsState.NOT_FOUND for answer in others)
    return Discovery(name, above, record, name in records, exists, True)


def _organization_of(name: str, found: list[tuple[str, DmarcRecord]]) -> str:
    """Section 4.10.2 of the successor."""
    if not found:
        return name
    last, record = found[-1]
    if record.psd == "y" and last != name:
        return ".".join(name.split(".")[-last.count(".") - 2 :])
    return last


SPF_OPEN = "spf is not known"
"""Reason of a result that only SPF keeps open."""
_OPEN = {"dkim": "dkim is not known", "spf": SPF_OPEN}


def judge(discovery: Discovery, proofs: Iterable[Proof], sample: int = 0) -> DmarcAnswer:
    """Whether a proof is aligned with the From domain, and what the domain asks for where none is.

    ``sample``  0 to 99, which of a hundred mails this one is: a policy for 25 percent is for those below 25.
    What is not certain neither passes nor fails.
    """
    domain, record = discovery.domain, discovery.record
    if discovery.error:
        return DmarcAnswer(DmarcResult.TEMPERROR, domain, reason=discovery.error)
    if record is None:
        return DmarcAnswer(DmarcResult.NONE, domain, reason="no policy")
    policy = _asked_for(discovery, record, sample)
    aligned = [proof for proof in proofs if _aligned(discovery, record, proof)]
    for proof in aligned:
        if proof.certain:
            return DmarcAnswer(DmarcResult.PASS, domain, policy, proof)
    if aligned:
        return DmarcAnswer(DmarcResult.TEMPERROR, domain, policy, reason=_OPEN[aligned[0].method])
    return DmarcAnswer(DmarcResult.FAIL, domain, policy, reason="nothing that was proved is of this domain")


def _aligned(discovery: Discovery, record: DmarcRecord, proof: Proof) -> bool:
    if not proof.domain:
        return True
    strict = record.strict_dkim if proof.method == "dkim" else record.strict_spf
    return proof.domain == discovery.domain or (not strict and proof.organization == discovery.organization)


def _asked_for(discovery: Discovery, record: DmarcRecord, sample: int) -> Policy:
    policy = record.policy
    if not discovery.own:
        policy = record.subdomains or policy
        if not discovery.exists:
            policy = record.nonexistent or policy
    spared = record.testing if discovery.walk else sample >= record.percent
    return policy.milder if spared else policy

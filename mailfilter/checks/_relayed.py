"""Findings out of Authentication-Results that other hosts of ours have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..authentication.inbound import Result, told
from ..symbols import Findings, Symbol
from ._text import quote

_SPF = {
    "pass": "SPF_PASS", "fail": "SPF_FAIL", "hardfail": "SPF_FAIL", "softfail": "SPF_SOFTFAIL",
    "neutral": "SPF_NEUTRAL", "none": "SPF_NONE", "permerror": "SPF_PERMERROR",
}  # fmt: skip
_HELO = {"pass": "SPF_HELO_PASS", "fail": "SPF_HELO_FAIL", "hardfail": "SPF_HELO_FAIL"}
_ARC = {"pass": "ARC_VALID", "fail": "ARC_INVALID"}
_DKIM_FAILED = {"fail": "DKIM_INVALID", "permerror": "DKIM_INVALID", "policy": "DKIM_WEAK_KEY"}
_POLICIES = ("none", "quarantine", "reject")


def relayed(results: Sequence[Result]) -> Findings:
    """What the results say, under the names that our own have."""
    found = [Symbol("AUTH_RELAYED"), Symbol("AUTH_RESULTS", 1.0, told(tuple(results)))]
    for one in results:
        if one.method == "spf":
            is_sender = "smtp.mailfrom" in one.properties or "smtp.helo" not in one.properties
            said = one.domain("smtp.mailfrom" if is_sender else "smtp.helo")
            found += _named(_SPF if is_sender else _HELO, one, f"{'MAIL FROM' if is_sender else 'HELO'} {quote(said)}")
        elif one.method == "arc":
            found += _named(_ARC, one, "")
        elif one.method == "dmarc":
            found += _dmarc(one)
    found += _dkim([one for one in results if one.method == "dkim"])
    unknown = [f"{one.method.upper()}: {one.result}" for one in results if one.result in ("temperror", "error")]
    if unknown:
        found.append(Symbol("AUTH_UNKNOWN", 1.0, "; ".join(unknown)))
    return tuple({symbol.name: symbol for symbol in reversed(found)}.values())


def has_failed(results: Sequence[Result]) -> bool:
    """Whether DMARC failed."""
    return any(one.method == "dmarc" and one.result == "fail" for one in results)


def _named(names: Mapping[str, str], one: Result, said: str) -> list[Symbol]:
    return [Symbol(names[one.result], 1.0, said)] if one.result in names else []


def _dmarc(one: Result) -> list[Symbol]:
    said = quote(one.domain("header.from"))
    if one.result == "pass":
        return [Symbol("DMARC_PASS", 1.0, said)]
    policy = one.properties.get("policy.dmarc", "")
    name = f"DMARC_FAIL_{(policy if policy in _POLICIES else 'none').upper()}"
    return [Symbol(name, 1.0, said)] if one.result == "fail" else []


def _dkim(results: Sequence[Result]) -> list[Symbol]:
    """As for our own: one that fails is a finding only where none holds and none is open."""
    signers = ", ".join(quote(one.domain("header.d")) for one in results if one.result == "pass")
    if signers:
        return [Symbol("DKIM_VALID", 1.0, signers)]
    if any(one.result == "temperror" for one in results):
        return []
    return [symbol for one in results for symbol in _named(_DKIM_FAILED, one, quote(one.domain("header.d")))]

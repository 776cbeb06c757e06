"""Sender authentication: SPF, DKIM, DMARC and ARC as findings.

A result is evidence only where DNS told; everything else is ``AUTH_UNKNOWN`` and worth nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ..authentication.dkim import FROM_UNSIGNED, DkimAnswer
from ..authentication.dmarc import DmarcAnswer, DmarcResult, Policy
from ..authentication.evaluation import Authentication, authenticate
from ..authentication.outcome import Outcome
from ..authentication.results import dmarc_passed, results
from ..authentication.spf import SpfAnswer, SpfResult
from ..symbols import Findings, Symbol, declared_by
from . import Asking, Mail
from ._text import quote

UNKNOWN = "AUTH_UNKNOWN"
RESULTS = "AUTH_RESULTS"
"""Symbol whose evidence is the value of an Authentication-Results field, without our name."""

_SPF = {
    SpfResult.PASS: "SPF_PASS",
    SpfResult.FAIL: "SPF_FAIL",
    SpfResult.SOFTFAIL: "SPF_SOFTFAIL",
    SpfResult.NEUTRAL: "SPF_NEUTRAL",
    SpfResult.NONE: "SPF_NONE",
    SpfResult.PERMERROR: "SPF_PERMERROR",
}
_HELO = {SpfResult.PASS: "SPF_HELO_PASS", SpfResult.FAIL: "SPF_HELO_FAIL"}
_STRICTNESS = {Policy.NONE: 0, Policy.QUARANTINE: 1, Policy.REJECT: 2}


class AuthenticationCheck:
    """`LookupCheck` that asks DNS who may have sent a mail, and checks signatures.

    ``trusted_sealers``  domains whose ARC seals are believed: where they saw DMARC pass, its failure here is softened.
    ``tree_walk``  how DMARC finds organizational domains.
    ``asking``  False where there is nobody to ask; every mail from outside is then ``AUTH_UNKNOWN``.
    ``enabled``  False switches the check off: it finds nothing.
    ``clock``  seconds since 1970, for signatures that expire; not asked where the envelope says when the mail came.

    Not looked at: mail that we send, or that a user has handed in with a login.
    """

    name = "authentication"

    def __init__(
        self,
        trusted_sealers: Iterable[str] = (),
        *,
        tree_walk: bool = False,
        asking: bool = True,
        enabled: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.trusted_sealers = frozenset(domain.lower() for domain in trusted_sealers)
        self.tree_walk = tree_walk
        self.asking = asking
        self.enabled = enabled
        self._clock = clock
        self.symbols = declared_by(self.name)

    def ask(self, mail: Mail) -> Asking:
        """All methods side by side."""
        if not self.enabled or mail.envelope.auth_user or mail.envelope.direction != "inbound":
            return ()
        if not self.asking:
            return (Symbol(UNKNOWN, 1.0, "no resolver is configured"),)
        came = mail.envelope.received_at
        found = yield from authenticate(mail, self._clock() if came is None else came, self.tree_walk)
        return self._findings(found)

    def _findings(self, found: Authentication) -> Findings:
        unknown = [f"SPF: {found.unasked}"] if found.unasked else []
        symbols = [
            *_spf(found.mail_from, _SPF, "MAIL FROM", unknown),
            *_spf(found.helo, _HELO, "HELO", unknown),
            *_dkim(found.dkim, unknown),
            *_arc(found, unknown),
            *self._dmarc(found, unknown),
            Symbol(RESULTS, 1.0, results(found)),
        ]
        if unknown:
            symbols.append(Symbol(UNKNOWN, 1.0, "; ".join(unknown)))
        return tuple(symbols)

    def _dmarc(self, found: Authentication, unknown: list[str]) -> list[Symbol]:
        """One finding: of several From domains the worst counts, because the reader may be shown any of them."""
        failed = [answer for answer in found.dmarc if answer.result is DmarcResult.FAIL]
        if failed:
            worst = max(failed, key=lambda answer: _STRICTNESS[answer.policy])
            sealer = self._vouches(found)
            if sealer:
                evidence = f"{quote(worst.domain)}: passed where {quote(sealer)} took it in"
                return [Symbol("DMARC_FAIL_FORWARDED", 1.0, evidence)]
            return [Symbol(f"DMARC_FAIL_{worst.policy.name}", 1.0, f"{quote(worst.domain)}: {worst.reason}")]
        open_ones = [answer for answer in found.dmarc if answer.result is DmarcResult.TEMPERROR]
        unknown.extend(f"DMARC of {answer.domain}: {answer.reason}" for answer in open_ones)
        if found.dmarc and all(answer.result is DmarcResult.PASS for answer in found.dmarc):
            return [Symbol("DMARC_PASS", 1.0, "; ".join(map(_proved, found.dmarc)))]
        return []

    def _vouches(self, found: Authentication) -> str:
        """The newest sealer, where one whose words reached us through trusted hands only saw DMARC pass."""
        seen = found.arc.trusted(self.trusted_sealers)
        return found.arc.sealers[-1] if any(map(dmarc_passed, seen)) else ""


def _proved(answer: DmarcAnswer) -> str:
    proof = answer.proof
    return f"{quote(answer.domain)} by {proof.method} of {quote(proof.domain)}" if proof else quote(answer.domain)


def _spf(
    answer: SpfAnswer | None, names: dict[SpfResult, str], identity: str, unknown: list[str]
) -> list[Symbol]:
    if answer is None:
        return []
    if answer.result is SpfResult.TEMPERROR:
        unknown.append(f"SPF of {identity}: {answer.reason}")
    name = names.get(answer.result)
    return [Symbol(name, 1.0, f"{identity} {quote(answer.domain)}: {quote(answer.reason, 200)}")] if name else []


def _dkim(answers: tuple[DkimAnswer, ...], unknown: list[str]) -> list[Symbol]:
    """A signature that does not hold is a finding only where none does: lists add footers, and sign anew."""
    passed = [answer for answer in answers if answer.outcome is Outcome.PASS]
    symbols = []
    if passed:
        symbols.append(Symbol("DKIM_VALID", 1.0, ", ".join(quote(answer.domain) for answer in passed)))
        if cut := [answer for answer in passed if answer.cut]:
            evidence = "; ".join(f"{quote(answer.domain)}: {answer.cut} octets are not signed" for answer in cut)
            symbols.append(Symbol("DKIM_BODY_CUT", 1.0, evidence))
        return symbols
    by_name: dict[str, list[str]] = {}
    for answer in answers:
        said = f"{quote(answer.domain)}: {answer.reason}"
        if answer.outcome is Outcome.TEMPERROR:
            unknown.append(f"DKIM of {said}")
        elif answer.outcome is Outcome.POLICY:
            by_name.setdefault("DKIM_WEAK_KEY", []).append(said)
        else:
            name = "DKIM_FROM_UNSIGNED" if answer.reason == FROM_UNSIGNED else "DKIM_INVALID"
            by_name.setdefault(name, []).append(said)
    if any(answer.outcome is Outcome.TEMPERROR for answer in answers):
        by_name.pop("DKIM_INVALID", None)  # one of those that are not known may hold
    return [Symbol(name, 1.0, "; ".join(said)) for name, said in by_name.items()]


def _arc(found: Authentication, unknown: list[str]) -> list[Symbol]:
    answer = found.arc
    if answer.outcome is Outcome.PASS:
        return [Symbol("ARC_VALID", 1.0, " then ".join(map(quote, answer.sealers[:8])))]
    if answer.outcome is Outcome.TEMPERROR:
        unknown.append(f"ARC: {answer.reason}")
    return [Symbol("ARC_INVALID", 1.0, answer.reason)] if answer.outcome is Outcome.FAIL else []

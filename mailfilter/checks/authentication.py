"""Sender authentication: SPF, DKIM, DMARC and ARC as findings.

A result is evidence only where DNS told.  What was asked and not told is ``AUTH_UNKNOWN``, what could not be asked
``AUTH_NOT_ASKED``; both are worth nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable
from typing import Any

from ..authentication.dkim import FROM_UNSIGNED, DkimAnswer
from ..authentication.dmarc import SPF_OPEN, DmarcAnswer, DmarcResult, Policy
from ..authentication.evaluation import Authentication, authenticate
from ..authentication.inbound import believed
from ..authentication.lists import known_list, list_proof
from ..authentication.outcome import Outcome
from ..authentication.results import dmarc_passed, results
from ..authentication.spf import SpfAnswer, SpfResult
from ..symbols import Findings, Symbol, declared_by
from ..trust import NOBODY, Trust, path_of
from . import Asking, Mail
from ._relayed import has_failed, relayed
from ._text import quote

UNKNOWN = "AUTH_UNKNOWN"
NOT_ASKED = "AUTH_NOT_ASKED"
RESULTS = "AUTH_RESULTS"
"""Symbol whose evidence is the value of an Authentication-Results field, without our name."""

_NOBODY = (Symbol(NOT_ASKED, 1.0, "no resolver is configured"),)

LONG_KEY = 2048
"""Bits that an RSA key ought to have (RFC 8301 section 3.2); from 1024 on a signature holds all the same."""

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
    ``asking``  False where there is nobody to ask; every mail from outside is then ``AUTH_NOT_ASKED``.
    ``trust``  which hosts are ours, which forward, which lists are known: DMARC's failure through one that is proved is
    softened.  ``trusted_results``  hosts of ours whose Authentication-Results take the place of asking.
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
        trust: Trust = NOBODY,
        trusted_results: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.trusted_sealers = frozenset(domain.lower() for domain in trusted_sealers)
        self.tree_walk = tree_walk
        self.asking = asking
        self.enabled = enabled
        self.trust = trust
        self.trusted_results = frozenset(name.lower() for name in trusted_results)
        self._clock = clock
        self.symbols = declared_by(self.name)

    def unasked(self, mail: Mail, answered: Container[type[Any]] = ()) -> Findings | None:
        """Nothing where the sender is not looked at, and of every mail the same where there is nobody to ask."""
        if not self.enabled or mail.envelope.auth_user or mail.envelope.direction != "inbound":
            return ()
        return None if self.asking or self.trusted_results else _NOBODY

    def ask(self, mail: Mail) -> Asking:
        """All methods side by side."""
        if (without := self.unasked(mail)) is not None:
            return without
        path = path_of(mail, self.trust)
        if path.submitted and path.anchored:
            return ()
        through = known_list(mail.message, self.trust.lists)
        told = believed(mail, path, self.trusted_results)
        may_be_softened = self.asking and (through or self.trusted_sealers) and has_failed(told)
        if told and not may_be_softened:
            return relayed(told)
        if not self.asking:
            return _NOBODY
        came = mail.envelope.received_at
        found = yield from authenticate(mail, self._clock() if came is None else came, self.tree_walk, path)
        return self._findings(found, through)

    def _findings(self, found: Authentication, through: str) -> Findings:
        not_asked = [f"SPF: {found.unasked}"] if found.unasked else []
        unknown: list[str] = []
        symbols = [
            *_spf(found.mail_from, _SPF, "MAIL FROM", unknown),
            *_spf(found.helo, _HELO, "HELO", unknown),
            *_dkim(found.dkim, unknown),
            *_arc(found, unknown),
            *self._dmarc(found, through, unknown, not_asked),
            Symbol(RESULTS, 1.0, results(found)),
        ]
        for name, reasons in ((UNKNOWN, unknown), (NOT_ASKED, not_asked)):
            if reasons:
                symbols.append(Symbol(name, 1.0, "; ".join(reasons)))
        return tuple(symbols)

    def _dmarc(
        self, found: Authentication, through: str, unknown: list[str], not_asked: list[str]
    ) -> list[Symbol]:
        """One finding: of several From domains the worst counts, because the reader may be shown any of them."""
        failed = [answer for answer in found.dmarc if answer.result is DmarcResult.FAIL]
        if failed:
            worst = max(failed, key=lambda answer: _STRICTNESS[answer.policy])
            return self._failed(worst, found, through, unknown)
        for answer in found.dmarc:
            if answer.result is DmarcResult.TEMPERROR:
                for_want_of_spf = found.unasked and answer.reason == SPF_OPEN
                (not_asked if for_want_of_spf else unknown).append(f"DMARC of {answer.domain}: {answer.reason}")
        if found.dmarc and all(answer.result is DmarcResult.PASS for answer in found.dmarc):
            return [Symbol("DMARC_PASS", 1.0, "; ".join(map(_proved, found.dmarc)))]
        return []

    def _failed(self, worst: DmarcAnswer, found: Authentication, through: str, unknown: list[str]) -> list[Symbol]:
        """A failure: softened where somebody vouches who is trusted, not known where it is not known if he does."""
        if sealer := self._vouches(found):
            evidence = f"{quote(worst.domain)}: passed where {quote(sealer)} took it in"
            return [Symbol("DMARC_FAIL_FORWARDED", 1.0, evidence)]
        proof = list_proof(through, found) if through else None
        if proof is not None and proof.proof:
            evidence = f"{quote(worst.domain)}: through a list of {quote(proof.domain)}, which {proof.proof} proves"
            return [Symbol("DMARC_FAIL_LIST", 1.0, evidence)]
        if proof is not None:
            unknown.append(f"DMARC of {worst.domain}: it fails, unless it came through a list of {proof.domain}")
            return []
        return [Symbol(f"DMARC_FAIL_{worst.policy.name}", 1.0, f"{quote(worst.domain)}: {worst.reason}")]

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
        if all(answer.kind == "rsa" and 0 < answer.bits < LONG_KEY for answer in passed):
            evidence = "; ".join(f"{quote(answer.domain)}: {answer.bits} bits" for answer in passed)
            symbols.append(Symbol("DKIM_SHORT_KEY", 1.0, evidence))
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

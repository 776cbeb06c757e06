"""The verdict: one action, and everything that led to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from . import replies, report
from .decision import Action, Reason
from .disarm import Removed
from .policy.copies import Outcome
from .replies import ReplyTexts, SmtpReply


class ScoredSymbol(NamedTuple):
    """A finding with what it was worth in this mail, in points (exact thousandths)."""

    name: str
    points: float
    value: float
    evidence: str
    description: str
    group: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to "what is to be done with this mail, and why".

    ``score`` in points is exactly the sum of the points of ``symbols``; ``probability`` is the content
    classifier's calibrated probability of spam, ``None`` where it did not look; ``unknown`` are the findings that
    say what could not be learned; ``required`` is the limit from which a mail is flagged as spam, ``None`` for
    never; ``digest`` is the mail's SHA-256; ``wait`` are seconds to the next try where greylisting asks for one;
    ``receipt`` names the mail in the quarantine once it is there (`FilterChain.act`).

    ``disarm`` says that the mail is held for nothing but parts that policy wants taken out; `FilterChain.act` does it,
    and then ``removed`` names the parts and ``replacement`` is the mail to deliver in place of the one that came.

    ``recipients`` has an outcome for each recipient of the envelope, in its order; ``action`` is the mildest of them.
    ``intended`` is set in a dry run, in which everything is accepted: what would have been done.  ``texts`` are a
    site's own words for its replies.
    """

    action: Action
    reason: Reason
    score: float
    probability: float | None
    symbols: tuple[ScoredSymbol, ...]
    unknown: tuple[ScoredSymbol, ...]
    required: float | None
    digest: str
    wait: int = 0
    receipt: str = ""
    disarm: bool = False
    removed: tuple[Removed, ...] = ()
    replacement: bytes = field(default=b"", repr=False)
    recipients: tuple[Outcome, ...] = ()
    intended: Action | None = None
    texts: ReplyTexts = field(default=ReplyTexts(), repr=False, compare=False)

    @property
    def smtp_reply(self) -> SmtpReply:
        """What to answer to the end of DATA."""
        return replies.smtp_reply(self)

    @property
    def lmtp_replies(self) -> tuple[SmtpReply, ...]:
        """What to answer for each recipient where each gets a reply of its own (LMTP, RFC 2033), in their order."""
        return tuple(replies.smtp_reply(self, one.action, one.reason) for one in self.recipients)

    @property
    def reason_code(self) -> str:
        """Why, as a code that never changes its meaning, such as ``MF-SPAM``; it stands in every reply."""
        return replies.reason_code(self.action, self.reason)

    def recipients_of(self, carried: Action) -> tuple[str, ...]:
        """The recipients whose copies get this action where all get one reply (`Outcome.carried`)."""
        return tuple(one.recipient for one in self.recipients if one.carried is carried)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Header fields to put on top, in order, after removing what `mailfilter.report.forged` names."""
        return report.headers(self)

    @property
    def mail_id(self) -> str:
        """First 16 hex digits of the mail's SHA-256."""
        return self.digest[:16]

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, ready for JSON; keys as the attributes are named."""
        return {
            "action": self.action.value,
            "reason": self.reason.name.lower(),
            "score": self.score,
            "probability": self.probability,
            "symbols": [_plain(symbol) for symbol in self.symbols],
            "unknown": [_plain(symbol) for symbol in self.unknown],
            "smtp_reply": str(self.smtp_reply),
            "headers": [list(header) for header in self.headers],
            "digest": self.digest,
            "wait": self.wait,
            "receipt": self.receipt,
            "removed": [part._asdict() for part in self.removed],
            "reason_code": self.reason_code,
            "intended": self.intended.value if self.intended else None,
            "recipients": [{**one._asdict(), "reason": one.reason.name.lower()} for one in self.recipients],
        }


_PUT = [getattr(Verdict, one.name).__set__ for one in fields(Verdict)]


def made(values: Iterable[Any]) -> Verdict:
    """The verdict with these values of all its fields, in their order: in half the time of its constructor."""
    verdict = object.__new__(Verdict)
    for put, value in zip(_PUT, values, strict=True):
        put(verdict, value)
    return verdict


def _plain(symbol: ScoredSymbol) -> dict[str, Any]:
    return {
        "name": symbol.name,
        "points": symbol.points,
        "value": symbol.value,
        "evidence": symbol.evidence,
        "group": symbol.group,
    }

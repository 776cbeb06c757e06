"""The verdict: one action, and everything that led to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .decision import Action, Reason


@dataclass(frozen=True, slots=True)
class ScoredSymbol:
    """A finding with what it was worth in this mail, in points (exact thousandths)."""

    name: str
    points: float
    value: float
    evidence: str
    description: str
    group: str


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """Reply code (RFC 5321), enhanced status code (RFC 3463) and text; ``str()`` gives the line."""

    code: int
    enhanced: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to "what is to be done with this mail, and why".

    ``score`` in points is exactly the sum of the points of ``symbols``; ``probability`` is the content
    classifier's calibrated probability of spam, ``None`` where it did not look; ``unknown`` are the findings that
    say what could not be learned; ``headers`` are to be added on top, in order, after removing those that
    `mailfilter.report.forged` names; ``wait`` are seconds to the next try where greylisting asks for one;
    ``mail_id`` is the short digest that replies and headers show.
    """

    action: Action
    reason: Reason
    score: float
    probability: float | None
    symbols: tuple[ScoredSymbol, ...]
    unknown: tuple[ScoredSymbol, ...]
    smtp_reply: SmtpReply
    headers: tuple[tuple[str, str], ...]
    digest: str
    wait: int = 0
    receipt: str = ""

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
        }


def _plain(symbol: ScoredSymbol) -> dict[str, Any]:
    return {
        "name": symbol.name,
        "points": symbol.points,
        "value": symbol.value,
        "evidence": symbol.evidence,
        "group": symbol.group,
    }

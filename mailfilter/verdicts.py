"""From the rows that were decided to verdicts: words, recipients, and what a dry run says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .checks import Mail
from .config import Config
from .decision import ACTIONS, Action, Decisions, Governing, Reason
from .lookups import Answer, Question
from .policy.copies import Copies, Outcome, outcomes
from .scoring import SCALE, Caps, Hits, Points
from .symbols import UNKNOWN, Catalogue, Symbol
from .verdict import ScoredSymbol, Verdict

_log = logging.getLogger("mailfilter")

PROBABILITY = "CONTENT_PROBABILITY"
"""Symbol whose value is the content classifier's probability of spam; worth no points by itself."""

CAPPED = "All findings of this group together count for no more than its cap (settings: groups)."
"""Description of the contributions CAP_GROUP, which say what a cap took."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What the chain makes of a batch before words are put to it: the rows of a hit table.

    ``rows`` merged findings per mail; ``hits`` the same as a matrix; ``per_hit`` and ``points`` in thousandths;
    ``cuts`` what group caps take, (rows, capped groups); ``answers`` what lookups said of each mail, in order;
    ``copies`` the rows that were decided, ``copy_decisions`` how, and ``decisions`` what that means for each mail.
    """

    mails: Sequence[Mail]
    rows: list[list[Symbol]]
    hits: Hits
    per_hit: Points
    points: Points
    decisions: Decisions
    copies: Copies
    copy_decisions: Decisions
    cuts: Points
    answers: Sequence[Sequence[tuple[Question, Answer]]] = ()


class Wording:
    """Puts a batch's rows into words, by one chain's catalogue, caps and policies."""

    def __init__(self, config: Config, catalogue: Catalogue, caps: Caps | None, policies: Governing) -> None:
        self._catalogue, self._caps, self._policies = catalogue, caps, policies
        self._names = ["", *(rule.head.name for rule in config.policy_rules())]
        self._texts, self._mode, self._dry_run = config.reply_texts(), config.policy.recipients, config.policy.dry_run

    def verdict(self, batch: Batch, number: int, decisions: Decisions, each: Decisions, wait: int) -> Verdict:
        """The verdict of one mail; ``decisions`` are by mail, ``each`` by copy, ``wait`` in seconds."""
        first, end = batch.hits.indptr[number : number + 2].tolist()
        scored = (batch.per_hit[first:end] / SCALE).tolist()
        shown = [self._shown(symbol, points) for symbol, points in zip(batch.rows[number], scored, strict=True)]
        known = [symbol for symbol in shown if symbol.group != UNKNOWN]
        copies = batch.copies.of_mail(number)
        verdict = Verdict(
            action=ACTIONS[decisions.actions[number]],
            reason=Reason(decisions.reasons[number]),
            score=float(batch.points[number]) / SCALE,
            probability=next((symbol.value for symbol in shown if symbol.name == PROBABILITY), None),
            symbols=(*known, *self._capped(batch.cuts[number].tolist())),
            unknown=tuple(symbol for symbol in shown if symbol.group == UNKNOWN),
            required=self._required(batch.copies, copies, each),
            digest=batch.mails[number].message.digest,
            wait=wait,
            disarm=bool(decisions.disarm[number]),
            recipients=self._outcomes(batch, copies, each, batch.mails[number]),
            texts=self._texts,
        )
        return _tried(verdict) if self._dry_run else verdict

    def _shown(self, symbol: Symbol, points: float) -> ScoredSymbol:
        info = self._catalogue[symbol.name]
        return ScoredSymbol(symbol.name, points, symbol.value, symbol.evidence, info.description, info.group)

    def _capped(self, cut: list[int]) -> list[ScoredSymbol]:
        """What caps took from one mail, each as a contribution of its own, so that the sum is the score."""
        caps = self._caps
        if caps is None or not any(cut):
            return []
        return [
            ScoredSymbol(f"CAP_{group.upper()}", points / SCALE, 1.0, f"{limit / SCALE:g}", CAPPED, group)
            for group, limit, points in zip(caps.groups, caps.limits.tolist(), cut, strict=True)
            if points
        ]

    def _required(self, made: Copies, copies: range, each: Decisions) -> float | None:
        """The limit from which a mail is flagged: that of a copy whose action is the mail's, the first by policy."""
        row = copies[0] if len(copies) == 1 else min(copies, key=lambda row: (each.actions[row], made.which[row]))
        limit: float | None = self._policies[made.which[row]][0].quarantine
        return limit

    def _outcomes(self, batch: Batch, copies: range, each: Decisions, mail: Mail) -> tuple[Outcome, ...]:
        if not mail.envelope.rcpt_to:
            return ()
        which, members = batch.copies.which, [batch.copies.recipients[row] for row in copies]
        settled = [
            (ACTIONS[each.actions[row]], Reason(each.reasons[row]), self._names[which[row]]) for row in copies
        ]
        return outcomes(mail, members, settled, self._mode)


def _tried(verdict: Verdict) -> Verdict:
    """What a dry run says: the mail is accepted, and the verdict tells what would have been done."""
    if verdict.action is not Action.ACCEPT:
        _log.info("dry run: mail %s would get %s (%s)", verdict.mail_id, verdict.action.value, verdict.reason.name)
    accept = Action.ACCEPT
    each = tuple(one._replace(action=accept, carried=accept) for one in verdict.recipients)
    return replace(verdict, action=accept, intended=verdict.action, disarm=False, recipients=each)

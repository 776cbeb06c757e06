"""From the rows that were decided to verdicts: words, recipients, and what a dry run says."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .by_points import PROBABILITY
from .checks import Mail
from .config import Config
from .decision import ACTIONS, Action, Decisions, Governing, Reason
from .lookups import Answer, Question
from .policy.copies import Copies, Settled, outcomes
from .scoring import SCALE, Caps, Hits, Points
from .symbols import UNKNOWN, Catalogue, Symbol
from .verdict import ScoredSymbol, Verdict

_log = logging.getLogger("mailfilter")

_new = tuple.__new__  # a named tuple's own constructor takes twice as long

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
        self._caps, self._policies = caps, policies
        self._infos = {name: (info.description, info.group) for name, info in catalogue.items()}
        self._names = ["", *(rule.head.name for rule in config.policy_rules())]
        self._texts, self._mode, self._dry_run = config.reply_texts(), config.policy.recipients, config.policy.dry_run

    def verdicts(
        self, batch: Batch, decisions: Decisions, each: Decisions, waits: Mapping[int, int]
    ) -> Iterator[Verdict]:
        """A verdict for each mail; ``decisions`` are by mail, ``each`` by copy, ``waits`` seconds by mail."""
        # Plain values once a batch: numpy's scalars one by one cost more than all the rest.
        points, per_hit = (batch.points / SCALE).tolist(), (batch.per_hit / SCALE).tolist()
        actions, reasons = [ACTIONS[n] for n in decisions.actions.tolist()], [*map(Reason, decisions.reasons.tolist())]
        disarm, cut, ends = decisions.disarm.tolist(), batch.cuts.tolist(), batch.hits.indptr.tolist()
        settled, required = self._settled(batch.copies, each)
        starts = [*batch.copies.starts.tolist(), len(settled)]
        for number, mail in enumerate(batch.mails):
            scored = per_hit[ends[number] : ends[number + 1]]
            shown = [self._shown(*symbol, worth) for symbol, worth in zip(batch.rows[number], scored, strict=True)]
            unknown = tuple([symbol for symbol in shown if symbol[5] == UNKNOWN])
            known = [symbol for symbol in shown if symbol[5] != UNKNOWN] if unknown else shown
            rows = slice(starts[number], starts[number + 1])
            verdict = Verdict(
                action=actions[number],
                reason=reasons[number],
                score=points[number],
                probability=next((symbol[2] for symbol in known if symbol[0] == PROBABILITY), None),
                symbols=(*known, *self._capped(cut[number])),
                unknown=unknown,
                required=_first_mildest(settled[rows], required[rows]),
                digest=mail.message.digest,
                wait=waits.get(number, 0),
                disarm=disarm[number],
                recipients=outcomes(mail, batch.copies.recipients[rows], settled[rows], self._mode),
                texts=self._texts,
            )
            yield _tried(verdict) if self._dry_run else verdict

    def _settled(self, copies: Copies, each: Decisions) -> tuple[list[Settled], list[float | None]]:
        """For each copy what is done with it, why and by whose rule; and the limit from which it is flagged."""
        which = copies.which.tolist()
        actions, reasons = each.actions.tolist(), each.reasons.tolist()
        settled = [
            Settled(ACTIONS[action], Reason(reason), self._names[rule])
            for action, reason, rule in zip(actions, reasons, which, strict=True)
        ]
        return settled, [self._policies[rule][0].quarantine for rule in which]

    def _shown(self, name: str, value: float, evidence: str, points: float) -> ScoredSymbol:
        return _new(ScoredSymbol, (name, points, value, evidence, *self._infos[name]))

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


def _first_mildest(settled: Sequence[Settled], required: Sequence[float | None]) -> float | None:
    """The limit of the mildest copy; copies stand by policy, so of several that of the first policy."""
    if len(settled) == 1:
        return required[0]
    return required[min(range(len(settled)), key=lambda n: settled[n].action.severity)]


def _tried(verdict: Verdict) -> Verdict:
    """What a dry run says: the mail is accepted, and the verdict tells what would have been done."""
    if verdict.action is not Action.ACCEPT:
        _log.info("dry run: mail %s would get %s (%s)", verdict.mail_id, verdict.action.value, verdict.reason.name)
    accept = Action.ACCEPT
    each = tuple(one._replace(action=accept, carried=accept) for one in verdict.recipients)
    return replace(verdict, action=accept, intended=verdict.action, disarm=False, recipients=each)

"""One mail, several recipients: who is governed by which policy, and what becomes of each one's copy.

The rows that are decided are not mails but *copies*: a mail has one for all of its recipients who want the same, so
nearly every mail has one.  The mildest action of a mail's copies is the mail's: what one recipient wants reaches that
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..decision import Action, Decisions, Governing, Reason, decide_each
from ..envelope import Envelope
from ..scoring import Hits, Points, Weights
from ..symbols import Symbol
from .addresses import folded
from .rules import RuleIndex
from .senders import Listed, hidden

if TYPE_CHECKING:
    from ..checks import Mail

SPLIT = "split"


class Outcome(NamedTuple):
    """What one recipient's policy says, and what becomes of that recipient's copy.

    ``action`` and ``reason``  by the recipient's own policy: the reply where each recipient gets one (LMTP, RFC 2033).
    ``carried``  what is done with this copy where all recipients get one reply (SMTP).
    ``policy``  name of the rule, "" for the settings' own.
    """

    recipient: str
    action: Action
    reason: Reason
    carried: Action
    policy: str = ""


class Settled(NamedTuple):
    """What was decided of one copy, why, and the name of the rule by which, "" for the settings' own."""

    action: Action
    reason: Reason
    policy: str


@dataclass(frozen=True, slots=True)
class Copies:
    """The rows of a batch: ``starts``, (mails,), is each mail's first; ``which``, (rows,), the policy of each.

    ``recipients``  of each row; ``hits``  the findings that count for each row.
    """

    starts: NDArray[np.int64]
    which: NDArray[np.int64]
    recipients: Sequence[tuple[str, ...]]
    hits: Hits

    def decide(self, points: Points, governing: Governing, greylist: NDArray[np.int8] | None = None) -> Decisions:
        """A decision for each row; ``points`` and ``greylist`` are by mail."""
        if len(self.which) != len(self.starts):
            runs = np.diff(self.starts, append=len(self.which))
            points = points.repeat(runs)
            greylist = None if greylist is None else greylist.repeat(runs)
        return decide_each(points, self.hits, governing, self.which, greylist)

    def by_mail(self, decisions: Decisions) -> Decisions:
        """The mail's decision: the mildest of its copies'."""
        if len(self.which) == len(self.starts):
            return decisions
        return decisions.mildest(self.starts)


def copies(
    mails: Sequence[Mail],
    rules: RuleIndex,
    rows: Sequence[Sequence[Symbol]],
    hits: Hits,
    listed: Sequence[tuple[Listed, ...]],
    weights: Weights,
) -> Copies:
    """The copies of a batch; ``listed`` are the senders' entries of each mail, or empty where there are no lists."""
    scoped = any(one.entry.recipients for entries in listed for one in entries)
    if not rules and not scoped:
        count = len(mails)
        recipients = [tuple(mail.envelope.rcpt_to) for mail in mails]
        return Copies(np.arange(count), np.zeros(count, np.int64), recipients, hits)
    starts: list[int] = []
    groups: list[tuple[int, frozenset[str]]] = []
    members: list[tuple[str, ...]] = []
    kept: list[list[Symbol]] = []
    for number, mail in enumerate(mails):
        starts.append(len(groups))
        own = _grouped(mail, rules, listed[number] if listed else ())
        for group in sorted(own, key=lambda key: (key[0], sorted(key[1]))):
            groups.append(group)
            members.append(tuple(own[group]))
            kept.append([symbol for symbol in rows[number] if symbol.name not in group[1]])
    which = np.array([rule for rule, _ in groups], np.int64)
    return Copies(np.array(starts, np.int64), which, members, Hits.from_rows(kept, weights))


def _grouped(mail: Mail, rules: RuleIndex, listed: tuple[Listed, ...]) -> dict[tuple[int, frozenset[str]], list[str]]:
    """The recipients of a mail by the rule that is theirs and the findings that do not hold for them."""
    direction, scoped = mail.envelope.direction, any(one.entry.recipients for one in listed)
    if not mail.envelope.rcpt_to:
        return {(rules.number(direction, None), hidden(listed, None)): []}
    groups: dict[tuple[int, frozenset[str]], list[str]] = {}
    for recipient in mail.envelope.rcpt_to:
        name = folded(recipient)
        key = rules.number(direction, name), hidden(listed, name) if scoped else frozenset[str]()
        groups.setdefault(key, []).append(recipient)
    return groups


def carried(action: Action, reason: Reason, common: Action, mode: str) -> Action:
    """What becomes of a copy whose own action is this, where the mail's is ``common`` and all get one reply.

    A mail that is refused is refused to all: it stays with its sender.  Of one that is taken, copies that would have
    been refused are held instead, for the sender is told of no refusal; where only greylisting spoke against one, it
    is delivered.  The mode "mildest" lets the score's word on a copy give way to the mildest one's.
    """
    if common in (Action.GREYLIST, Action.BOUNCE):
        return common
    if reason is Reason.SCORE and (mode != SPLIT or action is Action.GREYLIST):
        return common
    return Action.QUARANTINE if action in (Action.GREYLIST, Action.BOUNCE) else action


def outcomes(
    mail: Mail, members: Sequence[tuple[str, ...]], settled: Sequence[Settled], mode: str
) -> tuple[Outcome, ...]:
    """An outcome for each recipient, in the envelope's order; ``settled`` says what was decided of each copy."""
    if len(settled) == 1:
        action, reason, policy = settled[0]
        return tuple(Outcome(recipient, action, reason, action, policy) for recipient in mail.envelope.rcpt_to)
    common = min((action for action, _, _ in settled), key=lambda action: action.severity)
    of = {
        recipient: (action, reason, carried(action, reason, common, mode), name)
        for recipients, (action, reason, name) in zip(members, settled, strict=True)
        for recipient in recipients
    }
    return tuple(Outcome(recipient, *of[recipient]) for recipient in mail.envelope.rcpt_to)


def decide_table(
    points: Points, hits: Hits, governing: Governing, rules: RuleIndex, envelopes: Sequence[Envelope] | None = None
) -> Decisions:
    """Decide stored rows, each by the policies of its envelope's recipients, the mildest of which counts.

    Without ``envelopes`` all rows are inbound mail to nobody in particular.  `compare` and benchmarks decide by this, a
    chain by `Copies`: the core of both is `mailfilter.decision.decide_each`.
    """
    if envelopes is None:
        return decide_each(points, hits, [governing[rules.numbers(Envelope())[0]]], None)
    numbers = [rules.numbers(envelope) for envelope in envelopes]
    counts = np.array([len(own) for own in numbers], np.int64)
    which = np.array([number for own in numbers for number in own], np.int64)
    if len(which) == len(points):
        return decide_each(points, hits, governing, which)
    rows = np.arange(len(points)).repeat(counts)
    return decide_each(points[rows], hits.take(rows), governing, which).mildest(np.cumsum(counts) - counts)

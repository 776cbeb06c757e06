"""From what was found in a batch to verdicts: points, copies, decisions, the greylist's word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np

from .by_points import ByPoints
from .checks import Mail
from .config import Config
from .decision import Governing, GreylistState
from .greylist import Greylist, GreylistAnswer
from .lookups import Answer, Question
from .policy.copies import copies
from .policy.rules import RuleIndex
from .policy.senders import Listed
from .remembering import greylisted, to_greylist
from .scoring import Hits, Weights, contributions, cuts, sums
from .symbols import Catalogue, Symbol
from .verdict import Verdict
from .verdicts import Batch, Wording

Rows = Sequence[Mapping[int, Symbol]]
"""What was found in each mail, merged, by column (`mailfilter.scoring.by_column`)."""
Entries = Sequence[tuple[Listed, ...]]
"""Of each mail the entries of the senders' lists; empty where there are no lists."""


class Deciding:
    """Points, decisions and words by one chain's settings; ``listing`` says whether there are lists of senders."""

    def __init__(
        self,
        config: Config,
        catalogue: Catalogue,
        weights: Weights,
        policies: Governing,
        rules: RuleIndex,
        listing: bool,
    ) -> None:
        self._weights, self._policies, self._rules = weights, policies, rules
        self._wording = Wording(config, catalogue, weights.caps, policies)
        simple = not (rules or listing or weights.caps or config.policy.dry_run)
        self._plain = ByPoints(catalogue, weights, *policies[0], config.reply_texts()) if simple else None

    def scored(
        self,
        mails: Sequence[Mail],
        found: Rows,
        listed: Entries,
        answers: Sequence[Sequence[tuple[Question, Answer]]] = (),
    ) -> Batch:
        """The rows of a hit table: points and decisions without the greylist's word."""
        weights, rows = self._weights, [[row[column] for column in sorted(row)] for row in found]
        hits = Hits.from_rows(rows, weights)
        per_hit = contributions(hits, weights.thousandths)
        points, cut = sums(hits, per_hit), np.zeros((len(rows), 0), np.int64)
        if weights.caps is not None:
            cut = cuts(hits, per_hit, weights.caps)
            points += cut.sum(axis=1)
        made = copies(mails, self._rules, rows, hits, listed, weights)
        decided = made.decide(points, self._policies)
        whole = made.by_mail(decided)
        return Batch(mails, rows, hits, per_hit, points, whole, made, decided, cut, answers)

    def verdicts(self, mails: Sequence[Mail], found: Rows, listed: Entries, greylist: Greylist | None) -> list[Verdict]:
        """A verdict for each mail; the greylist is asked once for all."""
        verdicts, left = self._by_points(mails, found, greylist)
        if left:
            batch = self.scored(*_picked(left, mails, found, listed))
            asked = to_greylist(greylist, batch)
            _fill(verdicts, left, self._worded(batch, greylisted(greylist, batch, asked)))
        return cast(list[Verdict], verdicts)

    async def averdicts(
        self, mails: Sequence[Mail], found: Rows, listed: Entries, greylist: Greylist | None
    ) -> list[Verdict]:
        """`verdicts`, without holding up the loop while the greylist's store is asked."""
        import asyncio

        verdicts, left = self._by_points(mails, found, greylist)
        if left:
            batch = self.scored(*_picked(left, mails, found, listed))
            asked = to_greylist(greylist, batch)
            waits = await asyncio.to_thread(greylisted, greylist, batch, asked) if asked else {}
            _fill(verdicts, left, self._worded(batch, waits))
        return cast(list[Verdict], verdicts)

    def _by_points(
        self, mails: Sequence[Mail], found: Rows, greylist: Greylist | None
    ) -> tuple[list[Verdict | None], Sequence[int]]:
        """Verdicts on the mails that nothing but points decides; and the numbers of the others."""
        if self._plain is None:
            return [None] * len(mails), range(len(mails))
        plain = self._plain.verdict
        verdicts = [plain(mail, row, greylist) for mail, row in zip(mails, found, strict=True)]
        return verdicts, [number for number, verdict in enumerate(verdicts) if verdict is None]

    def _worded(self, batch: Batch, waits: Mapping[int, GreylistAnswer]) -> Iterable[Verdict]:
        decisions, each = batch.decisions, batch.copy_decisions
        if waits:
            states = np.full(len(batch.mails), GreylistState.NOT_ASKED, np.int8)
            states[list(waits)] = [answer.state for answer in waits.values()]
            each = batch.copies.decide(batch.points, self._policies, states)
            decisions = batch.copies.by_mail(each)
        return self._wording.verdicts(batch, decisions, each, {number: answer.wait for number, answer in waits.items()})


def _picked(
    numbers: Sequence[int], mails: Sequence[Mail], found: Rows, listed: Entries
) -> tuple[Sequence[Mail], Rows, Entries]:
    """The mails of these numbers, with what was found in them."""
    if len(numbers) == len(mails):
        return mails, found, listed
    entries = [listed[number] for number in numbers] if listed else []
    return [mails[number] for number in numbers], [found[number] for number in numbers], entries


def _fill(verdicts: list[Verdict | None], numbers: Sequence[int], made: Iterable[Verdict]) -> None:
    for number, verdict in zip(numbers, made, strict=True):
        verdicts[number] = verdict

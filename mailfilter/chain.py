"""The filter chain: checks, then points, then one decision; blocking or under asyncio, one mail or a stream."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import report
from .checks import Check, LocalCheck, LookupCheck, Mail
from .config import Config
from .deadline import Deadline
from .decision import ACTIONS, Action, Decisions, GreylistState, Marks, Policy, Reason, decide
from .envelope import Envelope
from .greylist import Greylist, GreylistAnswer
from .lookups import Answer, Lookup, Question
from .lookups.drivers import adrive, drive
from .lookups.engine import Engine, Recorded, declared_names, failure, only_declared
from .message import Message
from .quarantine import Quarantine
from .scoring import SCALE, Hits, Points, Weights, contributions, cuts, merge, sums
from .symbols import UNKNOWN, Catalogue, Symbol
from .verdict import ScoredSymbol, Verdict

_log = logging.getLogger("mailfilter")

PROBABILITY = "CONTENT_PROBABILITY"
"""Symbol whose value is the content classifier's probability of spam; worth no points by itself."""

CAPPED = "All findings of this group together count for no more than its cap (settings: groups)."
"""Description of the contributions CAP_GROUP, which say what a cap took."""

_WAVE = 16
"""Mails of a batch that share one length of the deadline: a batch of 64 gets four times a single mail's."""

_BATCH_BYTES = 16 * 2**20
"""A batch ends once it holds this much raw mail, so that memory does not grow with the size of mails."""

Input = bytes | Message | Mail | tuple[bytes | Message, Envelope]


@dataclass(frozen=True, slots=True)
class Batch:
    """What the chain makes of a batch before words are put to it: the rows of a hit table.

    ``rows`` merged findings per mail; ``hits`` the same as a matrix; ``per_hit`` and ``points`` in thousandths;
    ``cuts`` what group caps take, (rows, capped groups); ``answers`` what lookups said of each mail, in order.
    """

    mails: Sequence[Mail]
    rows: list[list[Symbol]]
    hits: Hits
    per_hit: Points
    points: Points
    decisions: Decisions
    cuts: Points
    answers: Sequence[Sequence[tuple[Question, Answer]]] = ()


class FilterChain:
    """Decides what is to be done with a mail.

    ``config``  the settings; ``checks``, ``lookups``, ``greylist`` and ``quarantine`` are built from them unless
    given; a ``stateless`` chain builds neither greylist nor quarantine and so changes nothing anywhere (for
    archives and trials).  Safe to use from several threads.  Raises `SettingError`, `ModelError` or `StoreError` at
    construction; afterwards content never raises (law 2).
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        checks: Sequence[Check] | None = None,
        lookups: Iterable[Lookup] | None = None,
        greylist: Greylist | None = None,
        quarantine: Quarantine | None = None,
        stateless: bool = False,
    ) -> None:
        from . import assembly

        self.config = config or Config()
        chosen = assembly.checks(self.config) if checks is None else tuple(checks)
        self.local = tuple(check for check in chosen if isinstance(check, LocalCheck))
        self.asking = tuple(check for check in chosen if isinstance(check, LookupCheck))
        self.catalogue = Catalogue((*assembly.own_symbols(), *(info for check in chosen for info in check.symbols)))
        self.weights = Weights.from_catalogue(
            self.catalogue, self.config.scores, self.config.source, self.config.groups
        )
        self.lookups = {
            lookup.kind: lookup for lookup in (assembly.lookups(self.config) if lookups is None else lookups)
        }
        self.greylist, self.quarantine = greylist, quarantine
        if not stateless:
            self.greylist = greylist or assembly.greylist(self.config)
            self.quarantine = quarantine or assembly.quarantine(self.config)
            assembly.check_disarming(self.config, self.quarantine)
        self.policy = self.config.to_policy()
        self.marks = Marks.of(self.catalogue, self.policy)
        self._rules = [
            (rule, policy, Marks.of(self.catalogue, policy))
            for rule in self.config.virus_rules()
            for policy in [self.config.to_policy(rule)]
        ]
        self._declared = {check.name: declared_names(check) for check in self.local}
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    @classmethod
    def default(cls) -> FilterChain:
        """The chain with embedded defaults: local checks and the shipped model; no server is asked."""
        return cls()

    @classmethod
    def from_config(cls, config: str | Path | Config) -> FilterChain:
        """The chain that a settings file describes."""
        return cls(config if isinstance(config, Config) else Config.from_file(config))

    def check(self, raw: bytes | Message, envelope: Envelope | None = None) -> Verdict:
        """Decide one mail.  Greylisting notes the attempt where the envelope is known."""
        return next(self._verdicts(self.evaluate([_mail((raw, envelope or Envelope()))])))

    async def acheck(self, raw: bytes | Message, envelope: Envelope | None = None) -> Verdict:
        """`check` under asyncio: lookups are awaited, so many mails can be in hand at once on one loop."""
        batch = await self.aevaluate([_mail((raw, envelope or Envelope()))])
        return next(self._verdicts(batch))

    def check_many(self, mails: Iterable[Input]) -> Iterator[Verdict]:
        """Decide a stream, in its order, in batches; a question that a whole batch shares is asked once."""
        for batch in self.batches(mails):
            yield from self._verdicts(self.evaluate(batch))

    async def acheck_many(self, mails: Iterable[Input]) -> AsyncIterator[Verdict]:
        """`check_many` under asyncio."""
        for batch in self.batches(mails):
            for verdict in self._verdicts(await self.aevaluate(batch)):
                yield verdict

    def batches(self, mails: Iterable[Input]) -> Iterator[list[Mail]]:
        """Cut a stream into batches of the set length, shorter where the mails are large."""
        batch: list[Mail] = []
        size = 0
        for mail in map(_mail, mails):
            batch.append(mail)
            size += len(mail.message.raw)
            if len(batch) >= self.config.engine.batch or size >= _BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def evaluate(self, mails: Sequence[Mail], recorded: Sequence[Recorded] | None = None) -> Batch:
        """Findings, points and decisions of one batch, without greylist state and without words.

        ``recorded``  per mail, what lookups answered on an earlier day; given that, nothing is asked.
        """
        engine = Engine(self.asking, mails, recorded)
        if not engine.done:
            drive(engine, self.lookups, self.deadline(mails), self._threads())
        return self._score(mails, engine)

    async def aevaluate(self, mails: Sequence[Mail]) -> Batch:
        """`evaluate` under asyncio."""
        engine = Engine(self.asking, mails)
        if not engine.done:
            await adrive(engine, self.lookups, self.deadline(mails))
        return self._score(mails, engine)

    def act(self, raw: bytes, envelope: Envelope, verdict: Verdict) -> Verdict:
        """Carry out what needs a store: hold a quarantined mail, leave a tombstone for a deleted one, disarm.

        A mail whose verdict says ``disarm`` is held as well, the parts are taken out, and what is left is looked at
        again: only where it would now be accepted is it, as the verdict's ``replacement``.  This asks the scanner and
        blocks; under asyncio call it in a thread.

        Returns the verdict with its ``receipt``.  Where the store fails the mail is refused for now (451), so
        that it stays with the sender: nothing is accepted that was not kept.  Without a quarantine in the
        settings the verdict comes back as it is, and keeping the mail is up to the caller.
        """
        from .acting import act

        return act(self, raw, envelope, verdict)

    def governing(self, envelope: Envelope) -> tuple[Policy, Marks]:
        """The policy that governs mail with this envelope, and what outranks the score under it."""
        ruled = ((policy, marks) for rule, policy, marks in self._rules if rule.governs(envelope))
        return next(ruled, (self.policy, self.marks))

    def rewrite(self, raw: bytes, verdict: Verdict) -> bytes:
        """The mail as it is to be passed on: forged headers removed, the verdict's on top, all else byte for byte.

        Of a disarmed mail that is its replacement.
        """
        raw, name = verdict.replacement or raw, self.config.headers.authserv_id
        return report.rewrite(raw, (*verdict.headers, *report.authentication_results(verdict, name)), name)

    def close(self) -> None:
        """Let go of threads, sockets and stores."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        for lookup in self.lookups.values():
            lookup.close()
        for store in (self.greylist, self.quarantine):
            if store is not None:
                store.close()

    def __enter__(self) -> FilterChain:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def deadline(self, mails: Sequence[Mail]) -> Deadline:
        """The deadline of a batch that begins now."""
        return Deadline.after(self.config.engine.deadline * math.ceil(len(mails) / _WAVE))

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.config.engine.in_flight, "mailfilter-lookup")
            return self._pool

    def _score(self, mails: Sequence[Mail], engine: Engine) -> Batch:
        found = engine.findings
        for check in self.local:
            for symbols, more in zip(found, _run(check, self._declared[check.name], mails), strict=True):
                symbols.extend(more)
        rows = [merge(symbols, self.weights) for symbols in found]
        hits = Hits.from_rows(rows, self.weights)
        per_hit = contributions(hits, self.weights.thousandths)
        points, cut = sums(hits, per_hit), np.zeros((len(rows), 0), np.int64)
        if self.weights.caps is not None:
            cut = cuts(hits, per_hit, self.weights.caps)
            points += cut.sum(axis=1)
        decisions = self._decide(mails, points, hits)
        return Batch(mails, rows, hits, per_hit, points, decisions, cut, engine.answers())

    def _decide(
        self, mails: Sequence[Mail], points: Points, hits: Hits, greylist: NDArray[np.int8] | None = None
    ) -> Decisions:
        """Decide every row, each by the policy that governs its envelope."""
        decisions = decide(points, hits, self.marks, self.policy, greylist)
        ungoverned = np.ones(len(mails), np.bool_)
        for rule, policy, marks in self._rules:
            rows = ungoverned & np.array([rule.governs(mail.envelope) for mail in mails], np.bool_)
            if rows.any():
                decisions = decisions.where(rows, decide(points, hits, marks, policy, greylist))
                ungoverned &= ~rows
        return decisions

    def _verdicts(self, batch: Batch) -> Iterator[Verdict]:
        waits = self._greylisted(batch)
        decisions = batch.decisions
        if waits:
            states = np.full(len(batch.mails), GreylistState.NOT_ASKED, np.int8)
            states[list(waits)] = [answer.state for answer in waits.values()]
            decisions = self._decide(batch.mails, batch.points, batch.hits, states)
        points, per_hit = (batch.points / SCALE).tolist(), (batch.per_hit / SCALE).tolist()
        actions, reasons, starts = decisions.actions.tolist(), decisions.reasons.tolist(), batch.hits.indptr.tolist()
        for number, mail in enumerate(batch.mails):
            wait = waits[number].wait if number in waits else 0
            scored = per_hit[starts[number] : starts[number + 1]]
            action, reason = ACTIONS[actions[number]], Reason(reasons[number])
            capped = self._capped(batch.cuts[number].tolist())
            row, score = batch.rows[number], points[number]
            verdict = self._verdict(mail.message, row, scored, capped, score, action, reason, wait)
            yield replace(verdict, disarm=True) if decisions.disarm[number] else verdict

    def _greylisted(self, batch: Batch) -> dict[int, GreylistAnswer]:
        """What the greylist says of the mails whose score puts them into the doubtful band."""
        if self.greylist is None:
            return {}
        doubtful = (batch.decisions.actions == Action.GREYLIST.severity) & (batch.decisions.reasons == Reason.SCORE)
        answers = {n: self.greylist.ask(batch.mails[n].envelope) for n in np.flatnonzero(doubtful).tolist()}
        return {n: answer for n, answer in answers.items() if answer.state is not GreylistState.NOT_ASKED}

    def _capped(self, cut: list[int]) -> list[ScoredSymbol]:
        """What caps took from one mail, each as a contribution of its own, so that the sum is the score."""
        caps = self.weights.caps
        if caps is None or not any(cut):
            return []
        return [
            ScoredSymbol(f"CAP_{group.upper()}", points / SCALE, 1.0, f"{limit / SCALE:g}", CAPPED, group)
            for group, limit, points in zip(caps.groups, caps.limits.tolist(), cut, strict=True)
            if points
        ]

    def _verdict(
        self,
        message: Message,
        row: list[Symbol],
        scored: list[float],
        capped: list[ScoredSymbol],
        score: float,
        action: Action,
        reason: Reason,
        wait: int,
    ) -> Verdict:
        symbols: list[ScoredSymbol] = []
        unknown: list[ScoredSymbol] = []
        probability = None
        for symbol, points in zip(row, scored, strict=True):
            info = self.catalogue[symbol.name]
            shown = ScoredSymbol(symbol.name, points, symbol.value, symbol.evidence, info.description, info.group)
            (unknown if info.group == UNKNOWN else symbols).append(shown)
            if symbol.name == PROBABILITY:
                probability = symbol.value
        return Verdict(
            action=action,
            reason=reason,
            score=score,
            probability=probability,
            symbols=(*symbols, *capped),
            unknown=tuple(unknown),
            required=self.policy.quarantine,
            digest=message.digest,
            wait=wait,
        )


def _mail(given: Input) -> Mail:
    if isinstance(given, Mail):
        return given
    raw, envelope = given if isinstance(given, tuple) else (given, Envelope())
    return Mail(raw if isinstance(raw, Message) else Message(raw), envelope)


def _run(check: LocalCheck, declared: frozenset[str], mails: Sequence[Mail]) -> list[list[Symbol]]:
    """Run a local check; where it fails on the batch, find out for which mails, and let only those go without."""
    try:
        found = [only_declared(check.name, declared, symbols) for symbols in check.run(mails)]
        if len(found) != len(mails):
            raise ValueError(f"findings for {len(found)} mails of {len(mails)}")
        return found
    except Exception as error:
        if len(mails) == 1:
            _log.warning("check %s failed on mail %s: %r", check.name, mails[0].message.digest, error)
            _log.debug("check %s failed", check.name, exc_info=True)
            return [[failure(check.name, error)]]
        return [_run(check, declared, [mail])[0] for mail in mails]

"""The filter chain: checks, then points, then one decision; blocking or under asyncio, one mail or a stream."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from . import report
from .checks import Check, LocalCheck, LookupCheck, Mail
from .collector import undisturbed
from .config import Config
from .counters import Counters
from .deadline import Deadline
from .deciding import Deciding, Entries, Rows
from .decision import Marks, Policy
from .envelope import Envelope
from .greylist import Greylist
from .lookups import Lookup
from .lookups.drivers import adrive, drive
from .lookups.engine import Engine, Recorded, declared_names, failure, only_declared
from .message import Message
from .policy import senders
from .policy.rules import RuleIndex
from .remembering import counted, joined, reputed
from .scoring import Weights, by_column
from .symbols import Catalogue, Findings, Symbol
from .verdict import Verdict
from .verdicts import Batch

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from .quarantine import Quarantine
    from .reputation import Reputation

_log = logging.getLogger("mailfilter")

_WAVE = 16
"""Mails of a batch that share one length of the deadline: a batch of 64 gets four times a single mail's."""

_BATCH_BYTES = 16 * 2**20
"""A batch ends once it holds this much raw mail, so that memory does not grow with the size of mails."""

Input = bytes | Message | Mail | tuple[bytes | Message, Envelope]
_Seen = tuple[Rows, Entries]


class FilterChain:
    """Decides what is to be done with a mail.

    ``config``  the settings; ``checks``, ``lookups``, ``greylist``, ``quarantine``, ``counters`` and ``reputation`` are
    built from them unless given; a ``stateless`` chain builds none of the last four and so changes nothing anywhere
    (for archives and trials).  Safe to use from several threads.  Raises `SettingError`, `ModelError` or `StoreError`
    at construction; afterwards content never raises (law 2).
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        checks: Sequence[Check] | None = None,
        lookups: Iterable[Lookup] | None = None,
        greylist: Greylist | None = None,
        quarantine: Quarantine | None = None,
        counters: Counters | None = None,
        reputation: Reputation | None = None,
        stateless: bool = False,
    ) -> None:
        from . import assembly

        self.config = config or Config()
        chosen = assembly.checks(self.config) if checks is None else tuple(checks)
        self.local = tuple(check for check in chosen if isinstance(check, LocalCheck))
        self.asking = tuple(check for check in chosen if isinstance(check, LookupCheck))
        self.catalogue = Catalogue((*assembly.own_symbols(), *(info for check in chosen for info in check.symbols)))
        self.weights = Weights.from_catalogue(
            self.catalogue, self.config.scores, self.config.source, assembly.caps(self.config, reputation is not None)
        )
        self.lookups = {
            lookup.kind: lookup for lookup in (assembly.lookups(self.config) if lookups is None else lookups)
        }
        self.greylist, self.quarantine, self.counters = greylist, quarantine, counters
        self.reputation = reputation
        if not stateless:
            self.counters = counters or assembly.counters(self.config)
            self.greylist = greylist or assembly.greylist(self.config)
            self.quarantine = quarantine or assembly.quarantine(self.config)
            self.reputation = reputation or assembly.reputation(self.config)
            assembly.check_stores(self.config, self.quarantine)
        self.policies = [(policy, Marks.of(self.catalogue, policy)) for policy in assembly.policies(self.config)]
        self.policy, self.marks = self.policies[0]
        self.rules = RuleIndex(self.config.policy_rules())
        self.senders = senders.SenderLists(*self.config.sender_entries(), trust=self.config.trusted())
        self._deciding = Deciding(
            self.config, self.catalogue, self.weights, self.policies, self.rules, bool(self.senders)
        )
        self._declared = {check.name: declared_names(check) for check in chosen}
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
        mails = [_mail((raw, envelope or _NOTHING_KNOWN))]
        return self._deciding.verdicts(mails, *self._noted(mails), self.greylist)[0]

    async def acheck(self, raw: bytes | Message, envelope: Envelope | None = None) -> Verdict:
        """`check` under asyncio: lookups are awaited, so many mails can be in hand at once on one loop."""
        mails = [_mail((raw, envelope or _NOTHING_KNOWN))]
        return (await self._deciding.averdicts(mails, *await self._anoted(mails), self.greylist))[0]

    def check_many(self, mails: Iterable[Input]) -> Iterator[Verdict]:
        """Decide a stream, in its order, in batches; a question that a whole batch shares is asked once."""
        for batch in self.batches(mails):
            with nullcontext() if self.lookups else undisturbed():  # not while somebody is waited for
                verdicts = self._deciding.verdicts(batch, *self._noted(batch), self.greylist)
                batch.clear()
            yield from verdicts

    async def acheck_many(self, mails: Iterable[Input]) -> AsyncIterator[Verdict]:
        """`check_many` under asyncio."""
        for batch in self.batches(mails):
            for verdict in await self._deciding.averdicts(batch, *await self._anoted(batch), self.greylist):
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

    def evaluate(
        self,
        mails: Sequence[Mail],
        recorded: Sequence[Recorded] | None = None,
        more: Sequence[Findings] = (),
    ) -> Batch:
        """Findings, points and decisions of one batch, without greylist state and without words; nothing is counted.

        ``recorded``  per mail, what lookups answered on an earlier day; given that, nothing is asked.  ``more``  per
        mail, symbols of the catalogue that were found elsewhere.
        """
        engine = self._asked(mails, recorded)
        return self._deciding.scored(mails, *self._found(mails, engine, more), engine.answers())

    async def aevaluate(self, mails: Sequence[Mail], more: Sequence[Findings] = ()) -> Batch:
        """`evaluate` under asyncio."""
        engine = await self._aasked(mails)
        return self._deciding.scored(mails, *self._found(mails, engine, more), engine.answers())

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

    def governing(self, envelope: Envelope) -> list[tuple[Policy, Marks]]:
        """The policies that govern mail with this envelope, each with what outranks the score under it.

        One for each policy that a recipient has, in the order of the settings.
        """
        return [self.policies[number] for number in self.rules.numbers(envelope)]

    def rewrite(self, raw: bytes, verdict: Verdict) -> bytes:
        """The mail as it is to be passed on: forged headers removed, the verdict's on top, all else byte for byte.

        Of a disarmed mail that is its replacement.
        """
        raw, name = verdict.replacement or raw, self.config.headers.authserv_id
        added = (*verdict.headers, *report.authentication_results(verdict, name))
        return report.rewrite(raw, added, name, *self.config.authentication.trusted_results)

    def close(self) -> None:
        """Let go of threads, sockets and stores."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        for lookup in self.lookups.values():
            lookup.close()
        for store in (self.greylist, self.quarantine, self.counters, self.reputation):
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
        from concurrent.futures import ThreadPoolExecutor

        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.config.engine.in_flight, "mailfilter-lookup")
            return self._pool

    def _asked(self, mails: Sequence[Mail], recorded: Sequence[Recorded] | None = None) -> Engine:
        """The lookup checks' dialogues about a batch, led to their ends."""
        engine = Engine(self.asking, mails, recorded, self._declared, self.lookups)
        if not engine.done:
            drive(engine, self.lookups, self.deadline(mails), self._threads())
        return engine

    async def _aasked(self, mails: Sequence[Mail]) -> Engine:
        engine = Engine(self.asking, mails, None, self._declared, self.lookups)
        if not engine.done:
            await adrive(engine, self.lookups, self.deadline(mails))
        return engine

    def _noted(self, mails: Sequence[Mail]) -> _Seen:
        """What is found in mails that came: they are counted, and who sent them is noted."""
        found = counted(self.counters, mails)
        engine = self._asked(mails)
        known = reputed(self.reputation, self.greylist, mails, engine.findings)
        return self._found(mails, engine, joined(found, known))

    async def _anoted(self, mails: Sequence[Mail]) -> _Seen:
        """`_noted` without holding up the loop while a store is asked."""
        import asyncio

        found = await asyncio.to_thread(counted, self.counters, mails) if self.counters else ()
        engine = await self._aasked(mails)
        known: Sequence[Findings] = ()
        if self.reputation:
            known = await asyncio.to_thread(reputed, self.reputation, self.greylist, mails, engine.findings)
        return self._found(mails, engine, joined(found, known))

    def _found(self, mails: Sequence[Mail], engine: Engine, more: Sequence[Findings]) -> _Seen:
        """All that is found in each mail, merged, and which entries of the senders' lists it is of."""
        found = engine.findings
        for symbols, others in zip(found, more, strict=False):
            symbols.extend(others)
        for check in self.local:
            for symbols, seen in zip(found, _run(check, self._declared[check.name], mails), strict=True):
                if seen:
                    symbols += seen
        listed = self._listed(mails, found)
        return [by_column(symbols, self.weights.column) for symbols in found], listed

    def _listed(self, mails: Sequence[Mail], found: Sequence[list[Symbol]]) -> Entries:
        """The senders' entries of each mail; what they mean is added to what was found."""
        if not self.senders:
            return []
        listed: list[tuple[senders.Listed, ...]] = []
        for mail, symbols in zip(mails, found, strict=True):
            try:
                listed.append(self.senders.look(mail, symbols))
                symbols.extend(senders.symbols(listed[-1]))
            except Exception as error:
                _log.warning("the lists of senders failed on mail %s: %r", mail.message.digest, error)
                listed.append(())
                symbols.append(failure("senders", error))
        return listed


_NOTHING_KNOWN = Envelope()


def _mail(given: Input) -> Mail:
    if isinstance(given, Mail):
        return given
    raw, envelope = given if isinstance(given, tuple) else (given, _NOTHING_KNOWN)
    return Mail(raw if isinstance(raw, Message) else Message(raw), envelope)


def _run(check: LocalCheck, declared: frozenset[str], mails: Sequence[Mail]) -> list[list[Symbol]]:
    """Run a local check; where it fails on the batch, find out for which mails, and let only those go without."""
    try:
        found = [only_declared(check.name, declared, symbols) if symbols else [] for symbols in check.run(mails)]
        if len(found) != len(mails):
            raise ValueError(f"findings for {len(found)} mails of {len(mails)}")
        return found
    except Exception as error:
        if len(mails) == 1:
            _log.warning("check %s failed on mail %s: %r", check.name, mails[0].message.digest, error)
            _log.debug("check %s failed", check.name, exc_info=True)
            return [[failure(check.name, error)]]
        return [_run(check, declared, [mail])[0] for mail in mails]

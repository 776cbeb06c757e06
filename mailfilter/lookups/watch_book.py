"""What is known of each DNS list, and what follows: is it asked, is it believed, is it to be tested again.

Three things can be wrong with a list.  It does not answer, or refuses: the *circuit breaker* of its zone opens, nobody
asks for a while, then one question finds out.  Its *test points* (RFC 5782 section 5) are wrong: it is not asked until
they are right.  It lists everyone or no one, against its own *history*: it is muted; one question in eight is still
asked, unheard, to learn when that is over.  In each case its answer is "not known" with the reason, never a listing.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..dnslists import DnsList, ListAnswer, ListState
from . import DnsAnswer, DnsQuestion, DnsState
from .watch_rates import LONGEST_HISTORY, NO_ONE, History, suspicion
from .watch_store import WatchStore
from .watch_zone import Probe, Zone, fault_of, own_code, probes

LONGEST_PAUSE = 3600.0
"""Seconds that a breaker stays open at most, however often it has opened."""
TRIAL = 15.0
"""Seconds that the one question of a half-open breaker has."""
SOON = 300.0
"""Seconds after which a list with wrong test points is tested again, unless the interval is shorter."""
SAMPLE = 8
"""Of so many questions to a muted list, one is asked."""
UNTESTED = "its test points gave no answer"
_SYNC = 1.0
"""Seconds between looks into a store that processes share."""
_log = logging.getLogger("mailfilter")


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of the watch.

    ``interval``  seconds between tests; ``failures``  in a row that open the breaker (0: never); ``pause``  seconds
    until it is tried again, doubled each time; ``window``  answers that the base rate is taken from (0: not watched).
    """

    interval: float = 3600.0
    failures: int = 5
    pause: float = 60.0
    window: int = 100


class Book:
    """All zones.  Safe to use from several threads; ``clock`` gives seconds since 1970.

    ``watching``  False: nothing is tested and everything believed; only keys are put into questions.
    """

    def __init__(
        self,
        lists: Iterable[DnsList],
        rules: Rules | None = None,
        store: WatchStore | None = None,
        clock: Callable[[], float] = time.time,
        *,
        watching: bool = True,
    ) -> None:
        self.watching = watching
        self.rules = rules or Rules()
        self.store = store or WatchStore()
        self.clock = clock
        by_zone: dict[str, list[DnsList]] = {}
        for definition in lists:
            if definition.configured:
                by_zone.setdefault(definition.public_zone, []).append(definition)
        self.zones: Mapping[str, Zone] = {
            public: Zone(found[0].shown, public, found[0].asked_zone, tuple(found)) for public, found in by_zone.items()
        }
        self._depths = sorted({zone.count(".") + 1 for zone in self.zones}, reverse=True)
        self._lock = threading.RLock()
        self._read_at = float("-inf")

    def zone_of(self, name: str) -> Zone | None:
        """The zone that a question goes to; None where it is no question to a list."""
        for depth in self._depths:
            labels = name.rsplit(".", depth)
            if len(labels) > depth and (found := self.zones.get(name[len(labels[0]) + 1 :])) is not None:
                return found
        return None

    def sync(self) -> None:
        """See what other processes have found out, now and then."""
        now = self.clock()
        if not self.store.shared or now - self._read_at < _SYNC:
            return
        with self._lock:
            self._read_at = now
            rows = self.store.read()
            for zone in self.zones.values():
                zone.known = rows.get(zone.name, zone.known)

    # ------------------------------------------------------------------------------------------------ before asking
    def withheld(self, zone: Zone, name: str) -> str:
        """Why a question is not asked now, ``""`` if it is."""
        known = zone.known
        if known.fault and not self.due(zone):
            return known.fault
        if known.openings:
            now = self.clock()
            if now < known.open_until or not self._claim_trial(zone, now):
                return known.open_reason
        if known.muted and zlib.crc32(name.encode()) % SAMPLE:
            return known.muted
        return ""

    def due(self, zone: Zone) -> bool:
        """Whether the test points are to be asked."""
        known = zone.known
        interval = min(SOON, self.rules.interval) if known.fault else self.rules.interval
        return self.clock() - known.probed_at >= interval

    def claim_probes(self, zone: Zone) -> tuple[Probe, ...]:
        """The test points, if they are due and nobody else is at them; a list that was never tested everybody tests."""
        if not self.due(zone):
            return ()
        now = self.clock()
        if zone.known.probed_at and not self._claim(zone, "probing", now, now + TRIAL):
            return ()
        return probes(zone)

    def _claim_trial(self, zone: Zone, now: float) -> bool:
        zone.trial = self._claim(zone, "open_until", now, now + TRIAL)
        return zone.trial

    def _claim(self, zone: Zone, column: str, now: float, until: float) -> bool:
        with self._lock:
            if getattr(zone.known, column) > now:
                return False
            setattr(zone.known, column, until)
            return self.store.claim(zone.name, column, now, until)

    # ------------------------------------------------------------------------------------------------ after asking
    def learn(self, zone: Zone, question: DnsQuestion, answer: DnsAnswer) -> str:
        """Take an answer in; returns why it is not to be believed, ``""`` if it is."""
        read = zone.read(answer)
        with self._lock:
            if read.state.known:
                self._works(zone)
                self._count(zone, question.name, read.state is ListState.LISTED)
            elif read.state is ListState.REFUSED and answer.state is DnsState.FOUND:
                self._open(zone, f"it refuses: {read.detail}")
            elif read.state is not ListState.DISABLED and not own_code(read, answer):
                self._fails(zone, read)
            return self.doubt(zone)

    def doubt(self, zone: Zone) -> str:
        """Why an answer of this zone is not to be believed, ``""`` if it is."""
        known = zone.known
        return known.fault or known.muted or ("" if known.probed_at else UNTESTED)

    def learn_probes(self, zone: Zone, answers: Mapping[Probe, DnsAnswer], seconds: float) -> None:
        """Take in what the test points gave; a list that does not answer is the breaker's matter."""
        found = [(probe, zone.read(answer), answer) for probe, answer in answers.items()]
        silent = [entry for entry in found if entry[2].state not in (DnsState.FOUND, DnsState.NOT_FOUND)]
        fault = next((said for probe, read, answer in found if (said := fault_of(probe, read, answer))), "")
        now = self.clock()
        with self._lock:
            known, zone.unheard = zone.known, secrets.token_hex(10)
            if silent and not fault:
                self._fails(zone, silent[0][1])
                if known.probed_at:
                    known.probed_at = now - self.rules.interval + min(SOON, self.rules.interval)
                    self.store.write(zone.name, probed_at=known.probed_at, probing=0.0)
                return
            if fault != known.fault:
                if fault:
                    _log.warning("DNS list %s is not asked: %s", zone.name, fault)
                else:
                    _log.warning("DNS list %s is asked again: its test points are right", zone.name)
            known.fault, known.probed_at, known.latency = fault, now, seconds
            self.store.write(zone.name, fault=fault, probed_at=now, probing=0.0, latency=seconds)

    def _works(self, zone: Zone) -> None:
        zone.failures, zone.trial = 0, False
        if zone.known.openings:
            zone.known.openings, zone.known.open_until, zone.known.open_reason = 0, 0.0, ""
            self.store.write(zone.name, openings=0, open_until=0.0, open_reason="")
            _log.warning("DNS list %s answers again", zone.name)

    def _fails(self, zone: Zone, read: ListAnswer) -> None:
        zone.failures += 1
        if zone.known.openings or zone.failures >= self.rules.failures:
            said = f"{read.state.value} ({read.detail})" if read.detail else read.state.value
            self._open(zone, f"failures in a row: {zone.failures}, the last: {said}")

    def _open(self, zone: Zone, reason: str) -> None:
        known, now = zone.known, self.clock()
        if not self.rules.failures or (known.openings and not zone.trial and now < known.open_until):
            return
        zone.trial = False
        known.openings += 1
        known.open_until = now + min(self.rules.pause * 2 ** min(known.openings - 1, 10), LONGEST_PAUSE)
        known.open_reason = f"broken: {reason}"
        self.store.write(zone.name, openings=known.openings, open_until=known.open_until, open_reason=known.open_reason)
        _log.warning("DNS list %s is %s; not asked for %.0f s", zone.name, known.open_reason, known.open_until - now)

    def _count(self, zone: Zone, name: str, listed: bool) -> None:
        if not self.rules.window:
            return
        window, known = zone.window, zone.known
        window.add(name, listed)
        history = History(known.asked, known.listed)
        found = suspicion(window, history)
        if known.muted and not found:
            over = listed if NO_ONE in known.muted else len(window.seen) >= min(32, self.rules.window)
            if over:
                self._mute(zone, "")
        elif found and found not in known.muted:
            share = window.listed / len(window.seen)
            usual = history.listed / history.asked
            seen = f"{share:.0%} of {len(window.seen)} where {usual:.0%} is usual"
            self._mute(zone, f"it lists {found}: {seen}")
        if len(window.seen) >= self.rules.window:
            if not known.muted:
                history.add(len(window.seen), window.listed)
                known.asked, known.listed = history.asked, history.listed
                self.store.add(zone.name, len(window.seen), window.listed, LONGEST_HISTORY)
            window.clear()

    def _mute(self, zone: Zone, reason: str) -> None:
        zone.known.muted = reason
        zone.window.clear()
        self.store.write(zone.name, muted=reason)
        _log.warning("DNS list %s %s", zone.name, f"is muted: {reason}" if reason else "is believed again")

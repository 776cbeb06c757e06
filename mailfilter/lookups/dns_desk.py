"""What a blocking and an awaited conversation with resolvers have in common: the cache, and joined questions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from . import DnsAnswer, DnsQuestion, DnsState
from .dns_cache import DnsCache
from .dns_exchange import Exchange
from .dns_flight import Ended
from .dns_servers import Health, InFlight, Joined, Nameserver
from .dns_sockets import Poller, Sockets

Pair = tuple[DnsQuestion, DnsAnswer]


@dataclass(frozen=True, slots=True)
class Shared:
    """What all conversations of one lookup share, of all threads and loops."""

    servers: tuple[Nameserver, ...]
    patience: float
    cache: DnsCache
    in_flight: InFlight
    health: Health = field(default_factory=Health)
    joined: Joined = field(default_factory=Joined)


class Desk:
    """Questions in, answers out, for one thread or one event loop.

    ``wake`` is called, from any thread, when somebody else has the answer to a question that is waited for here;
    `collect` then gives it.
    """

    def __init__(self, shared: Shared, poller: Poller, wake: Callable[[], None]) -> None:
        self.exchange = Exchange(shared.servers, shared.health, shared.in_flight, shared.patience)
        self._sockets = Sockets(self.exchange, poller)
        self._shared = shared
        self._wake = wake
        self._told: deque[tuple[DnsQuestion, DnsAnswer | None]] = deque()

    def known(self, question: DnsQuestion) -> DnsAnswer | None:
        """What the cache has."""
        return self._shared.cache.get(question)

    def ask(self, question: DnsQuestion, until: float, now: float) -> bool:
        """Ask, or wait for whoever is asking this already; returns whether it is asked here.  Not to be asked twice."""
        ours = self._shared.joined.claim(question, self._tell, until, now)
        if ours:
            self.exchange.ask(question, until, now)
        else:
            self.exchange.hold(question, until)
        return ours

    def collect(self, now: float) -> list[Ended]:
        """Do what is due, send what is to be sent, and take what has ended."""
        exchange, shared = self.exchange, self._shared
        while self._told:
            self._hear(*self._told.popleft(), now)
        exchange.tick(now)
        self._sockets.carry_out(now)
        if not exchange.ended:
            return []
        ended, exchange.ended = exchange.ended, []
        for question, answer, ours in ended:
            if ours:
                shared.cache.put(question, answer)
                shared.joined.settle(question, answer)
        return ended

    def rest(self) -> None:
        """Close all sockets if nothing is under way."""
        if not self.exchange.under_way:
            self._sockets.close()

    def drop(self, questions: Iterable[DnsQuestion], now: float) -> None:
        """Nobody here wants these any more; who waits for them elsewhere asks then."""
        for question in questions:
            if self.exchange.drop(question, now):
                self._shared.joined.settle(question, None)
        self._sockets.carry_out(now)

    def abandon(self) -> None:
        """Whoever ran this is gone, with its sockets: others may ask its questions."""
        for question in self.exchange.questions:
            if self.exchange.drop(question, 0.0):
                self._shared.joined.settle(question, None)
        self._sockets.abandon()

    def _tell(self, question: DnsQuestion, answer: DnsAnswer | None) -> None:
        self._told.append((question, answer))
        self._wake()

    def _hear(self, question: DnsQuestion, answer: DnsAnswer | None, now: float) -> None:
        """An answer from elsewhere; where they have run out of time and we have not, it is asked here."""
        until = self.exchange.holds(question)
        if until is None:
            return
        if answer is not None and (answer.state is not DnsState.TIMEOUT or until <= now):
            self.exchange.settle(question, answer)
        else:
            self.exchange.drop(question, now)
            self.ask(question, until, now)

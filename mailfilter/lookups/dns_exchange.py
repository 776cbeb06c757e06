"""Many DNS questions to several resolvers as one state machine, without a socket and without a clock.

Told what was asked, what came in, what could not be sent and how late it is, it says what to send where and when to
be told the time again.  `mailfilter.lookups.dns_sockets` moves the bytes, the same for threads and for asyncio.

Against forged replies (RFC 5452) every question has a random number and goes out through a port that few others
share; a reply counts only with the right number, on the right port, from a server that was asked, to the very question.
"""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Sequence

from . import DnsAnswer, DnsQuestion, DnsState
from .dns_flight import Ended, Flight, Port, Ports, Send
from .dns_names import NotAskableError
from .dns_servers import Health, InFlight, Nameserver
from .dns_wire import Reading, make_query, read_reply

NEVER = float("inf")
_TURN = 0.02
"""Seconds after which a question that waits for its turn looks again."""
_LATE = "no answer before the deadline"


class Exchange:
    """All questions that one thread or one event loop has under way.

    After every call the driver carries out ``sends``, closes the sockets of ``ports.closes`` and the streams of
    ``dropped``, and hands out ``ended``; `due` says when `tick` is to be called.  Times are seconds of one clock.
    """

    def __init__(self, servers: Sequence[Nameserver], health: Health, in_flight: InFlight, patience: float) -> None:
        self.sends: list[Send] = []
        self.dropped: list[Flight] = []
        self.ended: list[Ended] = []
        self._servers = tuple(servers)
        self._health = health
        self._in_flight = in_flight
        self._patience = patience
        self._flights: dict[DnsQuestion, Flight] = {}
        self._idents: dict[int, Flight] = {}
        self._queue: deque[Flight] = deque()
        self._turning = False
        self._turn_at = NEVER
        self._timers: list[tuple[float, int, Flight]] = []
        self._timer_count = 0
        self.ports = Ports()

    @property
    def questions(self) -> tuple[DnsQuestion, ...]:
        """All that is waited for."""
        return tuple(self._flights)

    @property
    def under_way(self) -> int:
        """Questions that have been sent and not answered."""
        return len(self._idents)

    # ------------------------------------------------------------------------------------------------ questions
    def ask(self, question: DnsQuestion, until: float, now: float) -> None:
        """Ask, or go on asking until the later of two deadlines."""
        if question in self._flights:
            self.extend(question, until)
            return
        try:
            query = make_query(question)
        except NotAskableError as error:
            self.ended.append(Ended(question, DnsAnswer(DnsState.MALFORMED, detail=str(error)), True))
            return
        if not self._servers:
            detail = "no nameserver is configured, and the system names none"
            self.ended.append(Ended(question, DnsAnswer(DnsState.DISABLED, detail=detail), True))
            return
        flight = self._flights[question] = Flight(question, query, until)
        if not self._queue and self._in_flight.take(own=len(self._idents)):
            self._begin(flight, now)
        else:
            self._queue.append(flight)
            self._turn_at = min(self._turn_at, now + _TURN)
            self._set_timer(flight, until)

    def hold(self, question: DnsQuestion, until: float) -> None:
        """Wait for the answer to a question that somebody else asks; `settle` hands it in."""
        flight = self._flights[question] = Flight(question, None, until)
        self._set_timer(flight, until)

    def holds(self, question: DnsQuestion) -> float | None:
        """Until when this question is waited for, where somebody else asks it."""
        flight = self._flights.get(question)
        return flight.until if flight is not None and flight.query is None else None

    def settle(self, question: DnsQuestion, answer: DnsAnswer) -> None:
        """What somebody else was told; nothing where that is not waited for."""
        flight = self._flights.get(question)
        if flight is not None and flight.query is None:
            self._end(flight, answer, 0.0)

    def extend(self, question: DnsQuestion, until: float) -> None:
        """Wait longer, never shorter."""
        flight = self._flights[question]
        if until > flight.until:
            flight.until = until
            if flight.port is None:
                self._set_timer(flight, until)

    def drop(self, question: DnsQuestion, now: float) -> bool:
        """Nobody wants the answer any more.  Returns whether it was asked here."""
        flight = self._flights.get(question)
        if flight is None:
            return False
        self._end(flight, None, now)
        return flight.query is not None

    # ------------------------------------------------------------------------------------------------ events
    def received(self, port: Port, server: Nameserver, wire: bytes, now: float) -> None:
        """A datagram came in; one that answers nothing is passed over, for the answer may still follow a forged one."""
        flight = self._idents.get(wire[0] << 8 | wire[1]) if len(wire) > 1 else None
        if flight is None or flight.port is not port or server not in flight.sent:
            self._note_stray(port, server, wire)
        else:
            self._read(flight, server, wire, now)

    def unreachable(self, port: Port, server: Nameserver, reason: str, now: float) -> None:
        """The system says that nobody listens there, or that there is no way to it."""
        answer = DnsAnswer(DnsState.TIMEOUT, detail=f"{server}: {reason}")
        for flight in list(self._idents.values()):
            if flight.port is port and server in flight.sent and flight.streaming != server:
                self._failed(flight, server, answer, now)

    def streamed(self, flight: Flight, server: Nameserver, reply: bytes | str, now: float) -> None:
        """What TCP brought: a whole message, or why there is none."""
        if flight.done or flight.streaming != server:
            return
        flight.streaming = None
        assert flight.query is not None
        if isinstance(reply, str):
            detail = f"{server}: truncated, and not to be had by TCP: {reply}"
            self._failed(flight, server, DnsAnswer(DnsState.MALFORMED, detail=detail), now)
            return
        reading = read_reply(reply, flight.query)
        if isinstance(reading, Reading):
            reading = DnsAnswer(DnsState.MALFORMED, detail=f"by TCP, {reading.value}")
        self._take(flight, server, reading, now)

    def due(self) -> float:
        """When `tick` is to be called next; `NEVER` if nothing is waited for."""
        timers = self._timers
        while timers and (timers[0][2].done or timers[0][2].due != timers[0][0]):
            heapq.heappop(timers)
        return min(timers[0][0], self._turn_at) if timers else NEVER

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._turn_at <= now:
            self._turn_at = NEVER
            self._next_in_queue(now)
            if self._queue:
                self._turn_at = now + _TURN
        while self.due() <= now:
            flight = heapq.heappop(self._timers)[2]
            if flight.port is not None:
                self._silent(flight, now)
            else:
                self._end(flight, DnsAnswer(DnsState.TIMEOUT, detail=_LATE), now)

    # ------------------------------------------------------------------------------------------------ one question
    def _begin(self, flight: Flight, now: float) -> None:
        ident = None
        while ident is None or ident in self._idents:
            chance = os.urandom(3)
            ident = chance[0] << 8 | chance[1]
        flight.port = self.ports.take(chance[2], len(self._idents))
        assert flight.query is not None
        flight.query.number(ident)
        self._idents[ident] = flight
        flight.waiting = self._health.in_order(self._servers, now)
        flight.round, flight.patience = tuple(flight.waiting), self._patience
        self._next_visit(flight, now)

    def _next_visit(self, flight: Flight, now: float) -> None:
        """The next server's turn, with an even share of the time that is left; after the last the first again."""
        flight.number += 1
        if flight.number >= len(flight.round):
            flight.round, flight.number = tuple(flight.waiting), 0
            flight.patience *= 2
        left = flight.until - now
        if not flight.round or left < 0.001:
            self._end(flight, flight.failure or _silence(flight), now)
            return
        share = left / (len(flight.round) - flight.number)
        server = flight.server
        flight.share_end = now + share
        if server not in flight.sent:
            flight.sent = (*flight.sent, server)
        self._set_timer(flight, now + min(share, flight.patience))
        assert flight.query is not None
        self.sends.append(Send(flight, server, flight.query.wire, flight.port))

    def _read(self, flight: Flight, server: Nameserver, wire: bytes, now: float) -> None:
        query = flight.query
        assert query is not None
        reading = read_reply(wire, query)
        if isinstance(reading, DnsAnswer):
            self._take(flight, server, reading, now)
        elif server != flight.server or flight.streaming is not None:
            return  # its turn is over, or it is asked by TCP already
        elif reading is Reading.TRUNCATED:
            flight.streaming = server
            self._set_timer(flight, flight.share_end)
            self.sends.append(Send(flight, server, query.wire, None))
        elif reading is Reading.NO_EDNS:
            flight.query = query = query.plain()
            self.sends.append(Send(flight, server, query.wire, flight.port))

    def _take(self, flight: Flight, server: Nameserver, answer: DnsAnswer, now: float) -> None:
        if answer.state.known:
            self._health.well(server)
            self._end(flight, answer, now)
        else:
            self._failed(flight, server, DnsAnswer(answer.state, detail=f"{server}: {answer.detail}"), now)

    def _failed(self, flight: Flight, server: Nameserver, answer: DnsAnswer, now: float) -> None:
        """A server is not to be asked again about this; the most telling failure is kept."""
        if flight.done:
            return
        if answer.state is DnsState.TIMEOUT:
            self._health.shun(server, now)
        if flight.failure is None or flight.failure.state is DnsState.TIMEOUT:
            flight.failure = answer
        current = server == flight.server
        if server in flight.waiting:
            flight.waiting.remove(server)
        if current:
            self._close_stream(flight)
            self._next_visit(flight, now)

    def _silent(self, flight: Flight, now: float) -> None:
        """A server has used up its time."""
        server = flight.server
        if flight.streaming == server:
            detail = f"{server}: truncated, and no answer by TCP in time"
            self._failed(flight, server, DnsAnswer(DnsState.TIMEOUT, detail=detail), now)
        else:
            self._health.shun(server, now)
            self._next_visit(flight, now)

    def _note_stray(self, port: Port, server: Nameserver, wire: bytes) -> None:
        """Remember of a reply with a wrong number which question it pretends to answer."""
        for flight in self._idents.values():
            query = flight.query
            if flight.port is port and query is not None and wire.startswith(query.asked, 12):
                flight.stray = server

    # ------------------------------------------------------------------------------------------------ the end of one
    def _end(self, flight: Flight, answer: DnsAnswer | None, now: float) -> None:
        flight.done = True
        del self._flights[flight.question]
        if answer is not None:
            self.ended.append(Ended(flight.question, answer, flight.query is not None))
        self._close_stream(flight)
        port, query = flight.port, flight.query
        if port is None or query is None:
            return
        del self._idents[query.ident]
        self._in_flight.give()
        self.ports.give(port)
        if self._queue:
            self._next_in_queue(now)

    def _close_stream(self, flight: Flight) -> None:
        if flight.streaming is not None:
            flight.streaming = None
            self.dropped.append(flight)

    def _next_in_queue(self, now: float) -> None:
        if self._turning:
            return  # what begins can end at once and come here again
        self._turning = True
        while self._queue:
            if self._queue[0].done:
                self._queue.popleft()
            elif self._in_flight.take(own=len(self._idents)):
                self._begin(self._queue.popleft(), now)
            else:
                break
        self._turning = False

    def _set_timer(self, flight: Flight, due: float) -> None:
        flight.due = due
        self._timer_count += 1
        heapq.heappush(self._timers, (due, self._timer_count, flight))

    def rest(self) -> None:
        """Give up all ports, if nothing is under way."""
        if not self._idents:
            self.ports.rest()


def _silence(flight: Flight) -> DnsAnswer:
    if flight.stray is None:
        return DnsAnswer(DnsState.TIMEOUT, detail=_LATE)
    return DnsAnswer(DnsState.MALFORMED, detail=f"{flight.stray}: only replies to something else before the deadline")

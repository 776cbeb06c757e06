"""DNS questions to a list of resolvers, blocking and under asyncio.

One dialogue, a generator without a socket, decides whom to ask, how long to wait and what a reply is worth; two thin
drivers do what it says.  Every question has a socket of its own, connected, so that the system's random port guards
against forged answers (RFC 5452) and tells at once when nobody listens, which dnspython's resolver does not notice.
What was measured is in ``docs/decisions/0003-dns.md``.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Sequence
from typing import Any

from ..deadline import Deadline
from . import DnsAnswer, DnsQuestion, DnsState
from ._limit import LoopLimit
from .dns_cache import DnsCache
from .dns_names import NotAskableError
from .dns_servers import Nameserver, parse_nameserver, system_nameservers
from .dns_transport import Event, Step, adrive, drive
from .dns_wire import Query, Reading, make_query, read_reply

SHUN_SECONDS = 30.0
"""For so long a server that did not answer is asked only after the others."""


Dialogue = Generator[Step, Event, DnsAnswer]


class DnsLookup:
    """Answers `DnsQuestion` by asking recursive resolvers.

    ``nameservers``  ``192.0.2.1``, ``192.0.2.1:5353``, ``2001:db8::1``, ``[2001:db8::1]:53``, in order of preference;
    with none, those of the system (``/etc/resolv.conf``) are looked up at the first question.
    ``patience``  seconds to wait for a reply before the next server is asked, or the same one again; doubled with
    every round, and never more than an even share of the time that is left.
    ``cache``  may be shared; by default each lookup has its own.
    ``max_questions``  questions that one event loop has under way at once; more wait their turn.

    Raises `SettingError` for a nameserver that is no address.
    """

    kind: type[Any] = DnsQuestion

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        *,
        patience: float = 1.0,
        cache: DnsCache | None = None,
        max_questions: int = 256,
    ) -> None:
        self._servers = tuple(parse_nameserver(text) for text in nameservers)
        self._patience = patience
        self.cache = DnsCache() if cache is None else cache
        self._limit = LoopLimit(max_questions)
        self._shunned: dict[Nameserver, float] = {}

    @property
    def servers(self) -> tuple[Nameserver, ...]:
        """The resolvers that are asked; empty where the system names none."""
        if not self._servers:
            self._servers = system_nameservers()
        return self._servers

    def ask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        """Answer one question, blocking."""
        known = self.cache.get(question)
        if known is not None:
            return known
        answer = drive(self._dialogue(question, deadline))
        self.cache.put(question, answer)
        return answer

    async def aask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        """Answer one question under asyncio."""
        known = self.cache.get(question)
        if known is not None:
            return known
        if not await self._limit.acquire(deadline.remaining()):
            return DnsAnswer(DnsState.TIMEOUT, detail="no turn to ask before the deadline")
        try:
            answer = await adrive(self._dialogue(question, deadline))
        finally:
            self._limit.release()
        self.cache.put(question, answer)
        return answer

    def close(self) -> None:
        """Nothing is kept open between questions; the cache stays."""

    def _dialogue(self, question: DnsQuestion, deadline: Deadline) -> Dialogue:
        """Ask the servers in turn, round after round, until one knows or all have failed for good."""
        try:
            query = make_query(question, secrets.randbits(16))
        except NotAskableError as error:
            return DnsAnswer(DnsState.MALFORMED, detail=str(error))
        waiting = self._in_order()
        if not waiting:
            return DnsAnswer(DnsState.DISABLED, detail="no nameserver is configured, and the system names none")
        failure: DnsAnswer | None = None
        silence = DnsAnswer(DnsState.TIMEOUT, detail="no answer before the deadline")
        patience = self._patience
        while waiting and not deadline.expired:
            servers = tuple(waiting)
            for number, server in enumerate(servers):
                share = deadline.remaining() / (len(servers) - number)
                outcome = yield from _visit(server, query, min(patience, share), share)
                if outcome is None or outcome is Reading.ANOTHER:
                    silence = silence if outcome is None else _only_strays(server)
                    self._shun(server)
                    continue
                assert isinstance(outcome, DnsAnswer)
                if outcome.state.known:
                    self._shunned.pop(server, None)
                    return outcome
                waiting.remove(server)
                if outcome.state is DnsState.TIMEOUT:
                    self._shun(server)
                if failure is None or failure.state is DnsState.TIMEOUT:
                    failure = outcome
            patience *= 2
        return failure or silence

    def _shun(self, server: Nameserver) -> None:
        self._shunned[server] = time.monotonic() + SHUN_SECONDS

    def _in_order(self) -> list[Nameserver]:
        """The servers, those that have just failed to answer last."""
        if not self._shunned:
            return list(self.servers)
        now = time.monotonic()
        return sorted(self.servers, key=lambda server: self._shunned.get(server, 0.0) > now)


def _visit(
    server: Nameserver, query: Query, seconds: float, share: float
) -> Generator[Step, Event, DnsAnswer | Reading | None]:
    """Ask one server once and wait ``seconds``, or up to ``share`` where it has to be asked by TCP.

    None when it stays silent; ``Reading.ANOTHER`` when nothing came but replies to something else, which are passed
    over because the answer may still follow a forged one.
    """
    begun = time.monotonic()
    silence: Reading | None = None
    event = yield Step(server, query.wire, seconds)
    while event is not None:
        if isinstance(event, str):
            return DnsAnswer(DnsState.TIMEOUT, detail=f"{server}: {event}")
        reading = read_reply(event, query)
        if isinstance(reading, DnsAnswer):
            return reading if reading.state.known else _from(server, reading)
        if reading is Reading.TRUNCATED:
            return (yield from _visit_by_tcp(server, query, begun + share - time.monotonic()))
        left = begun + seconds - time.monotonic()
        if left <= 0:
            return reading if reading is Reading.ANOTHER else silence
        if reading is Reading.NO_EDNS:
            query = query.plain()
            event = yield Step(server, query.wire, left)
        else:
            silence = reading
            event = yield Step(server, b"", left)
    return silence


def _from(server: Nameserver, answer: DnsAnswer) -> DnsAnswer:
    return DnsAnswer(answer.state, detail=f"{server}: {answer.detail}")


def _only_strays(server: Nameserver) -> DnsAnswer:
    return DnsAnswer(DnsState.MALFORMED, detail=f"{server}: only replies to something else before the deadline")


def _visit_by_tcp(server: Nameserver, query: Query, seconds: float) -> Generator[Step, Event, DnsAnswer]:
    """The same question over TCP, after a reply that did not fit (RFC 7766)."""
    event = yield Step(server, query.wire, seconds, tcp=True)
    if event is None:
        return DnsAnswer(DnsState.TIMEOUT, detail=f"{server}: truncated, and no answer by TCP in time")
    if isinstance(event, str):
        return DnsAnswer(DnsState.MALFORMED, detail=f"{server}: truncated, and not to be had by TCP: {event}")
    reading = read_reply(event, query)
    if isinstance(reading, DnsAnswer):
        return reading if reading.state.known else _from(server, reading)
    return DnsAnswer(DnsState.MALFORMED, detail=f"{server}: by TCP, {reading.value}")

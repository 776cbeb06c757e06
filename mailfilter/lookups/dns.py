"""DNS questions to a list of resolvers, blocking and under asyncio, one or many at once.

One state machine (`dns_exchange`) decides whom to ask, how long to wait and what a reply is worth; `dns_talk` moves its
bytes for a thread, `dns_loop` for an event loop.  What was measured is in ``docs/decisions/0003-dns.md``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from ..deadline import Deadline
from . import DnsAnswer, DnsQuestion, DnsState
from .dns_cache import DnsCache
from .dns_desk import Shared
from .dns_loop import DnsLoop, Done
from .dns_servers import InFlight, Nameserver, parse_nameserver, system_nameservers
from .dns_talk import DnsTalk

_LATE = DnsAnswer(DnsState.TIMEOUT, detail="no answer before the deadline")


class DnsLookup:
    """Answers `DnsQuestion` by asking recursive resolvers.

    ``nameservers``  ``192.0.2.1``, ``192.0.2.1:5353``, ``2001:db8::1``, ``[2001:db8::1]:53``, in order of preference;
    with none, those of the system (``/etc/resolv.conf``) are looked up at the first question.
    ``patience``  seconds to wait for a reply before the next server is asked, or the same one again; doubled with
    every round, and never more than an even share of the time that is left.
    ``cache``  may be shared; by default each lookup has its own.
    ``max_questions``  questions that are under way at once; more wait their turn.

    A question that somebody asks already, in whatever thread or task, is not asked a second time: its answer is
    shared.  Raises `SettingError` for a nameserver that is no address.
    """

    kind: type[Any] = DnsQuestion

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        *,
        patience: float = 1.0,
        cache: DnsCache | None = None,
        max_questions: int = 128,
    ) -> None:
        self._servers = tuple(parse_nameserver(text) for text in nameservers)
        self._patience = patience
        self.cache = DnsCache() if cache is None else cache
        self._in_flight = InFlight(max_questions)
        self._shared: Shared | None = None
        self._lock = threading.Lock()
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, DnsLoop] = WeakKeyDictionary()

    @property
    def servers(self) -> tuple[Nameserver, ...]:
        """The resolvers that are asked; empty where the system names none."""
        if not self._servers:
            self._servers = system_nameservers()
        return self._servers

    @property
    def asked(self) -> int:
        """Questions that have been sent so far: neither known already nor asked by somebody else at that moment."""
        return self._in_flight.total

    def talk(self) -> DnsTalk:
        """A blocking conversation, for one thread; to be closed."""
        if self._loops:
            self._sweep()
        return DnsTalk(self._common())

    def ask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        """Answer one question, blocking."""
        known = self.cache.get(question)
        return self.ask_many((question,), deadline)[0] if known is None else known

    def ask_many(self, questions: Sequence[DnsQuestion], deadline: Deadline) -> list[DnsAnswer]:
        """Answer questions in their order, blocking; all are under way at once."""
        answers: dict[DnsQuestion, DnsAnswer] = {}
        open_ones = set(questions)
        with self.talk() as talk:
            talk.start(open_ones, deadline)
            while open_ones:
                found = talk.wait(deadline.remaining())
                answers.update(found)
                open_ones.difference_update(question for question, _ in found)
                if not found and deadline.expired:
                    break
        return [answers.get(question, _LATE) for question in questions]

    def start(self, questions: Sequence[DnsQuestion], deadline: Deadline, done: Done) -> None:
        """Under asyncio: ask these, and call ``done(question, answer)`` for each; no task is needed."""
        self._here().start(questions, deadline, done)

    def leave(self, questions: Sequence[DnsQuestion], done: Done) -> None:
        """Under asyncio: ``done`` does not want the answers to these any more."""
        self._here().leave(questions, done)

    async def aask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        """Answer one question under asyncio."""
        known = self.cache.get(question)
        return (await self.aask_many((question,), deadline))[0] if known is None else known

    async def aask_many(self, questions: Sequence[DnsQuestion], deadline: Deadline) -> list[DnsAnswer]:
        """Answer questions in their order under asyncio; all are under way at once."""
        answers: dict[DnsQuestion, DnsAnswer] = {}
        open_ones = set(questions)
        complete = asyncio.get_running_loop().create_future()

        def done(question: DnsQuestion, answer: DnsAnswer) -> None:
            answers[question] = answer
            open_ones.discard(question)
            if not open_ones and not complete.done():
                complete.set_result(None)

        here = self._here()
        try:
            here.start(tuple(open_ones), deadline, done)
            if open_ones:
                async with asyncio.timeout(deadline.remaining()):
                    await complete
        except TimeoutError:
            pass
        finally:
            here.leave(tuple(open_ones), done)
        return [answers.get(question, _LATE) for question in questions]

    def close(self) -> None:
        """Nothing is kept open between questions; the cache stays."""

    def _common(self) -> Shared:
        if self._shared is None:
            self._shared = Shared(self.servers, self._patience, self.cache, self._in_flight)
        return self._shared

    def _here(self) -> DnsLoop:
        """The running loop's conversation."""
        loop = asyncio.get_running_loop()
        found = self._loops.get(loop)
        if found is None:
            self._sweep()
            with self._lock:
                found = self._loops[loop] = DnsLoop(self._common(), loop)
        return found

    def _sweep(self) -> None:
        """Give up what loops have left that were closed while something was under way."""
        with self._lock:
            closed = [loop for loop in list(self._loops) if loop.is_closed()]
            left = [self._loops.pop(loop) for loop in closed]
        for one in left:
            one.abandon()

"""Watching over DNS lists: a DNS look-up that knows which lists are broken, and does not pass on what they say.

It stands in front of `DnsLookup`.  A question to a list that is out of order is answered at once with
`DnsState.DISABLED` and the reason; a list that is to be tested has its test points asked beside the first question,
which waits for them.  All else goes through.  `watch_book` decides; this file carries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..deadline import Deadline
from ..dnslists import chosen_lists
from ..dnslists.reading import MUTED
from . import DnsAnswer, DnsQuestion, DnsState, Talk
from .dns import DnsLookup
from .watch_book import Book, Rules
from .watch_store import WatchStore
from .watch_zone import Probe, Zone

if TYPE_CHECKING:
    from ..config import Config

Pair = tuple[DnsQuestion, DnsAnswer]
Done = Callable[[DnsQuestion, DnsAnswer], None]
_LATE = DnsAnswer(DnsState.TIMEOUT, detail="no answer before the deadline")


class Session:
    """One conversation: which questions are passed on, and what becomes of their answers.  No I/O.

    Keys of lists are put into questions here and taken out again: what comes in and goes out has none.
    """

    def __init__(self, book: Book, known: Callable[[DnsQuestion], DnsAnswer | None], deadline: Deadline) -> None:
        self._book, self._known, self._deadline = book, known, deadline
        self._zones: dict[DnsQuestion, Zone] = {}
        self._named: dict[DnsQuestion, DnsQuestion] = {}
        self._tests: dict[str, _Test] = {}
        self._probes: dict[DnsQuestion, str] = {}
        self.open: dict[DnsQuestion, None] = {}
        """What was passed on and is not answered."""

    def begin(self, questions: Iterable[DnsQuestion]) -> tuple[list[DnsQuestion], list[Pair]]:
        """What is to be asked, and what is answered already."""
        book, ask, answered = self._book, list[DnsQuestion](), list[Pair]()
        book.sync()
        for question in questions:
            zone = book.zone_of(question.name)
            real = question if zone is None else zone.real(question)
            if real is not question:
                self._named[real] = question
            if zone is None or question.rdtype != "A" or not book.watching:
                ask.append(real)
            elif reason := book.withheld(zone, question.name):
                answered.append((question, _withheld(reason)))
            else:
                self._zones[real] = zone
                ask += self._test(zone)
                answer = self._known(real)
                if answer is None:
                    ask.append(real)
                else:
                    answered += self.take(real, answer, new=False)
        ask = [question for question in dict.fromkeys(ask) if question not in self.open]
        self.open.update(dict.fromkeys(ask))
        return ask, answered

    def _test(self, zone: Zone) -> list[DnsQuestion]:
        """The test points' questions, where they are due; the conversation waits for them, so that they are heard."""
        if zone.name in self._tests:
            return []
        found = self._book.claim_probes(zone)
        if found:
            self._tests[zone.name] = _Test(zone, found)
            self._probes.update({probe.question: zone.name for probe in found})
        return [probe.question for probe in found]

    def take(self, question: DnsQuestion, answer: DnsAnswer, new: bool = True) -> list[Pair]:
        """An answer has come: the answers that may be handed out now."""
        self.open.pop(question, None)
        name, zone = self._probes.pop(question, None), self._zones.get(question)
        released = [] if name is None else self._tested(self._tests[name], question, answer)
        if zone is None:
            return released if name is not None else [(self._named.get(question, question), answer)]
        test = self._tests.get(zone.name)
        if test is not None and test.missing:
            test.held.append((question, answer, new))
        else:
            released.append(self._judged(zone, question, answer, new))
        return released

    def end(self) -> None:
        """Nobody waits any more: what was not answered by the deadline is counted as silence."""
        if self._deadline.expired:
            for question in tuple(self.open):
                self.take(question, _LATE)

    def _tested(self, test: _Test, question: DnsQuestion, answer: DnsAnswer) -> list[Pair]:
        test.answers[test.missing.pop(question)] = answer
        if test.missing:
            return []
        self._book.learn_probes(test.zone, test.answers, time.monotonic() - test.begun)
        return [self._judged(test.zone, *held) for held in test.held]

    def _judged(self, zone: Zone, question: DnsQuestion, answer: DnsAnswer, new: bool) -> Pair:
        reason = self._book.learn(zone, question, answer) if new else self._book.doubt(zone)
        given = self._named.get(question, question)
        return given, _withheld(reason) if reason and answer.state.known else answer


class _Test:
    """The test points of one zone while they are asked."""

    __slots__ = ("answers", "begun", "held", "missing", "zone")

    def __init__(self, zone: Zone, probes: Sequence[Probe]) -> None:
        self.zone = zone
        self.begun = time.monotonic()
        self.missing = {probe.question: probe for probe in probes}
        self.answers: dict[Probe, DnsAnswer] = {}
        self.held: list[tuple[DnsQuestion, DnsAnswer, bool]] = []


def _withheld(reason: str) -> DnsAnswer:
    return DnsAnswer(DnsState.DISABLED, detail=f"{MUTED}{reason}")


def configured(lookup: DnsLookup, config: Config) -> ListWatch:
    """The watch that the settings describe, in front of ``lookup``."""
    section = config.dns
    lists = chosen_lists(section.lists, section.custom, config.source)
    rules = Rules(section.watch_interval, section.breaker_failures, section.breaker_pause, section.watch_window)
    return ListWatch(lookup, Book(lists, rules, WatchStore(section.watch_store), watching=section.watch))


class ListWatch:
    """A `DnsLookup` with a watch over DNS lists; carries many questions at once as that does."""

    kind: type[Any] = DnsQuestion

    def __init__(self, lookup: DnsLookup, book: Book) -> None:
        self.lookup, self.book = lookup, book
        self._relays: dict[Done, list[tuple[Session, Done]]] = {}

    def __getattr__(self, name: str) -> Any:
        """What else the look-up can do (``servers``, ``cache``)."""
        return getattr(self.lookup, name)

    def session(self, deadline: Deadline) -> Session:
        """The rules for one conversation."""
        return Session(self.book, self.lookup.cache.get, deadline)

    def talk(self) -> WatchedTalk:
        """A blocking conversation, for one thread; to be closed."""
        return WatchedTalk(self)

    def ask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        """Answer one question, blocking."""
        return self.ask_many((question,), deadline)[0]

    def ask_many(self, questions: Sequence[DnsQuestion], deadline: Deadline) -> list[DnsAnswer]:
        """Answer questions in their order, blocking; all are under way at once."""
        session = self.session(deadline)
        ask, answered = session.begin(dict.fromkeys(questions))
        found = dict(answered)
        for question, answer in zip(ask, self.lookup.ask_many(ask, deadline), strict=True):
            found.update(session.take(question, answer))
        return [found.get(question, _LATE) for question in questions]

    async def aask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        """Answer one question under asyncio."""
        return (await self.aask_many((question,), deadline))[0]

    async def aask_many(self, questions: Sequence[DnsQuestion], deadline: Deadline) -> list[DnsAnswer]:
        """Answer questions in their order under asyncio; all are under way at once."""
        session = self.session(deadline)
        ask, answered = session.begin(dict.fromkeys(questions))
        found = dict(answered)
        for question, answer in zip(ask, await self.lookup.aask_many(ask, deadline), strict=True):
            found.update(session.take(question, answer))
        return [found.get(question, _LATE) for question in questions]

    def start(self, questions: Sequence[DnsQuestion], deadline: Deadline, done: Done) -> None:
        """Under asyncio: ask these, and call ``done(question, answer)`` for each; no task is needed."""
        session = self.session(deadline)
        ask, answered = session.begin(questions)

        def relay(question: DnsQuestion, answer: DnsAnswer) -> None:
            released = session.take(question, answer)
            if not session.open:
                self._forget(done, session)
            for pair in released:
                done(*pair)

        if ask:
            self._relays.setdefault(done, []).append((session, relay))
            self.lookup.start(ask, deadline, relay)
        for pair in answered:
            done(*pair)

    def leave(self, questions: Sequence[DnsQuestion], done: Done) -> None:
        """Under asyncio: ``done`` does not want the answers to these any more."""
        for session, relay in self._relays.pop(done, []):
            self.lookup.leave(tuple(session.open), relay)
            session.end()

    def close(self) -> None:
        """Close the look-up, and the file of the watch."""
        self.lookup.close()
        self.book.store.close()

    def _forget(self, done: Done, session: Session) -> None:
        left = [entry for entry in self._relays.get(done, []) if entry[0] is not session]
        if left:
            self._relays[done] = left
        else:
            self._relays.pop(done, None)


class WatchedTalk:
    """A blocking conversation with the watch in between."""

    def __init__(self, watch: ListWatch) -> None:
        self._watch = watch
        self._talk: Talk = watch.lookup.talk()
        self._session: Session | None = None
        self._ready: list[Pair] = []

    def start(self, questions: Sequence[DnsQuestion], deadline: Deadline) -> None:
        """Ask these; `wait` gives each answer once, by the deadline."""
        if self._session is None:
            self._session = self._watch.session(deadline)
        ask, answered = self._session.begin(questions)
        self._ready += answered
        if ask:
            self._talk.start(ask, deadline)

    def wait(self, seconds: float) -> list[Pair]:
        """Questions with their answers as soon as there are any; none after ``seconds``, or when woken."""
        until = time.monotonic() + seconds
        while not self._ready:
            found = self._talk.wait(max(0.0, until - time.monotonic()))
            if not found or self._session is None:
                break
            for pair in found:
                self._ready += self._session.take(*pair)
        ready, self._ready = self._ready, []
        return ready

    def waker(self) -> Callable[[], None]:
        """What another thread may call so that `wait` returns."""
        return self._talk.waker()

    def __enter__(self) -> WatchedTalk:
        self._talk.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._talk.__exit__(*exception)
        if self._session is not None:
            self._session.end()

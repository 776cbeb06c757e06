"""The two drivers of the engine: blocking, and under asyncio.

A lookup that carries many questions at once (`ManyLookup`: DNS) costs neither a thread nor a task for each; others
(scanners) are asked from a pool's threads, or in a task each.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

from ..deadline import Deadline
from . import Answer, Lookup, ManyLookup, Question, no_answer
from .engine import Engine

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Executor, Future

Lookups = Mapping[type[Any], Lookup]
Pair = tuple[Question, Answer]
_LATE = "no answer before the deadline"


def drive(engine: Engine, lookups: Lookups, deadline: Deadline, pool: Executor) -> None:
    """Answer the engine's questions; returns by ``deadline`` whatever the lookups do."""
    while not lookups and not engine.done:  # much the most common case where mail is only sorted
        _answer_all(engine, [(question, _nobody(question)) for question in engine.take_questions()])
    if engine.done:
        return
    many = _many(lookups)
    with ExitStack() as stack:
        talk = stack.enter_context(many.talk()) if many is not None else None
        threads = _Threads(pool, deadline)
        stack.callback(threads.cancel)
        under_way = 0
        while not engine.done:
            for kind, questions in _by_kind(engine.take_questions()):
                lookup = lookups.get(kind)
                if lookup is None:
                    _answer_all(engine, [(question, _nobody(question)) for question in questions])
                    continue
                under_way += len(questions)
                if lookup is many and talk is not None:
                    talk.start(questions, deadline)
                else:
                    threads.start(lookup, questions, talk.waker() if talk is not None else None)
            if under_way:
                found = threads.taken()
                if not found:
                    found = talk.wait(deadline.remaining()) if talk else threads.wait(deadline.remaining())
                if not found and deadline.expired:
                    break
                under_way -= len(found)
                _answer_all(engine, found)
    engine.give_up(_LATE)


class _Threads:
    """Questions asked from a pool's threads, one each."""

    def __init__(self, pool: Executor, deadline: Deadline) -> None:
        self._pool, self._deadline = pool, deadline
        self._running: dict[Future[Answer], Question] = {}
        self._finished: queue.SimpleQueue[Future[Answer]] = queue.SimpleQueue()

    def start(self, lookup: Lookup, questions: Iterable[Question], wake: Callable[[], None] | None) -> None:
        """``wake`` is called, from any thread, when there is something to take."""
        for question in questions:
            future = self._pool.submit(lookup.ask, question, self._deadline)
            self._running[future] = question
            future.add_done_callback(self._finished.put)
            if wake is not None:
                future.add_done_callback(lambda _: wake())

    def taken(self) -> list[Pair]:
        """What has been answered."""
        found = []
        while not self._finished.empty():
            found.append(self._pair(self._finished.get()))
        return found

    def wait(self, seconds: float) -> list[Pair]:
        """`taken`, as soon as there is something; empty when the time is over."""
        try:
            return [self._pair(self._finished.get(True, seconds)), *self.taken()]
        except queue.Empty:
            return []

    def cancel(self) -> None:
        """Nobody waits any more."""
        for future in list(self._running):
            future.cancel()

    def _pair(self, future: Future[Answer]) -> Pair:
        question = self._running.pop(future)
        return question, _result(future, question)


async def adrive(engine: Engine, lookups: Lookups, deadline: Deadline) -> None:
    """`drive` under asyncio: no threads."""
    import asyncio  # a twentieth of a second that a mail which nobody is asked about need not wait for

    inbox = _Inbox(asyncio.get_running_loop(), deadline)
    many = _many(lookups)
    asked: dict[Question, None] = {}
    tasks: dict[Question, asyncio.Task[Answer]] = {}
    try:
        while not engine.done:
            for kind, questions in _by_kind(engine.take_questions()):
                lookup = lookups.get(kind)
                if lookup is None:
                    _answer_all(engine, [(question, _nobody(question)) for question in questions])
                elif lookup is many and many is not None:
                    asked.update(dict.fromkeys(questions))
                    many.start(questions, deadline, inbox.put)
                else:
                    for question in questions:
                        tasks[question] = _task(lookup, question, deadline, inbox)
            if asked or tasks:
                found = await inbox.take()
                if not found:
                    break
                for question, answer in found:
                    asked.pop(question, None)
                    tasks.pop(question, None)  # and not once it is done: its answer comes a turn of the loop later
                    engine.answer(question, answer)
    finally:
        inbox.close()
        if many is not None and asked:
            many.leave(tuple(asked), inbox.put)
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    engine.give_up(_LATE)


class _Inbox:
    """Answers of one mail's dialogues as they come, on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, deadline: Deadline) -> None:
        self._loop = loop
        self._found: list[Pair] = []
        self._late = False
        self._waiter: asyncio.Future[None] | None = None
        self._timer = loop.call_later(deadline.remaining(), self._time_is_up)

    def put(self, question: Question, answer: Answer) -> None:
        """One more."""
        self._found.append((question, answer))
        self._wake()

    async def take(self) -> list[Pair]:
        """As soon as there are any; none when the time is up."""
        if not self._found and not self._late:
            self._waiter = self._loop.create_future()
            await self._waiter
        found, self._found = self._found, []
        return found

    def close(self) -> None:
        """The time does not matter any more."""
        self._timer.cancel()

    def _time_is_up(self) -> None:
        self._late = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _task(lookup: Lookup, question: Question, deadline: Deadline, inbox: _Inbox) -> asyncio.Task[Answer]:
    import asyncio

    task: asyncio.Task[Answer] = asyncio.ensure_future(lookup.aask(question, deadline))

    def done(finished: asyncio.Task[Answer]) -> None:
        if not finished.cancelled():
            inbox.put(question, _result(finished, question))

    task.add_done_callback(done)
    return task


def _many(lookups: Lookups) -> ManyLookup | None:
    return next((cast(ManyLookup, lookup) for lookup in lookups.values() if hasattr(lookup, "talk")), None)


def _by_kind(questions: Sequence[Question]) -> list[tuple[type[Any], list[Question]]]:
    kinds: dict[type[Any], list[Question]] = {}
    for question in questions:
        kinds.setdefault(type(question), []).append(question)
    return list(kinds.items())


def _answer_all(engine: Engine, found: Iterable[Pair]) -> None:
    for question, answer in found:
        engine.answer(question, answer)


def _nobody(question: Question) -> Answer:
    return no_answer(question, timed_out=False, detail="nothing is configured to ask")


def _result(future: Future[Answer] | asyncio.Task[Answer], question: Question) -> Answer:
    """What a lookup returned; one that breaks its promise and raises has not answered."""
    error = future.exception()
    if error is None:
        return future.result()
    return no_answer(question, timed_out=True, detail=f"{type(error).__name__}: {error}")

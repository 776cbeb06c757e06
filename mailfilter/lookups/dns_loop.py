"""One event loop's conversation with resolvers: the questions of all its tasks over a few sockets, no task for each."""

from __future__ import annotations

import asyncio
import socket
import time
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress

from ..deadline import Deadline
from . import DnsAnswer, DnsQuestion, DnsState
from .dns_desk import Desk, Shared
from .dns_exchange import NEVER
from .dns_sockets import Ready

Done = Callable[[DnsQuestion, DnsAnswer], None]
"""Told an answer, on the loop, exactly once for every question that it was given with."""


class DnsLoop:
    """Ask with `start`; to be used on ``loop``'s own thread only.  Sockets are open only while something is under way.

    The loop has to know ``add_reader``: every one of CPython's but the Proactor of Windows, and uvloop.
    """

    def __init__(self, shared: Shared, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._able = not isinstance(loop, getattr(asyncio, "ProactorEventLoop", ()))
        self._shared = shared
        self._desk = Desk(shared, self, self._wake)
        self._waiting: dict[DnsQuestion, list[Done]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER

    # ------------------------------------------------------------------------------------------------ questions
    def start(self, questions: Iterable[DnsQuestion], deadline: Deadline, done: Done) -> None:
        """Ask these.  ``done`` is called for each, at once where the answer is known, at the latest in due time."""
        now = time.monotonic()
        until = now + deadline.remaining()
        known: list[tuple[DnsQuestion, DnsAnswer]] = []
        for question in questions:
            waiting = self._waiting.get(question)
            if waiting is not None:
                waiting.append(done)
                self._desk.exchange.extend(question, until)
            elif (answer := self._shared.cache.get(question)) is not None:
                known.append((question, answer))
            elif not self._able:
                known.append((question, _NO_SOCKETS))
            else:
                self._waiting[question] = [done]
                self._desk.ask(question, until, now)
        for question, answer in known:
            done(question, answer)
        self._go_on(now)

    def leave(self, questions: Iterable[DnsQuestion], done: Done) -> None:
        """``done`` does not wait any more; a question that nobody waits for is given up."""
        given_up = []
        for question in questions:
            waiting = self._waiting.get(question)
            if waiting is not None and done in waiting:
                waiting.remove(done)
                if not waiting:
                    del self._waiting[question]
                    given_up.append(question)
        if given_up:
            self._desk.drop(given_up, time.monotonic())
            self._go_on(time.monotonic())

    def abandon(self) -> None:
        """The loop was closed over its questions."""
        self._waiting.clear()
        self._timer = None
        self._desk.abandon()

    # ------------------------------------------------------------------------------------------------ the poller
    def watch(self, opened: socket.socket, ready: Ready, *, write: bool = False) -> None:
        """As `mailfilter.lookups.dns_sockets.Poller` says."""
        loop = asyncio.get_running_loop()
        if write:
            loop.add_writer(opened, self._event, ready)
        else:
            loop.remove_writer(opened)
            loop.add_reader(opened, self._event, ready)

    def forget(self, opened: socket.socket) -> None:
        """As `mailfilter.lookups.dns_sockets.Poller` says."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(opened)
        loop.remove_writer(opened)

    # ------------------------------------------------------------------------------------------------ events
    def _event(self, ready: Ready) -> None:
        ready()
        self._go_on(time.monotonic())

    def _go_on(self, now: float) -> None:
        for question, answer, _ in self._desk.collect(now):
            for done in self._waiting.pop(question, ()):
                done(question, answer)
        if not self._waiting:
            self._desk.rest()
            self._stop_timer()
        elif (due := self._desk.exchange.due()) < self._timer_at:
            self._stop_timer()
            self._timer_at = due
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self._tick)

    def _tick(self) -> None:
        self._timer, self._timer_at = None, NEVER
        self._go_on(time.monotonic())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, NEVER

    def _wake(self) -> None:
        """From any thread."""
        loop = self._loop()
        if loop is not None:
            with suppress(RuntimeError):  # the loop is closed; nobody waits
                loop.call_soon_threadsafe(lambda: self._go_on(time.monotonic()))


_NO_SOCKETS = DnsAnswer(DnsState.DISABLED, detail="this event loop cannot watch sockets: use a selector event loop")

"""One thread's conversation with resolvers: many questions at once, without a thread for each."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from ..deadline import Deadline
from . import DnsQuestion
from .dns_desk import Desk, Pair, Shared
from .dns_exchange import NEVER
from .dns_sockets import Ready


class _Poller:
    """`selectors` with the callback as data; by poll, which is made at no cost, where there is that."""

    def __init__(self) -> None:
        self.selector: selectors.BaseSelector = getattr(selectors, "PollSelector", selectors.DefaultSelector)()
        self._watched: set[socket.socket] = set()

    def watch(self, opened: socket.socket, ready: Ready, *, write: bool = False) -> None:
        events = selectors.EVENT_WRITE if write else selectors.EVENT_READ
        if opened in self._watched:
            self.selector.modify(opened, events, ready)
        else:
            self._watched.add(opened)
            self.selector.register(opened, events, ready)

    def forget(self, opened: socket.socket) -> None:
        if opened in self._watched:
            self._watched.remove(opened)
            self.selector.unregister(opened)


class DnsTalk:
    """Ask with `start`, take answers with `wait`; a context manager, used by one thread.  Never raises."""

    def __init__(self, shared: Shared) -> None:
        self._poller: _Poller | None = None
        self._desk: Desk | None = None
        self._shared = shared
        self._ready: list[Pair] = []
        self._pipe: tuple[socket.socket, socket.socket] | None = None

    def start(self, questions: Iterable[DnsQuestion], deadline: Deadline) -> None:
        """Ask these; each is answered once by `wait`, at the latest when the deadline is over."""
        now = time.monotonic()
        until = now + deadline.remaining()
        for question in questions:
            known = self._shared.cache.get(question)
            if known is not None:
                self._ready.append((question, known))
            elif not self._opened().ask(question, until, now):
                self.waker()

    def wait(self, seconds: float) -> list[Pair]:
        """Answers as soon as there are any; none when ``seconds`` are over, or when woken."""
        desk = self._desk
        if desk is None:
            return self._taken()
        now = time.monotonic()
        until = now + seconds
        while True:
            self._ready += [(question, answer) for question, answer, _ in desk.collect(now)]
            left = until - now
            if self._ready or left <= 0:
                return self._taken()
            if self._poll(min(left, desk.exchange.due() - now)):
                self._ready += [(question, answer) for question, answer, _ in desk.collect(time.monotonic())]
                return self._taken()
            now = time.monotonic()

    def waker(self) -> Callable[[], None]:
        """What another thread may call to have `wait` return."""
        if self._pipe is None:
            self._opened()
            assert self._poller is not None
            self._pipe = socket.socketpair()
            for end in self._pipe:
                end.setblocking(False)
            self._poller.watch(self._pipe[0], _nothing)
        return self._wake

    def close(self) -> None:
        """Let go of everything; what is still asked is given up."""
        if self._desk is not None:
            self._desk.drop(self._desk.exchange.questions, time.monotonic())
            self._desk.rest()
        if self._poller is not None:
            self._poller.selector.close()
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            for end in pipe:
                end.close()
        self._desk = self._poller = None

    def __enter__(self) -> DnsTalk:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _taken(self) -> list[Pair]:
        ready, self._ready = self._ready, []
        return ready

    def _opened(self) -> Desk:
        if self._desk is None:
            self._poller = _Poller()
            self._desk = Desk(self._shared, self._poller, self._wake)
        return self._desk

    def _poll(self, seconds: float) -> bool:
        """Wait for sockets and let them be read; whether somebody woke us."""
        assert self._poller is not None
        woken = False
        for key, _ in self._poller.selector.select(None if seconds == NEVER else max(0.0, seconds)):
            if self._pipe is not None and key.fileobj is self._pipe[0]:
                woken = bool(self._pipe[0].recv(4096))
            else:
                key.data()
        return woken

    def _wake(self) -> None:
        pipe = self._pipe
        if pipe is not None:
            with suppress(OSError):  # full: it is awake already; closed: nobody waits
                pipe[1].send(b"\0")


def _nothing() -> None:
    """The waker's end needs no callback."""

"""Listening, and stopping without losing a mail."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import MissingExtraError
from .limits import InHand, networks
from .smtpd import FilterHandler

try:
    from .session import SHUTDOWN, FilterLMTP, FilterSMTP
except ImportError:
    raise MissingExtraError("serving SMTP", "smtpd") from None

_log = logging.getLogger("mailfilter.mta")


class Server:
    """An SMTP server around a handler, or with ``lmtp`` an LMTP server.

    ``tls``  offers STARTTLS; ``trusted``  networks whose XCLIENT and XFORWARD are believed; ``proxy_protocol``  expects
    HAProxy's PROXY header on every connection; ``options``  further ones of `aiosmtpd.smtp.SMTP`, such as an
    ``authenticator``.  Use `start` and `stop`, or ``async with``.
    """

    def __init__(
        self,
        handler: FilterHandler,
        host: str = "127.0.0.1",
        port: int = 10025,
        *,
        lmtp: bool = False,
        tls: ssl.SSLContext | None = None,
        trusted: Iterable[str] = (),
        proxy_protocol: bool = False,
        ident: str = "mailfilter",
        options: dict[str, Any] | None = None,
    ) -> None:
        self.handler, self.host, self.port = handler, host, port
        self.in_hand = InHand(handler.limits)
        kind = FilterLMTP if lmtp else FilterSMTP
        fixed = {"hostname": handler.hostname, "ident": ident, "tls_context": tls, **(options or {})}
        if proxy_protocol:
            fixed["proxy_protocol_timeout"] = handler.limits.idle
        ours = networks(trusted)
        self._session: Callable[[], FilterSMTP] = lambda: kind(handler, self.in_hand, trusted=ours, **fixed)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; ``port`` 0 takes a free one, which `port` then names."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, self.host, self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Take on nothing more, finish what is in hand, and hang up.

        Idle clients hear 421 at once.  A mail that is being sent may come to its end within ``limits.grace`` seconds
        and is then answered; else it is answered 421, and stays with its sender.  A mail that has come is seen through.
        """
        if self._server is None:
            return
        self._server.close()
        self.in_hand.closing = True
        for session in tuple(self.in_hand.sessions):
            session.wind_down()
        until = time.monotonic() + self.handler.limits.grace
        while any(session.phase == "data" for session in self.in_hand.sessions) and time.monotonic() < until:
            await asyncio.sleep(0.02)
        for session in tuple(self.in_hand.sessions):
            if session.phase == "data":
                session.farewell(SHUTDOWN)
        await self.handler.finish()
        until = time.monotonic() + 2.0
        while self.in_hand.sessions and time.monotonic() < until:
            await asyncio.sleep(0.01)
        for session in tuple(self.in_hand.sessions):
            if session.transport is not None:
                session.transport.abort()
        await self.handler.close()
        self._server = None

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()


async def serve(*servers: Server, started: Callable[[], None] | None = None) -> None:
    """Run servers until SIGTERM or SIGINT comes; ``started`` is called once all of them listen."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError):
            loop.add_signal_handler(number, stopped.set)
    for server in servers:
        await server.start()
    if started is not None:
        started()
    await stopped.wait()
    _log.info("stopping: what is in hand is finished")
    await asyncio.gather(*(server.stop() for server in servers))

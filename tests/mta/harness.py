"""A filtering server in a thread, a next server behind it, and a client that says exactly what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

pytest.importorskip("aiosmtpd", reason="pip install aiosmtpd")
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from mailfilter.mta.server import Server
from mailfilter.mta.smtpd import FilterHandler

from ..servers import free_port


class Got(NamedTuple):
    """A mail that reached the next server."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    options: tuple[str, ...]


class Sink:
    """The next server: what it does to a recipient or a sender, the local part says.

    ``no…`` 550, ``later…`` 450 at RCPT; of a sender ``refused…`` 554, ``busy…`` 451, ``hangup…`` at the end of DATA.
    """

    def __init__(self) -> None:
        self.got: list[Got] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address.startswith("no"):
            return "550 5.1.1 No such user <script>"
        if address.startswith("later"):
            return "450 4.2.1 Come back"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        sender = envelope.mail_from.strip("<>")
        if sender.startswith("refused"):
            return "554 5.7.9 Never"
        if sender.startswith("busy"):
            return "451 4.3.2 Busy"
        if sender.startswith("hangup"):
            server.transport.abort()
            return "250 never read"
        self.got.append(Got(sender, tuple(envelope.rcpt_tos), envelope.content, tuple(envelope.mail_options)))
        return "250 2.0.0 OK"


class _Patient(SMTP):
    line_length_limit = 2**20


class _Controller(Controller):
    def factory(self) -> SMTP:
        return _Patient(self.handler, **self.SMTP_kwargs)


@contextlib.contextmanager
def sinking(**options: Any) -> Iterator[tuple[Sink, int]]:
    """A next server and its port."""
    sink = Sink()
    controller = _Controller(sink, hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=True, **options)
    controller.start()
    try:
        yield sink, controller.port
    finally:
        controller.stop()


@contextlib.contextmanager
def serving(handler: Callable[[], FilterHandler], **options: Any) -> Iterator[Server]:
    """A server in a thread with a loop of its own; the handler is made in that loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def started() -> Server:
        server = Server(handler(), port=0, **options)
        await server.start()
        return server

    server = asyncio.run_coroutine_threadsafe(started(), loop).result(30)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class Wire:
    """An SMTP client that sends what it is given, octet for octet, and reads whole replies."""

    def __init__(self, port: int, before: bytes = b"") -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.sendall(before)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def reply(self) -> str:
        """One reply, its lines joined; "" where the server has hung up."""
        lines: list[str] = []
        while True:
            try:
                line = self.file.readline().decode("utf-8")
            except ConnectionError:
                return ""
            if not line:
                return "\n".join(lines)
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    def say(self, line: str | bytes) -> str:
        """Send a line and read the reply."""
        self.socket.sendall(line if isinstance(line, bytes) else f"{line}\r\n".encode())
        return self.reply()

    def begin(self, hello: str, client: str = "", login: str = "") -> None:
        """Say who we are, and on whose behalf we speak."""
        assert self.say(hello)[:3] == "250"
        if client or login:
            given = [f"ADDR={client}"] * bool(client) + [f"LOGIN={login}"] * bool(login)
            assert self.say(f"XCLIENT {' '.join(given)}")[:3] == "220"
            assert self.say(hello)[:3] == "250"

    def mail(
        self, sender: str, recipients: Sequence[str], wire: bytes, options: str = "", replies: int = 1
    ) -> list[str]:
        """A transaction; the replies to the end of DATA, or the first refusal before it."""
        for line in (f"MAIL FROM:<{sender}>{options}", *(f"RCPT TO:<{one}>" for one in recipients), "DATA"):
            said = self.say(line)
            if said[:1] not in "23":
                return [said]
        return [self.say(wire), *(self.reply() for _ in range(replies - 1))]

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Go over to TLS."""
        self.file.close()
        self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def close(self) -> None:
        """Hang up."""
        self.file.close()
        self.socket.close()

"""Handing mail on to the next server by SMTP (RFC 5321) or LMTP (RFC 2033), under asyncio and over kept connections.

What comes back are codes: a server's text may quote what it was sent, and so is shown to nobody.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from ..envelope import Envelope
from ..errors import SettingError
from .wire import Connection, HopError, Said, dotted

Refused = Mapping[str, Said]
"""What the next server said to each recipient that does not get the mail."""
Spare = Callable[[Refused], Awaitable[bool]]
"""Asked once some recipients were refused, before the others get the mail: whether they are to get it."""

_SERVER = re.compile(r"(?:(lmtp|smtp):)?(?:(/[^/].*)|(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+)(?::(\d{1,5}))?)")
_ADDRESS = re.compile(r"[^\x00-\x20\x7f<>\ud800-\udfff]*")
"""What cannot end a command and begin another; the next server knows better what an address is."""
BROKEN = Said(451, "4.4.2")
NO_UTF8 = Said(550, "5.6.7")
BAD_ADDRESS = Said(553, "5.1.3")
WITHDRAWN = Said(451, "4.3.0")
"""Said to those whose copies went nowhere because others were refused."""
_KEPT_SECONDS = 30.0


class Delivery(NamedTuple):
    """Who has got a mail, and what was said to those who have not.  ``late``  those refused after others got it."""

    taken: tuple[str, ...]
    refused: Refused
    late: tuple[str, ...] = ()


class Hop(Protocol):
    """Hands a mail on.  Never raises: what went wrong is a temporary refusal of everybody."""

    async def __call__(self, envelope: Envelope, raw: bytes, spare: Spare, utf8: bool = False) -> Delivery:
        """Deliver to the recipients of the envelope; ``utf8`` says that the mail needs SMTPUTF8 (RFC 6531)."""
        ...


class NextHop:
    """A `Hop` to one server.

    ``server``  ``host:port``, ``[address]:port``, ``lmtp:host:port`` or ``lmtp:/path/of/socket``; port 25 by default.
    ``hostname``  our name in its greeting; ``timeout``  seconds for each step, ``patience`` for all of them: clients
    wait ten minutes for our own answer (RFC 5321 section 4.5.3.2); ``connections``  most at a time; ``starttls``
    whether TLS is used where it is offered, without looking at names (RFC 7435).
    """

    def __init__(
        self,
        server: str,
        *,
        hostname: str = "",
        timeout: float = 60.0,
        patience: float = 240.0,
        connections: int = 20,
        starttls: bool = True,
    ) -> None:
        match = _SERVER.fullmatch(server)
        if match is None:
            raise SettingError("next hop", (f'"host:port" or "lmtp:host:port" is expected, got {server!r}',))
        self.lmtp, self.path = match[1] == "lmtp", match[2] or ""
        self.host, self.port = (match[3] or "").strip("[]"), int(match[4] or 25)
        self.hostname, self.starttls = hostname or socket.gethostname(), starttls
        self.timeout, self.patience = timeout, patience
        self._free = asyncio.Semaphore(connections)
        self._idle: list[Connection] = []

    async def __call__(self, envelope: Envelope, raw: bytes, spare: Spare, utf8: bool = False) -> Delivery:
        """See `Hop`."""
        addresses = envelope.mail_from or "", *envelope.rcpt_to
        if not all(map(_ADDRESS.fullmatch, addresses)):
            return _nobody(envelope.rcpt_to, BAD_ADDRESS)
        try:
            async with asyncio.timeout(self.patience), self._free:
                return await self._handed(envelope, raw, spare, utf8)
        except HopError as error:
            return _nobody(envelope.rcpt_to, error.said)
        except TimeoutError:
            return _nobody(envelope.rcpt_to, BROKEN)

    async def _handed(self, envelope: Envelope, raw: bytes, spare: Spare, utf8: bool) -> Delivery:
        """Over a kept connection, or where that has died meanwhile or there is none, over a new one."""
        connection = self._kept()
        if connection is not None:
            try:
                return await self._deliver(connection, envelope, raw, spare, utf8)
            except HopError as error:
                if not error.stale:
                    raise
        return await self._deliver(await self._connect(), envelope, raw, spare, utf8)

    async def close(self) -> None:
        """Let go of kept connections."""
        while self._idle:
            await self._idle.pop().quit()

    def _kept(self) -> Connection | None:
        """The connection that was used last, unless it has been idle for so long that the server may hang up."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable(_KEPT_SECONDS):
                return connection
            connection.abort()
        return None

    async def _connect(self) -> Connection:
        connection = await Connection.open(self.path or (self.host, self.port), self.timeout)
        try:
            await connection.greet("LHLO" if self.lmtp else "EHLO", self.hostname, starttls=self.starttls)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _deliver(
        self, connection: Connection, envelope: Envelope, raw: bytes, spare: Spare, utf8: bool
    ) -> Delivery:
        """One transaction; the connection is kept if it ends well."""
        done = False
        try:
            delivery = await self._transaction(connection, envelope, raw, spare, utf8)
            done = True
            return delivery
        finally:
            if done and connection.open_:
                self._idle.append(connection)
            else:
                connection.abort()

    async def _transaction(
        self, connection: Connection, envelope: Envelope, raw: bytes, spare: Spare, utf8: bool
    ) -> Delivery:
        recipients = tuple(dict.fromkeys(envelope.rcpt_to))
        sender = envelope.mail_from or ""
        plain = sender.isascii() and all(map(str.isascii, recipients))
        if not plain and "SMTPUTF8" not in connection.extensions:
            return _nobody(recipients, NO_UTF8)
        options = _options(connection, raw, utf8 or not plain)
        commands = [f"MAIL FROM:<{sender}>{options}", *(f"RCPT TO:<{one}>" for one in recipients)]
        mail, *each = await connection.commands(commands)
        said = dict(zip(recipients, each, strict=True))
        refused = {to: reply for to, reply in said.items() if reply.code // 100 != 2}
        if mail.code // 100 != 2:
            await connection.reset()
            return _nobody(recipients, mail)
        taken = tuple(to for to in recipients if to not in refused)
        if not taken or (refused and not await spare(refused)):
            await connection.reset()
            return Delivery((), {to: refused.get(to, WITHDRAWN) for to in recipients})
        (go,) = await connection.commands(["DATA"])
        if go.code != 354:
            await connection.reset()
            return _nobody(recipients, go, refused)
        replies = await connection.content(dotted(raw), len(taken) if self.lmtp else 1)
        last = dict(zip(taken, replies if self.lmtp else replies * len(taken), strict=True))
        late = {to: reply for to, reply in last.items() if reply.code // 100 != 2}
        got = tuple(to for to in taken if to not in late)
        return Delivery(got, {**refused, **late}, tuple(late) if got else ())


def _options(connection: Connection, raw: bytes, utf8: bool) -> str:
    options = ""
    if "8BITMIME" in connection.extensions and not raw.isascii():
        options += " BODY=8BITMIME"
    if utf8 and "SMTPUTF8" in connection.extensions:
        options += " SMTPUTF8"
    return options


def _nobody(recipients: Sequence[str], said: Said, before: Refused | None = None) -> Delivery:
    """Nobody has got it: what was said to the mail as a whole is said to everyone."""
    said = said if said.code // 100 in (4, 5) else BROKEN
    return Delivery((), {to: (before or {}).get(to, said) for to in recipients})

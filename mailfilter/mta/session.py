"""The SMTP and LMTP sessions of the server: aiosmtpd's, read faster and more strictly.

A mail ends at CRLF "." CRLF and nowhere else (CVE-2023-51764 and its kin); bare line ends inside are refused by the
handler.  Lines may be as long as the mail.  XCLIENT and XFORWARD (Postfix) are believed from trusted addresses only.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import defaultdict
from ipaddress import ip_address
from typing import Any

from aiosmtpd.smtp import SMTP, Session, syntax

from .limits import InHand, Networks, names, within

_log = logging.getLogger("mailfilter.mta")
_END = b"\r\n.\r\n"
_CHUNK = 2**16
_PATH = re.compile(r"<(?:@[^\s<>:]{1,200}:)?([^\x00-\x20\x7f<>\"\\\ud800-\udfff]{1,1000})>(?: +(\S.*))?")
_NULL = re.compile(r"<>(?: +(\S.*))?")
_ODD = re.compile(r"[\x00-\x1f\x7f<>\ud800-\udfff]")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_NOTHING = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")
_GIVEN = {
    "XCLIENT": ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT", "REVERSE_NAME"),
    "XFORWARD": ("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"),
}
SHUTDOWN = b"421 4.3.2 Shutting down, please try again later\r\n"


class GivenSession(Session):
    """A session with what a trusted server in front of us ``given`` about the real client."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.given: dict[str, str] = {}


class FilterSMTP(SMTP):
    """One session; ``phase`` is "command", "data" while a mail is read, "handling" while it is decided."""

    line_length_limit = _CHUNK
    lmtp = False
    # None between connections, says aiosmtpd; there is none between them here
    session: Any
    envelope: Any
    transport: Any
    _reader: Any
    _timeout_handle: Any

    def __init__(self, handler: Any, in_hand: InHand, *, trusted: Networks = (), **options: Any) -> None:
        limits = in_hand.limits
        super().__init__(handler, data_size_limit=limits.size, timeout=limits.idle, enable_SMTPUTF8=True, **options)
        self.in_hand, self.phase = in_hand, "command"
        self._trusted, self._client = trusted, ""
        # aiosmtpd keeps one for all sessions, and raises it with every EHLO
        self.command_size_limits = defaultdict(lambda: 2048)
        self._held = 0

    def __dir__(self) -> list[str]:
        """Commands and ways to log in: to find these, aiosmtpd looks through all that there is, for every session."""
        return names(self.__class__, ("smtp_", "auth_"))  # type: ignore[arg-type]  # classes are hashable

    def _create_session(self) -> GivenSession:
        return GivenSession(self.loop)

    # ---------------------------------------------------------------------------------------------------- connections
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the session; this comes once more after STARTTLS."""
        super().connection_made(transport)
        if self not in self.in_hand.sessions:
            peer = self.session.peer
            self._client = str(peer[0]) if isinstance(peer, tuple) else ""
            self.in_hand.sessions.add(self)
            self.in_hand.clients[self._client] += 1

    def connection_lost(self, error: Exception | None) -> None:
        """Count it no longer."""
        if self in self.in_hand.sessions:
            self.in_hand.sessions.discard(self)
            self.in_hand.clients[self._client] -= 1
            if not self.in_hand.clients[self._client]:
                del self.in_hand.clients[self._client]
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        if full := self.in_hand.full(self._client):
            await self.push(full)
            self.transport.close()
            return
        await super()._handle_client()

    def wind_down(self) -> None:
        """The server stops: say so, unless a mail is in hand, which is finished first."""
        if self.phase == "command":
            self.farewell(SHUTDOWN)

    def farewell(self, line: bytes) -> None:
        """Say a last line and hang up."""
        if self.transport is not None:
            self.transport.write(line)
            self.transport.close()

    def _timeout_cb(self) -> None:
        self.farewell(b"421 4.4.2 Timeout, closing connection\r\n")

    # ------------------------------------------------------------------------------------------------------- commands
    @property
    def trusts(self) -> bool:
        """Whether the client may say who its own client is."""
        return within(self._client, self._trusted)

    @syntax("XCLIENT attribute=value...")
    async def smtp_XCLIENT(self, arg: str | None) -> None:
        """A trusted server says on whose behalf it speaks; the session begins anew."""
        if await self._given("XCLIENT", arg):
            self._set_rset_state()  # type: ignore[no-untyped-call]
            self.session.host_name = None
            await self.push(f"220 {self.hostname} {self.__ident__}")

    @syntax("XFORWARD attribute=value...")
    async def smtp_XFORWARD(self, arg: str | None) -> None:
        """A trusted server says whom the mail came from."""
        if await self._given("XFORWARD", arg):
            await self.push("250 2.0.0 OK")

    async def _given(self, word: str, arg: str | None) -> bool:
        if not self.trusts:
            await self.push("550 5.7.0 Not allowed from your address")
            return False
        given = _attributes(arg or "", _GIVEN[word])
        if given is None:
            await self.push(f"501 5.5.4 Syntax: {word} attribute=value...")
            return False
        self.session.given.update(given)
        return True

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """The address of a path, as nearly all are written; aiosmtpd reads the others."""
        if match := _PATH.fullmatch(arg):
            return match[1], match[2] or ""
        if match := _NULL.fullmatch(arg):
            return "<>", match[1] or ""
        try:
            address, rest = super()._getaddr(arg)
        except Exception:  # the standard library's address parser gives up on some in ways of its own
            return None, None
        return (None, None) if _ODD.search(address or "") else (address, rest)

    # ----------------------------------------------------------------------------------------------------------- DATA
    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:
        """Read a mail and answer it."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        recipients = len(self.envelope.rcpt_tos)
        if not recipients:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        try:
            self.phase = "data"
            content, fault = await self._read()
            self.phase = "handling"
            status = fault or await self._handled(content)
        finally:
            self._hold(-self._held)
            self.phase = "command"
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        if self.lmtp and "\n" not in status:
            status = "\r\n".join([status] * recipients)
        await self.push(status)
        if self.in_hand.closing:
            self.farewell(SHUTDOWN)

    async def _handled(self, content: bytes) -> str:
        self._timeout_handle.cancel()  # checks and deliveries have deadlines of their own
        self.envelope.content = self.envelope.original_content = content
        try:
            return str(await self._call_handler_hook("DATA"))
        except Exception as error:
            return str(await self.handle_exception(error))
        finally:
            self._reset_timeout()

    async def _read(self) -> tuple[bytes, str]:
        """The mail up to its end, and why it is not taken, or ""."""
        self._reader._buffer[:0] = b"\r\n"  # so that a mail without any line ends like all others
        limits, until = self.in_hand.limits, time.monotonic() + self.in_hand.limits.data
        pieces: list[bytes] = []
        size, fault, done = 0, "", False
        while not done:
            try:
                piece, done = await self._reader.readuntil(_END), True
            except asyncio.LimitOverrunError as error:
                piece = await self._reader.readexactly(error.consumed)
            size += len(piece)
            if size > limits.size + len(_END):
                fault = "552 5.3.4 Message too large"
            elif self.in_hand.octets + len(piece) > limits.memory:
                fault = fault or "452 4.3.1 Too much mail at a time, please try again later"
            if fault:
                pieces.clear()
                self._hold(-self._held)
            else:
                pieces.append(piece)
                self._hold(len(piece))
            if not done:
                self._reset_timeout()
                if size > 4 * limits.size + _CHUNK or time.monotonic() > until:
                    self.farewell(f"{fault or '421 4.4.2 Timeout'}, closing connection\r\n".encode())
                    raise asyncio.CancelledError
        return b"".join(pieces)[:-3].replace(b"\r\n.", b"\r\n")[2:], fault

    def _hold(self, octets: int) -> None:
        """Count octets that are in hand."""
        self._held += octets
        self.in_hand.octets += octets


class FilterLMTP(FilterSMTP):
    """The same with a reply for each recipient (RFC 2033)."""

    lmtp = True

    @syntax("LHLO hostname")
    async def smtp_LHLO(self, arg: str) -> None:
        """The greeting of LMTP."""
        await super().smtp_EHLO(arg)

    async def smtp_HELO(self, arg: str) -> None:
        """There is none in LMTP."""
        await self.push("500 5.5.1 This is LMTP: say LHLO")

    async def smtp_EHLO(self, arg: str) -> None:
        """There is none in LMTP."""
        await self.push("500 5.5.1 This is LMTP: say LHLO")


def _attributes(arg: str, known: tuple[str, ...]) -> dict[str, str] | None:
    """The attributes of XCLIENT and XFORWARD by name, "" for those that are not known; None where one is no such."""
    found = {}
    for word in arg.split():
        name, is_there, value = word.partition("=")
        name = name.upper()
        if not is_there or name not in known:
            return None
        text = _XTEXT.sub(lambda code: chr(int(code[1], 16)), value)
        found[name] = "" if text.upper() in _NOTHING else text
    if found.get("ADDR"):
        found["ADDR"] = re.sub(r"^IPV6:", "", found["ADDR"], flags=re.IGNORECASE)
        try:
            ip_address(found["ADDR"])
        except ValueError:
            return None
    return found if found else None

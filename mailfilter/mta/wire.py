"""One SMTP or LMTP connection as a client: commands out, codes back."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Sequence
from typing import NamedTuple

from ..quarantine.delivery import on_the_wire

_REPLY = re.compile(rb"([2-5]\d\d)(?:([ -])(?:([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]))?|\s*$)")
_LINES = 200
"""Most lines of one reply."""


class Said(NamedTuple):
    """A server's reply without its text: code (RFC 5321), and status code (RFC 3463) where it has one."""

    code: int
    enhanced: str = ""


class HopError(Exception):
    """The other side is not there, hangs up, or says what is no SMTP.

    ``said``  what this means for a mail; ``stale``  nothing was answered on a connection that had been kept.
    """

    def __init__(self, said: Said, stale: bool = False) -> None:
        self.said, self.stale = said, stale
        super().__init__(str(said))


_BROKEN, _UNREACHABLE = Said(451, "4.4.2"), Said(451, "4.4.1")


class Connection:
    """``extensions`` are the keywords of the EHLO reply; every step ends after ``timeout`` seconds with `HopError`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float) -> None:
        self._reader, self._writer, self._timeout = reader, writer, timeout
        self.extensions: frozenset[str] = frozenset()
        self.open_, self._used, self._answered = True, time.monotonic(), True

    @classmethod
    async def open(cls, place: str | tuple[str, int], timeout: float) -> Connection:
        """Connect to a socket's path, or to host and port."""
        try:
            async with asyncio.timeout(timeout):
                if isinstance(place, str):
                    reader, writer = await asyncio.open_unix_connection(place)
                else:
                    reader, writer = await asyncio.open_connection(*place)
        except (OSError, TimeoutError):
            raise HopError(_UNREACHABLE) from None
        return cls(reader, writer, timeout)

    async def greet(self, word: str, hostname: str, *, starttls: bool) -> None:
        """Read the greeting, say who we are, and go over to TLS where that is offered."""
        hello = await self._reply()
        if hello.code != 220:
            raise HopError(_temporary(hello))
        await self._hello(word, hostname)
        if starttls and "STARTTLS" in self.extensions and (await self.commands(["STARTTLS"]))[0].code == 220:
            try:
                async with asyncio.timeout(self._timeout):
                    await self._writer.start_tls(_opportunistic())
            except (OSError, TimeoutError):
                raise HopError(_BROKEN) from None
            await self._hello(word, hostname)

    async def commands(self, lines: Sequence[str]) -> list[Said]:
        """Send commands and read a reply to each; all at once where the server allows (RFC 2920)."""
        together = "PIPELINING" in self.extensions
        replies: list[Said] = []
        for group in [lines] if together else [[line] for line in lines]:
            await self._send("".join(f"{line}\r\n" for line in group).encode())
            replies.extend([await self._reply() for _ in group])
        return replies

    async def content(self, data: bytes, replies: int) -> list[Said]:
        """Send a mail after DATA was answered; LMTP answers once for each recipient."""
        await self._send(data)
        return [await self._reply() for _ in range(replies)]

    async def reset(self) -> None:
        """Give up the transaction."""
        try:
            await self.commands(["RSET"])
        except HopError:
            self.open_ = False

    def usable(self, seconds: float) -> bool:
        """Whether it is still open as far as can be seen, and was used within ``seconds``."""
        self._answered = False
        recent = time.monotonic() - self._used < seconds
        return self.open_ and recent and not self._reader.at_eof() and not self._writer.is_closing()

    async def quit(self) -> None:
        """Take leave and close."""
        try:
            self._writer.write(b"QUIT\r\n")
            async with asyncio.timeout(1):
                await self._writer.drain()
        except (OSError, TimeoutError):
            pass
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        self.open_ = False
        self._writer.close()

    async def _hello(self, word: str, hostname: str) -> None:
        await self._send(f"{word} {hostname}\r\n".encode("ascii", "replace"))
        said: list[bytes] = []
        reply = await self._reply(said)
        if reply.code // 100 != 2:
            raise HopError(_temporary(reply))
        words = (line[4:].split(None, 1)[:1] for line in said[1:])
        self.extensions = frozenset(first[0].decode("ascii", "replace").upper() for first in words if first)

    async def _send(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            async with asyncio.timeout(self._timeout):
                await self._writer.drain()
        except (OSError, TimeoutError):
            raise self._lost() from None

    async def _reply(self, lines: list[bytes] | None = None) -> Said:
        """One reply, of several lines perhaps; 421 means that the server is going to hang up."""
        try:
            async with asyncio.timeout(self._timeout):
                for _ in range(_LINES):
                    line = await self._reader.readline()
                    match = _REPLY.match(line)
                    if match is None or not line.endswith(b"\n"):
                        raise self._lost()
                    if lines is not None:
                        lines.append(line)
                    if match[2] != b"-":
                        self._used, self._answered = time.monotonic(), True
                        return self._said(match)
        except (OSError, TimeoutError, ValueError):
            pass
        raise self._lost()

    def _said(self, match: re.Match[bytes]) -> Said:
        code = int(match[1])
        if code == 421:
            self.open_ = False
        same = match[3] == match[1][:1]
        return Said(code, b".".join(match.group(3, 4, 5)).decode("ascii") if same else "")

    def _lost(self) -> HopError:
        stale, self.open_ = not self._answered, False
        return HopError(_BROKEN, stale)


def dotted(raw: bytes) -> bytes:
    """A mail as it follows DATA: line ends are CRLF, dots at the beginning of lines are doubled, a dot ends it."""
    ends = raw.count(b"\r\n")
    if not raw.endswith(b"\r\n") or raw.count(b"\n") != ends or raw.count(b"\r") != ends:
        raw = on_the_wire(raw)
    text = raw.replace(b"\r\n.", b"\r\n..")
    return b"".join((b"." if text.startswith(b".") else b"", text, b".\r\n"))


def _temporary(said: Said) -> Said:
    """What a server that takes no mail at all says, for now or for good, is no word on this mail."""
    return said if said.code // 100 == 4 else _UNREACHABLE


def _opportunistic() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

"""One conversation with one clamd over a socket of its own: connect, send the mail, read the reply.

While bytes go out the reply is already watched for: clamd answers early when its size limit is reached, and closes.
What it said before it closed can still be read after a failed send.  Raw sockets under asyncio too, not its streams:
a stream throws away what it received once a write has failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..deadline import Deadline
from . import ScanAnswer, ScanState
from .clamd_protocol import ReplyReader, ScannerAddress, instream

LINGER = 0.25
"""Seconds to wait for clamd to close after a whole reply, so that a second reply is not overlooked."""
_BACKLOG_PAUSE = 0.01
"""Seconds between attempts while a unix socket's queue of connections is full."""


def scan(address: ScannerAddress, data: bytes, deadline: Deadline) -> ScanAnswer:
    try:
        connection = connect(address, deadline)
    except (OSError, ValueError) as error:
        return _unreached(address, error)
    with connection:
        reader = ReplyReader()
        fault = _converse(connection, data, reader, deadline)
        return _told(reader, fault, address)


def connect(address: ScannerAddress, deadline: Deadline) -> socket.socket:
    """A connected socket; raises OSError, also when the time is up."""
    if address.path:
        return _connect_unix(address.path, deadline)
    error: OSError = TimeoutError()
    for family, target in _resolve(address, deadline):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(max(deadline.remaining(), 0.001))
            connection.connect(target)
            return connection
        except OSError as failed:
            connection.close()
            error = failed
    raise error


def _connect_unix(path: str, deadline: Deadline) -> socket.socket:
    """A full queue of waiting connections is no refusal: try again until the deadline."""
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(max(deadline.remaining(), 0.001))
            connection.connect(path)
            return connection
        except BlockingIOError:
            connection.close()
            if deadline.expired:
                raise TimeoutError from None
            time.sleep(_BACKLOG_PAUSE)
        except OSError:
            connection.close()
            raise


_Target = tuple[socket.AddressFamily, Any]


def _resolve(address: ScannerAddress, deadline: Deadline) -> list[_Target]:
    """Families and addresses to connect to; a host name is looked up without outliving the deadline."""
    if address.literal:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        return [(family, (address.host, address.port))]
    found: list[_Target] = []
    error: list[OSError] = []

    def look_up() -> None:
        try:
            found.extend(_targets(socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as failed:
            error.append(failed if isinstance(failed, OSError) else OSError(str(failed)))

    thread = threading.Thread(target=look_up, daemon=True, name="mailfilter-resolve")
    thread.start()
    thread.join(deadline.remaining())
    if error:
        raise error[0]
    if thread.is_alive():
        raise TimeoutError
    return found


def _targets(found: Sequence[tuple[Any, ...]]) -> list[_Target]:
    return [(entry[0], entry[4]) for entry in found]


def _converse(connection: socket.socket, data: bytes, reader: ReplyReader, deadline: Deadline) -> str:
    """Send the mail and read the reply side by side; returns why it ended."""
    connection.setblocking(False)
    pieces = instream(data)
    out = _send(connection, memoryview(next(pieces)), pieces)  # a small mail is out before anything is waited for
    wait = _waiter(connection)
    while not deadline.expired:
        readable, writable = wait(bool(out), deadline.remaining())
        if readable:
            try:
                received = connection.recv(4096)
            except BlockingIOError:
                continue
            except OSError as error:
                return f"the connection broke ({words(error)})"
            if not received:
                return "the connection was closed"
            reader.feed(received)
            if reader.complete:
                out = memoryview(b"")
                deadline = Deadline.after(min(LINGER, deadline.remaining()), deadline.clock)
        elif writable:
            out = _send(connection, out, pieces)
    return "the time was up"


def _send(connection: socket.socket, out: memoryview, pieces: Iterator[bytes]) -> memoryview:
    """Send as much as goes without waiting; returns what is to be sent next, empty at the end."""
    try:
        return out[connection.send(out) :] or memoryview(next(pieces, b""))
    except BlockingIOError:
        return out
    except OSError:  # it has closed: what it said before that can still be read
        return memoryview(b"")


def _waiter(connection: socket.socket) -> Callable[[bool, float], tuple[bool, bool]]:
    """A function of (sending, seconds) that waits until the socket can be read, or written if ``sending``."""
    if not hasattr(select, "poll"):

        def wait_by_select(sending: bool, seconds: float) -> tuple[bool, bool]:
            readable, writable, _ = select.select([connection], [connection] if sending else [], [], seconds)
            return bool(readable), bool(writable)

        return wait_by_select
    poller = select.poll()

    def wait_by_poll(sending: bool, seconds: float) -> tuple[bool, bool]:
        poller.register(connection, select.POLLIN | (select.POLLOUT if sending else 0))
        events = poller.poll(seconds * 1000)
        event = events[0][1] if events else 0
        return bool(event & ~select.POLLOUT), bool(event & select.POLLOUT)

    return wait_by_poll


# ------------------------------------------------------------------------------------------------ asyncio
async def ascan(address: ScannerAddress, data: bytes, deadline: Deadline) -> ScanAnswer:
    """Raw sockets, not asyncio streams: a stream drops what was received once a write has failed."""
    reader = ReplyReader()
    try:
        connection = await _aconnect(address, deadline)
    except (OSError, ValueError) as error:
        return _unreached(address, error)
    with connection:
        fault = await _aconverse(connection, data, reader, deadline)
    return _told(reader, fault, address)


async def _aconnect(address: ScannerAddress, deadline: Deadline) -> socket.socket:
    async with asyncio.timeout(deadline.remaining()):
        if address.path:
            return await _aconnect_unix(address.path)
        loop = asyncio.get_running_loop()
        if address.literal:
            targets = _resolve(address, deadline)
        else:
            targets = _targets(await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM))
        error: OSError = TimeoutError()
        for family, target in targets:
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.setblocking(False)
            try:
                await loop.sock_connect(connection, target)
                return connection
            except OSError as failed:
                connection.close()
                error = failed
            except BaseException:
                connection.close()
                raise
        raise error


async def _aconnect_unix(path: str) -> socket.socket:
    """Connecting to a unix socket never waits: it succeeds, fails, or the queue is full."""
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(path)
            return connection
        except BlockingIOError:
            connection.close()
            await asyncio.sleep(_BACKLOG_PAUSE)
        except OSError:
            connection.close()
            raise


async def _aconverse(connection: socket.socket, data: bytes, reader: ReplyReader, deadline: Deadline) -> str:
    """`_converse` with a task that sends while this one reads; a small mail needs none."""
    pieces = instream(data)
    out = _send(connection, memoryview(next(pieces)), pieces)
    sending = asyncio.ensure_future(_asend(connection, out, pieces)) if out else None
    try:
        async with asyncio.timeout(deadline.remaining()) as timeout:
            return await _aread(connection, reader, timeout, sending)
    except TimeoutError:
        return "the time was up"
    finally:
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _asend(connection: socket.socket, out: memoryview, pieces: Iterator[bytes]) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):  # it has closed: what it said before that can still be read
        await loop.sock_sendall(connection, out)
        for piece in pieces:
            await loop.sock_sendall(connection, piece)


async def _aread(
    connection: socket.socket, reader: ReplyReader, timeout: asyncio.Timeout, sending: asyncio.Future[None] | None
) -> str:
    loop = asyncio.get_running_loop()
    while True:
        try:
            received = await loop.sock_recv(connection, 4096)
        except OSError as error:
            return f"the connection broke ({words(error)})"
        if not received:
            return "the connection was closed"
        reader.feed(received)
        if reader.complete:
            if sending is not None:
                sending.cancel()
            timeout.reschedule(min(loop.time() + LINGER, timeout.when() or loop.time()))


def _told(reader: ReplyReader, fault: str, address: ScannerAddress) -> ScanAnswer:
    answer = reader.answer(fault)
    return ScanAnswer(answer.state, answer.names, str(address), answer.detail, answer.lost)


def _unreached(address: ScannerAddress, error: Exception) -> ScanAnswer:
    return ScanAnswer(ScanState.UNAVAILABLE, (), str(address), f"not reached: {words(error)}")


def words(error: Exception) -> str:
    """What went wrong, in the system's words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number > 0:  # failures to look up a name have numbers below zero
        return os.strerror(number).lower()
    return str(error) or type(error).__name__

"""`mailfilter.lookups.clamd_transport` on an event loop: one future, one timer and one reader for a whole conversation.

Raw sockets, not asyncio's streams: a stream throws away what it received once a write has failed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
from typing import Any

from ..deadline import Deadline
from . import ScanAnswer
from .clamd_protocol import ReplyReader, ScannerAddress, instream
from .clamd_transport import BACKLOG_PAUSE, LINGER, resolve, scan, send, targets, told, unreached, words


async def ascan(address: ScannerAddress, data: bytes, deadline: Deadline) -> ScanAnswer:
    """Scan under asyncio; on a loop that cannot watch sockets, in a thread."""
    try:
        connection = await _connect(address, deadline)
    except NotImplementedError:
        return await asyncio.to_thread(scan, address, data, deadline)
    except (OSError, ValueError) as error:
        return unreached(address, error)
    with connection:
        talk = _Talk(connection, data, deadline)
        try:
            fault = await talk.ended
        finally:
            talk.close()
        return told(talk.reader, fault, address)


class _Talk:
    """Sends the mail and reads the reply side by side; ``ended`` becomes why it ended."""

    def __init__(self, connection: socket.socket, data: bytes, deadline: Deadline) -> None:
        self.reader = ReplyReader()
        self._loop = loop = asyncio.get_running_loop()
        self._connection, self._deadline = connection, deadline
        self._number = connection.fileno()  # given a socket object, a loop spends more on naming it than on watching it
        self.ended: asyncio.Future[str] = loop.create_future()
        self._pieces = instream(data)
        self._out = send(connection, memoryview(next(self._pieces)), self._pieces)
        loop.add_reader(self._number, self._readable)
        if self._out:
            loop.add_writer(self._number, self._writable)
        self._timer = loop.call_later(deadline.remaining(), self._end, "the time was up")

    def close(self) -> None:
        """Watch nothing any more."""
        self._timer.cancel()
        self._loop.remove_reader(self._number)
        if self._out:
            self._loop.remove_writer(self._number)

    def _end(self, fault: str) -> None:
        if not self.ended.done():
            self.ended.set_result(fault)

    def _readable(self) -> None:
        try:
            received = self._connection.recv(4096)
        except BlockingIOError:
            return None
        except OSError as error:
            return self._end(f"the connection broke ({words(error)})")
        if not received:
            return self._end("the connection was closed")
        before = self.reader.complete
        self.reader.feed(received)
        if self.reader.complete and not before:
            self._stop_sending()
            self._timer.cancel()
            seconds = min(LINGER, self._deadline.remaining())
            self._timer = self._loop.call_later(seconds, self._end, "the time was up")
        return None

    def _writable(self) -> None:
        self._out = send(self._connection, self._out, self._pieces) or self._stop_sending()

    def _stop_sending(self) -> memoryview:
        if self._out:
            self._loop.remove_writer(self._number)
        self._out = memoryview(b"")
        return self._out


async def _connect(address: ScannerAddress, deadline: Deadline) -> socket.socket:
    """A connected socket; raises OSError, also when the time is up."""
    if address.path:
        return await _connect_unix(address.path, deadline)
    if address.literal:
        found = resolve(address, deadline)
    else:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(deadline.remaining()):
            found = targets(await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM))
    error: OSError = TimeoutError()
    for family, target in found:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            await _connect_to(connection, target, deadline)
            return connection
        except OSError as failed:
            connection.close()
            error = failed
        except BaseException:
            connection.close()
            raise
    raise error


async def _connect_to(connection: socket.socket, target: Any, deadline: Deadline) -> None:
    connection.setblocking(False)
    status = connection.connect_ex(target)
    if status in (errno.EINPROGRESS, errno.EWOULDBLOCK):
        if not select.select([], [connection], [], 0)[1]:  # to a near host it often is connected by now
            await _wait_writable(connection, deadline)
        status = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if status:
        raise OSError(status, os.strerror(status))


async def _wait_writable(connection: socket.socket, deadline: Deadline) -> None:
    loop = asyncio.get_running_loop()
    writable: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not writable.done():
            writable.set_result(None)

    loop.add_writer(connection.fileno(), wake)
    try:
        async with asyncio.timeout(deadline.remaining()):
            await writable
    finally:
        loop.remove_writer(connection.fileno())


async def _connect_unix(path: str, deadline: Deadline) -> socket.socket:
    """Connecting to a unix socket never waits: it succeeds, fails, or the queue is full."""
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(path)
            return connection
        except BlockingIOError:
            connection.close()
            if deadline.expired:
                raise TimeoutError from None
            await asyncio.sleep(min(BACKLOG_PAUSE, deadline.remaining()))
        except OSError:
            connection.close()
            raise

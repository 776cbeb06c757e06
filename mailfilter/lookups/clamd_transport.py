"""One conversation with one clamd over a socket of its own: connect, send the mail, read the reply.

While bytes go out the reply is already watched for: clamd answers early when its size limit is reached, and closes.
What it said before it closed can still be read after a failed send.
"""

from __future__ import annotations

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
BACKLOG_PAUSE = 0.01
"""Seconds between attempts while a unix socket's queue of connections is full."""


def scan(address: ScannerAddress, data: bytes, deadline: Deadline) -> ScanAnswer:
    try:
        connection = connect(address, deadline)
    except (OSError, ValueError) as error:
        return unreached(address, error)
    with connection:
        reader = ReplyReader()
        fault = _converse(connection, data, reader, deadline)
        return told(reader, fault, address)


def connect(address: ScannerAddress, deadline: Deadline) -> socket.socket:
    """A connected socket; raises OSError, also when the time is up."""
    if address.path:
        return _connect_unix(address.path, deadline)
    error: OSError = TimeoutError()
    for family, target in resolve(address, deadline):
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
            time.sleep(BACKLOG_PAUSE)
        except OSError:
            connection.close()
            raise


_Target = tuple[socket.AddressFamily, Any]


def resolve(address: ScannerAddress, deadline: Deadline) -> list[_Target]:
    """Families and addresses to connect to; a host name is looked up without outliving the deadline."""
    if address.literal:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        return [(family, (address.host, address.port))]
    found: list[_Target] = []
    error: list[OSError] = []

    def look_up() -> None:
        try:
            found.extend(targets(socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)))
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


def targets(found: Sequence[tuple[Any, ...]]) -> list[_Target]:
    return [(entry[0], entry[4]) for entry in found]


def _converse(connection: socket.socket, data: bytes, reader: ReplyReader, deadline: Deadline) -> str:
    """Send the mail and read the reply side by side; returns why it ended."""
    connection.setblocking(False)
    pieces = instream(data)
    out = send(connection, memoryview(next(pieces)), pieces)  # a small mail is out before anything is waited for
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
            out = send(connection, out, pieces)
    return "the time was up"


def send(connection: socket.socket, out: memoryview, pieces: Iterator[bytes]) -> memoryview:
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


def told(reader: ReplyReader, fault: str, address: ScannerAddress) -> ScanAnswer:
    answer = reader.answer(fault)
    return ScanAnswer(answer.state, answer.names, str(address), answer.detail, answer.lost)


def unreached(address: ScannerAddress, error: Exception) -> ScanAnswer:
    return ScanAnswer(ScanState.UNAVAILABLE, (), str(address), f"not reached: {words(error)}")


def words(error: Exception) -> str:
    """What went wrong, in the system's words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number > 0:  # failures to look up a name have numbers below zero
        return os.strerror(number).lower()
    return str(error) or type(error).__name__

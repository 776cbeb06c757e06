"""The sockets of a DNS exchange: connected datagram sockets, and a stream for what did not fit into a datagram.

They are connected, so that the system passes on only what comes from the server, and tells at once when nobody
listens there, which dnspython's resolver does not notice.  A poller of either kind says when they are ready.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from .dns_exchange import Exchange
from .dns_flight import Flight, Port, Send
from .dns_servers import Nameserver

MAX_DATAGRAM = 4_096
_AT_ONCE = 64
"""Datagrams that are read from one socket before the others have their turn."""

Ready = Callable[[], None]


class Poller(Protocol):
    """Calls back when a socket is ready; one callback a socket."""

    def watch(self, opened: socket.socket, ready: Ready, *, write: bool = False) -> None:
        """From now on call ``ready`` when there is something to read, or room to write."""
        ...

    def forget(self, opened: socket.socket) -> None:
        """Never again."""
        ...


class Sockets:
    """Carries out what ``exchange`` wants sent, and tells it what came."""

    def __init__(self, exchange: Exchange, poller: Poller) -> None:
        self._exchange = exchange
        self._poller = poller
        self._streams: dict[Flight, _Stream] = {}

    def carry_out(self, now: float) -> None:
        """Send all that is to be sent, close all that is to be closed."""
        exchange = self._exchange
        while exchange.sends:
            sends, exchange.sends = exchange.sends, []
            for send in sends:
                if send.flight.done:
                    continue
                if send.port is None:
                    self._streams[send.flight] = _Stream(send, exchange, self._poller)
                else:
                    self._send(send, send.port, now)
        while exchange.dropped:
            if (stream := self._streams.pop(exchange.dropped.pop(), None)) is not None:
                stream.close()
        if exchange.ports.closes:
            for port in exchange.ports.closes:
                self._close(port)
            exchange.ports.closes.clear()
        if self._streams:
            self._streams = {flight: stream for flight, stream in self._streams.items() if stream.open}

    def close(self) -> None:
        """Close everything, after the exchange has dropped all its questions."""
        self._exchange.rest()
        self.carry_out(0.0)

    def abandon(self) -> None:
        """`close`, where the poller is gone."""
        self._exchange.rest()
        for port in self._exchange.ports.closes:
            for opened in port.sockets.values():
                opened.close()
        for stream in self._streams.values():
            stream.abandon()

    def _send(self, send: Send, port: Port, now: float) -> None:
        server = send.server
        try:
            opened = port.sockets.get(server) or self._open(port, server)
            try:
                opened.send(send.wire)
            except ConnectionError as error:  # what an earlier datagram met with; this one was not sent
                self._exchange.unreachable(port, server, words(error), now)
                if not send.flight.done and send.flight.server == server:
                    opened.send(send.wire)
        except BlockingIOError:
            pass  # the system's buffer is full: as good as lost on the way, and sent again in time
        except OSError as error:
            self._exchange.unreachable(port, server, words(error), now)

    def _open(self, port: Port, server: Nameserver) -> socket.socket:
        opened = socket.socket(server.family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.connect(server)
        except OSError:
            opened.close()
            raise
        port.sockets[server] = opened
        self._poller.watch(opened, partial(self._read, opened, port, server))
        return opened

    def _read(self, opened: socket.socket, port: Port, server: Nameserver) -> None:
        now, exchange = time.monotonic(), self._exchange
        try:
            for _ in range(_AT_ONCE):
                exchange.received(port, server, opened.recv(MAX_DATAGRAM), now)
        except BlockingIOError:
            pass
        except OSError as error:
            exchange.unreachable(port, server, words(error), now)

    def _close(self, port: Port) -> None:
        for opened in port.sockets.values():
            self._poller.forget(opened)
            opened.close()
        port.sockets.clear()


class _Stream:
    """One question by TCP: a length of two octets, then the message (RFC 7766 section 8)."""

    def __init__(self, send: Send, exchange: Exchange, poller: Poller) -> None:
        self._flight, self._server = send.flight, send.server
        self._exchange, self._poller = exchange, poller
        self._unsent = len(send.wire).to_bytes(2, "big") + send.wire
        self._received = bytearray()
        self.open = True
        self._socket = socket.socket(send.server.family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._guarded(self._connect)

    def close(self) -> None:
        """Let go of the socket."""
        if self.open:
            self.open = False
            self._poller.forget(self._socket)
            self._socket.close()

    def abandon(self) -> None:
        """`close`, where the poller is gone."""
        self.open = False
        self._socket.close()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BlockingIOError:
            pass
        except OSError as error:
            self._end(words(error))

    def _end(self, reply: bytes | str) -> None:
        self.close()
        self._exchange.streamed(self._flight, self._server, reply, time.monotonic())

    def _connect(self) -> None:
        self._poller.watch(self._socket, partial(self._guarded, self._write), write=True)
        self._socket.connect(self._server)

    def _write(self) -> None:
        fault = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if fault:
            raise OSError(fault, os.strerror(fault))
        self._unsent = self._unsent[self._socket.send(self._unsent) :]
        if not self._unsent:
            self._poller.watch(self._socket, partial(self._guarded, self._read))

    def _read(self) -> None:
        piece = self._socket.recv(65_537)
        self._received += piece
        size = int.from_bytes(self._received[:2], "big") if len(self._received) > 1 else 65_535
        if len(self._received) >= 2 + size:
            self._end(bytes(self._received[2 : 2 + size]))
        elif not piece:
            self._end("the connection was closed")


def words(error: OSError) -> str:
    """What the system says, in one line."""
    return os.strerror(error.errno).lower() if error.errno else str(error)

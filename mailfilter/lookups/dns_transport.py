"""The two drivers of a DNS dialogue: they open sockets, send, wait, and know nothing of DNS but TCP's length prefix."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Generator
from typing import NamedTuple, TypeVar

from .dns_servers import Nameserver

MAX_DATAGRAM = 4_096
Result = TypeVar("Result")


class Step(NamedTuple):
    """What a dialogue wants done: send ``wire`` (nothing if empty) and wait ``seconds`` for a reply."""

    server: Nameserver
    wire: bytes
    seconds: float
    tcp: bool = False


Event = bytes | str | None
"""A reply; why there can be none (nobody listens, no route); or None: the time is up."""


def drive(dialogue: Generator[Step, Event, Result]) -> Result:
    """Do what the dialogue says, blocking.  A server's socket stays open until the end, for answers that come late."""
    sockets: dict[Nameserver, socket.socket] = {}
    event: Event = None
    try:
        while True:
            step = dialogue.send(event)
            try:
                event = _by_tcp(step) if step.tcp else _by_udp(step, sockets)
            except TimeoutError:
                event = None
            except OSError as error:
                event = words(error)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        for opened in sockets.values():
            opened.close()


async def adrive(dialogue: Generator[Step, Event, Result]) -> Result:
    """`drive` under asyncio."""
    sockets: dict[Nameserver, socket.socket] = {}
    event: Event = None
    try:
        while True:
            step = dialogue.send(event)
            try:
                async with asyncio.timeout(step.seconds):
                    event = await (_aby_tcp(step) if step.tcp else _aby_udp(step, sockets))
            except TimeoutError:
                event = None
            except OSError as error:
                event = words(error)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        for opened in sockets.values():
            opened.close()


def words(error: OSError) -> str:
    """What the system says, in one line."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _udp(step: Step, sockets: dict[Nameserver, socket.socket]) -> socket.socket:
    """The server's socket, connected and not blocking."""
    opened = sockets.get(step.server)
    if opened is None:
        opened = sockets[step.server] = socket.socket(step.server.family, socket.SOCK_DGRAM)
        opened.setblocking(False)
        opened.connect(step.server)
    if step.wire:
        opened.send(step.wire)
    return opened


def _by_udp(step: Step, sockets: dict[Nameserver, socket.socket]) -> bytes:
    opened = _udp(step, sockets)
    opened.settimeout(max(step.seconds, 0.001))
    return opened.recv(MAX_DATAGRAM)


async def _aby_udp(step: Step, sockets: dict[Nameserver, socket.socket]) -> bytes:
    return await asyncio.get_running_loop().sock_recv(_udp(step, sockets), MAX_DATAGRAM)


def _by_tcp(step: Step) -> bytes:
    until = time.monotonic() + step.seconds
    with socket.create_connection(step.server, max(step.seconds, 0.001)) as stream:
        stream.sendall(len(step.wire).to_bytes(2, "big") + step.wire)
        received = b""
        while len(received) < _wanted(received):
            stream.settimeout(max(until - time.monotonic(), 0.001))
            piece = stream.recv(_wanted(received) - len(received))
            if not piece:
                raise ConnectionError("the connection was closed")
            received += piece
    return received[2:]


async def _aby_tcp(step: Step) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(step.server.family, socket.SOCK_STREAM) as stream:
        stream.setblocking(False)
        await loop.sock_connect(stream, step.server)
        await loop.sock_sendall(stream, len(step.wire).to_bytes(2, "big") + step.wire)
        received = b""
        while len(received) < _wanted(received):
            piece = await loop.sock_recv(stream, _wanted(received) - len(received))
            if not piece:
                raise ConnectionError("the connection was closed")
            received += piece
    return received[2:]


def _wanted(received: bytes) -> int:
    """Length of the whole message with its prefix, as far as it is known."""
    return 2 + int.from_bytes(received[:2], "big") if len(received) >= 2 else 2

"""Administration of clamd: is it there, and which engine and signatures does it have.

These are pyclamd's commands over a connection of ours; see ``docs/decisions/0002-clamd-client.md`` for what of
pyclamd is safe.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from ..deadline import Deadline
from .clamd_protocol import ScannerAddress
from .clamd_transport import connect, words

MAX_ANSWER = 65_536
"""Bytes of an answer of several lines that are read."""


@dataclass(frozen=True, slots=True)
class ScannerHealth:
    """What one address says of itself: does it answer PING, and which engine and signatures it has."""

    address: str
    alive: bool
    version: str = ""
    detail: str = ""


def scanner_health(address: ScannerAddress, deadline: Deadline) -> ScannerHealth:
    try:
        _command(address, "ping", deadline)
        return ScannerHealth(str(address), True, str(_command(address, "version", deadline)))
    except (OSError, ValueError) as error:
        return ScannerHealth(str(address), False, detail=f"not reached: {words(error)}")


def version(address: ScannerAddress, deadline: Deadline) -> str:
    """Engine and signature version, ``""`` if it cannot be learned."""
    try:
        return str(_command(address, "version", deadline))
    except (OSError, ValueError):
        return ""


def reload(address: ScannerAddress, deadline: Deadline) -> ScannerHealth:
    """Have the signatures read anew."""
    return _said(address, "reload", deadline)


def stats(address: ScannerAddress, deadline: Deadline) -> ScannerHealth:
    """Threads, queue and memory, in clamd's words."""
    return _said(address, "stats", deadline)


def _said(address: ScannerAddress, command: str, deadline: Deadline) -> ScannerHealth:
    try:
        said = str(_command(address, command, deadline)).strip()
    except (OSError, ValueError) as error:
        return ScannerHealth(str(address), False, detail=f"not reached: {words(error)}")
    return ScannerHealth(str(address), bool(said), detail=said or "closed without an answer")


def _command(address: ScannerAddress, command: str, deadline: Deadline) -> object:
    """One of pyclamd's administration commands, over a connection of ours.

    A new pyclamd object per call (it keeps its socket in itself), no connecting by pyclamd (IPv4 only, leaks on
    errors), and a socket that knows the deadline (pyclamd waits five times its own).
    """
    from pyclamd import pyclamd

    with connect(address, deadline) as connection:
        client = pyclamd._ClamdGeneric()
        client.clamd_socket = _DeadlineSocket(connection, deadline, whole=command == "stats")
        client._init_socket = lambda: None
        return getattr(client, command)()


class _DeadlineSocket:
    """As much of a socket as pyclamd's commands use: whole sends, whole lines, one deadline.

    ``whole``  hand out all that comes until the other side closes: pyclamd takes an empty line for the end.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline, whole: bool = False) -> None:
        self._connection = connection
        self._deadline = deadline
        self._whole = whole

    def send(self, data: bytes) -> int:
        self._connection.settimeout(max(self._deadline.remaining(), 0.001))
        self._connection.sendall(data)
        return len(data)

    def recv(self, size: int) -> bytes:
        line = b""
        size = MAX_ANSWER if self._whole else size
        while (self._whole or not line.endswith(b"\n")) and len(line) < size:
            self._connection.settimeout(max(self._deadline.remaining(), 0.001))
            received = self._connection.recv(size - len(line))
            if not received:
                break
            line += received
        return line

    def close(self) -> None:
        self._connection.close()

"""A clamd that does what a script says, for failures that a real one does not show on demand.

    with FakeClamd(close_without_reply) as clamd:
        ClamdLookup([clamd.address]).ask(ScanQuestion(b"..."), Deadline.after(1)).state   # UNAVAILABLE

A behaviour is a function that is given one `Session`; several are used for one connection each, the last for all
that follow.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any


class Session:
    """One connection, from the server's side."""

    def __init__(self, connection: socket.socket, stopped: threading.Event) -> None:
        self.connection = connection
        self.stopped = stopped
        self._buffer = b""

    def command(self) -> str:
        """The next command's name, without its ``n`` or ``z``; ``""`` when the client has closed."""
        while b"\0" not in self._buffer and b"\n" not in self._buffer:
            if not self._more():
                return ""
        end = min(at for at in (self._buffer.find(b"\0"), self._buffer.find(b"\n")) if at >= 0)
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        return line[1:].decode("ascii", "replace")

    def stream(self, limit: int | None = None) -> bytes | None:
        """The chunks of an INSTREAM put together; `None` once they are longer than ``limit``, or cut off."""
        data = b""
        while True:
            header = self._exactly(4)
            size = struct.unpack("!L", header)[0] if len(header) == 4 else -1
            if size == 0:
                return data
            if size < 0 or (limit is not None and len(data) + size > limit):
                return None
            data += self._exactly(size)

    def read(self, size: int) -> None:
        """Read ``size`` bytes, whatever they are."""
        self._exactly(size)

    def send(self, data: bytes) -> None:
        """Reply; a client that is gone is no error."""
        with contextlib.suppress(OSError):
            self.connection.sendall(data)

    def reset(self) -> None:
        """End the connection with RST instead of FIN (TCP only)."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size and self._more():
            pass
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _more(self) -> bool:
        try:
            received = self.connection.recv(65_536)
        except OSError:
            return False
        self._buffer += received
        return bool(received)


Behaviour = Callable[[Session], None]


def replies(*pieces: bytes, pause: float = 0.0) -> Behaviour:
    """Read the mail, then send the pieces one by one, ``pause`` seconds apart, and close."""

    def behave(session: Session) -> None:
        session.command()
        session.stream()
        for number, piece in enumerate(pieces):
            if number and session.stopped.wait(pause):
                return
            session.send(piece)

    return behave


def split_reply(reply: bytes, at: int, pause: float = 0.01) -> Behaviour:
    """Send the reply in two packets, cut before byte ``at``."""
    return replies(reply[:at], reply[at:], pause=pause)


def scans(signatures: Mapping[bytes, str], limit: int | None = None) -> Behaviour:
    """As a real clamd: PING, VERSION and INSTREAM; finds the ``signatures``' bytes, obeys a size ``limit``."""

    def behave(session: Session) -> None:
        """Answer one command."""
        match session.command():
            case "PING":
                session.send(b"PONG\n")
            case "VERSION":
                session.send(b"ClamAV 0.0.0 (fake)\n")
            case "INSTREAM":
                data = session.stream(limit)
                if data is None:
                    session.send(b"INSTREAM size limit exceeded. ERROR\0")
                    return
                found = next((name for pattern, name in signatures.items() if pattern in data), "")
                session.send(f"stream: {found} FOUND\0".encode() if found else b"stream: OK\0")
            case _:
                session.send(b"UNKNOWN COMMAND\n")

    return behave


def close_without_reply(session: Session) -> None:
    """Read the whole mail and close: what a killed clamd looks like."""
    session.command()
    session.stream()


def close_at_once(session: Session) -> None:
    """Close without reading anything."""


def hang(session: Session) -> None:
    """Read the mail and never answer."""
    session.command()
    session.stream()
    session.stopped.wait()


def never_read(session: Session) -> None:
    """Accept and then neither read nor answer: what a stopped clamd looks like."""
    session.stopped.wait()


def close_after(size: int) -> Behaviour:
    """Close after the first ``size`` bytes of the conversation."""

    def behave(session: Session) -> None:
        session.read(size)

    return behave


def reset_after(size: int) -> Behaviour:
    """End the connection hard after the first ``size`` bytes (TCP only)."""

    def behave(session: Session) -> None:
        session.read(size)
        session.reset()

    return behave


def answer_early(reply: bytes, after: int, then_close: bool = True) -> Behaviour:
    """Reply after the first ``after`` bytes while the client still sends; then close, or neither read nor close."""

    def behave(session: Session) -> None:
        session.read(after)
        session.send(reply)
        if not then_close:
            session.stopped.wait()

    return behave


class FakeClamd:
    """A server on loopback TCP, or on the unix socket ``path``; a context manager.

    ``address`` is what `ClamdLookup` takes, ``port`` the TCP port once it listens; ``connections`` counts.
    """

    def __init__(self, *behaviours: Behaviour, path: str = "") -> None:
        self._behaviours = behaviours or (scans({}),)
        self._path = path
        self._stopped = threading.Event()
        self._open: list[Any] = []
        self._threads: list[threading.Thread] = []
        self.connections = 0
        self.port = 0

    def start(self) -> FakeClamd:
        """Listen; the address is known afterwards."""
        if self._path:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(self._path)
            self._listener.listen(128)
        else:
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            self.port = int(self._listener.getsockname()[1])
        self._spawn(self._accept)
        return self

    @property
    def address(self) -> str:
        """As settings name it."""
        return f"unix:{self._path}" if self._path else f"tcp:127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End every conversation and stop listening."""
        self._stopped.set()
        for opened in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()
        for thread in self._threads:
            thread.join(5)
        if self._path:
            os.unlink(self._path)

    def __enter__(self) -> FakeClamd:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            behaviour = self._behaviours[min(self.connections, len(self._behaviours) - 1)]
            self.connections += 1
            self._open.append(connection)
            self._spawn(self._serve, connection, behaviour)

    def _serve(self, connection: socket.socket, behaviour: Behaviour) -> None:
        with connection, contextlib.suppress(OSError):
            behaviour(Session(connection, self._stopped))

    def _spawn(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True, name="fake-clamd")
        self._threads.append(thread)
        thread.start()

"""Real servers for tests: clamd, rbldnsd, nsd, unbound, Redis on free loopback ports, their state in a folder each.

They are started once a session and stopped at its end whatever happens in between.  A program that is not installed
skips the tests that need it; with ``MAILFILTER_REQUIRE_SERVERS=1`` it fails them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).parent / "servers"
START_SECONDS = 30.0

EICAR = ("X5O!P%@AP[4\\PZX54(P^)7CC)7}" + "$EICAR-STANDARD-ANTIVIRUS-TEST-" + "FILE!$H+H*").encode()
"""The test string that every scanner knows; put together here so that no scanner takes this file for a virus."""
MARKER = b"MAILFILTER-TEST-MARKER-" + b"0001"
"""Found anywhere in an object, as ``Test.Marker``."""


def program(name: str) -> str:
    """Path of a server program, or skip (or fail) with the reason."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found:
        return found
    reason = f"{name} is not installed"
    if os.environ.get("MAILFILTER_REQUIRE_SERVERS") == "1":
        pytest.fail(f"{reason}, and MAILFILTER_REQUIRE_SERVERS=1 requires it")
    pytest.skip(reason)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that is free now; for datagrams, free for streams too: name servers take both."""
    while True:
        with socket.socket(socket.AF_INET, kind) as probe, socket.socket(socket.AF_INET) as other:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            try:
                if kind is not socket.SOCK_STREAM:
                    other.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Server:
    """One server process; `stop` always ends it, a session that is killed takes it along where the system can."""

    def __init__(self, command: list[str], folder: Path, ready: Callable[[], bool], user: str = "") -> None:
        self.command = [*_tied(user), *command]
        self.folder = folder
        self._ready = ready
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers; anew where a passing connection has its port."""
        until = time.monotonic() + START_SECONDS
        process = self._begin()
        while not self._ready():
            if process.poll() is not None or time.monotonic() > until:
                self.stop()
                said = (self.folder / "output").read_text(errors="replace")[-1500:]
                if "Address already in use" not in said or time.monotonic() > until:
                    pytest.fail(f"{' '.join(self.command)} did not start: {said}")
                time.sleep(0.5)
                process = self._begin()
            time.sleep(0.02)

    def _begin(self) -> subprocess.Popen[bytes]:
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        return self.process

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it hard, as the out-of-memory killer does."""
        self.send(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    def stop(self) -> None:
        """End it if it runs."""
        if self.process is None or self.process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


def _tied(user: str) -> list[str]:
    """Ends the server with the session; gives up root for ``user`` first, because giving it up later unties it."""
    if sys.platform != "linux" or not shutil.which("setpriv"):
        return []
    as_user = [f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user and os.getuid() == 0 else []
    return ["setpriv", *as_user, "--pdeathsig", "KILL"]


class Clamd(Server):
    """A clamd with signatures of its own; ``tcp`` and ``unix`` are addresses as settings name them."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        for name in ("db", "tmp"):
            (folder / name).mkdir()
        _write_signatures(folder / "db" / "test.ndb")
        _fill(folder / "clamd.conf", DIR=str(folder), PORT=str(port))
        self.tcp, self.unix = f"tcp:127.0.0.1:{port}", f"unix:{folder}/clamd.sock"
        command = [program("clamd"), f"--config-file={folder}/clamd.conf"]
        super().__init__(command, folder, lambda: _answers_ping(port))


def _write_signatures(path: Path) -> None:
    """Name:type:offset:hex; EICAR at the start of an object, the marker anywhere, one name of each other kind."""
    path.write_text(
        f"Test.Eicar:0:0:{EICAR.hex()}\n"
        f"Test.Marker:0:*:{MARKER.hex()}\n"
        f"PUA.Test.Unwanted:0:*:{b'MAILFILTER-TEST-UNWANTED'.hex()}\n"
    )


def _answers_ping(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"nPING\n")
            return connection.recv(16) == b"PONG\n"
    except OSError:
        return False


class Rbldnsd(Server):
    """Block lists: ``bl.lab.test`` (IPv4), ``bl6.lab.test`` (IPv6), ``uri.lab.test`` (domains).

    ``address`` as settings name it; ``more``  names of further zones with the content of ``bl.lab.test``.
    """

    def __init__(self, folder: Path, more: Sequence[str] = ()) -> None:
        port = free_port(socket.SOCK_DGRAM)
        for name in ("bl.zone", "bl6.zone", "uri.zone"):
            _fill(folder / name)
        folder.chmod(0o755)  # it does not run as root
        self.port, self.address = port, f"127.0.0.1:{port}"
        zones = ["bl.lab.test:ip4set:bl.zone", "bl6.lab.test:ip6trie:bl6.zone", "uri.lab.test:dnset:uri.zone"]
        zones += [f"{name}:ip4set:bl.zone" for name in more]
        command = [program("rbldnsd"), "-n", "-e", "-a", "-w", ".", "-b", f"127.0.0.1/{port}", *zones]
        super().__init__(command, folder, lambda: _answers_dns(port), user="rbldns")


class Nsd(Server):
    """Senders: ``good.example`` with SPF, DKIM (``key`` at ``k._domainkey``) and DMARC; ``mail.test`` with ``more``."""

    def __init__(self, folder: Path, key: str = "v=DKIM1; p=", more: str = "") -> None:
        port = free_port(socket.SOCK_DGRAM)
        _fill(folder / "good.example.zone", KEY=quoted(key), LONG=quoted("x" * 1600))
        _fill(folder / "mail.test.zone", MORE=more)
        _fill(folder / "nsd.conf", DIR=str(folder), PORT=str(port))
        self.port, self.address = port, f"127.0.0.1:{port}"
        command = [program("nsd"), "-d", "-c", str(folder / "nsd.conf")]
        super().__init__(command, folder, lambda: _answers_dns(port, "mx.good.example"))


def quoted(text: str) -> str:
    """A TXT record's text as a zone file has it: strings of 200 characters."""
    return " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))


class Unbound(Server):
    """A resolver in front of `Rbldnsd` and, if there is one, `Nsd`; knows ``static.example`` and refuses the rest."""

    def __init__(self, folder: Path, backend: Rbldnsd, senders: Nsd | None = None) -> None:
        port = free_port(socket.SOCK_DGRAM)
        ports = {"PORT": str(port), "BACKEND": str(backend.port), "SENDERS": str((senders or backend).port)}
        _fill(folder / "unbound.conf", DIR=str(folder), LONG="x" * 200, **ports)
        self.address = f"127.0.0.1:{port}"
        command = [program("unbound"), "-d", "-p", "-c", str(folder / "unbound.conf")]
        super().__init__(command, folder, lambda: _answers_dns(port))


def _answers_dns(port: int, name: str = "2.0.0.127.bl.lab.test") -> bool:
    """Whether a question, by default for the test point of bl.lab.test, is answered."""
    import dns.exception
    import dns.message
    import dns.query

    query = dns.message.make_query(name, "A")
    try:
        return bool(dns.query.udp(query, "127.0.0.1", timeout=0.3, port=port).answer)
    except (dns.exception.DNSException, OSError):
        return False


class Redis(Server):
    """A Redis without a file: what it knows is gone when it is killed; ``url`` as settings name it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        facts = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        super().__init__([program("redis-server"), *facts], folder, lambda: _pongs(self.port))


def _pongs(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16) == b"+PONG\r\n"
    except OSError:
        return False


def _fill(target: Path, **values: str) -> None:
    """Copy the template of the target's name with ``@NAME@`` filled in."""
    text = (TEMPLATES / target.name).read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    target.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server, started, and stopped in the end."""
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _folder(factory: pytest.TempPathFactory, name: str) -> Path:
    folder = factory.mktemp(name)
    if len(str(folder)) > 80:
        pytest.fail(f"{folder} is too long for a unix socket's path; choose a shorter --basetemp")
    return folder


@pytest.fixture(scope="session")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    """A clamd that the whole session shares; not to be killed."""
    server = Clamd(_folder(tmp_path_factory, "clamd"))
    with running(server):
        yield server


@pytest.fixture
def own_clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    """A clamd for one test, which may do to it what it likes."""
    server = Clamd(_folder(tmp_path_factory, "own_clamd"))
    with running(server):
        yield server


@pytest.fixture(scope="session")
def rbldnsd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rbldnsd]:
    """Block lists, asked directly."""
    server = Rbldnsd(_folder(tmp_path_factory, "rbldnsd"))
    with running(server):
        yield server


@pytest.fixture(scope="session")
def unbound(tmp_path_factory: pytest.TempPathFactory, rbldnsd: Rbldnsd) -> Iterator[Unbound]:
    """The block lists behind a resolver."""
    server = Unbound(_folder(tmp_path_factory, "unbound"), rbldnsd)
    with running(server):
        yield server


@pytest.fixture(scope="session")
def nsd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nsd]:
    """Zones of senders; the key is that of ``tests/authentication/signing.py``."""
    from .authentication.signing import record

    server = Nsd(_folder(tmp_path_factory, "nsd"), record("rsa2048"))
    with running(server):
        yield server


@pytest.fixture(scope="session")
def resolver(tmp_path_factory: pytest.TempPathFactory, rbldnsd: Rbldnsd, nsd: Nsd) -> Iterator[Unbound]:
    """The block lists and the senders behind one resolver."""
    server = Unbound(_folder(tmp_path_factory, "resolver"), rbldnsd, nsd)
    with running(server):
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis that the whole session shares; not to be killed, and to be emptied by who needs it empty."""
    server = Redis(_folder(tmp_path_factory, "redis"))
    with running(server):
        yield server


@pytest.fixture
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis for one test, which may do to it what it likes."""
    server = Redis(_folder(tmp_path_factory, "own_redis"))
    with running(server):
        yield server

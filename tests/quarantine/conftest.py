"""A real PostgreSQL and a real SMTP server for the quarantine's tests."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..servers import Server, free_port, program, running

_USER = "postgres"


class Postgres(Server):
    """A PostgreSQL that belongs to these tests; ``url`` names its database."""

    def __init__(self, folder: Path) -> None:
        postgres = _program("postgres")
        as_user = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"] if os.getuid() == 0 else []
        self.data, self.port = folder / "data", free_port()
        if as_user:
            found = pwd.getpwnam(_USER)
            os.chown(folder, found.pw_uid, found.pw_gid)
        words = ["-D", str(self.data), "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*as_user, _program("initdb"), *words], check=True, capture_output=True, cwd=folder)
        self.url = f"postgresql://tester@127.0.0.1:{self.port}/postgres"
        command = [postgres, "-D", str(self.data), "-p", str(self.port), "-h", "127.0.0.1", "-k", str(folder)]
        super().__init__(command, folder, self._answers, user=_USER)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)):
                return False
        done = subprocess.run([_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False)
        return done.returncode == 0


def _program(name: str) -> str:
    """One of PostgreSQL's programs, which Debian keeps out of the PATH."""
    places = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return shutil.which(name, path=":".join(places)) or program(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL that the session shares; not in pytest's folder, which only its owner may enter."""
    pytest.importorskip("psycopg", reason="pip install 'mailfilter[postgres]'")
    _program("initdb")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        server = Postgres(folder)
        with running(server):
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(postgres: Postgres) -> str:
    """The URL of a database without tables."""
    import psycopg

    with psycopg.connect(postgres.url, autocommit=True) as db:
        db.execute("DROP TABLE IF EXISTS quarantine_entry, quarantine_recipient, quarantine_version")
    return postgres.url

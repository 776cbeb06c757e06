"""rspamd as a filter: its scanner, its controller and a Redis for its Bayes, all private, in a folder of their own.

Its settings are as shipped, except that what needs the network is off (as the offline modes of the other filters are):
a check that takes an unanswered question for a finding would only count against it.  It learns through its controller
and keeps its own rules of what it learns and from how many mails on it uses that (200 of each kind).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from .adapters import ProgramFilter, require, running
from .filters import Answer, Floats, LeftOut

_SECONDS = 120
_NETWORK = (
    "antivirus", "arc", "asn", "dkim", "dkim_signing", "dmarc", "external_services", "fuzzy_check", "greylist",
    "hfilter", "history_redis", "mx_check", "neural", "phishing", "ratelimit", "rbl", "replies", "spf",
    "url_redirector",
)  # fmt: skip
"""Modules that ask others, or that remember across mails what a corpus in its order would only blur."""

_SETTINGS = {
    "options.inc": 'dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.01s; }} disable_monitoring = true;',
    "redis.conf": 'servers = "{0}/redis.sock";',
    "classifier-bayes.conf": 'backend = "redis"; servers = "{0}/redis.sock";',
    "worker-proxy.inc": "enabled = false;",
    "worker-fuzzy.inc": "enabled = false;",
    "worker-normal.inc": 'bind_socket = "{0}/scan.sock mode=0666"; count = 1;',
    "worker-controller.inc": 'bind_socket = "{0}/control.sock mode=0666"; count = 1; secure_ip = "0.0.0.0/0";',
    "logging.inc": 'type = "file"; filename = "{0}/rspamd.log"; level = "error";',
}


class Rspamd(ProgramFilter):
    """rspamd with everything that a mail alone can show; ``spam`` is its action "add header" or a sterner one."""

    name = "rspamd"

    @property
    def threshold(self) -> float:
        return 6.0

    def __init__(self) -> None:
        programs = require("rspamd"), require("redis-server")
        super().__init__()
        self._processes: list[subprocess.Popen[bytes]] = []
        self.folder.chmod(0o777)  # it drops its rights
        self._configure()
        try:
            self._start(programs[1], "--port", "0", "--unixsocket", f"{self.folder}/redis.sock",
                        "--unixsocketperm", "777", "--save", "", "--dir", str(self.folder))  # fmt: skip
            self._await("redis.sock")
            places = [f"--var={name}={self.folder}" for name in ("RUNDIR", "DBDIR", "LOGDIR")]
            self._start(programs[0], "-f", "-i", f"--var=LOCAL_CONFDIR={self.folder}/conf", *places)
            self._await("scan.sock")
            self._await("control.sock")
        except BaseException:
            self.close()
            raise

    def classify(self, raw: bytes) -> Answer:
        found = self._ask("scan.sock", "/checkv2", raw)
        try:
            return Answer(float(found["score"]), found["action"] not in ("no action", "greylist"))  # type: ignore[arg-type]
        except (KeyError, ValueError, TypeError):
            raise LeftOut(f"rspamd answered {str(found)[:80]!r}") from None

    def learn(self, raw: bytes, spam: bool) -> None:
        self._ask("control.sock", "/learnspam" if spam else "/learnham", raw)

    def probabilities(self, scores: Floats) -> Floats | None:
        return None

    def cpu(self) -> float:
        pids = [pid for process in self._processes for pid in _family(process.pid)]
        return super().cpu() + sum(map(running, pids))

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        super().close()

    def _configure(self) -> None:
        place = self.folder / "conf" / "override.d"
        place.mkdir(parents=True)
        for module in _NETWORK:
            (place / f"{module}.conf").write_text("enabled = false;\n")
        for name, text in _SETTINGS.items():
            (place / name).write_text(text.format(self.folder) + "\n")

    def _start(self, *words: str) -> None:
        quiet = subprocess.DEVNULL
        self._processes.append(subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet, cwd=self.folder))

    def _await(self, name: str) -> None:
        """Until the socket accepts; raises `LeftOut` when the program ends or takes too long."""
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(OSError), _connected(self.folder / name):
                return
            if self._processes[-1].poll() is not None:
                break
            time.sleep(0.05)
        raise LeftOut(f"rspamd does not start: nothing listens on {name}")

    def _ask(self, name: str, path: str, raw: bytes) -> dict[str, object]:
        """What it answers, nothing where it has no words; "already learned" is one of its own rules, not a failure."""
        try:
            with _connected(self.folder / name) as open_socket:
                connection = http.client.HTTPConnection("localhost", timeout=_SECONDS)
                connection.sock = open_socket
                connection.request("POST", path, raw)
                said = connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            raise LeftOut(f"rspamd gives no answer: {error}") from None
        try:
            found = json.loads(said)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def _connected(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(_SECONDS)
    try:
        made.connect(os.fspath(path))
    except OSError:
        made.close()
        raise
    return made


def _family(pid: int) -> Sequence[int]:
    """A process and its children, as far as the system tells; not the one that compiles patterns in the background."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return (pid, *(child for child in children if b"hs_helper" not in Path(f"/proc/{child}/cmdline").read_bytes()))
    except OSError:
        return (pid,)

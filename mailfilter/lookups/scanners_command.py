"""A scanner that is a command: ``clamscan --no-summary -``, or any other that reads the mail and says what it found.

The mail goes to the command's standard input, or to a file where an argument holds ``{file}``.  Clean is an exit status
that means clean, from a command that took the whole of the mail, with output that says nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..deadline import Deadline
from ..errors import SettingError
from ..settings import build, setting
from . import ScanAnswer, ScanQuestion, ScanState
from ._limit import LoopLimit

MAX_OUTPUT = 1 << 20
"""Octets of output that are read; a command that says more has not answered."""
GRACE = 0.05
"""Seconds before the deadline in which a command is killed, so that the answer comes in time."""


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """[virus.scanner_settings.command]  a scanner that is a command"""

    command: tuple[str, ...] = setting((), "texts", 'program and arguments; "{file}" stands for a file of the mail')
    clean: tuple[int, ...] = setting((0,), "integers", "exit statuses that mean clean")
    infected: tuple[int, ...] = setting((1,), "integers", "exit statuses that mean infected")
    found: str = setting(r"^.*: (.+) FOUND$", "text", "pattern of an output line that names what was found")
    clean_output: str = setting(r"^.*: OK$", "text", "pattern that the output of a clean scan has; empty: anything")


class CommandScanner:
    """Runs a command per scan; ``settings`` as `CommandSettings` has them.  Raises `SettingError`.

    A command that is not done by the deadline is killed with all that it started.
    """

    kind: type[Any] = ScanQuestion

    def __init__(self, settings: Mapping[str, Any], source: str = "settings", max_scans: int = 4) -> None:
        where, faults = "virus.scanner_settings.command", list[str]()
        self.settings = build(CommandSettings, settings, where, faults)
        self._found = _pattern(self.settings.found, f"{where}.found", faults)
        self._clean_output = _pattern(self.settings.clean_output, f"{where}.clean_output", faults)
        command = self.settings.command
        if not command:
            faults.append(f"{where}.command: which command is to be run?")
        elif shutil.which(command[0]) is None:
            faults.append(f'{where}.command: there is no program "{command[0]}"')
        if both := set(self.settings.clean) & set(self.settings.infected):
            faults.append(f"{where}: exit status {min(both)} means both clean and infected")
        if faults:
            raise SettingError(source, tuple(faults))
        self.name = os.path.basename(command[0])
        self._limit = LoopLimit(max_scans)

    def ask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        """Scan, blocking until the verdict or the deadline."""
        if deadline.expired:
            return self._answer(ScanState.UNAVAILABLE, "no time left")
        with contextlib.ExitStack() as stack:
            try:
                command, data = self._prepared(question.data, stack)
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                    start_new_session=True, bufsize=0,
                )  # fmt: skip
            except OSError as error:
                return self._answer(ScanState.UNAVAILABLE, f"cannot be run: {error.strerror or error}")
            with process:
                try:
                    return self._converse(process, data, deadline)
                finally:
                    _kill(process)

    def _converse(self, process: subprocess.Popen[bytes], data: bytes, deadline: Deadline) -> ScanAnswer:
        import selectors

        assert process.stdin is not None
        assert process.stdout is not None
        out, left = bytearray(), memoryview(data)
        os.set_blocking(process.stdin.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stdin, selectors.EVENT_WRITE)
            while selector.get_map():
                seconds = deadline.remaining() - GRACE
                ready = selector.select(max(seconds, 0))
                if not ready and seconds <= 0:
                    return self._answer(ScanState.UNAVAILABLE, "killed: not done in time", lost=True)
                for key, _ in ready:
                    if key.fileobj is process.stdout:
                        piece = os.read(process.stdout.fileno(), 65_536)
                        out += piece
                        if not piece:
                            selector.unregister(process.stdout)
                    else:
                        left, done = _write(process.stdin.fileno(), left)
                        if done:
                            selector.unregister(process.stdin)
                            process.stdin.close()
                if len(out) > MAX_OUTPUT:
                    return self._answer(ScanState.SCANNER_ERROR, f"killed: said more than {MAX_OUTPUT} octets")
        try:
            status = process.wait(max(deadline.remaining() - GRACE, 0.001))
        except subprocess.TimeoutExpired:
            return self._answer(ScanState.UNAVAILABLE, "killed: not done in time", lost=True)
        return self._judge(status, bytes(out), whole=not left)

    async def aask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        """Scan under asyncio, in a thread: what takes time is the command."""
        if not await self._limit.acquire(deadline.remaining()):
            return self._answer(ScanState.UNAVAILABLE, "no turn to scan before the deadline")
        try:
            return await asyncio.to_thread(self.ask, question, deadline)
        finally:
            self._limit.release()

    def close(self) -> None:
        """Nothing is kept open between scans."""

    def _prepared(self, data: bytes, stack: contextlib.ExitStack) -> tuple[Sequence[str], bytes]:
        """The command line, and what goes to its standard input."""
        command = self.settings.command
        if not any("{file}" in argument for argument in command):
            return command, data
        file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="mailfilter-"))  # noqa: SIM115
        file.write(data)
        file.flush()
        return [argument.replace("{file}", file.name) for argument in command], b""

    def _judge(self, status: int, out: bytes, whole: bool) -> ScanAnswer:
        """What exit status and output mean together; where they disagree there is no verdict but malware."""
        text = out.decode("utf-8", "backslashreplace")
        names = tuple(dict.fromkeys(match[1][:300] for match in self._found.finditer(text)))
        if status in self.settings.infected:
            return ScanAnswer(ScanState.INFECTED, names or ("unnamed",), self.name)
        if status < 0:
            return self._answer(ScanState.UNAVAILABLE, f"died of signal {-status}", lost=True)
        if status not in self.settings.clean:
            return self._answer(ScanState.SCANNER_ERROR, f"exit status {status}: {text.strip()[:200]}")
        if names:
            detail = f"found, though exit status {status} means clean"
            return ScanAnswer(ScanState.INFECTED, names, self.name, detail)
        if not whole:
            return self._answer(ScanState.SCANNER_ERROR, "called clean before the whole mail was read")
        if self.settings.clean_output and not self._clean_output.search(text):
            return self._answer(ScanState.SCANNER_ERROR, f"unknown output: {text.strip()[:200]}")
        return ScanAnswer(ScanState.CLEAN, (), self.name)

    def _answer(self, state: ScanState, detail: str, lost: bool = False) -> ScanAnswer:
        return ScanAnswer(state, (), self.name, detail, lost)


def _write(target: int, left: memoryview) -> tuple[memoryview, bool]:
    """Write without waiting; what is left, and whether nothing more is to be written or nobody reads any more."""
    try:
        left = left[os.write(target, left[:65_536]) :] if left else left
    except BlockingIOError:
        return left, False
    except OSError:
        return left, True
    return left, not left


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the command and what it started, unless it has ended: its number may be another's by now."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _pattern(text: str, where: str, faults: list[str]) -> re.Pattern[str]:
    try:
        pattern = re.compile(text, re.MULTILINE)
    except re.error as error:
        faults.append(f"{where}: is no pattern: {error}")
        return re.compile("")
    if text and where.endswith(".found") and pattern.groups < 1:
        faults.append(f"{where}: a group has to name what was found, as in (.+)")
    return pattern

"""Other filters, driven through their programs.

Any filter can be put into the jig through a program that is called in four ways (the TREC spam track's interface),
in a folder of its own that is empty at first:

    PROGRAM initialize               make an empty store in the current folder
    PROGRAM classify FILE            print ``class=spam score=0.93`` (or ``class=ham``); other words are ignored
    PROGRAM train spam|ham FILE      learn the mail
    PROGRAM finalize                 let go of everything

With ``--command 'lines:PROGRAM'`` it is started once instead, reads the same words from its standard input, one
command a line, and answers each with one line: for filters that take long to start.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .filters import Answer, Answers, Filter, Flags, Floats, LeftOut

_CLASS = re.compile(rb"(?:^|\s)class=(spam|ham)\b", re.IGNORECASE)
_SCORE = re.compile(rb"(?:^|\s)score=(\S+)")
_FILES_A_CALL = 500
_SECONDS = 120
"""A program that needs longer for one call is taken to hang."""


def parse_answer(line: bytes, program: str) -> Answer:
    """The answer in what a program printed; raises `LeftOut` where there is none."""
    word, score = _CLASS.search(line), _SCORE.search(line)
    try:
        if word is not None and score is not None:
            return Answer(float(score[1]), word[1].lower() == b"spam")
    except ValueError:
        pass
    shown = line.decode("utf-8", "replace").strip()[:80]
    raise LeftOut(f"{program} answered {shown!r} where 'class=spam|ham score=NUMBER' is expected")


def require(program: str) -> str:
    """Path of an installed program; raises `LeftOut`."""
    found = shutil.which(program)
    if found is None:
        raise LeftOut(f"{program} is not installed")
    return found


class ProgramFilter(Filter):
    """What filters that are programs share: a scratch folder, and a call with a limit of time."""

    in_process = False

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="mailfilter-bench-")
        self.folder = Path(self._scratch.name)

    def call(self, words: Sequence[str], given: bytes = b"", fine: Sequence[int] = (0,)) -> bytes:
        """Run a program on standard input, and give its output; raises `LeftOut` if it fails."""
        try:
            done = subprocess.run(
                words, input=given, capture_output=True, timeout=_SECONDS, cwd=self.folder, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LeftOut(f"{words[0]} cannot be run: {error}") from None
        if done.returncode not in fine:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().partition("\n")[0]
            raise LeftOut(f"{words[0]} failed with status {done.returncode}: {said[:120]}")
        return done.stdout

    def write(self, mails: Sequence[bytes]) -> list[str]:
        """Files that hold the mails, until the next call."""
        place = self.folder / "mails"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        names = [str(place / str(number)) for number in range(len(mails))]
        for name, raw in zip(names, mails, strict=True):
            Path(name).write_bytes(raw)
        return names

    def close(self) -> None:
        self._scratch.cleanup()


class Bogofilter(ProgramFilter):
    """bogofilter with its built-in settings; one mail a process, or its bulk mode for many."""

    name = "bogofilter"
    CUTOFF = 0.99
    """Its spam_cutoff, itself included; mails between 0.45 and this are "unsure" and count as not spam."""

    def __init__(self) -> None:
        program = require("bogofilter")
        super().__init__()
        self._command = [program, "-C", "-d", str(self.folder)]
        self._empty = True

    @property
    def threshold(self) -> float:
        return self.CUTOFF

    def classify(self, raw: bytes) -> Answer:
        if self._empty:
            return Answer(0.52, False)
        score = float(self.call([*self._command, "-TT"], raw, (0, 1, 2)))
        return Answer(score, score >= self.CUTOFF)

    def learn(self, raw: bytes, spam: bool) -> None:
        self.call([*self._command, "-s" if spam else "-n"], raw)
        self._empty = False

    def train(self, mails: Sequence[bytes], spam: Flags, corpora: Sequence[str]) -> None:
        for option, label in (("-n", False), ("-s", True)):
            names = self.write([raw for raw, one in zip(mails, spam.tolist(), strict=True) if one == label])
            if names:
                self.call([*self._command, "-b", option], "".join(name + "\n" for name in names).encode())
                self._empty = False

    def answers(self, prepared: Sequence[bytes]) -> Answers:
        names = "".join(name + "\n" for name in self.write(prepared))
        lines = self.call([*self._command, "-b", "-TT"], names.encode(), (0, 1, 2)).splitlines()
        if len(lines) != len(prepared):
            raise LeftOut(f"bogofilter gave {len(lines)} answers for {len(prepared)} mails")
        scores = np.array([float(line.rpartition(b" ")[2]) for line in lines])
        return Answers(scores, scores >= self.CUTOFF)

    def probabilities(self, scores: Floats) -> Floats:
        return scores


class SpamProbe(ProgramFilter):
    """spamprobe with its built-in settings; its scores have seven decimals, so there are ties."""

    name = "spamprobe"

    @property
    def threshold(self) -> float:
        return 0.6

    def __init__(self) -> None:
        program = require("spamprobe")
        super().__init__()
        self._command = [program, "-M", "-d", str(self.folder)]
        self.call([*self._command, "create-db"])

    def classify(self, raw: bytes) -> Answer:
        return self._parse(self.call([*self._command, "score"], raw))

    def learn(self, raw: bytes, spam: bool) -> None:
        self.call([*self._command, "spam" if spam else "good"], raw)

    def train(self, mails: Sequence[bytes], spam: Flags, corpora: Sequence[str]) -> None:
        for command, label in (("good", False), ("spam", True)):
            names = self.write([raw for raw, one in zip(mails, spam.tolist(), strict=True) if one == label])
            for start in range(0, len(names), _FILES_A_CALL):
                self.call([*self._command, command, *names[start : start + _FILES_A_CALL]])

    def answers(self, prepared: Sequence[bytes]) -> Answers:
        names, lines = self.write(prepared), list[bytes]()
        for start in range(0, len(names), _FILES_A_CALL):
            lines += self.call([*self._command, "score", *names[start : start + _FILES_A_CALL]]).splitlines()
        found = [self._parse(line) for line in lines]
        if len(found) != len(prepared):
            raise LeftOut(f"spamprobe gave {len(found)} answers for {len(prepared)} mails")
        return Answers(np.array([one.score for one in found]), np.array([one.spam for one in found], dtype=bool))

    def _parse(self, line: bytes) -> Answer:
        words = line.split()
        if len(words) < 2 or words[0] not in (b"SPAM", b"GOOD"):
            raise LeftOut(f"spamprobe answered {line[:60]!r}")
        return Answer(float(words[1]), words[0] == b"SPAM")

    def probabilities(self, scores: Floats) -> Floats:
        return scores


class CommandFilter(ProgramFilter):
    """Any program with the interface that this module describes."""

    def __init__(self, command: str, name: str = "command") -> None:
        self.persistent = command.startswith("lines:")
        self._words = shlex.split(command.removeprefix("lines:"))
        if not self._words:
            raise LeftOut("--command names no program")
        self._words[0] = require(self._words[0])
        super().__init__()
        self.name = name
        self._process: subprocess.Popen[bytes] | None = None
        if self.persistent:
            self._process = subprocess.Popen(
                self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.folder
            )
        self._say("initialize")

    def _say(self, *words: str) -> bytes:
        if self._process is None:
            return self.call([*self._words, *words])
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(" ".join(words).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self._process.stdout.readline()
        if not answer.endswith(b"\n"):
            raise LeftOut(f"{self._words[0]} ended at {words[0]!r} with status {self._process.wait()}")
        return answer

    def classify(self, raw: bytes) -> Answer:
        return parse_answer(self._say("classify", self._file(raw)), self._words[0])

    def learn(self, raw: bytes, spam: bool) -> None:
        self._say("train", "spam" if spam else "ham", self._file(raw))

    def _file(self, raw: bytes) -> str:
        place = self.folder / "mail"
        place.write_bytes(raw)
        return str(place)

    def cpu(self) -> float:
        return super().cpu() + (running(self._process.pid) if self._process and self._process.poll() is None else 0.0)

    def close(self) -> None:
        if self._process is None or self._process.poll() is None:
            self._say("finalize")
        if self._process is not None:
            self._process.communicate(timeout=_SECONDS)
        super().close()


class SpamAssassin(CommandFilter):
    """SpamAssassin through its library: ``mode`` is ``bayes``, its Bayes alone, or ``rules``, all of it, offline."""

    def __init__(self, mode: str) -> None:
        perl = require("perl")
        if subprocess.run([perl, "-MMail::SpamAssassin", "-e1"], capture_output=True, check=False).returncode:
            raise LeftOut("SpamAssassin is not installed")
        program = Path(__file__).with_name("spamassassin.pl")
        self._bayes = mode == "bayes"
        name = "spamassassin" if self._bayes else "spamassassin-rules"
        super().__init__(f"lines:{perl} {shlex.quote(str(program))} . {mode}", name)

    @property
    def threshold(self) -> float:
        return 0.5 if self._bayes else 5.0

    def train(self, mails: Sequence[bytes], spam: Flags, corpora: Sequence[str]) -> None:
        self._say("hold")
        super().train(mails, spam, corpora)
        self._say("release")

    def probabilities(self, scores: Floats) -> Floats | None:
        return scores if self._bayes else None


def running(pid: int) -> float:
    """CPU seconds of a process that still runs, 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

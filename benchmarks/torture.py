"""Processes that store mail in one quarantine and are killed at random, and the count of what is there afterwards."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from mailfilter.decision import Action, Reason
from mailfilter.envelope import Envelope
from mailfilter.errors import StoreError
from mailfilter.quarantine import Audit, Quarantine
from mailfilter.stores.blobs import PART
from mailfilter.verdict import ScoredSymbol, Verdict

_PROCESSES = multiprocessing.get_context("fork")
_FOUND = ScoredSymbol("TORTURE", 7.5, 1.0, "a mail of the benchmark", "made up", "headers")


def mail(number: int) -> bytes:
    """A mail of 0.3 to 40 kB that is the same whenever it is asked for."""
    maker = random.Random(number)
    size = int(min(40_000, 300 + maker.expovariate(1 / 6000)))
    return b"Subject: mail %d\r\nFrom: a@example.net\r\n\r\n" % number + maker.randbytes(size)


def envelope(number: int) -> Envelope:
    """Its envelope."""
    return Envelope(mail_from=f"a{number}@example.net", rcpt_to=[f"b{number % 50}@example.org"])


def verdict(number: int) -> Verdict:
    """Its verdict."""
    return Verdict(Action.QUARANTINE, Reason.SCORE, 7.5, 0.9, (_FOUND,), (), 6.0, f"{number:064x}")


@dataclass
class Torture:
    """``mails`` are stored by ``processes``; each of them notes in a file what it was told is stored.

    ``path``  the quarantine's index, its mails beside it or in ``blobs``; ``notes``  a folder on a disk that nothing
    happens to.
    """

    path: str
    notes: Path
    mails: int
    processes: int
    blobs: str = ""
    kills: int = 0
    seconds: float = 0.0
    _running: dict[int, BaseProcess] = field(default_factory=dict)

    def run(
        self,
        kills: int,
        seed: int = 1,
        seconds: float = 3600.0,
        until: Callable[[], bool] = lambda: False,
        then: Callable[[], None] = lambda: None,
        pause: float = 0.2,
    ) -> None:
        """Store until all is stored (or ``until`` says so), killing at random moments, at most
        ``pause`` seconds apart; at the end do ``then``, while the processes still run."""
        chance, began, first = random.Random(seed), time.perf_counter(), self.kills
        while time.perf_counter() - began < seconds and not until():
            for worker in range(self.processes):
                self._keep_going(worker)
            if not self._running:
                break
            time.sleep(0.002 + pause * chance.random() ** 3)
            if self.kills - first < kills and self._running:
                self._kill(chance.choice(sorted(self._running)))
        then()
        self.stop()
        self.seconds += time.perf_counter() - began

    def open(self) -> Quarantine:
        """The quarantine."""
        return Quarantine(self.path, blobs=self.blobs)

    def stop(self) -> None:
        """Kill what still runs."""
        for worker in list(self._running):
            self._kill(worker)

    def told(self) -> dict[int, str]:
        """The receipt of each mail that was reported stored."""
        found = {}
        for file in self.notes.glob("told-*"):
            for line in file.read_text().splitlines(keepends=True):
                number, _, receipt = line.partition(" ")
                if line.endswith("\n"):
                    found[int(number)] = receipt.strip()
        return found

    def readable(self) -> int:
        """How many of the mails that were reported stored can be read now."""
        store = self.open()
        try:
            return sum(store.get(receipt) == mail(number) for number, receipt in self.told().items())
        finally:
            store.close()

    def _keep_going(self, worker: int) -> None:
        process = self._running.get(worker)
        if process is not None and process.is_alive():
            return
        self._running.pop(worker, None)
        if len(self._done(worker)) < len(range(worker, self.mails, self.processes)):
            self._running[worker] = _PROCESSES.Process(target=self._work, args=(worker,))
            self._running[worker].start()

    def _kill(self, worker: int) -> None:
        process = self._running.pop(worker)
        if process.is_alive():
            self.kills += 1
        process.kill()
        process.join()

    def _done(self, worker: int) -> set[int]:
        file = self.notes / f"told-{worker}"
        text = file.read_text() if file.exists() else ""
        return {int(line.partition(" ")[0]) for line in text.splitlines(keepends=True) if line.endswith("\n")}

    def _work(self, worker: int) -> None:
        """Store this worker's share from where the one before it got killed; a refusal is tried again later."""
        logging.disable(logging.CRITICAL)  # it says of every refusal why
        done = self._done(worker)
        notes = os.open(self.notes / f"told-{worker}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        with contextlib.suppress(StoreError):
            store = self.open()
            for number in range(worker, self.mails, self.processes):
                if number not in done:
                    receipt = store.hold(mail(number), envelope(number), verdict(number))
                    os.write(notes, f"{number} {receipt}\n".encode())
            os._exit(0)
        with (self.notes / "refused").open("a") as file:
            file.write(".")
        time.sleep(0.02)
        os._exit(1)

    def count(self) -> dict[str, object]:
        """What is there after an audit has set right what it can."""
        store = self.open()
        audit: Audit = store.verify(grace=0)
        told, numbers = self.told(), {mail(number): number for number in range(self.mails)}
        lost, there, foreign = 0, Counter[int](), 0
        for number, receipt in told.items():
            try:
                lost += store.get(receipt) != mail(number)
            except StoreError:
                lost += 1
        for held in store.entries():
            with contextlib.suppress(StoreError):
                number = numbers.get(store.get(held.receipt), -1)
                there[number] += 1
                foreign += number < 0
        store.close()
        names = os.listdir(self.blobs or f"{self.path}.mails")
        refusals = self.notes / "refused"
        half = sum(name.endswith((PART, ".damaged")) for name in names) + len(audit.damaged) + foreign
        return {
            "mails": self.mails,
            "processes": self.processes,
            "kills": self.kills,
            "refusals": refusals.stat().st_size if refusals.exists() else 0,
            "stored": len(told),
            "verified": audit.whole,
            "lost": lost,
            "twice": sum(times - 1 for times in there.values()),
            "half": half,
            "files": len(names),
            "missing": len(audit.missing),
            "reindexed": len(audit.reindexed),
            "duplicates_removed": audit.duplicates,
            "parts_removed": audit.parts,
            "seconds": round(self.seconds, 1),
            "mails_per_second": round(len(told) / self.seconds, 1) if self.seconds else 0.0,
        }

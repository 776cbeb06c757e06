"""Several processes on one file: nothing that was reported learned is lost, however a learner dies."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from mailfilter.classifier import Model
from mailfilter.classifier.journal import Journal, Row
from mailfilter.classifier.site import SiteModel
from mailfilter.classifier.site_features import PARTS, Grams
from mailfilter.message import Message

LEARNER = """
import sys
from mailfilter.classifier import Model
from mailfilter.classifier.site import SiteModel
from mailfilter.message import Message
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
site = SiteModel(Model.load(), path)
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    message = Message(f"From: {name}@example.org\\nSubject: {number}\\n\\nhello {number * 7}\\n".encode())
    site.learn([(message, number % 2 == 0)])
    if number % 5 == 4:
        site.settle()
    print(message.digest, flush=True)
"""


def learner(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", LEARNER, str(path), name, str(count)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(*learners: subprocess.Popen[str]) -> None:
    """Let them begin at the same time."""
    for process in learners:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in learners:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def reported(*learners: subprocess.Popen[str]) -> set[bytes]:
    """Digests of all mails that were reported learned; a line that was cut off by death is no report."""
    lines = [line for process in learners for line in process.communicate()[0].splitlines(keepends=True)]
    return {bytes.fromhex(line.strip()) for line in lines if line.endswith("\n")}


def held(path: Path) -> set[bytes]:
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {row[0] for row in db.execute("SELECT digest FROM mail")}


def test_two_learners_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    learners = [learner(path, name, 40) for name in ("ada", "bob")]
    go(*learners)
    digests = reported(*learners)
    assert [process.returncode for process in learners] == [0, 0]
    assert len(digests) == 80
    assert held(path) == digests


def test_killed_at_any_moment_what_was_reported_is_there(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    rng = random.Random(20261124)
    digests: set[bytes] = set()
    killed = 0
    for turn in range(3):
        victim, other = learner(path, f"victim{turn}", 10_000), learner(path, f"other{turn}", 10)
        go(victim, other)
        time.sleep(rng.uniform(0.02, 0.4))
        victim.send_signal(signal.SIGKILL)
        digests |= reported(victim, other)
        killed += victim.returncode == -signal.SIGKILL
        assert other.returncode == 0
    assert killed == 3
    assert len(digests) >= 30
    assert held(path) >= digests
    site = SiteModel(Model.load(), path)
    seen = site.describe()
    assert seen["levels"]["site"]["ham"] + seen["levels"]["site"]["spam"] == len(held(path))
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM snapshot")
    assert SiteModel(Model.load(), path).describe()["state"] == seen["state"]


def test_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from mailfilter import Config, FilterChain; from mailfilter.message import Message\n"
        f"chain = FilterChain(Config.from_mapping({{'learning': {{'site': {str(tmp_path / 's.db')!r}}}}}))\n"
        "(model,) = [check.model for check in chain.local if check.name == 'content']\n"
        "model.learn([(Message(b'Subject: a\\n\\nb\\n'), True)]); chain.check(b'Subject: a\\n\\nb\\n')\n"
        "assert model.describe()['levels']['site']['spam'] == 1\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'sklearn', 'scipy', 'pandas', 'tqdm'}))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_a_forked_child_opens_the_file_for_itself(tmp_path: Path) -> None:
    site = SiteModel(Model.load(), tmp_path / "site.db")
    mails = [Message(b"Subject: %d\n\nhello\n" % number) for number in range(4)]
    site.learn((message, number % 2 == 0) for number, message in enumerate(mails[:2]))
    before = site.describe()
    child = os.fork()
    if child == 0:
        os._exit(0 if site.learn([(mails[2], True)]).learned == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert site.describe()["levels"]["site"]["spam"] == before["levels"]["site"]["spam"] + 1
    assert site.learn([(mails[3], False)]).learned == 1


def test_thousands_of_rows_are_taken_in_within_seconds(tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    journal = Journal(tmp_path / "site.db")
    rows = []
    for number in range(3000):
        counts = (500, 400, 300, 100, 200, 20)
        assert len(counts) == len(PARTS)
        slots = np.concatenate(
            [
                np.unique(np.append(rng.integers(1, 1 << 14, count - 1), 0)).astype(np.uint32) + (part << 18)
                for part, count in enumerate(counts)
            ]
        )
        real = tuple(np.bincount(slots >> 18, minlength=len(counts)).tolist())
        digest = rng.bytes(32)
        rows.append(Row(0, "", digest, number % 3 == 0, 0.5, Grams(slots, real).to_bytes()))
    journal.add(rows, 5000)
    site = SiteModel(Model.load(), ":memory:")
    start = time.process_time()
    site.path = str(tmp_path / "site.db")
    site.judge([])
    assert time.process_time() - start < 30, "about a second where nothing else runs"
    assert site.describe()["levels"]["site"] == site.describe()["levels"]["site"] | {"ham": 2000, "spam": 1000}

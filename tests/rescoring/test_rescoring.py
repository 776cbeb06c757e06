"""Hit tables: the same bytes on one core or two, after a kill, as npz or Parquet; damage is one line."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mailfilter import Config, FilterChain, Symbol, SymbolInfo
from mailfilter.archives import ArchivedMail
from mailfilter.checks import Asking, Mail
from mailfilter.cli import main
from mailfilter.deadline import Deadline
from mailfilter.errors import SettingError, StoreError
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState
from mailfilter.message import Message
from mailfilter.rescoring import load, paths, rescore, rows
from mailfilter.rescoring.table import pieces
from mailfilter.scoring import SCALE, Caps, score, thousandths
from mailfilter.symbols import Catalogue

CONFIG = Config.from_mapping({"checks": {"disable": ["content"]}, "groups": {"headers": 1.5}})
DATE = b"Date: Mon, 2 Nov 2026 10:00:00 +0000\n"


def mails(count: int) -> Iterator[ArchivedMail]:
    for number in range(count):
        shouts = b"BUY CHEAP PILLS NOW" if number % 3 == 0 else b"lunch"
        raw = b"From: a@example.org\nSubject: %b\n%b\nmail %d\n" % (shouts, DATE if number % 2 else b"", number)
        label = None if number % 5 == 0 else "spam" if number % 3 == 0 else "ham"
        yield ArchivedMail(f"box#{number}\udcff", raw, label, number + 1)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PIECE", 8)


def write(out: Path, count: int = 30, **how: object) -> bytes:
    with FilterChain(CONFIG, stateless=True) as chain:
        rescore(chain, mails(count), out, **how)  # type: ignore[arg-type]
    return out.read_bytes()


def leftovers(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if "spool" in str(path))


def test_a_table_holds_what_was_found_and_its_sums(tmp_path: Path) -> None:
    write(tmp_path / "hits.npz")
    table = load(tmp_path / "hits.npz")
    meta, columns = table.meta, table.columns
    assert paths(columns) == [item.path for item in mails(30)]
    assert columns["label"].tolist() == [{"spam": 1, "ham": 0, None: -1}[item.label] for item in mails(30)]
    assert columns["line"].tolist() == list(range(1, 31))
    catalogue = Catalogue(SymbolInfo(n, "", g, 0.0, "") for n, g in zip(meta["symbols"], meta["groups"], strict=True))
    points = score(table.hits, thousandths(meta["points"]), Caps.of(catalogue, meta["caps"]))
    assert np.array_equal(points, columns["points"])
    assert meta["caps"] == {"headers": 1.5}
    assert max(columns["points"]) > SCALE
    assert leftovers(tmp_path) == []


def test_two_cores_give_the_same_bytes_as_one(tmp_path: Path) -> None:
    assert write(tmp_path / "one.npz") == write(tmp_path / "two.npz", jobs=2)


def test_an_archive_that_fails_on_two_cores_is_no_endless_wait(tmp_path: Path) -> None:
    def broken() -> Iterator[ArchivedMail]:
        yield from mails(20)
        raise StoreError("the disk is gone")

    with FilterChain(CONFIG, stateless=True) as chain, pytest.raises(StoreError, match="the disk is gone"):
        rescore(chain, broken(), tmp_path / "hits.npz", jobs=2)
    assert not (tmp_path / "hits.npz").exists()


def test_a_chain_with_own_checks_is_not_shared_out(tmp_path: Path) -> None:
    with FilterChain(CONFIG, checks=[AsksOnce()], stateless=True) as chain, pytest.raises(SettingError, match="one j"):
        rescore(chain, mails(20), tmp_path / "hits.npz", jobs=2)


KILLED = """
import os, signal, sys
from pathlib import Path
from mailfilter import FilterChain
from mailfilter.rescoring import rescore, rows
from tests.rescoring.test_rescoring import CONFIG, mails
rows.PIECE = 8
def dying():
    for number, mail in enumerate(mails(30)):
        if number == 21:
            os.kill(os.getpid(), signal.SIGKILL)
        yield mail
rescore(FilterChain(CONFIG, stateless=True), dying(), Path(sys.argv[1]))
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write(tmp_path / "whole.npz")
    out = tmp_path / "hits.npz"
    ran = subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False)
    assert ran.returncode == -signal.SIGKILL
    assert not out.exists()
    assert ".hits.npz.spool/000001.npz" in leftovers(tmp_path)
    looked_at = []
    evaluate = FilterChain.evaluate
    monkeypatch.setattr(FilterChain, "evaluate", lambda self, batch: looked_at.extend(batch) or evaluate(self, batch))
    assert write(out, resume=True) == whole
    assert len(looked_at) == 30 - 16
    assert leftovers(tmp_path) == []


def interrupted(out: Path) -> None:
    def stopping() -> Iterator[ArchivedMail]:
        yield from mails(17)
        raise KeyboardInterrupt

    with FilterChain(CONFIG, stateless=True) as chain, pytest.raises(KeyboardInterrupt):
        rescore(chain, stopping(), out)


def test_a_run_is_not_resumed_with_other_mail_or_settings(tmp_path: Path) -> None:
    out = tmp_path / "hits.npz"
    interrupted(out)
    other = Config.from_mapping({"checks": {"disable": ["content"]}, "scores": {"SUBJECT_SHOUTS": 2}})
    with FilterChain(other, stateless=True) as chain, pytest.raises(StoreError, match="other settings or another"):
        rescore(chain, mails(30), out, resume=True)
    with FilterChain(CONFIG, stateless=True) as chain:
        with pytest.raises(StoreError, match="not the one that the unfinished run began with"):
            rescore(chain, list(mails(30))[1:], out, resume=True)
        with pytest.raises(StoreError, match="not the one that the unfinished run began with"):
            rescore(chain, mails(3), out, resume=True)
        assert sum(rescore(chain, mails(30), out).values()) == 30
    assert out.read_bytes() == write(tmp_path / "whole.npz")


def test_a_damaged_piece_is_one_line(tmp_path: Path) -> None:
    out = tmp_path / "hits.npz"
    interrupted(out)
    piece = tmp_path / ".hits.npz.spool" / "000001.npz"
    piece.write_bytes(piece.read_bytes()[:100])
    with pytest.raises(StoreError, match=r"000001\.npz: is damaged .* begin anew without --resume"):
        write(out, resume=True)


def test_an_empty_archive_is_an_empty_table(tmp_path: Path) -> None:
    for name in ("hits.npz", "hits.parquet"):
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow")
        write(tmp_path / name, count=0)
        assert load(tmp_path / name).rows == 0


def test_a_full_disk_is_one_line_and_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    for number in range(600):
        (tmp_path / "mail" / f"{number:03}.eml").write_bytes(b"Subject: %d\n\nx\n" % number)
    out = tmp_path / "hits.npz"
    ran = subprocess.run(
        [sys.executable, "-m", "mailfilter", "rescore", str(tmp_path / "mail"), "--out", str(out)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr == f"mailfilter: {out}: the hit table cannot be written: File too large\n"
    assert not out.exists()
    assert leftovers(tmp_path) == []


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    write(tmp_path / "hits.npz")
    write(tmp_path / "hits.parquet")
    one, other = load(tmp_path / "hits.npz"), load(tmp_path / "hits.parquet")
    assert one.meta == other.meta
    for name, column in one.columns.items():
        assert np.array_equal(column, other.columns[name]), name
        assert column.dtype == other.columns[name].dtype


def test_parquet_without_its_package_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Exception, match=r"mailfilter\[parquet\]"):
        write(tmp_path / "hits.parquet")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        (b"Received: from x by y; Mon, 2 Nov 2026 10:00:05 +0100\n" + DATE, 1793610005),
        (DATE, 1793613600),
        (b"Date: nonsense\n", -1),
        (b"", -1),
    ],
)
def test_the_time_of_a_mail(head: bytes, seconds: int) -> None:
    assert rows.received(Message(head + b"\nx\n"), "nowhere#1") == seconds


def test_the_time_of_a_file_stands_in(tmp_path: Path) -> None:
    path = tmp_path / "mail.eml"
    path.write_bytes(b"\nx\n")
    assert rows.received(Message(b"\nx\n"), str(path)) == int(path.stat().st_mtime)


class AsksOnce:
    name = "asks"
    symbols = (SymbolInfo("ASKED", "asked", "lists", 1.0, "asks"),)

    def ask(self, mail: Mail) -> Asking:
        (answer,) = yield (DnsQuestion("bl.example"),)
        return (Symbol("ASKED"),) if answer.state is DnsState.FOUND else ()


class Says:
    kind = DnsQuestion

    def ask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        return DnsAnswer(DnsState.FOUND, ("127.0.0.2",), 60)

    async def aask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        return self.ask(question, deadline)

    def close(self) -> None: ...


def test_answers_of_lookups_are_kept_with_their_time(tmp_path: Path) -> None:
    for name, lookups in (("asked", [Says()]), ("silent", [])):
        with FilterChain(CONFIG, checks=[AsksOnce()], lookups=lookups, stateless=True) as chain:
            rescore(chain, mails(3), tmp_path / f"{name}.npz")
    answers = [json.loads(text) for text in pieces(load(tmp_path / "asked.npz").columns, "answer")]
    assert len(answers) == 3
    assert answers[0][0].pop("time") > 1.7e9
    assert answers[0] == [{"dns": "bl.example", "type": "A", "state": "found", "records": ["127.0.0.2"], "ttl": 60}]
    assert pieces(load(tmp_path / "silent.npz").columns, "answer") == [b""] * 3


def edited(path: Path, **changes: object) -> Path:
    """The table at ``path`` with some members replaced, or with keys of its meta."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    meta = json.loads(arrays["meta"].tobytes())
    meta.update({key: value for key, value in changes.items() if key not in arrays})
    arrays.update({key: value for key, value in changes.items() if key in arrays})
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez(path.with_name("edited.npz"), **arrays)
    return path.with_name("edited.npz")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 1}, "is format 1 of mailfilter 0.1.0, this one reads formats 2 and 3; write it again"),
        ({"indices": np.full(3, 10**6, np.int32)}, "is a damaged hit table: "),
        ({"label": np.zeros(2, np.int8)}, "is a damaged hit table: digest has 30 rows of 2"),
        ({"action": np.full(30, 9, np.int8)}, "an action is none"),
        ({"values": np.zeros(3, np.float32)}, "values is float32"),
        ({"symbols": ["A"]}, "symbols, groups and points are not of one length"),
        ({"groups": None}, "is a damaged hit table: "),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    write(tmp_path / "hits.npz")
    with pytest.raises(StoreError) as caught:
        load(edited(tmp_path / "hits.npz", **changes))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 10, 500, -100])
def test_a_truncated_table_is_one_line(tmp_path: Path, size: int, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "hits.npz"
    path.write_bytes(write(path)[:size])
    assert main(["rescore", "--from", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"mailfilter: {path}: is not a readable hit table: ")

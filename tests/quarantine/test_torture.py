"""Killed processes, a full disk, a power cut, a read-only disk: what was reported stored is there, once, and whole.

``python -m benchmarks quarantine`` does the same with 10,000 mails.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.disks import NoDiskError, disk
from benchmarks.quarantine import cut_off, full, killed, read_only
from benchmarks.torture import envelope, mail, verdict
from mailfilter.cli import main
from mailfilter.errors import StoreError
from mailfilter.quarantine import Quarantine


def holds(found: dict[str, object], mails: int) -> None:
    """What the law says."""
    assert [found[name] for name in ("lost", "twice", "half", "missing")] == [0, 0, 0, 0]
    assert found["stored"] == found["verified"] == found["files"] == mails


def test_processes_that_are_killed(tmp_path: Path) -> None:
    found = killed(tmp_path, 200, 4, 40)
    holds(found, 200)
    assert int(str(found["kills"])) >= 1


@pytest.mark.server
def test_processes_that_share_an_index_in_postgres(tmp_path: Path, database: str) -> None:
    holds(killed(tmp_path, 120, 3, 20, database), 120)


@pytest.mark.parametrize("part", [full, cut_off, read_only])
def test_a_disk_that_fails(part: object, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a file system")
    try:
        with disk(tmp_path, 24) as small:
            found = part(tmp_path, small, 110, 2, 6)  # type: ignore[operator]
    except NoDiskError as error:
        pytest.skip(str(error))
    holds(found, 110)
    assert int(str(found["refusals"])) > 0
    assert 0 < int(str(found["stored_before"])) < 110


def test_what_lies_on_a_read_only_disk_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a file system")
    try:
        with disk(tmp_path, 8) as small:
            index = small.folder / "a #?%.db"
            (tmp_path / "my.toml").write_text(f"[quarantine]\npath = '{index}'\n")
            quarantine = Quarantine(str(index))
            receipt = quarantine.hold(mail(1), envelope(1), verdict(1))
            quarantine.close()
            small.protect(True)
            quarantine = Quarantine(str(index))
            assert (quarantine.get(receipt), quarantine.verify(grace=0).whole) == (mail(1), 1)
            with pytest.raises(StoreError, match="Read-only file system"):
                quarantine.hold(mail(2), envelope(2), verdict(2))
            assert main(["quarantine", "list", "--config", str(tmp_path / "my.toml")]) == 1
            said = capsys.readouterr()
            assert receipt in said.out
            assert "cannot be written: attempt to write a readonly database" in said.err
            quarantine.close()
    except NoDiskError as error:
        pytest.skip(str(error))

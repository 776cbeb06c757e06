"""Killed processes, a full disk, a power cut, a read-only disk: what was reported stored is there, once, and whole.

``python -m benchmarks quarantine`` does the same with 10,000 mails.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.disks import NoDiskError, disk
from benchmarks.quarantine import cut_off, full, killed, read_only


def holds(found: dict[str, object], mails: int) -> None:
    """What the law says."""
    assert [found[name] for name in ("lost", "twice", "half", "missing")] == [0, 0, 0, 0]
    assert found["stored"] == found["verified"] == found["files"] == mails


def test_processes_that_are_killed(tmp_path: Path) -> None:
    found = killed(tmp_path, 200, 4, 40)
    holds(found, 200)
    assert int(str(found["kills"])) >= 4


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

"""`mailfilter train` as a person uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailfilter.classifier import Model
from mailfilter.cli import main

LESSONS = Path(__file__).parent.parent.parent / "corpora" / "lessons1"


@pytest.mark.parametrize("asked", [False, True])
def test_header_blocks_are_learned_where_that_is_asked_for(
    asked: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.npz"
    assert main(["train", str(LESSONS), "--out", str(out), *(["--headers"] if asked else [])]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{out} written"
    assert ("header" in Model.load(out).layout.names) is asked

"""``mailfilter rules lint``"""

from __future__ import annotations

from pathlib import Path

import pytest

from mailfilter.cli import main


def test_lint_names_every_fault_and_counts_by_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.cf"
    text = "body FINE /x/\nbodyy WRONG /x/\nbody ALSO eval:nobody()\nscore NONE 1\nbody OFF /x/\nscore OFF 0\n"
    path.write_text(text)
    assert main(["rules", "lint", str(path)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[:4] == [
        f"{path}:2: error: unknown directive: bodyy",
        f"{path}:3: unsupported: ALSO: function without its facts here: nobody()",
        f"{path}:4: note: NONE: score for a missing rule",
        f"{path}:5: note: OFF: switched off by a score of 0",
    ]
    assert [line.split(None, 2) for line in out[4:8]] == [
        ["1", "error", "unknown directive"],
        ["1", "note", "score for a missing rule"],
        ["1", "note", "switched off by a score of 0"],
        ["1", "unsupported", "function without its facts here"],
    ]
    assert out[8] == "3 rules in 1 files; of 2 with a pattern 1 run, 1 are switched off, 0 do not run here"


def test_lint_of_good_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.cf"
    path.write_text("body FINE /x/\n")
    assert main(["rules", "lint", str(path)]) == 0
    path.write_text("body FINE /x/\nbody A eval:nobody()\nbody B /(?<n>a)(?<n>b)\\g9/\n")
    assert main(["rules", "lint", "--quiet", str(path)]) == 1
    assert "pattern cannot be compiled" in capsys.readouterr().out
    path.write_text("body FINE /x/\nbody A eval:nobody()\n")
    assert main(["rules", "lint", "--quiet", str(path)]) == 0
    assert main(["rules", "lint", "--strict", str(path)]) == 1
    assert main(["rules", "lint", str(tmp_path / "none")]) == 1

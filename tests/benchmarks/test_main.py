"""The command that runs benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import available, main

ROOT = Path(__file__).parents[2]


def test_every_benchmark_is_listed_with_what_it_measures(capsys: pytest.CaptureFixture[str]) -> None:
    names = available()
    assert {"chain", "reading", "streaming"} <= names.keys()
    assert all(names.values())
    assert not {"corpus", "--main--", "--init--"} & names.keys()
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, title in names.items():
        assert f"  {name} " in out
        assert title in out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["no-such"], "benchmarks: no benchmark 'no-such'; there are "),
        (["streaming"], "benchmarks streaming: --corpus: name at least one corpus"),
        (["streaming", "--corpus", "/no/such"], "benchmarks streaming: /no/such: no such file or folder"),
    ],
)
def test_mistakes_are_one_line_and_status_2(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(line)
    assert err.count("\n") == 1


def test_nothing_asked_for_shows_the_help_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: python -m benchmarks NAME" in capsys.readouterr().out


def test_rows_are_json_objects_one_a_line() -> None:
    command = [sys.executable, "-m", "benchmarks", "streaming", "--corpus", "corpora/sample", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows
    assert all(isinstance(row, dict) for row in rows)

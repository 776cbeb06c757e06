"""The benchmarks of scoring and tuning run, and say what they are meant to say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from mailfilter.rescoring import load

SPAM = b"From: a@example.net\nSubject: pills %d\n\nbuy our cheap pills today, offer number %d\n"
HAM = b"From: b@example.org\nSubject: lunch %d\nMessage-ID: <%d@example.org>\n\nlet us meet for lunch at noon\n"


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    assert main(list(words)) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_scoring(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = rows(capsys, "scoring", "--quick")
    assert row["same_as_shown"] is True
    assert row["messages_per_second"] > 0
    assert row["rows_redecided_per_second"] > 0


def test_the_speed_of_a_fit(capsys: pytest.CaptureFixture[str]) -> None:
    without, capped = rows(capsys, "tuning", "--quick")
    assert (without["capped_groups"], capped["capped_groups"]) == (0, 5)
    assert without["errors_pct"] < 30


def test_odd_lines_are_tuned_on_and_even_ones_tested(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = []
    for number in range(160):
        spam = number % 4 < 2
        (tmp_path / f"{number}.eml").write_bytes((SPAM if spam else HAM) % (number, number))
        lines.append(f"{'spam' if spam else 'ham'} {number}.eml\n")
    (tmp_path / "index").write_text("".join(lines))
    kept = tmp_path.parent / "kept.npz"
    (row,) = rows(capsys, "tuning", "--quick", "--odd-even", "--corpus", str(tmp_path), "--keep", str(kept))
    assert load(kept).rows == 160
    assert row["fitted_on"] == {"ham": 40, "spam": 40}
    assert (row["ham"], row["spam"]) == (40, 40)
    assert row["fp"] == 0

"""Pictures: the steps of the curve by hand, files of the right kind, and one clear line for what is in the way."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.plots import Curve, Progress, check, draw_progress, draw_scores, error_rates
from mailfilter.errors import MailFilterError, MissingExtraError

SCORES = np.array([1.0, 2.0, 3.0, 2.0, 5.0])
SPAM = np.array([False, False, False, True, True])


def test_steps_of_the_curve_by_hand() -> None:
    # Thresholds from strict to lax: nothing, 5 (one spam), 3 (a ham), 2 (a ham and a spam together), 1 (a ham).
    lost, missed = error_rates(SCORES, SPAM)
    assert lost.tolist() == pytest.approx([0, 0, 1 / 3, 2 / 3, 1])
    assert missed.tolist() == pytest.approx([1, 0.5, 0.5, 0, 0])


@pytest.mark.parametrize(("name", "magic"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_pictures_are_written(tmp_path: Path, name: str, magic: bytes) -> None:
    pytest.importorskip("matplotlib")
    curve = Curve("one", SCORES, SPAM, np.array([0.1, 0.2, 0.4, 0.4, 0.9]))
    for path in (
        draw_scores(str(tmp_path / name), "title", [curve, Curve("two", SCORES, SPAM, None)]),
        draw_progress(str(tmp_path / name), "title", [Progress("one", [10, 20, 30], [None, 5.0, 0.0])], "1 - ROCA, %"),
    ):
        assert Path(path).read_bytes().startswith(magic)


def test_what_is_in_the_way_is_said_before_measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MailFilterError, match="ends in"):
        check(str(tmp_path / "a.pdf"))
    with pytest.raises(MailFilterError, match="no folder"):
        check(str(tmp_path / "missing" / "a.png"))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"mailfilter\[plot\]"):
        check(str(tmp_path / "a.png"))


def test_one_class_cannot_be_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(MailFilterError, match="both ham and spam"):
        draw_scores(str(tmp_path / "a.png"), "title", [Curve("one", SCORES, np.zeros(5, dtype=bool), None)])

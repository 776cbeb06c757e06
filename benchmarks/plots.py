"""Pictures of what a benchmark measured: ROC on log axes, DET, reliability, learning curves.  PNG or SVG.

Needs matplotlib (``pip install 'mailfilter[plot]'``), imported only when a picture is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mailfilter.errors import MailFilterError, MissingExtraError

from .metrics import reliability

Floats = NDArray[np.float64]
SUFFIXES = (".png", ".svg")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, told apart by colour-blind readers too."""
STYLES = ("-", "--", "-.", ":")
_TICKS = (0.01, 0.1, 1, 5, 20, 50, 80)


@dataclass(frozen=True, slots=True)
class Curve:
    """Scores of one filter, with what is true, and probabilities if it states any."""

    label: str
    scores: Floats
    is_spam: NDArray[np.bool_]
    probabilities: Floats | None


@dataclass(frozen=True, slots=True)
class Progress:
    """A learning curve: a measure in per cent after so many mails, with its interval if there is one."""

    label: str
    mails: Sequence[int]
    values: Sequence[float | None]


def check(path: str) -> None:
    """Raise what would keep `path` from being drawn, before hours of measuring: its suffix, its folder, matplotlib."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise MailFilterError(f"--plot {path}: give a name that ends in {' or '.join(SUFFIXES)}")
    if not Path(path).parent.is_dir():
        raise MailFilterError(f"--plot {path}: there is no folder {Path(path).parent}")
    _figure()


def _figure() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("--plot", "plot") from None
    return Figure


def error_rates(scores: ArrayLike, is_spam: ArrayLike) -> tuple[Floats, Floats]:
    """Shares of ham lost and of spam missed at every threshold, from the strictest on; the steps of the ROC curve."""
    values, spam = np.asarray(scores, dtype=np.float64), np.asarray(is_spam, dtype=bool)
    order = np.argsort(-values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(order) - 1)
    lost = np.append(0, np.cumsum(~spam[order])[ends]) / max(int((~spam).sum()), 1)
    missed = 1 - np.append(0, np.cumsum(spam[order])[ends]) / max(int(spam.sum()), 1)
    return lost, missed


def draw_scores(path: str, title: str, curves: Sequence[Curve]) -> str:
    """ROC on log axes, DET and reliability of all curves side by side; returns the path."""
    check(path)
    curves = [curve for curve in curves if curve.is_spam.any() and not curve.is_spam.all()]
    if not curves:
        raise MailFilterError("--plot: nothing to draw, both ham and spam are needed")
    figure = _figure()(figsize=(15, 5.2), layout="constrained")
    roc, det, calibration = figure.subplots(1, 3)
    for number, curve in enumerate(curves):
        look = _look(number, curve.label)
        lost, missed = error_rates(curve.scores, curve.is_spam)
        ham, spam = int((~curve.is_spam).sum()), int(curve.is_spam.sum())
        # Where nothing is lost yet the curve starts at half a mail, or it would not show on a log axis.
        floored = np.maximum(100 * lost, 50 / ham), np.maximum(100 * missed, 50 / spam)
        roc.plot(*floored, drawstyle="steps-post", **look)
        det.plot(_probit(floored[0] / 100), _probit(np.minimum(floored[1] / 100, 1 - 0.5 / spam)), **look)
        if curve.probabilities is not None:
            found = reliability(curve.probabilities, curve.is_spam)
            calibration.plot(found.stated, found.true, marker="o", markersize=4, **look)
    _finish_roc(roc)
    _finish_det(det)
    calibration.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    calibration.set(xlabel="stated probability of spam", ylabel="true share of spam", title="Reliability")
    for axes in (roc, det, calibration):
        axes.grid(True, color="0.9")
    roc.legend(fontsize="small", loc="upper right")
    figure.suptitle(title)
    return _save(figure, path)


def _look(number: int, label: str) -> dict[str, Any]:
    colour, style = COLOURS[number % len(COLOURS)], STYLES[number // len(COLOURS) % len(STYLES)]
    return {"label": label, "color": colour, "linestyle": style, "linewidth": 1.5}


def _finish_roc(axes: Any) -> None:
    axes.set(xscale="log", yscale="log", xlabel="ham lost, %", ylabel="spam missed, %", title="ROC, log axes")
    axes.set_ylim(top=100)
    axes.set_xlim(right=100)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")


def _finish_det(axes: Any) -> None:
    """Axes of normal deviates (Martin et al. 1997), labelled in per cent."""
    places = _probit(np.array(_TICKS) / 100)
    labels = [f"{tick:g}" for tick in _TICKS]
    axes.set_xticks(places, labels)
    axes.set_yticks(places, labels)
    axes.set(xlim=places[[0, -1]], ylim=places[[0, -1]])
    axes.set(xlabel="ham lost, %", ylabel="spam missed, %", title="DET")


def _probit(shares: Floats) -> Floats:
    from scipy.special import ndtri

    return np.asarray(ndtri(np.clip(shares, 1e-6, 1 - 1e-6)), dtype=np.float64)


def draw_progress(path: str, title: str, curves: Sequence[Progress], label: str) -> str:
    """Learning curves; returns the path.  ``label`` names the measure."""
    check(path)
    figure = _figure()(figsize=(8, 5.2), layout="constrained")
    axes = figure.subplots()
    positive = [value for curve in curves for value in curve.values if value]
    floor = min(positive, default=0.01) / 2
    for number, curve in enumerate(curves):
        known = [(n, max(v, floor)) for n, v in zip(curve.mails, curve.values, strict=True) if v is not None]
        look = _look(number, curve.label)
        axes.plot([n for n, _ in known], [v for _, v in known], marker="o", markersize=3, **look)
    axes.set(yscale="log", xlabel="mails seen", ylabel=label, title=title)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axes.grid(True, color="0.9", which="both")
    axes.legend(fontsize="small")
    return _save(figure, path)


def _save(figure: Any, path: str) -> str:
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise MailFilterError(f"--plot {path}: cannot be written: {error.strerror or error}") from None
    return path

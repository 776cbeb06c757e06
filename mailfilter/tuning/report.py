"""The report of a tuning: one HTML page with inline SVG and a few lines of script; it loads nothing from anywhere."""

from __future__ import annotations

import html
import json
import string
from collections.abc import Sequence
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from .._version import __version__
from .tune import Tuned

Floats = NDArray[np.float64]

WIDE, HIGH, LEFT, TOP = 440, 320, 52, 14
"""Size of a plot and its margins, in SVG units."""
_STEPS = 240
"""Places of the slider."""
_TICKS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def report(tuned: Tuned, source: str) -> str:
    """The page as text; ``source`` names the hit tables."""
    page = resources.files("mailfilter.tuning").joinpath("report.html").read_text(encoding="utf-8")
    spam = tuned.data.spam
    values = {
        "source": html.escape(source),
        "version": html.escape(__version__),
        "ham": f"{int((~spam).sum()):,}",
        "spam": f"{int(spam.sum()):,}",
        "summary": _summary(tuned),
        "roc": _roc(tuned.left_out, spam, tuned.limits.quarantine),
        "det": _det(tuned.left_out, spam, tuned.limits.quarantine),
        "histogram": _histogram(tuned),
        "costs": json.dumps(_costs(tuned)).replace("<", "\\u003c"),
        "rows": _rows(tuned),
    }
    return string.Template(page).substitute(values)


def _summary(tuned: Tuned) -> str:
    limits, options = tuned.limits, tuned.options
    lines = [
        ("Limits", f"greylist {limits.greylist:g}, quarantine {limits.quarantine:g}, bounce {limits.bounce:g} points"),
        ("Ham lost", str(limits.ham_lost)),
        ("Spam missed", str(limits.spam_missed)),
        ("Ham greylisted", str(limits.ham_greylisted)),
        ("Budget", f"{100 * options.max_fp:g} % of ham; a lost ham costs {options.cost_ham:g} missed spams"),
        ("Rules", f"{len(tuned.rules)}, of which {sum(bool(rule.note) for rule in tuned.rules)} are dead or redundant"),
    ]
    if options.caps:
        lines.append(("Caps", ", ".join(f"{group} {cap:g}" for group, cap in options.caps.items())))
    return "".join(f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in lines)


def _rates(scores: Floats, spam: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Share of ham and of spam at or above each score that occurs, from the highest down, and those scores."""
    order = np.argsort(-scores, kind="stable")
    ordered, label = scores[order], spam[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    lost, caught = np.cumsum(~label)[last] / (~label).sum(), np.cumsum(label)[last] / label.sum()
    return lost, caught, ordered[last]


def _roc(scores: Floats, spam: NDArray[np.bool_], limit: float) -> str:
    """Spam caught against ham lost, ham lost on a logarithmic axis, since all that matters lies at its left end."""
    lost, caught, at = _rates(scores, spam)
    least = 0.5 / (~spam).sum()
    low, high = np.log10(least), 0.0

    def x(share: Floats | float) -> Floats:
        return np.asarray((np.log10(np.maximum(share, least)) - low) / (high - low), np.float64)

    marks = [(float(x(tick)), _percent(tick)) for tick in (0.0001, 0.001, 0.01, 0.1, 1.0) if tick >= least]
    here = _point(lost, caught, at, limit)
    sides = [(share, f"{100 * share:.0f} %") for share in (0, 0.25, 0.5, 0.75, 1.0)]
    return _plot(
        "ROC", (x(lost), caught), (float(x(here[0])), here[1]), marks, sides, "ham lost (log scale)", "spam caught"
    )


def _det(scores: Floats, spam: NDArray[np.bool_], limit: float) -> str:
    """Spam missed against ham lost, both on normal-deviate axes (Martin et al. 1997)."""
    lost, caught, at = _rates(scores, spam)
    low, high = float(ndtri(_TICKS[0] / 2)), float(ndtri(0.6))

    def place(share: Floats | float) -> Floats:
        return np.asarray(np.clip((ndtri(np.clip(share, 1e-9, 1 - 1e-9)) - low) / (high - low), 0, 1), np.float64)

    marks = [(float(place(tick)), _percent(tick)) for tick in _TICKS[1::2]]
    here = _point(lost, caught, at, limit)
    curve = (place(lost), place(1 - caught))
    dot = (float(place(here[0])), float(place(1 - here[1])))
    return _plot("DET", curve, dot, marks, marks, "ham lost", "spam missed")


def _point(lost: Floats, caught: Floats, at: Floats, limit: float) -> tuple[float, float]:
    """Ham lost and spam caught at a limit."""
    above = np.flatnonzero(at >= limit)
    return (float(lost[above[-1]]), float(caught[above[-1]])) if len(above) else (0.0, 0.0)


def _plot(
    title: str,
    curve: tuple[Floats, Floats],
    dot: tuple[float, float],
    below: Sequence[tuple[float, str]],
    beside: Sequence[tuple[float, str]],
    x_name: str,
    y_name: str,
) -> str:
    """One curve from 0..1 coordinates, with ticks and a dot at the chosen limit."""
    right, bottom = LEFT + WIDE, TOP + HIGH

    def put(x: float, y: float) -> str:
        return f"{LEFT + WIDE * x:.1f},{bottom - HIGH * y:.1f}"

    points = [put(x, y) for x, y in zip(curve[0].tolist(), curve[1].tolist(), strict=True)]
    line = " ".join(dict.fromkeys(points))
    grid = "".join(
        f'<line class="g" x1="{LEFT + WIDE * x:.1f}" x2="{LEFT + WIDE * x:.1f}" y1="{TOP}" y2="{bottom}"/>'
        f'<text x="{LEFT + WIDE * x:.1f}" y="{bottom + 16}" text-anchor="middle">{name}</text>'
        for x, name in below
    ) + "".join(
        f'<line class="g" x1="{LEFT}" x2="{right}" y1="{bottom - HIGH * y:.1f}" y2="{bottom - HIGH * y:.1f}"/>'
        f'<text x="{LEFT - 6}" y="{bottom - HIGH * y + 4:.1f}" text-anchor="end">{name}</text>'
        for y, name in beside
    )
    cx, cy = put(*dot).split(",")
    return (
        f'<svg viewBox="0 0 {right + 30} {bottom + 40}" role="img" aria-label="{title}">{grid}'
        f'<polyline class="c" points="{line}"/><circle class="d" cx="{cx}" cy="{cy}" r="5"/>'
        f'<text x="{LEFT + WIDE / 2}" y="{bottom + 34}" text-anchor="middle">{x_name}</text>'
        f'<text transform="translate(11,{TOP + HIGH / 2}) rotate(-90)" text-anchor="middle">{y_name}</text></svg>'
    )


def _histogram(tuned: Tuned) -> str:
    """Scores of ham and spam, counts on a root scale so that the few in the middle can be seen; limits as lines."""
    scores, spam, limits = tuned.left_out, tuned.data.spam, tuned.limits
    low, high = _ends(scores)
    bins = np.linspace(low, high, 61)
    clipped = np.clip(scores, low, high)
    counts = [np.histogram(clipped[spam == side], bins)[0] for side in (False, True)]
    top = float(np.sqrt(max(int(count.max()) for count in counts)))
    width, high_px, left = 940, 240, 52
    step = (width - left) / 60
    bars = "".join(
        f'<rect class="{name}" x="{left + step * n:.1f}" y="{high_px - high_px * height:.1f}" '
        f'width="{step - 1:.1f}" height="{high_px * height:.1f}"/>'
        for name, count in zip(("h", "s"), counts, strict=True)
        for n, height in enumerate((np.sqrt(count) / top).tolist())
        if height
    )
    ticks = "".join(
        f'<text x="{left + (width - left) * (at - low) / (high - low):.1f}" y="{high_px + 4}" dy="1em" '
        f'text-anchor="middle" class="{("even", "odd")[number % 2]}">{at:g}</text>'
        for number, at in enumerate(_round_steps(low, high))
    )
    lines = "".join(
        f'<line class="l" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{high_px}"/>'
        f'<text x="{x + 4:.1f}" y="{1 + 1.2 * n:.1f}em">{name}</text>'
        for n, (name, at) in enumerate(
            (("greylist", limits.greylist), ("quarantine", limits.quarantine), ("bounce", limits.bounce))
        )
        for x in [left + (width - left) * (min(max(at, low), high) - low) / (high - low)]
    )
    return (
        f'<svg viewBox="0 0 {width + 60} {high_px + 60}" class="big" role="img" aria-label="Scores">'
        f"{bars}{lines}{ticks}"
        f'<line class="a" x1="{left}" x2="{width}" y1="{high_px}" y2="{high_px}"/>'
        f'<text x="{width / 2}" y="{high_px + 4}" dy="2.2em" text-anchor="middle">points</text></svg>'
    )


def _ends(scores: Floats) -> tuple[float, float]:
    """Where the scores of all but a few lie."""
    low, high = np.quantile(scores, [0.001, 0.999]).tolist()
    return float(np.floor(low)), float(max(np.ceil(high), np.floor(low) + 1))


def _round_steps(low: float, high: float) -> list[float]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if (high - low) / step <= 14)
    return list(np.arange(np.ceil(low / step) * step, high + 1e-9, step).tolist())


def _costs(tuned: Tuned) -> dict[str, object]:
    """Errors at each place of the slider: limits, and ham at or above and spam below each."""
    scores, spam = tuned.left_out, tuned.data.spam
    low, high = _ends(scores)
    limits = np.unique(np.append(np.linspace(max(low, 0.0), max(high, 1.0), _STEPS).round(3), tuned.limits.quarantine))
    ham_sorted, spam_sorted = np.sort(scores[~spam]), np.sort(scores[spam])
    return {
        "limits": limits.tolist(),
        "lost": (len(ham_sorted) - np.searchsorted(ham_sorted, limits, "left")).tolist(),
        "missed": np.searchsorted(spam_sorted, limits, "left").tolist(),
        "ham": len(ham_sorted),
        "spam": len(spam_sorted),
        "cost": tuned.options.cost_ham,
        "at": int(np.searchsorted(limits, tuned.limits.quarantine)),
    }


def _rows(tuned: Tuned) -> str:
    now = tuned.options.scores
    rows = []
    for rule in tuned.rules:
        so = "" if rule.so is None else f"{rule.so:.3f}"
        numbers = (
            f"{rule.points:.3f}", f"{now.get(rule.name, rule.default):.3f}", rule.ham, rule.spam, so,
            f"{rule.loss:.1f}", rule.spam_lost, rule.ham_saved,
        )  # fmt: skip
        cells = "".join(f"<td>{value}</td>" for value in numbers)
        name, group, note = (html.escape(text) for text in (rule.name, rule.group, rule.note))
        rows.append(f"<tr><td>{name}</td><td>{group}</td>{cells}<td>{note}</td></tr>")
    return "\n".join(rows)


def _percent(share: float) -> str:
    return f"{100 * share:g} %"

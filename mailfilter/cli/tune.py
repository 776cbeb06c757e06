"""Fit scores and limits to labelled hit tables and write settings that check reads, with a report if wanted."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from . import _common

if TYPE_CHECKING:
    from ..tuning import Tuned

MAX_DEAD = 20
"""Names of dead rules that are printed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``mailfilter tune``."""
    parser.add_argument("tables", nargs="+", metavar="TABLE", help="labelled hit table (`mailfilter rescore`)")
    parser.add_argument("--out", metavar="FILE.toml", help="settings to write: --config with new scores and limits")
    parser.add_argument("--report", metavar="FILE.html", help="report to write: one page that needs nothing else")
    parser.add_argument("--cost-ham", type=float, default=50.0, metavar="N", help="missed spams a ham is worth (50)")
    parser.add_argument("--max-fp", type=_share, default=0.001, metavar="SHARE", help="ham that may be held (0.1%%)")
    parser.add_argument("--certain", action="store_true", help="the 95%% upper bound must be within --max-fp as well")
    parser.add_argument("--max-delayed", type=_share, metavar="SHARE", help="ham that may be greylisted (ten times)")
    parser.add_argument("--max-points", type=float, default=6.0, metavar="N", help="most points of a rule (6)")
    parser.add_argument("--alpha", type=float, default=3.0, metavar="N", help="pull towards the points of now (3)")
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="parts of the cross-validation (5)")
    parser.add_argument("--by-table", action="store_true", help="leave out one table at a time instead of --folds")
    parser.add_argument(
        "--balance", type=float, default=0.0, metavar="N", help="0: each mail counts the same (default); 1: each table"
    )
    parser.add_argument(
        "--cap", type=_cap, action="append", default=[], metavar="GROUP=POINTS", help="cap of a group; may repeat"
    )
    parser.add_argument(
        "--range", type=_range, action="append", default=[], metavar="RULE=LOW:HIGH", help="bounds of a rule"
    )
    _common.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Tune, write, and print limits, errors on mail left out, and rules that stand out."""
    import tomllib

    from ..tuning import Options, read, tune
    from ..tuning.settings import settings

    config = _common.config(args)
    options = Options(
        cost_ham=args.cost_ham,
        max_fp=args.max_fp,
        certain=args.certain,
        max_delayed=min(10 * args.max_fp, 0.5) if args.max_delayed is None else args.max_delayed,
        max_points=args.max_points,
        alpha=args.alpha,
        folds=args.folds,
        by_table=args.by_table,
        balance=args.balance,
        scores=config.scores,
        caps={**config.groups, **dict(args.cap)},
        ranges=dict(args.range),
    )
    tuned = tune(read(args.tables), options)
    base = tomllib.loads(Path(config.source).read_text("utf-8")) if config.source != "defaults" else {}
    named = ", ".join(os.path.basename(table) for table in args.tables)
    if args.out:
        _write(args.out, settings(tuned, base, named))
    if args.report:
        from ..tuning.report import report

        _write(args.report, report(tuned, named))
    _print(tuned)
    for path in filter(None, (args.out, args.report)):
        print(f"{path} written")
    return 0


def _print(tuned: Tuned) -> None:
    limits = tuned.limits
    print(f"limits       greylist {limits.greylist:g}, quarantine {limits.quarantine:g}, bounce {limits.bounce:g}")
    print("on mail left out of the fit:")
    print(f"ham lost     {limits.ham_lost}")
    print(f"spam missed  {limits.spam_missed}")
    print(f"greylisted   {limits.ham_greylisted} ham")
    if limits.ham_lost.upper > tuned.options.max_fp:
        print(f"             too little ham to be certain: up to {100 * limits.ham_lost.upper:.2g} % may be lost")
    print(f"{'points':>8} {'now':>8} {'ham':>7} {'spam':>7}   S/O  {'loss without':>12}  rule")
    now = tuned.options.scores
    for rule in tuned.rules[:20]:
        so = "    -" if rule.so is None else f"{rule.so:5.3f}"
        before = now.get(rule.name, rule.default)
        print(f"{rule.points:8.3f} {before:8.3f} {rule.ham:7} {rule.spam:7} {so}  {rule.loss:12.1f}  {rule.name}")
    noted = [rule for rule in tuned.rules if rule.note]
    if len(tuned.rules) > 20:
        print(f"… and {len(tuned.rules) - 20} more (--report shows all)")
    dead = [rule for rule in noted if rule.note.startswith("dead")]
    for rule in noted:
        if rule not in dead:
            print(f"{rule.name}: {rule.note}")
    if dead:
        more = ", … (--report shows all)" if len(dead) > MAX_DEAD else ""
        print(f"{len(dead)} rules are dead: {', '.join(sorted(rule.name for rule in dead)[:MAX_DEAD])}{more}")


def _share(text: str) -> float:
    number = _number(text.removesuffix("%"), "a share from 0 to 0.5, or 0% to 50%") / (100 if text.endswith("%") else 1)
    if not 0 <= number <= 0.5:
        raise argparse.ArgumentTypeError(f"a share from 0 to 0.5, or 0% to 50%, not {text}")
    return number


def _cap(text: str) -> tuple[str, float]:
    group, _, points = text.partition("=")
    return group, _number(points, "GROUP=POINTS", text)


def _range(text: str) -> tuple[str, tuple[float, float]]:
    rule, _, bounds = text.partition("=")
    low, _, high = bounds.partition(":")
    return rule, (_number(low, "RULE=LOW:HIGH", text), _number(high, "RULE=LOW:HIGH", text))


def _number(text: str, wanted: str, whole: str = "") -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{wanted}, not {whole or text}") from None


def _write(path: str, text: str) -> None:
    """Write a file whole or not at all."""
    from ..errors import StoreError

    target = Path(path)
    part = ""
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, delete=False) as file:
            part = file.name
            file.write(text)
        os.chmod(part, 0o644)
        os.replace(part, target)
    except OSError as error:
        if part:
            Path(part).unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from None

"""Decide mails: files, folders, mbox, Maildir, tar, zip, or "-" for one mail on standard input."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import _common

if TYPE_CHECKING:
    from ..checks import Mail
    from ..verdict import Verdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``mailfilter check``."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help='mail or archive; "-" reads one mail')
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="one JSON object per mail and line")
    shown.add_argument("--explain", action="store_true", help="every symbol, its points, its evidence, the sum")
    _common.add_envelope(parser)
    _common.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Print a verdict per mail and a summary; no state is changed (greylist and quarantine are left alone)."""
    from ..chain import FilterChain
    from ..checks import Mail
    from ..message import Message

    config, envelope = _common.config(args), _common.envelope(args)
    source, paths = _common.Source(args.paths), deque[str]()

    def mails() -> Iterator[Mail]:
        for item in source:
            paths.append(item.path)
            yield Mail(Message(item.raw), envelope)

    show = _json if args.json else _explanation if args.explain else _row
    actions: Counter[str] = Counter()
    with FilterChain(config, stateless=True) as chain:
        if show is _row:
            print(f"{'action':<11}{'score':>8} {'p(spam)':>8}  mail: reasons")
        for verdict in chain.check_many(mails()):
            actions[verdict.action.value] += 1
            print(show(_common.printable(paths.popleft()), verdict))
    _summary(actions, len(source.unreadable), sys.stderr if args.json else sys.stdout)
    return 1 if source.unreadable else 0


def _summary(actions: Counter[str], unreadable: int, out: object) -> None:
    from ..decision import ACTIONS

    counts = ", ".join(f"{actions[action.value]} {action.value}" for action in ACTIONS if actions[action.value])
    lost = f"; {unreadable} could not be read (named above)" if unreadable else ""
    print(f"{sum(actions.values())} mails: {counts or 'none'}{lost}", file=out)  # type: ignore[call-overload]


def _json(path: str, verdict: Verdict) -> str:
    return json.dumps({"path": path, **verdict.to_dict()})


def _explanation(path: str, verdict: Verdict) -> str:
    from ..report import explain

    return f"{path}\n{_common_lines(explain(verdict))}\n"


def _common_lines(text: str) -> str:
    return "\n".join(_common.printable(line) for line in text.splitlines())


def _row(path: str, verdict: Verdict) -> str:
    probability = "-" if verdict.probability is None else f"{verdict.probability:.3f}"
    ordered = sorted(verdict.symbols, key=lambda symbol: (-abs(symbol.points), symbol.name))
    reasons = " ".join(f"{symbol.name}({symbol.points:+.1f})" for symbol in ordered[:4] if symbol.points)
    return f"{verdict.action.value:<11}{verdict.score:>8.3f} {probability:>8}  {path}: {reasons or 'nothing found'}"

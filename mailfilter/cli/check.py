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
    from ..chain import FilterChain
    from ..checks import Mail
    from ..verdict import Verdict

CLUES = 6
"""Pieces of a mail that an explanation names as what moved the content model most."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``mailfilter check``."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help='mail or archive; "-" reads one mail')
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="one JSON object per mail and line")
    shown.add_argument("--explain", action="store_true", help="every point, its evidence, and what would change it")
    _common.add_envelope(parser)
    _common.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Print a verdict per mail and a summary; no state is changed (greylist and quarantine are left alone)."""
    from ..chain import FilterChain
    from ..checks import Mail
    from ..message import Message

    config, envelope = _common.config(args), _common.envelope(args)
    source, pending = _common.Source(args.paths), deque[tuple[str, Mail]]()

    def mails() -> Iterator[Mail]:
        for item in source:
            mail = Mail(Message(item.raw), envelope)
            pending.append((item.path, mail))
            yield mail

    actions: Counter[str] = Counter()
    with FilterChain(config, stateless=True) as chain:
        if not args.json and not args.explain:
            print(f"{'action':<11}{'score':>8} {'p(spam)':>8}  mail: reasons")
        for verdict in chain.check_many(mails()):
            actions[(verdict.intended or verdict.action).value] += 1
            place, mail = pending.popleft()
            path = _common.printable(place)
            if args.explain:
                print(_explanation(path, verdict, mail, chain))
            else:
                print(_json(path, verdict) if args.json else _row(path, verdict))
    _summary(actions, len(source.unreadable), config.policy.dry_run, sys.stderr if args.json else sys.stdout)
    return 1 if source.unreadable else 0


def _summary(actions: Counter[str], unreadable: int, dry_run: bool, out: object) -> None:
    from ..decision import ACTIONS

    counts = ", ".join(f"{actions[action.value]} {action.value}" for action in ACTIONS if actions[action.value])
    lost = f"; {unreadable} could not be read (named above)" if unreadable else ""
    dry = "; dry run: all would be accepted" if dry_run and counts else ""
    print(f"{sum(actions.values())} mails: {counts or 'none'}{lost}{dry}", file=out)  # type: ignore[call-overload]


def _json(path: str, verdict: Verdict) -> str:
    return json.dumps({"path": path, **verdict.to_dict()})


def _explanation(path: str, verdict: Verdict, mail: Mail, chain: FilterChain) -> str:
    from ..checks.content import ContentCheck
    from ..counterfactual import alternatives
    from ..report import explain

    governing = chain.governing(mail.envelope)
    found = (alternatives(verdict, chain.weights, marks, policy) for policy, marks in governing)
    changes = next(filter(None, found), ())
    looked = [check for check in chain.local if isinstance(check, ContentCheck)]
    clues = [clue for check in looked for clue in check.explain(mail.message, CLUES)]
    return f"{path}\n{_common_lines(explain(verdict, changes, clues))}\n"


def _common_lines(text: str) -> str:
    return "\n".join(_common.printable(line) for line in text.splitlines())


def _row(path: str, verdict: Verdict) -> str:
    probability = "-" if verdict.probability is None else f"{verdict.probability:.3f}"
    ordered = sorted(verdict.symbols, key=lambda symbol: (-abs(symbol.points), symbol.name))
    reasons = " ".join(f"{symbol.name}({symbol.points:+.1f})" for symbol in ordered[:4] if symbol.points)
    action = (verdict.intended or verdict.action).value
    return f"{action:<11}{verdict.score:>8.3f} {probability:>8}  {path}: {reasons or 'nothing found'}"

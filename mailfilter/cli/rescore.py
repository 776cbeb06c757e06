"""Run the chain over archives and write a hit table, or weigh a hit table anew and print what changes."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from . import _common

if TYPE_CHECKING:
    from ..rescoring import Change, Changes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``mailfilter rescore``."""
    parser.add_argument("paths", nargs="*", metavar="ARCHIVE", help="mbox, Maildir, folder, tar(.gz/.xz), zip")
    parser.add_argument("--out", metavar="FILE", help="hit table to write: *.npz or *.parquet")
    parser.add_argument("--from", dest="table", metavar="TABLE", help="weigh this hit table anew; no mail is read")
    parser.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="cores to use; the table is the same (1)")
    parser.add_argument("--resume", action="store_true", help="go on where a run with this --out was ended")
    parser.add_argument(
        "--replay", metavar="TABLE", help="ask nothing: take what DNS and scanners have answered from this table"
    )
    parser.add_argument(
        "--clock",
        choices=("received", "now"),
        default="received",
        help="judge signatures by when a mail was received, or by when its lookups are (with --replay: were) asked",
    )
    parser.add_argument("--label", choices=("ham", "spam"), help="what mails are that no index of theirs says more of")
    parser.add_argument(
        "--noted",
        action="store_true",
        help="sender and recipients are what the host that delivered a mail noted above its Received fields "
        "(Return-Path, X-Original-To, Delivered-To, Envelope-To)",
    )
    _common.add_envelope(parser)
    parser.add_argument("--most", type=int, default=50, metavar="N", help="mails to list with --from; all count (50)")
    parser.add_argument("--json", action="store_true", help="what changes as one JSON object")
    _common.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Write a table and say what is in it, or say what other settings change; wrong options are status 2."""
    from ..envelope import Envelope
    from ..errors import MailFilterError

    if args.table and (args.paths or args.out or args.replay):
        raise MailFilterError("rescore: --from weighs a stored table: give it neither ARCHIVE nor --out nor --replay")
    if args.table and (args.label or args.noted or _common.envelope(args) != Envelope()):
        raise MailFilterError("rescore: --from knows the mails' labels and envelopes from the table: give it none")
    if args.table:
        return _changes(args)
    if not args.paths or not args.out:
        raise MailFilterError("rescore: give ARCHIVE… and --out FILE, or --from TABLE and --config FILE")
    return _write(args)


def _jobs(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= 1024):
        raise argparse.ArgumentTypeError(f"from 1 to 1024, not {text}")
    return int(text)


def _write(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from ..chain import FilterChain
    from ..envelope import Envelope
    from ..rescoring import Replay, rescore

    replay = Replay(args.replay) if args.replay else None
    config = _common.config(args)
    given = _common.envelope(args)
    source = _common.Source(args.paths, args.label, None if given == Envelope() else given, args.noted)
    progress = tqdm(source, unit=" mails", disable=not sys.stderr.isatty(), file=sys.stderr)
    with FilterChain(config, stateless=True, lookups=() if replay else None) as chain:
        counts = rescore(
            chain,
            progress,
            args.out,
            source.unreadable,
            jobs=args.jobs,
            resume=args.resume,
            replay=replay,
            clock=args.clock,
        )
    lost = f"; {len(source.unreadable)} could not be read (named above)" if source.unreadable else ""
    actions = ", ".join(f"{count} {action}" for action, count in counts.items() if count)
    print(f"{args.out}: {sum(counts.values())} mails: {actions or 'none'}{lost}")
    if replay is not None and replay.missed:
        print(f"mailfilter: {args.replay}: {replay.missed} of these mails are not in it", file=sys.stderr)
    return 1 if source.unreadable else 0


def _changes(args: argparse.Namespace) -> int:
    from ..chain import FilterChain
    from ..rescoring import compare, load

    table = load(args.table)
    with FilterChain(_common.config(args), stateless=True) as chain:
        if chain.rules and not len(table.columns["envelope"]):
            old = " (it is of format 2)" if table.meta["format"] == 2 else ""
            print(
                f"mailfilter: {args.table}: no envelopes are known in it{old}: rules for recipients and directions "
                "do not apply; write it with --noted or --rcpt-to",
                file=sys.stderr,
            )
        changes = compare(table, chain)
    for line in _misfits(args.table, changes):
        print(f"mailfilter: {line}", file=sys.stderr)
    if args.json:
        print(json.dumps(_plain(changes, args.most)))
    else:
        _print(args.table, changes, args.most)
    return 1 if changes.unknown or changes.absent else 0


def _misfits(name: str, changes: Changes) -> list[str]:
    lines = [
        f"{name}: {symbol} ({hits} hits) is not known to these settings and counts for nothing"
        for symbol, hits in changes.unknown.items()
    ]
    if changes.absent:
        few = ", ".join(changes.absent[:5]) + (", …" if len(changes.absent) > 5 else "")
        lines.append(f"{name}: {len(changes.absent)} symbols of these settings were not looked for: {few}")
    return lines


def _print(name: str, changes: Changes, most: int) -> None:
    for change in changes.listed(most):
        before, after = change.points
        print(
            f"{change.before:>10} -> {change.after:<10} {before:9.3f} -> {after:9.3f}  {change.label:<8}  "
            f"{_common.printable(change.path)}: {_reasons(change)}"
        )
    if len(changes.flips) > most:
        print(f"… and {len(changes.flips) - most} more (--most)")
    for (mild, stern), labels in changes.counts().items():
        split = ", ".join(f"{count} {label}" for label, count in sorted(labels.items()))
        print(f"{sum(labels.values()):8} {mild} -> {stern} ({split})")
    print(f"{name}: {changes.table.rows} mails, {len(changes.flips)} change")
    old, new = changes.errors(changes.table.columns["action"]), changes.errors(changes.decisions.actions)
    if old["ham"] + old["spam"]:
        print(
            f"labelled: ham lost {old['ham_lost']} -> {new['ham_lost']} of {old['ham']}, "
            f"spam missed {old['spam_missed']} -> {new['spam_missed']} of {old['spam']}"
        )


def _reasons(change: Change) -> str:
    words = [f"{name} {by:+.3f}" for name, by in change.because[:4]]
    if len(change.because) > 4:
        words.append(f"{len(change.because) - 4} more")
    if change.limits or not words:
        words.append("limits" if change.points[0] == change.points[1] else "limits alone would do")
    return ", ".join(words)


def _plain(changes: Changes, most: int) -> dict[str, Any]:
    listed = [
        {
            "path": change.path,
            "label": change.label,
            "from": change.before,
            "to": change.after,
            "points": list(change.points),
            "because": dict(change.because),
            "limits": change.limits,
        }
        for change in changes.listed(most)
    ]
    return {
        "mails": changes.table.rows,
        "changed": len(changes.flips),
        "counts": [
            {"from": old, "to": new, "mails": sum(labels.values()), **labels}
            for (old, new), labels in changes.counts().items()
        ],
        "before": changes.errors(changes.table.columns["action"]),
        "after": changes.errors(changes.decisions.actions),
        "unknown": changes.unknown,
        "absent": list(changes.absent),
        "changes": listed,
    }

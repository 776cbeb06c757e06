"""Run the chain over archives and write a hit table: every symbol of every mail, to be weighed again later."""

from __future__ import annotations

import argparse
import sys

from . import _common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``mailfilter rescore``."""
    parser.add_argument("paths", nargs="+", metavar="ARCHIVE", help="mbox, Maildir, folder, tar(.gz/.xz), zip")
    parser.add_argument("--out", required=True, metavar="FILE.npz", help="hit table to write")
    _common.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Write the table and print what is in it."""
    from tqdm import tqdm

    from ..chain import FilterChain
    from ..rescoring import rescore

    config, source = _common.config(args), _common.Source(args.paths)
    progress = tqdm(source, unit=" mails", disable=not sys.stderr.isatty(), file=sys.stderr)
    with FilterChain(config, stateless=True) as chain:
        counts = rescore(chain, progress, args.out, source.unreadable)
    lost = f"; {len(source.unreadable)} could not be read (named above)" if source.unreadable else ""
    actions = ", ".join(f"{count} {action}" for action, count in counts.items() if count)
    print(f"{args.out}: {sum(counts.values())} mails: {actions or 'none'}{lost}")
    return 1 if source.unreadable else 0

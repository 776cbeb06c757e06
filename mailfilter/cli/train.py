"""Train a content model from labelled corpora and write it as a model file."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``mailfilter train``."""
    parser.add_argument(
        "corpora", nargs="+", metavar="CORPUS", help="labelled archive, or a name in $MAILFILTER_CORPORA"
    )
    parser.add_argument("--out", required=True, metavar="FILE.npz", help="where the model is written")
    parser.add_argument(
        "--headers", action="store_true", help="learn header blocks too: for use where this very mail came in"
    )


def run(args: argparse.Namespace) -> int:
    """Train, save, and print what was learned from and how it did on corpora left out."""
    from ..classifier.train import AT_HOME, Options, run

    facts = run(args.corpora, args.out, AT_HOME if args.headers else Options()).facts
    for name, counts in facts["corpora"].items():
        print(f"{name}: {counts['ham']} ham, {counts['spam']} spam")
    print(f"{facts['twins']} mails whose text stood there already were left out")
    for name, figures in facts["left_out"].items():
        print(f"left out, {name}: " + ", ".join(f"{key} {value}" for key, value in figures.items()))
    print(f"{args.out} written")
    return 0

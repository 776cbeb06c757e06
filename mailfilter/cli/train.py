"""Train a content model from labelled corpora and write it as a model folder."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``mailfilter train``."""
    parser.add_argument(
        "corpora", nargs="+", metavar="CORPUS", help="labelled archive, or a name in $MAILFILTER_CORPORA"
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the model is written")


def run(args: argparse.Namespace) -> int:
    """Train, save, print the counts."""
    from ..classifier import train

    print(train.run(args.corpora, args.out))
    return 0

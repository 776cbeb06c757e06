"""Say what is configured, what is reachable, what is loaded, and what is wrong."""

from __future__ import annotations

import argparse

from . import _common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``mailfilter doctor``."""
    parser.add_argument("--symbols", action="store_true", help="list every symbol with its points and meaning")
    parser.add_argument("--dns", action="store_true", help="tell all that is known of each DNS list")
    parser.add_argument("--virus", action="store_true", help="show the scanner what it may let through")
    _common.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Print one line per finding; exit status 1 when a line says that something is wrong."""
    from ..chain import FilterChain
    from ..dns_probes import list_lines
    from ..examination import examine
    from ..virus_probes import probe

    config = _common.config(args)
    with FilterChain(config, stateless=True) as chain:
        if args.symbols:
            for name, milli in zip(chain.weights.names, chain.weights.thousandths.tolist(), strict=True):
                info = chain.catalogue[name]
                print(f"{milli / 1000:+8.3f}  {info.group:<11} {name:<28} {info.description}")
            return 0
        wrong = 0
        chosen = list_lines if args.dns else probe if args.virus else examine
        for line in chosen(chain):
            wrong += line.wrong
            mark = "wrong" if line.wrong else "ok"
            print(f"{mark:<6}{line.subject:<11} {_common.printable(line.text)}")
    print(f"{wrong} wrong" if wrong else "nothing is wrong")
    return 1 if wrong else 0

"""The ``mailfilter`` command.

Exit status: 0 everything asked for was done; 1 done, but something could not be read or is wrong (each named on
standard error, and counted); 2 nothing was done: the command line, a settings file or a model is at fault.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from .._version import __version__
from ..errors import MailFilterError

_COMMANDS = ("check", "rescore", "tune", "train", "learn", "quarantine", "stats", "rules", "doctor")
"""Each a module of this package, which is imported when it is named on the command line, or where all are listed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    given = sys.argv[1:] if argv is None else argv
    args = _parser(given[0] if given else "").parse_args(given)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except MailFilterError as error:
        for line in getattr(error, "faults", None) or (str(error),):
            source = f"{error.source}: " if hasattr(error, "source") else ""
            print(f"mailfilter: {source}{line}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader (head, less) has seen enough; keep Python from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("mailfilter: interrupted", file=sys.stderr)
        return 130


def _parser(named: str = "") -> argparse.ArgumentParser:
    """The command line of one command, or of all where ``named`` is none."""
    parser = argparse.ArgumentParser(prog="mailfilter", description="Decide what is to be done with mail.")
    parser.add_argument("--version", action="version", version=f"mailfilter {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in (named,) if named in _COMMANDS else _COMMANDS:
        module = import_module(f".{name}", __package__)
        summary = (module.__doc__ or "").strip().splitlines()[0]
        command = commands.add_parser(name, help=summary, description=summary)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser

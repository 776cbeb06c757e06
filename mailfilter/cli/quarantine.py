"""Look at the quarantine and let mails out of it."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from ..errors import StoreError
from . import _common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``mailfilter quarantine``."""
    parser.add_argument("order", choices=("list", "show", "release", "restore"), help="what to do")
    parser.add_argument("receipt", nargs="?", help="which mail; not for list")
    _common.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """``list`` prints a line per mail; the others write the exact original to standard output.

    ``release`` lets a held mail out, ``restore`` gives back what was taken out of a mail that was disarmed.
    """
    from ..quarantine import Quarantine

    section = _common.config(args).quarantine
    if not section.path:
        raise StoreError("no quarantine is configured: set [quarantine] path in the settings file")
    store = Quarantine(section.path)
    try:
        if args.order == "list":
            _list(store)
        elif not args.receipt:
            raise StoreError(f"quarantine {args.order}: which mail? give its receipt, as `quarantine list` shows it")
        else:
            read = {"show": store.get, "release": store.release, "restore": store.restore}[args.order]
            raw = read(args.receipt)
            sys.stdout.buffer.write(raw)
    finally:
        store.close()
    return 0


def _list(store: object) -> None:
    from ..quarantine import Quarantine

    assert isinstance(store, Quarantine)
    for held in store.entries():
        when = datetime.fromtimestamp(held.stored, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        to = ",".join(held.envelope.rcpt_to) or "-"
        line = (
            f"{held.receipt}  {when}  {held.state:<9}{held.size:>10} bytes  {held.envelope.mail_from or '<>'} -> {to}"
        )
        print(_common.printable(line))

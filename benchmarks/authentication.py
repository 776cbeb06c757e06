"""The public test suites of sender authentication: how many cases come out as they want, and which are left out."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

from mailfilter.errors import MailFilterError

from . import auth_suites


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """A row for each suite; ``left_out`` names each case that is not run, with the reason."""
    root = auth_suites.folder()
    if root is None:
        raise MailFilterError("set MAILFILTER_AUTH_SUITES to the folder that holds the suites")
    rows: dict[str, dict[str, Any]] = {}
    for case in auth_suites.cases(root):
        row = rows.setdefault(case.suite, {"suite": case.suite, "cases": 0, "passed": 0, "left_out": {}, "cpu_ms": 0.0})
        row["cases"] += 1
        if case.left_out:
            row["left_out"][case.name] = case.left_out
            continue
        begun = time.process_time()
        row["passed"] += case.outcome() in case.expected
        row["cpu_ms"] += (time.process_time() - begun) * 1000
    for row in rows.values():
        yield {**row, "cpu_ms": round(row["cpu_ms"], 1)}
    for name, reason in auth_suites.NOT_RUN.items():
        yield {"suite": name, "not_run": reason}

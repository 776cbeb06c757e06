"""Say what in rule files is wrong, what is not run here and why."""

from __future__ import annotations

import argparse
from collections import Counter

from . import _common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``mailfilter rules``."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="rules_command")
    lint = commands.add_parser("lint", help="read rule files and report every line that has no effect, and why")
    lint.add_argument("paths", nargs="+", metavar="PATH", help="a .cf file, or a folder of them")
    lint.add_argument("--strict", action="store_true", help="exit status 1 for rules that are not run, too")
    lint.add_argument("--quiet", action="store_true", help="only the counts")


def run(args: argparse.Namespace) -> int:
    """Print file, line, rule and reason of every fault, then a count by reason; status 1 when one is an error."""
    from ..ruleset.compiled import CompiledRules
    from ..ruleset.reader import read_rules
    from ..ruleset.rules import PATTERN_KINDS, Severity

    rules = read_rules(args.paths)
    compiled = CompiledRules(rules, fast=False, strict=True)
    faults = sorted([*rules.faults, *compiled.faults], key=lambda fault: fault.place)
    if not args.quiet:
        for fault in faults:
            print(_common.printable(str(fault)))
    counts = Counter((fault.severity.value, fault.reason) for fault in faults for _ in range(fault.times))
    for (severity, reason), count in sorted(counts.items(), key=lambda item: (item[0][0], -item[1])):
        print(f"{count:6} {severity:<11} {reason}")
    patterns = [rule for rule in rules.rules.values() if rule.kind in PATTERN_KINDS]
    running = [rule for rule in patterns if rule.name in compiled.running]
    off = sum(rule.points == 0 or rule.is_net for rule in patterns if rule.name not in compiled.running)
    print(
        f"{len(rules.rules)} rules in {len(rules.files)} files; of {len(patterns)} with a pattern {len(running)} run, "
        f"{off} are switched off, {len(patterns) - len(running) - off} do not run here"
    )
    errors = sum(fault.severity is Severity.ERROR for fault in faults)
    wrong = errors or (args.strict and any(fault.severity is Severity.UNSUPPORTED for fault in faults))
    return 1 if wrong else 0


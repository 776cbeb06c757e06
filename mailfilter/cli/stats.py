"""Say what happened: events by action, reason and symbol, the quarantine, and what somebody has to look at."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import ArchiveError, StoreError
from . import _common

if TYPE_CHECKING:
    from ..config import Config
    from ..counters import Counters
    from ..greylist import Greylist
    from ..quarantine import Quarantine
    from ..statistics import Summary

_DAY = 86_400.0
_SHOWN = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to look."""
    _common.add_config(parser)
    parser.add_argument(
        "--events",
        metavar="FILE",
        action="append",
        default=[],
        help='lines of the logger "mailfilter.events"; may repeat',
    )
    parser.add_argument(
        "--since", metavar="WHEN", help='events from a date on ("2026-01-31"), or of a span ("12h", "7d")'
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Exit status 1 where there is an alarm, or a file of events has lines that are none."""
    from ..alarms import alarms
    from ..statistics import summarised
    from .quarantine import since

    config = _common.config(args)
    after = since(args.since) if args.since else None
    summary = summarised(_lines(args.events), after) if args.events else None
    parts = _Parts.of(config)
    try:
        wrong, held = alarms(parts), _quarantine(parts.quarantine)
    finally:
        parts.close()
    if args.json:
        found: dict[str, Any] = {"events": summary.to_dict() if summary else None, "quarantine": held}
        print(json.dumps({**found, "alarms": [alarm._asdict() for alarm in wrong]}, ensure_ascii=True))
    else:
        for line in (*_told(summary), *_held(held), *(f"alarm      {alarm.text}" for alarm in wrong)):
            print(_common.printable(line))
    return 1 if wrong or (summary is not None and summary.unread) else 0


def _lines(paths: list[str]) -> Iterator[str]:
    for path in paths:
        try:
            if path == "-":
                yield from sys.stdin
                continue
            with open(path, encoding="utf-8", errors="replace") as file:
                yield from file
        except OSError as error:
            raise ArchiveError(path, f"cannot be read: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class _Parts:
    """What keeps state, without the checks, which take longer to load than all that is asked here."""

    greylist: Greylist | None
    counters: Counters | None
    quarantine: Quarantine | None
    lookups: Mapping[Any, Any]

    @classmethod
    def of(cls, config: Config) -> _Parts:
        from .. import assembly

        stores = assembly.greylist(config), assembly.counters(config), assembly.quarantine(config)
        return cls(*stores, {lookup.kind: lookup for lookup in assembly.lookups(config)})

    def close(self) -> None:
        for part in (self.greylist, self.counters, self.quarantine, *self.lookups.values()):
            if part is not None:
                part.close()


def _quarantine(quarantine: Quarantine | None) -> dict[str, Any] | None:
    if quarantine is None:
        return None
    try:
        stats = quarantine.stats()
    except StoreError:
        return None  # the alarm says so
    return {**stats._asdict(), "counts": [count._asdict() for count in stats.counts]}


def _told(summary: Summary | None) -> Iterator[str]:
    if summary is None:
        return
    span = "" if summary.first is None or summary.last is None else f", {_when(summary.first)} to {_when(summary.last)}"
    yield f"mails      {summary.mails}{span}"
    if summary.refused_unread:
        yield f"unread     {summary.refused_unread} mails were refused before they were looked at"
    if summary.unread:
        yield f"lines      {summary.unread} lines are no events"
    for name in ("actions", "intended", "reasons", "directions", "replies", "recipients", "symbols", "unknown"):
        for value, number in getattr(summary, name).most_common(_SHOWN):
            yield f"{name:<10} {number:>8} {value}"
    for stage, times in summary.seconds().items():
        yield f"seconds    {stage:<8} median {times['p50']:.4f}, 99 % within {times['p99']:.4f}"


def _held(held: Mapping[str, Any] | None) -> Iterator[str]:
    if held is None:
        return
    for count in held["counts"]:
        yield f"quarantine {count['mails']:>8} {count['state']}, {count['size']} octets"
    yield f"unseen     {held['unseen']:>8} the oldest for {held['oldest'] / _DAY:.1f} days"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")

"""Summing up what happened: files of events (`mailfilter.observing`), and the quarantine as it is now."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST_TIMES = 200_000
"""Times of a stage that are kept; of more mails every other one is, and so on."""


@dataclass(slots=True)
class Summary:
    """Counts over events.  ``unread`` are lines that are no events; ``first`` and ``last`` seconds since 1970."""

    mails: int = 0
    refused_unread: int = 0
    unread: int = 0
    first: float | None = None
    last: float | None = None
    actions: Counter[str] = field(default_factory=Counter)
    intended: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    directions: Counter[str] = field(default_factory=Counter)
    replies: Counter[str] = field(default_factory=Counter)
    recipients: Counter[str] = field(default_factory=Counter)
    symbols: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    _seconds: defaultdict[str, Times] = field(default_factory=lambda: defaultdict(Times))

    def add(self, event: Mapping[str, Any]) -> None:
        """Count one event; one that is of another kind or shape is ``unread``."""
        try:
            if event["event"] == "refused":
                self.refused_unread += 1
                self.replies[str(event["reply"])[:9]] += 1
            elif event["event"] == "mail":
                self._mail(event)
            else:
                self.unread += 1
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            self.unread += 1

    def seconds(self) -> dict[str, dict[str, float]]:
        """Median and 99th percentile of each stage."""
        return {
            stage: {"p50": round(times.at(0.5), 6), "p99": round(times.at(0.99), 6)}
            for stage, times in self._seconds.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        counted = ("actions", "intended", "reasons", "directions", "replies", "recipients", "symbols", "unknown")
        return {
            "mails": self.mails,
            "refused_unread": self.refused_unread,
            "unread": self.unread,
            "first": self.first,
            "last": self.last,
            **{name: dict(getattr(self, name).most_common()) for name in counted},
            "seconds": self.seconds(),
        }

    def _mail(self, event: Mapping[str, Any]) -> None:
        when = float(event["time"])
        if not math.isfinite(when):
            raise ValueError("no time")
        facts = str(event["action"]), str(event["reason"]), str(event["direction"])
        symbols, unknown, replies = (list(map(str, event[name])) for name in ("symbols", "unknown", "replies"))
        recipients = {outcome: int(number) for outcome, number in event["recipients"].items()}
        seconds = {stage: float(spent) for stage, spent in event["seconds"].items()}
        self.mails += 1
        self.first = when if self.first is None else min(self.first, when)
        self.last = when if self.last is None else max(self.last, when)
        for counter, fact in zip((self.actions, self.reasons, self.directions), facts, strict=True):
            counter[fact] += 1
        if event.get("intended"):
            self.intended[str(event["intended"])] += 1
        self.symbols.update(symbols)
        self.unknown.update(unknown)
        self.replies.update(replies)
        self.recipients.update(recipients)
        for stage, spent in seconds.items():
            self._seconds[stage].add(spent)


class Times:
    """Enough of many times to tell their quantiles."""

    def __init__(self) -> None:
        self._kept: list[float] = []
        self._step, self._seen = 1, 0

    def add(self, seconds: float) -> None:
        """Take one more."""
        self._seen += 1
        if self._seen % self._step:
            return
        self._kept.append(seconds)
        if len(self._kept) >= _MOST_TIMES:
            self._kept, self._step = self._kept[::2], self._step * 2

    def at(self, share: float) -> float:
        """The quantile."""
        ordered = sorted(self._kept)
        return ordered[min(len(ordered) - 1, math.floor(share * len(ordered)))] if ordered else 0.0


def summarised(lines: Iterable[str], since: float | None = None) -> Summary:
    """Count the events of a file's lines, those at ``since`` and later."""
    summary = Summary()
    for line in lines:
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            summary.unread += 1
            continue
        if not isinstance(event, dict):
            summary.unread += 1
        elif since is None or not isinstance(event.get("time"), int | float) or event["time"] >= since:
            summary.add(event)
    return summary

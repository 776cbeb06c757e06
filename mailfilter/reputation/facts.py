"""From what is known of a sender to findings: pure, and every value above 0 and at most 1."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from ..checks._text import quote
from ..stores.keyed import DAY, Seen
from ..symbols import Findings, Symbol
from .author import Author
from .labels import NO_LABELS, Labels

_LONG_KNOWN = 10
"""Days seen after which a known sender is known well."""
_YOUNG = 30
"""Days after which a domain is young no longer."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known with one mail, itself included; `None` for who is not told.

    ``since``  when the memory began; ``labels``, ``domain_labels``  what people taught of the address and the domain;
    ``written_to``  whether a recipient has written to the address; ``age``  days since the domain was registered.
    """

    author: Author | None
    domain: Seen | None
    address: Seen | None
    network: Seen | None
    network_name: str
    since: int
    labels: Labels = NO_LABELS
    domain_labels: Labels = NO_LABELS
    written_to: bool = False
    age: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as new, in whole days; as a burst, in recipients of two hours; and how old a memory has to be."""

    new: int = 3
    burst: int = 50
    settle: int = 7


USUAL = Limits()


def judge(known: Known, limits: Limits, now: float) -> Findings:
    """The findings of one mail.  Pure; every value is above 0 and at most 1."""
    found = [Symbol("SENDER_SEEN", 1.0, _told(known))]
    settled = now - known.since >= limits.settle * DAY
    trusted = known.author is not None and known.author.proof != ""
    newness = _newness(known.domain, limits, now) if settled else 0.0
    if trusted and newness:
        found.append(Symbol("SENDER_NEW", newness, quote(known.author.domain)))  # type: ignore[union-attr]
    if settled and (burst := _burst(known, limits, now)):
        found.append(burst)
    if trusted:
        found.extend(_taught(known))
    if known.age is not None and 0 <= known.age < _YOUNG:
        days = int(known.age)
        found.append(Symbol("SENDER_DOMAIN_YOUNG", 1 - days / _YOUNG, f"registered {days} days ago"))
    return tuple(found)


def _newness(seen: Seen | None, limits: Limits, now: float) -> float:
    """From 1 on the first day down to 0; in whole days, so that it is the same for all mails that come together."""
    if seen is None or not limits.new:
        return 0.0
    return max(0.0, 1 - max(0, int(now) - seen.first) // DAY / limits.new)


def _burst(known: Known, limits: Limits, now: float) -> Symbol | None:
    """The new name, or else the new network, that writes to many at once."""
    names = (known.author.domain if known.author else "", known.domain), (known.network_name, known.network)
    for name, seen in names:
        if seen is not None and _newness(seen, limits, now) and seen.recent > limits.burst:
            text = f"{quote(name)}: {seen.recent} recipients within two hours, and new"
            return Symbol("SENDER_BURST", min(1.0, seen.recent / (2 * limits.burst or 1)), text)
    return None


def _taught(known: Known) -> Iterator[Symbol]:
    """What people said of a proved sender, of the address before its domain, or showed by writing to them."""
    labels = known.labels if known.labels else known.domain_labels
    days = min(1.0, (known.domain.days - 1) / _LONG_KNOWN) if known.domain else 0.0
    if labels.spam > labels.ham:
        yield Symbol("SENDER_TAUGHT_SPAM", labels.lean, f"taught {labels.spam} as spam, {labels.ham} as ham")
    elif labels.ham > labels.spam or known.written_to:
        why = f"taught {labels.ham} as ham, {labels.spam} as spam" if labels.ham else "a recipient has written to them"
        yield Symbol("SENDER_KNOWN", 0.5 + days / 2, why)


def _told(known: Known) -> str:
    """The facts, for a person to read."""
    parts = []
    if known.author is not None:
        how = f"proved by {known.author.proof}" if known.author.proof else "not proved"
        parts.append(f"{quote(known.author.domain)} ({how}) {_said(known.domain)}")
        parts.append(f"{quote(known.author.address)} {_said(known.address)}")
    if known.network is not None:
        parts.append(f"{known.network_name} {_said(known.network)}")
    return "; ".join(parts)


def _said(seen: Seen | None) -> str:
    if seen is None:
        return ""
    if seen.times == 1:
        return "for the first time"
    first, before = (time.strftime("%Y-%m-%d", time.gmtime(when)) for when in (seen.first, seen.before))
    return f"since {first}, last {before}, {seen.days} days, {seen.times} mails"

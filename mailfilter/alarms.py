"""What somebody has to look at now: stores that fail, a quarantine that nobody watches, lists that are not believed.

Nothing here changes anything; each alarm is one line that says what is wrong and what to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .errors import StoreError

if TYPE_CHECKING:
    from .counters import Counters
    from .greylist import Greylist
    from .lookups.watch_store import Known
    from .quarantine.store import Quarantine

ALARMS = ("store_failed", "quarantine_unseen", "quarantine_faulty", "quarantine_full", "list_muted")
"""Every kind of alarm there is."""
_FULL = 0.9
_DAY = 86_400.0
_NO_KEY = b"mailfilter-alarm"


class Alarm(NamedTuple):
    """``kind``  one of `ALARMS`; ``about``  which store or list; ``text``  a sentence."""

    kind: str
    about: str
    text: str


class Parts(Protocol):
    """What is looked at: of a `FilterChain`, or put together without its checks."""

    @property
    def greylist(self) -> Greylist | None: ...
    @property
    def counters(self) -> Counters | None: ...
    @property
    def quarantine(self) -> Quarantine | None: ...
    @property
    def lookups(self) -> Mapping[Any, Any]: ...


def alarms(chain: Parts) -> tuple[Alarm, ...]:
    """What is wrong now.  This asks every store that the chain has, once."""
    return (*_stores(chain), *_quarantine(chain.quarantine), *_lists(chain))


def muted(chain: Parts) -> dict[str, str]:
    """DNS lists that are not believed now, each with the reason."""
    found = {}
    for name, known in _watched(chain).items():
        reason = known.fault or (known.open_reason if known.openings else "") or known.muted
        if reason:
            found[name] = reason
    return found


def _stores(chain: Parts) -> Iterator[Alarm]:
    for name, part in (("greylist", chain.greylist), ("counters", chain.counters)):
        if part is None:
            continue
        try:
            part.store.get([_NO_KEY], time.time())
        except StoreError as error:
            yield Alarm("store_failed", name, f"{name}: {error}")


def _quarantine(quarantine: Quarantine | None) -> Iterator[Alarm]:
    if quarantine is None:
        return
    try:
        stats = quarantine.stats()
    except StoreError as error:
        yield Alarm("store_failed", "quarantine", str(error))
        return
    if stats.alarm:
        age = f"{stats.unseen} mails unseen, the oldest for {stats.oldest / _DAY:.1f} days"
        text = f"quarantine: nobody looks: {age}; see `mailfilter quarantine list`, or `mailfilter quarantine digest`"
        yield Alarm("quarantine_unseen", "quarantine", text)
    if stats.faulty:
        text = f"quarantine: {stats.faulty} mails are missing or damaged; see `mailfilter quarantine verify`"
        yield Alarm("quarantine_faulty", "quarantine", text)
    if stats.quota and stats.size >= _FULL * stats.quota:
        text = (
            f"quarantine: {stats.size} octets of {stats.quota} are used; release, delete or expire, or raise the quota"
        )
        yield Alarm("quarantine_full", "quarantine", text)


def _lists(chain: Parts) -> Iterator[Alarm]:
    for name, reason in muted(chain).items():
        yield Alarm("list_muted", name, f"{name}: not believed: {reason}; see `mailfilter doctor --dns`")


def _watched(chain: Parts) -> dict[str, Known]:
    """What is known of each list; nothing where no list is watched."""
    from .lookups import DnsQuestion

    book = getattr(chain.lookups.get(DnsQuestion), "book", None)
    if book is None:
        return {}
    book.sync()
    return {zone.name: zone.known for zone in book.zones.values()}

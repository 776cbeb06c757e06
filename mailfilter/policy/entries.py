"""Entries of the allow and the deny list: who, for which recipients, until when, and what proves an allowed sender.

An allow entry for addresses or domains says which proof it needs; without one anybody could claim to be meant (law 6).
A deny entry needs none: whoever claims to be a denied sender is denied.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from ..errors import SettingError
from ..settings import build, setting
from .addresses import folded, keys, network_fault, pattern_fault

PROOFS = ("dmarc", "dkim", "spf", "address")
"""What can prove an allowed sender; ``address``: the client is in one of the entry's networks."""


@dataclass(frozen=True, slots=True)
class DenyEntry:
    """[[senders.deny]]  senders and clients that are kept out"""

    senders: tuple[str, ...] = setting((), "texts", "addresses, domains or .domains of MAIL FROM or From")
    networks: tuple[str, ...] = setting((), "texts", "addresses or networks of clients, also behind our own hosts")
    recipients: tuple[str, ...] = setting((), "texts", "only for these addresses, domains, .domains; empty: for all")
    until: date | None = setting(None, "date", "its last day, or the moment it ends; without: for good")  # noqa: RUF009
    reason: str = setting("", "text", "why, for those who read a verdict")


@dataclass(frozen=True, slots=True)
class AllowEntry(DenyEntry):
    """[[senders.allow]]  senders who are let in whatever their score, where a proof shows that it is they"""

    proof: tuple[str, ...] = setting((), "texts", "dmarc, dkim, spf, address: any of these proves; networks need none")


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An entry as it is used.  ``number`` is its place in its list, from 1 on; ``ends`` in seconds since 1970."""

    settings: DenyEntry
    number: int
    ends: float | None
    recipients: frozenset[str] = field(repr=False)

    @property
    def proof(self) -> tuple[str, ...]:
        """Proofs of which any one is enough."""
        return self.settings.proof if isinstance(self.settings, AllowEntry) else ()

    def holds(self, now: float) -> bool:
        """Whether its time is not over at ``now``."""
        return self.ends is None or now < self.ends

    def serves(self, recipient: str | None) -> bool:
        """Whether it is for this folded recipient; one for some recipients is not for nobody in particular."""
        if not self.recipients:
            return True
        return recipient is not None and any(key in self.recipients for key in keys(recipient))

    def words(self) -> str:
        """For whom and why, to be put behind what was found."""
        scope = f" (for {', '.join(self.settings.recipients)})" if self.settings.recipients else ""
        return scope + (f": {self.settings.reason}" if self.settings.reason else "")


def read_entries(
    tables: Sequence[Mapping[str, Any]], kind: type[DenyEntry], where: str, faults: list[str]
) -> tuple[Entry, ...]:
    """Check the tables of one list; faults are appended."""
    found = []
    for number, table in enumerate(tables, 1):
        made = build(kind, table, f"{where}[{number}]", faults)
        faults.extend(f"{where}[{number}]{fault}" for fault in _faults(made))
        recipients = frozenset(map(folded, made.recipients))
        found.append(Entry(made, number, _end(made.until), recipients))
    return tuple(found)


def read_file(path: str, source: str) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Allow and deny entries of a TOML file with [[allow]] and [[deny]].  Raises `SettingError` with every fault."""
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(source, (f"senders.path: {path} cannot be read: {error.strerror}",)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(path, (f"is not valid TOML: {error}",)) from None
    faults = [f"{key}: unknown; an entry is an [[allow]] or a [[deny]]" for key in table.keys() - {"allow", "deny"}]
    lists = []
    for name, kind in (("allow", AllowEntry), ("deny", DenyEntry)):
        tables = table.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            faults.append(f"{name}: a list of tables is expected: [[{name}]]")
            tables = []
        lists.append(read_entries(tables, kind, name, faults))
    if faults:
        raise SettingError(path, tuple(faults))
    return lists[0], lists[1]


def _end(until: date | None) -> float | None:
    """Seconds since 1970; a day is over at its end, and a time without a zone is in UTC."""
    if until is None:
        return None
    if isinstance(until, datetime):
        return (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp()
    return datetime.combine(until + timedelta(days=1), time(), UTC).timestamp()


def _faults(entry: DenyEntry) -> Iterator[str]:
    for key, texts, fault_of in (
        ("senders", entry.senders, pattern_fault),
        ("recipients", entry.recipients, pattern_fault),
        ("networks", entry.networks, network_fault),
    ):
        yield from (f".{key}: {fault}" for text in texts if (fault := fault_of(text)))
    if not entry.senders and not entry.networks:
        yield ": an entry names senders, networks or both"
    if isinstance(entry, AllowEntry):
        yield from _proof_faults(entry)


def _proof_faults(entry: AllowEntry) -> Iterator[str]:
    for proof in entry.proof:
        if proof not in PROOFS:
            yield f'.proof: no proof "{proof}"; there are {", ".join(PROOFS)}'
    if entry.senders and not entry.proof:
        yield f'.proof: anyone can claim to be {entry.senders[0]}: say what proves it, such as ["dmarc", "dkim"]'
    if not entry.senders and set(entry.proof) - {"address"}:
        yield ".proof: networks are proved by the client's address and by nothing else"
    if entry.senders and ("address" in entry.proof) != bool(entry.networks):
        missing = "networks" if "address" in entry.proof else '"address" as a proof'
        yield f".proof: networks prove senders where the proof is address: {missing} is missing"

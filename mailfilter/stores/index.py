"""What is known of held mail, without its bytes: the rows of a quarantine's index and how they are found.

An index knows nothing of what a mail means: what it need not search for comes as one opaque value, ``facts``, which may
be sealed.  `open_index` finds the index that a setting names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Recipient(NamedTuple):
    """One recipient of an entry.

    ``address``  in lower case; ``""`` stands for the postmaster.  ``notify``  whether notices go there.  ``noticed``,
    ``released``  when that happened, in seconds since the epoch, or `None`.
    """

    address: str
    notify: bool = True
    noticed: float | None = None
    released: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One entry.

    ``stored``, ``changed``, ``seen``  seconds since the epoch: when it came, when its state changed, when a person
    first looked.  ``identity``  what makes two deliveries the same one, unique among entries that wait; `None` once it
    waits no more.  ``digest``  SHA-256, hex.  ``size``  octets of the mail; ``kept``  whether they are still there;
    ``fault``  what an audit found wrong with them, ``""`` for nothing.  ``symbols``  names; ``facts``  the rest.
    """

    receipt: str
    stored: float
    state: str
    changed: float
    seen: float | None
    identity: str | None
    digest: str
    size: int
    kept: bool
    fault: str
    sender: str
    symbols: tuple[str, ...]
    facts: bytes
    recipients: tuple[Recipient, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """Which entries; what is left out does not matter.  All that is given has to hold.

    ``receipt`` and ``digest`` are beginnings; ``recipient`` and ``sender`` are found anywhere in the address, whatever
    the case; ``untold`` was not told of it yet (the whole address, ``""`` for the postmaster); ``since`` and ``before``
    in seconds since the epoch; ``states`` any of these; ``symbol`` the whole name; ``kept`` whether the octets are
    still there; ``faulty`` whether an audit found something wrong.
    """

    receipt: str = ""
    digest: str = ""
    recipient: str = ""
    sender: str = ""
    untold: str | None = None
    since: float | None = None
    before: float | None = None
    states: Collection[str] = ()
    symbol: str = ""
    kept: bool | None = None
    faulty: bool | None = None


class Place(NamedTuple):
    """How far a search has come: entries are in the order of these."""

    stored: float
    receipt: str


class Count(NamedTuple):
    """How many entries are in a state, and the octets that are kept of them."""

    state: str
    mails: int
    size: int


class Unseen(NamedTuple):
    """Entries that nobody has looked at or was told of: how many, and when the oldest came (`None`: there is none)."""

    mails: int
    oldest: float | None


class Index(Protocol):
    """Entries by receipt.

    Every method is one transaction, is on the disk when it returns, may be called by many threads and processes and
    twice (the second time changes nothing), and raises `StoreError` and nothing else.
    """

    place: str
    """Where it is, for messages; without a password."""

    def add(self, row: Row) -> str:
        """Add an entry, unless one with its receipt or its identity is there; the receipt of the one that is there."""
        ...

    def get(self, receipt: str) -> Row | None:
        """The entry, or `None`."""
        ...

    def waiting(self, identity: str) -> Row | None:
        """The entry with this identity, or `None`."""
        ...

    def page(self, query: Query, after: Place | None = None, limit: int = 500) -> list[Row]:
        """The next entries, oldest first."""
        ...

    def move(self, receipt: str, sources: Collection[str], target: str, now: float, *, kept: bool, waits: bool) -> bool:
        """Set the state of an entry in one of ``sources``; whether it was in one.  ``waits``: it keeps its identity."""
        ...

    def note_notice(self, address: str, receipts: Sequence[str], now: float) -> None:
        """Note that a notice of these entries went to ``address``."""
        ...

    def note_release(self, receipt: str, addresses: Iterable[str], now: float) -> None:
        """Note to whom an entry was released."""
        ...

    def note_seen(self, receipts: Sequence[str], now: float) -> None:
        """Note that a person has looked at these entries."""
        ...

    def note_fault(self, receipt: str, fault: str) -> None:
        """Note what is wrong with the octets of an entry; ``""``: nothing any more."""
        ...

    def set_facts(self, receipt: str, facts: bytes) -> None:
        """Put other facts in place, such as the same under another key."""
        ...

    def to_notice(self) -> list[str]:
        """Addresses that have not been told of a held mail yet, in order."""
        ...

    def counts(self) -> list[Count]:
        """How much is in each state."""
        ...

    def used(self) -> int:
        """Octets of all mail that is kept."""
        ...

    def unseen(self) -> Unseen:
        """What nobody has looked at or was told of."""
        ...

    def purge(self, states: Collection[str], before: float) -> int:
        """Remove entries whose octets are gone, that are in one of ``states`` since before then; how many."""
        ...

    def close(self) -> None:
        """Let go of files and sockets."""
        ...


def open_index(place: str) -> Index:
    """The index that a setting names: a path, ``":memory:"``, or a ``postgresql://`` URL."""
    if place.startswith(("postgresql://", "postgres://")):
        from .index_postgres import PostgresIndex

        return PostgresIndex(place)
    from .index_sqlite import SqliteIndex

    return SqliteIndex(place)

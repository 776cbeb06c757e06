"""One DNS list as data: its zone, what it is asked about, and the meaning of each of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..symbols import SymbolInfo

MAX_POINTS = 5.0
"""What one symbol of one list may be worth by its definition."""

Octets = tuple[int, ...]
Family = Literal["ipv4", "ipv6"]

SOURCES: Mapping[str, tuple[str, ...]] = {
    "ip": ("client", "hops", "links"),
    "domain": ("mail-from", "from", "reply-to", "helo", "rdns", "dkim", "links"),
    "url": ("links",),
    "email": ("mail-from", "from", "reply-to", "body"),
}
"""Kinds of lists, and the places of a mail that each kind may be asked about."""
FORMS: Mapping[str, tuple[str, ...]] = {
    "ip": ("reversed",),
    "domain": ("registered", "host", "both"),
    "url": ("url", "host-path"),
    "email": ("address",),
}
"""How a subject is put into a question; the first is the default."""
TEST_POINTS: Mapping[str, tuple[str, str]] = {
    "ip": ("127.0.0.2", "127.0.0.1"),
    "domain": ("test", "invalid"),
    "url": ("", ""),
    "email": ("", ""),
}
"""RFC 5782 sections 2.3 and 5: what must be listed, what must not; hashes have none."""
TEST_POINTS_6 = ("::ffff:7f00:2", "::ffff:7f00:1")
"""RFC 5782 section 5: the same for a list that knows IPv6 addresses only."""
NORMALISATIONS = ("tags", "dots", "googlemail")
"""What is made alike before an address is hashed: no +tag, no dots at Gmail, googlemail.com as gmail.com."""


@dataclass(frozen=True, slots=True)
class CodePattern:
    """Answers that mean one thing: ``127.0.0.4``, ``127.0.0.4-7`` or ``127.0.*.3``."""

    text: str
    bounds: tuple[tuple[int, int], ...]

    def matches(self, address: Octets) -> bool:
        """Whether an address is one of these answers."""
        return all(low <= octet <= high for octet, (low, high) in zip(address, self.bounds, strict=True))


def parse_code(text: str) -> CodePattern:
    """Read a pattern of addresses within 127.0.0.0/8.  Raises ValueError saying what is wrong."""
    fields = text.split(".")
    if len(fields) != 4 or fields[0] != "127":
        raise ValueError(f'{text!r} is none of "127.0.0.2", "127.0.0.4-7" and "127.0.*.3"')
    return CodePattern(text, tuple(_bounds(text, part) for part in fields))


def _bounds(text: str, part: str) -> tuple[int, int]:
    if part == "*":
        return (0, 255)
    low, _, high = part.partition("-")
    numbers = [int(number) for number in (low, high or low) if number.isascii() and number.isdigit()]
    if len(numbers) != 2 or not 0 <= numbers[0] <= numbers[1] <= 255:
        raise ValueError(f"{text!r}: {part!r} is no number from 0 to 255, no range of them and no *")
    return (numbers[0], numbers[1])


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code or bit says: the symbol, its points, and a sentence."""

    symbol: str
    points: float
    description: str


@dataclass(frozen=True, slots=True)
class DnsList:
    """One list.  Either ``codes`` or ``bits`` is filled.

    ``zone``  as written; ``{key}`` stands for a key from the environment variable ``key_env``.
    ``kind``  what it lists: ``ip``, ``domain``, ``url`` (hashes of links) or ``email`` (hashes of mail addresses).
    ``ask``  the places of a mail that it is asked about, see `SOURCES`.
    ``form``  how a subject is put into a question, see `FORMS`.
    ``addresses``  of a list of domains: addresses in links are asked about too, reversed.
    ``codes``  answers and their meaning; every address of an answer is looked at.
    ``bits``  meaning of each bit of the last octet of ``127.0.0.x``.
    ``refused``, ``refused_bits``  answers that mean "not answered", beside 127.255.255.0/24 which always does.
    ``families``  of addresses that the list knows.
    ``hash``, ``encoding``, ``normalise``  how a list of hashes makes them.
    ``allow``  a list of good senders.
    ``trusted``  it may decide alone; otherwise all that it says of a mail is capped below the quarantine limit.
    ``tests``  what must be listed and what must not, ``""`` where the list has no such point.
    """

    name: str
    zone: str
    kind: str = "ip"
    ask: tuple[str, ...] = ("client",)
    form: str = "reversed"
    addresses: bool = False
    codes: tuple[tuple[CodePattern, Meaning], ...] = ()
    bits: tuple[tuple[int, Meaning], ...] = ()
    refused: tuple[CodePattern, ...] = ()
    refused_bits: int = 0
    families: tuple[Family, ...] = ("ipv4",)
    hash: str = "sha1"
    encoding: str = "hex"
    normalise: tuple[str, ...] = ()
    allow: bool = False
    trusted: bool = False
    tests: tuple[str, str] = ("", "")
    home: str = ""
    source: str = ""
    licence: str = ""
    closed: str = ""
    key_env: str = ""
    key: str = field(default="", repr=False)

    @property
    def asked_zone(self) -> str:
        """The zone with its key; not to be shown."""
        return self.zone.replace("{key}", self.key.lower())

    @property
    def public_zone(self) -> str:
        """The zone as it stands in questions: for the key its variable, which only the look-up replaces.

        Questions are kept with hit tables, and keys are secret.  The empty label before the variable is none that DNS
        can hold: where nobody replaces it, the answer is "malformed" and not "no such name".
        """
        return self.zone.replace("{key}", f".{{{self.key_env.lower()}}}")

    @property
    def shown(self) -> str:
        """The zone as it may be shown; the list's name where the zone itself is the secret."""
        return self.name if self.zone == "{key}" else self.zone

    @property
    def configured(self) -> bool:
        """Whether it can be asked: it has its key, or needs none."""
        return bool(self.key) or not self.key_env

    @property
    def meanings(self) -> tuple[Meaning, ...]:
        """Everything that the list can say, each once."""
        return tuple(dict.fromkeys(meaning for _, meaning in (*self.codes, *self.bits)))

    def symbols(self, check: str) -> tuple[SymbolInfo, ...]:
        """What the list can find, as entries of the catalogue."""
        return tuple(
            SymbolInfo(meaning.symbol, meaning.description, "lists", meaning.points, check) for meaning in self.meanings
        )

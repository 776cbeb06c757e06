"""What a site's own learner looks at: every view of a mail, and who sent it to whom on which way.

Unlike the shipped model, a site's learner may lean on what does not carry over to other sites: the whole header
block, addresses, hosts, signing domains, lists.  Of the n-grams every other one is kept, by its hash: measured to
cost no accuracy, and it halves what is stored of a taught mail.  What is stored are numbers of slots, no text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import features, views
from .features import gram_slots, token_slots
from .relations import organisation

if TYPE_CHECKING:
    from ..message import Message

BITS = 18
"""Binary logarithm of the number of slots of a view."""
SENDER = "sender"
PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("header", ("header",)),
    ("body", ("body",)),
    ("text", ("text",)),
    ("words", ("words",)),
    ("meta", ("subject", "links", "marks")),
    (SENDER, (SENDER,)),
)
"""The learner's parts and the views of each; all but ``sender`` are those of `mailfilter.classifier.views`."""
NAMES = tuple(view.name for view in views.VIEWS if any(view.name in part[1] for part in PARTS))
GRAMS = frozenset(view.name for view in views.VIEWS if view.kind == "grams")
REGIONS = tuple(name for _, names in PARTS for name in names)
SLOTS = len(REGIONS) << BITS
FORMAT = f"1.{features.FORMAT} {' '.join(REGIONS)}"
"""Names everything that decides which slot an n-gram has; a file of another format cannot be used."""

_STAMP_MASK = (1 << 17) - 1
_SIGNER = re.compile(r"(?:^|;)\s*d=([a-z0-9.-]+)")
_LINKS = 40
DROP = features.BITS - BITS
"""Low bits of a slot of `mailfilter.classifier.features` that are dropped here."""


class Grams(NamedTuple):
    """The n-grams of one mail: ``slots`` part by part without duplicates, and how many of them each part has."""

    slots: NDArray[np.uint32]
    counts: tuple[int, ...]

    def to_bytes(self) -> bytes:
        """The form in which they are stored: little-endian 32-bit numbers, the counts first."""
        return np.array(self.counts, "<u4").tobytes() + self.slots.astype("<u4", copy=False).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Grams:
        """The inverse of `to_bytes`.  Raises ValueError if ``data`` is not of that form."""
        numbers = np.frombuffer(data, "<u4")
        counts, slots = numbers[: len(PARTS)].tolist(), numbers[len(PARTS) :]
        if len(counts) != len(PARTS) or sum(counts) != len(slots) or 0 in counts or int(slots.max()) >= SLOTS:
            raise ValueError("what is stored of a mail is damaged")
        return cls(slots, tuple(counts))


def _token(kind: str, value: str) -> str:
    return f"{kind}{'_'.join(value.lower().split())[:80]}"


def sender(message: Message) -> str:
    """Who sent the mail, to whom, by which hosts, and where its links lead, as tokens with spaces between."""
    tokens: list[str] = []
    for name in ("From", "Reply-To", "Sender", "Return-Path"):
        for address in message.addresses(name)[:2]:
            tokens.append(_token(name + "=", address.address))
            tokens.append(_token(name + "@", organisation(address.address.lower().rpartition("@")[2])))
            if address.display:
                tokens.append(_token(name + '"', address.display))
    for name in ("To", "Cc"):
        tokens.extend(_token("to=", address.address) for address in message.addresses(name)[:3])
    for value in message.header_all("DKIM-Signature")[:3]:
        if found := _SIGNER.search(value.lower()):
            tokens.append(_token("dkim=", organisation(found.group(1))))
    for name in ("List-Id", "X-Mailer", "User-Agent", "Organization"):
        if value := message.header(name):
            tokens.append(_token(name + "=", value[:200]))
    tokens.append(_token("id@", organisation(message.header("Message-ID")[:400].rpartition("@")[2].rstrip("> \t"))))
    hosts = dict.fromkeys(organisation(link.host) for link in message.links[:_LINKS] if link.host)
    tokens.extend(_token("link=", host) for host in hosts)
    if hops := message.header_all("Received"):
        tokens.append(_token("last=", " ".join(hops[0][:200].split()[:4])))
        tokens.append(_token("first=", " ".join(hops[-1][:200].split()[:4])))
    return " ".join(tokens)


class GramExtractor:
    """Makes `Grams`.  Holds a stamp table, so one per thread."""

    def __init__(self) -> None:
        self._stamps = np.zeros(_STAMP_MASK + 1, np.uint16)
        self._order = np.arange(1 << 16, dtype=np.uint16)

    def extract(self, message: Message, texts: Mapping[str, bytes]) -> Grams:
        """N-grams of one mail of which the views `NAMES` are made already (``texts``, by name).

        The first slot of each part stands in every mail: the part's constant.
        """
        pieces: list[NDArray[np.uint32]] = []
        starts: list[int] = []
        total = region = 0
        for _, names in PARTS:
            starts.append(total)
            pieces.append(np.array([region << BITS], np.uint32))
            total += 1
            for name in names:
                text = sender(message).encode("utf-8", "replace") if name == SENDER else texts[name]
                piece = hashed(name, text) + np.uint32(region << BITS)
                pieces.append(piece)
                total += len(piece)
                region += 1
        slots = np.concatenate(pieces)
        order = self._order[:total]
        places = slots & np.uint32(_STAMP_MASK)
        self._stamps[places] = order
        kept = self._stamps[places] == order
        kept[starts] = True
        return Grams(slots[kept], tuple(np.add.reduceat(kept, starts, dtype=np.intp).tolist()))


def hashed(name: str, text: bytes) -> NDArray[np.uint32]:
    """Slots, within the region of the view ``name``, of what is kept of ``text``; duplicates included."""
    if name in GRAMS:
        found = gram_slots(text)
        kept: NDArray[np.uint32] = found[(found & np.uint32(1)) == 0]
        return kept >> np.uint32(DROP)
    return (token_slots(text) >> np.uint64(DROP)).astype(np.uint32)

"""What a site's own learner looks at: every view of a mail, and who sent it to whom on which way.

Unlike the shipped model, a site's learner may lean on what does not carry over to other sites: the whole header
block, addresses, hosts, signing domains, lists.  Of the overlapping windows every other one is kept, by its hash:
measured to cost no accuracy, and it halves what is stored of a taught mail.  Stored are numbers of slots, no text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import features
from .features import Extractor, Features, gram_slots, layout, token_slots
from .relations import organisation

if TYPE_CHECKING:
    from ..message import Message

BITS = 18
"""Binary logarithm of the number of slots of a view."""
DROP = features.BITS - BITS
"""Low bits of a slot of `mailfilter.classifier.features` that are dropped here."""
SENDER = "sender"
SHARED = ("body", "text", "subject", "links", "words", "marks")
"""Views that the shipped model looks at too, so that their n-grams are made once."""
VIEWS = ("header", SENDER, *SHARED)
"""All views, in the order of their regions in the table of weights."""
PARTS = (("header", 1), (SENDER, 1), ("body", 1), ("text", 1), ("lead", 2), ("words", 2))
"""Parts of the learner and how many views each has, in order: ``lead`` is subject and links, ``words``
the words and the marks of how the mail is built."""
GRAMS = ("header", "body", "text", "subject", "links")
"""Views that are read as overlapping windows; of these every other n-gram is kept."""
SLOTS = len(VIEWS) << BITS
FORMAT = f"1.{features.FORMAT} {' '.join(VIEWS)}"
"""Names everything that decides which slot an n-gram has; a file of another format cannot be used."""

_STAMP_MASK = (1 << 17) - 1
_SIGNER = re.compile(r"(?:^|;)\s*d=([a-z0-9.-]+)")
_LINKS = 40
_LAST_GRAMS = SHARED.index(GRAMS[-1])
_FIRST_OF_PART = [sum(size for _, size in PARTS[:at]) for at in range(len(PARTS))]


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
        if len(counts) != len(PARTS) or sum(counts) != len(slots) or 0 in counts:
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
    """Makes `Grams`.  Holds stamp tables, so one per thread."""

    def __init__(self) -> None:
        self.shared = Extractor(layout(SHARED))
        self._stamps = np.zeros(_STAMP_MASK + 1, np.uint16)
        self._order = np.arange(1 << 16, dtype=np.uint16)

    def extract(self, message: Message, header: bytes, shared: Features) -> Grams:
        """N-grams of one mail of which the view ``header`` and the features of `SHARED` are made already.

        The first slot of each view stands in every mail: a constant.
        """
        grams = reduced("header", gram_slots(header))
        tokens = reduced(SENDER, token_slots(sender(message).encode("utf-8", "replace"))) + np.uint32(1 << BITS)
        slots = np.concatenate((_CONSTANTS[:1], grams, _CONSTANTS[1:], tokens))
        order = self._order[: len(slots)]
        places = slots & np.uint32(_STAMP_MASK)
        self._stamps[places] = order
        once = self._stamps[places] == order
        starts = [0, len(grams) + 1]
        once[starts] = True
        ends = np.cumsum(shared.counts)
        even = (shared.slots & 1) == 0
        even[ends[_LAST_GRAMS] :] = True
        rest = (shared.slots[even] >> DROP).astype(np.uint32) + np.uint32(2 << BITS)
        kept = np.add.reduceat(even, ends - shared.counts, dtype=np.intp).tolist()
        counts = np.add.reduceat(once, starts, dtype=np.intp).tolist() + kept
        return Grams(np.concatenate((slots[once], rest)), tuple(np.add.reduceat(counts, _FIRST_OF_PART).tolist()))


def reduced(view: str, slots: NDArray[np.uint32] | NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Slots within a region of what is kept of a view, of the slots of all (`mailfilter.classifier.features`)."""
    kept = slots[(slots & 1) == 0] if view in GRAMS else slots
    return (kept >> DROP).astype(np.uint32)


_CONSTANTS = np.array([0, 1 << BITS], np.uint32)

"""What a site's own learner looks at: every view of a mail, and who sent it to whom on which way.

Unlike the shipped model, a site's learner may lean on what does not carry over to other sites: the whole header
block, addresses, hosts, signing domains, lists.  Of the overlapping windows every other one is kept, by its hash:
measured to cost no accuracy, and it halves what is stored of a taught mail.  Stored are numbers of slots, no text.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import features, views
from .features import Features
from .relations import organisation

if TYPE_CHECKING:
    from ..message import Message

BITS = 18
"""Binary logarithm of the number of slots of a view."""
DROP = features.BITS - BITS
"""Low bits of a slot of `mailfilter.classifier.features` that are dropped here."""
SENDER = "sender"
SHARED = tuple(view.name for view in views.VIEWS)
"""Views of `mailfilter.classifier.views`: all of them, in their order."""
VIEWS = (*SHARED, SENDER)
"""All views, in the order of their regions in the table of weights."""
GRAMS = tuple(view.name for view in views.VIEWS if view.kind == "grams")
"""Views that are read as overlapping windows, which are the first; of these every other n-gram is kept."""
_PART = {"header": "header", "body": "body", "text": "text", "subject": "lead", "links": "lead", SENDER: SENDER}
PARTS = tuple(
    (part, len(tuple(names))) for part, names in itertools.groupby(VIEWS, lambda name: _PART.get(name, "words"))
)
"""Parts of the learner and how many views each has, in order: ``lead`` is subject and links, ``words`` the words of
the text and the marks of how the mail is built."""
SLOTS = len(VIEWS) << BITS
FORMAT = f"1.{features.FORMAT} {' '.join(VIEWS)}"
"""Names everything that decides which slot an n-gram has; a file of another format cannot be used."""

_SIGNER = re.compile(r"(?:^|;)\s*d=([a-z0-9.-]+)")
_LINKS = 40
_SPANS = [(sum(size for _, size in PARTS[:at]), size) for at, (_, size) in enumerate(PARTS)]
"""First view of each part, and how many it has."""
_REGION = np.uint32((len(VIEWS) - 1) << BITS)


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
        numbers = np.frombuffer(data, "<u4", len(data) // 4)
        counts, slots = numbers[: len(PARTS)].tolist(), numbers[len(PARTS) :]
        if len(counts) != len(PARTS) or 4 * (sum(counts) + len(PARTS)) != len(data) or 0 in counts:
            raise ValueError("what is stored of a mail is damaged")
        return cls(slots, tuple(counts))


def _token(kind: str, value: str) -> str:
    return f"{kind}{'_'.join(value.lower().split())[:80]}"


def sender(message: Message) -> list[str]:
    """Who sent the mail, to whom, by which hosts, and where its links lead, as tokens."""
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
    return tokens


def token_slot(token: str) -> int:
    """Slot of a token of `sender` within its region; never 0, which is the constant's."""
    return max(zlib.crc32(token.encode("utf-8", "replace")) >> (32 - BITS), 1)


def of_each(counts: NDArray[np.intp], values: NDArray[Any]) -> NDArray[Any]:
    """For each n-gram of a batch (``counts``: mails by views), the one of ``values`` (views) that is its view's."""
    return np.repeat(np.broadcast_to(values, counts.shape).ravel(), counts.ravel())


def grams(messages: Sequence[Message], shared: Features) -> list[Grams]:
    """N-grams of mails of which the features of the views `SHARED` are made already."""
    counts = shared.counts
    kept = ((shared.slots & 1) == 0) | of_each(counts, np.arange(len(SHARED)) >= len(GRAMS))
    before = np.concatenate(([0], np.cumsum(kept)))
    ends = np.cumsum(counts).reshape(counts.shape)
    sizes = before[ends] - before[ends - counts]
    slots = (shared.slots[kept] >> DROP).astype(np.uint32)
    bounds = before[ends[:, -1]].tolist()
    found, start = [], 0
    for message, own, end in zip(messages, sizes.tolist(), bounds, strict=True):
        tokens = [0, *{token_slot(token) for token in sender(message)}]
        made = np.concatenate((slots[start:end], np.array(tokens, np.uint32) + _REGION))
        own.append(len(tokens))
        found.append(Grams(made, tuple(sum(own[at : at + size]) for at, size in _SPANS)))
        start = end
    return found

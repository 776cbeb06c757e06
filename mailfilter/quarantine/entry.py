"""One entry of the quarantine, and the form in which its mail lies on the disk.

A file is readable by itself, so that a lost index can be made again and a lost program does no harm::

    mailfilter held 1
    {"receipt": ..., "stored": ..., "sha256": ..., "size": ..., "facts": {...}}
    the mail, octet for octet
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

from ..envelope import Envelope
from ..errors import EnvelopeError
from ..message import Message
from ..stores.index import Recipient, Row
from ..verdict import Verdict
from .states import WAITS, State

_MAGIC = b"mailfilter held 1\n"
_LONGEST = 300
"""Characters of a subject or a sender's name that are kept for notices."""


@dataclass(frozen=True, slots=True)
class Held:
    """One entry.

    ``stored`` and ``changed`` (of the state) in seconds since the epoch, ``size`` in octets; ``digest`` is the SHA-256
    of the mail; ``subject`` and ``author`` (of From) are what the mail itself says, decoded and cut; ``recipients``
    say who was told and to whom it was released; ``seen`` is when a person first looked at it; ``fault`` is what
    `Quarantine.verify` found wrong with the stored mail.
    """

    receipt: str
    stored: float
    state: State
    digest: str
    size: int
    envelope: Envelope
    verdict: dict[str, Any]
    subject: str = ""
    author: str = ""
    changed: float = 0.0
    seen: float | None = None
    fault: str = ""
    recipients: tuple[Recipient, ...] = ()

    @property
    def reason(self) -> str:
        """Why it was held, as the verdict names it (``score``, ``malware``, …)."""
        return str(self.verdict.get("reason", ""))

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, ready for JSON."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        plain["envelope"] = asdict(self.envelope)
        plain["recipients"] = [one._asdict() for one in self.recipients]
        return plain


class Blob(NamedTuple):
    """What a stored file says of itself, and the mail."""

    receipt: str
    stored: float
    sha256: str
    size: int
    facts: dict[str, Any]
    raw: bytes

    @property
    def whole(self) -> bool:
        """Whether every octet is as it was when it was stored."""
        return len(self.raw) == self.size and hashlib.sha256(self.raw).hexdigest() == self.sha256


def facts(raw: bytes, envelope: Envelope, verdict: Verdict) -> dict[str, Any]:
    """What is to be known of a mail beside its octets."""
    found: dict[str, Any] = {"envelope": asdict(envelope), "verdict": verdict.to_dict()}
    if raw:
        message = Message(raw)
        found |= {"subject": message.subject[:_LONGEST], "author": message.header("From")[:_LONGEST]}
    return found


def dump(facts: dict[str, Any]) -> bytes:
    """Facts as they are stored: one line of ASCII."""
    return json.dumps(facts, separators=(",", ":")).encode("ascii")


def pack(receipt: str, stored: float, raw: bytes, facts: dict[str, Any]) -> bytes:
    """The file of a held mail."""
    sha256 = hashlib.sha256(raw).hexdigest()
    head = {"receipt": receipt, "stored": stored, "sha256": sha256, "size": len(raw), "facts": facts}
    return b"".join((_MAGIC, dump(head), b"\n", raw))


def unpack(data: bytes) -> Blob | None:
    """What a file holds; `None` where its head is damaged.  Whether the mail is `Blob.whole` is another question."""
    if not data.startswith(_MAGIC):
        return None
    end = data.find(b"\n", len(_MAGIC))
    try:
        head = json.loads(data[len(_MAGIC) : max(end, 0)])
        return Blob(
            str(head["receipt"]), float(head["stored"]), str(head["sha256"]), int(head["size"]), dict(head["facts"]),
            data[end + 1 :],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError):
        return None


def row(receipt: str, stored: float, state: State, digest: str, size: int, known: dict[str, Any], sealed: bytes) -> Row:
    """An index's row of an entry that is new; ``sealed`` are the facts as they are to be stored."""
    envelope = envelope_of(known)
    verdict = known.get("verdict") or {}
    symbols = tuple(_column(symbol["name"]) for key in ("symbols", "unknown") for symbol in verdict.get(key, ()))
    identity = _identity(digest, envelope) if state in WAITS else None
    return Row(
        receipt=receipt, stored=stored, state=state, changed=stored, seen=None, identity=identity, digest=digest,
        size=size, kept=state in WAITS, fault="", sender=_column(envelope.mail_from or "").lower(), symbols=symbols,
        facts=sealed, recipients=_recipients(envelope),
    )  # fmt: skip


def held(row: Row, known: dict[str, Any]) -> Held:
    """The entry that a row and its facts describe."""
    return Held(
        row.receipt, row.stored, State(row.state), row.digest, row.size if row.kept else 0, envelope_of(known),
        known.get("verdict") or {}, known.get("subject", ""), known.get("author", ""), row.changed, row.seen, row.fault,
        row.recipients,
    )  # fmt: skip


def envelope_of(known: dict[str, Any]) -> Envelope:
    """The envelope among the facts, without what only another version knows; an empty one where there is none."""
    names = {item.name for item in fields(Envelope)}
    try:
        return Envelope(**{name: value for name, value in (known.get("envelope") or {}).items() if name in names})
    except (EnvelopeError, TypeError, AttributeError):
        return Envelope()


def _identity(digest: str, envelope: Envelope) -> str:
    """What is the same when a sender who did not hear our answer delivers once more: the octets and the envelope."""
    parts = (digest, envelope.mail_from or "", *sorted({address.lower() for address in envelope.rcpt_to}))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _recipients(envelope: Envelope) -> tuple[Recipient, ...]:
    """Who is told of a held mail: its recipients; of mail that goes out, or has none, the postmaster."""
    ours = envelope.direction != "outbound"
    addresses = sorted({_column(address).lower() for address in envelope.rcpt_to} - {""})
    found = tuple(Recipient(address, ours) for address in addresses)
    return found if found and ours else (Recipient(""), *found)


def _column(text: str) -> str:
    """Text that every database takes: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "").encode("utf-8", "backslashreplace").decode("utf-8")


def chosen(envelope: Envelope, recipients: Sequence[str]) -> Envelope:
    """The envelope for some of its recipients, as they are spelt in it."""
    wanted = {address.lower() for address in recipients}
    return replace(envelope, rcpt_to=[address for address in envelope.rcpt_to if _column(address).lower() in wanted])


def columns(addresses: Sequence[str]) -> list[str]:
    """Addresses as an index has them."""
    return [_column(address).lower() for address in addresses]

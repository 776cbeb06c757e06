"""What is known of senders here: since when, on how many days and how often they were seen, and what people taught.

Kept of a mail's one From address and of its domain, and of the network that it came from.  A sender who is proved
(DMARC passed for From, or SPF for the same domain in MAIL FROM, or there is a valid signature of the domain or of one
above it) and one who only claims to be are counted apart, so a forger neither uses nor spoils a name.  Only facts and
what people taught count; nothing is learned from the filter's own verdicts.  A store that fails gives "unknown" and no
points, and a memory that is too young does not say who is new.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ..checks import Mail
from ..checks._hosts import FREEMAIL
from ..errors import StoreError
from ..greylist import body_digest, network_of
from ..message import Message
from ..policy.addresses import folded
from ..stores import KeyedStore, open_keyed
from ..stores.guard import Complaint
from ..stores.keyed import DAY, Seen, Sighting
from ..symbols import Findings, Symbol
from ..trust import NOBODY, Trust, path_of
from .author import Author, author_of, proof_of
from .facts import USUAL, Known, Limits, judge
from .labels import NO_LABELS, Labels

if TYPE_CHECKING:
    from ..greylist import Greylist

_network_of = lru_cache(maxsize=4096)(network_of)

UNKNOWN = "SENDER_REPUTATION_UNKNOWN"
GROUP, CAP = "reputation", 2.5
"""The group of all findings here, and the most points that it adds or takes unless [groups] says otherwise."""

_UNPROVED_PART = 16
"""Who only claims to be somebody is remembered for this part of the time: names can be made up without end."""
_log = logging.getLogger("mailfilter.reputation")

DomainAge = Callable[[str], float | None]
"""Days since a domain was registered; ``None`` where that is not known.  It may block, by its own deadline."""


class Reputation:
    """Notes who is seen and says what is known of them.

    ``store``  a `KeyedStore` or what `open_keyed` takes; ``limits``  see `Limits`; ``lifetime``  seconds after the last
    mail for which a sender is remembered; ``ipv4_prefix``, ``ipv6_prefix``  bits that name a network; ``trust``  which
    hosts are ours; ``domain_age``  see `DomainAge`; ``clock``  seconds since the epoch.  Raises `StoreError` when the
    store cannot be opened.  Safe to use from several threads.
    """

    def __init__(
        self,
        store: str | KeyedStore = "memory",
        limits: Limits = USUAL,
        *,
        lifetime: int = 180 * DAY,
        ipv4_prefix: int = 24,
        ipv6_prefix: int = 64,
        trust: Trust = NOBODY,
        domain_age: DomainAge | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = open_keyed(store) if isinstance(store, str) else store
        self.limits, self.domain_age = limits, domain_age
        self._lifetime, self._prefixes, self._trust, self._clock = lifetime, (ipv4_prefix, ipv6_prefix), trust, clock
        self._complain = Complaint(_log, "nothing is known of senders")

    def note(
        self, mails: Sequence[Mail], found: Sequence[Sequence[Symbol]], greylist: Greylist | None = None
    ) -> list[Findings]:
        """Note mails that came, in order, and say what is known of their senders, in one question to the store.

        ``found``  what authentication found in each; ``greylist``  knows to whom our users wrote, and is asked once.
        """
        told = [self._sightings(mail, symbols) for mail, symbols in zip(mails, found, strict=True)]
        wanted = [sighting for _, _, sightings in told for sighting in sightings]
        if not wanted:
            return [()] * len(mails)
        now = self._clock()
        try:
            memory, *seen = self.store.sight([Sighting(_key("memory"), self._lifetime, 0), *wanted], now)
            friends = self._friends(mails, [author for author, _, _ in told], greylist)
            answers, findings = iter(seen), list[Findings]()
            for (author, network, sightings), written_to in zip(told, friends, strict=True):
                known = _known(author, network, answers, memory.first, written_to, self._age(author))
                findings.append(judge(known, self.limits, now) if sightings else ())
        except StoreError as error:
            self._complain(error)
            unknown = (Symbol(UNKNOWN, 1.0, "the store of [reputation] does not answer"),)
            return [unknown if sightings else () for _, _, sightings in told]
        return findings

    def teach(self, mails: Iterable[tuple[bytes | Message, bool | None]]) -> int:
        """What people say of mails: spam, ham (``False``), or nothing any more (``None``); how many were of use.

        Only a mail whose sender was proved when it came counts; it is told by its From, its Message-ID and its body, so
        fields that were put on top since do not matter.  The same mail again changes nothing.  Raises `StoreError`.
        """
        return sum(self._teach(raw if isinstance(raw, Message) else Message(raw), spam) for raw, spam in mails)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def _teach(self, message: Message, spam: bool | None) -> bool:
        author, now = author_of(message), self._clock()
        if author is None:
            return False
        name = _mail_key(author, message)
        keys = _label_keys(author)
        came, *entries = self.store.get([name, *keys], now)
        labels = [Labels.read(entry) for entry in entries]
        if came is None and not any(label.holds(name) for label in labels):
            return False
        self.store.put(
            {key: label.changed(name, spam).written() for key, label in zip(keys, labels, strict=True)},
            self._lifetime,
            now,
        )
        return True

    def _sightings(self, mail: Mail, found: Sequence[Symbol]) -> tuple[Author | None, str, list[Sighting]]:
        """Who is seen with a mail: domain and address of its author, the network, and the mail where it is proved."""
        envelope = mail.envelope
        if envelope.auth_user is not None or envelope.direction != "inbound":
            return None, "", []
        author, network, sightings = author_of(mail.message), self._network(mail), list[Sighting]()
        recipients = max(1, len(envelope.rcpt_to))
        if author is not None:
            author = author._replace(proof=proof_of(author, folded(envelope.mail_from or ""), found))
            kind, lifetime = ("", self._lifetime) if author.proof else ("claimed ", self._lifetime // _UNPROVED_PART)
            labels = _label_keys(author) if author.proof else (None, None)
            for what, name, label in zip(("domain", "address"), (author.domain, author.address), labels, strict=True):
                beside = () if label is None else (label,)
                sightings.append(Sighting(_key(kind + what, name), lifetime, recipients, beside))
        if network:
            sightings.append(Sighting(_key("network", network), self._lifetime, recipients))
        if author is not None and author.proof:
            sightings.append(Sighting(_mail_key(author, mail.message), self._lifetime, recipients))
        return author, network, sightings

    def _network(self, mail: Mail) -> str:
        """The network of the first host that is not ours nor a forwarder's, where the session tells who connected."""
        if mail.envelope.client_ip is None:
            return ""
        origin = path_of(mail, self._trust).origin
        try:
            return _network_of(origin.ip, *self._prefixes) if origin is not None else ""
        except ValueError:
            return ""

    def _friends(
        self, mails: Sequence[Mail], authors: Sequence[Author | None], greylist: Greylist | None
    ) -> Sequence[bool]:
        """For each mail, whether its author is proved and a recipient has written to them."""
        asked = [n for n, author in enumerate(authors) if author is not None and author.proof]
        friends = [False] * len(mails)
        if greylist is not None and asked:
            pairs = [(authors[n].address, mails[n].envelope.rcpt_to) for n in asked]  # type: ignore[union-attr]
            for number, written in zip(asked, greylist.written_to(pairs), strict=True):
                friends[number] = written
        return friends

    def _age(self, author: Author | None) -> float | None:
        if self.domain_age is None or author is None:
            return None
        try:
            return self.domain_age(author.domain)
        except Exception:
            _log.exception("the hook for the age of domains failed")
            return None


def _known(
    author: Author | None, network: str, seen: Iterator[Seen], since: int, written_to: bool, age: float | None
) -> Known:
    """Take one mail's answers out of those of a batch."""
    domain = next(seen) if author is not None else None
    address = next(seen) if author is not None else None
    of_network = next(seen) if network else None
    if author is not None and author.proof:
        next(seen)  # the mail's own, which only teaching asks for
    return Known(
        author,
        domain,
        address,
        of_network,
        network,
        since,
        _labels(address),
        _labels(domain) if author is not None and author.domain not in FREEMAIL else NO_LABELS,
        written_to,
        age,
    )


def _labels(seen: Seen | None) -> Labels:
    return Labels.read(seen.beside[0]) if seen is not None and seen.beside else NO_LABELS


def _label_keys(author: Author) -> tuple[bytes, bytes]:
    return _key("labels", author.domain), _key("labels", author.address)


def _mail_key(author: Author, message: Message) -> bytes:
    return _key("mail", f"{author.address}\0{body_digest(message).hex()}")


def _key(kind: str, name: str = "") -> bytes:
    return hashlib.sha256(f"seen\0{kind}\0{name}".encode("utf-8", "surrogateescape")).digest()[:16]

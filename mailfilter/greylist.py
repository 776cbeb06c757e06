"""Greylisting (RFC 6647): let the sender's queue prove itself by coming back.

An attempt goes by two names: the client's network with sender and recipient, and the mail itself with sender and
recipient, so that a retry from another host of a sender's pool is recognised.  Known good senders do not wait: those
who came back before, domains proved by DMARC, SPF or DKIM from which mail was let in before, and addresses that the
recipient has written to.  A store that fails means "do not greylist", never "delay for ever".
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from socket import AF_INET, AF_INET6, inet_pton
from typing import NamedTuple

from .decision import GreylistState
from .envelope import Envelope
from .errors import StoreError
from .message import Message
from .policy.addresses import domain_of, folded
from .stores import KeyedStore, open_keyed
from .stores.guard import Complaint
from .stores.keyed import EARNS, RENEWALS, VOUCHES, WAITS, Attempt, Timing, stamp

_PENPAL = b"penpals\0"
_REMEMBERED = 10_000
"""Domains of which a process keeps in mind that it has noted them."""
_BLANKS = b" \t\r\n"


class GreylistAnswer(NamedTuple):
    """State of the sender and, where it has to wait, the seconds left (rounded up)."""

    state: GreylistState
    wait: int = 0


class Asking(NamedTuple):
    """A mail as the greylist sees it.

    ``body``  `body_digest`, or ``b""`` to go by the network alone; ``domains``  those that authentication proves it to
    be of; ``doubted``  whether authentication speaks against the sender, who is then nobody's correspondent.
    """

    envelope: Envelope
    body: bytes = b""
    domains: tuple[str, ...] = ()
    doubted: bool = False


class Greylist:
    """Remembers who came, when, and who came back.

    ``store``  a `KeyedStore` or what `open_keyed` takes; ``wait``, ``window``, ``lifetime`` in seconds and
    ``ipv4_prefix``, ``ipv6_prefix`` in bits as in the settings; ``always``  whether to ask about every mail that would
    be accepted, not only in the doubtful band; ``clock``  seconds since the epoch.

    Raises `StoreError` when the store cannot be opened at start.  Safe to use from several threads.
    """

    def __init__(
        self,
        store: str | KeyedStore = "memory",
        *,
        always: bool = False,
        wait: float = 180,
        window: float = 172_800,
        lifetime: float = 3_110_400,
        ipv4_prefix: int = 24,
        ipv6_prefix: int = 64,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = open_keyed(store) if isinstance(store, str) else store
        self.always = always
        self._timing = Timing(wait, window, lifetime)
        self._prefixes = ipv4_prefix, ipv6_prefix
        self._clock = clock
        self._legacy = bool(getattr(self.store, "legacy", False))
        self._noted: dict[str, float] = {}
        self._complain = Complaint(logging.getLogger("mailfilter.greylist"), "greylist, nobody has to wait")

    def ask(self, envelope: Envelope, body: bytes = b"", domains: tuple[str, ...] = ()) -> GreylistAnswer:
        """Note the attempt and say whether the sender may pass; with several recipients the longest wait counts."""
        return self.ask_many([Asking(envelope, body, domains)])[0]

    def ask_many(self, askings: Sequence[Asking]) -> list[GreylistAnswer]:
        """`ask` for several mails in order, in one transaction or one round trip of the store."""
        attempts: list[Attempt] = []
        ends = []
        for asking in askings:
            attempts.extend(self._attempts(asking))
            ends.append(len(attempts))
        try:
            waits = self.store.attempt(attempts, self._timing, self._clock()) if attempts else []
        except StoreError as error:
            self._complain(error)
            waits = [0] * len(attempts)
        answers, start = [], 0
        for asking, end in zip(askings, ends, strict=True):
            answers.append(_answer(asking.envelope, waits[start:end]))
            start = end
        return answers

    def sent(self, envelope: Envelope) -> None:
        """Note that one of our users has written: the recipients' answers will not have to wait."""
        if envelope.mail_from:
            ours = folded(envelope.mail_from)
            now = self._clock()
            entries = {_pair(folded(theirs), ours) + _PENPAL: stamp(b"k", now) for theirs in envelope.rcpt_to}
            self._put(entries, now)

    def written_to(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[bool]:
        """For each sender and its recipients, whether one of these has written to the sender; no where not known."""
        keys = [[_pair(sender, folded(each)) + _PENPAL for each in recipients] for sender, recipients in pairs]
        every = [key for some in keys for key in some]
        try:
            found = dict(zip(every, self.store.get(every, self._clock()), strict=True))
        except StoreError as error:
            self._complain(error)
            found = {}
        return [any(found.get(key) for key in some) for some in keys]

    def welcomed(self, domains: Iterable[str]) -> None:
        """Note that mail which is proved to be of these domains was accepted on its own merits."""
        now, fresh = self._clock(), self._timing.lifetime / RENEWALS
        new = [domain for domain in domains if not 0 <= now - self._noted.get(domain, -fresh) < fresh]
        if new and self._put({_domain(domain): stamp(b"k", now) for domain in new}, now):
            if len(self._noted) > _REMEMBERED:
                self._noted.clear()
            self._noted.update(dict.fromkeys(new, now))

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def _put(self, entries: dict[bytes, bytes], now: float) -> bool:
        try:
            self.store.put(entries, self._timing.lifetime, now)
        except StoreError as error:
            self._complain(error)
            return False
        return True

    def _attempts(self, asking: Asking) -> Iterator[Attempt]:
        """One attempt for each recipient; none where client, sender or recipients are not known or need not wait."""
        envelope = asking.envelope
        if envelope.client_ip is None or envelope.mail_from is None or _ours(envelope):
            return  # see `has_no_say`
        sender = folded(envelope.mail_from)
        network = _network(envelope.client_ip, *self._prefixes)
        penpal = sender != "" and not asking.doubted
        ends, roles = [network], [EARNS | WAITS]
        if asking.body:
            ends, roles = [network, asking.body], [EARNS | WAITS, WAITS]
        if penpal:
            ends, roles = [*ends, _PENPAL], [*roles, VOUCHES]
        more = [*map(_domain, asking.domains)] if asking.domains else []
        role = bytes(roles + [EARNS] * len(more) + [VOUCHES] * self._legacy)
        for recipient in dict.fromkeys(map(folded, envelope.rcpt_to)):
            pair = _pair(sender, recipient)
            keys = [pair + end for end in ends] + more
            if self._legacy:
                keys.append(_legacy_key(envelope.client_ip, sender, recipient))
            yield Attempt(tuple(keys), role)


def body_digest(message: Message) -> bytes:
    """Eight bytes that stay the same when a mail is sent again, by whatever host: of its Message-ID and its body.

    Blanks and line ends do not count (some relays fold and trim), other headers do not either (trace fields differ).
    """
    raw = message.raw
    ends = [at + len(end) for end in (b"\n\n", b"\n\r\n") if (at := raw.find(end)) >= 0]
    body = raw[min(ends) :] if ends else b""
    name = message.header("Message-ID").encode("utf-8", "replace")
    return hashlib.blake2b(name + b"\0" + body.translate(None, _BLANKS), digest_size=8, person=b"body").digest()


def _answer(envelope: Envelope, waits: Sequence[int]) -> GreylistAnswer:
    if not waits:
        return GreylistAnswer(GreylistState.PASSED if _ours(envelope) else GreylistState.NOT_ASKED)
    longest = max(waits)
    return GreylistAnswer(GreylistState.WAIT if longest else GreylistState.PASSED, longest)


def has_no_say(envelope: Envelope) -> bool:
    """Whether so little is known of who sends that the answer is `NOT_ASKED`, whatever the greylist holds."""
    return (envelope.client_ip is None or envelope.mail_from is None) and not _ours(envelope)


def _ours(envelope: Envelope) -> bool:
    """Whether the mail is our own users': whoever has logged in has proved more than a retry does."""
    return envelope.auth_user is not None or envelope.direction != "inbound"


def _pair(sender: str, recipient: str) -> bytes:
    """First half of every key of this sender and recipient, so that stores find all of them in one place."""
    return hashlib.sha256(f"{sender}\0{recipient}".encode("utf-8", "surrogateescape")).digest()[:8]


def _domain(name: str) -> bytes:
    return hashlib.sha256(b"domain\0" + domain_of(name.lower()).encode("utf-8", "surrogateescape")).digest()[:16]


def network_of(address: str, ipv4_prefix: int, ipv6_prefix: int) -> str:
    """The network of a client, such as ``203.0.113.0/24``."""
    return str(ipaddress.ip_network(f"{address}/{ipv6_prefix if ':' in address else ipv4_prefix}", strict=False))


def _network(address: str, ipv4_prefix: int, ipv6_prefix: int) -> bytes:
    """Second half of the key of a client's network: its bits, or what they hash to where there are too many."""
    if ":" not in address:
        bits = int.from_bytes(inet_pton(AF_INET, address), "big") >> 32 - ipv4_prefix
        return (bits << 8 | ipv4_prefix).to_bytes(8, "big")
    bits = int.from_bytes(inet_pton(AF_INET6, address.partition("%")[0]), "big") >> 128 - ipv6_prefix
    return hashlib.blake2b((bits << 8 | ipv6_prefix).to_bytes(17, "big"), digest_size=8, person=b"network").digest()


def _legacy_key(address: str, sender: str, recipient: str) -> bytes:
    """The key that the first version of the greylist's file had for a triplet, shortened as the migration does it."""
    text = f"{network_of(address, 24, 64)}\0{sender}\0{recipient}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:16]

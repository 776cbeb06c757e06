"""The allow and the deny list: who of them a mail is of, and whether that is proved.

A mail claims to be of its MAIL FROM and of every address in every From field, in all readings.  One denied claim is
enough to deny; an allow entry wants the claim proved:

    spf      MAIL FROM is in the entry, and SPF passed for its domain
    dkim     all From addresses are in the entry, and each has a valid signature of its domain or of one above it
    dmarc    all From addresses are in the entry, and DMARC passed for the domain of each
    address  a claim is in the entry, and the client is in the entry's networks

The client is the host that connected and, where that is one of our own ([trust]), the first host outside too: as far
as the SMTP session anchors it, so that no Received field that anybody could write lets a mail in.

What authentication found is read from its Authentication-Results (`mailfilter.authentication.results`).  A signature
that leaves a part of the body open (l=) proves nothing here: anything may have been put behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..authentication.evaluation import from_addresses
from ..authentication.results import Proved, proved
from ..authentication.signed import SignedMail
from ..checks import Mail
from ..decision import ALLOWED, DENIED
from ..symbols import Symbol
from ..trust import Trust, path_of
from .addresses import AddressIndex, NetworkIndex, domain_of, folded
from .entries import Entry

UNPROVED = "SENDER_UNPROVED"
"""Symbol of a mail that claims to be of an allowed sender without the proof that the entry needs: no effect."""

_RESULTS = "AUTH_RESULTS"
_BODY_CUT = "DKIM_BODY_CUT"
_SHOWN = 4
"""Entries of a kind that a finding names."""


class Listed(NamedTuple):
    """An entry that a mail is of: ``symbol`` says what it means here, ``said`` what matched and what proved it."""

    symbol: str
    entry: Entry
    said: str


@dataclass(frozen=True, slots=True)
class _Claims:
    """Whom a mail claims to be of, and what is proved.  ``complete``: these are all its From addresses."""

    mail_from: str
    authors: tuple[str, ...]
    complete: bool
    clients: tuple[str, ...]
    proved: Proved


class SenderLists:
    """Both lists, found by hash.

    ``clock`` gives seconds since 1970 where the envelope does not say when a mail came; ``trust`` whom we believe.
    """

    def __init__(
        self,
        allow: Iterable[Entry],
        deny: Iterable[Entry],
        clock: Callable[[], float] = time.time,
        trust: Trust | None = None,
    ) -> None:
        self._trust = trust or Trust()
        self.allow = tuple(replace(entry, number=number) for number, entry in enumerate(allow, 1))
        self.deny = tuple(replace(entry, number=number) for number, entry in enumerate(deny, 1))
        self._clock = clock
        self._senders = {
            DENIED: AddressIndex((text, entry) for entry in self.deny for text in entry.settings.senders),
            ALLOWED: AddressIndex((text, entry) for entry in self.allow for text in entry.settings.senders),
        }
        self._networks = {
            DENIED: NetworkIndex((text, entry) for entry in self.deny for text in entry.settings.networks),
            ALLOWED: NetworkIndex((text, entry) for entry in self.allow for text in entry.settings.networks),
        }
        self._named = any(map(len, self._senders.values()))

    def __bool__(self) -> bool:
        return bool(self.allow or self.deny)

    def expired(self) -> tuple[tuple[str, Entry], ...]:
        """Entries whose time is over now, each with the name of its list; they count for nothing."""
        now, lists = self._clock(), (("allow", self.allow), ("deny", self.deny))
        return tuple((name, entry) for name, entries in lists for entry in entries if not entry.holds(now))

    def look(self, mail: Mail, found: Sequence[Symbol]) -> tuple[Listed, ...]:
        """The entries that ``mail``, in which the checks ``found`` this, is of; in an order that is not the lists'."""
        came = mail.envelope.received_at
        now = self._clock() if came is None else came
        claims = self._claims(mail, found)
        listed = [*self._denied(claims), *self._allowed(claims)]
        kept = {(one.symbol, one.said): one for one in listed if one.entry.holds(now)}
        return tuple(kept[key] for key in sorted(kept))

    def _claims(self, mail: Mail, found: Sequence[Symbol]) -> _Claims:
        envelope = mail.envelope
        authors, complete = from_addresses(mail.message, SignedMail(mail.message.raw)) if self._named else ((), True)
        said = next((symbol.evidence for symbol in found if symbol.name == _RESULTS), "")
        seen = proved(said)
        if any(symbol.name == _BODY_CUT for symbol in found):
            seen = Proved(spf=seen.spf)
        names = tuple(dict.fromkeys(folded(author.strip(" <>")) for author in authors))
        return _Claims(folded(envelope.mail_from or ""), names, complete, self._clients(mail), seen)

    def _clients(self, mail: Mail) -> tuple[str, ...]:
        """The host that connected, and behind a host of our own the first one outside."""
        connected = mail.envelope.client_ip
        if connected is None or not any(self._networks.values()):
            return ()
        path = path_of(mail, self._trust)
        outside = path.client.ip if path.anchored and path.client is not None else connected
        return tuple(dict.fromkeys((connected, outside)))

    def _of_networks(self, of: str, claims: _Claims) -> Iterator[tuple[str, Entry]]:
        for client in claims.clients:
            yield from self._networks[of].find(client)

    def _denied(self, claims: _Claims) -> Iterator[Listed]:
        for claim in filter(None, (claims.mail_from, *claims.authors)):
            for pattern, entry in self._senders[DENIED].find(claim):
                yield Listed(DENIED, entry, f"{pattern}{entry.words()}")
        for network, entry in self._of_networks(DENIED, claims):
            yield Listed(DENIED, entry, f"{network}{entry.words()}")

    def _allowed(self, claims: _Claims) -> Iterator[Listed]:
        within = {entry.number: (network, entry) for network, entry in self._of_networks(ALLOWED, claims)}
        for network, entry in within.values():
            if not entry.settings.senders:
                yield Listed(ALLOWED, entry, f"{network}{entry.words()}")
        matched: dict[int, tuple[Entry, dict[str, str]]] = {}
        for claim in filter(None, (claims.mail_from, *claims.authors)):
            for pattern, entry in self._senders[ALLOWED].find(claim):
                matched.setdefault(entry.number, (entry, {}))[1].setdefault(claim, pattern)
        for entry, patterns in matched.values():
            proof = _proof(entry, patterns.keys(), claims, entry.number in within)
            by = f"by {proof}" if proof else f"not proved by {' or '.join(entry.proof)}"
            yield Listed(ALLOWED if proof else UNPROVED, entry, f"{min(patterns.values())} {by}{entry.words()}")


def _proof(entry: Entry, matched: Iterable[str], claims: _Claims, within: bool) -> str:
    """The first of an entry's proofs that holds, or "" where none does."""
    names = frozenset(matched)
    authors = bool(claims.authors) and claims.complete and names.issuperset(claims.authors)
    domains = [domain_of(author) for author in claims.authors]
    holds = {
        "spf": claims.mail_from in names and domain_of(claims.mail_from) in claims.proved.spf,
        "dkim": authors and all(_signed(domain, claims.proved.dkim) for domain in domains),
        "dmarc": authors and claims.proved.dmarc.issuperset(domains),
        "address": within,
    }
    return next((proof for proof in entry.proof if holds[proof]), "")


def _signed(domain: str, signers: frozenset[str]) -> bool:
    return any(domain == signer or domain.endswith(f".{signer}") for signer in signers)


def symbols(listed: Iterable[Listed]) -> tuple[Symbol, ...]:
    """The findings that say which entries a mail is of, one of a kind."""
    said: dict[str, list[str]] = {}
    for one in listed:
        said.setdefault(one.symbol, []).append(one.said)
    return tuple(Symbol(name, 1.0, "; ".join(texts[:_SHOWN])) for name, texts in said.items())


def hidden(listed: Iterable[Listed], recipient: str | None) -> frozenset[str]:
    """The symbols that do not hold for one recipient, because every entry behind them is for others."""
    serving, every = set(), set()
    for one in listed:
        every.add(one.symbol)
        if one.entry.serves(recipient):
            serving.add(one.symbol)
    return frozenset(every - serving)

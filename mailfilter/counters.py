"""Counters with limits over sliding windows, so that a hacked account or a flooding client is stopped.

What a mail counts for is known before its content is: the envelope.  A mail that passes a limit is not counted, so who
slows down is let in again.  A store that fails counts nothing and stops nobody.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .envelope import Envelope
from .errors import StoreError
from .greylist import network_of
from .policy.addresses import domain_of, folded
from .settings import build, setting
from .stores import KeyedStore, open_keyed
from .stores.guard import Complaint
from .stores.keyed import Counter, Tally, over, stamp
from .symbols import Findings, Symbol

SYMBOLS = {"pass": "RATE_PASSED", "tempfail": "RATE_TEMPFAIL", "hold": "RATE_HOLD", "bounce": "RATE_BOUNCE"}
"""The finding of a mail that passes a limit, by the limit's action."""

_WHO = ("account", "sender", "client", "recipient_domain")
_WHAT = ("messages", "recipients", "new_recipients", "bounces")
_OF_USERS = ("new_recipients", "bounces")
_NEVER = 2**50
_REMEMBERED = 10_000
_log = logging.getLogger("mailfilter.counters")


@dataclass(frozen=True, slots=True)
class Limit:
    """[[counters.limits]]  a limit on what may pass in a sliding window; a mail beyond it is not counted"""

    who: str = setting(
        "account", "text", "whose mail is counted together (account: login; sender: MAIL FROM)", choices=_WHO
    )
    what: str = setting("messages", "text", "what is counted", choices=_WHAT)
    number: int = setting(100, "integer", "how many may pass", low=0, high=10**9)
    per: int = setting(3600, "integer", "seconds of the window", low=12, high=31 * 86_400)
    share: float = setting(0.0, "number", "and above this share of all recipients, or messages", low=0, high=1)
    action: str = setting("tempfail", "text", "for a mail beyond it", choices=tuple(SYMBOLS))

    def faults(self) -> Iterator[str]:
        """What does not go together."""
        if self.what in _OF_USERS and self.who not in ("account", "sender"):
            yield f'what: "{self.what}" can be counted of an account or a sender, not of a {self.who}'
        if self.share and self.what not in _OF_USERS:
            yield f'share: only "new_recipients" and "bounces" have a share, not "{self.what}"'


def read_limits(tables: Sequence[Mapping[str, Any]], faults: list[str]) -> tuple[Limit, ...]:
    """The limits of the settings; what is wrong with them is appended to ``faults``, a line each."""
    limits = []
    for number, table in enumerate(tables, 1):
        where = f"counters.limits[{number}]"
        limits.append(build(Limit, table, where, faults))
        faults.extend(f"{where}.{fault}" for fault in limits[-1].faults())
    return tuple(limits)


class LimitPassed(NamedTuple):
    """An event: ``subject`` (an account, an address, a network or a domain) is at ``total``, above ``limit``."""

    limit: Limit
    subject: str
    total: int

    def __str__(self) -> str:
        limit = self.limit
        what = f"{self.total} {limit.what} in {limit.per} s, more than {limit.number}"
        share = f" and {limit.share:.0%} of all" if limit.share else ""
        return f"{limit.who} {self.subject}: {what}{share}"


class _Counted(NamedTuple):
    """A limit as it applies to one mail; ``at`` is the place of its counter among the mail's."""

    limit: Limit
    subject: str
    at: int


class Counters:
    """Counts messages, recipients, new recipients and bounces, and says which limits a mail passes.

    ``limits``  see `Limit`; ``store``  a `KeyedStore` or what `open_keyed` takes; ``remember``  seconds for which a
    recipient is none that is new; ``on_passed``  called with a `LimitPassed` when someone begins to pass a limit, and
    again where that goes on after a window; it is logged in any case.  Raises `StoreError` when the store cannot be
    opened.
    """

    def __init__(
        self,
        limits: Sequence[Limit],
        store: str | KeyedStore = "memory",
        *,
        ipv4_prefix: int = 32,
        ipv6_prefix: int = 64,
        remember: float = 15_552_000,
        on_passed: Callable[[LimitPassed], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.limits = tuple(dict.fromkeys(limits))
        self.store = open_keyed(store) if isinstance(store, str) else store
        self.on_passed = on_passed
        self._prefixes = ipv4_prefix, ipv6_prefix
        self._remember, self._clock = remember, clock
        self._told: dict[tuple[Limit, str], float] = {}
        self._complain = Complaint(_log, "nothing is counted")

    def count(self, envelopes: Sequence[Envelope]) -> list[Findings]:
        """Count mails that are about to be decided, in order; what they pass, in one question to the store."""
        counted = [self._counted(envelope) for envelope in envelopes]
        tallies = [Tally(tuple(counters)) for counters, _ in counted]
        if not any(tally.counters for tally in tallies):
            return [()] * len(envelopes)
        try:
            totals = self.store.tally(tallies, self._clock())
        except StoreError as error:
            self._complain(error)
            return [()] * len(envelopes)
        return [self._findings(each, counters, sums) for (counters, each), sums in zip(counted, totals, strict=True)]

    def sent(self, envelope: Envelope) -> None:
        """Note that a mail of a user's was let out: its recipients are new no longer."""
        entries: dict[bytes, bytes] = {}
        now = self._clock()
        for who in {limit.who for limit in self.limits if limit.what == "new_recipients"}:
            for subject in self._subjects(who, envelope):
                entries.update(dict.fromkeys(_known(who, subject, envelope), stamp(b"k", now)))
        if entries:
            try:
                self.store.put(entries, self._remember, now)
            except StoreError as error:
                self._complain(error)

    def bounced(self, address: str, number: int = 1) -> None:
        """Note that ``number`` mails of one of our users, by the MAIL FROM ``address``, came back for good.

        It is for the MTA to say so, which knows what became of what it sent: notices that come from outside are easily
        forged, and could stop a user whom somebody wants to be silent.
        """
        subject = folded(address)
        counters = tuple(
            Counter(_key(limit, subject), limit.per, number, number=_NEVER)
            for limit in self.limits
            if limit.what == "bounces"
        )
        if counters:
            try:
                self.store.tally([Tally(counters)], self._clock())
            except StoreError as error:
                self._complain(error)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def _counted(self, envelope: Envelope) -> tuple[list[Counter], list[_Counted]]:
        """The counters of a mail, and which of them are limits."""
        counters: list[Counter] = []
        counted = []
        for limit in self.limits:
            for subject in self._subjects("sender" if limit.what == "bounces" else limit.who, envelope):
                if limit.what == "bounces" and limit.who == "account" and envelope.auth_user is None:
                    continue
                counted.append(_Counted(limit, subject, len(counters)))
                counters.extend(_counters(limit, subject, envelope, len(counters)))
        return counters, counted

    def _subjects(self, who: str, envelope: Envelope) -> list[str]:
        """Whom a mail is counted for; nobody where that is not known."""
        match who:
            case "account":
                return [envelope.auth_user.lower()] if envelope.auth_user else []
            case "sender":
                ours = envelope.auth_user is not None or envelope.direction != "inbound"
                return [folded(envelope.mail_from)] if ours and envelope.mail_from else []
            case "client":
                return [network_of(envelope.client_ip, *self._prefixes)] if envelope.client_ip else []
            case _:
                return sorted({domain_of(folded(recipient)) for recipient in envelope.rcpt_to})

    def _findings(self, counted: list[_Counted], counters: list[Counter], totals: tuple[int, ...]) -> Findings:
        said: dict[str, list[str]] = {}
        for limit, subject, at in counted:
            if over(counters[at], totals[at], totals):
                passed = LimitPassed(limit, subject, totals[at])
                self._tell(passed)
                said.setdefault(SYMBOLS[limit.action], []).append(str(passed))
        return tuple(Symbol(name, 1.0, "; ".join(texts)) for name, texts in said.items())

    def _tell(self, passed: LimitPassed) -> None:
        """Log the event and hand it on, once in a window for each subject of a limit."""
        key, now = (passed.limit, passed.subject), self._clock()
        if 0 <= now - self._told.get(key, -math.inf) < passed.limit.per:
            return
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told[key] = now
        facts = {"who": passed.limit.who, "what": passed.limit.what, "subject": passed.subject, "total": passed.total}
        _log.warning("limit passed: %s", passed, extra={"event": "limit_passed", **facts})
        if self.on_passed is not None:
            try:
                self.on_passed(passed)
            except Exception:
                _log.exception("the hook for passed limits failed")


def _counters(limit: Limit, subject: str, envelope: Envelope, at: int) -> list[Counter]:
    """The counter of a limit, and behind it that of all which it has a share of; it will stand at ``at``."""
    binding, key = limit.action != "pass", _key(limit, subject)
    number = len(set(map(folded, envelope.rcpt_to)))
    if limit.who == "recipient_domain" and limit.what == "recipients":
        number = sum(domain_of(recipient) == subject for recipient in set(map(folded, envelope.rcpt_to)))
    of_all = Counter(_key(limit, subject, "all"), limit.per, number=_NEVER)
    match limit.what:
        case "messages":
            return [Counter(key, limit.per, 1, (), limit.number, binding=binding)]
        case "recipients":
            return [Counter(key, limit.per, number, (), limit.number, binding=binding)]
        case "new_recipients":
            known = tuple(_known(limit.who, subject, envelope))
            new = Counter(key, limit.per, 0, known, limit.number, limit.share, at + 1, binding)
            return [new, of_all._replace(add=number)]
        case _:
            return [Counter(key, limit.per, 0, (), limit.number, limit.share, at + 1, binding), of_all]


def _key(limit: Limit, subject: str, part: str = "") -> bytes:
    # Every limit counts for itself: what passes one is not counted in it, and may be in another.
    facts = limit.who, limit.what, limit.number, limit.per, limit.share, limit.action, part
    return _digest("\0".join(map(str, ("count", *facts, subject))))


def _known(who: str, subject: str, envelope: Envelope) -> list[bytes]:
    """Keys that say to whom a subject has written."""
    return [
        _digest(f"wrote\0{who}\0{subject}\0{recipient}") for recipient in sorted(set(map(folded, envelope.rcpt_to)))
    ]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:16]

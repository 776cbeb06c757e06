"""DNS lists (RFC 5782): is what the mail comes from, or leads to, listed, and as what.

What is asked and what answers mean is data (`mailfilter.dnslists`).  Every list gives one of `ListState`; only
``LISTED`` with a declared code is evidence.  A refusal, a silent list, a list that is broken or muted is shown as
unknown and is worth nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..dnslists import (
    DnsList,
    ListAnswer,
    ListState,
    Subject,
    chosen_lists,
    question_names,
    read_list_answer,
)
from ..dnslists.naming import host_name, registered_domain
from ..dnslists.subjects import Scope, shipped_skip, subjects
from ..errors import SettingError
from ..lookups import DnsQuestion
from ..symbols import Findings, Symbol, SymbolInfo, declared_by
from . import Asking, Mail
from ._text import quote

if TYPE_CHECKING:
    from ..config import Config

__all__ = ["DnsList", "DnsblCheck", "ListAnswer", "ListState", "chosen_lists", "read_list_answer"]

NOT_ASKED = "DNSBL_NOT_ASKED"
UNKNOWN = {"ip": "DNSBL_UNKNOWN", "domain": "DNSBL_UNKNOWN_DOMAIN", "url": "DNSBL_UNKNOWN_HASH"}
"""Symbol for a list that gave no usable answer, by kind; lists of good senders have one of their own."""
UNKNOWN["email"] = UNKNOWN["url"]
UNKNOWN_ALLOW = "DNSWL_UNKNOWN"
MOST_OF_ONE = 5.0
"""What all that one list says of a mail is worth at most, either way, unless it is trusted: below the customary limit
for quarantine, so that no list decides alone."""
_MOST_EVIDENCE = 5

_PLACES = {
    "hops": "Received", "mail-from": "MAIL FROM", "from": "From", "reply-to": "Reply-To", "helo": "HELO",
    "rdns": "reverse name", "dkim": "DKIM", "links": "link", "body": "text",
}  # fmt: skip


def configured(config: Config) -> DnsblCheck:
    """The check that the settings describe.  Raises `SettingError`."""
    section = config.dns
    faults: list[str] = []
    skip = {name for text in section.skip if (name := _skipped(text, faults))}
    if faults:
        raise SettingError(config.source, tuple(faults))
    lists = chosen_lists(section.lists, section.custom, config.source)
    skip |= shipped_skip() if lists else set()
    scope = Scope(config.trusted(), frozenset(skip), section.hops, section.domains, section.links, section.addresses)
    limit = config.policy.quarantine
    most = MOST_OF_ONE if limit is None or limit <= 0 else min(MOST_OF_ONE, 0.9 * limit)
    return DnsblCheck(lists, scope, most)


def _skipped(text: str, faults: list[str]) -> str:
    name = registered_domain(host_name(text))
    if not name:
        faults.append(f'dns.skip: a domain like "example.org" is expected, got {text!r}')
    return name


class _Said:
    """What one list said of one mail: evidence by symbol, and why something is not known."""

    __slots__ = ("evidence", "states", "unknown")

    def __init__(self) -> None:
        self.evidence: dict[str, list[str]] = {}
        self.states: set[ListState] = set()
        self.unknown = ""

    def note(self, definition: DnsList, answer: ListAnswer, asked: Iterable[Subject]) -> None:
        self.states.add(answer.state)
        if answer.state is ListState.LISTED:
            for code, meaning in answer.listings:
                said = (f"{_shown(subject)} is {code} in {definition.shown}" for subject in asked)
                self.evidence.setdefault(meaning.symbol, []).extend(said)
        elif not answer.state.known:
            reason = f"{answer.state.value} ({answer.detail})" if answer.detail else answer.state.value
            self.unknown = min(filter(None, (self.unknown, f"{definition.shown}: {reason}")))


class DnsblCheck:
    """`LookupCheck` that asks DNS lists.

    ``lists``  definitions, see `chosen_lists`.  Raises `SettingError` where one symbol has two meanings.
    ``scope``  whom we trust, which domains are not asked about, how much of a mail is asked about.
    ``most``  what one list that is not trusted may add or take in all.

    Not asked about: mail that we send or that a user has handed in with a login, because the addresses of homes
    and phones are listed as such and only what a mail server takes from outside is meant by that.
    """

    name = "dnsbl"

    def __init__(self, lists: Sequence[DnsList] = (), scope: Scope | None = None, most: float = MOST_OF_ONE) -> None:
        self.lists = tuple(lists)
        self.scope = scope or Scope()
        self.most = most
        self._asked = tuple(definition for definition in self.lists if definition.configured)
        self._by_place: dict[tuple[str, str], list[int]] = {}
        for number, definition in enumerate(self._asked):
            places = {(definition.kind, source) for source in definition.ask}
            for place in places | ({("ip", "links")} if definition.addresses else set()):
                self._by_place.setdefault(place, []).append(number)
        self._wanted = frozenset(self._by_place)
        self._trusted = frozenset(definition.zone for definition in self.lists if definition.trusted)
        self._points = {meaning.symbol: meaning.points for entry in self.lists for meaning in entry.meanings}
        symbols: dict[str, SymbolInfo] = {info.name: info for info in declared_by(self.name)}
        for definition in self.lists:
            for info in definition.symbols(self.name):
                if symbols.setdefault(info.name, info) != info:
                    raise SettingError(f"list {definition.name}", (f"symbol {info.name} has another meaning already",))
        self.symbols = tuple(symbols.values())

    def unasked(self, mail: Mail, answered: Container[type[Any]] = ()) -> Findings | None:
        """What is said where there is no list, or where the mail is our own."""
        if not self.lists:
            return (Symbol(NOT_ASKED, 1.0, "no list is configured"),)
        if mail.envelope.auth_user or mail.envelope.direction != "inbound":
            return (Symbol(NOT_ASKED, 1.0, "the mail does not come from outside"),)
        return None

    def ask(self, mail: Mail) -> Asking:
        """One round: all lists about everything at once."""
        if (without := self.unasked(mail)) is not None:
            return without
        found = subjects(mail, self._wanted, self.scope)
        asked: dict[tuple[int, str], list[Subject]] = {}
        for subject in found:
            for number in self._by_place.get(subject[:2], ()):
                for name in question_names(self._asked[number], subject):
                    asked.setdefault((number, name), []).append(subject)
        answers = (yield tuple(DnsQuestion(name) for _, name in asked)) if asked else ()
        said = [_Said() for _ in self._asked]
        for ((number, _), about), answer in zip(asked.items(), answers, strict=True):
            definition = self._asked[number]
            said[number].note(definition, read_list_answer(definition, answer), about)
        return (*self._listed(said), *self._unknown(said, self._not_asked(mail, found)))

    def _listed(self, said: Sequence[_Said]) -> Findings:
        """A symbol for everything that a list declares; what one list says is capped by grading it down."""
        by_zone: dict[str, dict[str, list[str]]] = {}
        for definition, one in zip(self._asked, said, strict=True):
            for name, texts in one.evidence.items():
                by_zone.setdefault(definition.zone, {}).setdefault(name, []).extend(texts)
        values: dict[str, float] = {}
        evidence: dict[str, set[str]] = {}
        for zone, found in by_zone.items():
            for name, grade in self._graded(zone, found).items():
                values[name] = max(values.get(name, 0.0), grade)
                evidence.setdefault(name, set()).update(found[name])
        return tuple(Symbol(name, value, _joined(evidence[name])) for name, value in values.items())

    def _graded(self, zone: str, names: Iterable[str]) -> dict[str, float]:
        """Grades by which the points of one zone's symbols stay within what one list may add or take."""
        if zone in self._trusted:
            return dict.fromkeys(names, 1.0)
        points = {name: self._points[name] for name in names}
        blame, praise = (sum(max(sign * value, 0.0) for value in points.values()) for sign in (1, -1))
        up, down = (min(1.0, self.most / total) if total else 1.0 for total in (blame, praise))
        return {name: up if value > 0 else down if value < 0 else 1.0 for name, value in points.items()}

    def _not_asked(self, mail: Mail, found: Sequence[Subject]) -> list[str]:
        """Why a list was not asked, where that is worth telling."""
        reasons = [f"{entry.name}: no key in {entry.key_env}" for entry in self.lists if not entry.configured]
        if ("ip", "client") not in self._wanted:
            return reasons
        client = next((subject.value for subject in found if subject.source == "client"), "")
        if not client and mail.envelope.client_ip is None:
            reasons.append("the address of the connecting host is not known")
        elif client:
            family = "ipv6" if ":" in client else "ipv4"
            lists = (entry for entry in self._asked if (entry.kind, "client" in entry.ask) == ("ip", True))
            if not any(family in entry.families for entry in lists):
                reasons.append(f"no list that is configured knows {family} addresses")
        return reasons

    def _unknown(self, said: Sequence[_Said], not_asked: list[str]) -> Findings:
        """One symbol for what was not asked, and one for each kind of list that gave no usable answer."""
        unknown: dict[str, list[str]] = {}
        for definition, one in zip(self._asked, said, strict=True):
            if one.states == {ListState.DISABLED}:
                continue
            if one.unknown:
                name = UNKNOWN_ALLOW if definition.allow else UNKNOWN[definition.kind]
                unknown.setdefault(name, []).append(one.unknown)
        if any(one.states == {ListState.DISABLED} for one in said):
            not_asked.append("nobody answers DNS questions")
        found = [Symbol(NOT_ASKED, 1.0, "; ".join(not_asked))] if not_asked else []
        return (*found, *(Symbol(name, 1.0, "; ".join(sorted(reasons))) for name, reasons in unknown.items()))


def _shown(subject: Subject) -> str:
    if subject.source == "client":
        return subject.value
    return f"{quote(subject.value)} ({_PLACES[subject.source]})"


def _joined(evidence: set[str]) -> str:
    shown = sorted(evidence)
    more = f"; and {len(shown) - _MOST_EVIDENCE} more" if len(shown) > _MOST_EVIDENCE else ""
    return "; ".join(shown[:_MOST_EVIDENCE]) + more

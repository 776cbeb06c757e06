"""Functions that ask lists of the rule files: senders, recipients, subjects, hosts of URIs.

A sender whom a list welcomes is believed where the client's name agrees (``welcomelist_from_rcvd``), never for what
the mail says alone (``welcomelist_from``): anybody can write that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ..facts import Facts
from ._common import Listed, Lists, Query, flag, globs, nothing, once, recipients, senders


def _words(lists: Lists, *names: str) -> frozenset[str]:
    return frozenset().union(*(lists.get(name, frozenset()) for name in names))


_Texts = Callable[[Facts], Sequence[str]]


def _any(words: frozenset[str]) -> Callable[[Iterable[str]], bool]:
    """Whether one of some texts in lower case is one of the words."""
    known = globs(words)
    return lambda texts: any(map(known, texts))


def _listed(who: _Texts, *names: str) -> Listed:
    """A query that hits where one of ``who`` stands in one of the lists ``names``."""

    def make(lists: Lists) -> Query[Sequence[str]]:
        words = _words(lists, *names)
        return Query(who if words else nothing, lambda arguments: _any(words))

    return make


def _in_list(who: _Texts) -> Listed:
    """A query that hits where one of ``who`` stands in the list that the rule names."""

    def make(lists: Lists) -> Query[Sequence[str]]:
        return Query(who, lambda arguments: _any(lists.get(f"({arguments[0].lower()})", frozenset())))

    return make


def _welcome(name: str) -> Listed:
    """A query that hits where sender and the client's name stand together in the list ``name``."""

    def make(lists: Lists) -> Query[bool]:
        """The query over the pairs of sender and host that this rule set welcomes."""
        pairs = [word.split("\n") for word in sorted(lists.get(name, ()))]
        known = [(globs(frozenset((sender,))), f".{domain}") for sender, domain in pairs]

        def hits(facts: Facts) -> bool:
            hops = facts.relays.untrusted[:1]
            hosts = [f".{hop.rdns.lower()}" for hop in hops if hop.rdns]
            return any(
                host.endswith(domain) and any(map(is_sender, senders(facts)))
                for host in hosts
                for is_sender, domain in known
            )

        return flag(hits) if pairs else Query(nothing, lambda arguments: bool)

    return make


def _replies(facts: Facts) -> list[str]:
    return [line.strip() for line in (facts.field("Reply-To:addr") or "").lower().split("\n") if "@" in line]


def _subject(facts: Facts) -> list[str]:
    return [" ".join((facts.field("Subject") or "").lower().split())]


def _within(words: frozenset[str]) -> frozenset[str]:
    """Globs that may stand anywhere in a text."""
    return frozenset(f"*{word}*" for word in words)


def _subject_list(*names: str) -> Listed:
    def make(lists: Lists) -> Query[Sequence[str]]:
        words = _within(_words(lists, *names))
        return Query(_subject if words else nothing, lambda arguments: _any(words))

    return make


_HOST = re.compile(rb"[a-z][a-z0-9+.-]{0,20}://(?:[^/?#@]*@)?([^/?#:&> ]+)", re.I)
_SIGNER = re.compile(r"(?:\A|;)\s*d\s*=\s*([^;\s]{1,253})")


def hosts(facts: Facts) -> frozenset[str]:
    """Hosts of all URIs, and domains that signed the mail, in lower case."""
    return once(facts, _hosts)


def _hosts(facts: Facts) -> frozenset[str]:
    # Of most URIs there are many at one host.
    pieces = [uri.split(b"/", 3) for uri in facts.uris]
    starts = {(piece[0], piece[2]) for piece in pieces if len(piece) > 2 and not piece[1]}
    shown = [host for scheme, start in starts if (host := _host(scheme, start))]
    signed = [match[1] for text in facts.index.get("dkim-signature", ()) if (match := _SIGNER.search(text))]
    return frozenset(host for name in (*shown, *signed) if "." in (host := name.lower().strip(".")))


def _host(scheme: bytes, start: bytes) -> str:
    """The host in what a URI has before the first slashes and what between those and the next, ``""`` for none."""
    if scheme not in _SCHEMES or not start.translate(None, b".-").isalnum():
        match = _HOST.match(scheme + b"//" + start)
        start = match[1] if match else b""
    return start.decode("latin-1")


_SCHEMES = frozenset((b"http:", b"https:"))


def _above(host: str) -> list[str]:
    """A host and the domains above it, the nearest first; of an address alone itself."""
    found = [host]
    if not host[host.rfind(".") + 1 :].isdigit():
        while (dot := host.find(".") + 1) > 0:
            host = host[dot:]
            found.append(host)
    return found


def host_is_listed(host: str, words: frozenset[str]) -> bool:
    """Whether a host or the nearest domain above it that a list knows stands there without ``!``."""
    for name in _above(host):
        if name in words:
            return True
        if f"!{name}" in words:
            return False
    return False


class Places(NamedTuple):
    """Hosts, and these with all domains above them."""

    hosts: frozenset[str]
    domains: frozenset[str]


def places(facts: Facts) -> Places:
    """`hosts` and the domains above them."""
    return once(facts, _places)


def _places(facts: Facts) -> Places:
    found = hosts(facts)
    return Places(found, frozenset([name for host in found for name in _above(host)]))


def _host_in(words: frozenset[str]) -> Callable[[Places], bool]:
    def hits(found: Places) -> bool:
        return not words.isdisjoint(found.domains) and any(host_is_listed(host, words) for host in found.hosts)

    return hits


def _uri_hosts(*names: str) -> Listed:
    """A query that hits where a URI's host is in the list ``names``, or in that which the rule names."""

    def make(lists: Lists) -> Query[Places]:
        return Query(places, lambda arguments: _host_in(_words(lists, *(names or (f"uri({arguments[0].lower()})",)))))

    return make


FUNCTIONS: dict[str, Listed] = {
    "check_from_in_blocklist": _listed(senders, "blocklist_from", "blacklist_from", "(blocklist_from)"),
    "check_from_in_default_welcomelist": _welcome("def_welcomelist_from_rcvd"),
    "check_from_in_list": _in_list(senders),
    "check_from_in_welcomelist": _welcome("welcomelist_from_rcvd"),
    "check_replyto_in_list": _in_list(_replies),
    "check_subject_in_blocklist": _subject_list("blocklist_subject"),
    "check_subject_in_welcomelist": _subject_list("welcomelist_subject"),
    "check_to_in_all_spam": _listed(recipients, "all_spam_to"),
    "check_to_in_blocklist": _listed(recipients, "blocklist_to", "(blocklist_to)"),
    "check_to_in_list": _in_list(recipients),
    "check_to_in_more_spam": _listed(recipients, "more_spam_to"),
    "check_to_in_welcomelist": _listed(recipients, "welcomelist_to", "(welcomelist_to)"),
    "check_uri_host_in_blocklist": _uri_hosts("uri(block)"),
    "check_uri_host_in_welcomelist": _uri_hosts("uri(welcome)"),
    "check_uri_host_listed": _uri_hosts(),
}
"""Name in rule files → what makes the query for the lists of a rule set."""

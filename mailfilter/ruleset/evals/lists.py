"""Functions that ask lists of the rule files: senders, recipients, subjects, hosts of URIs.

A sender whom a list welcomes is believed where the client's name agrees (``welcomelist_from_rcvd``), never for what
the mail says alone (``welcomelist_from``): anybody can write that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from ..facts import Facts
from ._common import Function, Listed, Lists, globs, once, recipients, senders


def _words(lists: Lists, *names: str) -> frozenset[str]:
    return frozenset().union(*(lists.get(name, frozenset()) for name in names))


def _listed(who: Callable[[Facts], Iterable[str]], *names: str) -> Listed:
    """A function that hits where one of ``who`` stands in one of the lists ``names``."""

    def make(lists: Lists) -> Function:
        words = _words(lists, *names)
        known = globs(words)
        return lambda facts, arguments: bool(words) and any(known(text) for text in who(facts))

    return make


def _in_list(who: Callable[[Facts], Iterable[str]]) -> Listed:
    """A function that hits where one of ``who`` stands in the list that the rule names."""

    def make(lists: Lists) -> Function:
        def hits(facts: Facts, arguments: Sequence[str]) -> bool:
            words = lists.get(f"({arguments[0].lower()})", frozenset())
            return bool(words) and any(globs(words)(text) for text in who(facts))

        return hits

    return make


def _welcome(name: str) -> Listed:
    """A function that hits where sender and the client's name stand together in the list ``name``."""

    def make(lists: Lists) -> Function:
        """The function over the lists of one rule set."""
        pairs = [word.split("\n") for word in sorted(lists.get(name, ()))]

        def hits(facts: Facts, arguments: Sequence[str]) -> bool:
            hops = facts.relays.untrusted[:1] if pairs else ()
            hosts = [hop.rdns.lower() for hop in hops if hop.rdns]
            return any(
                globs(frozenset((sender,)))(address) and f".{host}".endswith(f".{domain}")
                for sender, domain in pairs
                for host in hosts
                for address in senders(facts)
            )

        return hits

    return make


def _replies(facts: Facts) -> list[str]:
    return [line.strip() for line in (facts.field("Reply-To:addr") or "").lower().split("\n") if "@" in line]


def _subject(facts: Facts) -> list[str]:
    return [" ".join((facts.field("Subject") or "").lower().split())]


def _within(words: frozenset[str]) -> frozenset[str]:
    """Globs that may stand anywhere in a text."""
    return frozenset(f"*{word}*" for word in words)


def _subject_list(*names: str) -> Listed:
    def make(lists: Lists) -> Function:
        words = _words(lists, *names)
        known = globs(_within(words))
        return lambda facts, arguments: bool(words) and known(_subject(facts)[0])

    return make


_HOST = re.compile(rb"[a-z][a-z0-9+.-]{0,20}://(?:[^/?#@]*@)?([^/?#:&> ]+)", re.I)
_SIGNER = re.compile(r"(?:\A|;)\s*d\s*=\s*([^;\s]{1,253})")


def hosts(facts: Facts) -> frozenset[str]:
    """Hosts of all URIs, and domains that signed the mail, in lower case."""
    return once(facts, _hosts)


def _hosts(facts: Facts) -> frozenset[str]:
    found = (_HOST.match(uri) for uri in facts.uris)
    shown = [match[1].decode("latin-1") for match in found if match]
    signed = [match[1] for text in facts.index.get("dkim-signature", ()) if (match := _SIGNER.search(text))]
    return frozenset(host for name in (*shown, *signed) if "." in (host := name.lower().strip(".")))


def host_is_listed(host: str, words: frozenset[str]) -> bool:
    """Whether a host or the nearest domain above it that a list knows stands there without ``!``."""
    labels = host.split(".")
    numeric = labels[-1].isdigit()
    for start in range(1 if numeric else len(labels)):
        name = ".".join(labels[start:])
        if name in words:
            return True
        if f"!{name}" in words:
            return False
    return False


def _uri_hosts(*names: str) -> Listed:
    """A function that hits where a URI's host is in the list ``names``, or in that which the rule names."""

    def make(lists: Lists) -> Function:
        def hits(facts: Facts, arguments: Sequence[str]) -> bool:
            words = _words(lists, *(names or (f"uri({arguments[0].lower()})",)))
            return bool(words) and any(host_is_listed(host, words) for host in hosts(facts))

        return hits

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
"""Name in rule files → what makes the function for the lists of a rule set."""

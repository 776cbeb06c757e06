"""Directives that make lists: free mail services, addresses, hosts of URIs, subjects, hosts of whom mail is welcome."""

from __future__ import annotations

import re
from collections.abc import Callable

Lists = dict[str, set[str]]
"""Words in lower case by the name of their list: ``"freemail_domains"``, ``"(NAME)"`` of ``enlist_addrlist``,
``"uri(NAME)"`` of ``enlist_uri_host``; of ``…_from_rcvd`` each an address, a line end and a domain."""

_NAMED = re.compile(r"(\([^()\s]{1,100}\))\s+(\S.*)\Z", re.S)
UNBELIEVED = "sender not believed: anybody can write it"
"""What is said of lists that welcome a sender for what the mail alone says."""


def take(lists: Lists, word: str, rest: str) -> str:
    """Add what a line says; ``""``, or what is wrong with it."""
    return _HANDLERS[_current(word)](lists, _current(word), rest.lower())


def _current(word: str) -> str:
    """The name that SpamAssassin 4 gives to a directive."""
    return word.replace("whitelist", "welcomelist").replace("blacklist", "blocklist")


def _words(lists: Lists, word: str, rest: str) -> str:
    lists.setdefault(word, set()).update(rest.split())
    return "" if rest else f"{word} needs words"


def _anew(lists: Lists, word: str, rest: str) -> str:
    lists[word] = set(rest.split())
    return "" if rest else f"{word} needs words"


def _without(lists: Lists, word: str, rest: str) -> str:
    lists.get(word.removeprefix("un"), set()).difference_update(rest.split())
    return ""


def _subjects(lists: Lists, word: str, rest: str) -> str:
    lists.setdefault(word, set()).add(" ".join(rest.split()))
    return "" if rest else f"{word} needs a text"


def _named(prefix: str) -> Callable[[Lists, str, str], str]:
    def take_named(lists: Lists, word: str, rest: str) -> str:
        match = _NAMED.match(rest)
        if not match:
            return f"{word} needs a (name) and words"
        lists.setdefault(prefix + match[1], set()).update(match[2].split())
        return ""

    return take_named


def _hosts(lists: Lists, word: str, rest: str) -> str:
    return _words(lists, f"uri({word[: -len('list_uri_host')]})", rest)


def _delist(lists: Lists, word: str, rest: str) -> str:
    match = _NAMED.match(rest)
    hosts = {host.lstrip("!") for host in (match[2] if match else rest).split()}
    for name, words in lists.items():
        if name.startswith("uri(") and (not match or name == f"uri{match[1]}"):
            words.difference_update(hosts, {f"!{host}" for host in hosts})
    return "" if hosts else f"{word} needs hosts"


def _received(lists: Lists, word: str, rest: str) -> str:
    words = rest.split()
    if len(words) != 2:
        return f"{word} needs an address and a domain"
    lists.setdefault(word, set()).add(f"{words[0]}\n{words[1].lstrip('.*')}")
    return ""


_HANDLERS: dict[str, Callable[[Lists, str, str], str]] = {
    **dict.fromkeys(
        ("freemail_domains", "freemail_welcomelist", "blocklist_from", "blocklist_to", "welcomelist_to", "more_spam_to",
         "all_spam_to", "welcomelist_bounce_relays"), _words,
    ),
    **dict.fromkeys(
        ("unblocklist_from", "unblocklist_to", "unwelcomelist_to", "unwelcomelist_bounce_relays"), _without,
    ),
    "ok_locales": _anew,
    **dict.fromkeys(("blocklist_subject", "welcomelist_subject"), _subjects),
    **dict.fromkeys(("blocklist_uri_host", "welcomelist_uri_host"), _hosts),
    **dict.fromkeys(("welcomelist_from_rcvd", "def_welcomelist_from_rcvd"), _received),
    "enlist_addrlist": _named(""),
    "enlist_uri_host": _named("uri"),
    "delist_uri_host": _delist,
}  # fmt: skip
DIRECTIVES = frozenset(
    name for word in _HANDLERS for name in (
        word, word.replace("welcomelist", "whitelist"), word.replace("blocklist", "blacklist"),
    )
)  # fmt: skip
"""Directives that `take` takes, those of SpamAssassin 3 among them."""
UNBELIEVED_DIRECTIVES = frozenset(("welcomelist_from", "whitelist_from"))
"""Directives of which nothing is taken: see `UNBELIEVED`."""

"""Functions about addresses at services where anybody can have a mailbox."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from string import ascii_letters, digits
from typing import NamedTuple

from ..facts import Facts
from ._common import Listed, Lists, Query, Sought, addresses, globs, once, senders

MAX_BODY_ADDRESSES = 10
MAX_BODY_FREEMAILS = 5
"""A text with more addresses than that is no letter of somebody who wants an answer."""

MAX_LOCAL = 64
"""Characters before the ``@``."""
_LOCAL = ascii_letters + digits + "_.+=-"
_ADDRESS = re.compile(r"(?<![\w.+=-])([\w.+=-]{1,64}@[a-z0-9][a-z0-9.-]{1,200}\.[a-z]{2,20})(?![\w-])", re.I | re.A)


_BULK = re.compile(r"(?:\b|[-_+=])(?:owner|bounces?|admin|request|return|errors|sentto|listmaster)\b[^@]*@", re.I)
"""Senders of lists: what stands in a list's text is nobody's own address."""


def freemail(lists: Lists) -> Callable[[str], bool]:
    """Whether an address in lower case is one of a free service."""
    domains = globs(lists.get("freemail_domains", frozenset()))
    exempt = lists.get("freemail_welcomelist", frozenset()) | lists.get("freemail_whitelist", frozenset())

    def is_free(address: str) -> bool:
        domain = address.rpartition("@")[2]
        return bool(domain) and address not in exempt and domain not in exempt and domains(domain)

    return is_free


_Answer = Callable[[Sequence[str]], bool]
_Decide = Callable[[Facts], bool]


def _matching(arguments: Sequence[str], at: int) -> _Answer:
    """Whether there are addresses, one with the pattern in it where the rule has one."""
    if len(arguments) <= at:
        return bool
    return Sought(arguments[at], True).in_any


def _facts(facts: Facts) -> Facts:
    return facts


def _from(lists: Lists) -> Query[list[str]]:
    is_free = freemail(lists)
    return Query(lambda facts: list(filter(is_free, senders(facts))), lambda arguments: _matching(arguments, 0))


def _header(lists: Lists) -> Query[Facts]:
    is_free = freemail(lists)

    def test(arguments: Sequence[str]) -> _Decide:
        target, matching = arguments[0], _matching(arguments, 1)

        def hits(facts: Facts) -> bool:
            text = facts.field(target)
            if text is None or "@" not in text:
                return False
            return matching(list(filter(is_free, addresses_in(text))))

        return hits

    return Query(_facts, test)


def body_addresses(facts: Facts) -> list[str]:
    """Addresses in the rendered text and in links, in lower case."""
    return once(facts, _body_addresses)


def _body_addresses(facts: Facts) -> list[str]:
    text = b"".join(facts.paragraphs[1:])
    found = dict.fromkeys(addresses_in(text.decode("latin-1")) if b"@" in text else ())
    for uri in facts.uris:
        if uri[:7].lower() == b"mailto:":
            found.update(dict.fromkeys(addresses_in(uri[7:].partition(b"?")[0].decode("latin-1"))))
    return list(found)


def addresses_in(text: str) -> list[str]:
    """Addresses in a text, in lower case; looked for around each ``@`` only."""
    found: list[str] = []
    end, at = 0, text.find("@")
    while at >= 0:
        before = text[max(0, at - MAX_LOCAL - 1) : at]
        start = at - len(before) + len(before.rstrip(_LOCAL))
        match = _ADDRESS.match(text, start) if start >= end else None
        if match:
            found.append(match[1].lower())
            end = match.end()
        at = text.find("@", at + 1)
    return found


class _Letter(NamedTuple):
    """A mail of which the author or who is to be answered has a free mailbox."""

    facts: Facts
    author: list[str]
    reply: list[str]
    author_free: bool
    reply_free: bool


def _replyto(lists: Lists) -> Query[_Letter]:
    is_free = freemail(lists)
    free_in_text = _free_in_text(is_free)

    def fact(facts: Facts) -> _Letter | None:
        author, reply = (addresses(facts, [name])[:1] for name in ("From:addr", "Reply-To:addr"))
        author_free, reply_free = any(map(is_free, author)), any(map(is_free, reply))
        return _Letter(facts, author, reply, author_free, reply_free) if author_free or reply_free else None

    def test(arguments: Sequence[str]) -> Callable[[_Letter], bool]:
        """What a rule asks of a letter; without an argument, that Reply-To is the free mailbox."""
        to_reply = not arguments or arguments[0] == "replyto"

        def hits(letter: _Letter) -> bool:
            """Whether answers are to go to a free mailbox other than the sender's, by Reply-To or by the text."""
            facts, author, reply, author_free, reply_free = letter
            if author_free and reply_free and author != reply:
                return True
            if not (reply_free if to_reply else author_free):
                return False
            if _BULK.search(facts.field("EnvelopeFrom") or ""):
                return False
            own = reply if to_reply else author
            return any(one not in own for one in once(facts, free_in_text))

        return hits

    return Query(fact, test)


def _free_in_text(is_free: Callable[[str], bool]) -> Callable[[Facts], list[str]]:
    """What finds the free mailboxes in a text; none in one with so many addresses that it is no letter."""

    def found(facts: Facts) -> list[str]:
        every = body_addresses(facts)
        free = list(filter(is_free, every))
        return [] if len(every) > MAX_BODY_ADDRESSES or len(free) > MAX_BODY_FREEMAILS else free

    return found


def _body(lists: Lists) -> Query[list[str]]:
    return Query(_free_in_text(freemail(lists)), lambda arguments: _matching(arguments, 0))


FUNCTIONS: dict[str, Listed] = {
    "check_freemail_body": _body,
    "check_freemail_from": _from,
    "check_freemail_header": _header,
    "check_freemail_replyto": _replyto,
}
"""Name in rule files → what makes the query for the lists of a rule set."""

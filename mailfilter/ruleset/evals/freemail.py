"""Functions about addresses at services where anybody can have a mailbox."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..facts import Facts
from ._common import Listed, Lists, Query, addresses, found_in, globs, once, pattern, senders

MAX_BODY_ADDRESSES = 10
MAX_BODY_FREEMAILS = 5
"""A text with more addresses than that is no letter of somebody who wants an answer."""

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
    wanted = pattern(arguments[at], True)
    return lambda found: bool(found) and found_in(found, wanted)


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
            found = [match[1] for match in _ADDRESS.finditer(text.lower())]
            return matching(list(filter(is_free, found)))

        return hits

    return Query(_facts, test)


def body_addresses(facts: Facts) -> list[str]:
    """Addresses in the rendered text and in links, in lower case."""
    return once(facts, _body_addresses)


def _body_addresses(facts: Facts) -> list[str]:
    text = b"".join(facts.paragraphs[1:]).decode("latin-1").lower()
    found = dict.fromkeys(match[1] for match in _ADDRESS.finditer(text)) if "@" in text else {}
    for uri in facts.uris:
        if uri[:7].lower() == b"mailto:":
            found.update(
                dict.fromkeys(m[1] for m in _ADDRESS.finditer(uri[7:].decode("latin-1").lower().split("?")[0]))
            )
    return list(found)


def _replyto(lists: Lists) -> Query[Facts]:
    is_free = freemail(lists)

    def test(arguments: Sequence[str]) -> _Decide:
        to_reply = not arguments or arguments[0] == "replyto"

        def hits(facts: Facts) -> bool:
            """Whether answers are to go to a free mailbox other than the sender's, by Reply-To or by the text."""
            author, reply = (addresses(facts, [name])[:1] for name in ("From:addr", "Reply-To:addr"))
            author_free, reply_free = any(map(is_free, author)), any(map(is_free, reply))
            if author_free and reply_free and author != reply:
                return True
            if not (reply_free if to_reply else author_free):
                return False
            if _BULK.search(facts.field("EnvelopeFrom") or ""):
                return False
            own = reply if to_reply else author
            return any(one not in own for one in once(facts, free_in_text))

        return hits

    free_in_text = _free_in_text(is_free)
    return Query(_facts, test)


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

"""Functions about addresses at services where anybody can have a mailbox."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..facts import Facts
from ._common import Function, Listed, Lists, addresses, found_in, globs, once, pattern, senders

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


def _matching(found: Sequence[str], arguments: Sequence[str], at: int) -> bool:
    """Whether there are addresses, one with the pattern in it where the rule has one."""
    return bool(found) and (len(arguments) <= at or found_in(found, pattern(arguments[at], True)))


def _from(lists: Lists) -> Function:
    is_free = freemail(lists)
    return lambda facts, arguments: _matching([one for one in senders(facts) if is_free(one)], arguments, 0)


def _header(lists: Lists) -> Function:
    is_free = freemail(lists)

    def hits(facts: Facts, arguments: Sequence[str]) -> bool:
        text = (facts.field(arguments[0]) or "").lower()
        found = [match[1] for match in _ADDRESS.finditer(text)] if "@" in text else []
        return _matching([one for one in found if is_free(one)], arguments, 1)

    return hits


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


def _replyto(lists: Lists) -> Function:
    is_free = freemail(lists)

    def hits(facts: Facts, arguments: Sequence[str]) -> bool:
        """Whether answers are to go to a free mailbox other than the sender's, by Reply-To or by the text."""
        wanted = arguments[0] if arguments else "replyto"
        author, reply = (addresses(facts, [name])[:1] for name in ("From:addr", "Reply-To:addr"))
        author_free, reply_free = any(map(is_free, author)), any(map(is_free, reply))
        if author_free and reply_free and author != reply:
            return True
        if not (reply_free if wanted == "replyto" else author_free):
            return False
        if _BULK.search(facts.field("EnvelopeFrom") or ""):
            return False
        own = reply if wanted == "replyto" else author
        found = body_addresses(facts)
        free = [one for one in found if is_free(one)]
        if len(found) > MAX_BODY_ADDRESSES or len(free) > MAX_BODY_FREEMAILS:
            return False
        return any(one not in own for one in free)

    return hits


def _body(lists: Lists) -> Function:
    is_free = freemail(lists)

    def hits(facts: Facts, arguments: Sequence[str]) -> bool:
        found = body_addresses(facts)
        free = [address for address in found if is_free(address)]
        if len(found) > MAX_BODY_ADDRESSES or len(free) > MAX_BODY_FREEMAILS:
            return False
        return _matching(free, arguments, 0)

    return hits


FUNCTIONS: dict[str, Listed] = {
    "check_freemail_body": _body,
    "check_freemail_from": _from,
    "check_freemail_header": _header,
    "check_freemail_replyto": _replyto,
}
"""Name in rule files → what makes the function for the lists of a rule set."""

"""Functions about bounces of mail that hosts of ours have sent (``welcomelist_bounce_relays``)."""

from __future__ import annotations

import re

from ..facts import Facts
from ._common import Listed, Lists, Query, flag, globs

_RECEIVED = re.compile(r"[> ]*received:", re.I)
_NAME = re.compile(r" (\S+\.\S+) ")
MAX_LINES = 20_000
"""Lines of a body in which Received fields are looked for."""


def _any_relays(lists: Lists) -> Query[bool]:
    known = bool(lists.get("welcomelist_bounce_relays"))
    return flag(lambda facts: known)


def _ours_bounced(lists: Lists) -> Query[bool]:
    """The body, or what it encloses, has a Received field that names a host of the list."""
    words = lists.get("welcomelist_bounce_relays", frozenset())
    listed = globs(words)

    def hits(facts: Facts) -> bool:
        return any(listed(name.lower()) for line in _received(facts) for name in _NAME.findall(line))

    return flag(hits if words else lambda facts: False)


def _received(facts: Facts) -> list[str]:
    """Received fields within the body, unfolded."""
    found = [line for line in (piece.decode("latin-1") for piece in facts.paragraphs) if _RECEIVED.match(line)]
    _, blank, body = facts.full.decode("latin-1").replace("\r\n", "\n").partition("\n\n")
    if not blank or "received:" not in body.lower():
        return found
    field = ""
    for line in body.split("\n", MAX_LINES)[:MAX_LINES]:
        field = field + line if field and line[:1] in (" ", "\t") else line
        if _RECEIVED.match(field):
            found.append(re.sub(r"\s+", " ", field[:1000]) + " ")
    return found


FUNCTIONS: dict[str, Listed] = {
    "check_welcomelist_bounce_relays": _ours_bounced,
    "check_whitelist_bounce_relays": _ours_bounced,
    "have_any_bounce_relays": _any_relays,
}
"""Name in rule files → what makes the query for the lists of a rule set."""

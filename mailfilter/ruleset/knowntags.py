"""Templates (``%{NAME}``) that have a value without a rule that captures one: domains, hops, any header field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

from .facts import Facts

_Reverse = Callable[[str], str]


def _fields(*targets: str) -> Callable[[Facts], list[str]]:
    return lambda facts: [line for target in targets for line in (facts.field(target) or "").split("\n")]


def _backwards(address: str) -> str:
    try:
        return ip_address(address).reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    except ValueError:
        return ""


def _first_external(facts: Facts) -> Any:
    found = facts.relays
    hops = (*found.trusted[found.internal :], *found.untrusted)
    return hops[0] if hops else None


def _last_trusted(facts: Facts) -> Any:
    return facts.relays.trusted[-1] if facts.relays.trusted else None


def _hop(which: Callable[[Facts], Any], word: str, turn: _Reverse = str) -> Callable[[Facts], list[str]]:
    def values(facts: Facts) -> list[str]:
        hop = which(facts)
        return [turn(getattr(hop, word) or "")] if hop is not None else []

    return values


_KNOWN: Mapping[str, Callable[[Facts], list[str]]] = {
    "SENDERDOMAIN": _fields("EnvelopeFrom:first:addr:host"),
    "AUTHORDOMAIN": _fields("From:addr:host"),
    "LASTEXTERNALIP": _hop(_first_external, "ip"),
    "LASTEXTERNALREVIP": _hop(_first_external, "ip", _backwards),
    "LASTEXTERNALRDNS": _hop(_first_external, "rdns"),
    "LASTEXTERNALHELO": _hop(_first_external, "helo"),
    "FIRSTTRUSTEDIP": _hop(_last_trusted, "ip"),
    "FIRSTTRUSTEDREVIP": _hop(_last_trusted, "ip", _backwards),
}
"""Templates that have a value without a rule that captures one."""


_ONE = re.compile(r":(?:addr|name|host|domain|ip|revip)\b|EnvelopeFrom\Z")
"""Fields of which ``HEADER()`` is the first value alone."""


def is_known(name: str) -> bool:
    """Whether a template has a value without a rule that captures one."""
    return name in _KNOWN or name.startswith("HEADER(")


def known(name: str, facts: Facts) -> tuple[bytes, ...]:
    """The values of a template that no rule captures; none where it has no value in this mail."""
    if name.startswith("HEADER("):
        target = name[7:-1].strip()
        value = facts.field(target) or ""
        found = [value.partition("\n")[0] if _ONE.search(target) else value]
    else:
        found = _KNOWN[name](facts) if name in _KNOWN else []
    return tuple(dict.fromkeys(text.encode("latin-1", "replace") for text in found if text))

"""Functions about the hops of a mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from ..facts import Facts
from ..received import Relay
from ._common import Query, flag
from .headers import gated


def _no_relays(facts: Facts) -> bool:
    relays = facts.relays
    return not (relays.trusted or relays.untrusted or relays.unparseable)


def _unparseable(facts: Facts) -> bool:
    return facts.relays.unparseable > 0


def _all_trusted(facts: Facts) -> bool:
    relays = facts.relays
    return bool(relays.trusted) and not relays.untrusted and not relays.unparseable


def _external(facts: Facts) -> tuple[Relay, ...]:
    relays = facts.relays
    return (*relays.trusted[relays.internal :], *relays.untrusted)


_DOTTED = re.compile(r"\[?((?:\d{1,3}\.){3}\d{1,3})\]?\Z")


def _helo_ip_mismatch(facts: Facts) -> bool:
    """A host greeted as an address of another network (of 24 bits) than its own."""
    for relay in facts.relays.untrusted:
        match = _DOTTED.match(relay.helo)
        public = match and not relay.is_private and not Relay(match[1]).is_private
        if match and public and match[1].rpartition(".")[0] != relay.ip.rpartition(".")[0]:
            return True
    return False


def _mailfrom_matches_rcvd(facts: Facts) -> bool:
    """The client's name is of the registered domain of the envelope's sender."""
    domain = (facts.field("EnvelopeFrom:addr:domain") or "").strip()
    hops = _external(facts)
    return bool(domain and hops and hops[0].rdns) and facts.finder.registered(hops[0].rdns.lower()) == domain


_YAHOO = (
    r"by web\S+\.yahoo\.com via HTTP|by \S+\.yahoo\.com with (?:SMTP|HTTP)|by \w+\.\w+\.yahoo\.com \(\d+\.\d+"
    r"|from \[[\d.]+\] by \S+\.yahoo\.com with NNFMP|\bmailer\d+\.bulk\.\w+\.yahoo\.com"
)


def _came_from(domain: str, signs: str) -> Callable[[Facts], bool]:
    """A function that hits where From is at ``domain`` and no Received field shows one of ``signs``."""
    sender, sign = re.compile(rf"[@.]{domain}\s*\Z", re.I), re.compile(signs, re.I)

    def forged(facts: Facts) -> bool:
        if not sender.search(facts.field("From:addr") or "") or gated(facts):
            return False
        resent = facts.field("Resent-From") and facts.field("Resent-To") and facts.field("X-Received")
        return not sign.search(resent or facts.field("Received") or "")

    return forged


_HOST = re.compile(r"\w[\w.-]+\.\w+\Z")
_SHORT_TOP = re.compile(r"\S{3,}|ie|fr|de")
_SAME = {("msn.com", "hotmail.com")}


def _site(name: str) -> str:
    """The last two labels of a host's name, or three where the last is short."""
    labels = name.lower().split(".")
    if not re.search("[a-z]", name, re.I):
        return name
    if len(labels) > 1 and _SHORT_TOP.search(labels[-1]):
        return ".".join(labels[-2:])
    return ".".join(labels[-3:])


def trail_breaks(facts: Facts) -> int:
    """How many hops bear the name of another site than the hop above them says that it took the mail from."""
    hops = facts.relays.untrusted
    count = 0
    for hop, below in pairwise(hops):
        taken, by = _site(hop.rdns), _site(below.by)
        itself = hop.ip == "127.0.0.1" and taken in ("localhost", "localhost.localdomain")
        if itself or taken == by or (by, taken) in _SAME or not _is_host(taken) or not _is_host(by):
            continue
        count += 1
    return count


def _is_host(name: str) -> bool:
    return len(name) <= _LONGEST_HOST and _HOST.match(name) is not None


_LONGEST_HOST = 255


FUNCTIONS: dict[str, Query[Any]] = {
    "check_all_trusted": flag(_all_trusted),
    "check_for_forged_received_trail": Query(trail_breaks, lambda arguments: lambda count: count > 1),
    "check_for_forged_yahoo_received_headers": flag(_came_from(r"yahoo\.com", _YAHOO)),
    "check_for_forged_eudoramail_received_headers": flag(_came_from(r"eudoramail\.com", r"by \S*whowhere\.com;")),
    "check_mailfrom_matches_rcvd": flag(_mailfrom_matches_rcvd),
    "check_no_relays": flag(_no_relays),
    "check_relays_unparseable": flag(_unparseable),
    "helo_ip_mismatch": flag(_helo_ip_mismatch),
}
"""Name in rule files → what it asks."""

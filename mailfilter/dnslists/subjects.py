"""What may be asked about a mail: addresses, domains, links and mail addresses, few enough and in a fair order.

A mail can hold thousands of links, and whoever writes it chooses their order.  So kinds of links take turns (what is
clicked, what is written, what is loaded), each from both ends, and each registered domain comes once before any comes
again: filling a mail with harmless links does not hide the one that matters.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from itertools import zip_longest
from tomllib import loads
from typing import TypeVar

from ..checks import Mail
from ..message import Link, Message
from ..trust import NOBODY, Network, Trust, before, path_of
from .naming import Subject, host_name, registered_domain

T = TypeVar("T")

NEVER_ASKED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.2.0/24",
        "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "::/127",
        "2001:db8::/32", "fc00::/7", "fe80::/10", "ff00::/8",
    )
)  # fmt: skip
"""Networks whose addresses say nothing to anybody outside: private, loopback, link-local, multicast, reserved, and
those for documentation and measuring (RFC 5737, 3849, 2544)."""

_FIELDS = {"from": "from", "reply-to": "reply-to"}
_SIGNED_BY = re.compile(r"(?:^|;)\s{0,9}d\s{0,9}=\s{0,9}([^;\s]{1,253})")
_MOST_SIGNATURES = 5
_MOST_LINKS = 2000
"""Links that are looked at."""
_MOST_TEXT = 200_000
"""Characters of one text in which mail addresses are looked for."""
_MOST_SIGNS = 500
"""Signs @ of one text that are looked at."""
_BEFORE, _AFTER = re.compile(r"[\w.+-]{1,64}\Z"), re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_NUMBER = re.compile(r"(?:0x)?[0-9a-f]{1,12}(?:\.(?:0x)?[0-9a-f]{1,12}){0,3}\.?")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked about and what is not.

    ``trust``  which hosts are ours: their hops are passed over, their addresses not asked about.
    ``skip``  registered domains that no list of domains is asked about.
    ``hops``  further hops, ``domains``  of links, ``links``  for lists of links, ``addresses``  in texts, at most.
    """

    trust: Trust = NOBODY
    skip: frozenset[str] = frozenset()
    hops: int = 3
    domains: int = 20
    links: int = 10
    addresses: int = 10


@cache
def shipped_skip() -> frozenset[str]:
    """The domains of ``rules/dnsskip.toml``: so common in links that asking about them costs and tells nothing."""
    text = resources.files("mailfilter.rules").joinpath("dnsskip.toml").read_text(encoding="utf-8")
    return frozenset(loads(text)["skip"])


def subjects(mail: Mail, wanted: frozenset[tuple[str, str]], scope: Scope) -> tuple[Subject, ...]:
    """What of ``wanted`` (kind, source) a mail has, each once, in the order in which it is to be asked."""
    found: list[Subject] = []
    if wanted & {("ip", "client"), ("ip", "hops")}:
        found += _hops(mail, wanted, scope)
    if any(kind in ("domain", "email") and source != "links" for kind, source in wanted):
        found += _named(mail, wanted, scope)
    if ("email", "body") in wanted:
        found += _written(mail.message, scope.addresses)
    if any(source == "links" for _, source in wanted):
        found += _linked(mail.message, wanted, scope)
    return tuple(dict.fromkeys(found))


def askable(text: str, trust: Trust) -> str:
    """An address in canonical form, ``""`` for one that is not to be asked about."""
    found = _public(text)
    return "" if found and trust and (trust.ours(found) or trust.forwards(found)) else found


@lru_cache(maxsize=4096)
def _public(text: str) -> str:
    """An address in canonical form, ``""`` for one that says nothing to anybody outside."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    return "" if _within(address, NEVER_ASKED) else str(address)


def _within(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _hops(mail: Mail, wanted: frozenset[tuple[str, str]], scope: Scope) -> Iterator[Subject]:
    """The host that gave the mail to ours or to a known forwarder, and those before it as it is said (maybe a lie)."""
    path = path_of(mail, scope.trust)
    if path.submitted:
        return
    first = askable(path.origin.ip, scope.trust) if path.origin is not None else ""
    if first:
        yield Subject("ip", "client", first)
    if ("ip", "hops") in wanted and path.client is not None:
        earlier = dict.fromkeys(askable(ip, scope.trust) for ip in before(mail, path, scope.hops))
        for address in [hop for hop in earlier if hop and hop != first][: scope.hops]:
            yield Subject("ip", "hops", address)


def _named(mail: Mail, wanted: frozenset[tuple[str, str]], scope: Scope) -> Iterator[Subject]:
    """Domains and addresses of the sender, under each of its names."""
    message, envelope = mail.message, mail.envelope
    addresses = {"mail-from": [envelope.mail_from or ""]}
    for source, field in _FIELDS.items():
        addresses[source] = [address.address for address in message.addresses(field)[:5]]
    for source, found in addresses.items():
        for address in filter(None, found):
            yield from _mailbox(address, source, wanted, scope)
    hosts = {"helo": [envelope.helo or ""], "rdns": [envelope.client_name or ""]}
    if ("domain", "dkim") in wanted:
        fields = message.header_all("dkim-signature")[:_MOST_SIGNATURES]
        hosts["dkim"] = [match[1] for field in fields if (match := _SIGNED_BY.search(field[:2000]))]
    for source, names in hosts.items():
        for name in names:
            if ("domain", source) in wanted and (host := _not_skipped(name, scope)):
                yield Subject("domain", source, host)


def _mailbox(address: str, source: str, wanted: frozenset[tuple[str, str]], scope: Scope) -> Iterator[Subject]:
    local, _, domain = address.strip("<> \t").rpartition("@")
    host = host_name(domain)
    if not local or not host:
        return
    if ("domain", source) in wanted and (host_asked := _not_skipped(host, scope)):
        yield Subject("domain", source, host_asked)
    if ("email", source) in wanted and len(local) <= 64:
        yield Subject("email", source, f"{local.lower()}@{host}")


def _not_skipped(name: str, scope: Scope) -> str:
    host = host_name(name)
    return "" if not host or registered_domain(host) in scope.skip else host


def _written(message: Message, most: int) -> list[Subject]:
    """Mail addresses in links and in what a reader sees, those that are clicked first."""
    clicked = [link.url[7:].partition("?")[0] for link in message.links if link.url[:7].lower() == "mailto:"]
    seen = [address for text in message.texts for address in _addresses_in(text.visible[:_MOST_TEXT])]
    found = (
        f"{local.lower()}@{host}"
        for address in (*clicked, *_ends_first(seen))
        for local, _, domain in [address.rpartition("@")]
        if 0 < len(local) <= 64 and (host := host_name(domain))
    )
    return [Subject("email", "body", address) for address in _first(dict.fromkeys(found), most)]


def _addresses_in(text: str) -> Iterator[str]:
    at = text.find("@")
    for _ in range(_MOST_SIGNS):
        if at < 0:
            return
        before, after = _BEFORE.search(text[max(0, at - 64) : at]), _AFTER.match(text, at + 1)
        if before and after:
            yield f"{before[0]}@{after[0]}"
        at = text.find("@", at + 1)


def _linked(message: Message, wanted: frozenset[tuple[str, str]], scope: Scope) -> Iterator[Subject]:
    """Hosts of links, addresses among them, and links for lists that hash them."""
    links = _in_fair_order(message.links[:_MOST_LINKS])
    if wanted & {("domain", "links"), ("ip", "links")}:
        hosts: dict[Subject, str] = {}
        for link in links:
            subject = _host_subject(link.host, scope)
            if subject is not None and (subject.kind, "links") in wanted:
                hosts.setdefault(subject, registered_domain(subject.value) if subject.kind == "domain" else "")
        yield from _first(_each_group_once(hosts), scope.domains)
    if ("url", "links") in wanted:
        urls = dict.fromkeys(link.url for link in links if link.host and link.origin != "src")
        yield from (Subject("url", "links", url) for url in _first(urls, scope.links))


def _host_subject(host: str, scope: Scope) -> Subject | None:
    host = host.strip("[]").rstrip(".")
    if ":" in host or _NUMBER.fullmatch(host):
        address = askable(host if ":" in host else _dotted(host), scope.trust)
        if address:
            return Subject("ip", "links", address)
    name = _not_skipped(host, scope)
    return Subject("domain", "links", name) if name else None


def _dotted(host: str) -> str:
    """An address written as browsers read it: ``0x7f.1``, ``2130706433``."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, ValueError):
        return ""


def _in_fair_order(links: Sequence[Link]) -> list[Link]:
    """Links that are clicked, written and loaded in turn, each from both ends."""
    groups: dict[str, list[Link]] = {"href": [], "text": [], "src": []}
    for link in links:
        groups["href" if link.origin == "action" else link.origin].append(link)
    turns = zip_longest(*(_ends_first(group) for group in groups.values()))
    return [link for turn in turns for link in turn if link is not None]


def _ends_first(items: Sequence[T]) -> list[T]:
    """First, last, second, last but one, …"""
    half = (len(items) + 1) // 2
    pairs = zip_longest(items[:half], items[half:][::-1])
    return [item for pair in pairs for item in pair if item is not None]


def _each_group_once(items: dict[Subject, str]) -> list[Subject]:
    """One subject of each group (registered domain) before the second of any."""
    seen: dict[str, int] = {}
    ranked = []
    for subject, group in items.items():
        seen[group] = seen.get(group, -1) + 1
        ranked.append((seen[group] if group else 0, subject))
    return [subject for _, subject in sorted(ranked, key=lambda pair: pair[0])]


def _first(items: Iterable[T], most: int) -> list[T]:
    return [item for _, item in zip(range(most), items, strict=False)]

"""Where the links of a mail lead, and whether they say so.

Works on the links of all readings of the mail.  Judgements about a host or address are kept in small bounded caches,
because the mails of a batch share most of their hosts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from ..message import Link, Message
from ..symbols import Findings, Symbol, declared_by
from . import Mail
from ._hosts import SHORTENERS, brand_in, disguise, domain_of, may_name_brand, registered_domain
from ._lists import words
from ._text import quote

MOST = 1000
"""Links of one mail that are looked at."""
LONGEST = 1000
"""Characters of one link or host that are looked at."""
DOTS = 5
"""Dots in a host name from which it is odd."""
HYPHENS = 4
"""Hyphens in a host name from which it is odd."""

_SHOWN_HOST = re.compile(r"(?:https?://)?([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8})(?:[:/?#]\S*)?\Z", re.IGNORECASE)
_FILE_ENDINGS = words("domains.toml", "file_endings")
_PLAIN = re.compile(r"https?://[a-z0-9.-]{1,253}(?:[/?#]|\Z)")
"""An address whose spelling holds nothing to see: no user part, no port, no odd scheme."""
_AUTHORITY = re.compile(r"[a-z][a-z0-9+.-]{0,20}:[/\\]{2,9}([^/\\?#\s]{1,300})", re.IGNORECASE)
_IP = re.compile(
    r"(?:\d{1,3}(?:\.\d{1,3}){3}|\d{8,10}|0x[0-9a-f]{1,8}(?:\.0x[0-9a-f]{1,8}){0,3}|\[?[0-9a-f]{0,4}:[0-9a-f:.]{1,45}\]?)\Z"
)
_PORT = re.compile(r":(\d{1,5})\Z")
_CREDENTIALS = re.compile(
    r"sign[-_.]?[io]n|log[-_.]?[io]n|webscr|verif(?:y|ication)|confirm|secur(?:e|ity)|account|update|password|unlock"
)
_USUAL_PORTS = frozenset(("80", "443", "8080", "8443", "0", ""))


@lru_cache(maxsize=8192)
def _about_host(host: str) -> tuple[Symbol, ...]:
    """What the host alone gives."""
    found = []
    if _IP.match(host):
        found.append(Symbol("LINK_IP", evidence=quote(host)))
    elif label := disguise(host):
        evidence = f"{quote(label)} in {quote(host)} passes for Latin letters"
        found.append(Symbol("LINK_HOST_LOOKALIKE", evidence=evidence))
    if registered_domain(host) in SHORTENERS:
        found.append(Symbol("LINK_SHORTENER", evidence=quote(host)))
    if host.count(".") >= DOTS or host.count("-") >= HYPHENS:
        evidence = f"{quote(host)}: {host.count('.')} dots, {host.count('-')} hyphens"
        found.append(Symbol("LINK_HOST_ODD", evidence=evidence))
    return tuple(found)


def _about_spelling(link: Link) -> Iterator[Symbol]:
    """Scheme, user part and port of an address."""
    url = link.url[:LONGEST]
    if url[:11].lower().startswith(("javascript:", "vbscript:", "data:text/")):
        yield Symbol("LINK_SCRIPT", evidence=quote(url, 60))
    match = _AUTHORITY.match(url)
    if not match:
        return
    user, at, rest = match[1].rpartition("@")
    if at and link.origin != "text":
        yield Symbol("LINK_USERINFO", evidence=f"{quote(user, 40)} before the true host {quote(rest)}")
    port = _PORT.search(rest)
    if port and port[1] not in _USUAL_PORTS:
        yield Symbol("LINK_PORT", evidence=quote(rest))


def _shown_elsewhere(link: Link) -> Iterator[Symbol]:
    """The text of the link is the address of another site."""
    text = link.text.strip()
    match = _SHOWN_HOST.match(text) if len(text) <= 200 and link.host else None
    if not match:
        return
    shown = match[1].lower()
    top = shown.rpartition(".")[2]
    if len(top) < 2 or top.isdigit() or ("/" not in text and top in _FILE_ENDINGS):
        return
    if registered_domain(shown) != registered_domain(link.host):
        yield Symbol("LINK_TEXT_OTHER_HOST", evidence=f"shows {quote(shown)}, leads to {quote(link.host)}")


def _form(link: Link, message: Message) -> Iterator[Symbol]:
    """Where a form sends what is typed into it."""
    if link.url[:7].lower() == "mailto:":
        yield Symbol("FORM_MAILTO", evidence=f"form sends what is typed to {quote(link.url[7:])}")
    elif link.host and registered_domain(link.host) != _sender_domain(message):
        yield Symbol("FORM_FOREIGN", evidence=f"form sends what is typed to {quote(link.host)}")


def _brands(links: Iterable[Link], message: Message) -> Iterator[Symbol]:
    """A brand's name in the host or path of an address that is neither the brand's nor the sender's."""
    for link in links:
        domain = registered_domain(link.host)
        url = link.url[:300].partition("?")[0].lower()
        brand = brand_in(url, domain)
        if brand and domain != _sender_domain(message):
            yield Symbol("LINK_BRAND", evidence=f"{brand} in an address at {quote(domain)}")
            if word := _CREDENTIALS.search(url):
                evidence = f"{brand} and {word[0]!r} in an address at {quote(domain)}"
                yield Symbol("LINK_CREDENTIALS", evidence=evidence)


def _sender_domain(message: Message) -> str:
    senders = message.addresses("from")
    return registered_domain(domain_of(senders[0].address)) if senders else ""


class LinkCheck:
    """Links that hide, dress up or misname where they lead."""

    name = "links"
    symbols = declared_by("links")

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail, in order."""
        return [find(mail.message) for mail in mails]


def find(message: Message) -> Findings:
    """What `LinkCheck` finds in one message: each symbol once, with the first link that shows it."""
    links = message.links[:MOST]
    found: dict[str, Symbol] = {}
    for symbol in _look(message, links) if links else ():
        found.setdefault(symbol.name, symbol)
    return tuple(found.values())


def _look(message: Message, links: Sequence[Link]) -> Iterator[Symbol]:
    visited = []
    for link in links:
        url, text, origin, host = link
        if not _PLAIN.match(url):
            yield from _about_spelling(link)
        if origin != "src" and host:
            visited.append(link)
        if origin == "href":
            if "." in text:
                yield from _shown_elsewhere(link)
        elif origin == "action":
            yield from _form(link, message)
    for host in {link.host[-LONGEST:]: None for link in links}:
        yield from _about_host(host)
    if may_name_brand(" ".join([link.url[:300] for link in visited]).lower()):
        yield from _brands(visited, message)

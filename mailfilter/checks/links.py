"""Where the links of a mail lead, and whether they say so.

Works on the links of all readings of the mail.  Judgements about a host or address are kept in small bounded caches,
because the mails of a batch share most of their hosts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ..message import Link, Message
from ..symbols import Findings, Symbol, declared_by
from . import Mail
from ._hosts import SHORTENERS, brand_in, disguise, domain_of, registered_domain
from ._lists import words
from ._text import quote

MOST = 1000
"""Links of one mail that are looked at."""
LONGEST = 1000
"""Characters of one link that are looked at."""

_SHOWN_HOST = re.compile(
    r"(?:https?://)?([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8})(?:[:/?#]\S*)?\Z", re.IGNORECASE
)
_FILE_ENDINGS = words("domains.toml", "file_endings")
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
def _about_host(host: str) -> tuple[tuple[str, str], ...]:
    """Symbol names and evidence that the host alone gives."""
    found: list[tuple[str, str]] = []
    if _IP.match(host):
        found.append(("LINK_IP", quote(host)))
    elif label := disguise(host):
        found.append(("LINK_HOST_LOOKALIKE", f"{quote(label)} in {quote(host)} passes for Latin letters"))
    if registered_domain(host) in SHORTENERS:
        found.append(("LINK_SHORTENER", quote(host)))
    if host.count(".") >= 5 or host.count("-") >= 4:
        found.append(("LINK_HOST_ODD", f"{quote(host)}: {host.count('.')} dots, {host.count('-')} hyphens"))
    return tuple(found)


def _about_url(link: Link) -> Iterator[Symbol]:
    """What the spelling of the address gives: scheme, user part, port."""
    url = link.url[:LONGEST]
    scheme = url[:11].lower()
    if scheme.startswith(("javascript:", "vbscript:", "data:text/")):
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


def _shown_elsewhere(link: Link) -> Symbol | None:
    """The text of the link is the address of another site."""
    text = link.text.strip()
    if len(text) > 200 or "." not in text or not link.host:
        return None
    match = _SHOWN_HOST.match(text)
    if not match:
        return None
    shown = match[1].lower()
    top = shown.rpartition(".")[2]
    if top.isdigit() or len(top) < 2 or ("/" not in text and top in _FILE_ENDINGS):
        return None
    if registered_domain(shown) == registered_domain(link.host):
        return None
    return Symbol("LINK_TEXT_OTHER_HOST", evidence=f"shows {quote(shown)}, leads to {quote(link.host)}")


def _about_path(link: Link, org: str) -> Iterator[Symbol]:
    """Words that ask for trust, on a host that is neither the sender's nor the named brand's."""
    domain = registered_domain(link.host)
    if domain == org:
        return
    url = link.url[:300].lower()
    if brand := brand_in(url, domain):
        yield Symbol("LINK_BRAND", evidence=f"{brand} in an address at {quote(domain)}")
        if word := _CREDENTIALS.search(url):
            yield Symbol("LINK_CREDENTIALS", evidence=f"{brand} and {word[0]!r} in an address at {quote(domain)}")


def _form(link: Link, org: str) -> Symbol | None:
    if link.origin != "action":
        return None
    if link.url[:7].lower() == "mailto:":
        return Symbol("FORM_MAILTO", evidence=f"form sends what is typed to {quote(link.url[7:])}")
    if link.host and registered_domain(link.host) != org:
        return Symbol("FORM_FOREIGN", evidence=f"form sends what is typed to {quote(link.host)}")
    return None


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
    if not links:
        return ()
    found: dict[str, Symbol] = {}
    senders = message.addresses("from")
    org = registered_domain(domain_of(senders[0].address)) if senders else ""
    for host in {link.host[-300:]: None for link in links if link.host}:
        for name, evidence in _about_host(host):
            found.setdefault(name, Symbol(name, evidence=evidence))
    for link in links:
        for symbol in _about_link(link, org):
            found.setdefault(symbol.name, symbol)
    return tuple(found.values())


def _about_link(link: Link, org: str) -> Iterator[Symbol]:
    yield from _about_url(link)
    if link.origin == "src":
        return
    if link.origin == "href" and (symbol := _shown_elsewhere(link)):
        yield symbol
    if symbol := _form(link, org):
        yield symbol
    if link.host:
        yield from _about_path(link, org)

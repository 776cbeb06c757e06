"""Where a mail would have its reader go, and what it is padded with: free hosts, open redirects, stuffing.

Judgements about a host are kept in a small bounded cache.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ..message import Link, Message, Text
from ..symbols import Findings, Symbol, declared_by
from . import Mail
from ._hosts import domain_of, registered_domain
from ._lists import read_list, words
from ._text import quote

MOST = 200
"""Links of one mail that are looked at."""
LONGEST = 5_000
"""Characters of one text that are searched."""
STUFFED = 1_000
"""Characters of one comment from which it is stuffing."""
COMMENTS = 40
"""Comments of one web page that are looked at."""
GAP = 60
"""Empty lines in a row behind which nobody looks."""
ALL = 4
"""Links that a mail needs before it is telling that all lead to one place."""

_FREE = words("hosting.toml", "free_hosts")
_FREE_ENDS = tuple("." + host for host in sorted(_FREE))
_CHEAP = words("hosting.toml", "cheap_tops")
_REDIRECTS = tuple(read_list("hosting.toml")["redirects"])
_REDIRECT_HOSTS = frozenset(start.partition("/")[0] for start in _REDIRECTS)
_COIN = re.compile(r"(?<![0-9A-Za-z])(?:bc1[02-9ac-hj-np-z]{25,60}|[13][1-9A-HJ-NP-Za-km-z]{25,34})(?![0-9A-Za-z])")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_GAP = re.compile(rf"(?:[ \t\r\xa0]{{0,20}}\n){{{GAP}}}")
_CODE = re.compile(r"[{<\[@]")
"""What styles, markup and conditions for one mail program begin with."""
_TAIL = re.compile(r"[A-Za-z0-9+/_-]{8,150}\Z")


@lru_cache(maxsize=8192)
def _about(host: str) -> tuple[Symbol, ...]:
    """What the host alone gives."""
    found = []
    if host in _FREE or host.endswith(_FREE_ENDS):
        found.append(Symbol("LINK_FREE_HOST", evidence=quote(host)))
    org = registered_domain(host)
    if org.rpartition(".")[2] in _CHEAP:
        found.append(Symbol("LINK_TOP_CHEAP", evidence=quote(host)))
    return tuple(found)


def _redirect(links: Sequence[Link]) -> Iterator[Symbol]:
    for link in links:
        host = link.host.removeprefix("www.")
        if host in _REDIRECT_HOSTS:
            address = link.url.partition("://")[2].removeprefix("www.").lower()
            if address.startswith(_REDIRECTS):
                yield Symbol("LINK_REDIRECT", evidence=quote(link.url, 100))
                return


def _names_recipient(links: Sequence[Link], addresses: Sequence[str]) -> Iterator[Symbol]:
    """The recipient's address at the end of a link, as it is or in base64: a page that greets its victim by name."""
    for link in links:
        _, mark, end = link.url.rpartition("#")
        if not mark or not 8 <= len(end) <= 150:
            continue
        plain = end.replace("%40", "@").lower()
        if hit := next((to for to in addresses if plain.endswith(to)), "") or _encoded(end, addresses):
            yield Symbol("LINK_NAMES_RECIPIENT", evidence=f"{quote(hit)} behind the # of a link to {quote(link.host)}")
            return


def _encoded(end: str, addresses: Sequence[str]) -> str:
    match = _TAIL.search(end.rstrip("="))
    if not match:
        return ""
    text = match[0].replace("-", "+").replace("_", "/")
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return ""
    said = decoded.decode("latin-1").lower()
    return next((to for to in addresses if to == said), "")


def _one_place(message: Message, links: Sequence[Link]) -> Iterator[Symbol]:
    """Every link, the one for signing off among them, leads to the very same address."""
    targets = [link.url.partition("#")[0].rstrip("/") for link in links if link.origin == "href" and link.host]
    if len(targets) >= ALL and len(set(targets)) == 1:
        yield Symbol("LINKS_ONE_PLACE", evidence=f"{len(targets)} links, all to {quote(targets[0], 60)}")


def _texts(message: Message) -> Iterator[Symbol]:
    for text in message.texts[:4]:
        visible = text.visible
        if text.kind == "html":
            yield from _stuffed(text)
        elif visible.find("\n\n\n\n\n", 0, LONGEST) >= 0:
            gap = _GAP.search(visible, 0, LONGEST)
            if gap and visible[: gap.start()].strip() and visible[gap.end() :].strip():
                yield Symbol("TEXT_BELOW_GAP", evidence=f"text behind {gap[0].count(chr(10))} empty lines and more")
        if (visible.find("itcoin", 0, LONGEST) >= 0 or visible.find("BTC", 0, LONGEST) >= 0) and (
            coin := _coin(visible)
        ):
            yield Symbol("COIN_ADDRESS", evidence=f"pay to {quote(coin)}")


def _stuffed(text: Text) -> Iterator[Symbol]:
    """A comment that holds pages of words: nobody reads it but a filter."""
    source = text.source
    start = source.find("<!--")
    for _ in range(COMMENTS):
        end = source.find("-->", start) if start >= 0 else -1
        if end < 0:
            return
        if end - start > STUFFED and not _CODE.search(source, start + 4, start + 400):
            yield Symbol("HTML_COMMENT_STUFFED", evidence=f"a comment of {end - start} characters")
            return
        start = source.find("<!--", end)


def _coin(text: str) -> str:
    """The first address of Bitcoin in ``text`` whose check sum holds, or that is in the newer form."""
    for match in _COIN.finditer(text, 0, LONGEST):
        if match[0].startswith("bc1") or _base58(match[0]):
            return match[0]
    return ""


def _base58(address: str) -> bool:
    """Whether the check sum of an older address holds."""
    number = 0
    for letter in address:
        number = number * 58 + _BASE58.index(letter)
    try:
        raw = number.to_bytes(25, "big")
    except OverflowError:
        return False
    return hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


class TrapCheck:
    """Links to places that cost nothing or lead elsewhere, and text that is there for filters alone."""

    name = "traps"
    symbols = declared_by("traps")

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail, in order."""
        return [find(mail) for mail in mails]


def find(mail: Mail) -> Findings:
    """What `TrapCheck` finds in one mail: each symbol once, with the first place that shows it."""
    found: dict[str, Symbol] = {}
    for symbol in _look(mail):
        found.setdefault(symbol.name, symbol)
    return tuple(found.values())


def _look(mail: Mail) -> Iterator[Symbol]:
    message = mail.message
    visited = [link for link in message.links[:MOST] if link.origin != "src" and link.host]
    for host in {link.host: None for link in visited}:
        yield from _about(host)
    if visited:
        yield from _redirect(visited)
        yield from _one_place(message, visited)
        if marked := [link for link in visited if "#" in link.url]:
            shown = [to.address for to in message.addresses("to")[:3]]
            addresses = [to.lower() for to in (*shown, *mail.envelope.rcpt_to[:3]) if domain_of(to)]
            yield from _names_recipient(marked, addresses) if addresses else ()
    yield from _texts(message)

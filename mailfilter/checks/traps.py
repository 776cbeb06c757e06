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

from ..message import Link, Text
from ..symbols import Findings, Symbol, declared_by
from . import Mail
from ._hosts import domain_of, registered_domain
from ._lists import read_list, words
from ._needles import Needles
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
_REDIRECT_HOSTS = frozenset(f"{www}{start.partition('/')[0]}" for start in _REDIRECTS for www in ("", "www."))
_COIN = re.compile(r"(?<![0-9A-Za-z])(?:bc1[02-9ac-hj-np-z]{25,60}|[13][1-9A-HJ-NP-Za-km-z]{25,34})(?![0-9A-Za-z])")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_GAP = re.compile(rf"(?:[ \t\r\xa0]{{0,20}}\n){{{GAP}}}")
_ROWS = re.compile(rf"\n(?:[ \t\r\xa0]{{0,20}}\n){{{GAP - 1}}}")
"""What every gap holds; it begins with an octet that is searched for at once."""
_CODE = re.compile(r"[{<\[@]")
"""What styles, markup and conditions for one mail program begin with."""
_TAIL = re.compile(r"[A-Za-z0-9+/_-]{8,150}\Z")
_IN_TEXT = Needles("\n" * 5, "itcoin", "BTC")
_WITH_GAP, _WITH_COIN = 1, 2 | 4
_COMMENT = Needles("<!--")


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
        if link.host in _REDIRECT_HOSTS:
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


def _one_place(links: Sequence[Link]) -> Iterator[Symbol]:
    """Every link, the one for signing off among them, leads to the very same address."""
    targets = [link.url.partition("#")[0].rstrip("/") for link in links if link.origin == "href"]
    if len(targets) >= ALL and len(set(targets)) == 1:
        yield Symbol("LINKS_ONE_PLACE", evidence=f"{len(targets)} links, all to {quote(targets[0], 60)}")


def _in_text(text: Text) -> list[Symbol]:
    found: list[Symbol] = []
    kind, visible, source = text.kind, text.visible, text.source
    if kind == "html" and _COMMENT.within(source):
        found += _stuffed(source)
    held = _IN_TEXT.within(visible, LONGEST)
    if held & _WITH_GAP and kind == "plain" and _ROWS.search(visible, 0, LONGEST):
        gap = _GAP.search(visible, 0, LONGEST)
        if gap and visible[: gap.start()].strip() and visible[gap.end() :].strip():
            lines = gap[0].count("\n")
            found.append(Symbol("TEXT_BELOW_GAP", evidence=f"text behind {lines} empty lines and more"))
    if held & _WITH_COIN and (coin := _coin(visible)):
        found.append(Symbol("COIN_ADDRESS", evidence=f"pay to {quote(coin)}"))
    return found


def _stuffed(source: str) -> Iterator[Symbol]:
    """A comment that holds pages of words: nobody reads it but a filter."""
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
    symbols: list[Symbol] = []
    if visited := [link for link in mail.message.links[:MOST] if link[3] and link[2] != "src"]:
        symbols += _in_links(mail, visited)
    for text in mail.message.texts[:4]:
        symbols += _in_text(text)
    found: dict[str, Symbol] = {}
    for symbol in symbols:
        found.setdefault(symbol.name, symbol)
    return tuple(found.values())


def _in_links(mail: Mail, links: Sequence[Link]) -> list[Symbol]:
    """What is to be seen of links that somebody may follow."""
    found: list[Symbol] = []
    hosts = dict.fromkeys([link[3] for link in links])
    for host in hosts:
        found += _about(host)
    if not _REDIRECT_HOSTS.isdisjoint(hosts):
        found += _redirect(links)
    if len(links) >= ALL:
        found += _one_place(links)
    if marked := [link for link in links if "#" in link[0]]:
        shown = [to.address for to in mail.message.addresses("to")[:3]]
        addresses = [to.lower() for to in (*shown, *mail.envelope.rcpt_to[:3]) if domain_of(to)]
        found += _names_recipient(marked, addresses) if addresses else ()
    return found

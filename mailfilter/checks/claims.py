"""What a sender claims to be, held against the address, the mail program and the host that the mail came from.

As in `mailfilter.checks.sender` nothing here is proof; it is what does not fit together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from ..envelope import Envelope
from ..kernel import native
from ..message import Message
from ..symbols import Findings, Symbol, declared_by
from . import Mail
from ._dates import parse_date
from ._hosts import FREEMAIL, brand_in, domain_of, may_name_brand, registered_domain
from ._lists import read_list, words
from ._text import quote

LONGEST = 300
"""Characters of one value that are looked at."""
SHORTEST = 7
"""Letters that a domain needs before another is nearly the same."""
FEW = 3
"""Recipients that are looked at."""
GREETING = 160
"""Characters at the beginning of a text in which a greeting stands."""
SECONDS_A_YEAR = 31_556_952

_CHEAP = words("hosting.toml", "cheap_tops")
_ROLES = words("hosting.toml", "roles")
_STALE: dict[str, int] = read_list("hosting.toml")["stale_mailers"]
_STALE_STARTS = tuple(_STALE)
_STALE_HEADS = frozenset(start[:3] for start in _STALE)
_WORD = re.compile(r"[^\W\d_]{3,30}(?:-[^\W\d_]{2,30})?")
_STYLED = re.compile("[\U0001d400-\U0001d7ff\U0001f130-\U0001f189\u24b6-\u24e9\uff21-\uff5a]")
_PICTURES = re.compile("[\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff]")
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_ID_HOST = re.compile(r"@([^<>@\s]{1,255})>")
_CLIENT = re.compile(r"\s*from\s+(\S{1,255})\s+\(([^()]{0,300}(?:\([^()]{0,100}\)[^()]{0,100})?)\)")
_IP = re.compile(r"\[(?:IPv6:)?([0-9a-fA-F.:]{3,45})\]")
_VOWELS = frozenset("aeiouyáéíóúäöüàèìòùâêîôûãõå")
_LINE = re.compile(r"dsl|dial|dhcp|dyn|cable|pool|ppp|broadband|cust|fibre|fiber|mobile|wireless", re.IGNORECASE)
_SYSTEMS = frozenset(("mailer-daemon", "postmaster"))
_HELLO = (
    "attention|attn|beste|bonjour|caro|cher|ciao|dear|estimad[oa]|geachte|gentile|guten tag|hallo|hello|hey|hi|hola"
    "|liebe|lieber|ol[áa]|prezad[oa]|sehr geehrte|sehr geehrter"
)
_GREETING = re.compile(
    rf"\s{{0,20}}(?:{_HELLO})(?: user| customer| client| member| owner of)?[\s,:]{{1,5}}"
    r"<?([^\s@<>]{1,64}@[a-z0-9.-]{1,200}[a-z])\b",
    re.IGNORECASE,
)
_LIST = (":list-id:", ":list-post:", ":mailing-list:", ":x-mailing-list:")


class _Claims:
    """What the rules share: first sender, its domain, header names."""

    __slots__ = ("address", "block", "display", "domain", "envelope", "fields", "local", "message", "org")

    def __init__(self, message: Message, envelope: Envelope) -> None:
        self.message, self.envelope = message, envelope
        self.block = block = message.root.block
        self.fields = block.by_name
        display, address = found[0] if (found := message.addresses("from")) else ("", "")
        self.display, self.address = display[:LONGEST], address.lower()[:LONGEST]
        self.local, _, domain = self.address.rpartition("@")
        self.domain = domain.strip(" .>")
        self.org = registered_domain(self.domain)

    def first(self, name: str) -> str:
        """The first value of a header as written, ``""`` if there is none."""
        return self.fields[name][0] if name in self.fields else ""

    def listed(self) -> bool:
        """Whether a mailing list has passed the mail on."""
        return any(map(self.block.folded.__contains__, _LIST))

    def recipients(self) -> list[str]:
        """The first addresses of To and of the envelope, lower case."""
        shown = [to.address for to in self.message.addresses("to")[:FEW]]
        return [address.lower() for address in (*shown, *self.envelope.rcpt_to[:FEW]) if "@" in address]


def _role(claims: _Claims) -> Symbol | None:
    """`Customer Service <someone1984@freemail.example>`."""
    if claims.domain not in FREEMAIL or not claims.display or claims.local in _SYSTEMS:
        return None
    if word := next((word for word in _WORD.findall(claims.display.lower()) if word in _ROLES), ""):
        return Symbol("FROM_ROLE_FREEMAIL", evidence=f"{quote(word)} writes from a mailbox at {quote(claims.domain)}")
    return None


def _brand_domain(claims: _Claims) -> Symbol | None:
    """A domain that has a brand's name in it and is not the brand's."""
    if brand := brand_in(claims.org, claims.org) if claims.org else "":
        return Symbol("FROM_DOMAIN_BRAND", evidence=f"{brand} in {quote(claims.org)}")
    return None


def _like_recipient(claims: _Claims) -> Symbol | None:
    """A domain that is the recipient's but for one letter."""
    label = claims.org.partition(".")[0]
    if len(label) < SHORTEST or claims.domain in FREEMAIL:
        return None
    shown = claims.first("to").lower()
    if label[:3] not in shown and label[-3:] not in shown and not claims.envelope.rcpt_to:
        return None  # one change leaves the beginning or the end as it was; most mails end here
    end = claims.org[-2:]
    for to in claims.recipients():
        if to.endswith(end) and to.rpartition("@")[2] != claims.domain:
            own = registered_domain(domain_of(to))
            if own != claims.org and own not in FREEMAIL and _one_edit(own, claims.org):
                return Symbol("FROM_DOMAIN_LIKE_RECIPIENT", evidence=f"{quote(claims.org)} is nearly {quote(own)}")
    return None


def _one_edit(one: str, other: str) -> bool:
    """Whether one letter changed, more, less, or two swapped, in the first label, makes them equal."""
    one, _, end = one.partition(".")
    other, _, other_end = other.partition(".")
    if end != other_end or abs(len(one) - len(other)) > 1 or min(len(one), len(other)) < 5:
        return False
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[start:], other[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def _cheap(claims: _Claims) -> Symbol | None:
    if claims.domain.rpartition(".")[2] in _CHEAP:
        return Symbol("FROM_TOP_CHEAP", evidence=quote(claims.domain))
    return None


def _random(claims: _Claims) -> Symbol | None:
    """An address that nobody would choose: letters and digits as they fall."""
    if grade := max(_strewn(claims.org.partition(".")[0]), _strewn(claims.local[:40])):
        return Symbol("FROM_RANDOM", grade, quote(claims.address, 100))
    return None


@lru_cache(maxsize=4096)
def _strewn(label: str) -> float:
    """How much a label looks like a draw of letters, 0..1: runs of consonants, digits between letters."""
    if len(label) < 7 or "-" in label or "." in label or "_" in label or "+" in label or "=" in label:
        return 0.0
    run = longest = turns = 0
    before = ""
    for letter in label:
        kind = "d" if letter.isdigit() else "v" if letter in _VOWELS else "c"
        run = run + 1 if kind == "c" else 0
        longest = max(longest, run)
        turns += before != "" and (kind == "d") != (before == "d")
        before = kind
    return round(min(1.0, max(0.0, 0.25 * (longest - 5), 0.25 * (turns - 2))), 3)


def _greets_address(claims: _Claims) -> Symbol | None:
    """`Dear jane.doe@example.org`: whoever has dealings with a person knows a name."""
    for text in claims.message.texts[:2]:
        greeted = _GREETING.match(text.visible) if "@" in text.visible[:GREETING] else None
        if greeted and greeted[1].lower() in claims.recipients():
            return Symbol("GREETS_ADDRESS", evidence=f"the text greets {quote(greeted[1])}")
    return None


def _styled(claims: _Claims) -> Symbol | None:
    """Letters of mathematics, circles and full width, which look like letters and are not found as such."""
    for text in (claims.display, claims.message.subject[:LONGEST]):
        if not text.isascii() and len(found := _STYLED.findall(text)) > 2:
            return Symbol("STYLED_LETTERS", evidence=f"{len(found)} letters of another kind in {quote(text)}")
    return None


def _pictures(claims: _Claims) -> Symbol | None:
    if not claims.display.isascii() and (found := _PICTURES.search(claims.display)):
        return Symbol("FROM_NAME_PICTURE", evidence=f"{found[0]!a} in {quote(claims.display)}")
    return None


def _reply_elsewhere(claims: _Claims) -> Symbol | None:
    reply = _ADDRESS.search(claims.first("reply-to"), 0, LONGEST)
    domain = domain_of(reply[0]) if reply else claims.domain
    if domain == claims.domain or not claims.org or domain in FREEMAIL or registered_domain(domain) == claims.org:
        return None
    if claims.listed() or claims.first("list-unsubscribe"):
        return None
    return Symbol("REPLYTO_ELSEWHERE", evidence=f"Reply-To at {quote(domain)}, From at {quote(claims.domain)}")


def _message_id(claims: _Claims) -> Symbol | None:
    """A Message-ID borrowed from a provider that the sender does not write from."""
    match = _ID_HOST.search(claims.first("message-id"), 0, LONGEST)
    if not match:
        return None
    host = match[1].lower()
    if host in FREEMAIL and host != claims.domain and not claims.listed():
        return Symbol("MSGID_FREEMAIL", evidence=f"Message-ID of {quote(host)}, From at {quote(claims.domain)}")
    return None


def _stale(claims: _Claims) -> Symbol | None:
    """A program that was given up long before the mail was written: a mailer's disguise."""
    value = (claims.first("x-mailer") or claims.first("user-agent"))[:LONGEST].strip().lower()
    if value[:3] not in _STALE_HEADS or not value.startswith(_STALE_STARTS):
        return None
    since = max(year for start, year in _STALE.items() if value.startswith(start))
    sent = parse_date(claims.first("date"))
    if sent is None or 1970 + sent / SECONDS_A_YEAR < since:
        return None
    return Symbol("MAILER_STALE", evidence=quote(value, 60))


def _client(claims: _Claims) -> Symbol | None:
    """Name that the sending host gave, and name that it has, as the newest Received line between hosts says."""
    helo, name, ip = _hop(claims)
    if not ip or ip.startswith(("10.", "127.", "192.168.", "172.", "::1", "fe80")):
        return None
    if helo and ("." not in helo or helo.strip("[]") == ip) and ":" not in helo:
        return Symbol("CLIENT_HELO_ODD", evidence=f"host {ip} calls itself {quote(helo)}")
    if not name:
        return Symbol("CLIENT_NAMELESS", evidence=f"host {ip} has no name")
    if _LINE.search(name) and all(group in name for group in ip.split(".")[2:]):
        return Symbol("CLIENT_DYNAMIC", evidence=f"host {ip} is {quote(name)}")
    return None


def _hop(claims: _Claims) -> tuple[str, str, str]:
    """HELO, verified name and address of the client, from the envelope or else from the first such Received."""
    envelope = claims.envelope
    if envelope.client_ip:
        name = envelope.client_name or ("" if envelope.client_name == "" else "?")
        return envelope.helo or "", name, envelope.client_ip
    for value in claims.fields.get("received", ())[:4]:
        if hop := _given_in(value):
            helo, name, ip = hop
            return helo, "" if name in ("unknown", "may") else name, ip
    return "", "", ""


def _given_in(received: str) -> tuple[str, str, str] | tuple[()]:
    """HELO, name and address that a Received field gives in the common form, ``()`` if it does not."""
    if native is not None:
        given: tuple[str, str, str] | tuple[()] | None = native.client(received)
        if given is not None:
            return given
    match = _CLIENT.match(received, 0, 800)
    found = _IP.search(match[2]) if match else None
    if not match or not found:
        return ()
    return match[1].lower(), match[2].partition("[")[0].strip(" .").rpartition(" ")[2].lower(), found[1]


_Rule = Callable[[_Claims], Symbol | None]
_RULES: tuple[_Rule, ...] = (
    _role, _brand_domain, _like_recipient, _cheap, _random, _greets_address, _styled, _pictures, _reply_elsewhere,
    _message_id, _stale, _client,
)  # fmt: skip


def _suspected(claims: _Claims) -> Iterator[_Rule]:
    """The rules that may find something, in the order of `_RULES`: what each needs, as quickly as it can be seen."""
    org, domain, fields = claims.org, claims.domain, claims.fields
    free = domain in FREEMAIL
    if free and claims.display:
        yield _role
    if may_name_brand(org):
        yield _brand_domain
    if not free and len(org) >= SHORTEST:
        yield _like_recipient
    if domain.rpartition(".")[2] in _CHEAP:
        yield _cheap
    yield _random
    yield _greets_address
    exotic = not claims.display.isascii()
    if exotic or not claims.message.subject.isascii():
        yield _styled
    if exotic:
        yield _pictures
    if "reply-to" in fields:
        yield _reply_elsewhere
    if "message-id" in fields:
        yield _message_id
    if "x-mailer" in fields or "user-agent" in fields:
        yield _stale
    yield _client


class ClaimCheck:
    """Contradictions between who a sender claims to be, and address, mail program and sending host."""

    name = "claims"
    symbols = declared_by("claims")

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail, in order."""
        return [find(mail) for mail in mails]


def find(mail: Mail) -> Findings:
    """What `ClaimCheck` finds in one mail."""
    claims = _Claims(mail.message, mail.envelope)
    return tuple([symbol for rule in _suspected(claims) if (symbol := rule(claims)) is not None])

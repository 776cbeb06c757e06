"""Facts about a mail that hold in any language and at any site, as short tokens.

How sender, reply address, message id, recipients and links relate to each other, how the mail is built, what it
carries.  No token names a host, an address or a word of the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ..kernel import native

if TYPE_CHECKING:
    from ..message import Message

_AT = re.compile(r"@([a-z0-9.-]+)")
_HOST = re.compile(r"[a-z0-9.-]+")
_NUMERIC = re.compile(r"[0-9.]+\Z")
_ALNUM = re.compile(r"[^a-z0-9]+")
_REPLY = ("re:", "fw:", "fwd:", "aw:", "wg:", "sv:", "vs:", "tr:", "rv:", "antw:")
_SECOND = frozenset(("co", "com", "net", "org", "ac", "gov", "edu", "ne", "or", "go"))

PRESENT = ("cc", "reply-to", "date", "message-id", "mime-version")
"""Headers whose mere presence says something anywhere.  Those of lists, bulk mailers and mail programs were tried:
they tell corpora apart better than spam from ham, and mail of a corpus left out was judged worse for them."""


@lru_cache(4096)
def organisation(host: str) -> str:
    """The part of a host name that somebody registered, guessed without a list: good enough to compare."""
    labels = host.strip(".").split(".")
    if len(labels) > 2 and len(labels[-1]) == 2 and (labels[-2] in _SECOND or len(labels[-2]) == 2):
        return ".".join(labels[-3:])
    return ".".join(labels[-2:])


def _domain(text: str) -> str:
    """Organisation of the last address in ``text``, ``""`` if there is none."""
    return _last_domain(text) if len(text) <= _KEPT else _last_domain.__wrapped__(text)


_KEPT = 200
"""Characters of a header up to which its domain is kept: the same senders and recipients come again and again."""


@lru_cache(4096)
def _last_domain(text: str) -> str:
    low = text.lower()
    last = _HOST.match(low, low.rfind("@") + 1) if "@" in low else None
    if last:
        return organisation(last[0])
    found = _AT.findall(low)
    return organisation(found[-1]) if found else ""


def _grade(number: int) -> str:
    """Number of binary digits: a coarse logarithm."""
    return str(number.bit_length())


def structure(message: Message) -> list[str]:
    """The MIME tree as tokens, one per part, and the names of the headers in their order."""
    tokens = [
        f"%{min(part.depth, 6)}{part.content_type};{part.encoding[:16]};{part.charset[:16]}".replace(" ", "")
        for part in message.parts[:12]
    ]
    for part in message.attachments[:8]:
        names = part.names
        ending = names[0].rpartition(".")[2].lower()[:6].strip() if names and "." in names[0] else ""
        tokens.append(f"+{part.content_type}:{ending}".replace(" ", ""))
    return tokens


def _sender(message: Message) -> tuple[list[str], str, str]:
    """Tokens on sender, message id, reply address and recipients; the sender's and the id's organisation."""
    sender = message.header("from")
    here, identity = _domain(sender), _domain(message.header("message-id"))
    reply, to = message.header("reply-to"), message.header("to").strip()
    display = sender.partition("<")[0].strip(' "').lower() if "<" in sender else ""
    core, letters = here.partition(".")[0], _ALNUM.sub("", display)
    tokens = [
        "id=" + ("none" if not identity else "same" if identity == here else "other"),
        "rt=" + ("none" if not reply else "same" if _domain(reply) == here else "other"),
        "to=" + ("none" if not to else "nodom" if "@" not in to else "same" if _domain(to) == here else "other"),
        "rcpt=" + _grade(to.count("@") + message.header("cc").count("@")),
        "disp=" + ("none" if not display else "addr" if "@" in display else "name"),
        "tld=" + here.rpartition(".")[2][:8],
    ]
    if letters and core:
        tokens.append("own=" + ("1" if core in letters or letters in here.replace(".", "") else "0"))
    return tokens, here, identity


def _linking(message: Message, here: str, identity: str) -> list[str]:
    """Tokens on links: how many, to how many organisations, to the sender's own or to others."""
    links = message.links[:60]
    hosts = [link[3] for link in links if link[3]]
    organisations = list(map(organisation, hosts))
    own = organisations.count(here) if here else 0
    images = [link[2] for link in links].count("src")
    tokens = [
        "nl=" + _grade(len(hosts)),
        "nd=" + _grade(len(set(organisations))),
        "same=" + ("nolink" if not hosts else "all" if own == len(hosts) else "some" if own else "none"),
        "img=" + _grade(images),
    ]
    if any(map(_NUMERIC.match, set(hosts))):
        tokens.append("numeric")
    if hosts and identity:
        tokens.append("idlink=" + ("1" if identity in organisations else "0"))
    return tokens


def _measured(message: Message) -> tuple[int, int, int, int, int, int]:
    """Characters of the first text; capitals, digits and letters beyond ASCII in its first 2,000 characters,
    exclamation marks and quoted lines in its first 4,000."""
    texts = message.texts
    text = texts[0].visible if texts else ""
    start = text[:4000]
    counted = native.count(start) if native is not None else None
    return len(text), *(counted or _counted(start, start[:2000]))


def _writing(message: Message) -> list[str]:
    """Tokens on the text and the subject: length, capitals, digits, letters beyond ASCII, quoting."""
    length, capitals, digits, beyond, exclaimed, quoted = _measured(message)
    size, subject = max(min(length, 2000), 1), message.subject
    return [
        "len=" + _grade(length // 16),
        f"up={10 * capitals // size}",
        f"dg={20 * digits // size}",
        f"na={10 * beyond // size}",
        "ex=" + _grade(exclaimed),
        "qu=" + _grade(quoted),
        "sl=" + _grade(len(subject) // 4),
        "re=" + ("1" if subject[:5].lower().startswith(_REPLY) else "0"),
    ]


def _counted(start: str, head: str) -> tuple[int, int, int, int, int]:
    """Capitals, digits and letters beyond ASCII in ``head``, exclamation marks and quoted lines in ``start``."""
    raw = head.encode("utf-8", "replace")
    capitals = len(raw) - len(raw.translate(None, _CAPITALS))
    digits = len(raw) - len(raw.translate(None, _DIGITS))
    beyond = 0
    if len(raw) != len(head):
        others = _ASCII.sub("", head)
        capitals += sum(map(str.isupper, others))
        beyond = len(others)
    return capitals, digits, beyond, start.count("!"), start.count("\n>")


_ASCII = re.compile("[\\x00-\\x7f]+")
_CAPITALS = bytes(range(65, 91))
_DIGITS = bytes(range(48, 58))


def relations(message: Message) -> bytes:
    """All relation tokens of a mail, and those of sender and links joined in pairs; parted by spaces."""
    if native is not None:
        values = tuple(map(message.header, _RELATED))
        present = message.root.block.by_name
        made = native.relations(values, message.links, _measured(message), PRESENT, present)
        if made is not None:
            return made  # type: ignore[no-any-return]
    return " ".join(_relations(message)).encode("utf-8", "replace")


_RELATED = ("from", "message-id", "reply-to", "to", "cc", "subject")


def _relations(message: Message) -> list[str]:
    sender, here, identity = _sender(message)
    links = _linking(message, here, identity)
    joined = _joined(sender[0], sender[1], sender[2], sender[4], *links[:4])
    present = message.root.block.by_name
    return [*sender, *links, *_writing(message), *joined, *["h:" + name for name in PRESENT if name in present]]


@lru_cache(4096)
def _joined(first: str, second: str, third: str, fourth: str, *links: str) -> list[str]:
    """Tokens of a sender and of links in pairs; they are so few that the same come again and again."""
    return [f"{a}&{b}" for a in (first, second, third, fourth) for b in links]

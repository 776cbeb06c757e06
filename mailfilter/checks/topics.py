"""What a mail is about, as far as scams and unwanted offers are: phrases by topic and language, and who says so.

The phrases are data (``rules/topics.toml``).  A topic is graded by how much of it is there; a word that anybody may
write costs nothing, three of one topic do.  Facts beside the words say more than the words: an office that writes
from a free mailbox, an account to be confirmed at somebody else's site.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from ..message import Message
from ..symbols import Findings, Symbol, declared_by
from . import Mail
from ._hosts import FREEMAIL, domain_of, registered_domain
from ._lists import read_list
from ._phrases import Phrases, plain

LONGEST = 1_500
"""Characters of one text that are searched; a scam comes to its point."""
TEXTS = 3
"""Texts of one mail that are searched, its subject not counted."""
TELLING, COMMON = 2, 1
"""What a phrase of each kind is worth; a topic begins at `TELLING` and is full at `FULL`."""
FULL = 6
FIRST = 0.4
"""Grade of a topic that just begins."""
SHOWN = 3
"""Phrases that are shown as evidence."""

ASKING = frozenset(("TOPIC_ACCOUNT", "TOPIC_PARCEL", "TOPIC_PRIZE", "TOPIC_RENEWAL", "TOPIC_STORAGE", "TOPIC_TAX"))
"""Topics of which only an organisation can write, and that want the reader to go somewhere or to call."""
MONEY = frozenset(
    ("TOPIC_ADVANCE_FEE", "TOPIC_GIFT_CARD", "TOPIC_INVESTMENT", "TOPIC_JOB", "TOPIC_LOAN", "TOPIC_PAYMENT")
)
"""Topics of money that nobody settles from a free mailbox."""

_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+?\d{1,3}[ .-]{0,2})?\(?\d{3}\)?[ .\u2013-]{1,3}\d{3}[ .\u2013-]{1,3}\d{4}(?![\w-])"
)


class _Kind(NamedTuple):
    """What a phrase stands for."""

    topic: str
    worth: int


@cache
def _table() -> tuple[Phrases, tuple[_Kind, ...]]:
    """All phrases, and by their number what each stands for."""
    kinds, phrases = [], []
    for topic, tables in read_list("topics.toml").items():
        for kind, by_language in tables.items():
            for some in by_language.values():
                phrases += some
                kinds += [_Kind(topic, TELLING if kind == "telling" else COMMON)] * len(some)
    return Phrases(phrases), tuple(kinds)


class TopicCheck:
    """Scams and unwanted offers by their phrases, in several languages."""

    name = "topics"
    symbols = declared_by("topics")

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail, in order."""
        phrases, _ = _table()
        found = phrases.find([_shown(mail.message) for mail in mails])
        return [
            tuple(_findings(mail.message, numbers)) if numbers else ()
            for mail, numbers in zip(mails, found, strict=True)
        ]


def _shown(message: Message) -> bytes:
    """Subject and texts, as phrases are compared."""
    texts = message.texts
    if len(texts) == 1:
        return plain(f"{message.subject}\n{texts[0][2][:LONGEST]}")
    return plain("\n".join([message.subject, *[text[2][:LONGEST] for text in texts[:TEXTS]]]))


def _findings(message: Message, numbers: Sequence[int]) -> Iterator[Symbol]:
    phrases, kinds = _table()
    by_topic: dict[str, list[int]] = {}
    for number in numbers:
        by_topic.setdefault(kinds[number].topic, []).append(number)
    graded = {}
    for topic, some in by_topic.items():
        worth = sum(kinds[number].worth for number in some)
        if worth >= TELLING:
            graded[topic] = value = round(min(1.0, FIRST + (1 - FIRST) * (worth - TELLING) / (FULL - TELLING)), 3)
            words = ", ".join(repr(phrases.texts[number].decode().strip()) for number in some[:SHOWN])
            yield Symbol(topic, value, words)
    if graded:
        yield from _beside(message, graded)


def _beside(message: Message, graded: dict[str, float]) -> Iterator[Symbol]:
    """What the sender, the links and a telephone number say to a topic."""
    senders = message.addresses("from")
    domain = domain_of(senders[0].address.lower()) if senders else ""
    asking = max(sorted(graded.keys() & ASKING), key=graded.__getitem__, default="")
    money = max(sorted(graded.keys() & MONEY), key=graded.__getitem__, default="")
    if domain in FREEMAIL:
        if asking:
            yield Symbol("ASKS_FROM_FREEMAIL", 1.0, f"{asking} from a mailbox at {domain}")
        if money:
            yield Symbol("MONEY_FROM_FREEMAIL", 1.0, f"{money} from a mailbox at {domain}")
    if asking:
        hosts = [link.host for link in message.links[:50] if link.host and link.origin != "src"]
        if hosts and domain and registered_domain(domain) not in map(registered_domain, hosts):
            yield Symbol("ASKS_ELSEWHERE", graded[asking], f"{asking}, and no link leads to the sender's own domain")
        elif not hosts and (number := _phone(message)):
            yield Symbol("ASKS_TO_CALL", 1.0, f"{asking}, no link, and the telephone number {number}")


def _phone(message: Message) -> str:
    for text in message.texts[:TEXTS]:
        if match := _PHONE.search(text.visible, 0, LONGEST):
            return repr(match[0])
    return ""

"""What functions of eval rules share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeVar

import regex

from ..exact import STEPS
from ..facts import Facts
from ..program import find, program

Lists = Mapping[str, frozenset[str]]
"""Words of list directives by the name of the list, in lower case."""

_Found = TypeVar("_Found")


class Query(NamedTuple, Generic[_Found]):
    """What rules of one kind ask: a fact of the mail, and what one rule makes of it.

    ``fact``  found out once a mail for all rules that ask it; `None` hits none of them.  ``test``  the arguments of a
    rule to whether it hits; raises ValueError or IndexError for arguments that make no sense: the rule never hits.
    """

    fact: Callable[[Facts], _Found | None]
    test: Callable[[Sequence[str]], Callable[[_Found], bool]]


Listed = Callable[[Lists], Query[Any]]
"""A query that asks lists of the rule files: made for a rule set."""


def nothing(facts: Facts) -> None:
    """A fact that hits nothing."""


def flag(fact: Callable[[Facts], bool]) -> Query[bool]:
    """A query of a fact that is the answer."""
    return Query(fact, lambda arguments: bool)


MAX_ADDRESSES = 500
"""Addresses of one mail that lists are asked about."""


def once(facts: Facts, make: Callable[[Facts], _Found]) -> _Found:
    """What ``make`` finds out about a mail, found out once for all functions that want it."""
    known = facts.derived
    if make not in known:
        known[make] = make(facts)
    found: _Found = known[make]
    return found


def limit(text: str, without: float) -> float:
    """A limit out of a rule's arguments; ``undef`` is none."""
    return without if text == "undef" else float(text)


@lru_cache(256)
def globs(words: frozenset[str]) -> Callable[[str], bool]:
    """Whether a text in lower case is one of the words, in which ``*`` and ``?`` stand for characters."""
    plain = frozenset(word for word in words if "*" not in word and "?" not in word)
    wild = sorted(words - plain)
    if not wild:
        return plain.__contains__
    ends = tuple(word[1:] for word in wild if word[0] == "*" and "*" not in word[1:] and "?" not in word)
    others = [word for word in wild if not (word.startswith("*") and word[1:] in ends)]
    pieces = [re.sub(r"\*+", "*", word).split("*") for word in others]
    lasts = tuple(parts[-1] if "?" not in parts[-1] else "" for parts in pieces)

    @lru_cache(2048)
    def known(text: str) -> bool:
        if text in plain or text.endswith(ends):
            return True
        return text.endswith(lasts) and any(_fits(text, parts) for parts in pieces)

    return known


def _fits(text: str, parts: Sequence[str]) -> bool:
    """Whether ``parts``, with anything between them, make up the text (greedy from the left, the last at the end)."""
    first, *rest = parts
    if not rest:
        return len(text) == len(first) and _same(text, 0, first)
    if not _same(text, 0, first):
        return False
    at = len(first)
    for part in rest[:-1]:
        while at + len(part) <= len(text) and not _same(text, at, part):
            at += 1
        at += len(part)
    last = rest[-1]
    return len(text) - len(last) >= at and _same(text, len(text) - len(last), last)


def _same(text: str, at: int, part: str) -> bool:
    if "?" not in part:
        return text.startswith(part, at)
    return len(text) - at >= len(part) and all(
        wanted in ("?", char) for char, wanted in zip(text[at:], part, strict=False)
    )


PATTERN_TIME = 0.1
"""Seconds that one rule may look for its pattern in one mail."""


@lru_cache(256)
def pattern(text: str, ignore_case: bool = False) -> regex.Pattern[str]:
    """A pattern out of a rule's arguments.  Raises `ValueError` for one that cannot be read."""
    try:
        return regex.compile(text, regex.I if ignore_case else 0)
    except (regex.error, RecursionError) as error:
        raise ValueError(str(error)) from error


def found_in(texts: Iterable[str], wanted: regex.Pattern[str]) -> bool:
    """Whether a pattern is in one of the texts; not, when its time runs out before it is seen."""
    end = monotonic() + PATTERN_TIME
    try:
        return any(wanted.search(text, timeout=max(0.001, end - monotonic())) for text in texts)
    except TimeoutError:
        return False


class Sought:
    """A pattern out of a rule's arguments.  Raises `ValueError` for one that cannot be read.

    In ASCII text the kernel's matcher looks for it where it means the same there; it needs no clock.
    """

    def __init__(self, text: str, ignore_case: bool = False) -> None:
        self._pattern = pattern(text, ignore_case)
        same = find is not None and text.isascii() and not _OWN.search(text)
        self._program = program(text.encode(), "i" if ignore_case else "") if same else None

    def in_any(self, texts: Sequence[str]) -> bool:
        """Whether it is in one of the texts; not, when its time runs out before it is seen."""
        if find is None or self._program is None:
            return found_in(texts, self._pattern)
        for number, text in enumerate(texts):
            end = find(self._program, text.encode(), 0, len(text), STEPS, 1) if text.isascii() else None
            if end is None:
                return found_in(texts[number:], self._pattern)
            if end >= 0:
                return True
        return False


_OWN = re.compile(r"\\[sS]|\{(?!\d)|\[\[|\[:")
"""What `regex` takes for something else than the matcher does: Unicode's blanks, fuzzy matches, named classes."""


def head(facts: Facts) -> str:
    """Names and raw values of all header fields in one text, to see what can be in none of them."""
    return once(facts, _head)


def _head(facts: Facts) -> str:
    block = facts.message.root.block
    return "\n".join((*block.written, *block.raws))


def addresses(facts: Facts, targets: Iterable[str]) -> list[str]:
    """Addresses in headers (``"From:addr"``), in lower case, each once."""
    found: dict[str, None] = {}
    for target in targets:
        for line in (facts.field(target) or "").lower().split("\n"):
            if "@" in line and len(found) < MAX_ADDRESSES:
                found[line.strip()] = None
    return list(found)


def _present(facts: Facts, names: Iterable[str]) -> list[str]:
    """Targets that ask for the addresses in those of the fields that are there."""
    index = facts.index
    return [f"{name}:addr" for name in names if name.lower() in index]


def senders(facts: Facts) -> list[str]:
    """Every address that a mail gives as its sender's: that of a resent mail, else those of all sender fields.

    The addresses of mailboxes that hand mail on automatically (``+caf_=`` of Google) are nobody's.
    """
    return once(facts, _senders)


def _senders(facts: Facts) -> list[str]:
    resent = addresses(facts, _present(facts, ("Resent-From",)))
    every = resent or addresses(facts, [*_present(facts, _FROM), "EnvelopeFrom:addr"])
    return [address for address in every if "+caf_=" not in address]


def recipients(facts: Facts) -> list[str]:
    """Every address that a mail, its envelope or the notes of a delivering host give as a recipient's."""
    return once(facts, _recipients)


def _recipients(facts: Facts) -> list[str]:
    told = [address.lower() for address in facts.envelope.rcpt_to] if facts.envelope is not None else []
    resent = addresses(facts, _present(facts, ("Resent-To", "Resent-Cc")))
    shown = resent or addresses(facts, _present(facts, _TO))
    return list(dict.fromkeys([*told, *shown]))


_FROM = ("From", "Envelope-Sender", "Resent-Sender", "X-Envelope-From")
_TO = ("To", "Cc", "Apparently-To", "Delivered-To", "Envelope-Recipients", "Apparently-Resent-To", "X-Envelope-To",
       "Envelope-To", "X-Delivered-To", "X-Original-To", "X-Rcpt-To", "X-Real-To")  # fmt: skip

"""Dialogues over DNS: generators that yield questions, are sent answers and return a result; nothing here asks.

The evaluators of SPF, DKIM, DMARC and ARC are written against these few helpers, and `mailfilter.lookups.engine`
drives them.  A question that could not be answered is never taken for "there is no such record".
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any, TypeVar

from ..lookups import Answer, DnsAnswer, DnsQuestion, DnsState, Question

T = TypeVar("T")
Dialogue = Generator[tuple[Question, ...], tuple[Answer, ...], T]
"""Yields questions to be asked side by side, is sent their answers in the same order, returns a result."""

MAX_NAME = 253
"""Characters of a domain name in text form without its final dot (RFC 1035 section 3.1)."""


def ask(questions: Sequence[DnsQuestion]) -> Dialogue[tuple[DnsAnswer, ...]]:
    """One round; an answer of another kind than DNS counts as malformed.  With no questions nothing is asked."""
    if not questions:
        return ()
    answers = yield tuple(questions)
    return tuple(map(_as_dns, answers))


def ask_one(name: str, rdtype: str) -> Dialogue[DnsAnswer]:
    """One question."""
    answers = yield from ask((DnsQuestion(name, rdtype),))
    return answers[0]


def _as_dns(answer: Answer) -> DnsAnswer:
    if isinstance(answer, DnsAnswer):
        return answer
    return DnsAnswer(DnsState.MALFORMED, detail=f"the resolver gave {type(answer).__name__}")


def together(dialogues: Iterable[Dialogue[Any]]) -> Dialogue[list[Any]]:
    """Several dialogues in step: their questions share each round, so the time taken is that of the longest."""
    running = list(dialogues)
    results: list[Any] = [None] * len(running)
    asked: dict[int, tuple[Question, ...]] = {}
    for number, dialogue in enumerate(running):
        _step(number, dialogue, None, asked, results)
    while asked:
        answers = yield tuple(question for questions in asked.values() for question in questions)
        position = 0
        for number, questions in list(asked.items()):
            share = answers[position : position + len(questions)]
            position += len(questions)
            _step(number, running[number], share, asked, results)
    return results


def _step(
    number: int,
    dialogue: Dialogue[Any],
    answers: tuple[Answer, ...] | None,
    asked: dict[int, tuple[Question, ...]],
    results: list[Any],
) -> None:
    try:
        asked[number] = next(dialogue) if answers is None else dialogue.send(answers)
    except StopIteration as stop:
        asked.pop(number, None)
        results[number] = stop.value


def askable(name: str) -> str | None:
    """A host name as questions have it, lower case and without the final dot; None for what DNS cannot hold.

    A name has two labels or more here: no mail comes from a top-level domain.  One with a backslash is none, lest an
    escaped dot pass for the border of a label.
    """
    name = name.removesuffix(".").lower()
    labels = name.split(".")
    if len(name) > MAX_NAME or len(labels) < 2 or not all(0 < len(label) < 64 for label in labels):
        return None
    if not name.isascii():
        return _ace(name)
    return name if name.isprintable() and " " not in name and "\\" not in name else None


def _ace(name: str) -> str | None:
    """An internationalised name in its ASCII form (RFC 3490); None where it has none."""
    try:
        return askable(name.encode("idna").decode("ascii"))
    except UnicodeError:
        return None

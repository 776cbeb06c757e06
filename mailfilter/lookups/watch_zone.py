"""One zone of DNS lists, and the tests that it has to pass."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

from ..dnslists import DnsList, ListAnswer, ListState, raw_name, read_list_answer
from . import Answer, DnsAnswer, DnsQuestion, DnsState
from .watch_rates import Window
from .watch_store import Known


class Probe(NamedTuple):
    """One test: the question, what it is called, and whether it must be listed."""

    question: DnsQuestion
    what: str
    listed: bool


@dataclass(slots=True)
class Zone:
    """One zone with the lists that are asked in it, and what this process has seen of it.

    ``public``  how it stands in questions; ``asked``  the same with its key, as DNS is asked.
    """

    name: str
    public: str
    asked: str
    lists: tuple[DnsList, ...]
    known: Known = field(default_factory=Known)
    failures: int = 0
    trial: bool = False
    """Whether a question of ours is finding out if it answers again."""
    window: Window = field(default_factory=Window)
    unheard: str = field(default_factory=lambda: secrets.token_hex(10))
    """A label that nobody has asked for before this test."""

    def real(self, question: DnsQuestion) -> DnsQuestion:
        """The question with the key in it."""
        if self.public == self.asked:
            return question
        return DnsQuestion(question.name.removesuffix(self.public) + self.asked, question.rdtype)

    def read(self, answer: Answer) -> ListAnswer:
        """What an answer means, to any of the lists that share the zone."""
        found = ListAnswer(ListState.MALFORMED)
        for definition in self.lists:
            found = read_list_answer(definition, answer)
            if found.state is not ListState.MALFORMED:
                break
        return found


def probes(zone: Zone) -> tuple[Probe, ...]:
    """The test points of a zone, and a name that cannot be listed because nobody knew it until now."""
    definition = zone.lists[0]
    points = []
    for text, listed in zip(definition.tests, (True, False), strict=True):
        if text:
            points.append(Probe(DnsQuestion(raw_name(definition, text)), text, listed))
    return (*points, Probe(DnsQuestion(f"{zone.unheard}.{zone.asked}"), "a name that does not exist", False))


def fault_of(probe: Probe, read: ListAnswer, answer: DnsAnswer) -> str:
    """What is wrong with the answer to a test, ``""`` if it is right or did not come."""
    if answer.state is DnsState.NOT_FOUND:
        return f"{probe.what} is not listed, as it must be (RFC 5782)" if probe.listed else ""
    if answer.state is not DnsState.FOUND:
        return ""
    if read.state is ListState.REFUSED:
        return f"it refuses: {read.detail}"
    if read.state is ListState.MALFORMED and not own_code(read, answer):
        return f"{probe.what}: {read.detail}"
    return "" if probe.listed else f"{probe.what} is listed, as it must not be (RFC 5782)"


def own_code(read: ListAnswer, answer: DnsAnswer) -> bool:
    """Whether an answer is the list's, only with a code that it does not declare."""
    return (
        read.state is ListState.MALFORMED
        and bool(answer.records)
        and not answer.alias
        and all(record.startswith("127.") for record in answer.records)
    )

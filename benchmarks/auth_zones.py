"""DNS out of a mapping, for dialogues that are played without a resolver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mailfilter.authentication.dialogue import Dialogue
from mailfilter.lookups import Answer, DnsAnswer, DnsQuestion, DnsState, Question

MAX_ROUNDS = 64
"""What the engine allows a dialogue."""

Records = Mapping[str, Sequence[str] | DnsState]
"""Record type (``*``: any) → records, or how the question ends."""


class Zones:
    """Answers out of ``zone``, name → records; aliases are followed as a resolver does.

    ``asked``  every question in order; ``rounds``  how often a dialogue waited.
    """

    def __init__(self, zone: Mapping[str, Records]) -> None:
        self.zone = {name.lower().rstrip(".").replace(" ", "\\032"): records for name, records in zone.items()}
        self.asked: list[DnsQuestion] = []
        self.rounds = 0

    def answer(self, question: DnsQuestion) -> DnsAnswer:
        """Answer one question."""
        self.asked.append(question)
        name = question.name
        for _ in range(10):
            records = self.zone.get(name, {})
            found = records.get(question.rdtype, records.get("*"))
            if isinstance(found, DnsState):
                return DnsAnswer(found)
            if found:
                return DnsAnswer(DnsState.FOUND, tuple(found), 60)
            alias = records.get("CNAME")
            if not alias or isinstance(alias, DnsState):
                break
            name = alias[0].lower().rstrip(".")
        return DnsAnswer(DnsState.NOT_FOUND)

    def play(self, dialogue: Dialogue[Any]) -> Any:
        """Drive a dialogue to its end.  Raises RuntimeError where it asks on and on."""
        answers: tuple[Answer, ...] | None = None
        for _ in range(MAX_ROUNDS + 1):
            try:
                questions = next(dialogue) if answers is None else dialogue.send(answers)
            except StopIteration as stop:
                return stop.value
            self.rounds += 1
            answers = tuple(self._any(question) for question in questions)
        raise RuntimeError(f"still asking after {MAX_ROUNDS} rounds")

    def _any(self, question: Question) -> Answer:
        return self.answer(question) if isinstance(question, DnsQuestion) else DnsAnswer(DnsState.DISABLED)

"""A lookup that answers out of a mapping, for tests of checks and chains without a socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from ..deadline import Deadline
from ..lookups import Answer, Question, no_answer


class AnswersLookup:
    """Answers what stands in ``answers``; everything else gets ``default``, or "nobody answered" without one.

    ``delay``  seconds that every answer takes; beyond the deadline the answer is a timeout, as with a real lookup.
    ``asked``  every question in the order in which it was asked.
    """

    def __init__(
        self,
        kind: type[Any],
        answers: Mapping[Any, Answer] | None = None,
        *,
        default: Answer | None = None,
        delay: float = 0.0,
    ) -> None:
        self.kind = kind
        self.answers = dict(answers or {})
        self.default = default
        self.delay = delay
        self.asked: list[Question] = []

    def ask(self, question: Any, deadline: Deadline) -> Any:
        """The answer, after ``delay``."""
        self.asked.append(question)
        if self.delay:
            time.sleep(min(self.delay, deadline.remaining()))
        return self._answer(question, deadline)

    async def aask(self, question: Any, deadline: Deadline) -> Any:
        """The answer, after ``delay``."""
        self.asked.append(question)
        if self.delay:
            await asyncio.sleep(min(self.delay, deadline.remaining()))
        return self._answer(question, deadline)

    def close(self) -> None:
        """Nothing to let go of."""

    def _answer(self, question: Question, deadline: Deadline) -> Answer:
        if self.delay and deadline.expired:
            return no_answer(question, timed_out=True, detail="no answer before the deadline")
        answer = self.answers.get(question, self.default)
        return no_answer(question, timed_out=False, detail="not among the answers") if answer is None else answer

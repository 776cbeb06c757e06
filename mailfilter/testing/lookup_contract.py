"""What every `mailfilter.lookups.Lookup` promises, as a test that can be run on any."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..deadline import Deadline
from ..lookups import Answer, DnsAnswer, DnsQuestion, DnsState, Lookup, Question, ScanAnswer, ScanQuestion

SLACK = 0.15
"""Seconds that an answer may come after its deadline, beside a tenth of the deadline itself."""


def check_lookup(lookup: Lookup, questions: Sequence[Question], seconds: float = 1.0, threads: int = 8) -> None:
    """Hold ``lookup`` to the contract with these questions; raises AssertionError that says what was broken.

    It never raises; it returns by the deadline, also by one that has passed; the answer is of the question's kind;
    blocking and awaited, alone and from ``threads`` threads or tasks at once, it gives the same states; after
    `close` it answers again.  The questions are to be ones whose answers do not change meanwhile.
    """
    assert lookup.kind in (DnsQuestion, ScanQuestion), f"kind is {lookup.kind!r}, no kind of question"
    assert all(isinstance(question, lookup.kind) for question in questions), "questions of another kind"
    alone = [_asked(lookup, question, seconds) for question in questions]
    awaited = asyncio.run(_all_awaited(lookup, questions, seconds))
    assert _states(awaited) == _states(alone), f"awaited {_states(awaited)}, blocking {_states(alone)}"
    with ThreadPoolExecutor(threads) as pool:
        rounds = list(pool.map(lambda _: [_asked(lookup, question, seconds) for question in questions], range(threads)))
    for answers in rounds:
        assert _states(answers) == _states(alone), f"beside others {_states(answers)}, alone {_states(alone)}"
    _check_late(lookup, questions)
    lookup.close()
    again = [_asked(lookup, question, seconds) for question in questions]
    assert _states(again) == _states(alone), f"after close {_states(again)}, before {_states(alone)}"


def _asked(lookup: Lookup, question: Question, seconds: float) -> Answer:
    begun = time.monotonic()
    try:
        answer = lookup.ask(question, Deadline.after(seconds))
    except Exception as error:
        raise AssertionError(f"ask({question!r}) raised {error!r}") from error
    return _checked(question, answer, time.monotonic() - begun, seconds)


async def _all_awaited(lookup: Lookup, questions: Sequence[Question], seconds: float) -> list[Answer]:
    return list(await asyncio.gather(*(_awaited(lookup, question, seconds) for question in questions)))


async def _awaited(lookup: Lookup, question: Question, seconds: float) -> Answer:
    begun = time.monotonic()
    try:
        answer = await lookup.aask(question, Deadline.after(seconds))
    except Exception as error:
        raise AssertionError(f"aask({question!r}) raised {error!r}") from error
    return _checked(question, answer, time.monotonic() - begun, seconds)


def _checked(question: Question, answer: Any, took: float, seconds: float) -> Answer:
    wanted = DnsAnswer if isinstance(question, DnsQuestion) else ScanAnswer
    assert isinstance(answer, wanted), f"the answer to {question!r} is {answer!r}, no {wanted.__name__}"
    if isinstance(answer, DnsAnswer):
        found = answer.state is DnsState.FOUND
        assert found == bool(answer.records), f"{question!r}: {answer.state} with records {answer.records!r}"
    assert took <= seconds * 1.1 + SLACK, f"{question!r} took {took:.2f} s with a deadline of {seconds:g} s"
    return answer


def _check_late(lookup: Lookup, questions: Sequence[Question]) -> None:
    """With no time left an answer is still of its kind, and comes at once; what it says may be known already."""
    for question in questions:
        _asked(lookup, question, 0.0)
    asyncio.run(_all_awaited(lookup, questions, 0.0))


def _states(answers: Sequence[Answer]) -> list[str]:
    return [answer.state.value for answer in answers]

"""The content check: graded, sure of nothing beyond its points, quiet on what the model does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.checks import Mail
from mailfilter.checks.content import ContentCheck, ham_grade, spam_grade
from mailfilter.classifier import Judgement, Model
from mailfilter.envelope import Envelope
from mailfilter.message import Message
from mailfilter.symbols import Symbol, declared_by

from .laws import GOLDEN

POINTS = {symbol.name: symbol.points for symbol in declared_by("content")}
MAIL = Mail(Message(b"Subject: x\n\ny"), Envelope())
LOG_ODDS = st.floats(-1e6, 1e6)


@dataclass
class Said:
    """A model that says one thing of every mail."""

    log_odds: float
    known: float = 0.9
    threshold: float = 4.5
    facts: dict[str, Any] = field(default_factory=dict)

    def judge(self, messages: Sequence[Message]) -> Judgement:
        return Judgement(np.full(len(messages), self.log_odds), np.full(len(messages), self.known))


def found(said: Said) -> dict[str, Symbol]:
    return {symbol.name: symbol for symbol in ContentCheck(said).run([MAIL])[0]}


def points(symbols: dict[str, Symbol]) -> float:
    return sum(POINTS[name] * symbol.value for name, symbol in symbols.items())


@given(LOG_ODDS, st.floats(0, 20))
def test_points_stay_between_those_of_ham_and_quarantine(log_odds: float, threshold: float) -> None:
    assert -3.0 <= points(found(Said(log_odds, threshold=threshold))) <= 7.0


@given(LOG_ODDS, LOG_ODDS, st.floats(0, 20))
def test_more_likely_spam_never_has_fewer_points(one: float, other: float, threshold: float) -> None:
    less, more = sorted((one, other))
    assert points(found(Said(less, threshold=threshold))) <= points(found(Said(more, threshold=threshold)))


def test_at_the_threshold_content_alone_just_quarantines() -> None:
    assert points(found(Said(4.5))) == pytest.approx(6.0, abs=0.01)
    assert points(found(Said(4.3))) < 6 < points(found(Said(4.7)))


def test_what_is_not_sure_says_nothing() -> None:
    assert set(found(Said(0.5))) == {"CONTENT_PROBABILITY"}
    assert set(found(Said(0.0, known=0.1))) == {"CONTENT_PROBABILITY", "CONTENT_STRANGE"}
    assert points(found(Said(0.0, known=0.1))) == 0


def test_evidence_and_probability() -> None:
    symbols = found(Said(5.3, known=0.824))
    assert symbols["CONTENT_SPAM"].evidence == "log-odds 5.3, familiarity 0.82"
    assert symbols["CONTENT_PROBABILITY"].value == pytest.approx(0.995033, abs=1e-6)
    assert found(Said(-5.3))["CONTENT_HAM"].value == 1.0


@given(LOG_ODDS, st.floats(0, 20))
def test_grades_are_between_nothing_and_one(log_odds: float, threshold: float) -> None:
    assert 0 <= spam_grade(log_odds, threshold) <= 1
    assert 0 <= ham_grade(log_odds) <= 1


def test_batch_is_single_and_order_is_free() -> None:
    check = ContentCheck(Model.load())
    batch = [Mail(Message(raw), Envelope()) for raw in GOLDEN[:60]]
    found = list(check.run(batch))
    assert found == [check.run([mail])[0] for mail in batch]
    assert found == list(check.run(batch[::-1]))[::-1]


def test_every_finding_is_declared() -> None:
    for log_odds in (-9.0, -2.0, 0.0, 2.0, 9.0):
        for known in (0.1, 0.9):
            assert set(found(Said(log_odds, known))) <= set(POINTS)

"""Stacking from feedback: who errs is outvoted, who is right is believed, and the prior rules before any feedback."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.classifier.fusion import Stack, chance

JUDGES = ([0.0, 1.0, 0.5], [0.25, 0.25, 0.25])


def test_before_feedback_the_prior_decides() -> None:
    assert Stack(*JUDGES).log_odds((1.0, 3.0, -2.0)) == pytest.approx(3.0 - 1.0)


def test_one_step_is_newtons_by_hand() -> None:
    stack = Stack([0.0], [0.5])
    stack.learn((2.0,), True)
    # p = 1/2, curvature 1/4, variance of the log-odds 0.5 * 4 = 2: gain 1 / (4 + 2) * 0.5 * 2 = 1/6, times 4 * 1/2.
    assert stack.mean == pytest.approx([1 / 6 * 4 * 0.5])
    assert stack.covariance[0][0] == pytest.approx(0.5 - 1 / 6)


def test_a_judge_that_is_always_wrong_is_outvoted_within_tens() -> None:
    stack = Stack(*JUDGES)
    for number in range(30):
        sign = 1.0 if number % 2 else -1.0
        stack.learn((1.0, -4 * sign, 2 * sign), sign > 0)
    assert stack.log_odds((1.0, -4.0, 2.0)) > 0
    assert stack.mean[1] < 0.3 < stack.mean[2]


@given(st.lists(st.tuples(st.floats(-8, 8), st.floats(-8, 8), st.booleans()), max_size=60))
def test_any_feedback_leaves_finite_numbers_and_a_covariance(feedback: list[tuple[float, float, bool]]) -> None:
    stack = Stack(*JUDGES)
    for one, other, spam in feedback:
        stack.learn((1.0, one, other), spam)
    assert all(map(math.isfinite, stack.numbers()))
    table = np.array(stack.covariance)
    assert np.allclose(table, table.T)
    assert np.linalg.eigvalsh(table).min() > 0
    again = Stack(*JUDGES)
    again.restore(stack.numbers())
    assert again.numbers() == stack.numbers()


@pytest.mark.parametrize("numbers", [[], [0.0] * 11, [math.nan] * 12, [0.0] * 13])
def test_damaged_numbers_are_refused(numbers: list[float]) -> None:
    with pytest.raises(ValueError, match="damaged"):
        Stack(*JUDGES).restore(numbers)


def test_chance_is_safe_for_any_number() -> None:
    assert 0 < chance(-1e300) < 1e-9
    assert chance(0) == 0.5
    assert 1 - 1e-9 < chance(1e300) <= 1

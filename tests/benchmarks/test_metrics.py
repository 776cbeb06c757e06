"""Measures against values worked out by hand, and the rule that nothing is called better without proof."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpus import miss_at, roca
from benchmarks.metrics import (
    BUDGETS,
    Errors,
    compare,
    ece,
    error_row,
    errors,
    lam,
    mcnemar,
    percentile_interval,
    probability,
    ranking_row,
    reliability,
    resample,
    verdict,
)

# Three ham, two spam: of six pairs one is inverted (3 over 2), one is tied (2 and 2): (1 + 0.5) / 6 = 25 %.
SCORES = [1.0, 2.0, 3.0, 2.0, 5.0]
SPAM = [False, False, False, True, True]


def test_roca_counts_a_tie_as_half_an_inversion() -> None:
    assert roca(SCORES, SPAM) == pytest.approx(25.0)
    assert roca([1.0, 1.0], [False, True]) == 50.0
    assert roca([2.0, 1.0], [False, True]) == 100.0


def test_spam_missed_within_a_budget_of_ham() -> None:
    # No ham may be lost: the threshold is 3, the spam at 2 is missed.  One of three may: threshold 2, still missed.
    assert miss_at(SCORES, SPAM, 0.0) == 50.0
    assert miss_at(SCORES, SPAM, 0.34) == 50.0
    assert miss_at(SCORES, SPAM, 0.67) == 0.0


def test_errors_of_a_filters_own_word() -> None:
    assert errors([False, True, True, False, True], SPAM) == Errors(ham=3, spam=2, ham_lost=2, spam_missed=1)


def test_lam_is_the_mean_of_the_log_odds() -> None:
    # 0 of 99 ham: 0.5/100; 9 of 99 spam: 9.5/100.
    odds = math.sqrt((0.005 / 0.995) * (0.095 / 0.905))
    assert lam(Errors(99, 99, 0, 9)) == pytest.approx(100 * odds / (1 + odds))
    assert lam(Errors(99, 99, 49, 49)) == pytest.approx(49.5)


def test_ece_of_two_bins_by_hand() -> None:
    # Bins {0.1, 0.3} with one spam of two: gap 0.3.  {0.7, 0.9} with two of two: gap 0.2.  Mean 0.25.
    assert ece([0.9, 0.1, 0.7, 0.3], [True, True, True, False], bins=2) == pytest.approx(0.25)
    found = reliability([0.9, 0.1, 0.7, 0.3], [True, True, True, False], bins=2)
    assert found.stated.tolist() == pytest.approx([0.2, 0.8])
    assert found.true.tolist() == [0.5, 1.0]
    assert found.mass.tolist() == [0.5, 0.5]


def test_ece_weighs_bins_of_unequal_size_by_their_mails() -> None:
    # Half of the mails at 0 are spam.  Bins {0} (gap 0.5) and {0, 1} (0.5 stated, 0.75 true): 0.5 / 3 + 2 * 0.25 / 3.
    assert ece([0.0, 0.0, 1.0], [True, False, True], bins=2) == pytest.approx(1 / 3)


def test_balanced_ece_does_not_depend_on_how_much_ham_there_is() -> None:
    # Stated 0.5 for all: right when both classes weigh the same, off by 0.25 where three of four are ham.
    assert ece([0.5] * 8, [True, True] + [False] * 6, balanced=True) == pytest.approx(0.0)
    assert ece([0.5] * 8, [True, True] + [False] * 6) == pytest.approx(0.25)


def test_ece_does_not_depend_on_the_order_of_equal_probabilities() -> None:
    spam = [True] * 10 + [False] * 10
    assert ece([0.5] * 20, spam) == pytest.approx(0.0)
    assert ece([0.5] * 20, spam[::-1]) == pytest.approx(0.0)


def test_fewer_mails_than_bins() -> None:
    assert ece([0.0, 1.0], [False, True]) == 0.0
    assert math.isnan(ece([], []))


def test_probability_does_not_overflow() -> None:
    assert probability([0.0, math.log(3), 1e6, -1e6]).tolist() == pytest.approx([0.5, 0.75, 1.0, 0.0])


levels = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40)


@given(levels)
def test_resampling_each_mail_once_gives_the_measure_itself(mails: list[tuple[int, bool]]) -> None:
    from benchmarks.metrics import _Ranking

    scores, spam = np.array([float(s) for s, _ in mails]), np.array([label for _, label in mails])
    if spam.all() or not spam.any():
        return
    ranking = _Ranking.of(scores, spam)
    value, missed = ranking.measure(np.ones((1, (~spam).sum())), np.ones((1, spam.sum())))
    assert value[0] == pytest.approx(roca(scores, spam))
    for name, share in BUDGETS.items():
        assert missed[name][0] == pytest.approx(miss_at(scores, spam, share))


def test_intervals_are_the_same_each_time_and_hold_the_value() -> None:
    random = np.random.default_rng(1)
    spam = np.arange(400) % 2 == 0
    scores = random.normal(size=400) + 2 * spam
    low, high = percentile_interval(resample([scores], spam)[0].roca)
    assert (low, high) == percentile_interval(resample([scores], spam)[0].roca)
    assert low < roca(scores, spam) < high
    # Hanley and McNeil's standard error for this AUC of about 0.92 is about 0.013; the interval spans 4 of them.
    assert 2.5 < high - low < 8


def test_no_error_at_all_is_not_reported_as_certainty() -> None:
    row = ranking_row([0.0] * 100 + [1.0] * 50, [False] * 100 + [True] * 50)
    assert row["one_minus_roca_pct"] == 0
    assert row["one_minus_roca_interval"][1] == pytest.approx(300 / 50, rel=0.05)


def test_one_class_only_has_no_ranking() -> None:
    assert ranking_row([1.0, 2.0], [False, False])["one_minus_roca_pct"] is None
    row = error_row(Errors(2, 0, 1, 0))
    assert row["fp_pct"] == 50.0
    assert row["fn_pct"] is None


def test_mcnemar_by_hand() -> None:
    # Five mails that only the first gets wrong, none the other way: two-sided p = 2 / 2^5.
    assert mcnemar([True] * 5 + [False], [False] * 6) == pytest.approx(2 / 32)
    assert mcnemar([True, False], [False, True]) == 1.0
    assert mcnemar([True, True], [True, True]) == 1.0


def test_a_lucky_mail_more_is_not_called_better() -> None:
    spam = np.arange(200) % 2 == 0
    good = np.where(spam, 1.0, -1.0)
    worse = good.copy()
    worse[0] = -2.0
    row = compare(("a", "b"), (good, worse), (good > 0, worse > 0), spam)
    assert row["one_minus_roca"] == row["fp"] == row["fn"] == "not shown"


def test_a_filter_that_errs_on_every_tenth_mail_is_worse() -> None:
    spam = np.arange(200) % 2 == 0
    good = np.where(spam, 1.0, -1.0)
    bad = np.where(np.arange(200) % 20 < 2, -good * 2, good)
    row = compare(("bad", "good"), (bad, good), (bad > 0, good > 0), spam)
    assert (row["one_minus_roca"], row["fp"], row["fn"]) == ("worse", "worse", "worse")
    turned = compare(("good", "bad"), (good, bad), (good > 0, bad > 0), spam)
    assert (turned["one_minus_roca"], turned["fp"], turned["fn"]) == ("better", "better", "better")


def test_a_filter_is_not_better_than_itself() -> None:
    scores = np.random.default_rng(2).normal(size=60)
    row = compare(("a", "a"), (scores, scores), (scores > 0, scores > 0), np.arange(60) % 3 == 0)
    assert {row["one_minus_roca"], row["fp"], row["fn"]} == {"not shown"}


def test_an_interval_that_touches_zero_shows_nothing() -> None:
    assert verdict(-1.0, 0.0) == verdict(0.0, 1.0) == "not shown"
    assert verdict(-1.0, -0.1) == "better"

"""The base rate: a list that lists everyone or no one is found out, and one that is only lucky is not."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from mailfilter.lookups.watch_rates import EVERYONE, FEWEST, NO_ONE, History, Window, suspicion, usual_share


def window(asked: int, listed: int) -> Window:
    return Window({f"{number}.test" for number in range(asked)}, listed)


def test_everyone_and_no_one() -> None:
    tenth = History(1000, 100)
    assert suspicion(window(50, 50), tenth) == EVERYONE
    assert suspicion(window(50, 47), tenth) == EVERYONE
    assert suspicion(window(50, 30), tenth) == ""
    assert suspicion(window(50, 0), tenth) == ""  # one in two hundred: may be chance
    assert suspicion(window(400, 0), tenth) == NO_ONE


@given(st.integers(0, 2000), st.data())
def test_without_a_history_nothing_is_said(asked: int, data: st.DataObject) -> None:
    assert suspicion(window(asked, data.draw(st.integers(0, asked))), History()) == ""


@given(st.integers(0, FEWEST - 1), st.data(), st.integers(0, 5000))
def test_of_few_answers_nothing_is_said(asked: int, data: st.DataObject, history: int) -> None:
    assert suspicion(window(asked, data.draw(st.integers(0, asked))), History(5000, history)) == ""


@given(st.integers(1, 5000), st.data())
def test_the_usual_share_lies_around_what_was_seen(asked: int, data: st.DataObject) -> None:
    listed = data.draw(st.integers(0, asked))
    low, high = (usual_share(History(asked, listed), highest) for highest in (False, True))
    assert 0.0 <= low <= listed / asked <= high <= 1.0
    more = [usual_share(History(10 * asked, 10 * listed), highest) for highest in (False, True)]
    assert low - 1e-9 <= more[0]
    assert more[1] <= high + 1e-9


def test_a_list_of_those_who_are_always_listed_is_not_accused() -> None:
    assert suspicion(window(500, 500), History(1000, 990)) == ""
    assert suspicion(window(500, 0), History(1000, 0)) == ""


def test_chance_is_not_taken_for_a_change() -> None:
    """Two thousand windows at the rate that is usual: not one accusation."""
    draw = random.Random(7)
    for rate in (0.02, 0.3, 0.5, 0.85, 0.97):
        history = History(200, 200 * rate)
        for _ in range(400):
            listed = sum(draw.random() < rate for _ in range(100))
            assert suspicion(window(100, listed), history) == "", rate


def test_a_subject_counts_once() -> None:
    found = Window()
    for _ in range(100):
        found.add("one.test", True)
    assert (len(found.seen), found.listed) == (1, 1)


def test_history_fades() -> None:
    history = History()
    for _ in range(100):
        history.add(100, 100)
    for _ in range(200):
        history.add(100, 0)
    assert history.asked <= 5000
    assert history.listed / history.asked < 0.1

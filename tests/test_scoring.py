"""Points: exact sums, one mail as a million, order of no account (laws 4 and 5)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.errors import SettingError
from mailfilter.scoring import (
    MAX_VALUE,
    SCALE,
    Caps,
    Hits,
    Weights,
    any_hit,
    contributions,
    cuts,
    flagged,
    merge,
    score,
    sums,
)
from mailfilter.symbols import Catalogue, Symbol, SymbolInfo

NAMES = [f"S{number}" for number in range(12)]
CATALOGUE = Catalogue(
    [SymbolInfo(name, name, "headers", (number - 4) * 0.337, "test") for number, name in enumerate(NAMES)]
    + [SymbolInfo("SILENT", "not known", "unknown", 0.0, "test")]
)
WEIGHTS = Weights.from_catalogue(CATALOGUE, {})

symbols = st.builds(Symbol, st.sampled_from([*NAMES, "SILENT"]), st.floats(-5, 1e4, width=32), st.text(max_size=5))
rows = st.lists(st.lists(symbols, max_size=15), max_size=12)


@given(rows)
def test_shown_contributions_add_up_exactly(found: list[list[Symbol]]) -> None:
    merged = [merge(row, WEIGHTS) for row in found]
    hits = Hits.from_rows(merged, WEIGHTS)
    per_hit = contributions(hits, WEIGHTS.thousandths)
    points = score(hits, WEIGHTS.thousandths)
    for number in range(len(found)):
        shown = per_hit[hits.indptr[number] : hits.indptr[number + 1]].tolist()
        assert sum(shown) == points[number]


@given(rows, st.randoms())
def test_batch_and_order_do_not_matter(found: list[list[Symbol]], random: object) -> None:
    whole = score(Hits.from_rows([merge(row, WEIGHTS) for row in found], WEIGHTS), WEIGHTS.thousandths)
    for number, row in enumerate(found):
        shuffled = list(row)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert merge(shuffled, WEIGHTS) == merge(row, WEIGHTS)
        alone = score(Hits.from_rows([merge(shuffled, WEIGHTS)], WEIGHTS), WEIGHTS.thousandths)
        assert alone.tolist() == [whole[number]]


@given(rows)
def test_silence_is_worth_nothing(found: list[list[Symbol]]) -> None:
    with_silence = [merge([*row, Symbol("SILENT", 7.0)], WEIGHTS) for row in found]
    without = [merge([symbol for symbol in row if symbol.name != "SILENT"], WEIGHTS) for row in found]
    assert np.array_equal(
        score(Hits.from_rows(with_silence, WEIGHTS), WEIGHTS.thousandths),
        score(Hits.from_rows(without, WEIGHTS), WEIGHTS.thousandths),
    )


def test_the_largest_value_counts_once_and_evidence_is_kept() -> None:
    merged = merge([Symbol("S1", 0.5, "b"), Symbol("S0"), Symbol("S1", 2.0, "a"), Symbol("S1", 1.0, "b")], WEIGHTS)
    assert merged == [Symbol("S0"), Symbol("S1", 2.0, "a | b")]


@pytest.mark.parametrize(("given_value", "kept"), [(float("nan"), 0.0), (float("inf"), MAX_VALUE), (-3.0, 0.0)])
def test_values_are_bounded(given_value: float, kept: float) -> None:
    assert merge([Symbol("S1", given_value)], WEIGHTS)[0].value == kept


def test_settings_override_points() -> None:
    weights = Weights.from_catalogue(CATALOGUE, {"S3": 2.5})
    assert weights.thousandths[weights.column["S3"]] == 2500
    assert weights.thousandths[weights.column["S4"]] == 0


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"NOPE": 1.0}, "scores.NOPE: no such symbol"),
        ({"SILENT": 1.0}, "scores.SILENT: what is not known carries no points"),
        ({"S1": 1e9}, "scores.S1: 1000000000.0 is not between"),
    ],
)
def test_a_score_that_cannot_be_is_refused(scores: dict[str, float], said: str) -> None:
    with pytest.raises(SettingError) as caught:
        Weights.from_catalogue(CATALOGUE, scores, "my.toml")
    assert str(caught.value).startswith(f"my.toml: {said}")


def test_any_hit_marks_rows() -> None:
    hits = Hits.from_rows([[Symbol("S1")], [], [Symbol("S2"), Symbol("S5")]], WEIGHTS)
    marked = np.zeros(len(WEIGHTS.names), np.bool_)
    marked[WEIGHTS.column["S5"]] = True
    assert any_hit(hits, marked).tolist() == [False, False, True]


GROUPED = Catalogue(
    SymbolInfo(name, name, ("headers", "links", "content")[number % 3], (number - 4) * 0.7, "test")
    for number, name in enumerate(NAMES)
)
caps = st.dictionaries(st.sampled_from(["headers", "links", "content"]), st.floats(0, 6), min_size=1)
plain_rows = st.lists(
    st.lists(st.builds(Symbol, st.sampled_from(NAMES), st.floats(0, 50, width=32)), max_size=15), max_size=12
)


@given(plain_rows, caps)
def test_a_group_counts_for_no_more_than_its_cap_and_the_sum_stays_the_score(
    found: list[list[Symbol]], limits: dict[str, float]
) -> None:
    weights = Weights.from_catalogue(GROUPED, {}, caps=limits)
    assert weights.caps is not None
    merged = [merge(row, weights) for row in found]
    hits = Hits.from_rows(merged, weights)
    per_hit = contributions(hits, weights.thousandths)
    total = score(hits, weights.thousandths, weights.caps)
    assert np.array_equal(total, sums(hits, per_hit) + cuts(hits, per_hit, weights.caps).sum(axis=1))
    for number, row in enumerate(merged):
        expected = 0
        by_group: dict[str, int] = {}
        for symbol, points in zip(row, per_hit[hits.indptr[number] : hits.indptr[number + 1]].tolist(), strict=True):
            group = GROUPED[symbol.name].group
            by_group[group] = by_group.get(group, 0) + points
        for group, points in by_group.items():
            limit = round(limits[group] * SCALE) if group in limits else abs(points)
            expected += min(max(points, -limit), limit)
        alone = score(Hits.from_rows([row], weights), weights.thousandths, weights.caps)
        assert total[number] == alone[0] == expected


@given(plain_rows, caps, st.sampled_from(NAMES), st.floats(0, 20))
def test_raising_a_score_under_a_cap_never_lowers_the_sum(
    found: list[list[Symbol]], limits: dict[str, float], name: str, more: float
) -> None:
    low = Weights.from_catalogue(GROUPED, {}, caps=limits)
    high = Weights.from_catalogue(GROUPED, {name: GROUPED[name].points + more}, caps=limits)
    hits = Hits.from_rows([merge(row, low) for row in found], low)
    assert (score(hits, high.thousandths, high.caps) >= score(hits, low.thousandths, low.caps)).all()


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"malware": 3.0}, "groups.malware: malware outranks the score"),
        ({"unknown": 3.0}, "groups.unknown: what is not known carries no points"),
        ({"headers": -1.0}, "groups.headers: -1.0 is not between 0 and 1000"),
    ],
)
def test_a_cap_that_cannot_be_is_refused(limits: dict[str, float], said: str) -> None:
    with pytest.raises(SettingError) as caught:
        Caps.of(GROUPED, limits, "my.toml")
    assert str(caught.value).startswith(f"my.toml: {said}")


def test_long_rows_and_empty_ones_in_a_table_of_many_blocks() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(0, 12, 40_000)
    lengths[[0, 5, 39_999]], lengths[20_000] = 0, 70_000
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    indices = random.integers(0, 12, indptr[-1], dtype=np.int32)
    hits = Hits(indptr, indices, random.random(indptr[-1]))
    weights = Weights.from_catalogue(GROUPED, {}).thousandths
    assert np.array_equal(score(hits, weights), sums(hits, contributions(hits, weights)))
    flags = np.zeros(12, np.uint8)
    flags[3], flags[7] = 1, 4
    assert np.array_equal(flagged(hits, flags) > 0, any_hit(hits, flags > 0))
    assert np.array_equal(flagged(hits, flags) & 4 > 0, any_hit(hits, flags == 4))


def test_no_rows() -> None:
    hits = Hits.from_rows([], WEIGHTS)
    assert hits.rows == 0
    assert score(hits, WEIGHTS.thousandths).tolist() == []
    assert SCALE == 1000

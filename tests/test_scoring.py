"""Points: exact sums, one mail as a million, order of no account (laws 4 and 5)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.errors import SettingError
from mailfilter.scoring import MAX_VALUE, SCALE, Hits, Weights, any_hit, contributions, merge, score
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


def test_no_rows() -> None:
    hits = Hits.from_rows([], WEIGHTS)
    assert hits.rows == 0
    assert score(hits, WEIGHTS.thousandths).tolist() == []
    assert SCALE == 1000

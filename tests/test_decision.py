"""Decisions: one action each, never milder for more points, malware above all (laws 1, 4, 6)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.decision import (
    ACTIONS,
    ALLOWED,
    DENIED,
    Action,
    Decisions,
    GreylistState,
    Marks,
    Policy,
    Reason,
    decide,
    decide_each,
)
from mailfilter.scoring import Hits, Weights
from mailfilter.symbols import Catalogue, Symbol, SymbolInfo

CATALOGUE = Catalogue(
    [
        SymbolInfo("VIRUS", "malware", "malware", 0.0, "test"),
        SymbolInfo("DEAD", "scanner dead", "unknown", 0.0, "test"),
        SymbolInfo("MUTE", "list mute", "unknown", 0.0, "test"),
        SymbolInfo("RULE", "a rule", "headers", 1.0, "test"),
        SymbolInfo(DENIED, "on the deny list", "sender", 0.0, "test"),
        SymbolInfo(ALLOWED, "on the allow list, proved", "sender", 0.0, "test"),
    ]
)
WEIGHTS = Weights.from_catalogue(CATALOGUE, {})
POLICY = Policy(floors={"DEAD": Action.GREYLIST})

limits = st.one_of(st.none(), st.floats(-50, 50))
points = st.integers(-100_000, 100_000)
rows = st.lists(st.sampled_from(["VIRUS", "DEAD", "MUTE", "RULE", DENIED, ALLOWED]), max_size=4, unique=True)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    in_order = sorted(draw(st.lists(st.floats(-50, 50), min_size=4, max_size=4)))
    never = draw(st.lists(st.booleans(), min_size=4, max_size=4))
    four = [None if off else limit for limit, off in zip(in_order, never, strict=True)]
    floors = draw(st.dictionaries(st.sampled_from(["DEAD", "MUTE"]), st.sampled_from(ACTIONS)))
    stern = st.sampled_from(ACTIONS[2:])
    disarm = draw(st.frozensets(st.sampled_from(["MUTE", "RULE"])))
    return Policy(*four, on_malware=draw(stern), floors=floors, disarm=disarm, on_denied=draw(stern))


def one(policy: Policy, score: int, names: list[str], state: GreylistState = GreylistState.NOT_ASKED) -> Action:
    hits = Hits.from_rows([[Symbol(name) for name in sorted(names, key=WEIGHTS.names.index)]], WEIGHTS)
    states = np.array([state], np.int8)
    decided = decide(np.array([score], np.int64), hits, Marks.of(CATALOGUE, policy), policy, states)
    return ACTIONS[decided.actions[0]]


@pytest.mark.parametrize(
    ("score", "action"),
    [
        (3999, "accept"),
        (4000, "greylist"),
        (5999, "greylist"),
        (6000, "quarantine"),
        (12000, "bounce"),
        (10**9, "bounce"),
    ],
)
def test_default_limits_and_delete_only_by_policy(score: int, action: str) -> None:
    assert one(POLICY, score, []) == action
    assert one(replace(POLICY, delete=20.0), 10**9, []) is Action.DELETE


@given(policies(), points, points, rows, st.sampled_from(list(GreylistState)))
def test_more_points_are_never_milder(
    policy: Policy, low: int, more: int, names: list[str], state: GreylistState
) -> None:
    high = low + abs(more)
    assert one(policy, high, names, state).severity >= one(policy, low, names, state).severity


@given(policies(), points, rows, st.sampled_from(["greylist", "quarantine", "bounce", "delete"]), st.floats(0, 30))
def test_a_lower_limit_is_never_milder(policy: Policy, score: int, names: list[str], which: str, by: float) -> None:
    limit = getattr(policy, which)
    if limit is None:
        return
    order = ["greylist", "quarantine", "bounce", "delete"]
    lower = {name: getattr(policy, name) for name in order}
    # Lowering one limit past a milder one's takes that one along, as the settings demand that they rise.
    for name in order[: order.index(which) + 1]:
        if lower[name] is not None:
            lower[name] = min(lower[name], limit - by)
    assert one(replace(policy, **lower), score, names).severity >= one(policy, score, names).severity


@given(policies(), points, rows, st.sampled_from(list(GreylistState)))
def test_malware_outranks_everything(policy: Policy, score: int, names: list[str], state: GreylistState) -> None:
    assert one(policy, score, [*{*names, "VIRUS"}], state).severity >= policy.on_malware.severity


@given(st.lists(st.tuples(points, rows, st.sampled_from(list(GreylistState))), max_size=20), policies())
def test_a_table_decides_as_its_rows_do(table: list[tuple[int, list[str], GreylistState]], policy: Policy) -> None:
    merged = [[Symbol(name) for name in sorted(names, key=WEIGHTS.names.index)] for _, names, _ in table]
    decided = decide(
        np.array([score for score, _, _ in table], np.int64),
        Hits.from_rows(merged, WEIGHTS),
        Marks.of(CATALOGUE, policy),
        policy,
        np.array([state for _, _, state in table], np.int8),
    )
    assert [ACTIONS[action] for action in decided.actions] == [one(policy, *row) for row in table]


def test_what_is_not_known_raises_to_its_floor_only() -> None:
    assert one(POLICY, 0, ["DEAD"]) is Action.GREYLIST
    assert one(POLICY, 0, ["MUTE"]) is Action.ACCEPT
    assert one(POLICY, 7000, ["DEAD"]) is Action.QUARANTINE


def test_a_sender_who_came_back_passes_the_band_but_not_a_floor() -> None:
    assert one(POLICY, 4500, [], GreylistState.WAIT) is Action.GREYLIST
    assert one(POLICY, 4500, [], GreylistState.PASSED) is Action.ACCEPT
    assert one(POLICY, 4500, ["DEAD"], GreylistState.PASSED) is Action.GREYLIST
    assert one(POLICY, 6500, [], GreylistState.PASSED) is Action.QUARANTINE


def test_what_may_be_taken_out_is_held_and_marked() -> None:
    """Only what would be accepted without it; until it is taken out, nothing is milder than being held."""
    policy = Policy(floors={"DEAD": Action.GREYLIST}, disarm=frozenset({"MUTE"}), disarm_malware=True)

    def decided(score: int, *names: str) -> tuple[Action, Reason, bool]:
        hits = Hits.from_rows([[Symbol(name) for name in sorted(names, key=WEIGHTS.names.index)]], WEIGHTS)
        found = decide(np.array([score], np.int64), hits, Marks.of(CATALOGUE, policy), policy)
        return ACTIONS[found.actions[0]], Reason(found.reasons[0]), bool(found.disarm[0])

    assert decided(0) == (Action.ACCEPT, Reason.SCORE, False)
    assert decided(0, "VIRUS") == (Action.QUARANTINE, Reason.MALWARE, True)
    assert decided(0, "MUTE") == (Action.QUARANTINE, Reason.NOT_KNOWN, True)
    assert decided(0, "VIRUS", "MUTE") == (Action.QUARANTINE, Reason.MALWARE, True)
    assert decided(0, "VIRUS", "DEAD") == (Action.QUARANTINE, Reason.MALWARE, False)
    assert decided(7000, "VIRUS") == (Action.QUARANTINE, Reason.MALWARE, False)
    assert decided(99_000, "VIRUS") == (Action.BOUNCE, Reason.MALWARE, False)
    assert decided(0, "DEAD") == (Action.GREYLIST, Reason.NOT_KNOWN, False)


def test_reasons() -> None:
    hits = Hits.from_rows([[Symbol("VIRUS")], [Symbol("DEAD")], [], []], WEIGHTS)
    states = np.array([0, 0, GreylistState.PASSED, 0], np.int8)
    scores = np.array([20_000, 0, 4500, 0], np.int64)
    decided = decide(scores, hits, Marks.of(CATALOGUE, POLICY), POLICY, states)
    assert [Reason(reason) for reason in decided.reasons] == [
        Reason.MALWARE,
        Reason.NOT_KNOWN,
        Reason.GREYLIST_PASSED,
        Reason.SCORE,
    ]


def settled(policy: Policy, score: int, *names: str) -> tuple[Action, Reason]:
    hits = Hits.from_rows([[Symbol(name) for name in sorted(names, key=WEIGHTS.names.index)]], WEIGHTS)
    decided = decide(np.array([score], np.int64), hits, Marks.of(CATALOGUE, policy), policy)
    return ACTIONS[decided.actions[0]], Reason(decided.reasons[0])


def test_the_order_of_authority() -> None:
    assert settled(POLICY, 99_000, ALLOWED) == (Action.ACCEPT, Reason.ALLOWED)
    assert settled(POLICY, 0, DENIED) == (Action.BOUNCE, Reason.DENIED)
    assert settled(POLICY, -9000, DENIED, ALLOWED) == (Action.BOUNCE, Reason.DENIED)
    assert settled(POLICY, -9000, "VIRUS", ALLOWED) == (Action.QUARANTINE, Reason.MALWARE)
    assert settled(POLICY, 0, "VIRUS", DENIED) == (Action.BOUNCE, Reason.MALWARE)
    assert settled(POLICY, 99_000, "DEAD", ALLOWED) == (Action.GREYLIST, Reason.NOT_KNOWN)


@given(policies(), points, rows, st.sampled_from(list(GreylistState)))
def test_deny_beats_allow_and_both_only_do_what_they_are_for(
    policy: Policy, score: int, names: list[str], state: GreylistState
) -> None:
    bare = [name for name in names if name not in (DENIED, ALLOWED)]
    neither, denied = one(policy, score, bare, state), one(policy, score, [*bare, DENIED], state)
    allowed, both = one(policy, score, [*bare, ALLOWED], state), one(policy, score, [*bare, DENIED, ALLOWED], state)
    assert both is denied
    assert denied.severity >= max(neither.severity, policy.on_denied.severity)
    assert allowed.severity <= neither.severity
    assert allowed is one(replace(policy, greylist=None, quarantine=None, bounce=None, delete=None), 0, bare)


@given(
    st.lists(policies(), min_size=1, max_size=4),
    st.lists(st.tuples(points, rows, st.sampled_from(list(GreylistState)), st.integers(0, 3)), max_size=30),
)
def test_rows_with_policies_of_their_own_are_decided_as_if_alone(
    chosen: list[Policy], table: list[tuple[int, list[str], GreylistState, int]]
) -> None:
    which = [number % len(chosen) for _, _, _, number in table]
    merged = [[Symbol(name) for name in sorted(names, key=WEIGHTS.names.index)] for _, names, _, _ in table]
    decided = decide_each(
        np.array([score for score, _, _, _ in table], np.int64),
        Hits.from_rows(merged, WEIGHTS),
        [(policy, Marks.of(CATALOGUE, policy)) for policy in chosen],
        np.array(which, np.int64),
        np.array([state for _, _, state, _ in table], np.int8),
    )
    alone = [one(chosen[own], *row[:3]) for row, own in zip(table, which, strict=True)]
    assert [ACTIONS[action] for action in decided.actions] == alone


def test_a_lower_limit_that_is_not_in_order_takes_effect_all_the_same() -> None:
    odd = Policy(greylist=8.0, quarantine=6.0, bounce=None, delete=7.0)
    assert [one(odd, score, []).value for score in (5999, 6000, 7000)] == ["accept", "quarantine", "delete"]


@given(st.data())
def test_the_mildest_of_some_rows_does_not_hang_on_their_order(data: st.DataObject) -> None:
    row = st.tuples(st.integers(0, 4), st.sampled_from([int(reason) for reason in Reason]), st.booleans())
    groups = data.draw(st.lists(st.lists(row, min_size=1, max_size=4), min_size=1, max_size=5))
    shuffled = [data.draw(st.permutations(group)) for group in groups]

    def mildest(groups: list[list[tuple[int, int, bool]]]) -> tuple[list[int], list[int], list[bool]]:
        flat = [row for group in groups for row in group]
        starts = np.cumsum([0, *map(len, groups)])[:-1]
        columns = [np.array(column) for column in zip(*flat, strict=True)]
        found = Decisions(columns[0].astype(np.int8), columns[1].astype(np.int8), columns[2]).mildest(starts)
        return found.actions.tolist(), found.reasons.tolist(), found.disarm.tolist()

    actions, reasons, disarm = mildest(groups)
    assert (actions, reasons, disarm) == mildest(shuffled)
    assert actions == [min(group)[0] for group in groups]
    for action, reason, group in zip(actions, reasons, groups, strict=True):
        assert (action, reason) in {row[:2] for row in group}
    assert disarm == [all(row[2] for row in group) for group in groups]

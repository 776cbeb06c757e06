"""Metas, worked out as far as they can have changed, against all of them worked out from everything."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.ruleset.expressions import OPERATIONS, Node, names, parse
from mailfilter.ruleset.metas import MAX_ASKED, Metas
from mailfilter.ruleset.reader import read_text

RULES = [f"R{number}" for number in range(6)]
MOST = dict(zip(RULES, (4, 4, 2, 1, 1, 1), strict=True))
"""The most that a rule counts."""
METAS = ["M0", "__M1", "__M2", "M3", "__M4", "M5", "__M6", "M7"]
BODY = "".join(
    f"body {name} /x/\n" + (f"tflags {name} multiple maxhits={most}\n" if most > 1 else "")
    for name, most in MOST.items()
)


class Case(NamedTuple):
    """Metas, rules that nobody runs, what hit, what is pending and what will be found of it, and what often hits."""

    metas: dict[str, str]
    unknown: set[str]
    found: dict[str, float]
    pending: dict[str, float]
    common: set[str]


class Everything:
    """What every meta is worth at least and at most, one after the other."""

    def __init__(self, case: Case) -> None:
        self.worth: dict[str, tuple[float, float]] = {name: (count, count) for name, count in case.found.items()}
        self.worth |= {name: (count, count) for name, count in case.pending.items()}
        self.worth |= dict.fromkeys(case.unknown, (0, 1))
        self.uncertain = set(case.unknown)
        for name, text in case.metas.items():
            tree = parse(text)
            low, high = self.bounds(tree)
            self.worth[name] = positive(low), positive(high)
            if self.uncertain & set(names(tree)):
                self.uncertain.add(name)

    def hits(self) -> dict[str, float]:
        return {name: low for name, (low, _) in self.worth.items() if low}

    def bounds(self, node: Node) -> tuple[float, float]:
        kind, parts = node.kind, [self.bounds(part) for part in node.parts]
        if kind == "number":
            return float(node.value), float(node.value)
        if kind == "name":
            return self.worth.get(node.value, (0, 0))
        if kind in ("==", "?") and self.uncertain & set(names(node)):
            return 0, 1
        low, high = parts[0]
        if kind == "!":
            return float(not high), float(not low)
        least, most = parts[1]
        if kind == "?":
            return (least if low else parts[2][0]), (most if high else parts[2][1])
        operation = OPERATIONS[kind]
        if kind in ("-", ">", ">="):
            return operation(low, most), operation(high, least)
        return (
            (operation(high, least), operation(low, most))
            if kind == "<"
            else (operation(low, least), operation(high, most))
        )


def positive(worth: float) -> float:
    return (worth if worth > 0 else 1) if worth else 0


def expression(dice: Random, known: list[str], depth: int = 3) -> str:
    """Some expression over names."""
    kinds = ["name", "name", "name", "!", "&&", "&&", "||", "sum", ">", "<", "+", "-", "==", "?"]
    kind = dice.choice(kinds) if depth else "name"
    if kind == "name":
        return dice.choice(known)
    one, other = (expression(dice, known, depth - 1) for _ in range(2))
    if kind == "!":
        return f"!({one})"
    if kind == "sum":
        terms = [one, other, *dice.choices(known, k=dice.randrange(5))]
        return f"({' + '.join(f'({term})' for term in terms)}) {dice.choice(('>', '>='))} {dice.randrange(4)}"
    if kind == "?":
        return f"(({one}) ? ({other}) : {dice.choice(known)})"
    return f"(({one}) {kind} ({other}))"


def some(dice: Random, of: list[str], most: int) -> set[str]:
    return set(dice.sample(of, dice.randrange(min(most, len(of)) + 1)))


def case_of(dice: Random) -> Case:
    metas = {name: expression(dice, [*RULES, *METAS[:number]]) for number, name in enumerate(METAS)}
    unknown = some(dice, RULES, 2)
    left = [name for name in RULES if name not in unknown]
    counts: dict[str, float] = {name: dice.randrange(MOST[name] + 1) for name in left}
    pending = some(dice, left, 6)
    found = {name: count for name, count in counts.items() if count and name not in pending}
    return Case(metas, unknown, found, {name: counts[name] for name in pending}, some(dice, RULES, 6))


def made(case: Case) -> Metas:
    rules = read_text(BODY + "".join(f"meta {name} {text}\n" for name, text in case.metas.items()))
    assert not rules.errors
    return Metas(rules.rules, case.unknown, (), [name for name in RULES if name not in case.unknown], case.common)


def run(metas: Metas, case: Case, subrules: bool) -> dict[str, float]:
    found = dict(case.found)

    def resolve(answer: tuple[str, float]) -> None:
        if answer[1]:
            found[answer[0]] = answer[1]

    pending = {name: (name, count) for name, count in case.pending.items()}
    return metas.run(found, pending, resolve, subrules)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_left_out_would_not_have_hit(seed: int) -> None:
    case = case_of(Random(seed))
    expected, metas = Everything(case).hits(), made(case)
    every, shown = run(metas, case, True), run(metas, case, False)
    for name in METAS:
        assert every.get(name, 0) == expected.get(name, 0)
        assert name.startswith("__") or shown.get(name, 0) == expected.get(name, 0)


@pytest.mark.parametrize(
    ("meta", "found", "asked"),
    [
        ("__A && __B && C", {}, set()),
        ("(__A || C) && __B", {"C"}, {"__B"}),
        ("(__A + __B + C) > 2", {}, set()),
        ("(__A + __B + C) > 2", {"C"}, {"__A", "__B"}),
        ("!C && !__A", {"C"}, set()),
        ("__NONE && (__A > 0)", {}, set()),
        ("__A && (__NEVER || __NONE)", {}, set()),
    ],
)
def test_nobody_is_asked_whose_answer_cannot_matter(meta: str, found: set[str], asked: set[str]) -> None:
    text = "body __A /x/\nbody __B /x/\nbody C /x/\nbody __NEVER /x/\nbody __NONE /x/\n"
    metas = Metas(read_text(f"{text}meta M {meta}\n").rules, (), (), ["__A", "__B", "__NEVER", "__NONE"])
    said: set[str] = set()
    metas.run(dict.fromkeys(found, 1), {"__A": "__A", "__B": "__B"}, said.add, False)
    assert said == asked


@pytest.mark.parametrize("first", ["__D0 __R", "D0 __R"])
def test_a_long_row_of_metas_is_worked_out_without_depth(first: str) -> None:
    prefix = first.split("0", maxsplit=1)[0]
    length = 50 * MAX_ASKED
    row = "".join(f"meta {prefix}{n} {prefix}{n - 1} && !UNKNOWN || {prefix}{n - 1}\n" for n in range(1, length))
    rules = read_text(
        f"body __R /x/\nmeta {first}\n{row}meta LAST {prefix}{length - 1}\nmeta NOT !{prefix}{length - 1}\n"
    )
    metas = Metas(rules.rules, ["UNKNOWN"])
    for subrules in (True, False):
        assert metas.run({"__R": 1}, subrules=subrules)["LAST"] == 1
        assert metas.run({}, subrules=subrules).get("NOT") == 1

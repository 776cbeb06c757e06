"""The public suites: every case comes out as the suite wants, but for those that are left out by name and reason."""

from __future__ import annotations

import pytest

from benchmarks import auth_suites

ROOT = auth_suites.folder()
pytestmark = pytest.mark.skipif(ROOT is None, reason="MAILFILTER_AUTH_SUITES does not name the folder of the suites")


@pytest.fixture(scope="module")
def cases() -> list[auth_suites.Case]:
    pytest.importorskip("yaml")
    assert ROOT is not None
    return list(auth_suites.cases(ROOT))


@pytest.mark.parametrize(("suite", "number"), auth_suites.SIZES.items())
def test_a_suite_comes_out(suite: str, number: int, cases: list[auth_suites.Case]) -> None:
    mine = [case for case in cases if case.suite == suite]
    assert len(mine) == number
    wrong = {
        case.name: (got, case.expected)
        for case in mine
        if not case.left_out and (got := case.outcome()) not in case.expected
    }
    assert wrong == {}


def test_what_is_left_out_would_come_out_otherwise(cases: list[auth_suites.Case]) -> None:
    left_out = {(case.suite, case.name) for case in cases if case.left_out}
    assert left_out == auth_suites.LEFT_OUT.keys()
    assert not [case.name for case in cases if case.left_out and case.outcome() in case.expected]

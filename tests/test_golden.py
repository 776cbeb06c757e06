"""Golden cases: each file in ``tests/golden`` through the whole chain, and every symbol of ours both ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailfilter.chain import FilterChain
from mailfilter.config import Config
from mailfilter.deadline import Deadline
from mailfilter.lookups import Answer, DnsQuestion, Question, ScanQuestion
from mailfilter.symbols import declared_by, shipped_catalogue
from tests.golden_cases import GoldenCase, read_folder

CASES = read_folder(Path(__file__).parent / "golden")
CHECKS = ("headers", "sender", "structure", "links", "attachments", "claims", "traps", "topics", "client")
"""Checks of which every symbol has a case that hits and a near miss."""


class _CaseLookup:
    """Answers what the case says."""

    def __init__(self, case: GoldenCase, kind: type) -> None:
        self.case = case
        self.kind = kind

    def ask(self, question: Question, deadline: Deadline) -> Answer:
        return self.case.answer(question)

    async def aask(self, question: Question, deadline: Deadline) -> Answer:
        return self.case.answer(question)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def chain_of():
    """Chains by their settings: most cases share the default one."""
    chains: dict[str, FilterChain] = {}

    def get(case: GoldenCase) -> FilterChain:
        lookups = [
            _CaseLookup(case, kind) for kind, given in ((DnsQuestion, case.dns), (ScanQuestion, case.scan)) if given
        ]
        key = repr(case.settings)
        if lookups:
            config = Config.from_mapping(case.settings, case.file)
            return FilterChain(config, lookups=lookups, stateless="reputation" not in case.settings)
        if key not in chains:
            chains[key] = FilterChain(Config.from_mapping(case.settings, case.file), stateless=True)
        return chains[key]

    return get


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_golden(case, chain_of):
    verdict = chain_of(case).check(case.raw, case.envelope)
    where = f"{case.file}:{case.line}"
    found = {symbol.name: symbol.evidence for symbol in verdict.symbols}
    unknown = {symbol.name: symbol.evidence for symbol in verdict.unknown}
    missing = [name for name in case.expect if name not in found]
    assert not missing, f"{where}: not found: {missing}; found: {found}"
    unwanted = {name: found[name] for name in case.expect_not if name in found}
    assert not unwanted, f"{where}: found but not expected: {unwanted}"
    unasked = [name for name in case.expect_unknown if name not in unknown]
    assert not unasked, f"{where}: not unknown: {unasked}; unknown: {unknown}"
    if case.expect_action:
        assert verdict.action.value == case.expect_action, f"{where}: score {verdict.score}: {found}"


@pytest.mark.parametrize("check", CHECKS)
def test_every_symbol_has_a_case_that_hits_and_a_near_miss(check):
    names = {info.name for info in declared_by(check)}
    assert names - {name for case in CASES for name in (*case.expect, *case.expect_unknown)} == set()
    assert names - {name for case in CASES for name in case.expect_not} == set()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_symbols_that_a_case_names_exist(case, chain_of):
    known = {info.name for info in shipped_catalogue()} | set(chain_of(case).catalogue)
    assert {*case.expect, *case.expect_not, *case.expect_unknown} - known == set()

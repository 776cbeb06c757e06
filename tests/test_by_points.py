"""Verdicts in plain numbers are those that the arrays give, and only of mails that nothing but points decides."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mailfilter import Config, Envelope, FilterChain, Mail, Message, Symbol
from mailfilter.by_points import ByPoints
from mailfilter.deciding import Deciding
from mailfilter.greylist import Greylist
from mailfilter.policy.rules import RuleIndex
from mailfilter.scoring import by_column

CONFIG = Config.from_mapping({"policy": {"delete": 900}, "quarantine": {"path": "unused"}})
CHAIN = FilterChain(CONFIG, stateless=True)
COLUMN = CHAIN.weights.column
FLAGGED = [name for name, flag in zip(COLUMN, CHAIN.marks.flags.tolist(), strict=True) if flag]
ENVELOPE = Envelope(client_ip="203.0.113.9", mail_from="a@example.net", rcpt_to=["b@example.org", "c@example.org"])

values = st.sampled_from([1.0, 0.0, 0.5, 0.125, 0.001, 3.0, 1000.0, 1e9, float("nan"), -2.0]) | st.floats(0, 3)
symbols = st.builds(Symbol, st.sampled_from([*COLUMN]), values, st.sampled_from(["", "x", "y | z"]))
plain = symbols.filter(lambda symbol: symbol.name not in FLAGGED)


def deciding(**policy: Any) -> Deciding:
    config = Config.from_mapping({"policy": policy}) if policy else CONFIG
    return Deciding(config, CHAIN.catalogue, CHAIN.weights, CHAIN.policies, RuleIndex(()), listing=True)


def mail(number: int) -> Mail:
    return Mail(Message(b"Subject: %d\n\nbody\n" % number), Envelope() if number % 2 else ENVELOPE)


def by_points() -> ByPoints:
    return ByPoints(CHAIN.catalogue, CHAIN.weights, CHAIN.policy, CHAIN.marks, CONFIG.reply_texts())


@given(st.lists(st.lists(plain, max_size=20), min_size=1, max_size=6))
def test_the_same_verdicts_as_from_arrays(found: list[list[Symbol]]) -> None:
    rows = [by_column(row, COLUMN) for row in found]
    mails = [mail(number) for number in range(len(rows))]
    given_by_arrays = deciding().verdicts(mails, rows, [], None)
    assert [by_points().verdict(one, row) for one, row in zip(mails, rows, strict=True)] == given_by_arrays
    assert [verdict.to_dict() for verdict in CHAIN._deciding.verdicts(mails, rows, [], None)] == [
        verdict.to_dict() for verdict in given_by_arrays
    ]


@given(st.lists(plain, max_size=9), st.sampled_from(FLAGGED), st.randoms(use_true_random=False))
def test_what_outranks_points_is_left_to_the_arrays(found: list[Symbol], name: str, random: Any) -> None:
    row = by_column([*found, Symbol(name)], COLUMN)
    others = [by_column([], COLUMN) for _ in range(3)]
    assert by_points().verdict(mail(0), row) is None
    rows = [row, *others]
    random.shuffle(rows)
    mails = [mail(number) for number in range(4)]
    together = CHAIN._deciding.verdicts(mails, rows, [], None)
    assert together == deciding().verdicts(mails, rows, [], None)


@given(st.floats(-20, 20))
def test_the_greylist_decides_what_is_its_to_decide(points: float) -> None:
    name = next(name for name in COLUMN if CHAIN.catalogue[name].points == 1.0 and name not in FLAGGED)
    row = by_column([Symbol(name, points)], COLUMN)
    alone = by_points().verdict(mail(0), row)
    assert alone is not None
    for always in (False, True):
        with_list = by_points().verdict(mail(0), row, Greylist(":memory:", always=always))
        its = alone.action == "greylist" or (always and alone.action == "accept")
        assert (with_list is None) is its
        assert its or with_list == alone
        greylist, unknown = Greylist(":memory:", always=always), mail(1)
        by_arrays = deciding().verdicts([unknown], [row], [], greylist)
        assert [by_points().verdict(unknown, row, greylist)] == by_arrays


def test_a_dry_run_caps_and_rules_are_not_for_plain_numbers() -> None:
    assert deciding(dry_run=True)._plain is None
    strict = {"name": "strict", "recipients": ["a@example.org"], "bounce": 7}
    ruled = Config.from_mapping({"policy": {"rules": [strict]}})
    capped = Config.from_mapping({"groups": {"headers": 2}})
    for config in (ruled, capped):
        with FilterChain(config, stateless=True) as chain:
            assert chain._deciding._plain is None
    assert CHAIN._deciding._plain is not None

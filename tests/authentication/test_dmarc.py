"""DMARC: discovery, alignment, policy, and that silence is neither pass nor fail."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.auth_zones import Zones
from mailfilter.authentication.dmarc import (
    DmarcAnswer,
    DmarcResult,
    Policy,
    Proof,
    discover,
    find_organization,
    judge,
    organization,
    parse_record,
)
from mailfilter.lookups import DnsState


def play(zone: dict[str, Any], domain: str, *proofs: Proof, walk: bool = False, sample: int = 0) -> DmarcAnswer:
    records = {name: {"TXT": [value] if isinstance(value, str) else value} for name, value in zone.items()}
    return judge(Zones(records).play(discover(domain, walk)), proofs, sample)


def proof(domain: str, method: str = "dkim", certain: bool = True) -> Proof:
    return Proof(method, domain, organization(domain), certain)


REJECT = {"_dmarc.x.example": "v=DMARC1; p=reject"}


def test_organizational_domains() -> None:
    assert organization("a.b.example.co.uk") == "example.co.uk"
    assert organization("co.uk") == "co.uk"
    assert organization("192.0.2.1") == "192.0.2.1"
    assert organization("") == ""


@pytest.mark.parametrize(
    ("text", "aligned", "expected"),
    [
        ("v=DMARC1; p=reject", "x.example", "pass"),
        ("v=DMARC1; p=reject", "mail.x.example", "pass"),
        ("v=DMARC1; p=reject", "y.example", "fail"),
        ("v=DMARC1; p=reject; adkim=s", "mail.x.example", "fail"),
        ("v=DMARC1; p=reject; adkim=s", "x.example", "pass"),
        ("v=DMARC1; p=reject; aspf=s", "mail.x.example", "pass"),
        ("v=DMARC1; p=reject", "evilx.example", "fail"),
    ],
)
def test_alignment(text: str, aligned: str, expected: str) -> None:
    assert play({"_dmarc.x.example": text}, "x.example", proof(aligned)).result.value == expected


def test_spf_has_its_own_strictness() -> None:
    zone = {"_dmarc.x.example": "v=DMARC1; p=reject; aspf=s"}
    assert play(zone, "x.example", proof("mail.x.example", "spf")).result is DmarcResult.FAIL


@pytest.mark.parametrize(
    ("text", "domain", "sample", "policy"),
    [
        ("v=DMARC1; p=reject", "x.example", 0, "reject"),
        ("v=DMARC1; p=reject; sp=quarantine", "sub.x.example", 0, "quarantine"),
        ("v=DMARC1; p=reject; sp=quarantine", "x.example", 0, "reject"),
        ("v=DMARC1; p=reject; pct=25", "x.example", 24, "reject"),
        ("v=DMARC1; p=reject; pct=25", "x.example", 25, "quarantine"),
        ("v=DMARC1; p=quarantine; pct=0", "x.example", 0, "none"),
        ("v=DMARC1; p=REJECT ;pct=100", "x.example", 99, "reject"),
        ("v=DMARC1; p=nonsense; rua=mailto:a@x.example", "x.example", 0, "none"),
        ("v = DMARC1;p=none", "x.example", 0, "none"),
    ],
)
def test_policy(text: str, domain: str, sample: int, policy: str) -> None:
    answer = play({"_dmarc.x.example": text}, domain, sample=sample)
    assert (answer.result, answer.policy.value) == (DmarcResult.FAIL, policy)


@pytest.mark.parametrize("text", ["v=DMARC1", "v=DMARC1; p=nonsense", "v=DMARC10; p=reject", "p=reject; v=DMARC1", ""])
def test_what_is_no_policy(text: str) -> None:
    assert parse_record(text) is None
    assert play({"_dmarc.x.example": text}, "x.example").result is DmarcResult.NONE


def test_two_policies_are_none() -> None:
    zone = {"_dmarc.x.example": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]}
    assert play(zone, "x.example").result is DmarcResult.NONE


def test_a_policy_beside_other_records_counts() -> None:
    zone = {"_dmarc.x.example": ["v=DMARC1; p=reject", "something else"]}
    assert play(zone, "x.example").result is DmarcResult.FAIL


@pytest.mark.parametrize("state", [state for state in DnsState if not state.known])
@pytest.mark.parametrize("walk", [False, True])
def test_silence_is_neither_pass_nor_fail(state: DnsState, walk: bool) -> None:
    for domain in ("x.example", "sub.x.example"):
        answer = play({"_dmarc.x.example": state}, domain, proof("x.example"), walk=walk)
        assert answer.result is DmarcResult.TEMPERROR


def test_a_proof_that_is_not_certain_leaves_it_open_where_it_is_aligned() -> None:
    for domain, expected in [("x.example", "temperror"), ("", "temperror"), ("y.example", "fail")]:
        assert play(REJECT, "x.example", proof(domain, certain=False)).result.value == expected
    assert play(REJECT, "x.example", proof("x.example", certain=False), proof("x.example")).result is DmarcResult.PASS


def walked(zone: dict[str, Any], domain: str) -> str:
    records = {name: {"TXT": [text]} for name, text in zone.items()}
    found: str = Zones(records).play(find_organization(domain, walk=True))
    return found


def test_tree_walk() -> None:
    top = {"_dmarc.x.example": "v=DMARC1; p=reject"}
    assert walked(top, "a.b.x.example") == "x.example"
    assert walked({**top, "_dmarc.b.x.example": "v=DMARC1; p=none; psd=n"}, "a.b.x.example") == "b.x.example"
    assert walked({"_dmarc.example": "v=DMARC1; p=reject; psd=y"}, "a.b.x.example") == "x.example"
    assert walked({**top, "_dmarc.b.x.example": "v=DMARC1; p=none"}, "a.b.x.example") == "x.example"
    assert walked({}, "a.b.x.example") == "a.b.x.example"


def test_tree_walk_asks_for_no_more_than_eight_names() -> None:
    zones = Zones({"_dmarc.b.c.d.e.f.g.h": {"TXT": ["v=DMARC1; p=reject"]}})
    found = zones.play(discover(".".join("zyxwvabcdefgh"), walk=True))
    names = [question.name for question in zones.asked]
    assert names == ["_dmarc." + ".".join("zyxwvabcdefgh"), *("_dmarc." + ".".join("bcdefgh"[n:]) for n in range(7))]
    assert (found.organization, found.own, zones.rounds) == ("b.c.d.e.f.g.h", False, 1)


def test_tree_walk_policies() -> None:
    zone = {"_dmarc.x.example": "v=DMARC1; p=quarantine; np=reject; t=n"}
    assert play(zone, "sub.x.example", walk=True).policy is Policy.REJECT
    records: dict[str, Any] = {name: {"TXT": [text]} for name, text in zone.items()}
    there = Zones({**records, "sub.x.example": {"A": ["192.0.2.1"]}}).play(discover("sub.x.example", True))
    assert judge(there, ()).policy is Policy.QUARANTINE
    testing = {"_dmarc.x.example": "v=DMARC1; p=reject; t=y"}
    assert play(testing, "x.example", walk=True).policy is Policy.QUARANTINE
    assert play(testing, "x.example").policy is Policy.REJECT


RECORDS = st.lists(st.one_of(st.text(), st.just("v=DMARC1; p=reject"), st.text().map(lambda text: "v=DMARC1;" + text)))


@given(
    st.one_of(st.text(), st.just("sub.x.example")),
    st.one_of(st.sampled_from([state for state in DnsState if not state.known]), RECORDS),
    RECORDS,
    st.booleans(),
    st.integers(0, 99),
)
def test_any_names_and_answers_give_a_result(domain: str, own: Any, above: Any, walk: bool, sample: int) -> None:
    zone = {"_dmarc.sub.x.example": own, "_dmarc.x.example": above, "_dmarc.example": own}
    answer = play(zone, domain, walk=walk, sample=sample)
    assert answer.result in (DmarcResult.NONE, DmarcResult.FAIL, DmarcResult.TEMPERROR)

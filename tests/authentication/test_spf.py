"""SPF beyond the suites: what is not known, what it costs, and that nothing raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.auth_zones import Zones
from mailfilter.authentication.spf import SpfAnswer, SpfResult, check_helo, check_host, check_mail_from
from mailfilter.lookups import DnsState

UNKNOWN = [state for state in DnsState if not state.known]


def spf(record: str, address: str = "192.0.2.1", sender: str = "a@x.test", **zone: Any) -> SpfAnswer:
    answer = Zones({"x.test": {"TXT": [record]}, **zone}).play(check_mail_from(address, sender, "helo.test"))
    assert isinstance(answer, SpfAnswer)
    return answer


@pytest.mark.parametrize("state", UNKNOWN)
@pytest.mark.parametrize("term", ["a", "mx", "include:y.test", "exists:y.test", "redirect=y.test"])
def test_silence_is_neither_pass_nor_fail(term: str, state: DnsState) -> None:
    zone: dict[str, Any] = {"y.test": {"*": state}}
    record = f"v=spf1 {term} -all"
    if term in ("a", "mx"):
        record = f"v=spf1 {term}:y.test -all"
    if term.startswith("redirect"):
        record = f"v=spf1 {term}"
    assert spf(record, **zone).result is SpfResult.TEMPERROR
    assert Zones({"x.test": {"*": state}}).play(check_helo("192.0.2.1", "x.test")).result is SpfResult.TEMPERROR


def test_reverse_names_that_cannot_be_asked_do_not_match() -> None:
    zone: dict[str, Any] = {"1.2.0.192.in-addr.arpa": {"*": DnsState.TIMEOUT}}
    assert spf("v=spf1 ptr -all", **zone).result is SpfResult.FAIL


def test_a_match_that_is_known_outweighs_a_host_that_is_not() -> None:
    zone: dict[str, Any] = {
        "m.test": {"MX": ["1 one.test", "2 two.test"]},
        "one.test": {"*": DnsState.TIMEOUT},
        "two.test": {"A": ["192.0.2.1"]},
    }
    assert spf("v=spf1 mx:m.test -all", **zone).result is SpfResult.PASS


def test_exchangers_are_asked_about_in_one_round() -> None:
    zones = Zones(
        {"x.test": {"TXT": ["v=spf1 mx -all"], "MX": [f"{n} h{n}.test" for n in range(10)]}}
        | {f"h{n}.test": {"A": [f"198.51.100.{n}"]} for n in range(10)}
    )
    assert zones.play(check_mail_from("198.51.100.7", "a@x.test", "h")).result is SpfResult.PASS
    assert (len(zones.asked), zones.rounds) == (12, 3)


def test_the_longest_evaluation_fits_into_what_a_dialogue_may_ask() -> None:
    terms = " ".join(f"mx:%{{p}}{number}.x.test" for number in range(10))
    hosts: dict[str, Any] = {f"r.test{n}.x.test": {"MX": ["1 h.test"]} for n in range(10)}
    zones = Zones(
        {"x.test": {"TXT": [f"v=spf1 {terms} -all"]}, "1.2.0.192.in-addr.arpa": {"PTR": ["r.test"]}, **hosts}
        | {"r.test": {"A": ["192.0.2.1"]}}
    )
    assert zones.play(check_mail_from("192.0.2.1", "a@x.test", "h")).result is SpfResult.FAIL
    assert zones.rounds < 30


def test_an_explanation_is_not_asked_for_unless_wanted() -> None:
    zone: dict[str, Any] = {"x.test": {"TXT": ["v=spf1 -all exp=why.test"]}, "why.test": {"TXT": ["no %{i}"]}}
    for explain, said in ((False, ""), (True, "no 192.0.2.1")):
        zones = Zones(zone)
        answer = zones.play(check_host("192.0.2.1", "x.test", "a@x.test", explain=explain))
        assert (answer.explanation, len(zones.asked)) == (said, 1 + explain)


def test_an_address_mapped_into_ipv6_is_its_ipv4_address() -> None:
    assert spf("v=spf1 ip4:192.0.2.1 -all", "::ffff:192.0.2.1").result is SpfResult.PASS


def test_odd_local_parts_reach_dns_escaped() -> None:
    zones = Zones({"x.test": {"TXT": ["v=spf1 exists:%{l}.%{d} -all"]}})
    zones.play(check_mail_from("192.0.2.1", "b\\c d\xe9@x.test", "h"))
    assert zones.asked[-1].name == r"b\092c\032d\195\169.x.test"


TERMS = st.lists(
    st.sampled_from(
        ["a", "mx", "ptr", "-all", "~all", "include:%{d}", "include:y.test", "exists:%{i}.%{l1r-}.y.test", "%", "a//",
         "redirect=x.test", "exp=%{p}.y.test", "ip4:192.0.2.0/24", "ip6:::/0", "mx/33", "a:%{h}", "\xe9", "x=%{z}"]
    )
).map(lambda terms: "v=spf1 " + " ".join(terms))  # fmt: skip
ANSWERS = st.one_of(st.sampled_from(UNKNOWN), st.lists(st.one_of(TERMS, st.text(), st.just("192.0.2.1")), max_size=3))


@given(
    records=st.dictionaries(st.sampled_from(["TXT", "A", "MX", "PTR", "AAAA", "CNAME"]), ANSWERS),
    other=st.dictionaries(st.sampled_from(["TXT", "A", "MX"]), ANSWERS),
    sender=st.one_of(st.text(), st.text().map(lambda local: f"{local}@x.test")),
    helo=st.text(),
    address=st.ip_addresses().map(str),
)
def test_any_answers_give_a_result(records: Any, other: Any, sender: str, helo: str, address: str) -> None:
    zones = Zones({"x.test": records, "y.test": other})
    for dialogue in (check_mail_from(address, sender, helo, explain=True), check_helo(address, helo)):
        assert isinstance(zones.play(dialogue), SpfAnswer)


@given(TERMS, st.ip_addresses().map(str))
def test_a_record_that_nobody_can_read_never_passes(record: str, address: str) -> None:
    answer = spf(record + " %", address)
    assert answer.result is SpfResult.PERMERROR

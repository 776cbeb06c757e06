"""The connecting host: what is asked, in how many rounds, and that silence is no evidence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.auth_zones import Zones
from mailfilter import Config, Envelope, FilterChain, Mail
from mailfilter.checks.client import ClientCheck, configured
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState
from mailfilter.message import Message
from mailfilter.symbols import declared_by
from mailfilter.testing.fake_dns import FakeDns

RAW = b"From: a@x.test\r\n\r\nhello\r\n"
CLIENT = Envelope(client_ip="11.22.33.44", helo="mx.x.test", mail_from="b@y.test")
ZONE: dict[str, Any] = {
    "44.33.22.11.in-addr.arpa": {"PTR": ["mx.x.test", "other.test"]},
    "mx.x.test": {"A": ["11.22.33.44"]},
    "x.test": {"A": ["11.22.33.50"]},
    "y.test": {"MX": ["10 mx.x.test", "20 mx2.x.test"]},
}
POINTS = {info.name: info.points for info in declared_by("client")}
UNKNOWN = (DnsState.TIMEOUT, DnsState.SERVFAIL, DnsState.REFUSED, DnsState.MALFORMED, DnsState.DISABLED)


def look(zone: Any, envelope: Envelope = CLIENT) -> tuple[set[str], Zones]:
    zones = Zones(zone)
    found = zones.play(ClientCheck().ask(Mail(Message(RAW), envelope)))
    return {symbol.name for symbol in found}, zones


def test_two_rounds_and_no_question_twice() -> None:
    found, zones = look(ZONE)
    assert found == {"RDNS_CONFIRMED", "HELO_CONFIRMED", "FROM_NO_MX"}
    assert zones.rounds == 2
    assert len(zones.asked) <= 9


def test_an_address_of_ipv6() -> None:
    envelope = Envelope(client_ip="2a01::1", helo="mx.x.test")
    zone = {
        f"{'1' + '.0' * 27}.1.0.a.2.ip6.arpa": {"PTR": ["mx.x.test"]},
        "mx.x.test": {"AAAA": ["2a01:0:0::1"], "A": ["11.22.33.44"]},
        "x.test": {"MX": ["10 mx.x.test"]},
    }
    assert look(zone, envelope)[0] == {"RDNS_CONFIRMED", "HELO_CONFIRMED"}


def test_a_verified_name_is_not_asked_for_again() -> None:
    envelope = Envelope(client_ip="11.22.33.44", client_name="mx.x.test", helo="mx.x.test", mail_from="")
    found, zones = look(ZONE, envelope)
    assert "RDNS_CONFIRMED" in found
    assert all(question.rdtype != "PTR" for question in zones.asked)


@pytest.mark.parametrize("envelope", [Envelope(direction="outbound"), Envelope(client_ip="1.2.3.4", auth_user="joe")])
def test_what_does_not_come_from_outside_is_not_asked_about(envelope: Envelope) -> None:
    assert look(ZONE, envelope)[1].asked == []


def test_a_private_client_without_a_way_is_unknown() -> None:
    found, zones = look(ZONE, Envelope(client_ip="10.0.0.1", helo="localhost"))
    assert found == {"RCVD_OWN_HOSTS", "RCVD_INTERNAL", "FROM_NO_MX", "CLIENT_UNKNOWN"}
    assert all("arpa" not in question.name for question in zones.asked)


@given(st.lists(st.sampled_from(["found", *UNKNOWN]), min_size=20, max_size=20))
def test_what_is_not_known_only_takes_evidence_away(states: list[Any]) -> None:
    """Whatever DNS withholds, nothing is found that costs points and that a full answer would not have shown."""
    zones, left = Zones(ZONE), iter(states)

    def answer(question: DnsQuestion) -> DnsAnswer:
        state = next(left, "found")
        return DnsAnswer(state) if isinstance(state, DnsState) else zones.answer(question)

    dialogue, answers = ClientCheck().ask(Mail(Message(RAW), CLIENT)), None
    try:
        while True:
            questions = next(dialogue) if answers is None else dialogue.send(answers)
            answers = tuple(answer(question) for question in questions if isinstance(question, DnsQuestion))
    except StopIteration as stop:
        found = {symbol.name for symbol in stop.value}
    assert {name for name in found if POINTS[name] > 0} <= {"FROM_NO_MX"}
    assert "CLIENT_UNKNOWN" in found or found == {"RDNS_CONFIRMED", "HELO_CONFIRMED", "FROM_NO_MX"}


@pytest.mark.parametrize(
    ("table", "helo", "claimed"),
    [
        ({"headers": {"authserv_id": "mx.ours.test"}}, "MX.Ours.Test.", True),
        ({"bounce": {"hostname": "mx.ours.test"}}, "mx.ours.test", True),
        ({"headers": {"authserv_id": "filter"}}, "filter.x.test", False),
        ({"trust": {"hosts": [".ours.test"]}}, "in.ours.test", True),
        ({"trust": {"networks": ["21.0.0.0/8"]}}, "[IPv6:::ffff:21.0.0.1]", True),
        ({"trust": {"networks": ["21.0.0.0/8"]}}, "[10.0.0.1]", False),
    ],
)
def test_names_and_addresses_that_only_we_have(table: Any, helo: str, claimed: bool) -> None:
    check = configured(Config.from_mapping(table))
    with pytest.raises(StopIteration) as stop:
        next(check.ask(Mail(Message(RAW), Envelope(client_ip="11.22.33.44", helo=helo))))
    assert ("HELO_OURS" in {symbol.name for symbol in stop.value.value}) is claimed


def test_through_a_server() -> None:
    with FakeDns({"x.test": {"MX": ["0 ."]}, "mx.x.test": {"A": ["11.22.33.44"]}}) as server:
        config = Config.from_mapping({"dns": {"resolvers": [server.address]}})
        with FilterChain(config) as chain:
            names = {symbol.name for symbol in chain.check(RAW, CLIENT).symbols}
    assert {"FROM_NULL_MX", "SENDER_DOMAIN_MISSING", "RDNS_NONE", "HELO_CONFIRMED"} <= names

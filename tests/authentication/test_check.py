"""The check: what is found of whole mails, through the engine and through a chain with a server."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.auth_zones import Zones
from mailfilter import Config, Envelope, FilterChain, Mail
from mailfilter.authentication.results import dmarc_passed
from mailfilter.checks.authentication import AuthenticationCheck
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState
from mailfilter.lookups.engine import CHECK_FAILED, Engine
from mailfilter.message import Message
from mailfilter.symbols import UNKNOWN, declared_by
from mailfilter.testing.fake_dns import FakeDns

from .signing import record, seal, sign

KEY = record("rsa1024")
MAIL = b"From: Ada <a@x.test>\r\nSubject: hello\r\n\r\nHello\r\n"
CLIENT = Envelope(client_ip="203.0.113.9", helo="mx.x.test", mail_from="a@x.test", rcpt_to=["b@example.org"])
ZONE: dict[str, Any] = {
    "x.test": {"TXT": ["v=spf1 ip4:203.0.113.9 -all"]},
    "mx.x.test": {"TXT": ["v=spf1 a -all"], "A": ["203.0.113.9"]},
    "k._domainkey.x.test": {"TXT": [KEY]},
    "_dmarc.x.test": {"TXT": ["v=DMARC1; p=reject"]},
}
POINTS = {info.name: info for info in declared_by("authentication")}


def find(raw: bytes, zone: Any = None, envelope: Envelope = CLIENT, **options: Any) -> dict[str, str]:
    """Symbols with their evidence."""
    zones = Zones(ZONE if zone is None else zone)
    return play(raw, zones.answer, envelope, **options)


def play(raw: bytes, answer: Any, envelope: Envelope = CLIENT, **options: Any) -> dict[str, str]:
    engine = Engine([AuthenticationCheck(**options)], [Mail(Message(raw), envelope)])
    while not engine.done:
        for question in engine.take_questions():
            assert isinstance(question, DnsQuestion)
            engine.answer(question, answer(question))
    return {symbol.name: symbol.evidence for symbol in engine.findings[0]}


def signed(**options: Any) -> bytes:
    return sign(MAIL, "rsa1024", **options)


def test_a_mail_that_is_proved() -> None:
    found = find(signed())
    names = {"SPF_PASS", "SPF_HELO_PASS", "DKIM_VALID", "DMARC_PASS", "AUTH_RESULTS"}
    assert found.keys() == names | {"DKIM_SHORT_KEY"}
    assert found["DKIM_SHORT_KEY"] == "'x.test': 1024 bits"
    longer = {**ZONE, "k._domainkey.x.test": {"TXT": [record("rsa2048")]}}
    assert find(sign(MAIL, "rsa2048"), longer).keys() == names
    assert found["AUTH_RESULTS"] == (
        "spf=pass smtp.mailfrom=x.test; spf=pass smtp.helo=mx.x.test; dkim=pass header.d=x.test header.s=k; "
        "dmarc=pass header.from=x.test"
    )
    assert sum(POINTS[name].points for name in found) == pytest.approx(-0.2)


def test_it_takes_few_rounds() -> None:
    zones = Zones(ZONE)
    rounds = 0
    engine = Engine([AuthenticationCheck()], [Mail(Message(signed()), CLIENT)])
    while not engine.done:
        rounds += 1
        for question in engine.take_questions():
            assert isinstance(question, DnsQuestion)
            engine.answer(question, zones.answer(question))
    assert (rounds, len(zones.asked)) == (2, 5)


ELSEWHERE = Envelope(client_ip="198.51.100.1", helo="other.test", mail_from="a@x.test")


@pytest.mark.parametrize(
    ("policy", "symbol"),
    [("reject", "DMARC_FAIL_REJECT"), ("quarantine", "DMARC_FAIL_QUARANTINE"), ("none", "DMARC_FAIL_NONE")],
)
def test_a_mail_that_is_not(policy: str, symbol: str) -> None:
    zone = {**ZONE, "_dmarc.x.test": {"TXT": [f"v=DMARC1; p={policy}"]}}
    found = find(MAIL, zone, ELSEWHERE)
    assert found.keys() == {"SPF_FAIL", symbol, "AUTH_RESULTS"}
    assert f"dmarc=fail policy.dmarc={policy} header.from=x.test" in found["AUTH_RESULTS"]


@pytest.mark.parametrize("state", [state for state in DnsState if not state.known])
def test_silence_is_evidence_of_nothing(state: DnsState) -> None:
    for raw in (signed(), MAIL, seal(signed(), 1, "lists.test")):
        found = play(raw, lambda question: DnsAnswer(state))
        assert found.keys() == {"AUTH_UNKNOWN", "AUTH_RESULTS"}
        assert "SPF of MAIL FROM" in found["AUTH_UNKNOWN"]
        assert "DMARC of x.test" in found["AUTH_UNKNOWN"]


@pytest.mark.parametrize("name", ZONE)
@pytest.mark.parametrize("raw", [signed(), MAIL], ids=["signed", "not signed"])
def test_what_is_not_known_never_makes_it_worse(name: str, raw: bytes) -> None:
    known = find(raw)
    silent = find(raw, {**ZONE, name: {"*": DnsState.TIMEOUT}})
    worse = {symbol for symbol in silent.keys() - known.keys() if POINTS[symbol].points > 0}
    assert worse == set()


def test_a_mail_of_unknown_origin_is_judged_by_its_signature_alone() -> None:
    names = {"DKIM_VALID", "DKIM_SHORT_KEY", "DMARC_PASS", "AUTH_RESULTS", "AUTH_NOT_ASKED"}
    assert find(signed(), envelope=Envelope()).keys() == names
    assert find(MAIL, envelope=Envelope()).keys() == {"AUTH_RESULTS", "AUTH_NOT_ASKED"}


def test_mail_that_does_not_come_from_outside_is_left_alone() -> None:
    for envelope in (Envelope(auth_user="a"), Envelope(direction="outbound")):
        assert find(signed(), envelope=envelope) == {}
    relayed = find(MAIL, envelope=Envelope(client_ip="10.0.0.1", mail_from="a@x.test", helo="x.test"))
    assert relayed.keys() == {"AUTH_RESULTS", "AUTH_NOT_ASKED"}


def test_the_null_sender_is_asked_about_by_its_helo_name() -> None:
    found = find(MAIL, envelope=Envelope(client_ip="203.0.113.9", helo="mx.x.test", mail_from=""))
    assert found.keys() == {"SPF_PASS", "DMARC_PASS", "AUTH_RESULTS"}


def test_weak_and_partial_signatures_are_called_out() -> None:
    assert "DKIM_BODY_CUT" in find(signed(length=3))
    assert "DKIM_FROM_UNSIGNED" in find(sign(MAIL, "rsa1024", names="subject"))
    assert "DKIM_WEAK_KEY" in find(signed().replace(b"rsa-sha256", b"rsa-sha1"))
    assert "DKIM_INVALID" in find(signed().replace(b"Hello", b"Howdy"))
    footer = sign(signed().replace(b"Hello", b"Howdy"), "rsa1024")
    assert "DKIM_INVALID" not in find(footer)


@pytest.mark.parametrize(
    "second",
    [b"From: b@y.test\r\n", b"From : b@y.test\r\n", b"FROM: <b@y.test>\r\n", b"From: a@x.test, b@y.test\r\n"],
)
def test_every_from_that_a_reader_may_show_is_judged(second: bytes) -> None:
    zone = {**ZONE, "_dmarc.y.test": {"TXT": ["v=DMARC1; p=quarantine"]}}
    for raw in (second + MAIL, MAIL.replace(b"\r\n\r\n", b"\r\n" + second + b"\r\n", 1)):
        found = find(raw, zone)
        assert "DMARC_FAIL_QUARANTINE" in found
        assert "DMARC_PASS" not in found


@pytest.mark.parametrize(
    "more",
    [
        b"From: a@x.test, a@mx.x.test, a@b.x.test, victim@y.test\r\n",
        b"".join(b"From: a%d@x.test\r\n" % number for number in range(20)) + b"From: victim@y.test\r\n",
    ],
)
def test_more_from_domains_than_are_looked_at_prove_nothing(more: bytes) -> None:
    found = find(more + signed())
    assert "DMARC_FAIL_NONE" in found
    assert "DMARC_PASS" not in found


def test_a_trusted_host_softens_a_failure_and_only_a_trusted_one() -> None:
    zone = {**ZONE, "k._domainkey.lists.test": {"TXT": [KEY]}}
    broken = signed().replace(b"Hello", b"Hello [list footer]")
    raw = seal(broken, 1, "lists.test", "dmarc=pass header.from=x.test")
    assert {"DMARC_FAIL_REJECT", "ARC_VALID"} <= find(raw, zone, ELSEWHERE).keys()
    trusting = find(raw, zone, ELSEWHERE, trusted_sealers=["LISTS.test"])
    assert {"DMARC_FAIL_FORWARDED", "ARC_VALID"} <= trusting.keys()
    for change in (b"i=1; lists.test; (dmarc=pass)", b"i=1; lists.test; dmarc=fail"):
        other = seal(broken, 1, "lists.test", change.decode().partition("; ")[2].partition("; ")[2])
        assert "DMARC_FAIL_REJECT" in find(other, zone, ELSEWHERE, trusted_sealers=["lists.test"])
    torn = find(raw.replace(b"[list", b"[lost"), zone, ELSEWHERE, trusted_sealers=["lists.test"])
    assert {"DMARC_FAIL_REJECT", "ARC_INVALID"} <= torn.keys()


def test_words_of_a_host_are_read_without_its_comments() -> None:
    assert dmarc_passed("i=1; x.test; spf=fail (dmarc=pass; no); dmarc=pass (p=none) header.from=y")
    assert not dmarc_passed("i=1; x.test; spf=fail (; dmarc=pass; ) smtp.mailfrom=y; dmarc=fail")
    assert not dmarc_passed("(" * 50_000 + "; dmarc=pass;")


def test_with_nobody_to_ask_it_says_so_and_switched_off_it_is_silent() -> None:
    assert find(signed(), asking=False) == {"AUTH_NOT_ASKED": "no resolver is configured"}
    assert find(signed(), asking=False, enabled=False) == {}


def test_results_cannot_be_forged_by_names() -> None:
    raw = signed().replace(b"d=x.test", b'd=x.test"\x01 spf=pass\xff')
    value = find(raw)["AUTH_RESULTS"]
    assert value.isascii()
    assert value.isprintable()
    assert 'header.d="x.test???spf=pass?"' in value


def quoted(zone: dict[str, Any]) -> dict[str, Any]:
    """The zone as a server's file has it: TXT in quotes."""
    texts = {name: {"TXT": [f'"{text}"' for text in sets["TXT"]]} for name, sets in zone.items()}
    return {name: {**sets, **texts[name]} for name, sets in zone.items()}


def test_over_real_sockets_both_ways_and_into_the_mail() -> None:
    with FakeDns(quoted(ZONE)) as server:
        table = {"dns": {"resolvers": [server.address]}, "headers": {"authserv_id": "mx.example"}}
        with FilterChain(Config.from_mapping(table)) as chain:
            raw = b"Authentication-Results: mx.example; dmarc=pass\r\n" + signed()
            verdict = chain.check(raw, CLIENT)
            again = asyncio.run(chain.acheck(raw, CLIENT))
            rewritten = chain.rewrite(raw, verdict)
    assert {symbol.name for symbol in verdict.symbols} >= {"SPF_PASS", "DKIM_VALID", "DMARC_PASS"}
    assert [symbol.name for symbol in again.symbols] == [symbol.name for symbol in verdict.symbols]
    fields = [header.value for header in Message(rewritten).headers if header.name == "Authentication-Results"]
    assert [" ".join(field.split()) for field in fields] == [
        "mx.example; spf=pass smtp.mailfrom=x.test; spf=pass smtp.helo=mx.x.test; "
        "dkim=pass header.d=x.test header.s=k; dmarc=pass header.from=x.test"
    ]


RECORDS = ["v=spf1 mx a:%{p} include:x.test -all", "v=DMARC1; p=reject; np=none", KEY, "9 h"]
TEXTS = st.lists(st.one_of(st.text(max_size=60), st.sampled_from(RECORDS)), min_size=1, max_size=3)
STATES = st.sampled_from([state for state in DnsState if state is not DnsState.FOUND])
ANSWERS = st.one_of(STATES.map(DnsAnswer), TEXTS.map(lambda texts: DnsAnswer(DnsState.FOUND, tuple(texts))))
KEYED = b"d=x.test; s=k; a=rsa-sha256; b=AA=="
FIELDS = st.sampled_from(
    [
        b"From: a@x.test",
        b"From: b@y.test, c@\xff",
        b"DKIM-Signature: v=1; h=from; bh=AA==; " + KEYED,
        b"ARC-Seal: i=1; cv=none; " + KEYED,
        b"ARC-Message-Signature: i=1; h=from; bh=AA==; " + KEYED,
        b"ARC-Authentication-Results: i=1; x; dmarc=pass",
        b"",
        b" x",
        b'From: "(',
        b"\0:",
    ]
)


@given(
    st.one_of(st.binary(max_size=300), st.lists(FIELDS).map(b"\r\n".join)),
    st.lists(ANSWERS, min_size=1, max_size=8),
    st.one_of(st.none(), st.text(max_size=30), st.just("a@x.test")),
    st.one_of(st.none(), st.text(max_size=30), st.just("x.test")),
    st.one_of(st.none(), st.ip_addresses().map(str)),
    st.booleans(),
)
def test_any_mail_and_any_answers_give_findings(
    raw: bytes, answers: list[DnsAnswer], sender: Any, helo: Any, client: Any, walk: bool
) -> None:
    envelope = Envelope(client_ip=client, helo=helo, mail_from=sender)
    turn = iter(range(10**6))
    found = play(raw, lambda question: answers[next(turn) % len(answers)], envelope, tree_walk=walk)
    assert CHECK_FAILED not in found
    assert "DKIM_VALID" not in found
    assert all(evidence.isprintable() for evidence in found.values())
    unknown = [name for name in found if POINTS[name].group == UNKNOWN]
    assert all(POINTS[name].points == 0 for name in unknown)


@pytest.mark.parametrize(("came", "name"), [(1_500.0, "DKIM_VALID"), (2_500.0, "DKIM_INVALID"), (None, "DKIM_INVALID")])
def test_a_signature_expires_by_the_time_at_which_the_mail_came(came: float | None, name: str) -> None:
    raw = signed(more=" t=1000; x=2000;")
    assert name in find(raw, envelope=replace(CLIENT, received_at=came))


def hop(address: str, by: str = "mx.ours.test", helo: str = "mx.x.test") -> bytes:
    return f"Received: from {helo} ({helo} [{address}]) by {by} (Postfix) with ESMTP id 1; 1 Jan 2024\r\n".encode()


def trusting(**settings: Any) -> Any:
    return Config.from_mapping({"trust": settings}).trusted()


def test_behind_a_host_of_our_own_spf_is_asked_about_the_host_before_it() -> None:
    relay = replace(CLIENT, client_ip="10.0.0.1", helo="relay")
    assert {"SPF_PASS", "SPF_HELO_PASS", "DMARC_PASS"} <= find(hop("203.0.113.9") + MAIL, envelope=relay).keys()
    assert {"SPF_FAIL", "DMARC_FAIL_REJECT"} <= find(hop("66.0.0.1") + hop("203.0.113.9") + MAIL, envelope=relay).keys()
    own = trusting(networks=["21.0.0.0/8"])
    relay = replace(CLIENT, client_ip="21.0.0.1")
    assert "SPF_PASS" in find(hop("203.0.113.9") + MAIL, envelope=relay, trust=own)
    assert "SPF_PASS" not in find(hop("203.0.113.9") + MAIL, envelope=replace(CLIENT, client_ip="66.0.0.1"), trust=own)


def test_a_received_field_without_a_session_proves_nothing() -> None:
    """An archive, or a caller that does not say who connects: the topmost field may be the sender's own."""
    found = find(hop("203.0.113.9") + MAIL, envelope=replace(CLIENT, client_ip=None))
    assert found.keys() == {"AUTH_RESULTS", "AUTH_NOT_ASKED"}


def test_behind_a_known_forwarder_one_host_further() -> None:
    forwarder = replace(CLIENT, client_ip="66.0.0.1", helo="fwd.test")
    trust = trusting(forwarders=["66.0.0.0/24"])
    raw = hop("203.0.113.9", "fwd.test") + MAIL
    assert {"SPF_PASS", "DMARC_PASS"} <= find(raw, envelope=forwarder, trust=trust).keys()
    assert {"SPF_FAIL", "DMARC_FAIL_REJECT"} <= find(raw, envelope=forwarder).keys()
    assert find(MAIL, envelope=forwarder, trust=trust).keys() == {"AUTH_RESULTS", "AUTH_NOT_ASKED"}
    rewritten = replace(forwarder, mail_from="SRS0=x=y=x.test=a@fwd.test")
    zone = {**ZONE, "fwd.test": {"TXT": ["v=spf1 ip4:66.0.0.1 -all"]}}
    assert find(raw, zone, rewritten, trust=trust)["SPF_PASS"].startswith("MAIL FROM 'fwd.test'")


LIST = b"List-Id: Talk <talk.club.test>\r\n"
CLUB: dict[str, Any] = {**ZONE, "k._domainkey.club.test": {"TXT": [KEY]}, "k._domainkey.evil.test": {"TXT": [KEY]}}


@pytest.mark.parametrize(
    ("raw", "symbol"),
    [
        (sign(LIST + MAIL, "rsa1024", domain="club.test"), "DMARC_FAIL_LIST"),
        (seal(LIST + MAIL, 1, "club.test"), "DMARC_FAIL_LIST"),
        (sign(LIST + MAIL, "rsa1024", domain="evil.test"), "DMARC_FAIL_REJECT"),
        (sign(MAIL, "rsa1024", domain="club.test"), "DMARC_FAIL_REJECT"),
        (sign(LIST + MAIL, "rsa1024", domain="club.test", length=0), "DMARC_FAIL_REJECT"),
        (sign(LIST + LIST + MAIL, "rsa1024", domain="club.test"), "DMARC_FAIL_REJECT"),
        (LIST + MAIL, "DMARC_FAIL_REJECT"),
    ],
)
def test_a_failure_through_a_known_list_counts_nothing_where_the_list_is_proved(raw: bytes, symbol: str) -> None:
    found = find(raw, CLUB, ELSEWHERE, trust=trusting(lists=["club.test"]))
    assert [name for name in found if name.startswith("DMARC")] == [symbol]
    assert "DMARC_FAIL_REJECT" in find(raw, CLUB, ELSEWHERE)
    assert POINTS["DMARC_FAIL_LIST"].points == 0


def test_whether_a_list_is_proved_may_not_be_known() -> None:
    raw = sign(LIST + MAIL, "rsa1024", domain="club.test")
    zone = {**CLUB, "k._domainkey.club.test": {"TXT": DnsState.TIMEOUT}}
    found = find(raw, zone, ELSEWHERE, trust=trusting(lists=["club.test"]))
    assert not any(name.startswith("DMARC") for name in found)
    assert "unless it came through a list of club.test" in found["AUTH_UNKNOWN"]

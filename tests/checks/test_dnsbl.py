"""The block list check: what it asks, what it finds, and what it shows as not known."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import Config
from mailfilter.checks import LookupCheck, Mail
from mailfilter.checks.dnsbl import DnsblCheck, DnsList, chosen_lists, configured
from mailfilter.dnslists import address_question, read_lists
from mailfilter.envelope import Envelope
from mailfilter.errors import SettingError
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState, ScanAnswer, ScanState
from mailfilter.message import Message
from mailfilter.symbols import Symbol

from ..dnslists.lists import ADDRESS, FIRST, MASKED, TEXT, found

MESSAGE = Message(b"Subject: x\r\n\r\ny\r\n")
EVERY_PLACE = b"""Received: from a.hop.test (a.hop.test [12.0.0.9]) by b.test; Mon, 1 Jan 2024 00:00:00 +0000
DKIM-Signature: v=1; d=signer.test
From: joe@from.test
Reply-To: jane@reply.test

http://13.0.0.1/ https://one.test/aaa https://two.test/bbb x@body.test
"""
SENT = Envelope(client_ip=ADDRESS, client_name="h.rdns.test", helo="helo.test", mail_from="m@mail.test")


def ask(
    envelope: Envelope, answers: Mapping[str, DnsAnswer], lists: tuple[DnsList, ...] = (FIRST, MASKED)
) -> tuple[dict[str, Symbol], list[str]]:
    """Run the dialogue; returns the findings by name, and the names that were asked for."""
    dialogue = DnsblCheck(lists).ask(Mail(MESSAGE, envelope))
    asked: list[str] = []
    sent: tuple[DnsAnswer, ...] | None = None
    while True:
        try:
            questions = next(dialogue) if sent is None else dialogue.send(sent)
        except StopIteration as stop:
            findings = stop.value
            break
        names = [
            question.name for question in questions if isinstance(question, DnsQuestion) and question.rdtype == "A"
        ]
        assert len(names) == len(questions)
        asked += names
        sent = tuple(answers.get(name, DnsAnswer(DnsState.NOT_FOUND)) for name in names)
    symbols = {symbol.name: symbol for symbol in findings}
    assert len(symbols) == len(findings)
    return symbols, asked


# ------------------------------------------------------------------------------------------------ settings
def test_without_its_key_a_list_is_not_asked_and_this_is_said() -> None:
    lists = chosen_lists(["spamhaus-zen-dqs", "psbl"], environment={})
    symbols, asked = ask(Envelope(client_ip=ADDRESS), {}, lists)
    assert asked == ["44.33.22.11.psbl.surriel.com"]
    assert symbols["DNSBL_NOT_ASKED"].evidence == "spamhaus-zen-dqs: no key in SPAMHAUS_DQS_KEY"
    assert symbols.keys() == {"DNSBL_NOT_ASKED"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"skip": ["co.uk"]}, "dns.skip: a domain like"),
        ({"lists": ["sorbs"]}, 'list "sorbs" is closed: shut down on 5 June 2024'),
    ],
)
def test_faulty_settings_are_told(table: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=r"settings: dns\.") as caught:
        configured(Config.from_mapping({"dns": table}))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("table", "symbol"),
    [
        ({}, "DNSBL_UNKNOWN"),
        ({"kind": "domain", "ask": ["from"]}, "DNSBL_UNKNOWN_DOMAIN"),
        ({"kind": "url", "ask": ["links"]}, "DNSBL_UNKNOWN_HASH"),
        ({"kind": "email", "ask": ["from"]}, "DNSBL_UNKNOWN_HASH"),
        ({"allow": True, "codes": {"127.0.0.2": {"symbol": "DNSWL_OWN", "points": -1, "description": "Good."}}},
         "DNSWL_UNKNOWN"),
    ],
)  # fmt: skip
def test_each_kind_of_list_has_its_own_unknown(table: dict[str, object], symbol: str) -> None:
    codes = {"127.0.0.2": {"symbol": "DNSBL_OWN", "points": 1, "description": "Listed."}}
    lists = chosen_lists((), [{"name": "own", "zone": "own.test", "codes": codes, **table}])
    dialogue = DnsblCheck(lists).ask(Mail(Message(EVERY_PLACE), SENT))
    questions = next(dialogue)
    with pytest.raises(StopIteration) as stop:
        dialogue.send(tuple(DnsAnswer(DnsState.TIMEOUT) for _ in questions))
    assert [found.name for found in stop.value.value] == [symbol]
    assert stop.value.value[0].evidence == "own.test: timeout"


def test_a_muted_list_is_unknown_with_its_reason() -> None:
    muted = DnsAnswer(DnsState.DISABLED, detail="muted: it lists everyone")
    symbols, _ = ask(Envelope(client_ip=ADDRESS), {"44.33.22.11.bl.test": muted}, (FIRST,))
    assert symbols["DNSBL_UNKNOWN"].evidence == "bl.test: not believed (it lists everyone)"


# ------------------------------------------------------------------------------------------------ questions
@given(st.ip_addresses())
def test_questions_are_reversed_addresses(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    name = address_question(FIRST, str(address)).name
    prefix = name.removesuffix(".bl.test")
    labels = prefix.split(".")[::-1]
    if address.version == 4:
        assert labels == str(address).split(".")
    else:
        assert "".join(labels) == address.exploded.replace(":", "")
        assert len(labels) == 32


def test_a_list_with_a_key_is_asked_with_it_and_shown_without() -> None:
    lists = chosen_lists(["spamhaus-zen-dqs"], environment={"SPAMHAUS_DQS_KEY": "K3y"})
    name = "44.33.22.11..{spamhaus_dqs_key}.zen.dq.spamhaus.net"  # the key itself comes in where DNS is asked
    symbols, asked = ask(Envelope(client_ip=ADDRESS), {name: found("127.0.0.4")}, lists)
    assert asked == [name]
    assert symbols["DNSBL_SPAMHAUS_XBL"].evidence == "11.22.33.44 is 127.0.0.4 in {key}.zen.dq.spamhaus.net"


# ------------------------------------------------------------------------------------------------ the check
def test_it_is_a_check_and_declares_what_it_finds() -> None:
    check = DnsblCheck((FIRST, MASKED))
    assert isinstance(check, LookupCheck)
    infos = {info.name: info for info in check.symbols}
    assert infos["DNSBL_FIRST"].group == "lists"
    assert infos["DNSBL_FIRST_BOT"].points == 3.0
    assert {infos[name].group for name in ("DNSBL_NOT_ASKED", "DNSBL_UNKNOWN")} == {"unknown"}
    assert {info.check for info in infos.values()} == {"dnsbl"}


def test_listed() -> None:
    answers = {"44.33.22.11.bl.test": found("127.0.0.2", "127.0.0.6"), "44.33.22.11.multi.test": found("127.0.0.2")}
    symbols, asked = ask(Envelope(client_ip=ADDRESS), answers)
    assert asked == ["44.33.22.11.bl.test", "44.33.22.11.multi.test"]
    assert symbols.keys() == {"DNSBL_FIRST", "DNSBL_FIRST_BOT", "DNSBL_MASKED_A"}
    assert symbols["DNSBL_FIRST_BOT"].evidence == "11.22.33.44 is 127.0.0.6 in bl.test"
    assert {symbol.value for symbol in symbols.values()} == {1.0}


def test_not_listed_is_no_finding() -> None:
    assert ask(Envelope(client_ip=ADDRESS), {})[0] == {}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (found("127.255.255.254"), "bl.test: refused (the list says 127.255.255.254)"),
        (found("192.0.2.1"), "bl.test: malformed (192.0.2.1 is not in 127.0.0.0/8)"),
        (found("127.0.0.99"), "bl.test: malformed (127.0.0.99 is no code of this list)"),
        (DnsAnswer(DnsState.TIMEOUT), "bl.test: timeout"),
        (DnsAnswer(DnsState.SERVFAIL), "bl.test: server failure"),
    ],
)
def test_no_usable_answer_is_unknown_and_the_other_list_still_counts(answer: DnsAnswer, said: str) -> None:
    answers = {"44.33.22.11.bl.test": answer, "44.33.22.11.multi.test": found("127.0.0.8")}
    symbols, _ = ask(Envelope(client_ip=ADDRESS), answers)
    assert symbols.keys() == {"DNSBL_UNKNOWN", "DNSBL_MASKED_B"}
    assert symbols["DNSBL_UNKNOWN"].evidence == said


def test_an_answer_of_another_kind_is_unknown() -> None:
    wrong = {"44.33.22.11.bl.test": ScanAnswer(ScanState.CLEAN)}
    assert ask(Envelope(client_ip=ADDRESS), wrong, (FIRST,))[0].keys() == {"DNSBL_UNKNOWN"}  # type: ignore[arg-type]


def test_ipv6_is_asked_of_lists_that_know_it() -> None:
    reverse = ipaddress.ip_address("2a00:1:2::1").reverse_pointer.removesuffix(".ip6.arpa")
    symbols, asked = ask(Envelope(client_ip="2a00:1:2::1"), {f"{reverse}.bl.test": found("127.0.0.2")})
    assert asked == [f"{reverse}.bl.test"]
    assert symbols.keys() == {"DNSBL_FIRST"}
    symbols, asked = ask(Envelope(client_ip="2a00:1:2::1"), {}, (MASKED,))
    assert asked == []
    assert symbols["DNSBL_NOT_ASKED"].evidence == "no list that is configured knows ipv6 addresses"


def test_an_address_mapped_into_ipv6_is_asked_for_as_ipv4() -> None:
    assert ask(Envelope(client_ip=f"::ffff:{ADDRESS}"), {})[1][0] == "44.33.22.11.bl.test"


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "127.0.0.1", "192.168.0.9", "172.31.0.1", "169.254.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "192.0.2.1",
     "198.51.100.7", "203.0.113.9", "198.18.0.1", "2001:db8::7",
     "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1"],
)  # fmt: skip
def test_private_and_reserved_addresses_are_not_asked_about(address: str) -> None:
    assert ask(Envelope(client_ip=address), {}) == ({}, [])


@pytest.mark.parametrize(
    ("envelope", "lists", "said"),
    [
        (Envelope(), (FIRST,), "the address of the connecting host is not known"),
        (Envelope(client_ip=ADDRESS), (), "no list is configured"),
        (Envelope(client_ip=ADDRESS, auth_user="bob"), (FIRST,), "the mail does not come from outside"),
        (Envelope(client_ip=ADDRESS, direction="outbound"), (FIRST,), "the mail does not come from outside"),
    ],
)
def test_not_asked_is_said(envelope: Envelope, lists: tuple[DnsList, ...], said: str) -> None:
    symbols, asked = ask(envelope, {}, lists)
    assert asked == []
    assert symbols == {"DNSBL_NOT_ASKED": Symbol("DNSBL_NOT_ASKED", 1.0, said)}


def test_without_a_resolver_nothing_was_asked() -> None:
    off = DnsAnswer(DnsState.DISABLED)
    symbols, _ = ask(Envelope(client_ip=ADDRESS), {"44.33.22.11.bl.test": off, "44.33.22.11.multi.test": off})
    assert symbols == {"DNSBL_NOT_ASKED": Symbol("DNSBL_NOT_ASKED", 1.0, "nobody answers DNS questions")}


def test_two_meanings_of_one_symbol_are_refused() -> None:
    text = TEXT.partition("[masked]")[0].replace("[first", "[other").replace("2.0", "1.0")
    (other,) = read_lists(text, "test")
    with pytest.raises(SettingError, match="symbol DNSBL_FIRST has another meaning already"):
        DnsblCheck((FIRST, other))

"""The watch in front of the DNS client, through the whole chain: what goes wrong with a list is never a listing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mailfilter import Config, Envelope, FilterChain
from mailfilter.assembly import BUILT_IN
from mailfilter.checks import Mail
from mailfilter.deadline import Deadline
from mailfilter.lookups import DnsQuestion, DnsState
from mailfilter.lookups.dns import DnsLookup
from mailfilter.lookups.watch import ListWatch
from mailfilter.message import Message
from mailfilter.testing.dns_failures import SCRIPTS
from mailfilter.testing.fake_dns import FakeDns

MEANING = {"symbol": "DNSBL_OWN", "points": 3.0, "description": "Listed."}
LIST = {"name": "own", "zone": "bl.test", "codes": {"127.0.0.2": MEANING}}
A = {"A": ["127.0.0.2"]}
RIGHT = {"2.0.0.127.bl.test": A, "44.33.22.11.bl.test": A}
MAIL = b"Subject: x\n\nhello\n"


def chain(server: FakeDns, deadline: float = 1.0, **table: Any) -> FilterChain:
    dns = {"resolvers": [server.address], "custom": [LIST], **table}
    config = Config.from_mapping({"dns": dns, "engine": {"deadline": deadline}})
    return FilterChain(config, checks=[BUILT_IN["dnsbl"](config)])


def client(number: int = 44) -> Envelope:
    return Envelope(client_ip=f"11.22.33.{number}")


def found(filter_chain: FilterChain, number: int, awaited: bool) -> dict[str, str]:
    """Symbols and their evidence of one mail."""
    verdict = (
        asyncio.run(filter_chain.acheck(MAIL, client(number))) if awaited else filter_chain.check(MAIL, client(number))
    )
    return {symbol.name: symbol.evidence for symbol in (*verdict.symbols, *verdict.unknown)}


both = pytest.mark.parametrize("awaited", [False, True], ids=["blocking", "asyncio"])


@both
def test_a_list_that_is_right_is_tested_once_and_believed(awaited: bool) -> None:
    records = {**RIGHT, **{f"{n}.33.22.11.bl.test": A for n in range(40, 43)}}
    with FakeDns({name: records[name] for name in records}) as server, chain(server) as made:
        for number in range(40, 46):
            said = found(made, number, awaited)
            assert said.keys() == ({"DNSBL_OWN"} if number in (40, 41, 42, 44) else set())
        names = [name for name, _, _ in server.asked]
    assert [names.count(f"{n}.0.0.127.bl.test") for n in (1, 2)] == [1, 1]
    assert len(names) == 6 + 3


@both
@pytest.mark.parametrize(
    ("records", "said"),
    [
        ({"44.33.22.11.bl.test": A}, "127.0.0.2 is not listed"),  # a list of nobody, or almost
        ({**RIGHT, "1.0.0.127.bl.test": A}, "127.0.0.1 is listed"),  # a list of the world
        ({name: {"A": ["192.0.2.7"]} for name in (*RIGHT, "1.0.0.127.bl.test")}, "is not in 127.0.0.0/8"),
        ({name: {"A": ["127.255.255.254"]} for name in RIGHT}, "it refuses: the list says 127.255.255.254"),
    ],
)
def test_a_list_that_fails_its_test_is_not_believed_from_the_first_mail_on(
    records: dict[str, Any], said: str, awaited: bool
) -> None:
    with FakeDns(records) as server, chain(server) as made:
        first, second = found(made, 44, awaited), found(made, 44, awaited)
        asked = len(server.asked)
    for one in (first, second):
        assert one.keys() == {"DNSBL_UNKNOWN"}
        assert said in one["DNSBL_UNKNOWN"]
        assert one["DNSBL_UNKNOWN"].startswith("bl.test: not believed (")
    assert asked == 4  # the second mail asks nothing


@both
@pytest.mark.parametrize("failure", ["servfail", "refused", "malformed", "wrong_id", "wrong_question", "timeout"])
def test_a_list_that_fails_is_unknown_and_soon_not_asked(failure: str, awaited: bool) -> None:
    with FakeDns(RIGHT, failures={"bl.test": failure}) as server, chain(server, breaker_failures=2) as made:
        begun = time.monotonic()
        mails = [found(made, number, awaited) for number in (44, 45, 46, 47)]
        seconds = time.monotonic() - begun
        asked = len(server.asked)
        open_now = "broken: " in mails[-1]["DNSBL_UNKNOWN"]
    assert all(one.keys() == {"DNSBL_UNKNOWN"} for one in mails)
    assert open_now
    assert seconds < 2.5  # of four mails with a second each, at most two waited
    assert asked < 40


HELPED = {"slow", "wrong_id_first", "truncated", "no_edns", "flood", "twice"}
"""Failures that a client gets around: the right answer comes all the same."""


@both
@pytest.mark.parametrize("failure", sorted(SCRIPTS))
def test_no_failure_is_a_listing_nor_an_exception_and_the_verdict_comes_in_time(failure: str, awaited: bool) -> None:
    """Of two hosts one is listed, one is not: whatever happens on the way, the one that is not never is."""
    with FakeDns(RIGHT, failures={"bl.test": failure}, slowness=0.05) as server, chain(server, 0.5) as made:
        for number, right in ((45, [set()]), (44, [{"DNSBL_OWN"}]), (45, [set()])):
            begun = time.monotonic()
            names = set(found(made, number, awaited))
            assert time.monotonic() - begun < 0.55 + 0.5  # the deadline and a tenth, and a busy machine
            assert names in [*right, {"DNSBL_UNKNOWN"}], failure
            assert names in right or failure not in HELPED


@both
def test_a_list_that_has_died_is_let_back_when_it_answers(awaited: bool) -> None:
    with FakeDns(RIGHT) as server, chain(server, breaker_failures=1, breaker_pause=1) as made:
        assert found(made, 44, awaited).keys() == {"DNSBL_OWN"}
        server.failures["bl.test"] = "servfail"
        assert found(made, 45, awaited).keys() == {"DNSBL_UNKNOWN"}
        server.failures.clear()
        assert "broken" in found(made, 46, awaited)["DNSBL_UNKNOWN"]
        book = made.lookups[DnsQuestion].book  # type: ignore[attr-defined]
        book.clock = lambda: time.time() + 2
        assert found(made, 46, awaited) == {}
        assert found(made, 44, awaited).keys() == {"DNSBL_OWN"}


@both
def test_a_test_point_that_stands_in_a_mail_is_answered_as_well(awaited: bool) -> None:
    domains = {"name": "own", "zone": "bl.test", "kind": "domain", "ask": ["links"], "test_listed": "listed.test",
               "test_unlisted": "good.test", "codes": {"127.0.0.2": MEANING}}  # fmt: skip
    with FakeDns({"listed.test.bl.test": A}) as server, chain(server, custom=[domains]) as made:
        mail = b"\nhttps://listed.test/ https://good.test/\n"
        begun = time.monotonic()
        verdict = asyncio.run(made.acheck(mail, client())) if awaited else made.check(mail, client())
        assert time.monotonic() - begun < 0.9
    assert [symbol.name for symbol in verdict.symbols] == ["DNSBL_OWN"]
    assert verdict.symbols[0].evidence == "'listed.test' (link) is 127.0.0.2 in bl.test"


@both
def test_other_questions_pass(awaited: bool) -> None:
    with FakeDns({"mx.test": {"A": ["192.0.2.1"]}}) as server, chain(server) as made:
        watch = made.lookups[DnsQuestion]
        assert isinstance(watch, ListWatch)
        questions = [DnsQuestion("mx.test"), DnsQuestion("no.test"), DnsQuestion("4.3.2.1.bl.test")]
        if awaited:
            answers = asyncio.run(watch.aask_many(questions, Deadline.after(1)))
        else:
            answers = watch.ask_many(questions, Deadline.after(1))
        assert [answer.state for answer in answers] == [DnsState.FOUND, DnsState.NOT_FOUND, DnsState.DISABLED]
        assert answers[2].detail.startswith("muted: 127.0.0.2 is not listed")
        assert watch.cache is watch.lookup.cache


def test_two_hundred_mails_on_one_loop_test_a_list_once_each_at_most() -> None:
    records = {"2.0.0.127.bl.test": A, **{f"{n}.33.22.11.bl.test": A for n in range(0, 200, 2)}}

    async def run(made: FilterChain) -> list[bool]:
        verdicts = await asyncio.gather(*(made.acheck(MAIL, client(number)) for number in range(200)))
        assert not any(verdict.unknown for verdict in verdicts)
        return [bool(verdict.symbols) for verdict in verdicts]

    with FakeDns(records) as server, chain(server) as made:
        assert asyncio.run(run(made)) == [number % 2 == 0 for number in range(200)]
        names = [name for name, _, _ in server.asked]
    assert names.count("2.0.0.127.bl.test") == 1


def test_what_is_not_answered_in_time_counts_as_silence() -> None:
    """The deadline of a mail passes before the resolver's answer: the breaker learns of it all the same."""
    for awaited in (False, True):
        failing = FakeDns(RIGHT, failures={"bl.test": "timeout"})
        with failing as server, chain(server, 0.2, breaker_failures=1) as made:
            assert found(made, 44, awaited).keys() == {"DNSBL_UNKNOWN"}
            assert "broken: " in found(made, 45, awaited)["DNSBL_UNKNOWN"]


def test_the_state_outlives_the_chain_where_there_is_a_store(tmp_path: Path) -> None:
    store = str(tmp_path / "watch.db")
    with FakeDns({"44.33.22.11.bl.test": A}) as server:
        for _ in range(2):
            with chain(server, watch_store=store) as made:
                assert "127.0.0.2 is not listed" in found(made, 44, False)["DNSBL_UNKNOWN"]
        assert len(server.asked) == 4


def test_a_breaker_that_another_process_has_opened_is_open_here(tmp_path: Path) -> None:
    store = str(tmp_path / "watch.db")
    with FakeDns(RIGHT, failures={"77.33.22.11.bl.test": "servfail"}) as server:
        with chain(server, watch_store=store, breaker_failures=1) as made:
            assert found(made, 44, False).keys() == {"DNSBL_OWN"}
        code = (
            "import sys; from tests.lookups.test_watch import *\n"
            "class Server: address = sys.argv[1]\n"
            "made = chain(Server, watch_store=sys.argv[2], breaker_failures=1)\n"
            "print(found(made, 77, False)); made.close()"
        )
        command = [sys.executable, "-c", code, server.address, store]
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        assert "bl.test: server failure" in said
        asked = len(server.asked)
        with chain(server, watch_store=store, breaker_failures=1) as made:
            assert "broken: failures in a row: 1" in found(made, 44, False)["DNSBL_UNKNOWN"]
        assert len(server.asked) == asked


@both
def test_a_list_that_was_right_is_tested_again_in_due_time_and_found_out(awaited: bool) -> None:
    with FakeDns(RIGHT) as server, chain(server) as made:
        assert found(made, 44, awaited).keys() == {"DNSBL_OWN"}
        server.records["1.0.0.127.bl.test"] = {"A": ["127.0.0.2"]}
        assert found(made, 44, awaited).keys() == {"DNSBL_OWN"}  # not due: not asked
        made.lookups[DnsQuestion].cache.clear()  # type: ignore[attr-defined]
        made.lookups[DnsQuestion].book.clock = lambda: time.time() + 3700  # type: ignore[attr-defined]
        said = found(made, 44, awaited)
        assert said.keys() == {"DNSBL_UNKNOWN"}
        assert "127.0.0.1 is listed" in said["DNSBL_UNKNOWN"]


@both
@pytest.mark.parametrize("watching", [True, False])
def test_keys_are_in_questions_to_dns_and_nowhere_else(
    awaited: bool, watching: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN_KEY", "S3cret")
    monkeypatch.setenv("OWN_ZONE", "s3cret.zone.test")
    keyed = [
        {**LIST, "name": "one", "zone": "{key}.bl.test", "key_env": "OWN_KEY"},
        {**LIST, "name": "two", "zone": "{key}", "key_env": "OWN_ZONE"},
    ]
    zones = ("s3cret.bl.test", "s3cret.zone.test")
    records = {f"{point}.{zone}": A for zone in zones for point in ("2.0.0.127", "44.33.22.11")}
    with FakeDns(records) as server, chain(server, custom=keyed, watch=watching) as made:
        mail = Mail(Message(MAIL), client())
        batch = asyncio.run(made.aevaluate([mail])) if awaited else made.evaluate([mail])
        assert {f"44.33.22.11.{zone}" for zone in zones} <= {name for name, _, _ in server.asked}
    evidence = "44.33.22.11".join(symbol.evidence for symbol in batch.rows[0])
    assert [symbol.name for symbol in batch.rows[0]] == ["DNSBL_OWN"]
    assert "s3cret" not in evidence
    assert len(batch.answers[0]) == 2
    assert "s3cret" not in repr(batch.answers)


def test_a_key_that_nobody_puts_in_is_no_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up of one's own without the watch: not known, and not "not listed"."""
    monkeypatch.setenv("OWN_KEY", "S3cret")
    keyed = {**LIST, "zone": "{key}.bl.test", "key_env": "OWN_KEY"}
    with FakeDns({}) as server:
        config = Config.from_mapping({"dns": {"custom": [keyed]}})
        with FilterChain(config, checks=[BUILT_IN["dnsbl"](config)], lookups=[DnsLookup([server.address])]) as made:
            assert found(made, 44, False).keys() == {"DNSBL_UNKNOWN"}
        assert not server.asked

"""A server that fails in every way, behind the whole chain: never a listing, never an exception, never late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from mailfilter import Config, Envelope, FilterChain
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState
from mailfilter.testing.answers import AnswersLookup
from mailfilter.testing.dns_failures import SCRIPTS
from mailfilter.testing.fake_dns import FakeDns
from mailfilter.verdict import Verdict

RAW = b"From: a@x.test\r\nTo: b@example.org\r\nSubject: hello\r\n\r\nhello\r\n"
ENVELOPE = Envelope(client_ip="11.22.33.9", helo="mx.x.test", mail_from="a@x.test", rcpt_to=["b@example.org"])
NAME = "9.33.22.11.bl.test"
TRUTHFUL = {
    "wrong_id_first", "truncated", "no_edns", "unasked", "oversized", "flood", "twice", "slow",
}  # fmt: skip
"""Failures that end with the right answer."""
DEADLINE = 0.6
LIST: dict[str, Any] = {
    "name": "own",
    "zone": "bl.test",
    "codes": {"127.0.0.2": {"symbol": "OWN_LISTED", "points": 3.0, "description": "Listed."}},
}

Face = Callable[[FilterChain], Verdict]


def blocking(chain: FilterChain) -> Verdict:
    return chain.check(RAW, ENVELOPE)


def awaited(chain: FilterChain) -> Verdict:
    return asyncio.run(chain.acheck(RAW, ENVELOPE))


def settings(*resolvers: str) -> Config:
    return Config.from_mapping(
        {
            "dns": {"resolvers": list(resolvers), "custom": [LIST], "watch": False},
            "engine": {"deadline": DEADLINE},
            "checks": {"disable": ["content", "virus"]},
        }
    )


def judged(face: Face, *resolvers: str, lookup: Any = None) -> set[str]:
    """The names of all that was found, within the deadline and a tenth."""
    with FilterChain(settings(*resolvers), lookups=None if lookup is None else [lookup], stateless=True) as chain:
        chain.check(b"Subject: warm\n\n", Envelope())  # what is loaded at first use is not the lookups' time
        begun = time.monotonic()
        verdict = face(chain)
        assert time.monotonic() - begun < DEADLINE * 1.1 + 0.15
    return {symbol.name for symbol in (*verdict.symbols, *verdict.unknown)}


@pytest.mark.parametrize("face", [blocking, awaited])
@pytest.mark.parametrize("failure", SCRIPTS)
def test_a_failure_is_no_listing(failure: str, face: Face) -> None:
    records = {NAME: {"A": ["127.0.0.2"]}}
    with FakeDns(records, failures={"test": failure}, slowness=0.1) as server:
        found = judged(face, server.address)
    assert "CHECK_FAILED" not in found
    assert ("OWN_LISTED" in found) == (failure in TRUTHFUL)
    assert ("DNSBL_UNKNOWN" in found) == (failure not in TRUTHFUL)


@pytest.mark.parametrize("face", [blocking, awaited])
@pytest.mark.parametrize("code", ["127.255.255.252", "127.255.255.254", "127.255.255.255", "127.0.0.3", "192.0.2.80"])
def test_a_code_that_is_none_of_the_lists_is_no_listing(code: str, face: Face) -> None:
    for records in ([code], [code, "127.0.0.2"]):
        with FakeDns({NAME: {"A": records}}) as server:
            found = judged(face, server.address)
        spoilt = code != "127.0.0.3"
        assert ("OWN_LISTED" in found) == (len(records) == 2 and not spoilt)
        assert ("DNSBL_UNKNOWN" in found) == (spoilt or len(records) == 1)


@pytest.mark.parametrize("face", [blocking, awaited])
def test_a_dead_port_and_nobody_there(face: Face) -> None:
    found = judged(face, "127.0.0.1:1", "[::1]:1")
    assert "OWN_LISTED" not in found
    assert {"DNSBL_UNKNOWN", "AUTH_UNKNOWN"} <= found


@pytest.mark.parametrize("face", [blocking, awaited])
def test_an_answer_after_the_deadline_is_none(face: Face) -> None:
    with FakeDns({NAME: {"A": ["127.0.0.2"]}}, delay=DEADLINE + 0.3) as server:
        found = judged(face, server.address)
    assert "OWN_LISTED" not in found
    assert "DNSBL_UNKNOWN" in found


@pytest.mark.parametrize("face", [blocking, awaited])
@pytest.mark.parametrize("state", DnsState)
def test_every_state_of_a_lookup(state: DnsState, face: Face) -> None:
    records = ("127.0.0.2",) if state is DnsState.FOUND else ()
    found = judged(face, "192.0.2.1", lookup=AnswersLookup(DnsQuestion, default=DnsAnswer(state, records, 60)))
    assert ("OWN_LISTED" in found) == (state is DnsState.FOUND)
    assert "CHECK_FAILED" not in found


@pytest.mark.parametrize("face", [blocking, awaited])
def test_names_that_nobody_asked_about_are_not_believed_later(face: Face) -> None:
    """A server tells of other names; none of it is kept, and they are asked for when they are wanted."""
    poison = {"elsewhere.test": {"A": ["192.0.2.7"]}}
    with FakeDns(poison, failures={"elsewhere.test": "unasked"}) as server:
        with FilterChain(settings(server.address), stateless=True) as chain:
            (lookup,) = chain.lookups.values()
            chain_cache = lookup.cache  # type: ignore[attr-defined]
            face(chain)
            kept = set(chain_cache._kept)
        assert all((question.name, question.rdtype, "udp") in server.asked for question in kept)
        assert not any("other.example" in question.name for question in kept)


@pytest.mark.parametrize("face", [blocking, awaited])
def test_the_second_server_is_asked_when_the_first_is_of_no_use(face: Face) -> None:
    records = {NAME: {"A": ["127.0.0.2"]}}
    with FakeDns(failures={"test": "servfail"}) as bad, FakeDns(records) as good:
        assert "OWN_LISTED" in judged(face, bad.address, good.address)
        assert "OWN_LISTED" in judged(face, "127.0.0.1:1", good.address)

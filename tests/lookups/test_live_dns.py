"""The DNS client against real servers: block lists asked directly, and behind a resolver."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailfilter import Config, Envelope, FilterChain
from mailfilter.deadline import Deadline
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState
from mailfilter.lookups.dns import DnsLookup

from ..authentication.signing import sign
from ..servers import Nsd, Rbldnsd, Unbound, free_port

pytestmark = pytest.mark.server


def listed(address: str, zone: str = "bl.lab.test") -> str:
    return ipaddress.ip_address(address).reverse_pointer.rsplit(".", 2)[0] + "." + zone


def both(address: str, name: str, rdtype: str = "A") -> DnsAnswer:
    """Ask blocking and under asyncio, without a cache between; the answers agree."""
    question = DnsQuestion(name, rdtype)
    blocking = DnsLookup([address]).ask(question, Deadline.after(3))
    awaited = asyncio.run(DnsLookup([address]).aask(question, Deadline.after(3)))
    assert (awaited.state, awaited.records) == (blocking.state, blocking.records)
    return blocking


@pytest.fixture(params=["rbldnsd", "unbound"])
def server(request: pytest.FixtureRequest) -> str:
    """Address of the lists, or of the resolver before them."""
    found: Rbldnsd | Unbound = request.getfixturevalue(request.param)
    return found.address


@pytest.mark.parametrize(
    ("name", "records"),
    [
        (listed("127.0.0.2"), ("127.0.0.2",)),
        (listed("203.0.113.1"), ("127.0.0.2",)),
        (listed("203.0.113.67"), ("127.0.0.10",)),
        (listed("203.0.113.68"), ("127.0.0.2", "127.0.0.3", "127.0.0.4")),
        (listed("203.0.113.69"), ("127.255.255.254",)),
        (listed("203.0.113.70"), ("127.0.0.14",)),
        (listed("2001:db8:bad::9", "bl6.lab.test"), ("127.0.0.2",)),
        (listed("2001:db8:1::25", "bl6.lab.test"), ("127.0.0.4",)),
        ("test.uri.lab.test", ("127.0.0.2",)),
        ("spam.example.uri.lab.test", ("127.0.0.2",)),
        ("a.b.spam.example.uri.lab.test", ("127.0.0.2",)),
        ("phish.example.uri.lab.test", ("127.0.0.8",)),
        ("multi.example.uri.lab.test", ("127.0.0.14",)),
    ],
)
def test_listed(server: str, name: str, records: tuple[str, ...]) -> None:
    answer = both(server, name)
    assert (answer.state, answer.records) == (DnsState.FOUND, records)
    assert 0 < answer.ttl <= 60


@pytest.mark.parametrize(
    "name",
    [
        listed("203.0.113.7"),  # excluded from a range that is listed
        listed("192.0.2.1"),
        listed("127.0.0.1"),
        listed("2001:db8:bad:1::9", "bl6.lab.test"),
        "www.phish.example.uri.lab.test",
        "invalid.uri.lab.test",
    ],
)
def test_not_listed(server: str, name: str) -> None:
    answer = both(server, name)
    assert (answer.state, answer.records) == (DnsState.NOT_FOUND, ())
    assert 0 < answer.ttl <= 60


def test_a_listed_address_without_the_record_type(server: str) -> None:
    assert both(server, listed("203.0.113.1"), "AAAA").state is DnsState.NOT_FOUND


def test_texts(server: str) -> None:
    answer = both(server, listed("203.0.113.68"), "TXT")
    assert answer.records == ("direct source", "exploited", "low quality")


def test_all_lists_at_once_and_of_one_connection(server: str) -> None:
    """Addresses of both families, domains, masks, several codes and texts in one wave, blocking and awaited."""
    wanted = {
        DnsQuestion(listed("203.0.113.68")): ("127.0.0.2", "127.0.0.3", "127.0.0.4"),
        DnsQuestion(listed("203.0.113.68"), "TXT"): ("direct source", "exploited", "low quality"),
        DnsQuestion(listed("203.0.113.70")): ("127.0.0.14",),
        DnsQuestion(listed("203.0.113.7")): (),
        DnsQuestion(listed("2001:db8:bad::9", "bl6.lab.test")): ("127.0.0.2",),
        DnsQuestion("multi.example.uri.lab.test"): ("127.0.0.14",),
        DnsQuestion("phish.example.uri.lab.test", "TXT"): ("phishing phish.example",),
    }
    questions = list(wanted)
    for answers in (
        DnsLookup([server]).ask_many(questions, Deadline.after(5)),
        asyncio.run(DnsLookup([server]).aask_many(questions, Deadline.after(5))),
    ):
        assert {q: a.records for q, a in zip(questions, answers, strict=True)} == wanted


def test_a_name_outside_the_zones_is_refused(server: str) -> None:
    answer = both(server, "www.example.org")
    assert (answer.state, answer.records) == (DnsState.REFUSED, ())


def test_other_types_by_a_resolver(unbound: Unbound) -> None:
    assert both(unbound.address, "static.example", "MX").records == ("10 mx.static.example",)
    assert both(unbound.address, "99.2.0.192.in-addr.arpa", "PTR").records == ("mx.static.example",)


def test_an_answer_too_large_for_udp_comes_by_tcp(unbound: Unbound) -> None:
    answer = both(unbound.address, "big.static.example", "TXT")
    assert answer.records == ("x" * 1600,)


@pytest.mark.parametrize("behind", [False, True])
def test_senders(behind: bool, nsd: Nsd, request: pytest.FixtureRequest) -> None:
    """Of the server itself, which gives no recursion, and of the resolver before it."""
    address = request.getfixturevalue("resolver").address if behind else nsd.address
    assert both(address, "good.example", "MX").records == ("10 mx.good.example", "20 backup.good.example")
    assert both(address, "mx.good.example", "AAAA").records == ("2001:db8::10",)
    (spf,) = both(address, "good.example", "TXT").records
    assert spf == "v=spf1 ip4:192.0.2.0/28 ip4:11.22.33.0/24 include:spf.good.example -all"
    (key,) = both(address, "k._domainkey.good.example", "TXT").records
    assert key.startswith("v=DKIM1;")
    assert len(key) > 255  # longer than one string of a TXT record
    alias = both(address, "alias.good.example")
    assert (alias.records, alias.alias) == (("192.0.2.10",), "mx.good.example")
    assert both(address, "long.good.example", "TXT").records == ("x" * 1600,)  # by TCP
    missing = both(address, "missing.good.example")
    assert (missing.state, missing.ttl) == (DnsState.NOT_FOUND, 60)
    assert both(address, "spf.good.example", "A").state is DnsState.NOT_FOUND


@pytest.mark.parametrize("awaited", [False, True])
def test_a_mail_through_the_whole_chain(awaited: bool, resolver: Unbound) -> None:
    lists = [
        {
            "name": name,
            "zone": zone,
            **more,
            "codes": {code: {"symbol": name.upper(), "points": 1.0, "description": "Listed."}},
        }
        for name, zone, code, more in (
            ("own_hosts", "bl.lab.test", "127.0.0.4", {}),
            ("own_domains", "uri.lab.test", "127.0.0.8", {"kind": "domain", "ask": ["links"]}),
        )
    ]
    config = {"dns": {"resolvers": [resolver.address], "custom": lists}, "checks": {"disable": ["content"]}}
    plain = b"From: Ada <a@good.example>\r\nSubject: hello\r\n\r\nsee http://phish.example/x\r\n"
    raw = sign(plain, "rsa2048", domain="good.example")
    envelope = Envelope(client_ip="11.22.33.44", helo="mx.good.example", mail_from="a@good.example", rcpt_to=["b@c.d"])
    with FilterChain(Config.from_mapping(config), stateless=True) as chain:
        verdict = asyncio.run(chain.acheck(raw, envelope)) if awaited else chain.check(raw, envelope)
    names = {symbol.name for symbol in (*verdict.symbols, *verdict.unknown)}
    assert {"OWN_HOSTS", "OWN_DOMAINS", "SPF_PASS", "DKIM_VALID", "DMARC_PASS"} <= names
    assert not names & {"CHECK_FAILED", "AUTH_UNKNOWN", "DNSBL_UNKNOWN", "DNSBL_UNKNOWN_DOMAIN"}


def test_a_second_question_is_answered_from_the_cache(rbldnsd: Rbldnsd) -> None:
    lookup = DnsLookup([rbldnsd.address])
    for name in (listed("203.0.113.1"), listed("203.0.113.7")):
        first = lookup.ask(DnsQuestion(name), Deadline.after(3))
        assert lookup.ask(DnsQuestion(name), Deadline.after(0)).records == first.records
        assert asyncio.run(lookup.aask(DnsQuestion(name), Deadline.after(0))).state is first.state


def test_many_questions_at_once(rbldnsd: Rbldnsd) -> None:
    """A thousand on one loop and two hundred from threads, each with the answer to its own question."""
    questions = [DnsQuestion(listed(f"203.0.{n // 256 + 112}.{n % 256}")) for n in range(1000)]
    hits = {256 + n for n in range(256) if (n < 16 and n != 7) or 66 <= n <= 70}
    wanted = [DnsState.FOUND if n in hits else DnsState.NOT_FOUND for n in range(1000)]
    lookup = DnsLookup([rbldnsd.address])

    async def ask_all() -> list[DnsAnswer]:
        return await asyncio.gather(*(lookup.aask(question, Deadline.after(20)) for question in questions))

    assert [answer.state for answer in asyncio.run(ask_all())] == wanted
    fresh = DnsLookup([rbldnsd.address])
    with ThreadPoolExecutor(16) as pool:
        states = pool.map(lambda question: fresh.ask(question, Deadline.after(20)).state, questions[200:400])
        assert list(states) == wanted[200:400]


def test_a_dead_port_is_noticed_at_once(rbldnsd: Rbldnsd) -> None:
    dead = f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    begun = time.monotonic()
    answer = both(dead, listed("203.0.113.1"))
    assert (answer.state, "refused" in answer.detail) == (DnsState.TIMEOUT, True)
    assert time.monotonic() - begun < 1.0  # of 3 seconds that were allowed, twice

    lookup = DnsLookup([dead, rbldnsd.address])
    begun = time.monotonic()
    assert lookup.ask(DnsQuestion(listed("203.0.113.1")), Deadline.after(3)).records == ("127.0.0.2",)
    assert time.monotonic() - begun < 1.0

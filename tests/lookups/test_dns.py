"""The DNS client against a server that fails in every way that has a name."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time

import pytest

from mailfilter.deadline import Deadline
from mailfilter.errors import SettingError
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState
from mailfilter.lookups.dns import DnsLookup
from mailfilter.lookups.dns_cache import DnsCache
from mailfilter.lookups.dns_servers import Nameserver, parse_nameserver
from mailfilter.testing.dns_failures import SCRIPTS
from mailfilter.testing.fake_dns import FakeDns
from mailfilter.testing.lookup_contract import check_lookup

from ..servers import free_port

LISTED = ("127.0.0.2", "127.0.0.4")
RECORDS = {f"{failure}.bl.test": {"A": LISTED} for failure in SCRIPTS} | {"bl.test": {"A": LISTED}}
FAILURES = {f"{failure}.bl.test": failure for failure in SCRIPTS}

FOUND, NOT_FOUND, TIMEOUT = DnsState.FOUND, DnsState.NOT_FOUND, DnsState.TIMEOUT
SERVFAIL, REFUSED, MALFORMED = DnsState.SERVFAIL, DnsState.REFUSED, DnsState.MALFORMED

STATES = {
    "servfail": SERVFAIL,
    "refused": REFUSED,
    "notimp": SERVFAIL,
    "timeout": TIMEOUT,
    "wrong_id": MALFORMED,
    "wrong_id_first": FOUND,
    "truncated": FOUND,
    "truncated_closed": MALFORMED,
    "truncated_hangs": TIMEOUT,
    "malformed": MALFORMED,
    "short": MALFORMED,
    "wrong_question": MALFORMED,
    "echo": MALFORMED,
    "poisoned": MALFORMED,
    "referral": SERVFAIL,
    "no_edns": FOUND,
    "alias_loop": MALFORMED,
    "alias_out": FOUND,
    "alias_chain": MALFORMED,
    "rewritten": FOUND,
    "unasked": FOUND,
    "oversized": FOUND,
    "oversized_records": MALFORMED,
    "garbage": MALFORMED,
    "flood": FOUND,
    "twice": FOUND,
    "slow": FOUND,
}
SAID = {"alias_out": ("127.0.0.2",), "rewritten": ("192.0.2.80",)}
"""What is found where it is not `LISTED`; that it is no listing is for the check to see."""


def both(lookup: DnsLookup, name: str, seconds: float = 3.0) -> DnsAnswer:
    """Ask blocking and under asyncio, nothing cached between; the answers agree."""
    lookup.cache.clear()
    blocking = lookup.ask(DnsQuestion(name), Deadline.after(seconds))
    lookup.cache.clear()
    awaited = asyncio.run(lookup.aask(DnsQuestion(name), Deadline.after(seconds)))
    assert awaited == blocking
    return blocking


def dead() -> str:
    return f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"


def test_every_failure_has_a_test() -> None:
    assert STATES.keys() == SCRIPTS.keys()


@pytest.mark.parametrize("failure", STATES)
def test_a_failure_is_typed_and_never_an_answer(failure: str) -> None:
    with FakeDns(RECORDS, failures=FAILURES, slowness=0.1) as server:
        answer = both(DnsLookup([server.address], patience=0.3), f"{failure}.bl.test", seconds=0.9)
    assert answer.state is STATES[failure]
    assert answer.records == (SAID.get(failure, LISTED) if answer.state is FOUND else ())
    assert answer.alias == ("listed.other.example" if failure == "alias_out" else "")
    assert answer.state is FOUND or answer.detail


@pytest.mark.parametrize("failure", STATES)
def test_another_server_stands_in(failure: str) -> None:
    """Two servers: the first fails, the second knows."""
    name = f"{failure}.bl.test"
    with FakeDns(RECORDS, failures=FAILURES, slowness=0.4) as bad, FakeDns(RECORDS) as good:
        for ask in (DnsLookup.ask, lambda *asked: asyncio.run(DnsLookup.aask(*asked))):
            lookup = DnsLookup([bad.address, good.address], patience=0.1)
            answer = ask(lookup, DnsQuestion(name), Deadline.after(0.6))
            assert (answer.state, answer.records) == (FOUND, SAID.get(failure, LISTED))


def test_a_lost_datagram_is_sent_again() -> None:
    with FakeDns(RECORDS) as server:
        lost = iter((True, False, True, False))
        whole = server.replies
        server.replies = lambda wire, transport: [] if next(lost) else whole(wire, transport)  # type: ignore[method-assign]
        answer = both(DnsLookup([server.address], patience=0.05), "bl.test")
        assert (answer.state, answer.records) == (FOUND, LISTED)


def test_an_answer_after_the_second_question_counts_too() -> None:
    """The first server is slow; its answer to the first question is taken when it is asked again."""
    mute, slow = FakeDns(failures={"test": "timeout"}), FakeDns(RECORDS, failures={"bl.test": "slow"}, slowness=0.15)
    with mute, slow:
        answer = both(DnsLookup([slow.address, mute.address], patience=0.1), "bl.test", seconds=1.0)
        assert answer.state is FOUND


@pytest.mark.parametrize("failure", ["timeout", "wrong_id", "truncated_hangs"])
def test_silence_costs_the_deadline_and_no_more(failure: str) -> None:
    seconds = 0.25
    with FakeDns(RECORDS, failures=FAILURES) as server:
        lookup = DnsLookup([server.address, server.address], patience=0.1)
        begun = time.monotonic()
        lookup.ask(DnsQuestion(f"{failure}.bl.test"), Deadline.after(seconds))
        assert seconds <= time.monotonic() - begun < seconds + 0.4

        async def asked() -> float:
            begun = time.monotonic()
            await lookup.aask(DnsQuestion(f"{failure}.bl.test"), Deadline.after(seconds))
            return time.monotonic() - begun

        assert asyncio.run(asked()) < seconds + 0.4


def test_a_dead_port_is_noticed_at_once() -> None:
    begun = time.monotonic()
    answer = both(DnsLookup([dead(), "[::1]:1"]), "bl.test", seconds=10.0)
    assert answer.state is TIMEOUT
    assert "connection refused" in answer.detail
    assert time.monotonic() - begun < 2.0


def test_a_dead_tcp_port_after_truncation_is_noticed_at_once() -> None:
    with FakeDns(RECORDS, failures={"bl.test": "truncated"}) as server, FakeDns(RECORDS) as good:
        server._tcp.shutdown(socket.SHUT_RDWR)
        server._tcp.close()
        begun = time.monotonic()
        answer = both(DnsLookup([server.address]), "bl.test", seconds=10.0)
        assert answer.state is MALFORMED
        assert "not to be had by TCP: connection refused" in answer.detail
        assert both(DnsLookup([server.address, good.address]), "bl.test").records == LISTED
        assert time.monotonic() - begun < 3.0


def test_a_server_that_does_not_answer_is_asked_last_for_a_while() -> None:
    with FakeDns(failures={"test": "timeout"}) as mute, FakeDns(RECORDS) as good:
        lookup = DnsLookup([mute.address, good.address], patience=0.1)
        for number in range(5):
            lookup.ask(DnsQuestion(f"n{number}.test"), Deadline.after(2))
        assert len(mute.asked) == 1
        assert len(good.asked) == 5


def test_the_most_telling_failure_is_told() -> None:
    with FakeDns(RECORDS, failures={"bl.test": "refused"}) as server:
        for order in ([dead(), server.address], [server.address, dead()]):
            answer = both(DnsLookup(order), "bl.test")
            assert answer.state is REFUSED
            assert server.address in answer.detail


def test_answers_are_kept_and_failures_are_not() -> None:
    with FakeDns(RECORDS, failures=FAILURES) as server:
        lookup = DnsLookup([server.address])
        for name in ("bl.test", "missing.test", "servfail.bl.test", "refused.bl.test"):
            for _ in range(3):
                lookup.ask(DnsQuestion(name), Deadline.after(2))
                asyncio.run(lookup.aask(DnsQuestion(name), Deadline.after(2)))
        counts = [sum(asked == name for asked, _, _ in server.asked) for name in ("bl.test", "missing.test")]
        assert counts == [1, 1]
        assert sum(asked == "servfail.bl.test" for asked, _, _ in server.asked) == 6


def test_a_cache_can_be_shared() -> None:
    cache = DnsCache()
    with FakeDns(RECORDS) as server:
        DnsLookup([server.address], cache=cache).ask(DnsQuestion("bl.test"), Deadline.after(2))
    assert DnsLookup([dead()], cache=cache).ask(DnsQuestion("bl.test"), Deadline.after(2)).records == LISTED


def test_the_port_and_number_of_every_question_are_new() -> None:
    with FakeDns(RECORDS) as server:
        seen = set()
        whole = server.replies
        server.replies = lambda wire, transport: seen.add(wire[:2]) or whole(wire, transport)  # type: ignore[method-assign, func-returns-value]
        lookup = DnsLookup([server.address])
        for number in range(50):
            lookup.ask(DnsQuestion(f"n{number}.test"), Deadline.after(2))
    assert len(seen) > 40


def test_names_that_cannot_be_asked_for_are_not_asked() -> None:
    with FakeDns(RECORDS) as server:
        for name in ("a..test", "x" * 64 + ".test", "x." * 200):
            answer = both(DnsLookup([server.address]), name)
            assert answer.state is MALFORMED
            assert "cannot be asked for" in answer.detail
        assert server.asked == []


def test_ipv6() -> None:
    with FakeDns(RECORDS, host="::1") as server:
        assert both(DnsLookup([server.address]), "bl.test").records == LISTED


def test_contract() -> None:
    names = ["bl.test", "missing.test", "a..b", "m\u00fcnchen.test", *FAILURES]
    names = [name for name in names if STATES.get(name.partition(".")[0]) is not TIMEOUT]
    with FakeDns(RECORDS, failures=FAILURES, slowness=0.02) as server:
        questions = [DnsQuestion(name) for name in names if name != "wrong_id.bl.test"]
        check_lookup(DnsLookup([server.address], patience=0.5), questions, seconds=2.0, threads=6)
        check_lookup(DnsLookup([server.address], patience=0.1), [DnsQuestion("timeout.bl.test")], seconds=0.2)


def test_forty_questions_at_once_cost_one_round_trip() -> None:
    with FakeDns(RECORDS, delay=0.05) as server:
        lookup = DnsLookup([server.address])

        async def ask_all() -> float:
            begun = time.monotonic()
            await asyncio.gather(*(lookup.aask(DnsQuestion(f"n{n}.test"), Deadline.after(5)) for n in range(40)))
            return time.monotonic() - begun

        assert asyncio.run(ask_all()) < 1.0  # one after the other: 2 seconds
        assert len(server.asked) == 40
        assert asyncio.run(ask_all()) < 0.5
        assert len(server.asked) == 40


def test_questions_under_asyncio_take_turns() -> None:
    with FakeDns(failures={"test": "timeout"}) as server:
        lookup = DnsLookup([server.address], max_questions=3)

        async def ask_all() -> list[DnsAnswer]:
            questions = [DnsQuestion(f"n{n}.test") for n in range(10)]
            return await asyncio.gather(*(lookup.aask(question, Deadline.after(0.3)) for question in questions))

        assert {answer.state for answer in asyncio.run(ask_all())} == {TIMEOUT}
        assert len({name for name, _, _ in server.asked}) == 3


def test_a_question_that_is_cancelled_leaves_no_socket() -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("open files are counted in /proc")
    with FakeDns(failures={"test": "timeout"}) as server:
        lookup = DnsLookup([server.address])

        async def cancelled() -> None:
            before = open_files()
            tasks = [asyncio.ensure_future(lookup.aask(DnsQuestion(f"n{n}.test"), Deadline.after(9))) for n in range(5)]
            await asyncio.sleep(0.05)
            assert open_files() > before
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert open_files() == before

        asyncio.run(cancelled())


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", Nameserver("192.0.2.1", 53)),
        ("192.0.2.1:5353", Nameserver("192.0.2.1", 5353)),
        ("2001:db8::1", Nameserver("2001:db8::1", 53)),
        ("[2001:DB8::1]", Nameserver("2001:db8::1", 53)),
        ("[::1]:5353", Nameserver("::1", 5353)),
    ],
)
def test_nameservers(text: str, server: Nameserver) -> None:
    assert parse_nameserver(text) == server
    assert parse_nameserver(str(server)) == server


@pytest.mark.parametrize(
    "text", ["", "dns.example", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "[::1]x", "[::1]:", "192.0.2", "a:1:b"]
)
def test_what_is_no_nameserver_is_refused_in_words(text: str) -> None:
    if text == "[::1]:":
        assert parse_nameserver(text) == Nameserver("::1", 53)
        return
    with pytest.raises(SettingError, match="no address of a nameserver; allowed are"):
        DnsLookup([text])


def test_the_systems_resolvers_are_taken_when_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import dns.resolver

    class Configured:
        nameservers = ("192.0.2.1", "2001:db8::1", "https://dns.example/dns-query")
        port = 5300

        def __init__(self, configure: bool) -> None:
            assert configure

    monkeypatch.setattr(dns.resolver, "Resolver", Configured)
    assert DnsLookup().servers == (Nameserver("192.0.2.1", 5300), Nameserver("2001:db8::1", 5300))

    def none(configure: bool) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver, "Resolver", none)
    assert both(DnsLookup(), "bl.test").state is DnsState.DISABLED


def test_an_ordinary_question_does_not_load_dnspython() -> None:
    """It costs 150 ms of a cold start."""
    with FakeDns(RECORDS) as server:
        code = (
            "import sys; from mailfilter.deadline import Deadline; from mailfilter.lookups import DnsQuestion;"
            "from mailfilter.lookups.dns import DnsLookup;"
            f"answer = DnsLookup(['{server.address}']).ask(DnsQuestion('bl.test'), Deadline.after(5));"
            "print(answer.records, 'dns' in sys.modules)"
        )
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"{LISTED} False"

"""The state machine of many questions: no socket, and a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Iterable

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState
from mailfilter.lookups.dns_exchange import NEVER, Exchange
from mailfilter.lookups.dns_flight import MAX_PORTS, PORT_USES, Flight, Port, Send
from mailfilter.lookups.dns_servers import Health, InFlight, Nameserver

ONE, TWO = Nameserver("192.0.2.1"), Nameserver("192.0.2.2")
FOUND, NOT_FOUND, TIMEOUT = DnsState.FOUND, DnsState.NOT_FOUND, DnsState.TIMEOUT


def question(name: object = "a.test") -> DnsQuestion:
    return DnsQuestion(f"{name}.test")


def exchange(*servers: Nameserver, limit: int = 100, patience: float = 1.0, health: Health | None = None) -> Exchange:
    return Exchange(servers, health or Health(), InFlight(limit), patience)


def taken(machine: Exchange) -> list[Send]:
    sends, machine.sends = machine.sends, []
    return sends


def ended(machine: Exchange) -> dict[str, DnsAnswer]:
    found, machine.ended = machine.ended, []
    assert len({one.question for one in found}) == len(found)
    return {one.question.name: one.answer for one in found}


def reply(wire: bytes, code: str = "NOERROR", address: str = "127.0.0.2", truncated: bool = False) -> bytes:
    query = dns.message.from_wire(wire)
    message = dns.message.make_response(query, recursion_available=True)
    message.set_rcode(dns.rcode.from_text(code))
    if truncated:
        message.flags |= dns.flags.TC
    elif code == "NOERROR":
        message.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", address))
    return message.to_wire()


def give(machine: Exchange, send: Send, wire: bytes, now: float) -> None:
    assert send.port is not None
    machine.received(send.port, send.server, wire, now)


def test_a_question_is_sent_and_answered() -> None:
    machine = exchange(ONE)
    machine.ask(question("a"), 5.0, 0.0)
    (send,) = taken(machine)
    assert (send.server, machine.due(), machine.under_way) == (ONE, 1.0, 1)
    give(machine, send, reply(send.wire), 0.1)
    assert ended(machine) == {"a.test": DnsAnswer(FOUND, ("127.0.0.2",), 60)}
    assert (machine.due(), machine.under_way, machine.questions) == (NEVER, 0, ())
    give(machine, send, reply(send.wire), 0.2)  # once more: nothing waits for it
    assert ended(machine) == {}


def test_silence_is_met_by_asking_again_and_then_with_patience() -> None:
    machine = exchange(ONE, TWO)
    machine.ask(question("a"), 10.0, 0.0)
    when, seen = 0.0, []
    while (due := machine.due()) < NEVER:
        seen += [(round(when, 3), send.server) for send in taken(machine)]
        when = due
        machine.tick(when)
    assert seen == [(0.0, ONE), (1.0, TWO), (2.0, ONE), (4.0, TWO), (6.0, ONE), (8.0, TWO)]
    assert when == pytest.approx(10.0, abs=0.01)
    assert ended(machine)["a.test"].state is TIMEOUT


def test_all_tries_of_a_question_have_one_number_and_port_so_that_a_late_answer_counts() -> None:
    machine = exchange(ONE, TWO)
    machine.ask(question("a"), 10.0, 0.0)
    (first,) = taken(machine)
    machine.tick(1.0)
    (second,) = taken(machine)
    assert (second.server, second.wire, second.port) == (TWO, first.wire, first.port)
    give(machine, first, reply(first.wire), 1.1)
    assert ended(machine)["a.test"].state is FOUND


def test_a_reply_counts_only_from_a_server_that_was_asked_on_the_port_it_was_asked_from() -> None:
    machine = exchange(ONE, TWO)
    machine.ask(question("a"), 10.0, 0.0)
    (send,) = taken(machine)
    assert send.port is not None
    machine.received(send.port, TWO, reply(send.wire), 0.1)
    machine.received(Port(), ONE, reply(send.wire), 0.1)
    give(machine, send, bytes((send.wire[0] ^ 1,)) + reply(send.wire)[1:], 0.1)
    for wire in (b"", b"\0", send.wire[:2]):
        machine.received(Port(), ONE, wire, 0.1)
    assert ended(machine) == {}
    give(machine, send, reply(send.wire), 0.2)
    assert ended(machine)["a.test"].state is FOUND


def test_a_failure_goes_on_to_the_next_server_and_the_most_telling_one_is_told() -> None:
    machine = exchange(ONE, TWO)
    machine.ask(question("a"), 10.0, 0.0)
    (send,) = taken(machine)
    give(machine, send, reply(send.wire, "REFUSED"), 0.1)
    (send,) = taken(machine)
    assert send.server == TWO
    assert send.port is not None
    machine.unreachable(send.port, TWO, "connection refused", 0.2)
    assert ended(machine)["a.test"] == DnsAnswer(DnsState.REFUSED, detail=f"{ONE}: the server refuses to answer")


def test_a_dead_port_is_told_to_all_who_asked_there() -> None:
    machine = exchange(ONE)
    for name in "abc":
        machine.ask(question(name), 10.0, 0.0)
    sends = taken(machine)
    assert len({send.port for send in sends}) == 1
    assert sends[0].port is not None
    machine.unreachable(sends[0].port, ONE, "connection refused", 0.1)
    assert {answer.state for answer in ended(machine).values()} == {TIMEOUT}
    assert machine.under_way == 0


def test_truncation_asks_the_same_server_by_tcp_within_its_share() -> None:
    machine = exchange(ONE, TWO)
    machine.ask(question("a"), 10.0, 0.0)
    (send,) = taken(machine)
    give(machine, send, reply(send.wire, truncated=True), 0.1)
    give(machine, send, reply(send.wire, truncated=True), 0.1)  # a second time: nothing more
    (stream,) = taken(machine)
    assert (stream.server, stream.port, machine.due()) == (ONE, None, 5.0)
    machine.tick(5.0)
    assert machine.dropped == [send.flight]
    (other,) = taken(machine)
    assert other.server == TWO
    machine.streamed(stream.flight, ONE, reply(stream.wire), 5.1)  # too late: its stream is closed
    assert ended(machine) == {}
    give(machine, other, reply(other.wire, truncated=True), 5.2)
    (stream,) = taken(machine)
    machine.streamed(stream.flight, TWO, "connection refused", 5.3)
    answer = ended(machine)["a.test"]
    assert answer.state is TIMEOUT or "not to be had by TCP" in answer.detail


@pytest.mark.parametrize(
    ("said", "state"), [("the connection was closed", DnsState.MALFORMED), (b"\0\0", DnsState.MALFORMED), (None, FOUND)]
)
def test_what_tcp_brings(said: str | bytes | None, state: DnsState) -> None:
    machine = exchange(ONE)
    machine.ask(question("a"), 10.0, 0.0)
    (send,) = taken(machine)
    give(machine, send, reply(send.wire, truncated=True), 0.1)
    (stream,) = taken(machine)
    machine.streamed(stream.flight, ONE, reply(stream.wire) if said is None else said, 0.2)
    assert ended(machine)["a.test"].state is state
    assert machine.dropped == []


def test_more_than_are_allowed_wait_for_their_turn() -> None:
    machine = exchange(ONE, limit=3)
    for number in range(9):
        machine.ask(question(number), 10.0, 0.0)
    asked = []
    while sends := taken(machine):
        assert len(sends) <= 3
        assert machine.under_way <= 3
        asked += [send.wire for send in sends]
        for send in sends:
            give(machine, send, reply(send.wire), 0.1)
    assert len(asked) == len(ended(machine)) == 9


def test_who_has_none_under_way_may_always_ask_and_looks_again_for_more() -> None:
    shared = InFlight(2)
    busy, idle = Exchange([ONE], Health(), shared, 1.0), Exchange([ONE], Health(), shared, 1.0)
    for machine in (busy, idle):
        for number in range(2):
            machine.ask(question(number), 10.0, 0.0)
    assert (busy.under_way, idle.under_way) == (2, 1)
    for send in taken(busy):
        give(busy, send, reply(send.wire), 0.01)
    assert idle.due() < 0.1
    idle.tick(idle.due())
    assert idle.under_way == 2


def test_questions_whose_turn_never_comes_end_in_time() -> None:
    machine = exchange(ONE, limit=1)
    for number in range(2_000):
        machine.ask(question(number), 3.0, 0.0)
    while machine.due() < NEVER:
        machine.tick(machine.due())
    assert {answer.state for answer in ended(machine).values()} == {TIMEOUT}
    assert machine.questions == ()


def test_ports_are_few_and_are_given_up() -> None:
    machine = exchange(ONE, limit=1000)
    used: dict[Port, int] = {}
    for number in range(1000):
        machine.ask(question(number), 10.0, 0.0)
    sends = taken(machine)
    for send in sends:
        assert send.port is not None
        used[send.port] = used.get(send.port, 0) + 1
    assert max(used.values()) <= PORT_USES
    assert len({send.wire[:2] for send in sends}) == 1000
    closed: list[Port] = []
    for send in sends:
        give(machine, send, reply(send.wire), 0.1)
        closed += machine.ports.closes
        assert not any(port.open for port in machine.ports.closes)
        machine.ports.closes.clear()
    machine.rest()
    assert set(closed + machine.ports.closes) == set(used)
    assert len(machine.ports.closes) <= MAX_PORTS


def test_a_shunned_server_is_asked_last() -> None:
    health = Health()
    machine = exchange(ONE, TWO, health=health)
    machine.ask(question("a"), 10.0, 0.0)
    machine.tick(1.0)
    taken(machine)
    machine.ask(question("b"), 10.0, 1.0)
    assert [send.server for send in taken(machine)] == [TWO]
    health.well(ONE)
    machine.ask(question("c"), 10.0, 1.0)
    assert [send.server for send in taken(machine)] == [ONE]


def test_what_somebody_else_asks_is_waited_for_and_not_sent() -> None:
    machine = exchange(ONE)
    for name in "ab":
        machine.hold(question(name), 5.0)
    assert (taken(machine), machine.holds(question("a")), machine.due()) == ([], 5.0, 5.0)
    machine.settle(question("a"), DnsAnswer(NOT_FOUND))
    machine.settle(question("c"), DnsAnswer(NOT_FOUND))
    assert ended(machine) == {"a.test": DnsAnswer(NOT_FOUND)}
    machine.extend(question("b"), 7.0)
    machine.tick(5.0)
    assert ended(machine) == {}
    machine.tick(7.0)
    assert ended(machine)["b.test"].state is TIMEOUT


def test_names_that_cannot_be_asked_for_and_nobody_to_ask() -> None:
    machine = exchange(ONE)
    machine.ask(DnsQuestion("a..test"), 5.0, 0.0)
    assert ended(machine)["a..test"].state is DnsState.MALFORMED
    machine = exchange()
    machine.ask(question("a"), 5.0, 0.0)
    assert ended(machine)["a.test"].state is DnsState.DISABLED


@given(st.lists(st.binary(max_size=60), max_size=20))
@settings(max_examples=200)
def test_no_datagram_raises(wires: Iterable[bytes]) -> None:
    machine = exchange(ONE)
    machine.ask(question("a"), 5.0, 0.0)
    (send,) = taken(machine)
    for wire in wires:
        give(machine, send, wire, 0.1)
        give(machine, send, send.wire[:2] + wire, 0.1)
    assert all(answer.state is not FOUND for answer in ended(machine).values())
    assert isinstance(send.flight, Flight)

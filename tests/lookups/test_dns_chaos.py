"""The state machine of many questions under whatever happens in whatever order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mailfilter.lookups import DnsQuestion
from mailfilter.lookups.dns_exchange import NEVER, Exchange
from mailfilter.lookups.dns_flight import Send
from mailfilter.lookups.dns_servers import Health, InFlight

from .test_dns_exchange import FOUND, ONE, TWO, give, question, reply, taken

HOW = ("right", "wrong number", "SERVFAIL", "TC", "FORMERR", "noise")


class Chaos(RuleBasedStateMachine):
    """Whatever happens in whatever order, every question ends once, in time, and knows only what it was told."""

    SECONDS = 4.0

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.shared = InFlight(4)
        self.machine = Exchange([ONE, TWO], Health(), self.shared, 1.0)
        self.sends: list[Send] = []
        self.streams: list[Send] = []
        self.open: dict[DnsQuestion, float] = {}
        self.truth: set[DnsQuestion] = set()
        self.count = 0

    def settle(self) -> None:
        for send in taken(self.machine):
            (self.streams if send.port is None else self.sends).append(send)
        self.machine.dropped.clear()
        for one in self.machine.ended:
            until = self.open.pop(one.question)
            assert self.now <= until + 0.011
            assert one.answer.state is not FOUND or one.question in self.truth
        self.machine.ended.clear()

    def pick(self, number: int, sends: list[Send]) -> Send:
        return sends[number % len(sends)]

    @rule()
    def ask(self) -> None:
        self.count += 1
        asked = question(self.count)
        self.open[asked] = self.now + self.SECONDS
        self.machine.ask(asked, self.now + self.SECONDS, self.now)
        self.settle()

    @rule(seconds=st.floats(0.01, 1.5))
    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while self.machine.due() <= until:
            self.now = max(self.now, self.machine.due())
            self.machine.tick(self.now)
            self.settle()
        self.now = until

    @precondition(lambda self: self.sends)
    @rule(number=st.integers(0, 99), how=st.sampled_from(HOW))
    def datagram(self, number: int, how: str) -> None:
        send = self.pick(number, self.sends)
        wire = {
            "right": lambda: reply(send.wire),
            "wrong number": lambda: bytes((send.wire[0] ^ 255,)) + reply(send.wire)[1:],
            "TC": lambda: reply(send.wire, truncated=True),
            "noise": lambda: send.wire[:2] + b"\x81\x80noise",
        }.get(how, lambda: reply(send.wire, how))()
        if how == "right":
            self.truth.add(send.flight.question)
        give(self.machine, send, wire, self.now)
        self.settle()

    @precondition(lambda self: self.streams)
    @rule(number=st.integers(0, 99), well=st.booleans())
    def stream(self, number: int, well: bool) -> None:
        send = self.pick(number, self.streams)
        if well:
            self.truth.add(send.flight.question)
        self.machine.streamed(send.flight, send.server, reply(send.wire) if well else "reset", self.now)
        self.settle()

    @precondition(lambda self: self.sends)
    @rule(number=st.integers(0, 99))
    def unreachable(self, number: int) -> None:
        send = self.pick(number, self.sends)
        assert send.port is not None
        self.machine.unreachable(send.port, send.server, "refused", self.now)
        self.settle()

    @precondition(lambda self: self.open)
    @rule(number=st.integers(0, 99))
    def drop(self, number: int) -> None:
        dropped = list(self.open)[number % len(self.open)]
        del self.open[dropped]
        self.machine.drop(dropped, self.now)
        self.settle()

    @invariant()
    def nothing_is_lost(self) -> None:
        assert set(self.machine.questions) == self.open.keys()
        assert self.shared._count == self.machine.under_way <= 4
        assert not self.open or self.machine.due() < NEVER

    def teardown(self) -> None:
        self.pass_time(2 * self.SECONDS)
        assert not self.open
        assert self.shared._count == 0


Chaos.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestChaos = Chaos.TestCase

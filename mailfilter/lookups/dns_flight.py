"""What a DNS exchange is made of: a question under way, the port that it goes out from, and what is to be sent."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import DnsAnswer, DnsQuestion
from .dns_servers import Nameserver
from .dns_wire import Query

MAX_PORTS = 8
"""Source ports that are open at once for each server."""
PORT_SHARE = 16
"""Questions under way on one port before another is opened."""
PORT_USES = 64
"""Questions after which a port is given up for a fresh one."""


class Port:
    """One source port for each server; the driver keeps its sockets in ``sockets``."""

    __slots__ = ("open", "sockets", "uses")

    def __init__(self) -> None:
        self.sockets: dict[Nameserver, Any] = {}
        self.uses = 0
        self.open = 0


class Flight:
    """One question under way."""

    __slots__ = (
        "done", "due", "failure", "number", "patience", "port", "query", "question", "round", "sent",
        "share_end", "stray", "streaming", "until", "waiting",
    )  # fmt: skip

    def __init__(self, question: DnsQuestion, query: Query | None, until: float) -> None:
        self.question = question
        self.query = query
        """None: somebody else asks it, and will tell."""
        self.until = until
        self.due = until
        self.port: Port | None = None
        self.done = False
        self.streaming: Nameserver | None = None
        self.stray: Nameserver | None = None
        self.failure: DnsAnswer | None = None
        self.sent: tuple[Nameserver, ...] = ()
        self.waiting: list[Nameserver] = []
        self.round: tuple[Nameserver, ...] = ()
        self.number = -1
        self.patience = self.share_end = 0.0

    @property
    def server(self) -> Nameserver:
        """The server whose turn it is."""
        return self.round[self.number]


class Send(NamedTuple):
    """What is to be sent: ``wire`` to ``server`` from ``port``, or by TCP where that is None."""

    flight: Flight
    server: Nameserver
    wire: bytes
    port: Port | None


class Ended(NamedTuple):
    """A question that has ended; ``ours`` whether it was asked here and not by somebody else."""

    question: DnsQuestion
    answer: DnsAnswer
    ours: bool


class Ports:
    """The source ports of one exchange; ``closes`` collects those whose sockets are to be closed."""

    def __init__(self) -> None:
        self.closes: list[Port] = []
        self._usable: list[Port] = []

    def take(self, chance: int, under_way: int) -> Port:
        """A port by ``chance`` (0 to 255); one more where those that are open carry much."""
        usable = self._usable
        if len(usable) < MAX_PORTS and under_way >= PORT_SHARE * len(usable):
            port = Port()
            usable.append(port)
        else:
            port = usable[chance % len(usable)]
        port.open += 1
        port.uses += 1
        if port.uses >= PORT_USES:
            usable.remove(port)
        return port

    def give(self, port: Port) -> None:
        """A question from this port has ended."""
        port.open -= 1
        if not port.open and port.uses >= PORT_USES:
            self.closes.append(port)

    def rest(self) -> None:
        """Nothing is under way: give up all, so that the next questions go out from fresh ones."""
        self.closes += self._usable
        self._usable = []

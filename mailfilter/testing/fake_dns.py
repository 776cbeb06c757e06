"""A DNS server on loopback that answers out of a mapping and fails where it is told to.

    with FakeDns({"2.0.0.127.bl.test": {"A": ["127.0.0.2"]}}, failures={"7.0.0.127.bl.test": "servfail"}) as dns:
        DnsLookup([dns.address]).ask(DnsQuestion("2.0.0.127.bl.test"), Deadline.after(1))

Its replies are built by dnspython and not by the code that they test.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .dns_failures import SCRIPTS, reply_with

if TYPE_CHECKING:
    import dns.message

Records = Mapping[str, Mapping[str, Sequence[str]]]
"""Name → type → records as in a zone file; ``{"mx.test": {"A": ["192.0.2.1"], "TXT": ['"two" "strings"']}}``."""

class FakeDns:
    """UDP and TCP on one port of 127.0.0.1 (or ``host``); a context manager.

    A name that is not in ``records`` does not exist, with an SOA of ``negative_ttl`` seconds; with ``zones``, a name
    outside them is refused.  A CNAME is followed within ``records``.
    ``failures``  name → one of `mailfilter.testing.dns_failures.SCRIPTS`; holds for names below it too.
    ``delay``  seconds that every reply takes; ``slowness``  what a slow one takes more.
    ``asked``  (name, type, "udp" or "tcp") of everything that came in.
    """

    def __init__(
        self,
        records: Records | None = None,
        *,
        failures: Mapping[str, str] | None = None,
        zones: Sequence[str] = (),
        ttl: int = 60,
        negative_ttl: int = 30,
        delay: float = 0.0,
        slowness: float = 0.5,
        host: str = "127.0.0.1",
    ) -> None:
        unknown = set((failures or {}).values()) - set(SCRIPTS)
        if unknown:
            raise ValueError(f"unknown failures {sorted(unknown)}; known are {', '.join(SCRIPTS)}")
        self.records = {name.lower(): dict(sets) for name, sets in (records or {}).items()}
        self.failures = dict(failures or {})
        self.zones = tuple(zones)
        self.ttl, self.negative_ttl = ttl, negative_ttl
        self.delay, self.slowness = delay, slowness
        self.host = host
        self.asked: list[tuple[str, str, str]] = []
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._late: list[tuple[float, int, list[bytes], Any]] = []
        self._numbers = itertools.count()
        self._due = threading.Condition()

    @property
    def address(self) -> str:
        """As settings name it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def start(self) -> FakeDns:
        """Listen; `port` is known afterwards."""
        import dns.message  # noqa: F401  (so that the first question does not wait for the import)

        self._udp, self._tcp = _same_port(self.host)
        self.port = int(self._udp.getsockname()[1])
        self._spawn(self._serve_udp)
        self._spawn(self._serve_tcp)
        self._spawn(self._send_late)
        return self

    def stop(self) -> None:
        """Stop listening; replies still on their way are dropped."""
        self._stopped.set()
        with self._due:
            self._due.notify()
        with contextlib.suppress(OSError):
            self._udp.sendto(b"", self._udp.getsockname())  # wakes the thread that waits for questions
            self._tcp.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._udp.close()
        self._tcp.close()

    def __enter__(self) -> FakeDns:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    # -------------------------------------------------------------------------------------------- what is said
    def replies(self, wire: bytes, transport: str) -> list[bytes]:
        """The datagrams or messages that answer ``wire``."""
        import dns.message
        import dns.rdatatype

        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, dns.rdatatype.to_text(question.rdtype), transport))
        failure = self._failure(name)
        return SCRIPTS[failure or "slow"](self._answer, query, transport)

    def _failure(self, name: str) -> str:
        labels = name.split(".")
        return next((mode for n in range(len(labels)) if (mode := self.failures.get(".".join(labels[n:]), ""))), "")

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        import dns.message
        import dns.rcode
        import dns.rdatatype
        import dns.rrset

        reply = reply_with(query, "NOERROR")
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        if self.zones and not any(name == zone or name.endswith(f".{zone}") for zone in self.zones):
            return reply_with(query, "REFUSED")
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        while name in self.records and kind not in self.records[name] and "CNAME" in self.records[name]:
            target = self.records[name]["CNAME"][0]
            reply.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", "CNAME", target))
            name = target.rstrip(".").lower()
        found = self.records.get(name, {}).get(kind)
        if found:
            reply.answer.append(dns.rrset.from_text_list(f"{name}.", self.ttl, "IN", kind, found))
            return reply
        if name not in self.records:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        zone = name.partition(".")[2] or name
        soa = f"ns.test. hostmaster.test. 1 600 300 86400 {self.negative_ttl}"
        reply.authority.append(dns.rrset.from_text(f"{zone}.", self.negative_ttl, "IN", "SOA", soa))
        return reply

    # -------------------------------------------------------------------------------------------- how it is said
    def _serve_udp(self) -> None:
        while not self._stopped.is_set():
            try:
                wire, client = self._udp.recvfrom(4096)
            except OSError:
                continue
            with contextlib.suppress(Exception):  # a question that is none gets no reply
                self._later(wire, self.replies(wire, "udp"), client)

    def _later(self, wire: bytes, replies: list[bytes], client: Any) -> None:
        wait = self.delay + (self.slowness if self._is_slow(wire) else 0.0)
        if wait:
            with self._due:
                heapq.heappush(self._late, (time.monotonic() + wait, next(self._numbers), replies, client))
                self._due.notify()
        else:
            self._send(replies, client)

    def _send(self, replies: list[bytes], client: Any) -> None:
        for reply in replies:
            with contextlib.suppress(OSError):
                self._udp.sendto(reply, client)

    def _send_late(self) -> None:
        """All replies that are to be late, in the order of their time."""
        while not self._stopped.is_set():
            with self._due:
                self._due.wait(max(0.0, self._late[0][0] - time.monotonic()) if self._late else None)
                due = []
                while self._late and self._late[0][0] <= time.monotonic():
                    due.append(heapq.heappop(self._late))
            for _, _, replies, client in due:
                self._send(replies, client)

    def _is_slow(self, wire: bytes) -> bool:
        import dns.message

        return self._failure(dns.message.from_wire(wire).question[0].name.to_text(True).lower()) == "slow"

    def _serve_tcp(self) -> None:
        while not self._stopped.is_set():
            try:
                stream, _ = self._tcp.accept()
            except OSError:
                return
            self._spawn(self._serve_stream, stream)

    def _serve_stream(self, stream: socket.socket) -> None:
        with stream, contextlib.suppress(Exception):
            stream.settimeout(5)
            with stream.makefile("rb") as reader:
                wire = reader.read(int.from_bytes(reader.read(2), "big"))
            replies = self.replies(wire, "tcp")
            if self._failure(self.asked[-1][0]) == "truncated_hangs":
                self._stopped.wait()
            for reply in replies:
                stream.sendall(len(reply).to_bytes(2, "big") + reply)

    def _spawn(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True, name="fake-dns")
        self._threads.append(thread)
        thread.start()


def _same_port(host: str) -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on one port that was free for both."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(50):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.bind((host, 0))
        with contextlib.suppress(OSError):
            return udp, socket.create_server(udp.getsockname()[:2], family=family)
        udp.close()
    raise OSError("no port is free for both UDP and TCP")

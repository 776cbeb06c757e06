"""The chain with a real Redis: shared by machines, killed and started again under load, hanging, one round trip."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from dataclasses import replace

import pytest

from mailfilter import Config, Envelope, FilterChain
from mailfilter.decision import GreylistState
from mailfilter.greylist import Greylist
from tests.servers import Redis
from tests.test_chain import Points

pytest.importorskip("redis")
CLIENT = Envelope(client_ip="203.0.113.9", mail_from="a@example.net", rcpt_to=["b@example.org", "c@example.org"])
MAIL = b"Subject: 5\n\nhello\n"


def chain(url: str, **limit: object) -> FilterChain:
    limits = [{"who": "client", "number": 10**6, **limit}]
    table = {"greylist": {"store": url}, "counters": {"store": url, "limits": limits}}
    return FilterChain(Config.from_mapping(table), checks=[Points()], lookups=[])


def test_machines_share_greylist_and_counters(own_redis: Redis) -> None:
    with chain(own_redis.url, number=2, action="bounce") as one, chain(own_redis.url, number=2, action="bounce") as two:
        assert one.check(MAIL, CLIENT).wait == 180
        for each in (one, two):
            assert each.greylist is not None
            each.greylist._clock = lambda: time.time() + 200
        assert two.check(MAIL, CLIENT).action == "accept"
        assert one.check(MAIL, CLIENT).action == "bounce", "the third of this client, on whatever machine"


def test_killed_and_started_again_under_load(own_redis: Redis) -> None:
    """No exception out of the chain, no mail that waits long, and greylisting again once the server is back."""
    slowest, errors, verdicts, stop = [0.0], [], [0], threading.Event()

    def load(worker: int, filters: FilterChain) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            began = time.monotonic()
            try:
                filters.check(MAIL, replace(CLIENT, mail_from=f"{worker}-{number}@example.net"))
            except Exception as error:
                errors.append(error)
            slowest[0] = max(slowest[0], time.monotonic() - began)
            verdicts[0] += 1

    with chain(own_redis.url) as filters:
        threads = [threading.Thread(target=load, args=(worker, filters)) for worker in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            time.sleep(0.4)
            own_redis.kill()
            passed = filters.check(MAIL, replace(CLIENT, mail_from="dead@example.net"))
            assert passed.action == "accept"
            time.sleep(0.4)
            own_redis.start()
        until = time.monotonic() + 20
        while filters.check(MAIL, replace(CLIENT, mail_from=f"{time.monotonic()}@example.net")).action != "greylist":
            assert time.monotonic() < until, "greylisting did not come back"
            time.sleep(0.1)
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors
    assert verdicts[0] > 20
    assert slowest[0] < 5


def test_a_server_that_hangs_delays_few_and_not_for_long(own_redis: Redis) -> None:
    with chain(own_redis.url) as filters:
        assert filters.check(MAIL, CLIENT).action == "greylist"
        own_redis.send(signal.SIGSTOP)
        began = time.monotonic()
        verdicts = [filters.check(MAIL, replace(CLIENT, mail_from=f"{n}@example.net")) for n in range(100)]
        own_redis.send(signal.SIGCONT)
        assert {verdict.action for verdict in verdicts} == {"accept"}
        assert time.monotonic() - began < 10, "one or two time-outs, not a hundred"


def test_the_loop_is_not_held_up(own_redis: Redis) -> None:
    async def both() -> tuple[str, int]:
        own_redis.send(signal.SIGSTOP)
        ticks, checking = 0, asyncio.create_task(filters.acheck(MAIL, CLIENT))
        while not checking.done():
            await asyncio.sleep(0.01)
            ticks += 1
        own_redis.send(signal.SIGCONT)
        return (await checking).action, ticks

    with chain(own_redis.url) as filters:
        action, ticks = asyncio.run(both())
    assert action == "accept"
    assert ticks > 10


def test_a_decision_is_one_round_trip(own_redis: Redis) -> None:
    proxy = _Proxy(own_redis.port)
    try:
        greylist = Greylist(f"redis://127.0.0.1:{proxy.port}/0")
        for _ in range(2):  # the script is loaded, the connection made
            greylist.ask(replace(CLIENT, mail_from="first@example.net"))
        before = proxy.requests
        assert greylist.ask(CLIENT, b"8 bytes.", ("example.net",)).state is GreylistState.WAIT
        assert proxy.requests == before + 1
        greylist.close()
    finally:
        proxy.close()


def test_an_address_where_nobody_listens_lets_everybody_pass() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with chain(f"redis://127.0.0.1:{unused.getsockname()[1]}/0") as filters:
            assert filters.check(MAIL, CLIENT).action == "accept"


class _Proxy:
    """Counts what a client sends to a server, each piece that comes before an answer as one."""

    def __init__(self, port: int) -> None:
        self._target, self.requests = port, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            while data := client.recv(65536):
                self.requests += 1
                server.sendall(data)
                client.sendall(server.recv(65536))

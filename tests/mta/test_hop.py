"""Handing on: to servers that do as they should, and to scripted ones that do not."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import Envelope
from mailfilter.errors import SettingError
from mailfilter.mta.disposal import handed_over
from mailfilter.mta.hop import Delivery, NextHop, Refused
from mailfilter.mta.wire import Said, dotted

from ..servers import free_port
from .harness import sinking
from .test_example import certificate

TO = Envelope(mail_from="a@b.test", rcpt_to=("c@d.test", "e@f.test"))
MAIL = b"Subject: x\r\n\r\n.dot\r\n"
Script = dict[str, list[str | None]]
"""Replies to each command, one after the other, the last again and again; None hangs up, "" never answers."""


class Scripted:
    """A server that follows a script; ``said`` are the commands that it heard."""

    def __init__(self, script: Script, greeting: str = "220 hello") -> None:
        self.script, self.greeting, self.said, self.sessions = script, greeting, list[str](), 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            writer.write(f"{self.greeting}\r\n".encode())
            while line := await reader.readline():
                self.said.append(line.decode().strip())
                if not await self._answer(line[:4].decode().strip().upper(), reader, writer):
                    break
        writer.close()

    async def _answer(self, word: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        reply = self._next(word)
        if reply is None:
            return False
        writer.write(f"{reply}\r\n".encode() if reply else b"")
        if word == "DATA" and reply.startswith("354"):
            await reader.readuntil(b"\r\n.\r\n")
            for _ in range(self.script.get("count", [1])[0]):  # type: ignore[arg-type]
                last = self._next("end")
                if last is None:
                    return False
                writer.write(f"{last}\r\n".encode() if last else b"")
        return True

    def _next(self, word: str) -> str | None:
        usual = {"DATA": "354 go", "EHLO": "250-me\r\n250-PIPELINING\r\n250 SMTPUTF8", "LHLO": "250 me"}
        replies = self.script.get(word, [usual.get(word, "250 2.0.0 ok")])
        return replies.pop(0) if len(replies) > 1 else replies[0]


@contextlib.asynccontextmanager
async def listening(server: Scripted) -> AsyncIterator[int]:
    listener = await asyncio.start_server(server, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()


async def yes(refused: Refused) -> bool:
    return True


async def no(refused: Refused) -> bool:
    return False


def delivered(
    script: Script,
    *,
    greeting: str = "220 hello",
    lmtp: bool = False,
    envelope: Envelope = TO,
    spare: Callable[[Refused], Awaitable[bool]] = yes,
    times: int = 1,
    timeout: float = 5.0,
) -> tuple[list[Delivery], Scripted]:
    """What comes of handing a mail to a scripted server, several times perhaps."""

    async def run() -> tuple[list[Delivery], Scripted]:
        server = Scripted(script, greeting)
        async with listening(server) as port:
            hop = NextHop(f"{'lmtp:' if lmtp else ''}127.0.0.1:{port}", hostname="mx.test", timeout=timeout)
            found = [await hop(envelope, MAIL, spare) for _ in range(times)]
            await hop.close()
        return found, server

    return asyncio.run(run())


def test_a_connection_is_kept_and_used_again() -> None:
    found, server = delivered({}, times=3)
    assert found == [Delivery(TO.rcpt_to, {})] * 3  # type: ignore[arg-type]
    assert server.sessions == 1
    assert server.said.count("DATA") == 3


def test_a_kept_connection_that_has_died_is_replaced() -> None:
    found, server = delivered({"MAIL": ["250 ok", None, "250 ok"]}, times=2)
    assert [one.taken for one in found] == [TO.rcpt_to] * 2
    assert server.sessions == 2


@pytest.mark.parametrize(
    ("script", "greeting", "said"),
    [
        ({}, "554 5.7.1 go away", Said(451, "4.4.1")),
        ({}, "421 4.3.2 busy", Said(421, "4.3.2")),
        ({}, "no smtp", Said(451, "4.4.2")),
        ({"EHLO": ["502 what"]}, "220 hello", Said(451, "4.4.1")),
        ({"EHLO": [None]}, "220 hello", Said(451, "4.4.2")),
        ({"MAIL": ["550 5.7.1 not from you"]}, "220 hello", Said(550, "5.7.1")),
        ({"MAIL": ["451 4.7.1 later", "250 ok"]}, "220 hello", Said(451, "4.7.1")),
        ({"RCPT": ["550 no enhanced code"]}, "220 hello", Said(550)),
        ({"RCPT": ["550-5.1.1 two\r\n550 5.1.1 lines"]}, "220 hello", Said(550, "5.1.1")),
        ({"RCPT": ["550 4.1.1 that contradicts itself"]}, "220 hello", Said(550)),
        ({"RCPT": [None]}, "220 hello", Said(451, "4.4.2")),
        ({"RCPT": ["999 odd"]}, "220 hello", Said(451, "4.4.2")),
        ({"DATA": ["451 4.3.0 no"]}, "220 hello", Said(451, "4.3.0")),
        ({"DATA": ["250 what"]}, "220 hello", Said(451, "4.4.2")),
        ({"end": ["554 5.6.0 no"]}, "220 hello", Said(554, "5.6.0")),
        ({"end": [None]}, "220 hello", Said(451, "4.4.2")),
        ({"end": ["250-" + "x" * 70_000]}, "220 hello", Said(451, "4.4.2")),
        ({"end": ["250-x\r\n" * 300]}, "220 hello", Said(451, "4.4.2")),
    ],
)
def test_what_a_server_says_to_all(script: Script, greeting: str, said: Said) -> None:
    found, _ = delivered(script, greeting=greeting)
    assert found == [Delivery((), dict.fromkeys(TO.rcpt_to, said))]


def test_a_server_that_never_answers_is_waited_for_so_long() -> None:
    found, _ = delivered({"end": [""]}, timeout=0.2)
    assert found[0].refused == dict.fromkeys(TO.rcpt_to, Said(451, "4.4.2"))


def test_a_server_that_always_has_a_little_more_to_say_is_not_waited_for_longer_than_our_client_waits() -> None:
    async def run() -> Delivery:
        async with listening(Scripted({"end": [""]})) as port:
            return await NextHop(f"127.0.0.1:{port}", hostname="mx.test", patience=0.2)(TO, MAIL, yes)

    assert asyncio.run(run()).refused == dict.fromkeys(TO.rcpt_to, Said(451, "4.4.2"))


def test_one_of_two_refused() -> None:
    found, server = delivered({"RCPT": ["550 5.1.1 nobody", "250 ok"]})
    assert found == [Delivery(("e@f.test",), {"c@d.test": Said(550, "5.1.1")})]
    found, server = delivered({"RCPT": ["550 5.1.1 nobody", "250 ok"]}, spare=no)
    assert found == [Delivery((), {"c@d.test": Said(550, "5.1.1"), "e@f.test": Said(451, "4.3.0")})]
    assert "DATA" not in server.said
    assert "RSET" in server.said


def test_lmtp_answers_for_each() -> None:
    script: Script = {"end": ["250 ok", "452 4.2.2 full"], "count": [2]}  # type: ignore[list-item]
    found, server = delivered(script, lmtp=True)
    assert found == [Delivery(("c@d.test",), {"e@f.test": Said(452, "4.2.2")}, ("e@f.test",))]
    assert server.said[0] == "LHLO mx.test"


def test_addresses_that_need_utf8() -> None:
    envelope = Envelope(mail_from="j\xf6rg@b.test", rcpt_to=("c@d.test",))
    found, server = delivered({}, envelope=envelope)
    assert found[0].taken == ("c@d.test",)
    assert "MAIL FROM:<j\xf6rg@b.test> SMTPUTF8" in server.said
    found, _ = delivered({"EHLO": ["250 old"]}, envelope=envelope)
    assert found[0].refused == {"c@d.test": Said(550, "5.6.7")}


@pytest.mark.parametrize("odd", ["a@b\r\nRCPT TO:<x@y>", "a b@c", "a>b@c", "\ud800@c"])
def test_an_address_that_would_end_the_command(odd: str) -> None:
    found, server = delivered({}, envelope=Envelope(mail_from="a@b.test", rcpt_to=(odd,)))
    assert found[0].refused == {odd: Said(553, "5.1.3")}
    assert server.said == []


def test_nobody_is_there_and_a_name_that_is_none() -> None:
    hop = NextHop(f"127.0.0.1:{free_port()}", hostname="mx.test")
    assert asyncio.run(hop(TO, MAIL, yes)).refused == dict.fromkeys(TO.rcpt_to, Said(451, "4.4.1"))
    for text in ("", "host:port", "smtp://host", "a b"):
        with pytest.raises(SettingError, match='"host:port" or "lmtp:host:port" is expected'):
            NextHop(text)
    hop = NextHop("lmtp:/run/lmtp.sock", hostname="mx.test")
    assert (hop.lmtp, hop.path) == (True, "/run/lmtp.sock")
    assert asyncio.run(hop(TO, MAIL, yes)).refused == dict.fromkeys(TO.rcpt_to, Said(451, "4.4.1"))


def test_by_a_socket_in_the_file_system(tmp_path: Path) -> None:
    async def run() -> Delivery:
        script: Script = {"end": ["250 ok"], "count": [2]}  # type: ignore[list-item]
        server = await asyncio.start_unix_server(Scripted(script), tmp_path / "s")
        hop = NextHop(f"lmtp:{tmp_path}/s", hostname="mx.test")
        try:
            return await hop(TO, MAIL, yes)
        finally:
            await hop.close()
            server.close()

    assert asyncio.run(run()).taken == TO.rcpt_to


def test_tls_where_it_is_offered(tmp_path: Path) -> None:
    (tmp_path / "both.pem").write_bytes(certificate())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "both.pem")
    with sinking(tls_context=context, require_starttls=True) as (sink, port):
        encrypted = asyncio.run(NextHop(f"127.0.0.1:{port}", hostname="mx.test")(TO, MAIL, yes))
        plain = asyncio.run(NextHop(f"127.0.0.1:{port}", hostname="mx.test", starttls=False)(TO, MAIL, yes))
    assert encrypted.taken == TO.rcpt_to
    assert [got.content for got in sink.got] == [MAIL]
    assert plain.refused == dict.fromkeys(TO.rcpt_to, Said(530))


def test_many_at_a_time_over_a_few_connections() -> None:
    async def run() -> tuple[list[Delivery], int]:
        server = Scripted({})
        async with listening(server) as port:
            hop = NextHop(f"127.0.0.1:{port}", hostname="mx.test", connections=3)
            found = await asyncio.gather(*(hop(TO, MAIL, yes) for _ in range(30)))
            await hop.close()
        return found, server.sessions

    found, sessions = asyncio.run(run())
    assert all(one.taken == TO.rcpt_to for one in found)
    assert sessions <= 3


@given(st.lists(st.sampled_from([b".", b"x", b"\r\n", b"\r", b"\n"]), max_size=12).map(b"".join))
def test_no_mail_ends_before_its_end(raw: bytes) -> None:
    sent = dotted(raw)
    assert sent.endswith(b"\r\n.\r\n")
    assert (b"\r\n" + sent).index(b"\r\n.\r\n") == len(sent) - 3
    assert sent.count(b"\r") == sent.count(b"\n") == sent.count(b"\r\n")


def test_what_can_be_handed_to() -> None:
    class Own:
        async def __call__(self, envelope: Envelope, raw: bytes, spare: Any, utf8: bool = False) -> Delivery:
            return Delivery((), {})

    own = Own()
    assert handed_over(own) is own
    hop = NextHop("127.0.0.1", hostname="mx.test")
    assert handed_over(hop) is hop
    assert asyncio.run(handed_over(lambda envelope, raw: ["c@d.test"])(TO, MAIL, yes)) == Delivery(
        ("e@f.test",), {"c@d.test": Said(550, "5.0.0")}, ("c@d.test",)
    )

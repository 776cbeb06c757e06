"""Handing mail on to a real SMTP server: every octet that SMTP can carry arrives."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailfilter.envelope import Envelope
from mailfilter.errors import SettingError, StoreError
from mailfilter.quarantine.delivery import DeliveryError, SmtpDelivery, on_the_wire
from mailfilter.quarantine.notices import Notices, send

from ..servers import free_port
from .made import KEYS, MAIL, hold, only, store

pytest.importorskip("aiosmtpd", reason="pip install aiosmtpd")
from aiosmtpd.controller import Controller

TO = Envelope(mail_from="a@example.net", rcpt_to=["b@example.org"])


class Server:
    """Takes mail; refuses recipients whose name begins with "no", and all mail while ``closed`` says so."""

    def __init__(self) -> None:
        self.got: list[tuple[str, list[str], bytes, list[str]]] = []
        self.closed = ""
        self.parting = "221 Bye"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
        return self.parting

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address.startswith("no"):
            return "550 5.1.1 No such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.closed:
            return self.closed
        sender = envelope.mail_from.strip("<>")
        self.got.append((sender, envelope.rcpt_tos, envelope.content, envelope.mail_options))
        return "250 OK"


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[Server, str]]:
    server = Server()
    controller = Controller(server, hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=True)
    controller.start()
    yield server, f"127.0.0.1:{controller.port}"
    controller.stop()


@pytest.fixture
def smtp(listening: tuple[Server, str]) -> tuple[Server, SmtpDelivery]:
    server, address = listening
    server.got.clear()
    server.closed, server.parting = "", "221 Bye"
    return server, SmtpDelivery(address, timeout=10)


LINE = st.binary(max_size=30).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")) | st.sampled_from(
    [b".", b"..", b".QUIT", b"", b"\xff\0", b"From me"]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, min_size=1, max_size=8), st.sampled_from([b"\r\n", b"\n"]))
def test_lines_arrive_octet_for_octet(smtp: tuple[Server, SmtpDelivery], lines: list[bytes], end: bytes) -> None:
    server, deliver = smtp
    assert deliver(TO, end.join([*lines, b""])) == []
    assert server.got[-1][:3] == ("a@example.net", ["b@example.org"], b"\r\n".join([*lines, b""]))


@pytest.mark.parametrize(
    ("raw", "wire"),
    [
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\r\nb", b"a\r\nb\r\n"),
        (b"", b"\r\n"),
        (b"a\r\n.\nb\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\r\n.\rb\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\r\r\nb\r\n", b"a\r\n\r\nb\r\n"),
    ],
)
def test_what_smtp_cannot_carry_becomes_line_ends(smtp: tuple[Server, SmtpDelivery], raw: bytes, wire: bytes) -> None:
    server, deliver = smtp
    assert on_the_wire(raw) == wire
    deliver(TO, raw)
    assert [content for _, _, content, _ in server.got] == [wire]


@given(st.lists(st.sampled_from([b"\r", b"\n", b"a", b"."]), max_size=12).map(b"".join))
def test_every_end_of_a_line_is_one(raw: bytes) -> None:
    wire = on_the_wire(raw)
    assert wire.removesuffix(b"\r\n") == re.sub(rb"\r\n|\r|\n", b"\r\n", raw).removesuffix(b"\r\n")
    assert wire.endswith(b"\r\n")


@pytest.mark.parametrize("ending", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r\n.\r\n"])
def test_a_held_mail_cannot_smuggle_another(smtp: tuple[Server, SmtpDelivery], ending: bytes) -> None:
    server, deliver = smtp
    deliver(
        TO, b"Subject: x\r\n\r\nbody" + ending + b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
    )
    assert [sender for sender, *_ in server.got] == ["a@example.net"]


def test_options_are_those_that_the_mail_needs(smtp: tuple[Server, SmtpDelivery]) -> None:
    server, deliver = smtp
    deliver(TO, b"plain\r\n")
    deliver(TO, "ü\r\n".encode())
    deliver(Envelope(mail_from="ü@example.net", rcpt_to=["b@example.org"]), "ü\r\n".encode())
    deliver(Envelope(mail_from=None, rcpt_to=["b@example.org"]), b"plain\r\n")
    options = [{word.partition("=")[0] for word in options if "SIZE" not in word} for *_, options in server.got]
    assert options == [set(), {"BODY"}, {"BODY", "SMTPUTF8"}, set()]
    assert [sender for sender, *_ in server.got] == ["a@example.net", "a@example.net", "ü@example.net", ""]


def test_refused_recipients_are_named(smtp: tuple[Server, SmtpDelivery]) -> None:
    server, deliver = smtp
    assert deliver(Envelope(mail_from="a@b", rcpt_to=["no1@example.org", "b@example.org"]), MAIL) == ["no1@example.org"]
    assert deliver(Envelope(mail_from="a@b", rcpt_to=["no1@example.org"]), MAIL) == ["no1@example.org"]
    assert [to for _, to, _, _ in server.got] == [["b@example.org"]]


def test_what_quit_is_answered_does_not_make_it_undelivered(smtp: tuple[Server, SmtpDelivery]) -> None:
    """Or a release that was delivered would be tried again, and the mail come twice."""
    smtp[0].parting = "451 4.0.0 not now"
    assert smtp[1](TO, b"x\r\n") == []
    assert len(smtp[0].got) == 1


def test_a_server_that_does_not_take_it_is_said(smtp: tuple[Server, SmtpDelivery]) -> None:
    server, deliver = smtp
    server.closed = "451 4.3.0 Try again later"
    with pytest.raises(DeliveryError, match=r"not delivered to 127.0.0.1:\d+: 451 4.3.0 Try again later"):
        deliver(TO, MAIL)
    with pytest.raises(DeliveryError, match=r"not delivered to 127\.0\.0\.1:1: .*refused"):
        SmtpDelivery("127.0.0.1:1", timeout=5)(TO, MAIL)


@pytest.mark.parametrize("bad", ["a@b>\r\nRCPT TO:<evil@example.com", "a@b\n"])
def test_no_address_becomes_a_command(smtp: tuple[Server, SmtpDelivery], bad: str) -> None:
    server, deliver = smtp
    for envelope in (Envelope(mail_from=bad, rcpt_to=["b@example.org"]), Envelope(mail_from="a@b", rcpt_to=[bad])):
        with pytest.raises(DeliveryError, match="not delivered"):
            deliver(envelope, MAIL)
    assert server.got == []


@pytest.mark.parametrize("text", ["", "host:", "host:port", "ho st:25", "a:b:c", "::1"])
def test_a_server_that_is_none_is_said(text: str) -> None:
    with pytest.raises(SettingError, match='"host:port" is expected'):
        SmtpDelivery(text)


def test_the_port_is_25_by_default() -> None:
    found = [(one.host, one.port) for one in map(SmtpDelivery, ("mail.example", "[::1]:2525", "192.0.2.1:10025"))]
    assert found == [("mail.example", 25), ("::1", 2525), ("192.0.2.1", 10025)]


def test_released_by_smtp(smtp: tuple[Server, SmtpDelivery], tmp_path: Path) -> None:
    server, deliver = smtp
    quarantine = store(tmp_path, keys=KEYS)
    raw = b"Subject: x\r\n\r\n.\r\n" + os.urandom(900).replace(b"\r", b"").replace(b"\n", b"") + b"\r\n"
    receipt = hold(quarantine, raw, "b@example.org", "no@example.org")
    with pytest.raises(StoreError, match=r"was refused for no@example\.org"):
        quarantine.release(receipt, deliver)
    assert server.got[0][:3] == ("a@example.net", ["b@example.org"], raw)
    assert only(quarantine).state == "held"


def test_notices_by_smtp(smtp: tuple[Server, SmtpDelivery]) -> None:
    server, deliver = smtp
    quarantine = store(keys=KEYS)
    hold(quarantine)
    assert tuple(send(quarantine, Notices("postmaster@example.org"), deliver)) == (1, 1, ())
    ((sender, to, content, _),) = server.got
    assert (sender, to, b"held for you" in content) == ("", ["b@example.org"], True)

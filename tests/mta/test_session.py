"""The sessions: any mail arrives octet for octet, any command gets an answer, and who may say what of whom."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailfilter import Envelope, FilterChain
from mailfilter.mta.limits import InHand, Limits, networks, within
from mailfilter.mta.server import Server
from mailfilter.mta.smtpd import FAILED, FilterHandler
from mailfilter.mta.trace import loops, received
from mailfilter.mta.wire import dotted

from .harness import Wire, serving

CLIENT = "EHLO client.test"
MAIL = b"Subject: lunch\r\n\r\nSoup.\r\n"


class Keeper:
    """A blocking next server; ``wrong`` is raised, ``refused`` are the recipients that it refuses."""

    def __init__(self) -> None:
        self.got: list[tuple[Envelope, bytes]] = []
        self.wrong: Exception | None = None
        self.refused: list[str] = []
        self.slow = 0.0

    def __call__(self, envelope: Envelope, raw: bytes) -> list[str]:
        time.sleep(self.slow)
        if self.wrong is not None:
            raise self.wrong
        self.got.append((envelope, raw))
        return self.refused


LIMITS = Limits(size=400_000, recipients=3, sessions=20, idle=20)


@pytest.fixture(scope="module")
def chain() -> Iterator[FilterChain]:
    with FilterChain(checks=(), stateless=True) as made:
        yield made


def a_handler(chain: FilterChain, keeper: Keeper, **more: Any) -> FilterHandler:
    return FilterHandler(chain, keeper, hostname="mx.test", tag_held=True, **{"limits": LIMITS, **more})


@pytest.fixture(scope="module")
def running(chain: FilterChain) -> Iterator[tuple[Server, Keeper]]:
    keeper = Keeper()
    with serving(lambda: a_handler(chain, keeper, received=False), trusted=["127.0.0.0/8"]) as server:
        yield server, keeper


@pytest.fixture
def keeper(running: tuple[Server, Keeper]) -> Keeper:
    running[1].__init__()  # type: ignore[misc]
    return running[1]


@pytest.fixture
def wire(running: tuple[Server, Keeper]) -> Iterator[Wire]:
    client = Wire(running[0].port)
    client.begin(CLIENT)
    yield client
    client.close()


line = st.binary(max_size=40).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")) | st.sampled_from(
    [b".", b"..", b".x", b"", b"\0", b"QUIT", b"MAIL FROM:<a@b.c>", b"x" * 70_000]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(line, max_size=6), st.lists(st.integers(1, 400_000), max_size=4))
def test_any_lines_arrive_octet_for_octet(wire: Wire, keeper: Keeper, lines: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(line + b"\r\n" for line in [b"Subject: x", b"", *lines])
    for command in ("MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "DATA"):
        wire.say(command)
    if len(raw) > LIMITS.size:
        raw = raw[:1000] + b"\r\n"
    sent, start = dotted(raw), 0
    for cut in sorted({cut for cut in cuts if cut < len(sent)}):
        wire.socket.sendall(sent[start:cut])
        start = cut
    assert wire.say(sent[start:]).startswith("250 2.0.0")
    assert keeper.got[-1][1].endswith(raw)
    assert wire.say("NOOP") == "250 OK"


def test_a_first_line_that_is_a_dot_ends_it(wire: Wire, keeper: Keeper) -> None:
    assert wire.mail("a@b.test", ["c@d.test"], b".\r\n")[0].startswith("250")
    assert keeper.got[-1][1].endswith(b"\r\nX-Mailfilter-Action: accept\r\n\r\n")


def test_commands_may_come_along_with_the_end_of_a_mail(wire: Wire, keeper: Keeper) -> None:
    begin = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"
    wire.socket.sendall(begin)
    assert [wire.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
    wire.socket.sendall(dotted(MAIL) + begin)
    assert [wire.reply()[:3] for _ in range(4)] == ["250", "250", "250", "354"]
    assert wire.say(dotted(MAIL))[:3] == "250"
    assert len(keeper.got) == 2


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([b"MAIL FROM:", b"RCPT TO:", b"XCLIENT ", b"XFORWARD ", b"EHLO ", b"", b"DATA "]),
    st.binary(max_size=60) | st.text('<>@a."\\ :=,()[];\x7f\xe9\u4f60', max_size=30).map(str.encode),
)
def test_any_command_is_answered_and_no_odd_address_taken(
    running: tuple[Server, Keeper], word: bytes, rest: bytes
) -> None:
    client = Wire(running[0].port)
    client.begin(CLIENT)
    said = client.say(word + rest.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n")
    assert said[:3].isdigit(), said
    assert "MF-ERROR" not in said
    assert client.say(CLIENT).startswith("250")
    client.close()


@pytest.mark.parametrize(
    ("path", "reply"),
    [
        ("<a@b.test>", "250"),
        ("<@relay.test:a@b.test>", "250"),
        ("<>", "250"),
        ('<"odd name"@b.test>', "250"),
        ("a@b.test", "250"),
        ("<a@b.test> SIZE=10 BODY=8BITMIME", "250"),
        ("<a\x7f@b.test>", "553"),
        ("<a@b.test> NONSENSE", "555"),
    ],
)
def test_paths(wire: Wire, path: str, reply: str) -> None:
    assert wire.say(f"MAIL FROM:{path}").startswith(reply)


def test_octets_that_are_no_text_are_no_address(wire: Wire) -> None:
    assert wire.say(b"MAIL FROM:<a\xff@b.test> SMTPUTF8\r\n").startswith("553 5.1.3")


def test_too_many_recipients_are_asked_to_come_in_another_mail(wire: Wire) -> None:
    wire.say("MAIL FROM:<a@b.test>")
    said = [wire.say(f"RCPT TO:<c{number}@d.test>") for number in range(4)]
    assert [line[:9] for line in said] == ["250 2.1.5"] * 3 + ["452 4.5.3"]
    assert wire.say("RCPT TO:<>").startswith("452")


def test_a_line_of_a_command_that_is_far_too_long(wire: Wire) -> None:
    assert wire.say(b"MAIL FROM:<" + b"a" * 200_000 + b"@b.test>\r\n").startswith("500")
    for _ in range(200):  # each raised the limit of all sessions in aiosmtpd
        wire.say(CLIENT)
    assert wire.say("NOOP " + "x" * 3000).startswith("500")


# -------------------------------------------------------------------------------------------------- who speaks for whom
def test_a_trusted_server_says_whom_it_speaks_for(wire: Wire, keeper: Keeper) -> None:
    assert "250-XCLIENT" in wire.say(CLIENT)
    said = wire.say("XCLIENT ADDR=IPV6:2001:db8::9 NAME=mail.b+2Etest HELO=b.test LOGIN=carl")
    assert said.startswith("220")
    wire.say(CLIENT)
    assert wire.mail("a@b.test", ["c@d.test"], dotted(MAIL))[0].startswith("250")
    facts = keeper.got[-1][0]
    assert (facts.client_ip, facts.client_name, facts.helo) == ("2001:db8::9", "mail.b.test", "b.test")
    assert (facts.auth_user, facts.direction) == ("carl", "outbound")
    assert wire.say("XFORWARD ADDR=192.0.2.7 NAME=[UNAVAILABLE] PROTO=ESMTP").startswith("250")
    assert wire.mail("", ["c@d.test"], dotted(MAIL))[0].startswith("250")
    facts = keeper.got[-1][0]
    assert (facts.client_ip, facts.client_name, facts.mail_from) == ("192.0.2.7", "", "")


@pytest.mark.parametrize("given_", ["", "ADDR", "ADDR=nonsense", "COLOUR=red", "ADDR=1.2.3.4+0D+0A"])
def test_what_is_no_attribute(wire: Wire, given_: str) -> None:
    assert wire.say(f"XCLIENT {given_}").startswith("501")


def test_nobody_else_may(chain: FilterChain) -> None:
    with serving(lambda: a_handler(chain, Keeper()), trusted=["192.0.2.0/24"]) as server:
        client = Wire(server.port)
        assert "XCLIENT" not in client.say(CLIENT)
        assert client.say("XCLIENT ADDR=192.0.2.1").startswith("550 5.7.0")
        assert client.say("XFORWARD ADDR=192.0.2.1").startswith("550 5.7.0")
        client.close()


def test_the_proxy_protocol(chain: FilterChain) -> None:
    keeper = Keeper()
    with serving(lambda: a_handler(chain, keeper), proxy_protocol=True) as server:
        client = Wire(server.port, b"PROXY TCP4 192.0.2.44 127.0.0.1 5555 25\r\n")
        assert client.greeting.startswith("220")
        client.begin(CLIENT)
        assert client.mail("a@b.test", ["c@d.test"], dotted(MAIL))[0].startswith("250")
        client.close()
        assert Wire(server.port, b"PROXY nonsense\r\n").greeting == ""
    assert keeper.got[-1][0].client_ip == "192.0.2.44"
    assert b"([192.0.2.44])" in keeper.got[-1][1][:100]


def test_a_login(chain: FilterChain) -> None:
    from aiosmtpd.smtp import AuthResult

    def authenticator(server: object, session: object, envelope: object, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == b"right", handled=False, auth_data=data)

    keeper = Keeper()
    options = {"authenticator": authenticator, "auth_require_tls": False}
    with serving(lambda: a_handler(chain, keeper), options=options) as server:
        client = Wire(server.port)
        assert "250-AUTH LOGIN PLAIN" in client.say(CLIENT)
        assert client.say("AUTH PLAIN AGNhcmwAd3Jvbmc=").startswith("535")
        assert client.say("AUTH PLAIN AGNhcmwAcmlnaHQ=").startswith("235")
        client.mail("a@b.test", ["c@d.test"], dotted(MAIL))
        client.close()
    assert (keeper.got[-1][0].auth_user, keeper.got[-1][0].direction) == ("carl", "outbound")
    assert b"with ESMTPA id" in keeper.got[-1][1][:200]


def test_which_way_a_mail_goes_can_be_told(chain: FilterChain) -> None:
    keeper = Keeper()
    with serving(lambda: a_handler(chain, keeper, direction=lambda facts: "internal")) as server:
        client = Wire(server.port)
        client.begin(CLIENT)
        client.mail("a@b.test", ["c@d.test"], dotted(MAIL))
        client.close()
    assert keeper.got[-1][0].direction == "internal"


# ------------------------------------------------------------------------------------------------- what goes wrong here
def test_an_error_of_ours_keeps_the_mail_with_its_sender_and_says_nothing(
    wire: Wire, running: tuple[Server, Keeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(raw: bytes, envelope: Envelope) -> None:
        raise RuntimeError("a password")

    monkeypatch.setattr(running[0].handler.chain, "acheck", broken)
    assert wire.mail("a@b.test", ["c@d.test"], dotted(MAIL)) == [FAILED]


def test_a_next_server_that_fails_in_any_way(wire: Wire, keeper: Keeper) -> None:
    keeper.wrong = OSError("a password")
    (said,) = wire.mail("a@b.test", ["c@d.test"], dotted(MAIL))
    assert said.startswith("451 4.4.2 This mail cannot be handed on now")
    assert "password" not in said


def test_a_blocking_function_that_refuses_one_of_two_when_nothing_can_be_kept(wire: Wire, keeper: Keeper) -> None:
    keeper.refused = ["c@d.test"]
    (said,) = wire.mail("a@b.test", ["c@d.test", "e@f.test"], dotted(MAIL))
    assert said.startswith("550 5.0.0"), "the sender is told; rather that than a copy that nobody has"
    keeper.refused = ["c@d.test", "e@f.test"]
    assert wire.mail("a@b.test", ["c@d.test", "e@f.test"], dotted(MAIL))[0].startswith("550 5.0.0")


def test_a_client_that_hangs_up_while_its_mail_is_handed_on(running: tuple[Server, Keeper], keeper: Keeper) -> None:
    keeper.slow = 0.3
    client = Wire(running[0].port)
    client.begin(CLIENT)
    for command in ("MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "DATA"):
        client.say(command)
    client.socket.sendall(dotted(MAIL))
    time.sleep(0.1)
    client.close()
    until = time.monotonic() + 5
    while not keeper.got and time.monotonic() < until:
        time.sleep(0.01)
    assert len(keeper.got) == 1


def test_an_idle_client_is_told_when_its_time_is_up(chain: FilterChain) -> None:
    with serving(lambda: a_handler(chain, Keeper(), limits=Limits(idle=0.2))) as server:
        client = Wire(server.port)
        assert client.reply().startswith("421 4.4.2")
        assert client.reply() == ""


def test_too_much_at_a_time(chain: FilterChain) -> None:
    limits = Limits(memory=100_000, per_client=1)
    with serving(lambda: a_handler(chain, Keeper(), limits=limits)) as server:
        client = Wire(server.port)
        client.begin(CLIENT)
        assert Wire(server.port).greeting.startswith("421 4.7.0")
        assert client.mail("a@b.test", ["c@d.test"], dotted(b"x\r\n" * 50_000))[0].startswith("452 4.3.1")
        assert client.mail("a@b.test", ["c@d.test"], dotted(MAIL))[0].startswith("250")
        assert server.in_hand.octets == 0
        client.close()


def test_under_aiosmtpds_own_controller(chain: FilterChain) -> None:
    from aiosmtpd.controller import Controller

    from ..servers import free_port

    keeper = Keeper()
    controller = Controller(a_handler(chain, keeper), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        client = Wire(controller.port)
        client.begin(CLIENT)
        assert client.mail("a@b.test", ["c@d.test"], dotted(MAIL))[0].startswith("250 2.0.0")
        assert client.mail("a@b.test", ["c@d.test"], b"Subject: x\r\n\r\none\ntwo\r\n.\r\n")[0].startswith("550 5.5.2")
        client.close()
    finally:
        controller.stop()
    assert keeper.got[-1][1].endswith(MAIL)


# -------------------------------------------------------------------------------------------------------- small parts
def test_the_trace_holds_nothing_that_a_client_could_break_a_line_with() -> None:
    facts = Envelope(client_ip="2001:db8::1", helo="evil\r\nX-Spam-Flag: NO (x) ;", client_name="ho st")
    field = received(facts, "mx.test", "ESMTP", "0123", now=0.0)
    assert field.replace(b"\r\n\tby", b"\r\n by") == (
        b"Received: from evil??X-Spam-Flag:?NO??x??? (ho?st [IPv6:2001:db8::1])\r\n"
        b" by mx.test with ESMTP id 0123;\r\n"
        b"\tThu, 01 Jan 1970 00:00:00 +0000\r\n"
    )


def test_circles() -> None:
    hop = b"Received: from a by b\r\n"
    assert not loops(hop * 100 + b"\r\nx\r\n")
    assert loops(hop * 101 + b"\r\nx\r\n")
    assert not loops(hop * 50 + b"\r\n" + hop * 100)
    assert not loops(b"Subject: received received\r\n" * 101 + b"\r\n")


def test_networks() -> None:
    ours = networks(["192.0.2.0/24", "2001:db8::1"])
    assert [within(text, ours) for text in ("192.0.2.9", "2001:db8::1", "192.0.3.9", "", None, "x")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert InHand(Limits(sessions=1), closing=True).full("x").startswith("421")


def test_without_aiosmtpd_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['aiosmtpd'] = None; import mailfilter.mta.smtpd; import mailfilter.mta.server"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "serving SMTP needs an optional package: pip install 'mailfilter[smtpd]'" in ran.stderr

"""What of a mail is asked about: every place, within limits, in an order that the sender does not rule."""

from __future__ import annotations

import ipaddress
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.checks import Mail
from mailfilter.dnslists import Subject
from mailfilter.dnslists.definition import SOURCES
from mailfilter.dnslists.subjects import Scope, askable, shipped_skip, subjects
from mailfilter.envelope import Envelope
from mailfilter.message import Message
from mailfilter.testing.hostile import hostile_mails
from mailfilter.trust import Network, Trust

EVERYTHING = frozenset((kind, source) for kind, sources in SOURCES.items() for source in sources)


def found(
    raw: bytes, envelope: Envelope | None = None, scope: Scope | None = None, *wanted: tuple[str, str]
) -> list[str]:
    """As ``kind source value``."""
    mail = Mail(Message(raw), envelope or Envelope())
    return [" ".join(entry) for entry in subjects(mail, frozenset(wanted) or EVERYTHING, scope or Scope())]


def test_every_place_of_a_mail() -> None:
    raw = b"""\
Received: from relay.hop.test (relay.hop.test [12.0.0.9]) by mx.own.test; Mon, 1 Jan 2024 00:00:00 +0000
DKIM-Signature: v=1; a=rsa-sha256; d=signer.test; s=k; h=from; bh=x; b=y
From: "A" <Joe@From.test>
Reply-To: Answer.Me+x@reply.test
Content-Type: text/html

<p>write to Body@text.test <a href="https://www.click.test/Path?x=1">here</a>
<a href="http://13.0.0.1/x">there</a> <a href="http://0x0d000002/">odd</a> <img src="https://pixel.test/p.gif">
<a href="mailto:clicked@mail.test?subject=x">mail</a></p>
"""
    envelope = Envelope(
        client_ip="11.22.33.44", client_name="host.rdns.test", helo="helo.test", mail_from="mf@from2.test"
    )
    assert set(found(raw, envelope)) == {
        "ip client 11.22.33.44",
        "ip hops 12.0.0.9",
        "ip links 13.0.0.1",
        "ip links 13.0.0.2",
        "domain mail-from from2.test",
        "domain from from.test",
        "domain reply-to reply.test",
        "domain helo helo.test",
        "domain rdns host.rdns.test",
        "domain dkim signer.test",
        "domain links www.click.test",
        "domain links pixel.test",
        "url links https://www.click.test/Path?x=1",
        "url links http://13.0.0.1/x",
        "url links http://0x0d000002/",
        "email mail-from mf@from2.test",
        "email from joe@from.test",
        "email reply-to answer.me+x@reply.test",
        "email body clicked@mail.test",
        "email body body@text.test",
    }


def test_only_what_is_wanted_is_looked_for() -> None:
    raw = b"From: joe@from.test\n\nhttps://link.test/ x@body.test\n"
    assert found(raw, None, None, ("domain", "from")) == ["domain from from.test"]
    assert found(raw, None, None, ("email", "body")) == ["email body x@body.test"]
    assert found(raw, None, None, ("domain", "links")) == ["domain links link.test"]


RECEIVED = b"".join(
    b"Received: from h%d.test (h%d.test [%s]) by b.test; Mon, 1 Jan 2024 00:00:00 +0000\n" % (n, n, address)
    for n, address in enumerate([b"21.0.0.1", b"10.1.1.1", b"12.0.0.1", b"203.0.113.7", b"12.0.0.2", b"12.0.0.3"])
)


def test_the_host_that_a_mail_comes_from_is_the_last_that_is_not_ours() -> None:
    hops = (("ip", "client"), ("ip", "hops"))
    ours = Scope(Trust(_networks("21.0.0.0/8")), hops=2)
    for envelope in (Envelope(), Envelope(client_ip="21.0.0.5"), Envelope(client_ip="127.0.0.1")):
        assert found(RECEIVED + b"\n\nx\n", envelope, ours, *hops) == [
            "ip client 12.0.0.1", "ip hops 12.0.0.2", "ip hops 12.0.0.3",
        ]  # fmt: skip
    assert found(RECEIVED + b"\n\nx\n", Envelope(client_ip="99.1.1.1"), ours, *hops)[:2] == [
        "ip client 99.1.1.1", "ip hops 12.0.0.1",
    ]  # fmt: skip
    assert found(b"\nx\n", Envelope(client_ip="21.0.0.5"), ours, *hops) == []


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


@pytest.mark.parametrize("text", ["10.0.0.1", "127.0.0.2", "192.0.2.9", "2001:db8::1", "::1", "fe80::1%eth0", "x", ""])
def test_what_says_nothing_is_not_asked(text: str) -> None:
    assert askable(text, Trust()) == ""


def test_an_address_mapped_into_ipv6_is_its_own() -> None:
    assert askable("::ffff:11.22.33.44", Trust()) == "11.22.33.44"


def test_common_domains_are_skipped_but_not_what_people_put_below_them() -> None:
    raw = b"From: a@gmail.com\n\nhttps://www.google.com/x https://mail.google.com https://evil.github.io/ https://own.test/\n"
    scope = Scope(skip=shipped_skip() | {"own.test"})
    wanted = (("domain", "from"), ("domain", "links"))
    assert found(raw, None, scope, *wanted) == ["domain links evil.github.io"]
    assert "url links https://www.google.com/x" in found(raw, None, scope, ("url", "links"))


# ------------------------------------------------------------------------------------------------ limits
def html(*links: str) -> bytes:
    return b"Content-Type: text/html\n\n" + "".join(links).encode() + b"\n"


def test_a_crowd_of_links_does_not_hide_the_one_that_is_clicked() -> None:
    crowd = [f'<img src="https://pic{n}.test/">' for n in range(500)]
    bad = '<a href="https://bad.test/">x</a>'
    for at in (0, 250, 500):
        asked = found(html(*crowd[:at], bad, *crowd[at:]), None, None, ("domain", "links"))
        assert "domain links bad.test" in asked
        assert len(asked) == 20


def test_hosts_of_one_domain_do_not_crowd_out_others() -> None:
    crowd = [f'<a href="https://h{n}.crowd.test/">x</a>' for n in range(500)]
    asked = found(html(*crowd, '<a href="https://bad.test/">x</a>'), None, Scope(domains=2), ("domain", "links"))
    assert len(asked) == 2
    assert "domain links bad.test" in asked


def test_links_and_addresses_have_limits() -> None:
    raw = b"\n" + b" ".join(b"https://a.test/%d u%d@a.test" % (n, n) for n in range(300))
    scope = Scope(links=7, addresses=5)
    assert len(found(raw, None, scope, ("url", "links"))) == 7
    assert len(found(raw, None, scope, ("email", "body"))) == 5
    assert found(raw, None, Scope(links=0, addresses=0, domains=0, hops=0), ("url", "links"), ("email", "body")) == []


@given(st.binary(max_size=400))
def test_any_mail_gives_subjects(raw: bytes) -> None:
    mail = Mail(Message(raw), Envelope())
    for subject in subjects(mail, EVERYTHING, Scope()):
        assert isinstance(subject, Subject)
        assert subject.value


def test_hostile_mails_give_few_subjects() -> None:
    for name, raw in hostile_mails(10_000):
        envelope = Envelope(client_ip="11.22.33.44", helo="x" * 5000, mail_from="a" * 5000 + "@" + "b." * 500)
        mail = Mail(Message(raw), envelope)
        mail.message.links  # noqa: B018  (reading is not what is measured)
        begun = time.process_time()
        assert len(subjects(mail, EVERYTHING, Scope())) < 100, name
        assert time.process_time() - begun < 1.0, name

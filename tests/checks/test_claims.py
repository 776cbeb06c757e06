"""Claims beyond their golden cases: laws, spellings, and the quick reading of a sender."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.checks import Mail
from mailfilter.checks.claims import ClaimCheck, _Claims, _one_edit, _strewn
from mailfilter.envelope import Envelope
from mailfilter.message import Message
from tests.checks.laws import laws_of, names

CHECK = ClaimCheck()
test_laws = laws_of(CHECK)


def claims(sender: str) -> _Claims:
    return _Claims(Message(b"From:" + sender.encode() + b"\n\nx"), Envelope())


@pytest.mark.parametrize(
    ("sender", "display", "address"),
    [
        (" Ada Lovelace <Ada@Example.net>", "Ada Lovelace", "ada@example.net"),
        (' "Ada Lovelace" <ada@example.net>', "Ada Lovelace", "ada@example.net"),
        (" ada@example.net", "", "ada@example.net"),
        (' "Lovelace, Ada" <ada@example.net>, b@example.net', "Lovelace, Ada", "ada@example.net"),
        (" =?utf-8?q?Ad=C3=A0?= <ada@example.net>", "Adà", "ada@example.net"),
        (" Ada\n <ada@example.net>", "Ada", "ada@example.net"),
        ("", "", ""),
    ],
)
def test_the_sender(sender, display, address):
    found = claims(sender)
    assert (found.display, found.address) == (display, address)


@given(st.text(st.sampled_from('ab @.<>",:;()=?\n'), max_size=30))
def test_the_quick_reading_is_the_thorough_one(text):
    raw = b"From: " + text.replace("\n", "\n ").encode() + b"\n\nx"
    found, message = _Claims(Message(raw), Envelope()), Message(raw)
    thorough = message.addresses("from")
    if thorough and found.address:
        assert (found.display.split(), found.address) == (thorough[0].display.split(), thorough[0].address.lower())
    else:
        assert found.address == (thorough[0].address.lower() if thorough else "")


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("exampleworks.com", "exampleworks.com", True),
        ("exampleworks.com", "examplewarks.com", True),
        ("exampleworks.com", "exampleworkss.com", True),
        ("exampleworks.com", "examplwworks.com", True),
        ("exampleworks.com", "eaxmpleworks.com", True),
        ("exampleworks.com", "exampleworks.net", False),
        ("exampleworks.com", "exampleworker.com", False),
        ("acme.com", "acne.com", False),
    ],
)
def test_domains_that_are_nearly_the_same(one, other, near):
    assert _one_edit(one, other) is near
    assert _one_edit(other, one) is near


@pytest.mark.parametrize("label", ["lovelace", "wikipedia", "ada-and-friends", "ada.lovelace", "web2mail"])
def test_labels_that_somebody_chose(label):
    assert _strewn(label) == 0.0


@pytest.mark.parametrize("label", ["qxkzvtrpw", "a4k9z2m7q", "x7f3b9d1"])
def test_labels_that_nobody_chose(label):
    assert _strewn(label) > 0.0


@pytest.mark.parametrize("greeting", ["Dear", "Hello", "Hi", "Sehr geehrter", "Estimado", "Dear user", "Olá"])
def test_greetings(greeting):
    raw = f"To: jo@example.org\nContent-Type: text/plain; charset=utf-8\n\n{greeting} jo@example.org,\nx".encode()
    assert "GREETS_ADDRESS" in names(CHECK, raw)


def test_the_envelope_is_believed_before_the_mail():
    raw = b"Received: from pc (unknown [203.0.113.9]) by mx; x\n\nx"
    told = Envelope(client_ip="203.0.113.25", helo="mx.example.net", client_name="mx.example.net")
    assert {s.name for s in CHECK.run([Mail(Message(raw), told)])[0]}.isdisjoint(("CLIENT_HELO_ODD", "CLIENT_NAMELESS"))
    assert "CLIENT_HELO_ODD" in names(CHECK, raw)
    nameless = Envelope(client_ip="203.0.113.25", helo="mx.example.net", client_name="")
    assert "CLIENT_NAMELESS" in {s.name for s in CHECK.run([Mail(Message(b"\nx"), nameless)])[0]}


@pytest.mark.parametrize("at", range(7))
def test_one_letter_is_noticed_wherever_it_is_changed(at):
    own = "lovelac"
    other = own[:at] + "x" + own[at + 1 :]
    swapped = own[:at] + own[at : at + 2][::-1] + own[at + 2 :]
    for near in {other, swapped, own[:at] + "x" + own[at:]} - {own}:
        raw = f"From: jo@{near}.example\nTo: ada@{own}.example\n\nx".encode()
        assert "FROM_DOMAIN_LIKE_RECIPIENT" in names(CHECK, raw), near

"""Views look the same however the same words were wrapped."""

from __future__ import annotations

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.classifier.relations import organisation, relations
from mailfilter.classifier.views import VIEWS, plain, views
from mailfilter.message import Message

NAMES = tuple(view.name for view in VIEWS)
WORDS = "Buy cheap pills now, 100% guaranteed. Visit https://pills.example/order today."


def made(head: str, body: bytes, name: str) -> bytes:
    return views(Message(b"From: a@b.example\nSubject: hi\n" + head.encode() + b"\n\n" + body), (name,))[0]


@pytest.mark.parametrize("name", ["body", "text", "words", "links"])
def test_transfer_encoding_does_not_show(name: str) -> None:
    kind = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
    bare = made(kind + "7bit", WORDS.encode(), name)
    assert b"pills" in bare
    assert made(kind + "base64", base64.encodebytes(WORDS.encode()), name) == bare
    assert made(kind + "quoted-printable", quopri.encodestring(WORDS.encode()), name) == bare


@pytest.mark.parametrize(
    ("disguised", "bare"),
    [
        ("v\u200bi\u200ca\u200dg\u2060r\ufeffa", b"viagra"),
        ("vi\u00adagra", b"viagra"),
        ("V\u0406\u0410GR\u0410", b"viagra"),
        ("раyраl", b"paypal"),
        ("ｆｒｅｅ", b"free"),
        ("𝐅𝐫𝐞𝐞 𝓶𝓸𝓷𝓮𝔂", b"free money"),
        ("  FREE\t\n money ", b"free money"),
        ("call 555-1234", b"call 000-0000"),
    ],
)
def test_disguises_come_off(disguised: str, bare: bytes) -> None:
    assert plain(disguised) == bare


def test_words_of_one_foreign_script_stay() -> None:
    assert plain("Привет") == "привет".encode()
    assert plain("Ελλάδα") == "ελλάδα".encode()


@given(st.text())
def test_plain_is_stable_and_single_spaced(text: str) -> None:
    once = plain(text)
    assert b"  " not in once
    assert once == once.strip()
    assert plain(once.decode("utf-8", "replace")) == once


@given(st.binary(max_size=2000))
def test_any_bytes_have_every_view(raw: bytes) -> None:
    found = views(Message(raw), NAMES)
    assert [type(view) for view in found] == [bytes] * len(NAMES)


def test_relations_name_nobody() -> None:
    head = b"From: Zebedee <zebedee@quagga.example>\nTo: wombat@dingo.example\nSubject: numbat\n\n"
    raw = head + b"http://okapi.example/ zorilla"
    joined = relations(Message(raw)).decode()
    for word in ("zebedee", "quagga", "wombat", "dingo", "numbat", "okapi", "zorilla"):
        assert word not in joined.lower()


@pytest.mark.parametrize(
    ("host", "registered"),
    [
        ("news.shop.example", "shop.example"),
        ("shop.example", "shop.example"),
        ("www.shop.co.uk", "shop.co.uk"),
        ("a.b.shop.com.au", "shop.com.au"),
        ("localhost", "localhost"),
        ("", ""),
    ],
)
def test_organisation(host: str, registered: str) -> None:
    assert organisation(host) == registered


def test_own_links_and_strange_links_differ() -> None:
    raw = b"From: a@shop.example\nMessage-ID: <1@shop.example>\nSubject: x\n\nhttp://%s/"
    own, strange = (relations(Message(raw % host)).decode().split() for host in (b"www.shop.example", b"thief.example"))
    assert "same=all" in own
    assert "same=none" in strange

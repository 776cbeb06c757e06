"""Rendered HTML, URIs, addresses and hops as rules see them."""

from __future__ import annotations

import re
import time

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter import Config
from mailfilter.ruleset import uriforms
from mailfilter.ruleset.headertext import Mailbox, decoded, mailboxes
from mailfilter.ruleset.htmltext import HtmlText, resolve
from mailfilter.ruleset.relays import FETCHED, IGNORED, parse_received, relays
from mailfilter.ruleset.rules import Domains
from mailfilter.ruleset.uriforms import UriForms
from mailfilter.ruleset.uris import UriFinder

FINDER = UriFinder(Domains(frozenset(("com", "org", "uk")), frozenset(("co.uk",))))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a<b>b</b>c", "abc"),
        ("a <br> b", "a\nb"),
        ("<p>a</p>b", "\n\na\n\nb"),
        ("<td>a</td><td>b", " a  b"),
        ("a<script>x<b></script>b<style>y</style>c", "abc"),
        ("a<!-- <b> -->b<!doctype x>c<?php x?>d", "abcd"),
        ("a &amp; &nbsp;b &lt;c", "a &  b <c"),
        ('<a title="x>y" href="z">t</a>', "t"),
        ("a < b", "a < b"),
        ("<title>T</title>x", "\n\nT\n\nx"),
        ("a<br/>b<foo@bar.com>c", "a\nbc"),
    ],
)
def test_html(source: str, text: str) -> None:
    assert HtmlText(source).text == text


def test_uris_of_html() -> None:
    html = HtmlText(
        '<base href="http://b.com/d/e.html"><a href="f?g">x</a><IMG SRC=http://i.com/1.gif><form action=\'h\'>'
        '<meta http-equiv=refresh content="0; url=http://r.com/"><td background="/bg">'
    )
    assert list(html.uris) == [
        "http://b.com/d/e.html", "http://b.com/d/f?g", "http://i.com/1.gif", "http://b.com/d/h", "http://r.com/",
        "http://b.com/bg",
    ]  # fmt: skip
    assert resolve("", "http://a.com/b/../c") == "http://a.com/c"
    assert resolve("", "//www.a.com/") == "http://www.a.com/"


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("see http://a.com/x.", "http://a.com/x"),
        ("(www.a.com)", "http://www.a.com"),
        ("write to joe@a.com!", "mailto:joe@a.com"),
        ("visit a.com/b now", "http://a.com/b"),
        ("not a.nonsense here", ""),
        ("http://0x7f000001/", "http://127.0.0.1/"),
        ("http://%61.com/", "http://a.com/"),
        ("http://a.com:80/x", "http://a.com/x"),
        ("http://r.com/?u=http://a.com/z", "http://a.com/z"),
    ],
)
def test_uris_of_text(text: str, uri: str) -> None:
    found = FINDER.of([], text.encode("latin-1"))
    assert (uri in found) if uri else not found


@pytest.mark.parametrize(
    ("field", "boxes"),
    [
        (" Joe <joe@a.com>", [("Joe ", "joe@a.com")]),
        (' "Joe, X" <joe@a.com>, b@a.com (Bob)', [("Joe, X ", "joe@a.com"), ("Bob", "b@a.com")]),
        (" joe@a.com", [(None, "joe@a.com")]),
        (" group: a@a.com, b@a.com;", [(None, "a@a.com"), (None, "b@a.com")]),
        (" <>", [(None, None)]),
        (" just words", [("just words", None)]),
    ],
)
def test_mailboxes(field: str, boxes: list[tuple[str | None, str | None]]) -> None:
    assert [(box.name, box.address) for box in mailboxes(field)] == boxes
    assert isinstance(mailboxes(field)[0], Mailbox)


def test_header_text() -> None:
    assert decoded("subject", " =?utf-8?q?a?=\n =?utf-8?b?Yg==?= c\r\n\td") == "ab c d"
    assert decoded("received", "=?utf-8?q?a?=") == "=?utf-8?q?a?="
    assert decoded("subject", "caf\xe9") == "caf\xc3\xa9"


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("from h.com (r.com [192.0.2.1]) by m.com (8.12.1/8.12.1) with ESMTP id x1234; Mon, 1 Jan 2024 1:2:3 +0000",
         ("192.0.2.1", "r.com", "h.com", "m.com", "x1234", "")),
        ("from unknown (HELO h.com) (192.0.2.1) by m.com with SMTP; 1 Jan 2024 01:02:03 -0000",
         ("192.0.2.1", "", "h.com", "m.com", "", "")),
        ("from [192.0.2.1] (helo=h.com) by m.com with esmtp (Exim 4.1) id 1abc; x",
         ("192.0.2.1", "", "h.com", "m.com", "1abc", "")),
        ("from h.com ([192.0.2.1]) by m.com with Microsoft SMTPSVC(5.0); x", ("192.0.2.1", "", "h.com", "m.com", "", "")),  # noqa: E501
        ("from h.com (h.com. [192.0.2.1]) by m.com with ESMTPSA id abc; x",
         ("192.0.2.1", "h.com", "h.com", "m.com", "abc", "ESMTPSA")),
    ],
)  # fmt: skip
def test_received(line: str, fields: tuple[str, ...]) -> None:
    relay = parse_received(line)
    assert relay is not None
    assert (relay.ip, relay.rdns, relay.helo, relay.by, relay.id, relay.auth) == fields


def test_trust_goes_as_far_as_private_addresses() -> None:
    own = "from a (a [10.0.0.1]) by b (Postfix) with ESMTP id 1234"
    other = "from c (d [192.0.2.1]) by e (Postfix) with ESMTP id 5678"
    found = relays([own, "by x with local", other, own])
    assert ([hop.ip for hop in found.trusted], [hop.ip for hop in found.untrusted]) == (
        ["10.0.0.1"],
        ["192.0.2.1", "10.0.0.1"],
    )
    assert found.first_untrusted == 2
    assert parse_received("by m with SMTP") == IGNORED
    assert parse_received("from a [10.0.0.1] by localhost with IMAP (fetchmail-5)") == FETCHED
    assert parse_received("from nothing at all") is None


def test_trust_ends_at_what_is_configured_and_internal_before_forwarders() -> None:
    def line(address: str, name: str = "a") -> str:
        return f"from {name} ({name} [{address}]) by b (Postfix) with ESMTP id 1234"

    lines = [line("21.0.0.1", "mx.ours.test"), line("12.0.0.1"), line("13.0.0.1"), line("21.0.0.1", "mx.ours.test")]
    trust = Config.from_mapping({"trust": {"hosts": ["mx.ours.test"], "forwarders": ["12.0.0.0/8"]}}).trusted()
    found = relays(lines, "", None, trust)
    assert [hop.ip for hop in found.trusted] == ["21.0.0.1", "12.0.0.1"]
    assert (found.internal, found.first_untrusted) == (1, 2)
    assert [text.count("ip=") for text in (found.internal_text(), found.external_text())] == [1, 3]
    assert (found.trusted_text().count("intl=1"), found.trusted_text().count("intl=0")) == (1, 1)
    submission = Config.from_mapping({"trust": {"submission": ["21.0.0.1"]}}).trusted()
    handed_in = relays(lines[:2], "", None, submission)
    assert "msa=1" in handed_in.trusted_text()
    assert len(handed_in.trusted) == handed_in.internal == 2


URI_PIECES = st.sampled_from(
    ("http://", "HTTPS://", "http:", "www.", "a", "b.com", "localhost", ".", "-", "_", "1", "0x7f", "/", "//", "?", "#",
     "&", "&#65;", "%41", "%zz", "@", ":80", ":", "u=", "url=", "q=http", "\\", " ", "\n", "\xdf", "\xa0", "press.")
)  # fmt: skip


@settings(max_examples=400)
@given(st.sampled_from(("http://", "https://", "")), st.lists(URI_PIECES, max_size=9).map("".join))
def test_what_has_no_other_form_is_told_at_once(scheme: str, rest: str) -> None:
    patterns = (r"[?&]url=(.*)", r"press\.com/(.*)", r"^http://[^/]*/-(.*)")
    forms = UriForms(FINDER.is_domain, [regex.compile(pattern, regex.I | regex.V1) for pattern in patterns])
    found = forms.of(scheme + rest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uriforms, "_PLAIN", re.compile(r"(?!)"))
        assert forms.of(scheme + rest) == found


LETTERS = st.text(st.sampled_from("<>/!-ab=\"'& ;#x1:@.[]()\\\n%?\u201c\xa0"), max_size=200)


@settings(max_examples=200, deadline=None)
@given(LETTERS)
def test_any_text_is_read(text: str) -> None:
    latin = text.replace("\u201c", "")
    FINDER.of(HtmlText(text).uris, latin.encode("latin-1"))
    mailboxes(latin)
    parse_received("from " + latin)
    decoded("subject", latin)


@pytest.mark.parametrize(
    "piece", ["<a href=", "a.com/", "<!--", "a@a", "(", '"', "http://", "<p title='", "=?a?q?b", "from a (", "<x>"]
)
def test_long_text_takes_linear_time(piece: str) -> None:
    start = time.process_time()
    text = piece * (50_000 // len(piece))
    HtmlText(text)
    mailboxes(text)
    decoded("subject", text)
    parse_received("from " + text)
    FINDER.of([], " ".join(text[at : at + 2000] for at in range(0, len(text), 2000)).encode("latin-1"))
    assert time.process_time() - start < 8

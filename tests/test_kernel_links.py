"""Links, and how they relate to sender and text: the kernel in C and its twins in Python give the same bits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import kernel
from mailfilter.classifier import relations, views
from mailfilter.message import Message
from mailfilter.mime import links

from .strategies import linked_texts

native = kernel.native
needed = pytest.mark.skipif(native is None, reason="the C kernel is not built, or MAILFILTER_KERNEL=python")


@needed
@given(st.lists(st.one_of(st.text("0aFg/é", max_size=60), st.sampled_from(("x\ny", "\ud800", "é" * 200, "b")))))
def test_links_are_shown_to_views_as_by_the_twin(urls: list[str]) -> None:
    assert native is not None
    found = tuple(links.Link(url, "", "href", "") for url in urls)
    assert native.link_view(found) in (None, views._link_view(found))


@needed
def test_many_long_links_are_cut_as_by_the_twin() -> None:
    assert native is not None
    found = tuple(links.Link(f"{number}/{'xé' * 90}", "", "href", "") for number in range(60))
    assert native.link_view(found) == views._link_view(found)


_URLS = (
    "http://", "HTTPS://", "ftp://", "www.", "WWW.", "Www.", "wwww.", "ww.", "://", "a.example", "user@", ":80", "/x?y",
    "(", ")", "[::1]", "]", "{", "}", ".", ",", "'", "|", "%41", "\\", "/", " ", "\n", "<", '"', "é", "\xa0", "\u3000",
    "mailto:", "\0", "\ud800", "x" * 30,
)  # fmt: skip
url_texts = st.one_of(linked_texts(), st.lists(st.sampled_from(_URLS), max_size=12).map("".join))


@needed
@given(url_texts, st.sampled_from([0, 1, 3, 10_000]))
def test_links_in_text_are_those_of_the_twin(text: str, limit: int) -> None:
    assert native is not None
    found = native.text_links(text, limit)
    assert found is None or found == links._text_links(text, limit)


@needed
@given(url_texts)
def test_a_host_is_that_of_the_twin(url: str) -> None:
    assert native is not None
    assert native.host(url) in (None, links._host_of(url))


@needed
def test_common_links_are_not_given_up() -> None:
    assert native is not None
    text = "Grüße: http://a.example/x, (www.b.example) https://u@c.example:8/(y)."
    assert [link[3] for link in native.text_links(text, 10) or ()] == ["a.example", "www.b.example", "c.example"]
    assert native.text_links("x" + "http://a.example/" + ")" * 5000, 10)[0][0] == "http://a.example/"
    urls = ("HTTP://A.example:80/x?http://b", "mailto:a@b.example", "/x.gif", "//c.example/x", "http:\\\\d.example")
    assert [native.host(url) for url in urls] == ["a.example", "", "", "c.example", "d.example"]


_NAMES = (
    '"', " ", "<", ">", "@", ",", ".", "-", "Shop", "shop", "a.example", "mail.shop.example", "x.co.uk", "ab.cd.uk",
    "com.au", "192.168.0.1", "é", "\u0130", "\u212a", "\ud800", "..", "9", "x" * 300,
)  # fmt: skip
header_values = st.lists(st.sampled_from(_NAMES), max_size=8).map("".join).map(str.strip)
hosts = st.sampled_from(("", "a.example", "www.shop.example", "x.co.uk", "1.2.3.4", "é.example", ".", "a..b", "\ud800"))
given_links = st.lists(st.builds(links.Link, st.just(""), st.just(""), st.sampled_from(("href", "src", "text")), hosts))


@needed
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("from", "message-id", "reply-to", "to", "cc"), header_values)),
    st.one_of(st.text(max_size=9), st.sampled_from(("Re: x", "ANTW:", "Fwd:", "re\u212a:"))),
    given_links,
    st.text(max_size=60),
)
def test_relations_are_those_of_the_twin(
    values: dict[str, str], subject: str, found: list[links.Link], text: str
) -> None:
    message: Any = SimpleNamespace(
        header=lambda name: subject if name == "subject" else values.get(name, ""), subject=subject,
        links=tuple(found), texts=(SimpleNamespace(visible=text),),
        root=SimpleNamespace(block=SimpleNamespace(by_name=dict.fromkeys(values, ("",)))),
    )  # fmt: skip
    assert relations.relations(message) == " ".join(relations._relations(message)).encode("utf-8", "replace")


@needed
def test_relations_of_common_mails_are_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = "From: Jörg <j@shop.example>\nTo: a@b.example\nSubject: Größe\n\nSchöne http://www.shop.example/ Grüße"
    monkeypatch.setattr(relations, "_relations", None)
    assert b"own=0" in relations.relations(Message(raw.encode()))

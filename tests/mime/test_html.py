"""HTML: what is seen, what is hidden, and links."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.mime.attributes import unescape
from mailfilter.mime.html import render
from mailfilter.mime.links import host_of, text_links


@pytest.mark.parametrize(
    ("source", "visible"),
    [
        ("V<!-- -->iagra", "Viagra"),
        ("V<!-->iagra", "Viagra"),
        ("V<!-- > -- > <b>x</b> -->iagra", "Viagra"),
        ("V<b></b>i<font color=x>agra</font>", "Viagra"),
        ("one<br>two<BR/>three", "one\ntwo\nthree"),
        ("<p>one</p><p>two<div>three</div>", "one\ntwo\nthree"),
        ("<table><tr><td>a<td>b<tr><th>c</table>", "a b\nc"),
        ("a \n\t b", "a b"),
        ("a&nbsp;b &amp;lt; &#65;&#x42;&#0;&#xD800; &nosuch; &copy", "a b &lt; AB\ufffd\ufffd &nosuch; ©"),
        ("&copyright &ampx; &midx; &mid; &prod_a", "©right &x; &midx; ∣ &prod_a"),
        ("x<script>if (a<b) document.write('<p>y')</script>z", "xz"),
        ("x<style>p {}</style>z<title>t</title>", "xz"),
        ("a < b and c > d", "a < b and c > d"),
        ("a <3 b", "a <3 b"),
        ("<!DOCTYPE html><?php x ?>y</>z", "yz"),
        ('<a title="a > b">x</a>', "x"),
        ("<a title='a > b'>x</a>", "x"),
        ('<a href="x"">y</a> z', "y z"),
        ('<a title="never closed>x</a> y', "x y"),
        ('<p title="<b>">x', "x"),
        ("<b x<i y>z", "z"),
        ("text <b", "text <b"),
        ("text <script", "text <script"),
        ("<!-- never closed <p>x", ""),
        ("<script>never closed <p>x", ""),
        ("\x1e\x1c\x1dx", "x"),
        ("", ""),
    ],
)
def test_visible_text(source: str, visible: str) -> None:
    assert render(source).visible == visible


@pytest.mark.parametrize(
    ("source", "visible", "hidden"),
    [
        ('<div style="display:none">x</div>y', "y", "x"),
        ('<DIV STYLE="DISPLAY : NONE">x</DIV>y', "y", "x"),
        ("<span style=visibility:hidden>x</span>y", "y", "x"),
        ('<span style="font-size:0px">x</span>y', "y", "x"),
        ('<span style="font-size:0.9em">x</span>y', "xy", ""),
        ('<td style="font-size:0"><p style="font-size:12px">x</p></td>y', "x\ny", ""),
        ("<p hidden>x</p>y", "y", "x"),
        ("<p class=hidden>x</p>y", "x\ny", ""),
        ('<div style="display:none"><div>x</div>z</div>y', "y", "x\nz"),
        ('<p style="display:none">x<p>y', "y", "x"),
        ('<img style="display:none">y', "y", ""),
        ("word<span style='display:none'>noise</span>s", "words", "noise"),
        ('<div title="display:none">x</div>y', "x\ny", ""),
        ("<p>display:none</p>y", "display:none\ny", ""),
        ("<title>t</title>y", "y", "t"),
        ("<!--[if mso]><p>x</p><![endif]-->y", "y", "x"),
        ("<!--[if !mso]><!-->x<!--<![endif]-->y", "xy", ""),
        ('<div style="opacity:0">x</div><div style="opacity:0.5">y</div>', "y", "x"),
    ],
)
def test_hidden_text_is_kept_apart(source: str, visible: str, hidden: str) -> None:
    rendered = render(source)
    assert (rendered.visible, rendered.hidden) == (visible, hidden)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('<a href="http://a.example/?x=1&amp;y=2">t <b>u</b></a>', [
            ("http://a.example/?x=1&y=2", "t u", "href", "a.example")]),
        ('<a href="http://a.example/?a=1&mid=2&copy=3&pi;&amp=4&lt">t</a>', [
            ("http://a.example/?a=1&mid=2&copy=3π&amp=4<", "t", "href", "a.example")]),
        ("<A HREF=http://a.example/>t</A>", [("http://a.example/", "t", "href", "a.example")]),
        ("<a\nclass=x\nhref='http://a.example'>t", [("http://a.example", "t", "href", "a.example")]),
        ("<a data-href=x href=http://b.example>t</a>", [("http://b.example", "t", "href", "b.example")]),
        ('<a href="http://a.example"><a href="http://b.example">t</a>', [
            ("http://a.example", "", "href", "a.example"), ("http://b.example", "t", "href", "b.example")]),
        ("<img src=http://a.example/x.png>", [("http://a.example/x.png", "", "src", "a.example")]),
        ("<form action=http://a.example/x>", [("http://a.example/x", "", "action", "a.example")]),
        ("<button formaction=http://a.example/x>", [("http://a.example/x", "", "action", "a.example")]),
        ("<base href=http://a.example/d/><a href=x>t</a>", [("http://a.example/d/x", "t", "href", "a.example")]),
        ("<a href='ht\ntp://a.exa\tmple/'>t</a>", [("http://a.example/", "t", "href", "a.example")]),
        ("<a href=&#104;ttp://a.example/>t</a>", [("http://a.example/", "t", "href", "a.example")]),
        ("<a href=mailto:a@b.example>t</a>", [("mailto:a@b.example", "t", "href", "")]),
        ("<p style=display:none><a href=http://a.example>t</a></p>", [("http://a.example", "t", "href", "a.example")]),
        ("<!--[if mso]><a href=http://a.example>t</a><![endif]-->", [("http://a.example", "t", "href", "a.example")]),
        ('<a title=">" href="http://a.example">t</a>', [("http://a.example", "t", "href", "a.example")]),
        ("<a name=x>t</a>", []),
        ("<a href>t</a>", []),
    ],
)  # fmt: skip
def test_links_with_their_text(source: str, expected: list[tuple[str, str, str, str]]) -> None:
    assert [tuple(link) for link in render(source).links] == expected


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://A.Example:80/x", "a.example"),
        ("https:a.example", "a.example"),
        ("http:\\\\a.example\\x", "a.example"),
        ("//a.example/x", "a.example"),
        ("http://user@evil.example@a.example/", "a.example"),
        ("http://a.example#@b.example", "a.example"),
        ("http://%61.example/", "a.example"),
        ("http://[2001:db8::1]:80/", "[2001:db8::1]"),
        ("http://192.0.2.1/", "192.0.2.1"),
        ("ftp://a.example", "a.example"),
        ("x://a.example/", "a.example"),
        ("http://a.example./", "a.example"),
        ("http://bücher.example/", "bücher.example"),
        ("mailto:a@b.example", ""),
        ("javascript:x", ""),
        ("/x", ""),
        ("http://", ""),
        ("", ""),
    ],
)
def test_hosts(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("see http://a.example/x, or (https://b.example/y).", ["http://a.example/x", "https://b.example/y"]),
        (
            "HTTP://A.example/ WWW.b.example www.c.example!",
            ["HTTP://A.example/", "http://WWW.b.example", "http://www.c.example"],
        ),
        ("http://a.example/wiki/X_(y)", ["http://a.example/wiki/X_(y)"]),
        ("<http://a.example/>", ["http://a.example/"]),
        ("xhttp://a.example/ awww.b.example me@www.c.example", ["http://a.example/"]),
        ("http://www.a.example/", ["http://www.a.example/"]),
        ("http://a.example/?u=http://b.example/", ["http://a.example/?u=http://b.example/"]),
        ("http:// www. ://", []),
    ],
)
def test_links_in_plain_text(text: str, urls: list[str]) -> None:
    assert [link.url for link in text_links(text, 100)] == urls


def test_links_are_capped() -> None:
    rendered = render("<a href=http://a.example>t</a>" * 5, max_links=3)
    assert len(rendered.links) == 3
    assert rendered.capped
    assert len(text_links("http://a.example/ " * 5, 3)) == 3


PIECES = (
    *("<", ">", "</", "<a href=", "<p>", "</p>", "<b>", "<!--", "-->", "<!", "<?", '"', "'", "=", " ", "x", "é", "\n"),
    *("<script>", "</script>", "<div style='display:none'>", "</div>", "<a href='http://a.example'>", "</a>", "&amp;"),
    *("&#", "\x1e", "\x1c", "<base href=/>", "<style>", "<title>", "<!--[if mso]>", "<![endif]-->", "<p hidden>"),
    *("<td style=font-size:0>", "<td>", "<script", "<style hidden ", "<title style=display:none"),
    *("<a ", "</a", "<base "),
)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_markup(source: str) -> None:
    rendered = render(source)
    assert not any(mark in rendered.visible + rendered.hidden for mark in "\x1c\x1d\x1e")
    assert all(not line.isspace() for line in rendered.visible.split("\n"))


@given(st.text(st.characters(codec="utf-8", exclude_characters="<&\x1c\x1d\x1e"), max_size=60))
@settings(deadline=None)
def test_text_without_markup_is_what_it_is(text: str) -> None:
    assert render(text).visible.split() == text.split()


@given(st.text(max_size=30))
@settings(deadline=None)
def test_any_character_references(text: str) -> None:
    unescape(text.replace("x", "&#").replace("a", "&#x")).encode("utf-8", "surrogatepass")


def test_reference_with_more_digits_than_python_converts() -> None:
    assert unescape("&#" + "9" * 5000 + ";")
    assert unescape("&#x" + "0" * 60 + "41;") == "A"


NEWSLETTER = """<html><head><title>News</title><style>td {color: red}</style></head><body bgcolor="#fff">
<table width=600><tr><td><a href="http://news.example/a"><img src="http://img.example/1.png" alt="x"></a></td>
<td><h1>Big <i>Sa</i>le</h1><p>50&nbsp;% off &mdash; only <b>to<u>day</u></b>!<br>Really.</td></tr></table>
<!-- tracking --><p>Shop <a href='http://shop.example/?a=1&amp;b=2' class="x y">here</a>, <a href=http://b.example/>there</a>
<form action="http://f.example/"><input type=hidden name=a value=b><select><option>one<option>two</select></form>
<ul><li>first<li>second</ul><blockquote>quoted</blockquote><pre>a   b</pre></body></html>"""


def test_words_and_links_are_those_of_a_browser_engine() -> None:
    lexbor = pytest.importorskip("selectolax.lexbor")
    tree = lexbor.LexborHTMLParser(re.sub("<(?!/?[aiub]>|/?a )", " <", NEWSLETTER))
    tree.strip_tags(["style", "title"])
    rendered = render(NEWSLETTER)
    assert rendered.visible.split() == tree.body.text().split()
    assert [link.url for link in rendered.links if link.origin == "href"] == [
        node.attributes["href"] for node in tree.css("a[href]")
    ]

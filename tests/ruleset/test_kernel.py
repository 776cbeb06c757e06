"""What the kernel in C makes of texts for rules is what its twins in Python make of them."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailfilter import kernel
from mailfilter.ruleset import bodytext, htmltext, uris
from mailfilter.ruleset.evals import htmlfacts
from mailfilter.ruleset.evals.htmlfacts import HtmlFacts
from mailfilter.ruleset.rules import Domains

native = kernel.native
pytestmark = pytest.mark.skipif(native is None, reason="the C kernel is not built, or MAILFILTER_KERNEL=python")

_MARKUP = (
    "<", ">", '"', "'", "=", "/", " ", "&", "!", "-", "<!--", "-->", "<!-->", "<!--->", "<!x>", "<!1>", "<?x?>", "</>",
    "<p>", "</P>", "<Br/>", "<br / >", "<td ", "<div>", "<li>", "<hr/>", "<pre>", "<h1>",
    "<a href=", '<a href="http://a.example/?x&amp;y">', "<A/HREF='b'>", "</a>", "<a>",
    "<a data-saferedirecturl='s' href=h>",
    "<img width=3 height='4%' src=i.gif>", "<img width=\"7\" width=x", "<IMG HEIGHT=9", "<img>",
    "<img alt='a>b<c' src=d>",
    "<base href='http://b.example/d/e.html'>", "<meta http-equiv=refresh content='0; url=r'>", "<meta content=refresh>",
    "<font size=+2>", "<font size='9", "<embed src=e>", "<object>", "<iframe src=''>", "<iframe src=f>", "</iframe",
    "<form action='MAILTO:x'>", "<title>", "</title>", "<script>", "</SCRIPT >", "<style x='", "</style>", "<xmp>",
    "background", "src", " action=", "size", "&amp;", "&nbsp;", "&#65;", "\x1c", "\r\n", "\n", "\t", "\f", "\v", "\0",
    "é", "\xa0", "\u201c", "\u201d", "\u2003", "\u0130", "\u0131", "\u017f", "\u212a", "\ufeff", "\ud800", "word", "9",
    "x" * 61,
)  # fmt: skip
sources = st.lists(st.one_of(st.sampled_from(_MARKUP), st.text(max_size=2)), max_size=40).map("".join)
texts = st.lists(st.sampled_from((" ", "\n", "\n\n", "\t", "\r", "\x1c", "\x85", "\xa0", "\u3000", "é", "a", "\ud800")))
words = st.lists(
    st.sampled_from(
        ("http", "HTTPS", "ftp", "://", ":", "/", "www", "www1", ".", "@", "mailto", "a", "b2", "-", "_", "com", "(",
         "!", " ", "\n", "\xa0", "\x85", "\xe9", "\x1c", "\0", "1")
    ),
    max_size=30,
)  # fmt: skip


def rendered(source: str) -> tuple[str, list[str]]:
    found = htmltext.HtmlText(source)
    return found.text, list(found.uris)


@settings(max_examples=400)
@given(sources)
@example('<a title="x<b>y" href=c>d')
@example("a" + '<p q="<' * 300 + '"')
@example("<\u212aink href=a>")
def test_html_is_rendered_as_by_the_twin(source: str) -> None:
    found = rendered(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(htmltext, "native", None)
        assert rendered(source) == found


@settings(max_examples=400)
@given(sources, st.dictionaries(st.sampled_from(("b", "p", "a", "img")), st.integers(0, 2)))
@example("<!" + "<" * 300 + "-- é", {})
@example("<!--" + "é" * 10_000 + "-->abc", {})
@example("".join(f"<t{at}></t{at % 7}>" for at in range(300)), {"t3": 2})
@example("<a>" + "x<b>" * 2_100 + "</a>", {})
def test_facts_of_html_are_those_of_the_twin(source: str, elements: dict[str, int]) -> None:
    wanted = HtmlFacts(elements=dict(elements))
    htmlfacts._Walk(source, wanted)
    found = HtmlFacts(elements=dict(elements))
    assert native is not None
    walked = native.rule_facts(source, found.elements)
    if walked is not None:
        htmlfacts._take(found, *walked)
        assert found == wanted


def test_plain_html_is_not_given_up() -> None:
    assert native is not None
    source = '<p title="ü">Grüße – “von” <a href="http://example.org/?a=1&amp;b=2">uns</a><img alt="ß" src=x width=1>'
    assert native.rule_text(source) == (
        "\n\nGrüße – \"von\" uns", ["http://example.org/?a=1&amp;b=2", "x"]
    )  # fmt: skip
    assert native.rule_facts(source, {"p": 1}) is not None
    assert native.rule_text("<a href='x' \u0130>") == ("", [("a", " href='x' \u0130")])


@given(texts.map("".join))
def test_paragraphs_are_those_of_the_twin(text: str) -> None:
    assert bodytext.normalised(text) == bodytext._normalised(text)


@settings(max_examples=400)
@given(words.map("".join))
def test_words_that_may_be_uris_are_those_of_the_twin(text: str) -> None:
    assert native is not None
    assert native.rule_words(text.encode("latin-1")) == uris._words(text.encode("latin-1"))


@settings(max_examples=200)
@given(words.map("".join))
def test_a_word_that_is_passed_over_holds_no_uri(text: str) -> None:
    finder = uris.UriFinder(Domains(frozenset(("com", "a", "b2")), frozenset()))
    found = {}
    for word in text.split():
        if "." in word or "@" in word or "://" in word:
            found.update(dict(finder._in_word(word)))
    wanted = [uri for uri in found.values() if uri]
    assert finder.in_text(text.encode("latin-1")) == wanted

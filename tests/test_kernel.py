"""The kernel in C and its twins in Python give the same bits, whatever they are given; and either may be missing."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import kernel
from mailfilter.classifier import Model, relations, views
from mailfilter.classifier.features import Extractor
from mailfilter.message import Message
from mailfilter.mime import addresses, headers, html, links, part, words
from mailfilter.mime.tags import CLOSED_BY_NEXT, KINDS, VOID
from mailfilter.testing.hostile import hostile_mails

from .strategies import linked_texts, mails, mutated_mails

ROOT = Path(__file__).parent.parent
native = kernel.native
needed = pytest.mark.skipif(native is None, reason="the C kernel is not built, or MAILFILTER_KERNEL=python")

_MARKUP = (
    "<", ">", '"', "'", "=", "/", "<!--", "-->", "<!--[if mso]>", "]>", "<!doctype html>", "<p>", "</P>", "<Br/>",
    "<td ",
    "<a href=", '<a href="http://a.example/?x&amp;y">', "</a>", "<img src='x' alt=\"", "<base href=http://b.example/>",
    '<div style="display:none">', "</div>", "<span style=font-size:0>", "<b style='font-size:12px'>", "</span>",
    "<p hidden>", "<title>", "</title>", "<script>", "</SCRIPT >", "&amp;", "&nbsp;", "\x1c", "\x1d", "\x1e",
    "\0", "\n", "\t", "é", "\xa0", "\u2003", "İ", "\u212a", "\ud800",
    "opacity : 0", "visibility:hidden", "word", " ", "9",
)  # fmt: skip
html_texts = st.lists(st.one_of(st.sampled_from(_MARKUP), st.text(max_size=3)), max_size=40).map("".join)

texts = linked_texts()


@pytest.fixture
def in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the kernel."""
    for module in (html, links, views, relations, headers, words, addresses, part):
        monkeypatch.setattr(module, "native", None)


def walked_by_twin(source: str, limit: int) -> html._Walked:
    renderer = html._Renderer(source, limit)
    renderer.run()
    shown, veiled = "".join(renderer.shown), "".join(renderer.veiled)
    return html._Walked(shown, veiled, renderer.links, renderer.base, renderer.capped, renderer.asides)


@needed
@given(html_texts, st.sampled_from([0, 1, 2, 10_000]))
def test_html_is_taken_apart_as_by_the_twin(source: str, limit: int) -> None:
    assert html._walk(source, limit) == walked_by_twin(source, limit)


@needed
def test_plain_html_is_not_given_up() -> None:
    assert native is not None
    source = '<p title="ü">Grüße<br>von <a href="http://example.org/?a=1&amp;b=2">uns</a><div hidden>x</div>'
    assert native.walk(source, 10) is not None
    assert native.walk("<a\u2003href=x>", 10) is None  # white space that only Python knows


@needed
def test_both_know_the_same_tags() -> None:
    assert native is not None
    for form, kind in KINDS.items():
        found = native.tag(form)
        assert found is not None
        assert found[3] == kind, form
        if form.isalnum() and form.islower():
            assert found[:3] == (kind, form in VOID, form in CLOSED_BY_NEXT), form
    for form in ("", "x", "Br", "br//", "/br/", "br ", "a b", "O:p", "tablet", "h", "figcaptions"):
        found = native.tag(form)
        assert found is not None
        assert found[3] == KINDS.get(form, -1), form


@needed
@given(texts)
def test_texts_are_normalised_as_by_the_twins(text: str) -> None:
    assert native is not None
    octets = text.encode("utf-8", "replace")
    assert native.squeeze(octets) == views._squeezed(octets)
    assert native.skeleton(octets, 5) == b" ".join(views._SKELETON.findall(octets.translate(views._LOWER))[:5])
    assert native.tidy(text) in (None, html._tidied(text))
    counted = native.count(text)
    assert counted in (None, relations._counted(text, text[:2000]))
    assert counted is not None or not text.isascii()


_REFERENCES = (
    "&", "&amp;", "&nbsp;", "&nbsp", "&lt;", "&lt", "&#65;", "&#x41", "&#X2019;", "&#160;", "&#30;", "&#0;", "&#128;",
    "&#xd800;", "&#1114112;",
    "&#x9f;", "&#129;", "&Uuml;", "&zwnj;", "&apos;", "&auml", "&#00000000065;", "&#;",
    "&#x;", "&hellip;", "&copy;", "&copy", "a", "1", ";", "#", "x",
    " ", "\x1e", "é", "\xa0",
)  # fmt: skip


@needed
@given(st.lists(st.sampled_from(_REFERENCES), max_size=8).map("".join))
def test_references_are_decoded_as_by_the_twin(text: str) -> None:
    assert native is not None
    assert native.tidy(text) in (None, html._tidied(text))


@needed
def test_common_references_are_not_given_up() -> None:
    assert native is not None
    text = "R&D &amp; &quot;B&B&quot;&nbsp; &#8217;&#xE9;&#x1F600; & &#160; &lt;b&gt;\x1e&copy; 2026"
    assert native.tidy(text) == 'R&D & "B&B" \u2019é\U0001f600 & <b>\n© 2026'


@needed
def test_every_character_is_normalised_as_by_the_twin() -> None:
    assert native is not None
    done = 0
    for code in range(0x10000):
        text = f"a{chr(code)}B {chr(code)}"
        if (made := native.plain(text)) is not None:
            done += 1
            assert made == views._plain(text), hex(code)
    assert done > 20_700  # Latin, Chinese and common punctuation


@needed
@given(st.text(alphabet="aZ1 \t\xa0\xad\u200b\u2026\u2013ÄßÉ€\u7f51\ufffd\u0301\x7f\x85\ufb01и", max_size=20))
def test_texts_are_made_plain_as_by_the_twin(text: str) -> None:
    assert native is not None
    assert native.plain(text) in (None, views._plain(text))


@needed
@given(st.text(alphabet="aZ9!é\n>É×ß€’\u7f51\ufffd\u01c5Ж", max_size=30), st.sampled_from([0, 1990, 2000]))
def test_characters_are_counted_as_by_the_twin(text: str, before: int) -> None:
    assert native is not None
    text = "É" * before + text
    assert native.count(text) in (None, relations._counted(text, text[:2000]))


@needed
def test_every_character_is_counted_as_by_the_twin() -> None:
    assert native is not None
    for code in range(0x80, 0x10000):
        if (counted := native.count(chr(code))) is not None:
            assert counted == (chr(code).isupper(), 0, 1, 0, 0), hex(code)


@needed
def test_mails_are_weighed_side_by_side() -> None:
    """What the kernel keeps between calls is one thread's at a time."""
    assert native is not None
    weights = np.arange(1 << 20, dtype=np.uint32).astype(np.uint8).view(np.int8)
    texts = [(bytes(range(at, 200)) * 200,) for at in range(40)]
    alone = [native.weigh(text, b"\0", b"\0", weights) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            assert list(pool.map(lambda text: native.weigh(text, b"\0", b"\0", weights), texts)) == alone


@needed
@given(st.lists(st.one_of(mails(), mutated_mails()), min_size=1, max_size=3))
def test_a_model_says_the_same_bits(raws: list[bytes]) -> None:
    model = Model.load()
    said = model.judge([Message(raw) for raw in raws])
    twin = model.judge_batch(Extractor(model.layout).extract_many([Message(raw) for raw in raws]))
    assert said.log_odds.tobytes() == twin.log_odds.tobytes()
    assert said.support.tobytes() == twin.support.tobytes()


@needed
@given(st.lists(st.binary(max_size=200), min_size=2, max_size=2), st.lists(st.booleans(), min_size=2, max_size=2))
def test_any_views_are_weighed_as_their_slots_are(given_texts: list[bytes], words: list[bool]) -> None:
    """Each n-gram counts once, whatever it is; windows and words alike."""
    from mailfilter.classifier.features import SLOTS, gram_slots, token_slots

    assert native is not None
    weights = (np.arange(2 * SLOTS, dtype=np.uint32) * 2654435761 >> 24).astype(np.uint8).view(np.int8)
    found = native.weigh(tuple(given_texts), bytes(words), bytes([0, 1]), weights)
    readers = [token_slots if word else gram_slots for word in words]
    slots = [{0, *reader(text).tolist()} for reader, text in zip(readers, given_texts, strict=True)]
    values = [[int(weights[SLOTS * view + slot]) for slot in some] for view, some in enumerate(slots)]
    known = [[value for value in some if value != -128] for some in values]
    assert found == [sum(map(len, values)), *map(len, known), *map(sum, known)]


@needed
def test_what_does_not_fit_is_refused() -> None:
    assert native is not None
    weights = np.zeros(1 << 20, np.int8)
    with pytest.raises(ValueError, match="one length"):
        native.weigh((b"a", b"b"), b"\0", b"\0", weights)
    with pytest.raises(ValueError, match="do not fit"):
        native.weigh((b"a",), b"\0", b"\0", weights[1:])
    with pytest.raises(ValueError, match="not within"):
        native.header_block(b"a: b", 2, 9, False)
    with pytest.raises(TypeError):
        native.weigh(("a",), b"\0", b"\0", weights)


@needed
@pytest.mark.usefixtures("in_python")
def test_hostile_mails_are_the_same_without_the_kernel() -> None:
    for name, raw in hostile_mails():
        if len(raw) < 200_000:
            shown = [tuple(text) for text in Message(raw).texts], [tuple(link) for link in Message(raw).links]
            with pytest.MonkeyPatch.context() as patch:
                for module in (html, links, headers, words, addresses, part):
                    patch.setattr(module, "native", kernel.native)
                message = Message(raw)
                assert ([tuple(text) for text in message.texts], [tuple(link) for link in message.links]) == shown, name


def test_the_environment_can_leave_it_unused() -> None:
    program = "from mailfilter import kernel; print(kernel.native, kernel.in_use())"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {kernel.VARIABLE: "python"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.strip() == f"None Python ({kernel.VARIABLE}=python)"


def test_one_of_another_version_is_left_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an update without a new installation the functions may be others."""
    monkeypatch.delenv(kernel.VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "mailfilter._kernel", SimpleNamespace(VERSION=kernel.VERSION - 1))
    found, words = kernel._load()
    assert found is None
    assert "another version" in words


def test_without_a_compiler_it_builds_all_the_same(tmp_path: Path) -> None:
    """`setup.py` goes on where the compiler fails."""
    run = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "-b", str(tmp_path / "lib"), "-t", str(tmp_path / "temp")],
        cwd=ROOT, env=os.environ | {"CC": "/bin/false"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert not list(tmp_path.rglob("_kernel*.so"))


@needed
@given(st.lists(st.sampled_from([b"bank account", b" act now ", b"x", b"\0", b"dear friend"]), max_size=12))
def test_phrases_may_stand_where_the_twin_says(pieces: list[bytes]) -> None:
    from mailfilter.checks import _phrases

    phrases = _phrases.Phrases(["bank account", "act now please", "my dear friend"])
    text = b"".join(pieces)
    text += b"\0" * (8 + -len(text) % 4)
    found = phrases._places(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_phrases, "native", None)
        assert found == sorted(phrases._places(text))

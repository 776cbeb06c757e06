"""What checks ask the kernel first, held against their Python."""

from __future__ import annotations

import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailfilter import kernel
from mailfilter.checks import _dates, _hosts, _needles, _phrases, claims

pytestmark = pytest.mark.skipif(kernel.native is None, reason="the C kernel is not built, or MAILFILTER_KERNEL=python")
native = kernel.native

DATE_PIECES = (
    "Thu, ", "Thu,", "Thu ", "22", "29", "31", "30", "0", "5", " ", "  ", "\t", "\n", "-", "Aug", "Feb", "feb", "SEP",
    "Sept", "2002", "02", "1899", "1900", "2000", "9999", "18:26:25", "18:26", "24:00:00", "23:59:60", "08.15.00",
    " +0700", " -0330", "+070", "GMT", "EST", "(x)", ";", "\u0663", "é", "x",
)  # fmt: skip
dates = st.one_of(
    st.lists(st.sampled_from(DATE_PIECES), max_size=12).map("".join),
    st.builds(
        "{}{} {} {} {}:{}:{} {}{}".format,
        st.sampled_from(("", " ", "Mon, ", " Tue,  ", "\tWed,", "Th, ")), st.integers(0, 40),
        st.sampled_from(("Jan", "feb", "MAR", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Foo")),
        st.integers(0, 12000), st.integers(0, 30), st.integers(0, 70), st.integers(0, 99),
        st.sampled_from(("+", "-", "")), st.integers(0, 99999),
    ),
)  # fmt: skip
TEXT_PIECES = (
    "a", "B", "itcoin", "BTC", "B", "c", "\n", "\n\n\n", " ", " \n", "\0", '"', "-", "PayPal", "paypal", "x1", "\u200b",
    "\u2019", "\u2013", "\xa0", "\xad", "\xb4", "\u034f", "\ufeff", "\u2060", "é", "\u0130", "\u212aing", "\U0001d41a",
    "\uff46", "\ud800",
)  # fmt: skip
texts = st.lists(st.sampled_from(TEXT_PIECES) | st.text(max_size=3), max_size=30).map("".join)
brands = st.lists(st.sampled_from([*sorted(_hosts._BRAND_WORDS), "x", " ", ".", "-"]), max_size=6).map("".join)


@given(dates, st.integers(0, 4))
@example("Thu, 29 Feb 2024 10:00:00 +0100", 0)
@example("Sun, 31 Dec 1899 23:59:59 +0000", 0)
def test_dates_are_those_of_the_twin(text: str, start: int) -> None:
    found = native.date(text, start)
    assert found is None or found == _dates._read(text, start)


def test_common_dates_are_not_given_up() -> None:
    assert native.date(" Thu, 22 Aug 2002 18:26:25 +0700 (ICT)", 0) == 1030015585
    assert native.date("by b; 1 Jan 1970 00:00:00 -0000", 5) == 0


@given(texts)
def test_texts_for_phrases_are_those_of_the_twin(text: str) -> None:
    made = _phrases.plain(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_phrases, "native", None)
        assert made == _phrases.plain(text)


@given(st.binary(max_size=60))
def test_any_bytes_become_a_text_for_phrases(raw: bytes) -> None:
    made = native.phrase_text(raw, _phrases._KEPT)
    assert made[:1] == made[-1:] == b" "
    assert len(made) <= len(raw) + 2


@given(texts, st.integers(0, 40) | st.just(sys.maxsize))
def test_needles_are_found_as_by_the_twin(text: str, limit: int) -> None:
    needles = _needles.Needles("itcoin", "BTC", "\n" * 5, "\n", "a", "<!--")
    found = needles.within(text, limit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_needles, "native", None)
        assert found == needles.within(text, limit)


HOP_PIECES = (
    "from", "From", " ", "  ", "\n\t", "Foo.example", "a" * 254, "(", ")", "((", "))", "[192.0.2.1]",
    "[IPv6:2001:DB8::1]", "[IPv6:]", "[", "]", "[1.2]", "ip:", "BAR.example.", ".", "unknown", "(may be forged)",
    "x" * 99, "y" * 201, "z" * 500, "(HELO x)", "\x1c", "é",
)  # fmt: skip
hops = st.one_of(
    st.lists(st.sampled_from(HOP_PIECES), max_size=12).map("".join),
    st.lists(st.sampled_from(HOP_PIECES), max_size=6).map(lambda pieces: f" from a.example ({''.join(pieces)}) by b"),
)


@given(hops)
def test_hops_are_those_of_the_twin(text: str) -> None:
    found = claims._given_in(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "native", None)
        assert found == claims._given_in(text)


HTML_PIECES = (b"<Script", b"ONLOAD", b"<", b"scrip", b"t", b"o", b"\xff")


@given(st.lists(st.sampled_from(HTML_PIECES), max_size=9), st.integers(0, 40))
def test_needles_in_bytes_are_found_in_any_case(pieces: list[bytes], limit: int) -> None:
    needles, data = _needles.Needles("<script", "onload", "t"), b"".join(pieces)
    found = needles.in_bytes(data, limit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_needles, "native", None)
        assert found == needles.in_bytes(data, limit)


@given(texts | brands)
def test_no_brand_is_overlooked(text: str) -> None:
    found = _hosts.may_name_brand(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_hosts, "native", None)
        assert found == _hosts.may_name_brand(text)


def test_what_does_not_fit_is_refused() -> None:
    for wrong in (
        lambda: native.phrase_text("x", b"short"),
        lambda: native.may_hold("x", b"short"),
        lambda: native.holds("x", (b"a",), b"", 5),
        lambda: native.holds("x", (b"a",), b"\x01", 5),
        lambda: native.holds("x", (b"",), b"\x00", 5),
        lambda: native.holds("x", (b"a",) * 32, bytes(32), 5),
    ):
        with pytest.raises(ValueError):
            wrong()
    assert native.date("22 Aug 2002", 99) is None
    assert native.date("22 Aug 2002", -1) is None
    assert native.holds("abc", (b"a",), b"\0", -1) == 0

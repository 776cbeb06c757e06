"""The header block: its end, its headers, and what may be odd about it."""

from __future__ import annotations

import email

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.message import DefectKind, Message
from mailfilter.mime import headers
from mailfilter.mime.words import MAX_WORDS, decode_words, header_text

from .evaluate import evaluate


def fields(raw: bytes) -> list[tuple[str, str]]:
    return [(header.name, header.value) for header in Message(raw).headers]


def kinds(raw: bytes) -> set[DefectKind]:
    return {defect.kind for defect in evaluate(raw).defects}


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_headers_in_order_with_folds(end: bytes) -> None:
    raw = end.join([b"B: one", b" two", b"\tthree", b"a:x", b"B:  y  ", b"Empty:", b"", b"body: no"])
    message = Message(raw)
    assert fields(raw) == [("B", "one two\tthree"), ("a", "x"), ("B", "y"), ("Empty", "")]
    assert message.headers[0].raw == b" one" + end + b" two" + end + b"\tthree"
    assert message.root.data == b"body: no"
    assert message.defects == ()


def test_header_without_body_and_without_line_end() -> None:
    assert fields(b"A: x\nB: y") == [("A", "x"), ("B", "y")]
    assert fields(b"A: x\r\nB: y\r\n") == [("A", "x"), ("B", "y")]


@pytest.mark.parametrize(
    ("raw", "expected", "body", "kind"),
    [
        (b"A: x\njunk\nB: y\n\nz", [("A", "x")], b"junk\nB: y\n\nz", DefectKind.NO_BLANK_LINE),
        (b"junk\n\nz", [], b"junk\n\nz", DefectKind.NO_HEADERS),
        (b"\nz", [], b"z", DefectKind.NO_HEADERS),
        (b" x\nA: y\n\nz", [("A", "y")], b"z", DefectKind.HEADER_CONTINUATION),
        (b"A: x\nFrom y\nB: z\n\nq", [("A", "x"), ("B", "z")], b"q", DefectKind.HEADER_FROM),
        (b"A : x\nB: y\n\nz", [("A", "x"), ("B", "y")], b"z", DefectKind.HEADER_SPACE),
        (b"A: x\ry\n\nz", [("A", "xy")], b"z", DefectKind.BARE_CR),
        (b"A: \0x\n\nz", [("A", "\0x")], b"z", DefectKind.HEADER_NUL),
        (b"\xef\xbb\xbfA: x\n\nz", [("A", "x")], b"z", DefectKind.BOM),
        (b"A: \xe4\n\nz", [("A", "ä")], b"z", DefectKind.HEADER_8BIT),
        (b":x\nA: y\n\nz", [], b":x\nA: y\n\nz", DefectKind.NO_HEADERS),
    ],
)
def test_odd_blocks(raw: bytes, expected: list[tuple[str, str]], body: bytes, kind: DefectKind) -> None:
    assert fields(raw) == expected
    assert Message(raw).root.data == body
    assert kind in kinds(raw)


def test_blank_line_may_end_in_several_returns() -> None:
    message = Message(b"A: x\r\r\n\r\r\nbody")
    assert fields(message.raw) == [("A", "x")]
    assert message.root.data == b"body"


def test_mail_with_returns_for_line_ends() -> None:
    message = Message(b"Subject: x\rContent-Type: text/html\r\r<p>y")
    assert message.subject == "x"
    assert message.texts[0].visible == "y"


def test_lines_of_blanks_do_not_end_the_block() -> None:
    assert fields(b"A: x\n \nB: y\n\nz") == [("A", "x"), ("B", "y")]


def test_more_headers_than_the_cap() -> None:
    raw = (
        b"X: y\n" * (headers.MAX_HEADERS + 10)
        + b"Content-Type: text/html\nContent-Transfer-Encoding: base64\n\nPHA+eg=="
    )
    message = evaluate(raw)
    assert message.root.content_type == "text/html"
    assert message.texts[0].visible == "z"
    assert DefectKind.HEADER_LIMIT in kinds(raw)


def test_junk_without_mime_headers_after_it_is_not_disputed() -> None:
    assert len(Message(b"Subject: x\nHello,\nthis: is text\n\nmore").readings()) == 1


def test_eight_bit_header_by_the_charset_of_the_text() -> None:
    raw = "Subject: привет\nContent-Type: text/plain; charset=koi8-r\n\nпривет".encode("koi8-r")
    assert Message(raw).subject == "привет"
    assert Message("Subject: привет\n\n".encode()).subject == "привет"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=?utf-8?q?a_b?=", "a b"),
        ("=?UTF-8?Q?=C3=A9?= =?utf-8?q?=C3=A9?=", "éé"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),
        ("=?utf-8?b?w6k?=", "é"),
        ("=?utf-8?b?w6k=x?=", "é"),
        ("=?iso-8859-1*de?q?=E9?=", "é"),
        ("a =?utf-8?q?b?= c", "a b c"),
        ("=?utf-8?q?a?=b=?utf-8?q?c?=", "abc"),
        ("=?gb2312?b?xOO6ww==?= =?koi8-r?b?wA==?=", "你好ю"),
        ("=?nonsense?q?=C3=A9?=", "é"),
        ("=?zlib?q?x?=", "x"),
        ("=?utf-8?x?y?=", "=?utf-8?x?y?="),
        ("=?utf-8?q?open", "=?utf-8?q?open"),
        ("=?utf-8?q?a b?=", "a b"),
    ],
)
def test_encoded_words(text: str, expected: str) -> None:
    assert decode_words(text) == expected


def test_encoded_line_ends_do_not_break_the_line() -> None:
    assert fields(b"Subject: =?utf-8?q?a=0D=0AX:_y?=\n\nz") == [("Subject", "a  X: y")]


def test_words_beyond_the_cap_are_kept_and_reported() -> None:
    raw = b"Subject: " + b"=?utf-8?q?a?= " * (MAX_WORDS + 5) + b"\n\nx"
    message = evaluate(raw)
    assert message.subject.startswith("a" * MAX_WORDS)
    assert message.subject.count("=?utf-8?q?a?=") == 5
    assert DefectKind.WORD_LIMIT in kinds(raw)


@given(st.text(st.characters(max_codepoint=255), max_size=60), st.sampled_from(("", "utf-8", "koi8-r", "idna")))
@settings(deadline=None)
def test_any_header_text(text: str, charset: str) -> None:
    assert "\n" not in header_text(text, charset)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,10}", fullmatch=True),
            st.from_regex(r"([!-<>-~]( [!-<>-~]){0,5}(\n [!-<>-~]{1,5}){0,2})?", fullmatch=True),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(("\n", "\r\n")),
)
@settings(deadline=None)
def test_same_headers_as_compat32(pairs: list[tuple[str, str]], end: str) -> None:
    raw = (end.join(f"{name}: {value}".replace("\n", end) for name, value in pairs) + end + end + "x").encode()
    reference = email.message_from_bytes(raw)
    ours = [(header.name, header.latin1.lstrip(" \t")) for header in Message(raw).headers]
    assert ours == [(name, str(value)) for name, value in reference.raw_items()]

"""The structure check beyond its golden cases: its laws, every defect it knows, and time bounded by size."""

from __future__ import annotations

import pytest

from mailfilter.checks.structure import _DEFECTS, FEW_WORDS, StructureCheck
from mailfilter.message import DefectKind
from tests.checks.laws import laws_of, names, seconds

CHECK = StructureCheck()
test_laws = laws_of(CHECK)

PAGE = b"From: a@example.net\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n"
TEXT = b"From: a@example.net\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n"


def test_defects_are_mapped_to_declared_symbols():
    declared = {info.name for info in CHECK.symbols}
    assert set(_DEFECTS.values()) <= declared
    assert set(_DEFECTS) <= set(DefectKind)


def test_an_attached_page_does_not_make_the_mail_a_page():
    raw = (
        b"From: a@example.net\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
        b"--b\nContent-Type: application/pdf\n\n%PDF-1.4\n"
        b"--b\nContent-Type: text/html\nContent-Disposition: attachment; filename=x.html\n\n<p>text</p>\n--b--\n"
    )
    assert "HTML_ONLY" not in names(CHECK, raw)


@pytest.mark.parametrize(("words", "hit"), [(FEW_WORDS - 1, True), (FEW_WORDS, False)])
def test_limit_of_few_words(words, hit):
    page = b'<img src="http://example.net/x.png"><p>' + b"word " * words + b"</p>"
    assert ("HTML_PICTURE_ONLY" in names(CHECK, PAGE + page)) is hit


@pytest.mark.parametrize(
    ("page", "hit"),
    [
        ("<p>med<!-- x -->icine</p>", True),
        ("<p>med<!x>icine</p>", True),
        ("<p>med<b>icine</b></p>", False),
        ("<p>med<br>icine</p>", False),
        ("<html>x</html>", False),
        ("text<html>text", False),
        ("<p>a <!-- x --> b</p>", False),
        ("<p>5<!-- x -->b</p>", False),
        ("<!-- x -->text", False),
    ],
)
def test_what_cuts_a_word(page, hit):
    assert ("HTML_SPLIT_WORD" in names(CHECK, PAGE + page.encode())) is hit


@pytest.mark.parametrize(
    ("letter", "name"), [("X", "GTUBE"), ("Y", "GTUBE_QUARANTINE"), ("Z", "GTUBE_GREYLIST"), ("A", ""), ("", "")]
)
@pytest.mark.parametrize("head", [TEXT, PAGE])
def test_the_test_strings(head, letter, name):
    raw = head + f"{letter}JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X".encode()
    assert {found for found in names(CHECK, raw) if found.startswith("GTUBE")} == ({name} if name else set())


def test_the_test_string_in_an_attached_text_counts():
    raw = (
        b"From: a@example.net\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
        b"--b\n\nhello\n--b\nContent-Type: text/plain; name=x.txt\nContent-Disposition: attachment\n\n"
        b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n--b--\n"
    )
    assert "GTUBE" in names(CHECK, raw)


def test_a_hidden_copy_of_what_is_shown_is_customary():
    text = " ".join(f"word{chr(97 + n)}{chr(97 + m)}" for n in range(8) for m in range(8))
    page = f'<div style="display:none">{text} {text}</div><div>{text}</div>'
    assert "HTML_HIDDEN_TEXT" not in names(CHECK, PAGE + page.encode())


def _nested(level: int) -> bytes:
    head = b"Content-Type: multipart/alternative; boundary=b%d\n\n--b%d\n\ntext\n--b%d\n" % (level, level, level)
    return head + b"Content-Type: text/html\n\n<p>x</p>\n--b%d\n" % level


@pytest.mark.parametrize(
    "raw",
    [
        PAGE + b"a<" * 500_000,
        PAGE + b"a<!--" * 200_000,
        PAGE + b"a<!-- x -->" * 100_000,
        PAGE + b"a<bcdfg" * 100_000,
        TEXT + "a\u200b".encode() * 250_000,
        TEXT + "aа".encode() * 300_000,
        TEXT + "а".encode() * 500_000,
        TEXT + b"XJS*C4J" * 150_000,
        PAGE + b"<div hidden>" + b"word " * 200_000,
        b"From: a@example.net\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n"
        + (b"--b\n\n" + b"word " * 40_000 + b"\n--b\nContent-Type: text/html\n\n" + b"<p>x " * 40_000 + b"\n") * 3
        + b"--b--\n",
        b"From: a@example.net\nMIME-Version: 1.0\n" + b"".join(map(_nested, range(400))),
    ],
)
def test_large_bodies_take_bounded_time(raw):
    assert seconds(CHECK, raw) < 1

"""Parameters: values, file names, and the readings of odd ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.message import DefectKind, Message
from mailfilter.mime.params import MAX_PARAMETERS, parse_label

from .evaluate import evaluate


def names(disposition: str = "", kind: str = "application/octet-stream", encoding: str = "utf-8") -> tuple[str, ...]:
    head = f"Content-Type: {kind}\n" + (f"Content-Disposition: {disposition}\n" if disposition else "")
    return evaluate(head.encode(encoding) + b"\nx").root.names


@pytest.mark.parametrize(
    ("value", "token", "charset"),
    [
        ("text/plain; charset=utf-8", "text/plain", "utf-8"),
        ("TEXT/Plain ;CHARSET = 'UTF-8'", "text/plain", "utf-8"),
        ("text/plain charset=utf-8", "text/plain", "utf-8"),
        ("text/plain; charset=utf-8 format=flowed", "text/plain", "utf-8"),
        ("text/plain (comment); charset=utf-8", "text/plain", "utf-8"),
        ("text/plain; charset*=us-ascii'en'koi8-r", "text/plain", "koi8-r"),
        ("text/plain; charset*0=koi8; charset*1=-r", "text/plain", "koi8-r"),
        ('text/plain; charset="utf-8', "text/plain", "utf-8"),
        ("text/plain; charset=", "text/plain", ""),
        ("charset=utf-8", "", "utf-8"),
        ("", "", ""),
    ],
)
def test_labels(value: str, token: str, charset: str) -> None:
    label = parse_label(value)
    assert (label.token, label.charset) == (token, charset)


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        ("attachment; filename=a.exe", ["a.exe"]),
        ('attachment; filename="a b.exe"', ["a b.exe"]),
        ("attachment; filename=a b.exe", ["a b.exe", "a"]),
        ('attachment; filename="a.txt"; filename="b.exe"', ["a.txt", "b.exe"]),
        ("attachment; filename*=utf-8''%D1%84.exe", ["ф.exe", "utf-8''%D1%84.exe"]),
        ("attachment; filename*0*=utf-8''%D1%84; filename*1=.exe", ["ф.exe"]),
        ("attachment; filename*1=.exe; filename*0=a", ["a.exe", ".exea"]),
        ('attachment; filename="=?utf-8?b?0YQuZXhl?="', ["ф.exe", "=?utf-8?b?0YQuZXhl?="]),
        ('attachment; filename="=?utf-8?q?a?= =?utf-8?q?.exe?="', ["a.exe"]),
        ('attachment; filename="a%2Eexe"', ["a%2Eexe", "a.exe"]),
        ('attachment; filename="a.exe. "', ["a.exe. "]),
        ('attachment; filename="a\u202etxt.exe"', ["a\u202etxt.exe"]),
        ('attachment; filename="C:\\\\dir\\\\a.exe"', ["C:\\dir\\a.exe", "C:\\\\dir\\\\a.exe"]),
        ('attachment; filename="a.exe', ["a.exe"]),
        ('attachment; filename="a.txt".exe', ["a.txt", "a.txt.exe"]),
        ("attachment; name=a.exe", ["a.exe"]),
        ('attachment;\n filename="a\n b.exe"', ["ab.exe"]),
        ("attachment; filename=\xe4.exe", ["ä.exe"]),
        ("attachment; filename=", []),
    ],
)
def test_every_name_a_program_may_show(disposition: str, expected: list[str]) -> None:
    found = names(disposition)
    assert set(expected) <= set(found)
    assert found[:1] == tuple(expected[:1])


def test_names_of_both_headers_and_of_every_content_type() -> None:
    assert names("inline; filename=a.txt", "image/png; name=b.exe") == ("a.txt", "b.exe")
    raw = b"Content-Type: image/png; name=a.png\nContent-Type: image/png; name=b.exe\n\nx"
    assert set(evaluate(raw).root.names) == {"a.png", "b.exe"}


def test_eight_bit_name_by_the_charset_of_the_mail() -> None:
    head = 'Subject: привет\nContent-Type: text/plain; charset=koi8-r; name="привет.exe"\n\nx'
    assert Message(head.encode("koi8-r")).root.names == ("привет.exe",)


def test_params_are_decoded_and_joined() -> None:
    part = Message(b'Content-Type: text/plain; Charset=UTF-8; x*0="a"; x*1*=%42; format=flowed\n\n').root
    assert dict(part.params) == {"charset": "UTF-8", "x": "aB", "format": "flowed"}


def test_parameters_beyond_the_cap_are_reported() -> None:
    raw = b"Content-Type: text/plain" + b"; a=b" * (MAX_PARAMETERS + 1) + b"\n\nx"
    assert DefectKind.PARAMETER_LIMIT in {defect.kind for defect in evaluate(raw).defects}


@given(st.text(st.sampled_from("ab=;\"*01'%\\ \n\t(),/"), max_size=60))
@settings(deadline=None)
def test_any_label(value: str) -> None:
    label = parse_label(value)
    for name in ("a", "b", "charset", "filename"):
        assert label.get(name) == (label.values(name) or ("",))[0]

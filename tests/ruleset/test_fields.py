"""Header fields as rules see them: all at once as one by one, in C as in Python, and by the names that rules use."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailfilter.envelope import Envelope
from mailfilter.kernel import native
from mailfilter.message import Message
from mailfilter.ruleset import headertext
from mailfilter.ruleset.facts import Facts
from mailfilter.ruleset.headertext import MAX_ALL, MAX_VALUE, decoded, decoded_all
from mailfilter.ruleset.rules import Domains
from mailfilter.ruleset.uris import UriFinder

FINDER = UriFinder(Domains(frozenset({"com", "org", "example"}), frozenset()))
PIECES = st.sampled_from(
    ["a", " ", "\t", "\n ", "\n\t", "\r\n ", "\r", "\r\r\n\t ", "\n", "=?utf-8?q?a=C3=A4?=", "=?x?b?YQ==?=", "=", "?",
     "\xe4", "\xc3\xa4", "\0", "\x0b", "\x0c", "\x1c", "\x85", "\xa0", "by b; id", "<a@b.example>", "x" * 3000]
)  # fmt: skip
NAMES = st.sampled_from(["Subject", "subject", "To", "Received", "X-" + "y" * 70, "References", "Message-ID"])
HEADERS = st.lists(st.tuples(NAMES, st.lists(PIECES, max_size=8).map("".join)), max_size=30)


@settings(max_examples=300, deadline=None)
@given(HEADERS)
@example([("Subject", "x" * 3000)] * 30)
@example([("Subject", "x" * (MAX_VALUE - 1) + "\r\n y")] * 9)
@example([("Subject", "\r" * 70_000), ("To", "a")])
@example([("Y" * 70_000, "x"), ("To", "a")])
@example([("S", "x" * (MAX_ALL - 3)), ("To", "a")])
@example([("S", "x" * (MAX_ALL - 2)), ("To", "a")])
def test_all_fields_are_those_of_the_twin_and_of_one_by_one(headers: list[tuple[str, str]]) -> None:
    written, raws = tuple(name for name, _ in headers), tuple(value for _, value in headers)
    names = tuple(name.lower() for name in written)
    found = headertext._fields(written, names, raws)
    assert headertext.fields(written, names, raws) == found
    assert decoded_all(names, raws) == [decoded(name, raw) + "\n" for name, raw in zip(names, raws, strict=True)]
    lines = found.lines()
    assert "".join(lines) == found.text
    assert len(found.text) <= MAX_ALL
    assert lines == [f"{name}: {decoded(name.lower(), raw)}\n" for name, raw in headers[: len(lines)]]
    if len(lines) < len(headers):
        name, raw = headers[len(lines)]
        assert len(found.text) + len(f"{name}: {decoded(name.lower(), raw)}\n") > MAX_ALL


@pytest.mark.skipif(native is None, reason="the C kernel is not built, or MAILFILTER_KERNEL=python")
def test_the_kernel_says_what_it_is_not_given() -> None:
    assert native is not None
    with pytest.raises(ValueError, match="as many"):
        native.rule_fields(("A",), ("a",), (), decoded)
    with pytest.raises(TypeError):
        native.rule_fields(("A",), ("a",), (b"x",), decoded)
    with pytest.raises(ZeroDivisionError):
        native.rule_fields(("A",), ("a",), ("\xe4",), lambda name, value: str(1 // 0))


ADDRESSES = st.sampled_from(
    ['"Joe, X"', " ", "  ", "\n\t", "Joe", "<a@b.c>", "a@b", "(Bob)", "<", ">", '"', ",", ";", ":", "(", ")", "@", "\\",
     "\\\\", "\xe4", "\xa0", "\x85", '""', '"a@b"', "group:", "[192.0.2.1]", "=?utf-8?q?x?=", "'x'", "\x1c", '"q\\"x"']
)  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(st.lists(ADDRESSES, max_size=7).map("".join))
@example(' "Joe, X" <a@b.c>\n')
@example(" Joe <Joe@b.c>")
@example(' "a@b.c"<a@b.c>')
@example(" a@b.c (Joe)")
def test_the_usual_mailbox_is_read_as_every_other(text: str) -> None:
    assert headertext.mailboxes(text) == headertext._mailboxes(text.replace("\\\\", "").rstrip(" \t\n\r\f\v"))


MAIL = b"""Received: from a.example (a.example [10.0.0.1]) by b.example (Postfix) with ESMTP id 1234\r
Received: from c.example (c.example [192.0.2.1])\r
\tby a.example (Postfix) with ESMTP id 5678\r
Received: from d.example [192.0.2.2] by c.example with NNTP\r
From: "Joe Doe" <joe@mail.one.com>\r
To: =?utf-8?q?J=C3=B6rg?= <joerg@two.org>, three@x.org\r
Cc: four@x.org\r
Return-Path: <bounce@one.com>\r
Message-ID:  <1@one.com>\r
\r
text\r
"""


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("From", '"Joe Doe" <joe@mail.one.com>\n'),
        ("From:raw", ' "Joe Doe" <joe@mail.one.com>\n'),
        ("From:addr", "joe@mail.one.com"),
        ("From:name", "Joe Doe"),
        ("From:addr:host", "mail.one.com"),
        ("From:addr:domain", "one.com"),
        ("To:name", "J\xc3\xb6rg"),
        ("ToCc:addr", "joerg@two.org\nthree@x.org\nfour@x.org"),
        ("ToCc:addr:last", "four@x.org"),
        ("Received:first:ip", "10.0.0.1"),
        ("Received:last:revip", "2.2.0.192"),
        ("MESSAGEID", "<1@one.com>\n"),
        ("MESSAGEID:host", "one.com"),
        ("EnvelopeFrom", None),
        ("Bcc:addr", None),
        ("X-None", None),
    ],
)
def test_targets(target: str, value: str | None) -> None:
    assert Facts(Message(MAIL), FINDER).field(target) == value


def test_all_fields_and_those_that_can_be_trusted() -> None:
    facts = Facts(Message(MAIL), FINDER)
    whole, trusted = facts.field("ALL") or "", facts.field("ALL-TRUSTED") or ""
    untrusted = facts.field("ALL-EXTERNAL") or ""
    assert whole.count("\n") == 8
    assert untrusted.startswith("Received: from c.example")
    assert trusted.endswith("Postfix) with ESMTP id 5678\n")
    assert whole == trusted + untrusted[untrusted.index("\n") + 1 :]
    assert facts.field("ALL:raw") == MAIL.replace(b"\r", b"").decode("latin-1").partition("\n\n")[0] + "\n"
    assert facts.field("ALL-TRUSTED:raw") == "".join((facts.field("ALL:raw") or "").splitlines(keepends=True)[:3])
    assert facts.field("ALL:first") == whole.partition("\n")[0] + "\n"
    assert Facts(Message(b"\n\ntext"), FINDER).field("ALL") is None


def test_the_sender_of_the_session_comes_first_and_return_path_only_above_received() -> None:
    envelope = Envelope(mail_from="real@three.com")
    assert Facts(Message(MAIL), FINDER, envelope).field("EnvelopeFrom:addr:domain") == "three.com"
    above = b"Return-Path: <bounce@one.com>\r\n" + MAIL
    assert Facts(Message(above), FINDER).field("EnvelopeFrom") == "bounce@one.com"

"""The face of the reader: laws that hold for any bytes, and what `Message` promises."""

from __future__ import annotations

import base64
import copy
import pickle
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailfilter.message import DefectKind, Message, Part

from .mime.evaluate import evaluate
from .strategies import byte_soup, mails, mutated_mails


@given(st.binary(max_size=200) | byte_soup())
@settings(max_examples=150, deadline=None)
def test_no_bytes_raise(raw: bytes) -> None:
    evaluate(raw)


@given(mails() | mutated_mails())
@settings(max_examples=250, deadline=None)
def test_no_mail_raises(raw: bytes) -> None:
    message = evaluate(raw)
    assert message.readings()[0].root is message.root
    assert len(message.readings()) <= 8


_CUT_OR_NOT = b"Content-Type: multipart/mixed\nContent-Transfer-Encoding: base64;\nContent-Type: text/plain\nx\n--b--"
"""A multipart that one reading takes apart, and another, in the same place, does not."""


@given(mails() | mutated_mails())
@example(_CUT_OR_NOT)
@settings(max_examples=100, deadline=None)
def test_union_holds_every_reading(raw: bytes) -> None:
    message = Message(raw)
    shown = {(part.content_type, part.data) for part in message.parts if not part.is_container}
    for reading in message.readings():
        for part in reading.root.walk():
            if not part.is_container:
                assert (part.content_type, part.data) in shown


@given(mails() | mutated_mails())
@settings(max_examples=100, deadline=None)
def test_order_of_questions_does_not_matter(raw: bytes) -> None:
    first, second = Message(raw), Message(raw)
    defects = first.defects
    assert second.attachments is not None
    assert second.links == first.links
    assert second.texts == first.texts
    assert set(second.defects) == set(defects)
    assert [part.path for part in first.parts] == [part.path for part in second.parts]


def uncovered(message: Message) -> bytes:
    """The bytes of the mail that are in no header block, body, preamble or epilogue: delimiter lines only."""
    seen = bytearray(len(message.raw))
    for part in message.root.walk():
        spans = [part.header_span, part.preamble_span, part.epilogue_span]
        if not part.is_container or not part.content_type.startswith("multipart/"):
            spans.append(part.span)
        for span in spans:
            if span:
                seen[span[0] : span[1]] = b"\1" * (span[1] - span[0])
    return bytes(byte for byte, flag in zip(message.raw, seen, strict=True) if not flag)


@given(mails())
@settings(max_examples=150, deadline=None)
def test_every_byte_belongs_to_something(raw: bytes) -> None:
    message = Message(raw)
    if message.raw.startswith(b"\xef\xbb\xbf"):
        return
    for line in uncovered(message).replace(b"\r", b"\n").split(b"\n"):
        assert not line.strip() or line.startswith(b"--")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("plain", "html")), st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")))
        ),
        min_size=1,
    ),
    st.lists(st.binary(max_size=80), max_size=3),
    st.sampled_from(("utf-8", "utf-16-le")),
)
@settings(max_examples=100, deadline=None)
def test_what_the_standard_library_builds_is_read_back(
    texts: list[tuple[str, str]], files: list[bytes], charset: str
) -> None:
    built = MIMEMultipart()
    for kind, text in texts:
        built.attach(MIMEText(text, kind, charset))
    for number, data in enumerate(files):
        part = MIMEApplication(data)
        part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", f"файл {number}.bin"))
        built.attach(part)
    message = Message(built.as_bytes())
    leaves = [part for part in message.parts if not part.is_container and part.depth]
    assert [part.text.removeprefix("\ufeff") for part in leaves[: len(texts)]] == [
        t.removeprefix("\ufeff") for _, t in texts
    ]
    assert [part.data for part in leaves[len(texts) :]] == files
    assert [part.names[0] for part in leaves[len(texts) :]] == [f"файл {i}.bin" for i in range(len(files))]
    assert len(message.readings()) == 1


PLAIN = (
    b"From a@b.example Thu Jan  1 00:00:00 1970\n"
    b"Subject: =?utf-8?q?h=C3=A9?=\nTo: a@b.example\nTo: c@d.example\n\nbody\n"
)


def test_message_without_its_mbox_line() -> None:
    message = Message(PLAIN)
    assert message.mbox_from == b"From a@b.example Thu Jan  1 00:00:00 1970"
    assert message.raw == PLAIN.partition(b"\n")[2]
    assert Message(b">" + PLAIN).raw == message.raw
    assert Message(b"From x").raw == b""
    assert Message(b"From: x").mbox_from == b""


def test_headers_by_name() -> None:
    message = Message(PLAIN)
    assert message.subject == message.header("SUBJECT") == "hé"
    assert message.header_all("to") == ("a@b.example", "c@d.example")
    assert message.header("cc") == ""
    assert message.header_all("cc") == ()
    assert [address.address for address in message.addresses("to")] == ["a@b.example", "c@d.example"]
    assert next((header.name, header.raw) for header in message.headers) == ("Subject", b" =?utf-8?q?h=C3=A9?=")


def test_message_survives_a_process_boundary() -> None:
    message = Message(PLAIN)
    twin = pickle.loads(pickle.dumps(message))
    assert (twin.raw, twin.mbox_from, twin.digest) == (message.raw, message.mbox_from, message.digest)
    assert copy.copy(message).texts == message.texts


@pytest.mark.parametrize("name", ["raw", "headers", "root", "parts", "texts", "links", "defects", "subject", "digest"])
def test_message_is_read_only(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(Message(PLAIN), name, None)


@pytest.mark.parametrize(
    "name", ["path", "headers", "content_type", "data", "text", "names", "span", "children", "encoding"]
)
def test_part_is_read_only(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(Message(PLAIN).root, name, None)


def test_values_are_frozen() -> None:
    message = Message(PLAIN + b"http://a.example/\n")
    for value in (message.headers[0], message.texts[0], message.links[0], message.readings()[0]):
        with pytest.raises(AttributeError):
            value.anything = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        message.root.params["a"] = "b"  # type: ignore[index]


def test_bytes_like_input() -> None:
    assert Message(bytearray(PLAIN)).subject == Message(memoryview(PLAIN)).subject == "hé"


def test_empty_mail() -> None:
    message = evaluate(b"")
    assert message.headers == ()
    assert message.root.content_type == "text/plain"
    assert message.parts == (message.root,)
    assert message.texts == message.links == message.attachments == ()


MARKER = b"MARKER-THAT-A-SCANNER-KNOWS"
HIDDEN = base64.encodebytes(MARKER)


def mail_with(head: bytes, body: bytes) -> bytes:
    return b"Subject: x\nMIME-Version: 1.0\n" + head + b"\n" + body


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (DefectKind.DUPLICATE_TYPE, mail_with(
            b"Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=b\n",
            b"--b\nContent-Transfer-Encoding: base64\n\n" + HIDDEN + b"--b--\n")),
        (DefectKind.DUPLICATE_ENCODING, mail_with(
            b"Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n", HIDDEN)),
        (DefectKind.BOUNDARY_DISPUTED, mail_with(
            b"Content-Type: multipart/mixed; boundary=a; boundary=b\n",
            b"--a\n\nx\n--b\nContent-Transfer-Encoding: base64\n\n" + HIDDEN + b"--b--\n--a--\n")),
        (DefectKind.BOUNDARY_DISPUTED, mail_with(
            b"Content-Type: multipart/mixed; boundary=a; boundary*=us-ascii''b\n",
            b"--a\n\nx\n--b\nContent-Transfer-Encoding: base64\n\n" + HIDDEN + b"--b--\n--a--\n")),
        (DefectKind.BOUNDARY_DISPUTED, mail_with(
            b"Content-Type: multipart/mixed; boundary=\"b\"c\n",
            b"--bc\nContent-Transfer-Encoding: base64\n\n" + HIDDEN + b"--bc--\n")),
        (DefectKind.BOUNDARY_PREFIX, mail_with(
            b"Content-Type: multipart/mixed; boundary=b\n",
            b"--b\n\nx\n--bx\nContent-Transfer-Encoding: base64\n\n" + HIDDEN + b"--b--\n")),
        (DefectKind.EARLY_TERMINATOR, mail_with(
            b"Content-Type: multipart/mixed; boundary=b\n",
            b"--b\n\nx\n--b--\n--b\nContent-Transfer-Encoding: base64\n\n" + HIDDEN + b"--b--\n")),
        (DefectKind.NO_BOUNDARY, mail_with(
            b"Content-Type: multipart/mixed\n", b"--b\nContent-Transfer-Encoding: base64\n\n" + HIDDEN + b"--b--\n")),
        (DefectKind.BOUNDARY_NOT_FOUND, mail_with(
            b"Content-Type: multipart/mixed; boundary=x\n",
            b"--b\nContent-Transfer-Encoding: base64\n\n" + HIDDEN + b"--b--\n")),
        (DefectKind.HEADER_JUNK, mail_with(b"junk\nContent-Transfer-Encoding: base64\n", HIDDEN)),
        (DefectKind.HEADER_SPACE, mail_with(
            b"Content-Transfer-Encoding: base64\nContent-Type: text/plain\nX : y\n", HIDDEN)),
        (DefectKind.BARE_CR, mail_with(b"X: y\rContent-Transfer-Encoding: base64\n", HIDDEN)),
        (DefectKind.HEADER_NUL, mail_with(b"Content-Transfer-Enc\0oding: base64\n", HIDDEN)),
        (DefectKind.ODD_ENCODING, mail_with(b"Content-Transfer-Encoding: base64;x\n", HIDDEN)),
        (DefectKind.ODD_ENCODING, mail_with(b"Content-Transfer-Encoding: base64 (y)\n", MARKER)),
        (DefectKind.UNKNOWN_ENCODING, mail_with(b"Content-Transfer-Encoding: bas64\n", HIDDEN)),
        (DefectKind.ENCODED_MULTIPART, mail_with(
            b"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n",
            base64.encodebytes(b"--b\n\n" + MARKER + b"\n--b--\n"))),
        (DefectKind.BASE64_PADDING, mail_with(b"Content-Transfer-Encoding: base64\n", b"QQ==\n" + HIDDEN)),
        (DefectKind.BASE64_PADDING, mail_with(
            b"Content-Transfer-Encoding: base64\n", HIDDEN[:2] + b"=" + HIDDEN[2:4] + b"==" + HIDDEN[4:])),
        (DefectKind.BASE64_JUNK, mail_with(b"Content-Transfer-Encoding: base64\n", HIDDEN + b"!" + b"QUJD" * 8)),
        (DefectKind.BASE64_JUNK, mail_with(
            b"Content-Transfer-Encoding: base64\n", base64.urlsafe_b64encode(b"\xfb\xff\xbf" + MARKER))),
        (DefectKind.PARTIAL_MESSAGE, mail_with(
            b"Content-Type: message/partial; id=a; number=1; total=2\n",
            b"Subject: y\nContent-Transfer-Encoding: base64\n\n" + HIDDEN)),
        (DefectKind.PREAMBLE, mail_with(
            b"Content-Type: multipart/mixed; boundary=b\n", MARKER + b"\n--b\n\nx\n--b--\n")),
        (DefectKind.EPILOGUE, mail_with(
            b"Content-Type: multipart/mixed; boundary=b\n", b"--b\n\nx\n--b--\n" + MARKER)),
    ],
)  # fmt: skip
def test_marker_in_any_reading_is_in_the_union(kind: DefectKind, raw: bytes) -> None:
    message = evaluate(raw)
    assert kind in {defect.kind for defect in message.defects}
    assert len(message.readings()) > 1
    assert kind in {reading.cause for reading in message.readings()}
    assert any(MARKER in part.data for part in message.parts)


def test_readings_are_bounded_and_say_so() -> None:
    lines = [b"Content-Type: multipart/mixed; boundary=a; boundary=b; boundary=c; boundary=d\n"]
    lines += [
        b"Content-Type: text/html\nContent-Transfer-Encoding: base64;\nContent-Transfer-Encoding: quoted-printable\n"
    ]
    body = b"".join(b"--%c\n\nx\n--%c--\n--%cx\n" % (c, c, c) for c in b"abcd") * 2
    message = evaluate(mail_with(b"".join(lines), body))
    assert len(message.readings()) <= 8
    assert DefectKind.READING_LIMIT in {defect.kind for defect in message.defects}


def test_undisputed_mail_has_one_reading_and_no_defects() -> None:
    raw = mail_with(
        b"Content-Type: multipart/mixed; boundary=b\n", b"--b\n\nx\n--b\nContent-Type: text/html\n\n<p>y\n--b--\n"
    )
    message = evaluate(raw)
    assert message.defects == ()
    assert [reading.cause for reading in message.readings()] == [None]


def test_reading_with_text_outside_parts_shares_the_parts() -> None:
    raw = mail_with(b"Content-Type: multipart/mixed; boundary=b\n", b"before\n--b\n\nx\n--b--\nafter")
    message = evaluate(raw)
    primary, other = (reading.root for reading in message.readings())
    assert [part.data for part in other.children] == [b"x", b"before", b"after"]
    assert other.children[0] is primary.children[0]
    assert [part.path for part in message.parts] == ["", "1", "preamble", "epilogue"]


def test_usual_preamble_is_no_content() -> None:
    raw = mail_with(
        b"Content-Type: multipart/mixed; boundary=b\n",
        b"This is a multi-part message in MIME format.\n\n--b\n\nx\n--b--\n",
    )
    assert len(evaluate(raw).readings()) == 1


def leaves(message: Message) -> list[Part]:
    return [part for part in message.parts if not part.is_container]


def test_attached_message_and_its_text_are_both_there() -> None:
    raw = mail_with(
        b"Content-Type: multipart/mixed; boundary=b\n",
        b'--b\n\nhello\n--b\nContent-Type: message/rfc822; name="m.eml"\nContent-Transfer-Encoding: base64\n\n'
        + base64.encodebytes(b"Subject: inner\nContent-Type: text/html\n\n<p>inner text</p>")
        + b"--b--\n",
    )
    message = evaluate(raw)
    assert [(part.path, part.content_type) for part in message.parts] == [
        ("", "multipart/mixed"), ("1", "text/plain"), ("2", "message/rfc822"), ("2.1", "text/html"),
    ]  # fmt: skip
    assert message.attachments[0].data.startswith(b"Subject: inner")
    assert message.parts[3].span is None
    assert message.texts[1].visible == "inner text"


def test_texts_and_links_of_both_kinds() -> None:
    raw = mail_with(
        b"Content-Type: multipart/alternative; boundary=b\n",
        b"--b\n\nsee http://a.example/1.\n--b\nContent-Type: text/html\n\n"
        b'<a href="http://b.example/2">two</a> http://a.example/1 <i>V<!-- x -->ia</i>gra<div>new</div>\n--b--\n',
    )
    message = evaluate(raw)
    assert [(text.part, text.kind) for text in message.texts] == [("1", "plain"), ("2", "html")]
    assert message.texts[1].visible == "two http://a.example/1 Viagra\nnew"
    assert [(link.url, link.text, link.origin, link.host) for link in message.links] == [
        ("http://a.example/1", "http://a.example/1", "text", "a.example"),
        ("http://b.example/2", "two", "href", "b.example"),
    ]


def test_web_page_sent_as_a_file_is_read_as_one() -> None:
    raw = mail_with(
        b'Content-Type: application/octet-stream; name="invoice.HTML. "\n',
        b"<form action=http://c.example/>Password</form>",
    )
    message = evaluate(raw)
    assert message.attachments == (message.root,)
    assert message.texts[0].visible == "Password"
    assert message.links[0].host == "c.example"


def test_uuencoded_file_in_a_text() -> None:
    raw = b"Subject: x\n\nbefore\nbegin 644 cat.exe\n#0V%T\n`\nend\nafter\n"
    message = evaluate(raw)
    assert [(part.names, part.data) for part in message.attachments] == [(("cat.exe",), b"Cat")]
    assert message.texts[0].visible == "before\nafter\n"
    assert "begin 644" in message.texts[0].source
    assert message.attachments[0].path == "1.1"

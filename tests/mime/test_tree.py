"""The MIME tree: multiparts, messages, caps, and where everything lies."""

from __future__ import annotations

import base64

import pytest

from mailfilter.message import DefectKind, Message, Part
from mailfilter.mime.tree import MAX_DEPTH, MAX_PARTS

from .evaluate import evaluate


def multipart(body: bytes, kind: bytes = b"mixed", more: bytes = b"") -> Message:
    return evaluate(b"Subject: x\nContent-Type: multipart/" + kind + b"; boundary=b\n" + more + b"\n" + body)


def shape(part: Part) -> object:
    """Types of a tree, nested as it is."""
    return (part.content_type, [shape(child) for child in part.children]) if part.children else part.content_type


def kinds(message: Message) -> set[DefectKind]:
    return {defect.kind for defect in message.defects}


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_parts_and_their_spans(end: bytes) -> None:
    lines = [
        b"Content-Type: multipart/mixed; boundary=b",
        b"",
        b"pre",
        b"--b",
        b"",
        b"one",
        b"--b  ",
        b"X: y",
        b"",
        b"two",
    ]
    raw = end.join([*lines, b"", b"--b--", b"post"])
    message = evaluate(raw)
    first, second = message.root.children
    assert (first.data, second.data) == (b"one", b"two" + end)
    assert [raw[slice(*part.span)] for part in (first, second) if part.span] == [b"one", b"two" + end]
    assert second.header_span
    assert raw[slice(*second.header_span)] == b"X: y" + end + end
    assert message.root.preamble_span
    assert raw[slice(*message.root.preamble_span)] == b"pre"
    assert message.root.epilogue_span
    assert raw[slice(*message.root.epilogue_span)] == b"post"
    assert message.root.data == b""


def test_paths_are_those_of_imap() -> None:
    inner = b"Subject: in\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c\n\ny\n--c--\n"
    message = multipart(b"--b\n\nx\n--b\nContent-Type: message/rfc822\n\n" + inner + b"--b--\n")
    assert [part.path for part in message.parts] == ["", "1", "2", "2", "2.1", "2.2"]
    assert [part.depth for part in message.parts] == [0, 1, 1, 2, 3, 3]
    assert evaluate(b"Subject: x\n\ny").root.path == "1"
    single = multipart(b"--b\nContent-Type: message/rfc822\n\nSubject: in\n\nx\n--b--\n")
    assert [part.path for part in single.parts] == ["", "1", "1.1"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"--b\n\nx\n--b\n--b\n\ny\n--b--\n", [b"x", b"y"]),
        (b"--b\n\nx\n--b--", [b"x"]),
        (b"--b\n\nx", [b"x"]),
        (b"--b\n\n--b--\n", [b""]),
        (b"--b\nno headers\n--b--\n", [b"no headers"]),
        (b"--b\n\nx--b\ny\n --b\n--b--\n", [b"x--b\ny\n --b"]),
        (b"--b\n\nx\n--bb\ny\n--b--\n", [b"x\n--bb\ny"]),
    ],
)
def test_delimiter_lines(body: bytes, expected: list[bytes]) -> None:
    assert [part.data for part in multipart(body).root.children] == expected


def test_parts_within_parts_end_where_the_outer_boundary_is() -> None:
    message = multipart(b"--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nx\n--b\n\ny\n--b--\n")
    assert shape(message.root) == ("multipart/mixed", [("multipart/alternative", ["text/plain"]), "text/plain"])
    assert DefectKind.NO_TERMINATOR in kinds(message)


def test_parts_of_a_digest_are_messages() -> None:
    message = multipart(b"--b\n\nSubject: one\n\nx\n--b\nContent-Type: text/html\n\ny\n--b--\n", b"digest")
    assert shape(message.root) == ("multipart/digest", [("message/rfc822", ["text/plain"]), "text/html"])
    assert message.parts[2].headers[0].value == "one"


def test_delivery_status_is_lines_to_read() -> None:
    message = multipart(
        b"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; a.example\n\nAction: failed\n--b--\n"
    )
    assert message.texts[0].visible == "Reporting-MTA: dns; a.example\n\nAction: failed"
    assert message.attachments == ()


@pytest.mark.parametrize(
    ("label", "kind"),
    [(b"text", "text/plain"), (b"", "text/plain"), (b"a/b/c", "text/plain"), (b"TEXT/Html", "text/html")],
)
def test_labels_that_are_no_types(label: bytes, kind: str) -> None:
    assert evaluate(b"Content-Type: " + label + b"\n\nx").root.content_type == kind


@pytest.mark.parametrize(
    ("encoding", "data"),
    [(b" BASE64 ", b"A"), (b"8-bit", b"QQ=="), (b"utf-8", b"QQ=="), (b"base64", b"A"), (b"binary", b"QQ==")],
)
def test_spelling_of_transfer_encodings(encoding: bytes, data: bytes) -> None:
    message = evaluate(b"Content-Transfer-Encoding:" + encoding + b"\n\nQQ==")
    assert message.root.data == data
    assert len(message.readings()) == 1


def test_boundary_in_pieces_and_in_quotes() -> None:
    for parameter in (b'boundary="b"', b"boundary*0=b", b"boundary=b ; x=y", b'BOUNDARY="b', b"boundary*=us-ascii''b"):
        message = evaluate(b"Content-Type: multipart/mixed; " + parameter + b"\n\n--b\n\nx\n--b--\n")
        assert [part.data for part in message.root.children] == [b"x"]
        assert len(message.readings()) == 1


def test_boundary_with_blanks_at_its_end_is_disputed() -> None:
    message = evaluate(b'Content-Type: multipart/mixed; boundary="b  "\n\n--b  \n\nx\n--b  --\n')
    primary, other = (reading.root for reading in message.readings()[:2])
    assert [part.data for part in primary.children] == [b"x\n--b  --\n"]
    assert [part.data for part in other.children] == [b"x"]
    assert DefectKind.BOUNDARY_DISPUTED in kinds(message)


def test_what_lies_too_deep_stays_a_leaf() -> None:
    levels = MAX_DEPTH + 5
    raw = (
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(levels)) + b"\nMARK"
    )
    message = evaluate(raw)
    assert DefectKind.DEPTH_LIMIT in kinds(message)
    assert max(part.depth for part in message.parts) == MAX_DEPTH
    assert b"MARK" in message.parts[MAX_DEPTH].data


def test_parts_beyond_the_cap_stay_one_leaf() -> None:
    message = multipart(b"--b\n\nx\n" * (MAX_PARTS + 5) + b"--b\n\nMARK\n--b--\n")
    assert DefectKind.PART_LIMIT in kinds(message)
    assert len(message.parts) <= MAX_PARTS
    assert b"MARK" in message.parts[-1].data


def test_message_attached_as_base64() -> None:
    inner = (
        b"Subject: in\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: a/b; name=x.exe\n\nMZ\n--c--\n"
    )
    head = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
    message = evaluate(head + base64.encodebytes(inner))
    assert shape(message.root) == ("message/rfc822", [("multipart/mixed", ["a/b"])])
    assert message.root.data == inner
    assert message.parts[2].names == ("x.exe",)
    assert [part.span for part in message.parts[1:]] == [None, None]


def test_quoted_printable_multipart_is_taken_as_it_stands() -> None:
    more = b"Content-Transfer-Encoding: quoted-printable\n"
    message = multipart(b"--b\n\na=3D\n--b--\n", more=more)
    assert [part.data for part in message.root.children] == [b"a=3D"]
    assert DefectKind.ENCODED_MULTIPART in kinds(message)


@pytest.mark.parametrize(
    ("head", "attached"),
    [
        (b"Content-Type: text/plain", False),
        (b"Content-Type: text/plain; name=a.txt", True),
        (b"Content-Disposition: attachment", True),
        (b"Content-Disposition: inline", False),
        (b"Content-Type: image/png\nContent-Disposition: inline", True),
        (b"Content-Type: application/pdf", True),
        (b"Content-Type: text/html", False),
        (b"Content-Type: text/calendar", True),
        (b"Content-Type: message/delivery-status", False),
        (b"Content-Type: message/rfc822; name=a.exe", True),
        (b"Content-Type: message/rfc822", False),
    ],
)
def test_attachments(head: bytes, attached: bool) -> None:
    message = multipart(b"--b\n" + head + b"\n\nSubject: x\n\ny\n--b--\n")
    assert (message.parts[1] in message.attachments) is attached


def test_defects_say_where() -> None:
    message = multipart(b"--b\n\nx\n--b\nContent-Transfer-Encoding: x-what\n\ny\n--b--\n")
    assert [(defect.kind, defect.place, defect.detail) for defect in message.defects] == [
        (DefectKind.UNKNOWN_ENCODING, "2", "x-what")
    ]

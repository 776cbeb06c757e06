"""Transfer encodings and charsets."""

from __future__ import annotations

import base64
import binascii
import encodings.aliases
import quopri

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.mime.charsets import decode_text, find_codec
from mailfilter.mime.defects import DefectKind
from mailfilter.mime.transfer import KNOWN, decode, find_uu_blocks


def primary(_kind: DefectKind, _alternatives: int) -> int:
    return 0


class Choosing:
    """Takes one side of one dispute, and remembers what it was asked."""

    def __init__(self, kind: DefectKind | None = None, variant: int = 1) -> None:
        self.kind, self.variant = kind, variant
        self.asked: set[DefectKind] = set()

    def __call__(self, kind: DefectKind, alternatives: int) -> int:
        self.asked.add(kind)
        return min(self.variant, alternatives) if kind is self.kind else 0


@given(st.binary(max_size=200), st.sampled_from(("", "\n", "\r\n", " ")))
@settings(deadline=None)
def test_base64_comes_back(data: bytes, gap: str) -> None:
    text = base64.b64encode(data)
    cut = gap.encode().join(text[i : i + 7] for i in range(0, len(text), 7))
    choosing = Choosing()
    assert decode(cut, "base64", choosing) == data
    assert not choosing.asked


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_quoted_printable_comes_back(data: bytes) -> None:
    """As octets, and as text; the encoder makes all line ends of a text like its first, so that has one kind."""
    assert decode(binascii.b2a_qp(data, istext=False), "quoted-printable", primary) == data
    text = data.replace(b"\r", b"")
    assert decode(quopri.encodestring(text), "quoted-printable", primary) == text


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_uuencode_comes_back(data: bytes) -> None:
    lines = [b"begin 644 file name\n"]
    lines += [binascii.b2a_uu(data[i : i + 45]) for i in range(0, len(data), 45)]
    body = b"text before\n" + b"".join([*lines, b"`\nend\ntext after\n"])
    assert decode(body, "x-uuencode", primary) == data
    (block,) = find_uu_blocks(body, 5)
    assert (block.name, block.whole) == (b"file name", True)
    assert body[: block.start] + body[block.end :] == b"text before\ntext after\n"


@given(st.binary(max_size=100), st.sampled_from(sorted(KNOWN)), st.sampled_from([None, *DefectKind]), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_any_bytes_in_any_encoding(body: bytes, encoding: str, kind: DefectKind | None, variant: int) -> None:
    assert isinstance(decode(body, encoding, Choosing(kind, variant)), bytes)


@pytest.mark.parametrize(
    ("body", "kind", "primary_data", "others"),
    [
        (b"QQ==Qg==", DefectKind.BASE64_PADDING, b"A", [b"AB", b"A\x04 "]),
        (b"QUI=QUI=", DefectKind.BASE64_PADDING, b"AB", [b"ABAB"]),
        (b"QUJD!QUJD", DefectKind.BASE64_JUNK, b"ABCABC", [b"ABC"]),
        (b"-_-_", DefectKind.BASE64_JUNK, b"", [b"", b"\xfb\xff\xbf"]),
    ],
)
def test_disputed_base64(body: bytes, kind: DefectKind, primary_data: bytes, others: list[bytes]) -> None:
    choosing = Choosing()
    assert decode(body, "base64", choosing) == primary_data
    assert choosing.asked == {kind}
    for variant, expected in enumerate(others, 1):
        assert decode(body, "base64", Choosing(kind, variant)) == expected


@pytest.mark.parametrize(
    ("body", "data"), [(b"QUJDR", b"ABC"), (b"QUJDRA", b"ABCD"), (b"Q", b""), (b"=", b""), (b"", b"")]
)
def test_base64_that_ends_early_gives_what_it_holds(body: bytes, data: bytes) -> None:
    assert decode(body, "base64", primary) == data


def test_padding_and_blanks_at_the_end_are_not_disputed() -> None:
    choosing = Choosing()
    assert decode(b"QQ==\n\n  \n", "base64", choosing) == b"A"
    assert decode(b"QQ=\n=\n", "base64", choosing) == b"A"
    assert not choosing.asked


def test_broken_uuencode() -> None:
    choosing = Choosing()
    assert decode(b"no file", "uuencode", choosing) == b"no file"
    assert decode(b"begin 644 a\n#0V%T\n", "uuencode", choosing) == b"Cat"
    assert choosing.asked == {DefectKind.UU_BROKEN}
    assert find_uu_blocks(b"begin 644 a\nthis is no uuencoded line at all, it has the wrong length\n", 5) == []


LABELS = sorted(
    {*encodings.aliases.aliases, *encodings.aliases.aliases.values(), "undefined", "idna", "punycode", "", "x" * 300}
)


@pytest.mark.parametrize("label", LABELS)
def test_any_charset_label(label: str) -> None:
    for data in (b"plain", b"\xff\xfe\x00\xd8", b"caf\xe9 \x81", "é".encode(), b"+2AA-", b"a-9999999", b"\\ud800"):
        text, _, _ = decode_text(data, label)
        text.encode("utf-8")


@pytest.mark.parametrize(
    "label", ["zlib", "hex", "rot13", "bz2", "uu", "base64", "idna", "punycode", "undefined", "nonsense"]
)
def test_labels_that_name_no_charset(label: str) -> None:
    assert find_codec(label) is None
    assert decode_text("é".encode(), label) == ("é", False, False)


@pytest.mark.parametrize(
    ("data", "label", "text", "good"),
    [
        (b"\x93x\x94", "iso-8859-1", "“x”", True),
        (b"\x93x\x94", "us-ascii", "“x”", False),
        ("é".encode(), "us-ascii", "é", False),
        ("é".encode(), "", "é", True),
        (b"\xe9", "", "é", True),
        (b"\xe9", "utf-8", "\ufffd", False),
        ("日本".encode("shift_jis"), "Shift_JIS", "日本", True),
        ("你好".encode("gb18030"), "gb2312", "你好", True),
        ("한글".encode("cp949"), "ks_c_5601-1987", "한글", True),
        ("日本".encode(), "iso-2022-jp", "日本", False),
        (b"+AOk-", "utf-7", "é", True),
        (b"+AOk-", "", "+AOk-", True),
        (b"\xff\xfea\x00", "", "a", True),
        (b"\xef\xbb\xbfa", "iso-8859-1", "a", True),
        (b"a", '"utf-8";', "a", True),
    ],
)
def test_charsets(data: bytes, label: str, text: str, good: bool) -> None:
    found, _, is_good = decode_text(data, label)
    assert (found, is_good) == (text, good)

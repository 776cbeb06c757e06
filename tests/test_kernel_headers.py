"""Headers, and a mark in bodies: the kernel in C and its twins in Python give the same bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import kernel
from mailfilter.mime import addresses, headers, part, words

native = kernel.native
needed = pytest.mark.skipif(native is None, reason="the C kernel is not built, or MAILFILTER_KERNEL=python")


@needed
@given(st.lists(st.sampled_from((b"begin ", b"\n", b"\r", b"begin", b" ", b"x"))).map(b"".join), st.integers(0, 8))
def test_a_uuencoded_file_is_suspected_where_the_twin_does(data: bytes, start: int) -> None:
    assert native is not None
    start, end = min(start, len(data)), max(min(start, len(data)), len(data) - 2)
    assert native.holds_begin(data, start, end) == part._holds_begin(data, start, end)


@needed
@given(
    st.lists(st.sampled_from(b"A|Subject: a|:| |\t|\r|\n|\r\n|\r\n |\n\t|=?|\xe9|\0".split(b"|"))),
    st.booleans(),
)
def test_header_blocks_are_split_as_by_the_twin(pieces: list[bytes], crlf: bool) -> None:
    assert native is not None
    block = b"A: b" + b"".join(pieces)
    assert native.header_block(block, 0, len(block), crlf) == headers._split(block, 0, len(block), crlf)


@needed
def test_header_blocks_with_many_names_are_split_as_by_the_twin() -> None:
    """More names than are kept, in two spellings, some too long to be kept."""
    assert native is not None
    names = [f"X-{'y' * (number % 50)}-{number}" for number in range(900)] + ["TO", "To", "to", "X" * 100]
    block = "\n".join(f"{name}: {number}" for number, name in enumerate(names + names[::-1])).encode()
    for _ in range(2):
        assert native.header_block(block, 0, len(block), False) == headers._split(block, 0, len(block), False)


_PIECES = (" ", "\t", "\n", "\r", "\r\n ", "a", "=", "?", "=?", "\xe9", "\x1c", "\x85", "\0", "\u20ac", "=?utf-8?q?x?=")


@needed
@given(st.lists(st.sampled_from(_PIECES), max_size=8).map("".join))
def test_header_values_are_those_of_the_twin(text: str) -> None:
    assert native is not None
    value = native.header_text(text)
    assert value is None or value == words._header_text(text, "")
    assert (value is None) == (not text.isascii() or "=?" in words.unfold(text))


_BITS = (
    '"', "<", ">", "@", ",", ":", "(", "\\", " ", "\t", "\n", "\0", "a@b.example", "Name", "é", "=?utf-8?q?x?=", "\x1f",
)  # fmt: skip


@needed
@given(st.lists(st.sampled_from(_BITS), max_size=8).map("".join))
def test_mailboxes_are_those_of_the_twin(text: str) -> None:
    assert native is not None
    found = native.mailbox(text)
    assert found is None or ((found,) if found else ()) == addresses._parse_addresses(text)


@needed
@pytest.mark.parametrize("text", ['"A B" <a@b.example>', "a@b.example", "A <a@b.example> ", " A  B\t<>", "", "<a@b>"])
def test_common_mailboxes_are_not_given_up(text: str) -> None:
    assert native is not None
    assert native.mailbox(text) is not None

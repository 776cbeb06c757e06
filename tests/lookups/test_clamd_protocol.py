"""The pure side of the clamd client: addresses, framing, and what a reply is worth."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailfilter.errors import SettingError
from mailfilter.lookups import ScanState
from mailfilter.lookups.clamd_protocol import (
    CHUNK,
    MAX_REPLY,
    ReplyReader,
    instream,
    parse_scanner_address,
    read_reply,
)

CLEAN, INFECTED, ENCRYPTED = ScanState.CLEAN, ScanState.INFECTED, ScanState.ENCRYPTED
TOO_LARGE, LIMITS = ScanState.TOO_LARGE, ScanState.LIMITS_EXCEEDED
ERROR, UNAVAILABLE = ScanState.SCANNER_ERROR, ScanState.UNAVAILABLE

REPLIES = {
    b"stream: OK\0": (CLEAN, ()),
    b"stream: OK\n": (CLEAN, ()),
    b"stream: Win.Test.EICAR_HDB-1 FOUND\0": (INFECTED, ("Win.Test.EICAR_HDB-1",)),
    b"stream: Vir\xff\xfeus.UNOFFICIAL FOUND\0": (INFECTED, ("Vir\\xff\\xfeus.UNOFFICIAL",)),
    b"stream: Caf\xc3\xa9 FOUND\0": (INFECTED, ("Caf\u00e9",)),
    b"stream: OK FOUND\0": (INFECTED, ("OK",)),
    b"stream: Eicar(44d88612fea8a8f36de82e1278abb02f:68) FOUND\0": (
        INFECTED,
        ("Eicar(44d88612fea8a8f36de82e1278abb02f:68)",),
    ),
    b"stream: PUA.Win.Packer FOUND\0": (ScanState.UNWANTED, ("PUA.Win.Packer",)),
    b"stream: Heuristics.Phishing.Email.SpoofedDomain FOUND\0": (
        ScanState.PHISHING,
        ("Heuristics.Phishing.Email.SpoofedDomain",),
    ),
    b"stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND\0": (
        LIMITS,
        ("Heuristics.Limits.Exceeded.MaxRecursion",),
    ),
    b"stream: Heuristics.Limits.Exceeded FOUND\0": (LIMITS, ("Heuristics.Limits.Exceeded",)),
    b"stream: Heuristics.Encrypted.Zip FOUND\0": (ENCRYPTED, ("Heuristics.Encrypted.Zip",)),
    b"INSTREAM size limit exceeded. ERROR\0": (TOO_LARGE, ()),
    b"INSTREAM: Can't write to temporary file. ERROR\0": (ERROR, ()),
    b"stream: Can't allocate memory ERROR\0": (ERROR, ()),
    b"COMMAND READ TIMED OUT\n": (ERROR, ()),
    b"UNKNOWN COMMAND\0": (ERROR, ()),
    b"stream: \0": (ERROR, ()),
    b"stream:  FOUND\0": (ERROR, ()),
    b"1: stream: OK\0": (ERROR, ()),
    b" stream: OK\0": (ERROR, ()),
    b"stream: ok\0": (ERROR, ()),
    b"stream: OK \0": (ERROR, ()),
    b"\0": (UNAVAILABLE, ()),
    b"\n": (UNAVAILABLE, ()),
    b"": (UNAVAILABLE, ()),
    b"stream: OK\0stream: OK\0": (ERROR, ()),
    b"stream: OK\0stream: Bad FOUND\0": (INFECTED, ("Bad",)),
    b"stream: Bad FOUND\0stream: OK\0": (INFECTED, ("Bad",)),
    b"stream: One FOUND\0stream: Two FOUND\0": (INFECTED, ("One", "Two")),
    b"stream: OK\0stream: O": (ERROR, ()),
}


@pytest.mark.parametrize("reply", REPLIES)
def test_what_a_reply_is_worth(reply: bytes) -> None:
    answer = read_reply(reply)
    assert (answer.state, answer.names) == REPLIES[reply]
    if not answer.names and answer.state is not CLEAN:
        assert answer.detail


@pytest.mark.parametrize("reply", REPLIES)
def test_every_split_of_every_reply_reads_the_same(reply: bytes) -> None:
    for first in range(len(reply) + 1):
        for second in range(first, len(reply) + 1):
            reader = ReplyReader()
            for piece in (reply[:first], reply[first:second], reply[second:]):
                reader.feed(piece)
            assert reader.answer() == read_reply(reply)


@pytest.mark.parametrize("reply", [reply for reply, (state, _) in REPLIES.items() if state is not CLEAN])
def test_no_reply_becomes_clean_by_being_cut(reply: bytes) -> None:
    for end in range(len(reply)):
        cut = reply[:end]
        if cut not in (b"stream: OK\0", b"stream: OK\n"):
            assert read_reply(cut).state is not CLEAN


@pytest.mark.parametrize("end", range(10))
def test_a_clean_reply_that_is_cut_is_no_verdict(end: int) -> None:
    answer = read_reply(b"stream: OK"[: end + 1], "the time was up")
    assert answer.state is UNAVAILABLE
    assert "the time was up" in answer.detail


def test_what_was_found_counts_even_when_the_end_is_missing() -> None:
    assert read_reply(b"stream: Bad FOUND").state is INFECTED


@given(st.binary(max_size=200) | st.lists(st.sampled_from([*REPLIES, b"stream: ", b" FOUND", b"OK"])).map(b"".join))
@example(b"stream: OK\0\0")
def test_any_bytes_are_judged_and_only_clamds_own_ok_is_clean(data: bytes) -> None:
    answer = read_reply(data)
    lines = [line.removesuffix(b"\r") for line in data.replace(b"\n", b"\0").split(b"\0") if line.strip()]
    if answer.state is CLEAN:
        assert lines == [b"stream: OK"]
        assert data.rstrip(b" \r") != b"stream: OK"
    assert (answer.state is INFECTED) <= bool(answer.names)


def test_a_reply_without_end_is_an_error_and_not_kept() -> None:
    reader = ReplyReader()
    for _ in range(100):
        reader.feed(b"stream: OK stream: OK" * 100)
    assert reader.complete
    assert len(reader._data) == MAX_REPLY + 1
    assert reader.answer().state is ERROR


@given(st.binary(max_size=300) | st.integers(0, 3 * CHUNK + 7).map(bytes))
@example(b"")
@example(bytes(CHUNK))
@example(bytes(2 * CHUNK))
@example(bytes(2 * CHUNK + 1))
def test_framing_carries_the_mail_whole(data: bytes) -> None:
    wire = b"".join(instream(data))
    command, rest = wire[:10], wire[10:]
    assert command == b"zINSTREAM\0"
    carried, ended = b"", False
    while rest:
        assert not ended, "nothing follows the terminator"
        (size,) = struct.unpack("!L", rest[:4])
        assert size <= CHUNK
        carried, rest = carried + rest[4 : 4 + size], rest[4 + size :]
        ended = size == 0
    assert ended
    assert carried == data


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("unix:/run/clamav/clamd.ctl", "unix:/run/clamav/clamd.ctl"),
        ("/run/clamd.sock", "unix:/run/clamd.sock"),
        ("tcp:127.0.0.1:3310", "tcp:127.0.0.1:3310"),
        ("clamav:3310", "tcp:clamav:3310"),
        ("tcp:[::1]:3310", "tcp:[::1]:3310"),
        ("[2001:db8::1]:1", "tcp:[2001:db8::1]:1"),
    ],
)
def test_addresses(text: str, canonical: str) -> None:
    assert str(parse_scanner_address(text)) == canonical
    assert parse_scanner_address(canonical) == parse_scanner_address(text)


@pytest.mark.parametrize(
    "text",
    ["", "unix:", "unix:relative/path", "tcp:", "tcp:host", "tcp:host:", "tcp:host:0", "tcp:host:65536",
     "tcp:host:x", "tcp::3310", "::1:3310", "tcp:host:\u0663", "/nul\0byte"],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_words(text: str) -> None:
    with pytest.raises(SettingError, match="is no address of a scanner; allowed are") as caught:
        parse_scanner_address(text, "mailfilter.toml: virus.clamd")
    assert caught.value.source == "mailfilter.toml: virus.clamd"
    assert repr(text) in str(caught.value)

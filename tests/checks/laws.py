"""What every local check promises, over mails that are near enough to real ones to reach its rules."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailfilter.checks import LocalCheck, Mail
from mailfilter.envelope import Envelope
from mailfilter.message import Message
from tests.golden_cases import read_folder

GOLDEN = [case.raw for case in read_folder(Path(__file__).parents[1] / "golden")]
PIECES = [
    b"\n", b"\r\n", b"\0", b"\xff\xfe", b"=", b"?", b"<", b">", b"@", b'"', b":", b";", b"--b", b"--b--", b"%00",
    b"PK\x03\x04",
    b"PK\x01\x02", b"xn--", b"=?utf-8?B?", b"?=", b"\xe2\x80\xae", b"\xd0\xb0", b"http://", b"//", b"<!--", b"-->",
    b"Content-Type: text/html\n", b"Content-Type: multipart/alternative; boundary=b\n", b"From: ", b"Date: ",
]  # fmt: skip


@st.composite
def mails(draw: st.DrawFn) -> Mail:
    """Byte soup, or a golden mail with pieces put in, cut out and repeated; with and without an envelope."""
    if draw(st.integers(0, 9)) == 0:
        raw = draw(st.binary(max_size=300))
    else:
        raw = draw(st.sampled_from(GOLDEN))
    for _ in range(draw(st.integers(0, 4))):
        start, end = sorted((draw(st.integers(0, len(raw))), draw(st.integers(0, len(raw)))))
        piece = draw(st.sampled_from([*PIECES, raw[start:end], b""]) | st.binary(max_size=8))
        raw = raw[:start] + piece + raw[draw(st.sampled_from((start, end))) :]
    sender = draw(st.sampled_from((None, "", "a@example.net", "@", "a@b@c", "\ud800@x")))
    return Mail(Message(raw), Envelope(mail_from=sender))


lawful = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def laws_of(check: LocalCheck) -> Callable[[], None]:
    """A test: batch is single, order is free, only what is declared, each once, graded, evidence one printable line."""
    declared = {info.name for info in check.symbols}

    @lawful
    @given(st.lists(mails(), min_size=1, max_size=4), st.randoms(use_true_random=False))
    def test(batch: list[Mail], shuffle: random.Random) -> None:
        found = list(check.run(batch))
        assert found == [check.run([mail])[0] for mail in batch]
        fresh = [(number, Mail(Message(mail.message.raw), mail.envelope)) for number, mail in enumerate(batch)]
        shuffle.shuffle(fresh)
        again = check.run([mail for _, mail in fresh])
        assert {number: row for (number, _), row in zip(fresh, again, strict=True)} == dict(enumerate(found))
        for row in found:
            names = [symbol.name for symbol in row]
            assert len(names) == len(set(names))
            assert set(names) <= declared
            for symbol in row:
                assert 0 < symbol.value <= 1.0
                assert 0 < len(symbol.evidence) < 500
                assert symbol.evidence.isprintable(), symbol.evidence

    return test


def names(check: LocalCheck, raw: bytes, **facts: str) -> set[str]:
    """Names of what a check finds in one mail."""
    return {symbol.name for symbol in check.run([Mail(Message(raw), Envelope(**facts))])[0]}


def seconds(check: LocalCheck, raw: bytes) -> float:
    """CPU seconds of a check on a mail that has been taken apart."""
    message = Message(raw)
    _ = message.texts, message.links, message.defects, [part.names for part in message.parts]
    mail = Mail(message, Envelope())
    start = time.process_time()
    check.run([mail])
    return time.process_time() - start

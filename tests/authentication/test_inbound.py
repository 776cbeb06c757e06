"""Authentication-Results of other hosts of ours: which are believed, how they are read, and that nothing is forged."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import Config, Envelope, FilterChain, Mail
from mailfilter.authentication.inbound import believed, read_field, told
from mailfilter.authentication.results import Proved, proved
from mailfilter.checks.authentication import AuthenticationCheck
from mailfilter.message import Message
from mailfilter.trust import NOBODY, path_of

GOOD = (
    "mx.ours.test; spf=pass smtp.mailfrom=a@x.test; dkim=pass header.d=x.test header.s=k; dmarc=pass header.from=x.test"
)
OUTSIDE = (
    "Received: from x.test (x.test [12.0.0.1]) by mx.ours.test (Postfix) with ESMTP id 1; 1 Jan 2024 00:00:00 +0000"
)
INSIDE = "Received: from mx.ours.test (mx.ours.test [10.0.0.1]) by in.ours.test (Postfix) with ESMTP id 2; 1 Jan 2024"
OURS = frozenset({"mx.ours.test"})
RELAY = Envelope(client_ip="10.0.0.2", mail_from="a@x.test")


def results(*lines: str, envelope: Envelope = RELAY) -> str:
    mail = Mail(Message("\r\n".join([*lines, "From: a@x.test", "", "x"]).encode()), envelope)
    return told(believed(mail, path_of(mail, NOBODY), OURS))


def field(text: str = GOOD) -> str:
    return f"Authentication-Results: {text}"


def test_fields_of_our_own_hosts_are_believed() -> None:
    said = results(field(), INSIDE, field("other.test; dkim=fail"), OUTSIDE)
    assert said == GOOD.partition("; ")[2].replace("a@x.test", "x.test")
    every = frozenset({"x.test"})
    assert proved(said) == Proved(every, every, every)
    parts = GOOD.partition("; ")[2].split("; ")
    assert results(*(field(f"mx.ours.test; {part}") for part in parts), INSIDE, OUTSIDE) == said


@pytest.mark.parametrize(
    "lines",
    [
        [OUTSIDE, field()],
        [INSIDE, OUTSIDE, field(), INSIDE],
        [field("mx.other.test" + GOOD[12:]), OUTSIDE],
        [field(GOOD.replace("dmarc=pass", "x=pass")), OUTSIDE],
        [field("(mx.ours.test; spf=pass) other.test" + GOOD[12:]), OUTSIDE],
        [field(), OUTSIDE, "DKIM-Signature: v=1; l=10; d=x.test"],
        [field()],
    ],
)
def test_what_a_sender_may_have_written_is_not(lines: list[str]) -> None:
    assert results(*lines) == ""


def test_from_outside_none_is_believed() -> None:
    for envelope in (Envelope(), Envelope(client_ip="66.0.0.1", mail_from="a@x.test")):
        assert results(field(), OUTSIDE, envelope=envelope) == ""


@pytest.mark.parametrize(
    ("text", "host", "said"),
    [
        ('"mx.x.test" 1; spf = pass smtp.mailfrom = "a b@x.test"', "mx.x.test", "spf=pass smtp.mailfrom=x.test"),
        ('h; dkim/1=fail (x; dmarc=pass) reason="; dkim=pass" header.i=@x.y', "h", "dkim=fail header.d=x.y header.s=-"),
        ("h; none", "h", ""),
        ("", "", ""),
        (";;;", "", ""),
        ("h; dmarc=fail header.from=\"x.test; dmarc=pass\"", "h", 'dmarc=fail header.from="x.test;?dmarc=pass"'),
    ],
)  # fmt: skip
def test_how_a_field_is_read(text: str, host: str, said: str) -> None:
    found = read_field(text)
    assert (found[0], told(found[1])) == (host, said)


@given(st.text(st.sampled_from('ab.=;()"\\ \r\n\t@\x00é'), max_size=300))
def test_any_field_is_read(text: str) -> None:
    written = told(read_field(text)[1])
    assert not proved(written).dmarc or "dmarc" in text


def test_the_time_is_linear() -> None:
    begun = time.process_time()
    for text in ('"\\' * 50_000, "(" * 100_000, "a=" * 50_000, ";" * 100_000, '"' * 100_000):
        read_field(text)
    assert time.process_time() - begun < 1.0


def test_a_policy_that_failed_and_what_is_not_known() -> None:
    text = "mx.ours.test; spf=temperror smtp.mailfrom=x.test; dkim=fail header.d=x.test; dmarc=fail policy.dmarc=reject"
    raw = "\r\n".join([field(text), OUTSIDE, "From: a@x.test", "", "x"]).encode()
    check = AuthenticationCheck(asking=False, trusted_results=OURS)
    with pytest.raises(StopIteration) as stop:
        next(check.ask(Mail(Message(raw), RELAY)))
    names = {symbol.name for symbol in stop.value.value}
    assert names == {"AUTH_RELAYED", "AUTH_RESULTS", "DKIM_INVALID", "DMARC_FAIL_REJECT", "AUTH_UNKNOWN"}


def test_forged_fields_go_and_others_stay() -> None:
    table: dict[str, Any] = {"authentication": {"trusted_results": ["mx.ours.test"]}}
    with FilterChain(Config.from_mapping(table)) as chain:
        raw = "\r\n".join([OUTSIDE, field(), field("other.test; spf=pass"), "From: a@x.test", "", "x"]).encode()
        rewritten = chain.rewrite(raw, chain.check(raw, RELAY))
    assert b"mx.ours.test; spf" not in rewritten
    assert b"other.test; spf" in rewritten

"""DKIM: what passes, what does not and why, and what it costs."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.auth_zones import Zones
from mailfilter.authentication import dkim
from mailfilter.authentication.dkim import DkimAnswer
from mailfilter.authentication.outcome import Outcome
from mailfilter.authentication.signed import SignedMail, canonical_body, canonical_header
from mailfilter.lookups import DnsState

from .signing import body_form, header_form, record, sign

MAIL = b"From: a@x.test\r\nSubject:  two  words \r\nTo: b@y.test\r\n\r\nHello  you \r\n\r\nBye\r\n\r\n\r\n"
NOW = 1_700_000_000.0


def check(raw: bytes, kind: str = "rsa2048", key: Any = None, now: float = NOW) -> tuple[DkimAnswer, ...]:
    zone = {"k._domainkey.x.test": {"TXT": key if key is not None else [record(kind)]}}
    answers: tuple[DkimAnswer, ...] = Zones(zone).play(dkim.verify(SignedMail(raw), now))
    return answers


def outcome(raw: bytes, **given: Any) -> tuple[Outcome, str]:
    (answer,) = check(raw, **given)
    return answer.outcome, answer.reason


@pytest.mark.parametrize("forms", ["simple/simple", "relaxed/simple", "simple/relaxed", "relaxed/relaxed"])
@pytest.mark.parametrize("kind", ["rsa1024", "rsa2048", "ed25519"])
def test_a_good_signature_passes(kind: str, forms: str) -> None:
    (answer,) = check(sign(MAIL, kind, forms), kind)
    assert (answer.outcome, answer.reason, answer.domain) == (Outcome.PASS, "", "x.test")
    assert answer.bits == (256 if kind == "ed25519" else int(kind[3:]))


def test_line_ends_of_an_archive_do_not_matter() -> None:
    assert outcome(sign(MAIL).replace(b"\r\n", b"\n"))[0] is Outcome.PASS


@pytest.mark.parametrize(
    ("old", "new"), [(b"Bye", b"Buy"), (b"two", b"ten"), (b"From: a@", b"From: b@"), (b"d=x.test;", b"d=x.test ;")]
)
def test_what_was_changed_fails(old: bytes, new: bytes) -> None:
    assert outcome(sign(MAIL).replace(old, new))[0] is Outcome.FAIL


def test_a_second_from_above_the_signed_one_is_told_by_its_absence_from_the_list() -> None:
    signed = sign(MAIL)
    assert outcome(signed.replace(b"From:", b"From: c@z.test\r\nFrom:", 1))[0] is Outcome.PASS
    signed = sign(MAIL, names="from:from:subject")
    assert outcome(signed.replace(b"From:", b"From: c@z.test\r\nFrom:", 1))[0] is Outcome.FAIL


@pytest.mark.parametrize("state", [state for state in DnsState if not state.known])
def test_a_key_that_cannot_be_had_says_nothing(state: DnsState) -> None:
    assert outcome(sign(MAIL), key=state)[0] is Outcome.TEMPERROR


KEY = record("rsa2048")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ([], "there is no key"),
        (["v=DKIM1; p="], "the key is revoked"),
        (["v=DKIM2; p=AAAA"], "the record is no key"),
        (["something else"], "key: 'something else' is no tag"),
        ([KEY + "; s=tlsrpt"], "the key is not for mail"),
        ([KEY + "; h=sha1"], "the key is not for sha256"),
        (["k=rsa; p=AAAA"], "the key cannot be read"),
        (["k=rsa; p=!"], "key: p= is not base64"),
        ([record("ed25519")], "the key is not one of rsa"),
    ],
)
def test_a_key_that_cannot_be_used(key: list[str], expected: str) -> None:
    result, reason = outcome(sign(MAIL), key=key)
    assert result is Outcome.PERMERROR
    assert reason.startswith(expected)


def test_the_first_record_that_is_a_key_counts() -> None:
    assert outcome(sign(MAIL), key=["v=spf1 -all", KEY])[0] is Outcome.PASS


WEAK = (
    "v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIK"
    "jbJTWit+CqvjWYzvQwECAwEAAQ=="
)


def test_a_key_too_short_proves_nothing() -> None:
    (answer,) = check(sign(MAIL), key=[WEAK])
    assert (answer.outcome, answer.bits, answer.reason) == (Outcome.POLICY, 512, "a key of 512 bits is too short")
    assert outcome(sign(MAIL).replace(b"rsa-sha256", b"rsa-sha1"))[0] is Outcome.POLICY


def test_flags_of_a_key() -> None:
    (answer,) = check(sign(MAIL), key=[KEY + "; t=y"])
    assert (answer.outcome, answer.testing) == (Outcome.PASS, True)
    below = sign(MAIL, more=" i=@sub.x.test;")
    assert outcome(below)[0] is Outcome.PASS
    assert outcome(below, key=[KEY + "; t=s"])[0] is Outcome.PERMERROR


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (" i=@y.test;", Outcome.PERMERROR),
        (" i=@evilx.test;", Outcome.PERMERROR),
        (f" x={int(NOW) - 1000};", Outcome.FAIL),
        (f" t={int(NOW) + 1000};", Outcome.FAIL),
        (f" t={int(NOW) - 9}; x={int(NOW) + 9};", Outcome.PASS),
        (" t=9; x=8;", Outcome.PERMERROR),
        (" q=dns/other;", Outcome.PERMERROR),
        (" q=dns/txt;", Outcome.PASS),
        (" c=relaxed;", Outcome.PERMERROR),
        (" unknown=1;", Outcome.PASS),
        (" ;", Outcome.PERMERROR),
    ],
)
def test_tags(more: str, expected: Outcome) -> None:
    assert outcome(sign(MAIL, more=more))[0] is expected


def test_from_has_to_be_signed() -> None:
    assert outcome(sign(MAIL, names="subject:to")) == (Outcome.PERMERROR, "From is not signed")


def test_what_is_added_below_a_signed_length_is_told() -> None:
    (answer,) = check(sign(MAIL, length=10) + b"more")
    assert answer.outcome is Outcome.PASS
    assert answer.cut == len(body_form(MAIL.partition(b"\r\n\r\n")[2] + b"more", True)) - 10
    whole = len(body_form(MAIL.partition(b"\r\n\r\n")[2], True))
    assert check(sign(MAIL, length=whole))[0].cut == 0
    assert outcome(sign(MAIL, length=whole + 1))[0] is Outcome.FAIL


def test_signatures_are_told_apart_and_their_keys_asked_for_at_once() -> None:
    zones = Zones({"k._domainkey.x.test": {"TXT": [KEY]}})
    raw = sign(sign(MAIL, domain="other.test"))
    answers = zones.play(dkim.verify(SignedMail(raw), NOW))
    assert [(answer.domain, answer.outcome) for answer in answers] == [
        ("x.test", Outcome.PASS),
        ("other.test", Outcome.PERMERROR),
    ]
    assert (zones.rounds, len(zones.asked)) == (1, 2)


def test_no_more_than_so_many_signatures_are_looked_at() -> None:
    field = b"DKIM-Signature: v=1; a=rsa-sha256; b=AA==; bh=AA==; h=from; d=d%d.test; s=k\r\n"
    raw = b"".join(field % number for number in range(99))
    zones = Zones({})
    assert len(zones.play(dkim.verify(SignedMail(raw + MAIL), NOW))) == len(zones.asked) == dkim.MAX_SIGNATURES


HOSTILE = {
    "spaces": b" " * 300_000,
    "tabs in lines": b"\t \r\n" * 75_000,
    "empty lines": b"\r\n" * 150_000,
    "returns": b"\r" * 300_000,
    "returns and lines": b"\r\r\n" * 100_000,
    "words": b"a " * 150_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("relaxed", [False, True])
def test_time_is_linear_in_a_hostile_body(name: str, relaxed: bool) -> None:
    body = HOSTILE[name]
    begun = time.process_time()
    canonical_body(body, relaxed)
    canonical_header(b"x:" + body, relaxed)
    outcome(sign(MAIL).replace(b"Bye", body))
    assert time.process_time() - begun < 2.0  # a quadratic pattern takes more than 8 s


def test_time_is_linear_in_hostile_headers() -> None:
    head = b"DKIM-Signature: v=1; a=rsa-sha256; b=AA==; bh=AA==; d=x.test; s=k; h=" + b"from:" * 60_000 + b"from\r\n"
    begun = time.process_time()
    check(head * 8 + b"From: a@x.test\r\n" * 20_000 + MAIL)
    check(b"DKIM-Signature: " + b"; \t" * 100_000 + b"\r\n" + MAIL)
    check(b"DKIM-Signature: " + b"".join(b"a%d=1;" % n for n in range(50_000)) + b"\r\n" + MAIL)
    assert time.process_time() - begun < 4.0


OCTETS = [b" ", b"\t", b"\r\n", b"a", b"b ", b"\r", b" \r\n", b"\xff"]
PIECES = st.lists(st.sampled_from(OCTETS), max_size=30).map(b"".join)
TAGS = ["v=1", "a=rsa-sha256", "b=AA==", "bh=AA==", "d=x.test", "s=k", "h=from", "", "d=", "l=9", "x"]


@given(PIECES.filter(lambda body: b"\n" not in body.replace(b"\r\n", b"")), st.booleans())
def test_canonical_bodies_are_those_of_the_standard(body: bytes, relaxed: bool) -> None:
    assert canonical_body(body, relaxed) == body_form(body, relaxed)


@given(PIECES.map(lambda text: text.replace(b"\r\n", b"\r\n ")))
def test_canonical_headers_are_those_of_the_standard(value: bytes) -> None:
    value = value.replace(b"\r", b"").replace(b"\n", b"\r\n")
    field = b"Name \t:" + value
    assert canonical_header(field, True) == header_form(field, True)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(st.sampled_from(TAGS)).map(lambda tags: f"DKIM-Signature: {';'.join(tags)}\r\n".encode() + MAIL),
    ),
    st.one_of(st.sampled_from(list(DnsState)), st.lists(st.one_of(st.text(), st.sampled_from([KEY, WEAK, "p=AA"])))),
)
def test_any_bytes_and_answers_give_a_result(raw: bytes, key: Any) -> None:
    if key in (DnsState.FOUND, DnsState.NOT_FOUND):
        key = []
    assert all(isinstance(answer.outcome, Outcome) for answer in check(raw, key=key))
    assert all(answer.outcome is not Outcome.PASS for answer in check(raw, key=key))

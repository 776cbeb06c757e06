"""ARC beyond its suite: chains of any length, what is not known, whose words are believed."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.auth_zones import Zones
from mailfilter.authentication import arc
from mailfilter.authentication.arc import ArcAnswer
from mailfilter.authentication.outcome import Outcome
from mailfilter.authentication.signed import SignedMail
from mailfilter.lookups import DnsState

from .signing import record, seal

MAIL = b"From: a@x.test\r\nSubject: hello\r\n\r\nHello\r\n"
KEY = record("rsa1024")


def chain(*domains: str, seen: str = "dmarc=pass") -> bytes:
    mail = MAIL
    for number, domain in enumerate(domains, 1):
        mail = seal(mail, number, domain, seen)
    return mail


def check(raw: bytes, **zone: Any) -> ArcAnswer:
    keys = {f"k._domainkey.{name}.test": {"TXT": zone.get(name, [KEY])} for name in "abcdef"}
    answer: ArcAnswer = Zones(keys).play(arc.verify(SignedMail(raw)))
    return answer


@pytest.mark.parametrize("length", range(4))
def test_a_chain_that_holds(length: int) -> None:
    domains = [f"{name}.test" for name in "abc"[:length]]
    answer = check(chain(*domains))
    assert (answer.outcome, answer.sealers) == (Outcome.PASS if length else Outcome.NONE, tuple(domains))


def test_ed25519() -> None:
    assert check(seal(MAIL, 1, "a.test", kind="ed25519"), a=[record("ed25519")]).outcome is Outcome.PASS


@pytest.mark.parametrize("old", [b"Hello", b"hello", b"i=1; a.test; dmarc=pass", b"cv=pass; d=b.test"])
def test_a_change_breaks_it(old: bytes) -> None:
    assert check(chain("a.test", "b.test").replace(old, old + b"x", 1)).outcome is Outcome.FAIL


@pytest.mark.parametrize("state", [state for state in DnsState if not state.known])
@pytest.mark.parametrize("silent", ["a", "b"])
def test_a_key_that_cannot_be_had_says_nothing(silent: str, state: DnsState) -> None:
    assert check(chain("a.test", "b.test"), **{silent: state}).outcome is Outcome.TEMPERROR


def test_words_are_believed_as_far_as_all_later_hands_are_trusted() -> None:
    answer = check(chain("a.test", "b.test", "c.test"))
    for trusted, believed in [("", 0), ("c", 1), ("bc", 2), ("abc", 3), ("ab", 0), ("ac", 1)]:
        assert len(answer.trusted(frozenset(f"{name}.test" for name in trusted))) == believed
    broken = check(chain("a.test").replace(b"Hello", b"x"))
    assert broken.trusted(frozenset(["a.test"])) == ()


def test_keys_of_all_seals_are_asked_for_at_once() -> None:
    zones = Zones({f"k._domainkey.{name}.test": {"TXT": [KEY]} for name in "abc"})
    assert zones.play(arc.verify(SignedMail(chain("a.test", "b.test", "c.test")))).outcome is Outcome.PASS
    assert zones.rounds == 2


def test_time_is_linear_in_the_size_of_a_chain() -> None:
    tag = b"a=rsa-sha256; b=AA==; d=a.test; s=k; cv=pass; z=" + b" x" * 5_000
    one = b"ARC-Seal: i=%d; " + tag + b"\r\nARC-Message-Signature: i=%d; h=from; bh=AA==; " + tag
    one += b"\r\nARC-Authentication-Results: i=%d; a.test; none\r\n"
    raw = b"".join(one % (n, n, n) for n in range(1, 51)).replace(b"cv=pass", b"cv=none", 2)
    begun = time.process_time()
    assert check(raw + MAIL).outcome is Outcome.FAIL
    assert time.process_time() - begun < 2.0


PARTS = ["i=1;", "i=2;", "a=rsa-sha256;", "b=AA==;", "bh=AA==;", "d=a.test;", "s=k;", "cv=none;", "cv=pass;", "h=from"]
NAMES = st.sampled_from(["Seal", "Message-Signature", "Authentication-Results"])


@given(
    st.lists(st.tuples(NAMES, st.sets(st.sampled_from(PARTS)))),
    st.one_of(st.sampled_from([DnsState.TIMEOUT]), st.lists(st.one_of(st.text(), st.just(KEY)))),
)
def test_any_fields_and_answers_give_a_result(fields: list[tuple[str, set[str]]], key: Any) -> None:
    raw = "".join(f"ARC-{name}: {''.join(sorted(tags, reverse=True))}\r\n" for name, tags in fields).encode()
    assert check(raw + MAIL, a=key).outcome in (Outcome.NONE, Outcome.FAIL, Outcome.TEMPERROR)

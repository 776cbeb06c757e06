"""The laws of docs/architecture.md over the whole default chain, on any bytes."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailfilter import Config, Envelope, FilterChain, Verdict
from mailfilter.decision import ACTIONS
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState, ScanAnswer, ScanQuestion, ScanState
from mailfilter.testing.hostile import hostile_mails

from .strategies import mails, mutated_mails
from .test_settings_effect import CLIENT, LIST, Saying

CHAIN = FilterChain(stateless=True)
# whether a sender was looked at is a finding too, so that tests/authentication/ holds it to law 3
ONLY_LISTS = {"enabled": False}
PAIRED = Config.from_mapping(
    {"dns": {"custom": [LIST]}, "virus": {"on_unavailable": "pass"}, "authentication": ONLY_LISTS}
)
some_mail = st.one_of(st.binary(max_size=400), mails(), mutated_mails())
slow = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@slow
@given(some_mail)
def test_1_and_2_any_bytes_end_in_exactly_one_action(raw: bytes) -> None:
    verdict = CHAIN.check(raw)
    assert verdict.action in ACTIONS
    assert "CHECK_FAILED" not in {symbol.name for symbol in verdict.unknown}, verdict.unknown
    assert str(verdict.smtp_reply).isascii()
    assert "\n" not in "".join(f"{name}{value}" for name, value in verdict.headers)


def test_2_hostile_mail_is_decided_in_bounded_time() -> None:
    for name, raw in hostile_mails():
        start = time.process_time()
        verdict = CHAIN.check(raw)
        assert verdict.action in ACTIONS, name
        assert "CHECK_FAILED" not in {symbol.name for symbol in verdict.unknown}, (name, verdict.unknown)
        # A law of growth and not of speed: the slowest is far below this even on a busy machine.
        assert time.process_time() - start < 5 + len(raw) / 2e6, name


@pytest.mark.parametrize("scan", [s for s in ScanState if not s.known])
@pytest.mark.parametrize("dns", [s for s in DnsState if not s.known])
def test_3_silence_is_no_evidence(scan: ScanState, dns: DnsState) -> None:
    def ask(lookups: list[Saying]) -> Verdict:
        with FilterChain(PAIRED, lookups=lookups, stateless=True) as chain:
            return chain.check(b"Subject: x\n\nbody\n", CLIENT)

    silent = ask([Saying(ScanQuestion, ScanAnswer(scan)), Saying(DnsQuestion, DnsAnswer(dns))])
    clean = ask([Saying(ScanQuestion, ScanAnswer(ScanState.CLEAN)), Saying(DnsQuestion, DnsAnswer(DnsState.NOT_FOUND))])
    assert silent.score == clean.score
    assert silent.symbols == clean.symbols
    assert {symbol.name for symbol in silent.unknown} & {"DNSBL_UNKNOWN", "DNSBL_NOT_ASKED"}
    assert any(symbol.name.startswith("VIRUS_") for symbol in silent.unknown)
    assert clean.unknown == ()


@slow
@given(some_mail)
def test_4_the_sum_is_the_score(raw: bytes) -> None:
    verdict = CHAIN.check(raw)
    assert round(sum(symbol.points for symbol in verdict.symbols), 3) == verdict.score
    assert all(symbol.points == 0 for symbol in verdict.unknown)


@slow
@given(st.lists(some_mail, max_size=6), st.randoms(use_true_random=False))
def test_5_order_and_batch_do_not_matter(raws: list[bytes], shuffled: random.Random) -> None:
    singly = {raw: CHAIN.check(raw) for raw in raws}
    shuffled.shuffle(raws)
    assert list(CHAIN.check_many(raws)) == [singly[raw] for raw in raws]


@slow
@given(some_mail, st.floats(-100, 100))
def test_6_malware_outranks_any_score(raw: bytes, points: float) -> None:
    config = Config.from_mapping({"scores": {"CONTENT_PROBABILITY": points}})
    infected = Saying(ScanQuestion, ScanAnswer(ScanState.INFECTED, ("Test.Name",)))
    with FilterChain(config, lookups=[infected], stateless=True) as chain:
        assert chain.check(raw, CLIENT).action.severity >= chain.policy.on_malware.severity


@slow
@given(some_mail)
def test_a_verdict_is_a_value(raw: bytes) -> None:
    assert CHAIN.check(raw, Envelope()) == CHAIN.check(raw, Envelope())

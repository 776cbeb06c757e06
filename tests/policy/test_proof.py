"""The allow list with the authentication check and DNS behind it: signed, forged, and with no answer."""

from __future__ import annotations

from typing import Any

import pytest

from mailfilter import Config, Envelope, FilterChain, Verdict
from mailfilter.assembly import BUILT_IN
from mailfilter.counterfactual import alternatives
from mailfilter.decision import Action, Reason
from mailfilter.testing.fake_dns import FakeDns

from ..authentication.signing import record, sign

FROM = b"From: Ada <ada@partner.example>\r\nSubject: hello\r\n\r\nHello\r\n"
SIGNED = sign(FROM, "rsa1024", domain="partner.example")
ZONE: dict[str, Any] = {
    "partner.example": {"TXT": ['"v=spf1 ip4:203.0.113.9 -all"']},
    "k._domainkey.partner.example": {"TXT": [f'"{record("rsa1024")}"']},
    "_dmarc.partner.example": {"TXT": ['"v=DMARC1; p=none"']},
}
OURS = Envelope(client_ip="203.0.113.9", mail_from="ada@partner.example", rcpt_to=["b@example.org"])
THEIRS = Envelope(client_ip="198.51.100.66", mail_from="ada@partner.example", rcpt_to=["b@example.org"])
ALL_REFUSED = {"greylist": -500, "quarantine": -500, "bounce": -500}


def judged(
    raw: bytes, envelope: Envelope, proof: str, zone: Any = None, listed: bool = True
) -> tuple[Verdict, tuple[str, ...]]:
    with FakeDns(ZONE if zone is None else zone) as server:
        table: dict[str, Any] = {
            "dns": {"resolvers": [server.address]},
            "checks": {"disable": [name for name in BUILT_IN if name != "authentication"]},
            "policy": ALL_REFUSED,
        }
        if listed:
            table["senders"] = {"allow": [{"senders": ["partner.example"], "proof": [proof]}]}
        with FilterChain(Config.from_mapping(table)) as chain:
            verdict = chain.check(raw, envelope)
            ((policy, marks),) = chain.governing(envelope)
            return verdict, alternatives(verdict, chain.weights, marks, policy)


@pytest.mark.parametrize("proof", ["spf", "dkim", "dmarc"])
def test_a_sender_who_is_proved_passes_and_a_forger_does_not(proof: str) -> None:
    passed, _ = judged(SIGNED, OURS, proof)
    assert (passed.action, passed.reason) == (Action.ACCEPT, Reason.ALLOWED)
    forged, changes = judged(FROM, THEIRS, proof)
    assert (forged.action, forged.reason) == (Action.BOUNCE, Reason.SCORE)
    assert "SENDER_UNPROVED" in {symbol.name for symbol in forged.symbols}
    assert f"with proof of the allow entry partner.example not proved by {proof}: accept" in changes


def test_no_answer_is_no_proof() -> None:
    assert judged(SIGNED, OURS, "dkim", zone={})[0].action is Action.BOUNCE


def test_a_forwarded_mail_is_proved_by_its_signature() -> None:
    assert judged(SIGNED, THEIRS, "dkim")[0].action is Action.ACCEPT
    assert judged(SIGNED, THEIRS, "spf")[0].action is Action.BOUNCE


def test_an_explanation_names_the_entry_that_would_help() -> None:
    verdict, changes = judged(SIGNED, OURS, "", listed=False)
    assert "with an allow entry for partner.example (proof: dmarc): accept" in changes
    assert f"accept at {verdict.score:g} points if greylist and quarantine and bounce began above that" in changes
    assert not any("allow entry" in line for line in judged(FROM, THEIRS, "", listed=False)[1])

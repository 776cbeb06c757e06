"""Policy for what a scan says: by state, by direction and by recipient; no list and no score beats malware."""

from __future__ import annotations

from typing import Any

import pytest

from mailfilter import Config, Envelope, FilterChain
from mailfilter.checks.virus import VirusCheck
from mailfilter.decision import Action, Reason
from mailfilter.errors import SettingError
from mailfilter.lookups import ScanAnswer, ScanQuestion, ScanState
from mailfilter.verdict import Verdict

from .test_settings_effect import Saying

RAW = b"Subject: x\n\nbody\n"
INWARD = Envelope(mail_from="a@example.net", rcpt_to=["b@Example.org", "c@example.org"])
OUTWARD = Envelope(mail_from="b@example.org", rcpt_to=["a@example.net"], direction="outbound")


def verdicts(given: dict[str, Any], state: ScanState, *envelopes: Envelope) -> list[Verdict]:
    scanner, virus = Saying(ScanQuestion, ScanAnswer(state, ("Test.Name",))), dict(given)
    rules = {"rules": virus.pop("rules")} if "rules" in virus else {}
    config = Config.from_mapping({"virus": virus, "policy": rules})
    with FilterChain(config, checks=[VirusCheck()], lookups=[scanner], stateless=True) as chain:
        return list(chain.check_many((RAW, envelope) for envelope in envelopes))


def actions(virus: dict[str, Any], state: ScanState, *envelopes: Envelope) -> list[Action]:
    return [verdict.action for verdict in verdicts(virus, state, *envelopes)]


def test_the_first_rule_that_fits_every_recipient_counts() -> None:
    rules = [
        {"directions": ["outbound"], "virus": {"on_infected": "bounce"}},
        {"recipients": ["example.org"], "virus": {"on_infected": "delete"}},
        {"recipients": ["example.org", "example.com"], "virus": {"on_infected": "bounce"}},
    ]
    mixed = Envelope(rcpt_to=["b@example.org", "c@example.com"])
    elsewhere = Envelope(rcpt_to=["b@example.org", "c@example.edu"])
    found = actions({"rules": rules}, ScanState.INFECTED, INWARD, OUTWARD, mixed, elsewhere, Envelope())
    assert found == [Action.DELETE, Action.BOUNCE, Action.BOUNCE, Action.QUARANTINE, Action.QUARANTINE]


def test_what_a_rule_leaves_out_is_as_in_the_section() -> None:
    virus = {"on_encrypted": "hold", "rules": [{"directions": ["outbound"], "virus": {"on_infected": "bounce"}}]}
    assert actions(virus, ScanState.ENCRYPTED, OUTWARD) == [Action.QUARANTINE]


@pytest.mark.parametrize("rule", [{"recipients": ["example.org"], "virus": {"on_unavailable": "pass"}}])
def test_a_mail_that_passes_unscanned_carries_a_mark(rule: dict[str, Any]) -> None:
    passed, refused = verdicts({"rules": [rule]}, ScanState.UNAVAILABLE, INWARD, OUTWARD)
    assert passed.action is Action.ACCEPT
    assert ("X-Mailfilter-Unknown", "VIRUS_UNAVAILABLE") in passed.headers
    assert (refused.action, refused.smtp_reply.code) == (Action.GREYLIST, 451)


def test_what_was_found_is_not_called_unexamined() -> None:
    (found,) = verdicts({"on_pua": "bounce"}, ScanState.UNWANTED, INWARD)
    assert (found.action, found.reason) == (Action.BOUNCE, Reason.NOT_WANTED)
    assert "not accepted here" in str(found.smtp_reply)


def test_the_default_lets_nothing_unscanned_through() -> None:
    for state in ScanState:
        (found,) = actions({}, state, INWARD)
        passes = state in (ScanState.CLEAN, ScanState.DISABLED, ScanState.ENCRYPTED, ScanState.PHISHING)
        assert (found is Action.ACCEPT) == (passes and state is not ScanState.PHISHING), state


def test_a_rule_with_a_fault_is_named() -> None:
    rules = [
        {"virus": {"on_infected": "pass"}},
        {"directions": ["sideways"]},
        {"recipient": ["example.org"]},
        {"virus": {"clamd": []}},
        {"recipients": ["a b", "@example.org"]},
        {"quarantine": 3},
        {"virus": 3, "on_infected": "bounce"},
    ]
    with pytest.raises(SettingError) as error:
        Config.from_mapping({"policy": {"rules": rules}})
    faults = "\n".join(error.value.faults)
    assert "policy.rules[1].virus.on_infected: one of" in faults
    assert 'policy.rules[2].directions: no direction "sideways"' in faults
    assert "policy.rules[3].recipient: unknown setting" in faults
    assert "policy.rules[4].virus.clamd: a rule gives on_... of [virus]" in faults
    assert 'policy.rules[5].recipients: "a b" is no address' in faults
    assert 'a domain is written without it: "example.org"' in faults
    assert "policy.rules[6].quarantine: 3 is below policy.rules[6].greylist (4)" in faults
    assert "policy.rules[7].virus: a table is expected, got 3" in faults
    assert "policy.rules[7].on_infected: unknown setting; a rule has name, directions, " in faults

"""Several recipients who want different things: nothing is lost, and no order matters."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import Config, Envelope, FilterChain, StoreError, Verdict
from mailfilter.checks.virus import VirusCheck
from mailfilter.decision import ACTIONS, Action, Reason
from mailfilter.lookups import ScanAnswer, ScanQuestion, ScanState
from mailfilter.policy.copies import carried, decide_table

from ..test_chain import CLIENT, Points, mail
from ..test_settings_effect import Saying

RULES: list[dict[str, Any]] = [
    {"name": "strict", "recipients": ["strict@example.org"], "greylist": 1, "quarantine": 2, "bounce": 3},
    {"name": "delete", "recipients": ["delete.example"], "delete": 13},
    {"name": "all", "recipients": [".lax.example"], "greylist": "never", "quarantine": "never", "bounce": "never"},
    {"name": "out", "directions": ["outbound"], "greylist": "never", "quarantine": 3, "bounce": 5},
    {"name": "too late", "recipients": ["strict@example.org", "late@example.org"], "bounce": 6},
]
PEOPLE = ["strict@example.org", "x@delete.example", "x@a.lax.example", "late@example.org", "other@example.org"]
actions = st.sampled_from(ACTIONS)
reasons = st.sampled_from(Reason)


def config(mode: str = "split", **more: Any) -> Config:
    return Config.from_mapping({"policy": {"rules": RULES, "recipients": mode}, **more})


CHAINS = {mode: FilterChain(config(mode), checks=[Points()], stateless=True) for mode in ("split", "mildest")}


def verdict(points: float, *recipients: str, mode: str = "split", direction: Any = "inbound") -> Verdict:
    return CHAINS[mode].check(mail(points), Envelope(rcpt_to=recipients, direction=direction))


def own(points: float, *recipients: str, **more: Any) -> list[str]:
    return [one.action.value for one in verdict(points, *recipients, **more).recipients]


def test_the_first_rule_that_fits_a_recipient_counts() -> None:
    assert own(2.5, *PEOPLE) == ["quarantine", "accept", "accept", "accept", "accept"]
    assert own(7, *PEOPLE) == ["bounce", "quarantine", "accept", "bounce", "quarantine"]
    assert own(14, *PEOPLE) == ["bounce", "delete", "accept", "bounce", "bounce"]
    assert own(5, *PEOPLE, direction="outbound") == ["bounce", "greylist", "accept", "bounce", "bounce"]
    assert [one.policy for one in verdict(0, *PEOPLE).recipients] == ["strict", "delete", "all", "too late", ""]
    assert verdict(4, direction="outbound").action is Action.QUARANTINE
    assert verdict(2.5).action is Action.ACCEPT


def test_a_mail_that_one_wants_reaches_that_one_and_is_kept_for_the_others() -> None:
    found = verdict(14, *PEOPLE)
    assert (found.action, found.smtp_reply.code) == (Action.ACCEPT, 250)
    held = "quarantine"
    assert [one.carried.value for one in found.recipients] == [held, "delete", "accept", held, held]
    assert [reply.code for reply in found.lmtp_replies] == [550, 250, 250, 550, 550]
    mild = verdict(14, *PEOPLE, mode="mildest")
    assert {one.carried for one in mild.recipients} == {Action.ACCEPT}
    assert [one.action for one in mild.recipients] == [one.action for one in found.recipients]


def test_a_mail_that_is_refused_is_refused_to_all() -> None:
    found = verdict(4.5, "strict@example.org", "other@example.org")
    assert (found.action, own(4.5, *PEOPLE[::4])) == (Action.GREYLIST, ["bounce", "greylist"])
    assert {one.carried for one in found.recipients} == {Action.GREYLIST}
    assert verdict(14, PEOPLE[0], PEOPLE[1]).action is Action.BOUNCE


def test_what_only_greylisting_speaks_against_is_delivered_with_the_rest() -> None:
    found = verdict(4.5, "x@a.lax.example", "other@example.org")
    assert [one.action.value for one in found.recipients] == ["accept", "greylist"]
    assert [one.carried.value for one in found.recipients] == ["accept", "accept"]


def test_no_recipients_wish_lets_malware_or_the_unexamined_through() -> None:
    rules = [{"recipients": ["brave@example.org"], "virus": {"on_unavailable": "pass", "on_infected": "bounce"}}]
    envelope = Envelope(rcpt_to=["brave@example.org", "other@example.org"])
    for mode, state in itertools.product(("split", "mildest"), (ScanState.UNAVAILABLE, ScanState.INFECTED)):
        settings = Config.from_mapping({"policy": {"rules": rules, "recipients": mode}})
        scanner = Saying(ScanQuestion, ScanAnswer(state, ("Test",)))
        with FilterChain(settings, checks=[VirusCheck()], lookups=[scanner]) as chain:
            found = chain.check(b"\n", envelope)
        first = Action.ACCEPT if state is ScanState.UNAVAILABLE else Action.QUARANTINE
        assert [one.carried for one in found.recipients] == [first, Action.QUARANTINE]


@given(st.floats(-5, 20), st.lists(st.sampled_from(PEOPLE), max_size=5), st.randoms(), st.sampled_from(sorted(CHAINS)))
def test_any_order_of_recipients_gives_the_same(points: float, recipients: list[str], random: Any, mode: str) -> None:
    one = verdict(points, *recipients, mode=mode)
    random.shuffle(recipients)
    other = verdict(points, *recipients, mode=mode)
    assert sorted(one.recipients) == sorted(other.recipients)
    assert (one.action, one.reason, one.required, one.smtp_reply) == (
        other.action,
        other.reason,
        other.required,
        other.smtp_reply,
    )


@given(st.floats(-5, 20), st.floats(0, 10), st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4))
def test_more_points_are_never_milder_for_anyone(points: float, more: float, recipients: list[str]) -> None:
    low, high = verdict(points, *recipients), verdict(points + more, *recipients)
    assert high.action.severity >= low.action.severity
    for before, after in zip(low.recipients, high.recipients, strict=True):
        assert after.action.severity >= before.action.severity
    assert low.action is min((one.action for one in low.recipients), key=lambda action: action.severity)


@given(actions, reasons, actions, st.sampled_from(["split", "mildest"]))
def test_one_reply_never_hides_a_refusal(action: Action, reason: Reason, common: Action, mode: str) -> None:
    """What is taken is delivered, held or buried; a copy is never delivered against more than its score's word."""
    if common.severity > action.severity:
        return
    done = carried(action, reason, common, mode)
    refusals = (Action.GREYLIST, Action.BOUNCE)
    assert (done in refusals) == (common in refusals)
    if common not in refusals and reason is not Reason.SCORE:
        assert done is (Action.QUARANTINE if action in refusals else action)
    if action is common:
        assert done is common


@given(st.lists(st.tuples(st.floats(-5, 20), st.lists(st.sampled_from(PEOPLE), max_size=3)), max_size=12))
def test_stored_rows_are_decided_as_the_chain_decides_mails(rows: list[tuple[float, list[str]]]) -> None:
    chain = CHAINS["split"]
    mails = [(mail(points), Envelope(rcpt_to=recipients)) for points, recipients in rows]
    if not mails:
        return
    batch = chain.evaluate(next(chain.batches(mails)))
    envelopes = [envelope for _, envelope in mails]
    decided = decide_table(batch.points, batch.hits, chain.policies, chain.rules, envelopes)
    assert decided.actions.tolist() == batch.decisions.actions.tolist()
    assert [ACTIONS[n] for n in decided.actions] == [found.action for found in chain.check_many(mails)]


def test_each_copy_is_held_or_buried_for_those_whose_it_is(tmp_path: Path) -> None:
    kept = config(quarantine={"path": str(tmp_path / "q.db")})
    envelope = Envelope(mail_from="a@example.net", rcpt_to=PEOPLE)
    with FilterChain(kept, checks=[Points()]) as chain:
        done = chain.act(mail(14), envelope, chain.check(mail(14), envelope))
        assert chain.quarantine is not None
        held = {entry.state: tuple(entry.envelope.rcpt_to) for entry in chain.quarantine.entries()}
        assert held == {"deleted": (PEOPLE[1],), "held": (PEOPLE[0], PEOPLE[3], PEOPLE[4])}
        assert chain.quarantine.get(done.receipt) == mail(14)
        refused = chain.check(mail(14), Envelope(rcpt_to=PEOPLE[:1]))
        assert chain.act(mail(14), Envelope(rcpt_to=PEOPLE[:1]), refused) == refused


def test_a_store_that_fails_refuses_to_all(tmp_path: Path) -> None:
    class Full:
        def hold(self, *_: object) -> str:
            raise StoreError("full")

        def close(self) -> None:
            pass

    envelope = Envelope(rcpt_to=[PEOPLE[0], PEOPLE[2]])
    with FilterChain(Config.from_mapping({"policy": {"rules": RULES[:1]}}), checks=[Points()]) as chain:
        chain.quarantine = Full()  # type: ignore[assignment]
        done = chain.act(mail(3), envelope, chain.check(mail(3), envelope))
    assert (done.action, done.reason) == (Action.GREYLIST, Reason.NOT_STORED)
    assert [reply.code for reply in done.lmtp_replies] == [451, 451]


def test_a_dry_run_accepts_keeps_nothing_and_says_what_would_have_been(tmp_path: Path, caplog: Any) -> None:
    table = {"policy": {"dry_run": True, "delete": 30}, "quarantine": {"path": str(tmp_path / "q.db")}}
    with FilterChain(Config.from_mapping(table), checks=[Points()]) as chain, caplog.at_level("INFO", "mailfilter"):
        found = chain.check(mail(14), CLIENT)
        assert chain.act(mail(14), CLIENT, found) == found
        assert chain.quarantine is not None
        assert list(chain.quarantine.entries()) == []
    assert (found.action, found.intended, found.smtp_reply.code) == (Action.ACCEPT, Action.BOUNCE, 250)
    assert ("X-Mailfilter-Dry-Run", "would bounce (MF-SPAM)") in found.headers
    assert ("X-Mailfilter-Action", "accept") in found.headers
    assert {one.carried for one in found.recipients} == {Action.ACCEPT}
    assert "would get bounce (SCORE)" in caplog.text


@pytest.mark.parametrize(
    "policy",
    [{"delete": 20}, {"rules": [{"recipients": ["x@example.org"], "virus": {"on_infected": "delete"}}]}],
)
def test_deleting_without_a_place_for_tombstones_is_refused_at_construction(policy: dict[str, Any]) -> None:
    from mailfilter import SettingError

    with pytest.raises(SettingError, match='"delete" leaves a tombstone in the quarantine'):
        FilterChain(Config.from_mapping({"policy": policy}), checks=[])

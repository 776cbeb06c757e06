"""What becomes of a verdict with one reply for all and with one for each, whatever the next server does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter import Config, Envelope, FilterChain
from mailfilter.decision import Action, Reason
from mailfilter.mta.disposal import Disposal, Handed
from mailfilter.mta.hop import Delivery, Spare
from mailfilter.mta.wire import Said
from mailfilter.policy.copies import Outcome, carried
from mailfilter.verdict import Verdict

RAW = b"Subject: lunch\r\n\r\nSoup.\r\n"
PEOPLE = tuple(f"{name}@here.test" for name in ("ann", "bob", "carl"))
GONE, LATER = Said(550, "5.1.1"), Said(450, "4.2.1")


class Hop:
    """Refuses some at RCPT and some after DATA; ``got`` are those who have the mail."""

    def __init__(self, early: Mapping[str, Said], late: Mapping[str, Said]) -> None:
        self.early, self.late = early, late
        self.got: set[str] = set()

    async def __call__(self, envelope: Envelope, raw: bytes, spare: Spare, utf8: bool = False) -> Delivery:
        refused = {to: self.early[to] for to in envelope.rcpt_to if to in self.early}
        left = [to for to in envelope.rcpt_to if to not in refused]
        if not left or (refused and not await spare(refused)):
            return Delivery((), {to: refused.get(to, LATER) for to in envelope.rcpt_to})
        late = {to: self.late[to] for to in left if to in self.late}
        taken = tuple(to for to in left if to not in late)
        self.got |= set(taken)
        return Delivery(taken, {**refused, **late}, tuple(late) if taken else ())


def a_verdict(wanted: Mapping[str, Action], reason: Reason = Reason.SCORE) -> Verdict:
    common = min(wanted.values(), key=lambda action: action.severity)
    each = tuple(Outcome(to, own, reason, carried(own, reason, common, "split")) for to, own in wanted.items())
    return Verdict(common, reason, 1.0, None, (), (), 5.0, "0" * 64, recipients=each)


def handed(chain: FilterChain, hop: Hop, verdict: Verdict, *, lmtp: bool = False, tag_held: bool = False) -> Handed:
    to = tuple(one.recipient for one in verdict.recipients)
    envelope = Envelope(client_ip="192.0.2.1", mail_from="a@b.test", rcpt_to=to)
    return asyncio.run(Disposal(chain, hop, tag_held=tag_held)(RAW, envelope, verdict, lmtp=lmtp))


some = st.dictionaries(st.sampled_from(PEOPLE), st.sampled_from([GONE, LATER]))


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(PEOPLE), st.sampled_from(Action), min_size=1),
    some, some, st.booleans(), st.booleans(),
)  # fmt: skip
def test_no_copy_disappears(
    wanted: dict[str, Action], early: dict[str, Said], late: dict[str, Said], lmtp: bool, full: bool
) -> None:
    """Of every recipient whose copy we answered for with 250, the mail is delivered, held, or buried by policy."""
    quota = 0.00001 if full else 0
    config = Config.from_mapping({"quarantine": {"path": ":memory:", "blobs": "memory://", "quota": quota}})
    with FilterChain(config, checks=()) as chain:
        hop = Hop(early, late)
        done = handed(chain, hop, a_verdict(wanted), lmtp=lmtp)
        assert chain.quarantine is not None
        entries = [(to, str(held.state)) for held in chain.quarantine.entries() for to in held.envelope.rcpt_to]
    kept = {to for to, state in entries if state == "held"}
    buried = {to for to, state in entries if state == "deleted"}
    assert not full or not kept
    assert len(entries) == len(set(entries)), "nothing is held twice"
    replies = done.replies if lmtp else done.replies * len(wanted)
    for (to, action), reply in zip(wanted.items(), replies, strict=True):
        if reply.code == 250:
            assert to in hop.got | kept | buried
            assert to not in buried or action is Action.DELETE
    if not lmtp and done.replies[0].code != 250 and not late:
        assert not hop.got, "with one reply nobody has what the sender keeps"


@pytest.mark.parametrize(
    ("wanted", "reason", "lmtp", "codes", "got"),
    [
        ((Action.QUARANTINE,), Reason.SCORE, False, (250,), ("ann",)),
        ((Action.QUARANTINE,), Reason.MALWARE, False, (554,), ()),
        ((Action.QUARANTINE, Action.ACCEPT), Reason.MALWARE, False, (554,), ()),
        ((Action.QUARANTINE, Action.ACCEPT), Reason.MALWARE, True, (554, 250), ("bob",)),
        ((Action.QUARANTINE, Action.BOUNCE), Reason.SCORE, True, (250, 550), ("ann",)),
    ],
)
def test_without_a_quarantine_spam_is_passed_on_marked_and_nothing_else(
    wanted: tuple[Action, ...], reason: Reason, lmtp: bool, codes: tuple[int, ...], got: tuple[str, ...]
) -> None:
    with FilterChain(checks=(), stateless=True) as chain:
        hop = Hop({}, {})
        done = handed(chain, hop, a_verdict(dict(zip(PEOPLE, wanted, strict=False)), reason), lmtp=lmtp, tag_held=True)
    assert tuple(reply.code for reply in done.replies) == codes
    assert hop.got == {f"{name}@here.test" for name in got}
    assert "held" not in str(done.replies[0])


def test_a_next_server_that_raises() -> None:
    async def broken(*args: Any) -> Delivery:
        raise RuntimeError("a password")

    with FilterChain(checks=(), stateless=True) as chain:
        done = handed(chain, broken, a_verdict({"ann@here.test": Action.ACCEPT}))  # type: ignore[arg-type]
    assert str(done.replies[0]).startswith("451 4.4.2 This mail cannot be handed on now")

"""Law: whatever one list says of a mail, alone it does not reach quarantine."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import Config
from mailfilter.checks import Mail
from mailfilter.checks.dnsbl import DnsblCheck, configured
from mailfilter.dnslists import chosen_lists, shipped_lists
from mailfilter.envelope import Envelope
from mailfilter.lookups import DnsAnswer, DnsQuestion
from mailfilter.message import Message
from mailfilter.scoring import SCALE, Hits, Weights, contributions, merge, sums
from mailfilter.sections import PolicySection
from mailfilter.symbols import Catalogue

from .lists import NOTHING, found

LIMIT = PolicySection().quarantine
KEYS = {entry.key_env: "k.example" if entry.zone == "{key}" else "key" for entry in shipped_lists().values()}
EVERY_PLACE = b"""Received: from a.hop.test (a.hop.test [12.0.0.9]) by b.test; Mon, 1 Jan 2024 00:00:00 +0000
DKIM-Signature: v=1; d=signer.test
From: joe@from.test
Reply-To: jane@reply.test

http://13.0.0.1/ https://one.test/aaa https://two.test/bbb x@body.test
"""
SENT = Envelope(client_ip="11.22.33.44", client_name="h.rdns.test", helo="helo.test", mail_from="m@mail.test")


def points(check: DnsblCheck, answers: Callable[[str], DnsAnswer]) -> float:
    """What a mail with something in every place is worth, as the chain adds it up."""
    dialogue = check.ask(Mail(Message(EVERY_PLACE), SENT))
    questions = next(dialogue)
    assert all(isinstance(question, DnsQuestion) for question in questions)
    with pytest.raises(StopIteration) as stop:
        dialogue.send(tuple(answers(question.name) for question in questions))  # type: ignore[union-attr]
    weights = Weights.from_catalogue(Catalogue(check.symbols), {}, "test", {})
    rows = [merge(stop.value.value, weights)]
    hits = Hits.from_rows(rows, weights)
    return int(sums(hits, contributions(hits, weights.thousandths))[0]) / SCALE


def everything_of(zone: str) -> tuple[str, ...]:
    """One address of each code that the lists of a zone declare, or the sum of all bits."""
    lists = [entry for entry in shipped_lists().values() if entry.zone == zone]
    codes = {".".join(str(low) for low, _ in pattern.bounds) for entry in lists for pattern, _ in entry.codes}
    bits = sum({bit for entry in lists for bit, _ in entry.bits})
    return (*sorted(codes), *((f"127.0.0.{bits}",) if bits else ()))


@pytest.mark.parametrize("zone", sorted({entry.zone for entry in shipped_lists().values()} - {"{key}"}))
def test_one_list_says_all_it_can_and_does_not_reach_quarantine(zone: str) -> None:
    """Every code at once, about everything in the mail, in every list of the zone."""
    lists = chosen_lists([entry.name for entry in shipped_lists().values() if entry.zone == zone], environment=KEYS)
    worst = points(DnsblCheck(lists), lambda name: found(*everything_of(zone)))
    assert LIMIT is not None
    assert -LIMIT < worst < LIMIT


@given(st.sampled_from(sorted(shipped_lists())), st.lists(st.integers(0, 255), min_size=1, max_size=8), st.data())
def test_no_answers_of_one_list_reach_quarantine(name: str, octets: list[int], data: st.DataObject) -> None:
    lists = chosen_lists([name], environment=KEYS)
    third = data.draw(st.sampled_from((0, 0, 1, 2, 3)))
    answers = [NOTHING, *(found(f"127.0.{third}.{octet}") for octet in octets)]
    assert LIMIT is not None
    assert points(DnsblCheck(lists), lambda asked: data.draw(st.sampled_from(answers))) < LIMIT


def test_a_list_that_is_trusted_may_decide_and_two_lists_may() -> None:
    codes = {f"127.0.0.{n}": {"symbol": f"DNSBL_O{n}", "points": 4, "description": "Listed."} for n in (2, 3)}
    table = {"name": "own", "zone": "own.test", "codes": codes}
    (own,), (trusted,) = (chosen_lists((), [{**table, **more}]) for more in ({}, {"trusted": True}))
    both = lambda name: found("127.0.0.2", "127.0.0.3")  # noqa: E731
    assert points(DnsblCheck([own]), both) == 5.0
    assert points(DnsblCheck([own], most=2.0), both) == 2.0
    assert points(DnsblCheck([trusted]), both) == 8.0
    (other,) = chosen_lists((), [{**table, "name": "other", "zone": "other.test", "codes": {
        "127.0.0.2": {"symbol": "DNSBL_OTHER", "points": 4, "description": "Listed."}}}])  # fmt: skip
    assert points(DnsblCheck([own, other]), lambda name: found("127.0.0.2")) == 8.0


def test_the_cap_follows_a_lower_limit() -> None:
    dns = {"lists": ["spamhaus-zen"]}
    for limit, most in ((6.0, 5.0), (2.0, 1.8), ("never", 5.0)):
        policy = {"greylist": "never", "quarantine": limit, "bounce": "never"}
        assert configured(Config.from_mapping({"dns": dns, "policy": policy})).most == pytest.approx(most)

"""Counters: limits by account, client and domain; new recipients, bounces; events; a dead store stops nobody."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailfilter import Config, Envelope, FilterChain, SettingError
from mailfilter.counters import Counters, Limit, LimitPassed
from mailfilter.decision import Reason
from mailfilter.testing.clock import FakeClock
from tests.test_chain import Points

SENT = Envelope(
    client_ip="203.0.113.9",
    mail_from="ada@example.org",
    rcpt_to=["b@example.net"],
    auth_user="Ada",
    direction="outbound",
)
CAME = Envelope(client_ip="203.0.113.9", mail_from="b@example.net", rcpt_to=["ada@example.org"])
MAIL = b"Subject: 0\n\n"


def counters(*limits: Limit, **given: Any) -> tuple[Counters, FakeClock]:
    clock = FakeClock(1_000_000.0)
    return Counters(limits, clock=clock, **given), clock


def passed(found: Counters, *envelopes: Envelope) -> list[str]:
    """The symbol of each mail, "" where it passes no limit."""
    return ["".join(symbol.name for symbol in symbols) for symbols in found.count(envelopes)]


def test_messages_of_an_account() -> None:
    found, clock = counters(Limit(number=2, per=3600))
    assert passed(found, SENT, SENT, SENT, replace(SENT, auth_user="ben")) == ["", "", "RATE_TEMPFAIL", ""]
    assert passed(found, replace(SENT, auth_user=None), CAME) == ["", ""]
    assert passed(found, replace(SENT, auth_user="ada")) == ["RATE_TEMPFAIL"]
    clock.advance(3600 * 13 / 12)
    assert passed(found, SENT) == [""], "what was refused was not counted"


def test_recipients_each_counted_once() -> None:
    found, _ = counters(Limit(what="recipients", number=5, action="hold"))
    three = replace(SENT, rcpt_to=[f"{n}@example.net" for n in range(3)] + ["0@Example.NET"])
    assert passed(found, three, three, SENT) == ["", "RATE_HOLD", ""]


def test_clients_by_network_and_domains_of_recipients() -> None:
    found, _ = counters(Limit(who="client", number=1, action="bounce"), ipv4_prefix=24)
    near, far = replace(CAME, client_ip="203.0.113.10"), replace(CAME, client_ip="198.51.100.1")
    assert passed(found, CAME, near, far, Envelope()) == ["", "RATE_BOUNCE", "", ""]
    found, _ = counters(Limit(who="recipient_domain", what="recipients", number=2))
    two = replace(CAME, rcpt_to=["a@example.org", "b@example.org", "c@example.com"])
    assert passed(found, two, replace(CAME, rcpt_to=["c@example.com"]), CAME) == ["", "", "RATE_TEMPFAIL"]


def test_a_limit_that_only_tells_goes_on_counting() -> None:
    found, _ = counters(Limit(number=1, action="pass"), Limit(number=3, action="hold"))
    assert passed(found, *[SENT] * 5) == [
        "",
        "RATE_PASSED",
        "RATE_PASSED",
        "RATE_PASSEDRATE_HOLD",
        "RATE_PASSEDRATE_HOLD",
    ]


def test_an_account_that_suddenly_writes_to_strangers() -> None:
    found, _ = counters(Limit(what="new_recipients", number=10, share=0.5, action="hold"))
    friends = replace(SENT, rcpt_to=[f"friend{n}@example.net" for n in range(20)])
    assert passed(found, friends) == ["RATE_HOLD"], "all are strangers at first"
    found.sent(friends)
    assert passed(found, friends, friends) == ["", ""]
    strangers = [replace(SENT, rcpt_to=[f"s{n}-{m}@example.net" for n in range(9)]) for m in range(8)]
    assert passed(found, *strangers) == ["", "", "", "", "RATE_HOLD", "RATE_HOLD", "RATE_HOLD", "RATE_HOLD"]
    assert passed(found, replace(strangers[0], auth_user="ben")) == [""]


def test_an_account_whose_mail_comes_back() -> None:
    found, clock = counters(Limit(what="bounces", number=3, share=0.25, action="tempfail"))
    assert passed(found, *[SENT] * 11) == [""] * 11
    found.bounced("ADA@example.org", 3)
    assert passed(found, SENT) == [""], "three is not more than three"
    found.bounced("ada@example.org")
    assert passed(found, SENT, replace(SENT, mail_from="ben@example.org")) == ["RATE_TEMPFAIL", ""]
    clock.advance(2 * 3600)
    assert passed(found, SENT) == [""]


def test_the_event_is_told_once_in_a_window(caplog: pytest.LogCaptureFixture) -> None:
    events: list[LimitPassed] = []
    found, clock = counters(Limit(number=1, per=60), on_passed=events.append)
    with caplog.at_level(logging.WARNING):
        found.count([SENT] * 5)
    assert [(event.subject, event.total) for event in events] == [("ada", 2)]
    assert str(events[0]) == "account ada: 2 messages in 60 s, more than 1"
    (record,) = caplog.records
    assert (record.event, record.who, record.subject) == ("limit_passed", "account", "ada")  # type: ignore[attr-defined]
    clock.advance(100)
    found.count([SENT] * 5)
    assert len(events) == 2


def test_a_hook_that_fails_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def hook(event: LimitPassed) -> None:
        raise ValueError("on purpose")

    found, _ = counters(Limit(number=0), on_passed=hook)
    assert passed(found, SENT) == ["RATE_TEMPFAIL"]
    assert "hook" in caplog.text


def test_a_store_that_fails_stops_nobody() -> None:
    found, _ = counters(Limit(number=0), Limit(what="new_recipients"), Limit(what="bounces"))
    found.close()
    assert passed(found, SENT, SENT) == ["", ""]
    found.sent(SENT)
    found.bounced("ada@example.org")


@pytest.mark.parametrize(
    ("action", "decided", "reply"),
    [("pass", "accept", 250), ("tempfail", "greylist", 451), ("hold", "quarantine", 250), ("bounce", "bounce", 550)],
)
def test_what_the_chain_does_with_a_mail_beyond_a_limit(action: str, decided: str, reply: int) -> None:
    table = {"counters": {"limits": [{"number": 1, "action": action}]}}
    with FilterChain(Config.from_mapping(table), checks=[Points()], lookups=[]) as chain:
        first, second = chain.check_many([(MAIL, SENT), (MAIL, SENT)])
        assert (first.action, second.action, second.smtp_reply.code) == ("accept", decided, reply)
        said = "".join(symbol.evidence for symbol in second.symbols if symbol.group == "rate")
        assert said == "account ada: 2 messages in 3600 s, more than 1"
        if action in ("tempfail", "bounce"):
            assert second.reason is Reason.OVER_LIMIT
            assert "MF-LIMIT" in str(second.smtp_reply)


def test_a_mail_is_counted_once_and_never_where_nothing_may_change(tmp_path: Path) -> None:
    store = str(tmp_path / "counters.db")
    config = Config.from_mapping({"counters": {"store": store, "limits": [{"number": 2, "action": "bounce"}]}})
    with FilterChain(config, checks=[Points()], lookups=[], stateless=True) as trial:
        assert {verdict.action for verdict in trial.check_many([(MAIL, SENT)] * 9)} == {"accept"}
        assert trial.counters is None
    with FilterChain(config, checks=[Points()], lookups=[]) as chain:
        for _ in range(9):
            chain.evaluate(next(chain.batches([(MAIL, SENT)])))
        actions = []
        for _ in range(3):
            verdict = chain.check(MAIL, SENT)
            chain.act(MAIL, SENT, verdict)
            actions.append(verdict.action)
    assert actions == ["accept", "accept", "bounce"]


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"who": "user"}, r'counters\.limits\[1\]\.who: one of "account", "sender"'),
        ({"per": 1}, r"counters\.limits\[1\]\.per: a whole number from 12"),
        ({"what": "bounces", "who": "client"}, r'limits\[1\]\.what: "bounces" can be counted of an account'),
        ({"share": 0.5}, r'limits\[1\]\.share: only "new_recipients" and "bounces" have a share'),
        ({"limit": 5}, r"counters\.limits\[1\]\.limit: unknown setting"),
    ],
)
def test_faults_in_limits_are_named(table: dict[str, Any], fault: str) -> None:
    with pytest.raises(SettingError, match=fault):
        Config.from_mapping({"counters": {"limits": [table]}})

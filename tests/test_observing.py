"""What is told to those who watch: events without text, counters, alarms, and what `mailfilter stats` makes of them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter import Config, Envelope, FilterChain
from mailfilter.alarms import alarms, muted
from mailfilter.cli import main
from mailfilter.errors import StoreError
from mailfilter.observing import events, log_event, log_to, mail_event
from mailfilter.statistics import Summary, Times, summarised

SECRET = b"From: Ada <ada@secret.test>\r\nSubject: SECRET PLANS\r\n\r\nsecret http://secret.test/secret\r\n"
TO = Envelope(client_ip="198.51.100.9", helo="secret.test", mail_from="ada@secret.test", rcpt_to=["bob@secret.test"])


def an_event(**changed: Any) -> dict[str, Any]:
    with FilterChain(stateless=True) as chain:
        verdict = chain.check(SECRET, TO)
    return {**mail_event(verdict, TO, len(SECRET), {"check": 0.002}, [verdict.smtp_reply], {"delivered": 1}), **changed}


def test_an_event_is_flat_and_tells_nothing_that_the_mail_says() -> None:
    event = an_event()
    text = json.dumps(event)
    assert json.loads(text) == event
    assert "secret" not in text.lower().replace("mailfilter", "")
    assert sum(event["symbols"].values()) == pytest.approx(event["score"])
    assert event["recipients"] == {"delivered": 1}


def test_the_log_has_a_line_of_json_a_mail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = events.level
    handler = log_to(str(tmp_path / "events"))
    try:
        log_event({"event": "mail", "odd": "line\nend"})
        log_event({"event": "mail"})
    finally:
        events.removeHandler(handler)
        events.setLevel(before)
        handler.close()
    lines = (tmp_path / "events").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["mail", "mail"]


def test_nothing_is_put_together_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "level", logging.WARNING)
    events.manager._clear_cache()  # type: ignore[attr-defined]
    log_event({"event": object()})  # would fail if it were written
    monkeypatch.undo()
    events.manager._clear_cache()  # type: ignore[attr-defined]


def test_counters_for_prometheus() -> None:
    pytest.importorskip("prometheus_client", reason="pip install 'mailfilter[metrics]'")
    from prometheus_client import CollectorRegistry, generate_latest

    from mailfilter.metrics import Metrics

    registry = CollectorRegistry()
    metrics = Metrics(registry)
    event = an_event()
    metrics.observe(event)
    metrics.observe({**event, "settled_by": "not_stored", "action": "greylist", "reason": "MF-STORE"})
    metrics.observe({"event": "refused", "time": 1.0, "reply": "550 5.5.2 Refused"})
    metrics.observe({"event": "something else"})
    told = generate_latest(registry).decode()
    name = next(iter(event["symbols"]))
    for line in (
        f'mailfilter_mails_total{{action="{event["action"]}",direction="inbound",reason="{event["reason"]}"}} 1.0',
        f'mailfilter_symbols_total{{symbol="{name}"}} 2.0',
        'mailfilter_recipients_total{outcome="delivered"} 2.0',
        'mailfilter_replies_total{code="550"} 1.0',
        "mailfilter_refused_unread_total 1.0",
        "mailfilter_store_failures_total 1.0",
        "mailfilter_score_points_count 2.0",
        'mailfilter_stage_seconds_count{stage="check"} 2.0',
    ):
        assert line in told.splitlines()


class _Dead:
    """A store that does not answer."""

    def get(self, keys: object, now: float) -> object:
        raise StoreError("it is gone")

    def close(self) -> None:
        """Nothing to close."""


def test_alarms(tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    policy = {"greylist": -99, "quarantine": -99, "bounce": "never"}
    settings = {"quarantine": {"path": str(tmp_path / "q.db"), "quota": 0.01, "alarm": 1}, "policy": policy}
    with FilterChain(Config.from_mapping(settings)) as chain:
        assert alarms(chain) == ()
        assert chain.quarantine is not None
        assert chain.greylist is not None
        chain.quarantine.clock = lambda: now[0]
        raw = SECRET + b"x" * 10_000
        receipt = chain.act(raw, TO, chain.check(raw, TO)).receipt
        assert [alarm.kind for alarm in alarms(chain)] == ["quarantine_full"]
        now[0] += 2 * 86_400
        assert [alarm.kind for alarm in alarms(chain)] == ["quarantine_unseen", "quarantine_full"]
        chain.quarantine.blobs.remove(receipt)
        chain.quarantine.verify(grace=0)
        chain.greylist.store.close()
        chain.greylist.store = _Dead()  # type: ignore[assignment]
        found = alarms(chain)
        assert [alarm.kind for alarm in found][:3] == ["store_failed", "quarantine_unseen", "quarantine_faulty"]
        assert "it is gone" in found[0].text


def test_a_list_that_is_not_believed_is_an_alarm() -> None:
    codes = {"127.0.0.2": {"symbol": "SOME_HOST", "points": 1.0, "description": "Listed."}}
    custom = [{"name": "some_hosts", "zone": "bl.some.test", "codes": codes}]
    settings = {"dns": {"resolvers": ["127.0.0.1:9"], "custom": custom}}
    with FilterChain(Config.from_mapping(settings), stateless=True) as chain:
        assert muted(chain) == {}
        (book,) = (lookup.book for lookup in chain.lookups.values() if hasattr(lookup, "book"))
        book.zones["bl.some.test"].known.muted = "it lists everyone"
        assert list(muted(chain).values()) == ["it lists everyone"]
        assert [alarm.kind for alarm in alarms(chain)] == ["list_muted"]


# ------------------------------------------------------------------------------------------------------------ summaries
EVENT = an_event()


def test_a_file_of_events_summed_up() -> None:
    lines = [json.dumps({**EVENT, "time": when}) for when in (5.0, 7.0, 6.0)]
    lines += [
        json.dumps({"event": "refused", "time": 9.0, "reply": "550 5.5.2 x"}),
        "",
        "no json",
        "[]",
        '{"event": 1}',
    ]
    summary = summarised(lines)
    assert (summary.mails, summary.refused_unread, summary.unread) == (3, 1, 3)
    assert (summary.first, summary.last) == (5.0, 7.0)
    assert summary.actions == {EVENT["action"]: 3}
    assert summary.replies == {EVENT["replies"][0]: 3, "550 5.5.2": 1}
    assert summary.seconds()["check"] == {"p50": 0.002, "p99": 0.002}
    assert summarised(lines, since=6.0).mails == 2


plain = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(EVENT)), plain, max_size=3))
def test_an_event_of_any_shape_is_counted_once_or_unread(changed: dict[str, Any]) -> None:
    summary = Summary()
    summary.add({**EVENT, **changed})
    assert summary.mails + summary.unread + summary.refused_unread == 1
    assert sum(summary.actions.values()) == summary.mails
    json.dumps(summary.to_dict())


def test_quantiles_of_more_times_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailfilter.statistics._MOST_TIMES", 100)
    times = Times()
    for number in range(5000):
        times.add(number)
    assert len(times._kept) < 100
    assert times.at(0.5) == pytest.approx(2500, abs=150)
    assert Times().at(0.5) == 0.0


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, file = tmp_path / "settings.toml", tmp_path / "events"
    settings.write_text(
        f'[quarantine]\npath = "{tmp_path}/q.db"\nalarm = 0.01\n[policy]\nquarantine = -9\ngreylist = -9'
    )
    file.write_text(json.dumps(EVENT) + "\n")
    command = ["stats", "--config", str(settings), "--events", str(file)]
    assert main(command) == 0
    assert f"actions           1 {EVENT['action']}" in capsys.readouterr().out
    with FilterChain.from_config(settings) as chain:
        assert chain.quarantine is not None
        chain.quarantine.clock = lambda: 1_000_000.0
        chain.act(SECRET, TO, chain.check(SECRET, TO))
    assert main(command) == 1
    assert "alarm      quarantine: nobody looks: 1 mails unseen" in capsys.readouterr().out
    assert main([*command, "--json", "--since", "1d"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["events"]["mails"], told["quarantine"]["unseen"]) == (1, 1)
    assert [alarm["kind"] for alarm in told["alarms"]] == ["quarantine_unseen"]
    file.write_text("nonsense\n")
    assert main(["stats", "--events", str(file)]) == 1
    assert main(["stats", "--events", str(tmp_path / "none")]) == 2
    assert "none: cannot be read: No such file" in capsys.readouterr().err

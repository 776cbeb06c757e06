"""rescore --from: who changes, from what to what, because of which symbols; as a whole chain would decide."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mailfilter import ArchivedMail, Config, Envelope, FilterChain
from mailfilter.cli import main
from mailfilter.rescoring import compare, load, rescore
from mailfilter.symbols import shipped_catalogue

from .test_rescoring import mails

BASE = {"checks": {"disable": ["content"]}}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    with FilterChain(Config.from_mapping(BASE), stateless=True) as chain:
        rescore(chain, mails(30), tmp_path / "hits.npz")
    return tmp_path / "hits.npz"


SHOUTED = '[checks]\ndisable = ["content"]\n[scores]\nSUBJECT_SHOUTS = 7\n'


def test_a_stored_table_is_decided_as_the_mails_would_be(table: Path) -> None:
    for change in ({"scores": {"SUBJECT_SHOUTS": 7.3}}, {"policy": {"greylist": 1.0}}, {"groups": {"headers": 0.2}}):
        with FilterChain(Config.from_mapping({**BASE, **change}), stateless=True) as chain:
            again = compare(load(table), chain)
            verdicts = list(chain.check_many(item.raw for item in mails(30)))
        assert [verdict.score for verdict in verdicts] == (again.points / 1000).tolist()
        assert [verdict.action.severity for verdict in verdicts] == again.decisions.actions.tolist()


def test_rules_apply_to_stored_rows_as_to_mails(table: Path) -> None:
    """Without envelopes those that are for nobody in particular, with them each row its own."""
    rules = [
        {"recipients": ["strict@example.org"], "greylist": -50, "quarantine": -50, "bounce": -50},
        {"directions": ["outbound"], "greylist": -50, "quarantine": -50},
        {"directions": ["inbound"], "greylist": -50},
    ]
    people = (["strict@example.org"], ["b@example.org"], ["strict@example.org", "b@example.org"], [])
    envelopes = [
        Envelope(rcpt_to=people[n % 4], direction="outbound" if n % 3 else "inbound") for n in range(30)
    ]
    with FilterChain(Config.from_mapping({**BASE, "policy": {"rules": rules}}), stateless=True) as chain:
        bare = compare(load(table), chain).decisions.actions.tolist()
        own = compare(load(table), chain, envelopes).decisions.actions.tolist()
        verdicts = list(chain.check_many((item.raw, sent) for item, sent in zip(mails(30), envelopes, strict=True)))
    assert [verdict.action.severity for verdict in verdicts] == own
    assert set(bare) == {1}
    assert set(own) == {1, 2, 3}


def test_a_sender_who_was_proved_stays_allowed_in_the_table(tmp_path: Path) -> None:
    """What the lists said is in the table, so the order of authority holds when it is decided anew."""
    deny = {"senders": {"deny": [{"senders": ["example.net"]}]}}
    raw = [ArchivedMail("a", b"From: a@example.net\n\n"), ArchivedMail("b", b"From: a@example.com\n\n")]
    with FilterChain(Config.from_mapping({**BASE, **deny}), stateless=True) as chain:
        rescore(chain, raw, tmp_path / "hits.npz")
    held = {"senders": {"on_denied": "hold"}, "policy": {"greylist": -50}}
    with FilterChain(Config.from_mapping({**BASE, **held}), stateless=True) as chain:
        assert compare(load(tmp_path / "hits.npz"), chain).decisions.actions.tolist() == [2, 1]


def test_what_changes_is_printed(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "new.toml").write_text(SHOUTED)
    assert main(["rescore", "--from", str(table), "--config", str(tmp_path / "new.toml"), "--most", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shipped = next(info.points for info in shipped_catalogue() if info.name == "SUBJECT_SHOUTS")
    assert f"SUBJECT_SHOUTS {7 - shipped:+.3f}" in lines[0]
    assert "accept -> quarantine" in lines[0]
    assert lines[2] == "… and 8 more (--most)"
    assert lines[3].split() == ["10", "accept", "->", "quarantine", "(2", "no", "label,", "8", "spam)"]
    assert lines[4] == f"{table}: 30 mails, 10 change"
    assert lines[5] == "labelled: ham lost 0 -> 0 of 16, spam missed 8 -> 0 of 8"


def test_json_says_the_same(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "new.toml").write_text('[checks]\ndisable = ["content"]\n[policy]\ngreylist = 0.1\nquarantine = 0.5\n')
    arguments = ["rescore", "--from", str(table), "--config", str(tmp_path / "new.toml"), "--json", "--most", "3"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mails"] == 30
    assert len(found["changes"]) == 3 < found["changed"]
    assert sum(row["mails"] for row in found["counts"]) == found["changed"]
    assert all(row["limits"] and row["because"] == {} for row in found["changes"])


def test_symbols_that_do_not_fit_are_named(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "less.toml").write_text('[checks]\ndisable = ["content", "headers"]\n')
    assert main(["rescore", "--from", str(table), "--config", str(tmp_path / "less.toml")]) == 1
    assert f"{table}: SUBJECT_SHOUTS (10 hits) is not known to these settings" in capsys.readouterr().err
    with FilterChain(Config.from_mapping({"checks": {"disable": ["content", "headers"]}}), stateless=True) as chain:
        rescore(chain, mails(3), tmp_path / "few.npz")
    (tmp_path / "same.toml").write_text('[checks]\ndisable = ["content"]\n')
    assert main(["rescore", "--from", str(tmp_path / "few.npz"), "--config", str(tmp_path / "same.toml")]) == 1
    assert "symbols of these settings were not looked for: FROM_MISSING, " in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["rescore"], ["rescore", "x"], ["rescore", "x", "--from", "y"], ["rescore", "x", "--out", "hits.txt"]]
)
def test_wrong_options_are_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1

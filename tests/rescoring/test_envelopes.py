"""Envelopes in hit tables: kept, read, and used by rules for recipients when a table is weighed anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import Config, Envelope, FilterChain
from mailfilter.archives import ArchivedMail
from mailfilter.cli import main
from mailfilter.errors import StoreError
from mailfilter.message import Message
from mailfilter.rescoring import compare, load, rescore
from mailfilter.rescoring.envelopes import noted, plain, read

from .test_rescoring import edited

PLAIN = Config.from_mapping({"checks": {"disable": ["content"]}})
STERN = Config.from_mapping(
    {
        "checks": {"disable": ["content"]},
        "policy": {
            "rules": [
                {"recipients": ["anna@example.net"], "greylist": 0.001, "quarantine": 0.002, "bounce": 0.003},
                {"directions": ["outbound"], "greylist": "never", "quarantine": "never", "bounce": "never"},
            ]
        },
    }
)
RAW = b"Subject: BUY CHEAP PILLS\n\nnow\n"
ENVELOPES = [
    None,
    Envelope(rcpt_to=["anna@example.net"]),
    Envelope(rcpt_to=["Anna@example.net", "bert@example.net"], mail_from="", client_ip="192.0.2.1", helo="h"),
    Envelope(rcpt_to=["bert@example.net"], direction="outbound"),
]


def mails() -> list[ArchivedMail]:
    return [
        ArchivedMail(f"m{number}", b"X: %d\n%b" % (number, RAW), "spam", envelope=envelope)
        for number, envelope in enumerate(ENVELOPES)
    ]


def write(out: Path) -> Path:
    with FilterChain(PLAIN, stateless=True) as chain:
        rescore(chain, mails(), out)
    return out


@pytest.mark.parametrize("name", ["hits.npz", "hits.parquet"])
def test_envelopes_are_kept_and_rules_for_recipients_use_them(tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    table = load(write(tmp_path / name))
    assert table.envelopes() == [one or Envelope() for one in ENVELOPES]
    with FilterChain(STERN, stateless=True) as chain:
        changed = {change.path: change.after for change in compare(table, chain).listed()}
        given = compare(table, chain, [Envelope(rcpt_to=["anna@example.net"])] * 4)
    assert changed == {"m1": "bounce"}  # of a mail to several the mildest counts
    assert len(given.flips) == 4


def test_what_a_chain_says_is_what_the_table_says(tmp_path: Path) -> None:
    table = load(write(tmp_path / "hits.npz"))
    with FilterChain(STERN, stateless=True) as chain:
        again = compare(table, chain).decisions.actions.tolist()
        said = [chain.check(mail.raw, mail.envelope).action.severity for mail in mails()]
    assert again == said


def test_a_table_of_format_2_is_read_on_and_said_to_know_no_envelopes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = edited(write(tmp_path / "hits.npz"), format=2)
    with np.load(old) as stored:
        arrays = {name: stored[name] for name in stored.files if not name.startswith("envelope")}
    np.savez(old, **arrays)
    assert load(old).envelopes() is None
    (tmp_path / "stern.toml").write_text('[[policy.rules]]\nrecipients = ["anna@example.net"]\nbounce = 7\n')
    main(["rescore", "--from", str(old), "--config", str(tmp_path / "stern.toml")])
    assert f"{old}: no envelopes are known in it (it is of format 2): rules for" in capsys.readouterr().err


def test_a_damaged_envelope_is_one_line(tmp_path: Path) -> None:
    whole = write(tmp_path / "hits.npz")
    with np.load(whole) as stored:
        text = stored["envelope"].tobytes()
    for wrong in (b"rcpt_tO", b"recipie"):
        blob = np.frombuffer(text.replace(b"rcpt_to", wrong), np.uint8)
        table = load(edited(whole, envelope=blob))
        with FilterChain(STERN, stateless=True) as chain, pytest.raises(StoreError, match="the hit table is damaged"):
            compare(table, chain)


def test_a_run_with_other_envelopes_is_not_resumed(tmp_path: Path) -> None:
    def dying() -> object:
        yield from mails()
        raise OSError(28, "No space left on device")

    out = tmp_path / "hits.npz"
    with FilterChain(PLAIN, stateless=True) as chain:
        from mailfilter.rescoring import rows

        before, rows.PIECE = rows.PIECE, 2
        try:
            with pytest.raises(StoreError, match="2 pieces of it are kept"):
                rescore(chain, dying(), out)  # type: ignore[arg-type]
            other = [ArchivedMail(mail.path, mail.raw, mail.label) for mail in mails()]
            with pytest.raises(StoreError, match="is not the one that the unfinished run began with"):
                rescore(chain, other, out, resume=True)
            rescore(chain, mails(), out, resume=True)
        finally:
            rows.PIECE = before
    assert load(out).envelopes() == [one or Envelope() for one in ENVELOPES]


NOTED = (
    b"Return-Path: <a@example.org>\nX-Original-To: anna@example.net\nDelivered-To: vmail@host.example.net\n"
    b"Received: from x\nDelivered-To: forged@example.net\nSubject: x\n\nx\n"
)


def test_what_the_delivering_host_noted() -> None:
    assert noted(Message(NOTED)) == Envelope(mail_from="a@example.org", rcpt_to=["anna@example.net"])
    assert noted(Message(b"Return-Path: <>\nEnvelope-To: a@b.c, d@e.f\n\n")) == Envelope(
        mail_from="", rcpt_to=["a@b.c", "d@e.f"]
    )
    assert noted(Message(b"Received: by x\nDelivered-To: forged@example.net\n\n")) is None
    both = Envelope(rcpt_to=["b@example.net"], client_ip="192.0.2.1")
    assert noted(Message(b"Return-Path: <x@y.z>\n\n"), both) == Envelope(
        rcpt_to=["b@example.net"], client_ip="192.0.2.1", mail_from="x@y.z"
    )


def test_options_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "1.eml").write_bytes(NOTED)
    (tmp_path / "mail" / "2.eml").write_bytes(RAW)
    out = str(tmp_path / "hits.npz")
    common = ["rescore", str(tmp_path / "mail"), "--out", out, "--label", "ham"]
    assert main([*common, "--noted", "--rcpt-to", "bert@example.net"]) == 0
    table = load(out)
    assert [list(one.rcpt_to) for one in table.envelopes() or ()] == [["anna@example.net"], ["bert@example.net"]]
    assert table.columns["label"].tolist() == [0, 0]
    assert main(["rescore", "--from", out, "--rcpt-to", "a@b.c"]) == 2
    assert "give it none" in capsys.readouterr().err


@given(
    st.builds(
        Envelope,
        client_ip=st.none() | st.ip_addresses().map(str),
        helo=st.none() | st.text(),
        mail_from=st.none() | st.text(),
        rcpt_to=st.lists(st.text(), max_size=3),
        client_name=st.none() | st.text(),
        auth_user=st.none() | st.text(),
        direction=st.sampled_from(["inbound", "outbound", "internal"]),
    )
)
def test_any_envelope_comes_back(envelope: Envelope) -> None:
    kept = plain(envelope)
    assert read([kept, kept], [-1, 5]) == [envelope, *read([kept], [5])]
    assert not kept or json.loads(kept)

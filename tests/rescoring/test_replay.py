"""Record and replay: an archive is judged by the DNS and by the time of its day, and nothing is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import Config, FilterChain
from mailfilter.archives import ArchivedMail
from mailfilter.cli import main
from mailfilter.dnslists.reading import MUTED
from mailfilter.errors import StoreError
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState, ScanAnswer, ScanQuestion, ScanState
from mailfilter.rescoring import Replay, load, rescore
from mailfilter.rescoring.replay import _read, plain
from mailfilter.testing.fake_dns import FakeDns

from ..authentication.signing import record, sign

KEY = record("rsa1024")
ZONE = {"k._domainkey.x.test": {"TXT": [f'"{KEY}"']}, "_dmarc.x.test": {"TXT": ['"v=DMARC1; p=reject"']}}
DAY = b"Received: from a by b; Mon, 2 Nov 2020 10:00:00 +0000\r\n"
EXPIRED_SINCE = 1_700_000_000  # November 2023


def archive(count: int = 3) -> list[ArchivedMail]:
    """Signed mails of 2020, whose signatures have expired since."""
    mails = []
    for number in range(count):
        raw = b"From: Ada <a@x.test>\r\nSubject: %d\r\n\r\nHello\r\n" % number
        raw = DAY + sign(raw, "rsa1024", more=f" t=1000; x={EXPIRED_SINCE};")
        mails.append(ArchivedMail(f"box#{number}", raw, None, number + 1))
    return mails


def settings(address: str) -> dict[str, Any]:
    return {"dns": {"resolvers": [address]}, "checks": {"disable": ["content"]}}


def write(out: Path, address: str, **how: Any) -> list[set[str]]:
    """Write a table; the symbols of each mail."""
    mails = how.pop("mails", archive())
    with FilterChain(Config.from_mapping(settings(address)), stateless=True) as chain:
        rescore(chain, mails, out, **how)
    table = load(out)
    names, hits = table.meta["symbols"], table.hits
    return [{names[n] for n in hits.indices[a:b]} for a, b in zip(hits.indptr, hits.indptr[1:], strict=False)]


def test_an_archive_is_judged_by_the_dns_of_its_day(tmp_path: Path) -> None:
    with FakeDns(ZONE) as server:
        recorded = write(tmp_path / "day.npz", server.address)
        assert all({"DKIM_VALID", "DMARC_PASS"} <= symbols for symbols in recorded)
        server.records.clear()  # the key is gone, and with it the proof
        assert not any("DKIM_VALID" in symbols for symbols in write(tmp_path / "later.npz", server.address))
        asked = len(server.asked)
        replay = Replay(tmp_path / "day.npz")
        assert write(tmp_path / "replayed.npz", server.address, replay=replay) == recorded
        assert write(tmp_path / "two.npz", server.address, replay=replay, jobs=2) == recorded
        assert (len(server.asked), replay.missed) == (asked, 0)
    assert (tmp_path / "replayed.npz").read_bytes() == (tmp_path / "day.npz").read_bytes()
    assert (tmp_path / "two.npz").read_bytes() == (tmp_path / "day.npz").read_bytes()


def test_signatures_expire_by_the_mails_own_time_unless_it_is_now(tmp_path: Path) -> None:
    with FakeDns(ZONE) as server:
        assert all("DKIM_VALID" in symbols for symbols in write(tmp_path / "day.npz", server.address))
        now = write(tmp_path / "now.npz", server.address, clock="now")
    assert all("DKIM_INVALID" in symbols and "DKIM_VALID" not in symbols for symbols in now)


def test_now_is_the_time_of_the_recording_in_a_replay(tmp_path: Path) -> None:
    with FakeDns(ZONE) as server:
        write(tmp_path / "day.npz", server.address)
    backdate(tmp_path / "day.npz", EXPIRED_SINCE - 10)
    replayed = write(tmp_path / "a.npz", "192.0.2.1", replay=Replay(tmp_path / "day.npz"), clock="now")
    assert all("DKIM_VALID" in symbols for symbols in replayed)
    backdate(tmp_path / "day.npz", EXPIRED_SINCE + 86_400)
    replayed = write(tmp_path / "b.npz", "192.0.2.1", replay=Replay(tmp_path / "day.npz"), clock="now")
    assert not any("DKIM_VALID" in symbols for symbols in replayed)


def backdate(path: Path, when: int) -> None:
    change(path, lambda entries: [{**entry, "time": when} for entry in entries])


def change(path: Path, how: Any) -> None:
    """Write the answers of every mail anew."""
    with np.load(path) as stored:
        columns = {name: stored[name] for name in stored.files}
    blob, ends = columns["answer"].tobytes(), columns["answer_end"].tolist()
    said = [json.dumps(how(json.loads(blob[a:b]))).encode() for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    columns["answer"] = np.frombuffer(b"".join(said), np.uint8)
    columns["answer_end"] = np.cumsum([len(one) for one in said])
    np.savez(path, **columns)


def test_a_mail_that_was_not_there_has_no_answers_and_is_counted(tmp_path: Path) -> None:
    with FakeDns(ZONE) as server:
        write(tmp_path / "day.npz", server.address, mails=archive(2))
        asked = len(server.asked)
        replay = Replay(tmp_path / "day.npz")
        symbols = write(tmp_path / "more.npz", server.address, replay=replay)
        assert len(server.asked) == asked
    assert ["DKIM_VALID" in one for one in symbols] == [True, True, False]
    assert "AUTH_UNKNOWN" in symbols[2]
    assert replay.missed == 1


def test_a_run_is_not_resumed_with_other_answers(tmp_path: Path) -> None:
    out = tmp_path / "hits.npz"
    with FakeDns(ZONE) as server, FilterChain(Config.from_mapping(settings(server.address)), stateless=True) as chain:
        rescore(chain, archive(), tmp_path / "day.npz")

        def broken() -> Any:
            yield from archive()
            raise StoreError("ended")

        with pytest.raises(StoreError, match="ended"):
            rescore(chain, broken(), out)
        with pytest.raises(StoreError, match="with other settings"):
            rescore(chain, archive(), out, resume=True, replay=Replay(tmp_path / "day.npz"))


def test_a_table_that_cannot_be_replayed_says_why(tmp_path: Path) -> None:
    with FilterChain(Config.from_mapping({"checks": {"disable": ["content"]}}), stateless=True) as chain:
        rescore(chain, archive(), tmp_path / "silent.npz")
    with pytest.raises(StoreError, match="no answers of lookups were recorded"):
        Replay(tmp_path / "silent.npz")
    with pytest.raises(StoreError, match="not a readable hit table"):
        Replay(tmp_path / "none.npz")
    with FakeDns(ZONE) as server:
        write(tmp_path / "day.npz", server.address)
    odd = {"dns": "x", "type": "A", "state": "odd", "records": [], "ttl": 1}
    for damaged in ([{"dns": "x"}], [7], {"dns": 1}, [odd]):
        change(tmp_path / "day.npz", lambda entries, damaged=damaged: damaged)
        with pytest.raises(StoreError, match=r"the answers about mail .* are damaged"):
            write(tmp_path / "out.npz", "192.0.2.1", replay=Replay(tmp_path / "day.npz"))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mails"
    folder.mkdir()
    for item in archive():
        (folder / f"{item.line}.eml").write_bytes(item.raw)
    config = tmp_path / "mailfilter.toml"
    day, again = tmp_path / "day.npz", tmp_path / "again.npz"
    with FakeDns(ZONE) as server:
        config.write_text(f'[dns]\nresolvers = ["{server.address}"]\n[checks]\ndisable = ["content"]\n')
        assert main(["rescore", str(folder), "--out", str(day), "--config", str(config)]) == 0
    arguments = ["rescore", str(folder), "--out", str(again), "--config", str(config), "--replay", str(day)]
    assert main(arguments) == 0
    assert again.read_bytes() == day.read_bytes()
    (folder / "new.eml").write_bytes(b"Subject: new\n\nnew\n")
    assert main(arguments) == 0
    assert "1 of these mails are not in it" in capsys.readouterr().err
    assert main(["rescore", "--from", str(day), "--replay", str(day)]) == 2
    assert "nor --replay" in capsys.readouterr().err


texts = st.text(max_size=20)
dns = st.tuples(
    st.builds(DnsQuestion, texts, st.sampled_from(["A", "TXT"])),
    st.builds(
        DnsAnswer,
        st.sampled_from(DnsState),
        st.lists(texts).map(tuple),
        st.integers(0, 2**31),
        texts | texts.map(MUTED.__add__),
        texts,
    ),
)
scans = st.tuples(
    st.builds(ScanQuestion, st.binary(max_size=9)),
    st.builds(ScanAnswer, st.sampled_from(ScanState), st.lists(texts).map(tuple), texts),
)


@given(dns | scans)
def test_what_is_kept_is_what_was_said(pair: Any) -> None:
    question, answer = pair
    kept = plain(question, answer, 5.0)
    disabled = answer.state in (DnsState.DISABLED, ScanState.DISABLED)
    assert (kept is None) == (disabled and not answer.detail.startswith(MUTED))
    if kept is not None:
        again = _read(json.loads(json.dumps(kept)))
        assert again[0] == question
        if isinstance(answer, DnsAnswer) and answer.state.known:
            assert again[1] == DnsAnswer(answer.state, answer.records, answer.ttl, "", answer.alias)
        else:
            assert again[1] == answer

"""The doctor: what it says of servers that are right, wrong and dead."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mailfilter import Config, FilterChain
from mailfilter.cli import main
from mailfilter.examination import EICAR, Line, examine
from mailfilter.testing.fake_clamd import FakeClamd, replies, scans
from mailfilter.testing.fake_dns import FakeDns

from .servers import Redis

LISTED = {"symbol": "OWN_LISTED", "points": 3.0, "description": "Listed by our own list."}
RIGHT = {"2.0.0.127.bl.example": {"A": ["127.0.0.2"]}}


def lines(table: dict[str, Any]) -> list[Line]:
    with FilterChain(Config.from_mapping({"engine": {"deadline": 1}, **table}), stateless=True) as chain:
        return list(examine(chain))


def about(subject: str, table: dict[str, Any]) -> list[Line]:
    return [line for line in lines(table) if line.subject == subject]


def dns(address: str) -> dict[str, Any]:
    custom = {"name": "own", "zone": "bl.example", "kind": "ip", "codes": {"127.0.0.2": LISTED}}
    return {"dns": {"resolvers": [address], "custom": [custom]}}


@pytest.fixture
def scanner() -> Iterator[FakeClamd]:
    with FakeClamd(scans({EICAR: "Eicar-Test-Signature"})) as server:
        yield server


def test_nothing_configured_is_said_and_nothing_is_wrong() -> None:
    found = lines({})
    assert not any(line.wrong for line in found)
    assert [line.subject for line in found] == ["mailfilter", "kernel", "settings", "rules", "model", "virus", "dns"]
    assert "every mail is shown as unscanned" in found[5].text


def test_rules_and_lists_of_senders_are_looked_over() -> None:
    senders = {
        "allow": [{"senders": ["a.example", "b.example"], "proof": ["dkim"], "until": date(2020, 1, 31)}],
        "deny": [{"networks": ["192.0.2.0/24"]}],
    }
    table = {"senders": senders, "policy": {"rules": [{"recipients": ["example.org"], "bounce": 20}], "dry_run": True}}
    assert [line.text for line in about("policy", table)] == [
        "1 rules for recipients and directions",
        "dry run: everything is accepted, and only said what would have been done",
    ]
    counted, over, idle = about("senders", table)
    assert counted.text == "1 allow and 1 deny entries"
    assert "allow entry for a.example and 1 more ended on 2020-01-31 and counts for nothing" in over.text
    assert (over.wrong, idle.wrong) == (False, True)
    assert "1 allow entries can never be proved: no resolver is configured" in idle.text


def test_a_scanner_that_is_right(scanner: FakeClamd) -> None:
    clean, eicar = about("virus", {"virus": {"clamd": [scanner.address]}})
    assert not clean.wrong
    assert not eicar.wrong
    assert "infected Eicar-Test-Signature" in eicar.text


def test_a_scanner_that_lets_everything_through_is_wrong() -> None:
    with FakeClamd(replies(b"stream: OK\0")) as server:
        clean, eicar = about("virus", {"virus": {"clamd": [server.address]}})
    assert (clean.wrong, eicar.wrong) == (False, True)
    assert eicar.text.endswith("; infected was expected")


def test_a_dead_scanner_is_wrong(tmp_path: Path) -> None:
    found = about("virus", {"virus": {"clamd": [f"unix:{tmp_path}/nobody.sock"]}})
    assert all(line.wrong and "unavailable" in line.text for line in found)


def test_a_list_that_is_right() -> None:
    with FakeDns(RIGHT) as server:
        assert [line.wrong for line in about("dns", dns(server.address))] == [False, False, False]


@pytest.mark.parametrize(
    ("records", "failures", "said"),
    [
        (
            {"2.0.0.127.bl.example": RIGHT["2.0.0.127.bl.example"], "1.0.0.127.bl.example": {"A": ["127.0.0.2"]}},
            {},
            "listed",
        ),
        ({}, {}, "not listed"),
        (RIGHT, {"bl.example": "refused"}, "refused"),
    ],
)
def test_a_list_that_is_wrong(records: Any, failures: Any, said: str) -> None:
    with FakeDns(records, failures=failures) as server:
        wrong = [line for line in about("dns", dns(server.address)) if line.wrong]
    assert wrong
    assert all(f" is {said};" in line.text and "RFC 5782" in line.text for line in wrong)


def test_lists_without_a_resolver_are_wrong() -> None:
    (line,) = about("dns", {"dns": {"lists": ["spamhaus-zen"]}})
    assert line.wrong
    assert "1 lists are waiting" in line.text


def test_the_command_exits_with_1_when_something_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "my.toml"
    settings.write_text(f"[virus]\nclamd = ['unix:{tmp_path}/nobody.sock']\n")
    assert main(["doctor", "--config", str(settings)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "2 wrong"


def doctor_dns(folder: Path, address: str, text: str = "", more: str = "") -> tuple[int, str]:
    settings = folder / "my.toml"
    own = f'[[dns.custom]]\nname = "own"\nzone = "bl.example"\n[dns.custom.codes]\n"127.0.0.2" = {TOML}\n'
    settings.write_text(f"[engine]\ndeadline = 1\n[dns]\nresolvers = ['{address}']\n{text}\n{own}{more}")
    return main(["doctor", "--dns", "--config", str(settings)]), str(settings)


TOML = '{ symbol = "OWN_LISTED", points = 3.0, description = "Listed by our own list." }'


def test_doctor_dns_tells_all_that_is_known_of_each_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeDns(RIGHT) as server:
        status, _ = doctor_dns(tmp_path, server.address)
        said = capsys.readouterr().out
        assert status == 0, said
        assert f"resolver    {server.address}" in said
    for text in (
        "zone bl.example, a list of addresses, asked about client",
        "bl.example: 127.0.0.2 is listed (127.0.0.2, ",
        "bl.example: 127.0.0.1 is not listed (",
        "bl.example: a name that does not exist is not listed (",
        "breaker: closed",
        "base rate: no history",
    ):
        assert text in said
    assert said.splitlines()[-1] == "nothing is wrong"


@pytest.mark.parametrize(
    ("records", "failures", "said"),
    [
        ({}, {}, "127.0.0.2 is not listed; listed was expected (RFC 5782)"),
        ({**RIGHT, "1.0.0.127.bl.example": {"A": ["127.0.0.2"]}}, {}, "127.0.0.1 is listed; not listed was expected"),
        (RIGHT, {"bl.example": "refused"}, "127.0.0.1 is refused; not listed was expected (RFC 5782) ("),
        (RIGHT, {"bl.example": "timeout"}, "127.0.0.2 is timeout; listed was expected (RFC 5782) ("),
    ],
)
def test_doctor_dns_exits_with_1_on_trouble(
    records: Any, failures: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeDns(records, failures=failures) as server:
        status, _ = doctor_dns(tmp_path, server.address)
    shown = capsys.readouterr().out
    assert (status, said in shown) == (1, True), shown


def test_doctor_dns_shows_what_other_processes_have_found_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mailfilter.lookups.watch_store import WatchStore

    store = WatchStore(str(tmp_path / "watch.db"))
    store.write("bl.example", openings=1, open_until=9e9, open_reason="broken: it refuses", muted="it lists everyone",
                asked=200.0, listed=20.0, probed_at=1e9, fault="127.0.0.1 is listed")  # fmt: skip
    store.close()
    with FakeDns(RIGHT) as server:
        status, _ = doctor_dns(tmp_path, server.address, f"watch_store = '{tmp_path / 'watch.db'}'")
    said = capsys.readouterr().out
    assert status == 1
    for text in ("s more: broken: it refuses", "s ago, 127.0.0.1 is listed", "10.0% of 200 answers; muted: it lists"):
        assert text in said


def test_doctor_dns_without_a_key_says_so_and_asks_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPAMHAUS_DQS_KEY", raising=False)
    with FakeDns(RIGHT) as server:
        status, _ = doctor_dns(tmp_path, server.address, 'lists = ["spamhaus-zen-dqs"]')
        assert not any("dq.spamhaus.net" in name for name, _, _ in server.asked)
    assert status == 1
    assert "not configured: no key in SPAMHAUS_DQS_KEY" in capsys.readouterr().out


def test_doctor_dns_does_not_show_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPAMHAUS_DQS_KEY", "sEcretKey")
    with FakeDns(RIGHT) as server:
        doctor_dns(tmp_path, server.address, 'lists = ["spamhaus-zen-dqs"]')
        assert any("secretkey" in name for name, _, _ in server.asked)
    said = capsys.readouterr().out
    assert "secretkey" not in said.lower()
    assert "key: found in SPAMHAUS_DQS_KEY" in said


def test_stores_that_remember_are_asked(tmp_path: Path, own_redis: Redis) -> None:
    url, path = own_redis.url, str(tmp_path / "seen.db")
    table = {
        "greylist": {"store": url},
        "reputation": {"store": path},
        "counters": {"store": url, "limits": [{"who": "account", "what": "messages", "number": 9, "per": 60}]},
    }
    assert about("greylist", table) == [Line("greylist", f"{url} answers")]
    assert about("counters", table) == [Line("counters", f"{url} answers")]
    assert about("reputation", table) == [Line("reputation", f"{path}: nothing was noted yet")]
    assert not Path(path).exists()
    Path(path).write_bytes(b"no database" * 100)
    assert about("reputation", table)[0].wrong
    own_redis.stop()
    for name in ("greylist", "counters"):
        (line,) = about(name, table)
        assert line.wrong
        assert "redis" in line.text

"""The doctor: what it says of servers that are right, wrong and dead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailfilter import Config, FilterChain
from mailfilter.cli import main
from mailfilter.examination import EICAR, Line, examine
from mailfilter.testing.fake_clamd import FakeClamd, replies, scans
from mailfilter.testing.fake_dns import FakeDns

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
    assert [line.subject for line in found] == ["mailfilter", "settings", "rules", "model", "virus", "dns"]
    assert "every mail is shown as unscanned" in found[4].text


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
        assert [line.wrong for line in about("dns", dns(server.address))] == [False, False]


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

"""The watch's book: breaker, test points and muting, on a clock that the tests move."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailfilter.dnslists import read_lists
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState
from mailfilter.lookups.watch_book import SOON, TRIAL, UNTESTED, Book, Rules
from mailfilter.lookups.watch_store import WatchStore
from mailfilter.lookups.watch_zone import Probe, Zone, probes
from mailfilter.testing.clock import FakeClock

(OWN,) = read_lists(
    """
[own]
zone = "bl.test"
[own.codes]
"127.0.0.2" = { symbol = "DNSBL_OWN", points = 2.0, description = "Listed." }
""",
    "test",
)
FOUND = DnsAnswer(DnsState.FOUND, ("127.0.0.2",), 60)
NOT_FOUND = DnsAnswer(DnsState.NOT_FOUND)
TIMEOUT = DnsAnswer(DnsState.TIMEOUT)
REFUSAL = DnsAnswer(DnsState.FOUND, ("127.255.255.254",), 60)
QUESTION = DnsQuestion("4.3.2.1.bl.test")
RIGHT = (FOUND, NOT_FOUND, NOT_FOUND)


def book(clock: FakeClock, store: WatchStore | None = None, **rules: float) -> tuple[Book, Zone]:
    made = Book([OWN], Rules(**rules), store, clock)  # type: ignore[arg-type]
    return made, made.zones["bl.test"]


def give(made: Book, zone: Zone, answers: tuple[DnsAnswer, ...] = RIGHT) -> tuple[Probe, ...]:
    points = made.claim_probes(zone)
    made.learn_probes(zone, dict(zip(points, answers, strict=True)), 0.01)
    return points


def sure(**rules: float) -> tuple[Book, Zone, FakeClock]:
    """A book whose list has passed its test."""
    clock = FakeClock(1e9)
    made, zone = book(clock, None, **rules)
    give(made, zone)
    assert made.doubt(zone) == ""
    return made, zone, clock


# ------------------------------------------------------------------------------------------------ test points
def test_the_test_points_are_those_of_rfc_5782_and_a_name_nobody_knows() -> None:
    made, zone = book(FakeClock(1e9))
    assert made.doubt(zone) == UNTESTED
    first = give(made, zone)
    second = probes(zone)
    assert [probe.question.name for probe in first[:2]] == ["2.0.0.127.bl.test", "1.0.0.127.bl.test"]
    assert [probe.listed for probe in first] == [True, False, False]
    assert first[2].question.name != second[2].question.name
    assert first[2].question.name.endswith(".bl.test")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ((NOT_FOUND, NOT_FOUND, NOT_FOUND), "127.0.0.2 is not listed, as it must be (RFC 5782)"),
        ((FOUND, FOUND, NOT_FOUND), "127.0.0.1 is listed, as it must not be (RFC 5782)"),
        ((FOUND, NOT_FOUND, FOUND), "a name that does not exist is listed, as it must not be (RFC 5782)"),
        ((FOUND, FOUND, FOUND), "127.0.0.1 is listed"),
        ((FOUND, NOT_FOUND, DnsAnswer(DnsState.FOUND, ("192.0.2.1",))), "192.0.2.1 is not in 127.0.0.0/8"),
        ((DnsAnswer(DnsState.FOUND, ("10.0.0.1",)),) * 3, "127.0.0.2: 10.0.0.1 is not in 127.0.0.0/8"),
        ((REFUSAL, REFUSAL, REFUSAL), "it refuses: the list says 127.255.255.254"),
    ],
)
def test_a_list_whose_test_points_are_wrong_is_neither_asked_nor_believed(
    answers: tuple[DnsAnswer, ...], said: str
) -> None:
    clock = FakeClock(1e9)
    made, zone = book(clock)
    give(made, zone, answers)
    assert said in made.withheld(zone, QUESTION.name)
    assert said in made.doubt(zone)
    clock.advance(SOON)
    assert made.withheld(zone, QUESTION.name) == ""  # asked, with the test points, for which its answer waits
    give(made, zone)
    assert made.doubt(zone) == ""


def test_a_code_that_is_not_declared_is_a_listing_to_the_test() -> None:
    made, zone = book(FakeClock(1e9))
    give(made, zone, (DnsAnswer(DnsState.FOUND, ("127.0.0.254",)), NOT_FOUND, NOT_FOUND))
    assert made.doubt(zone) == ""


def test_silence_is_not_a_wrong_test_point_but_no_right_one_either() -> None:
    made, zone = book(FakeClock(1e9))
    give(made, zone, (TIMEOUT, TIMEOUT, TIMEOUT))
    assert made.withheld(zone, QUESTION.name) == ""
    assert made.doubt(zone) == UNTESTED
    assert made.learn(zone, QUESTION, FOUND) == UNTESTED
    made, zone, clock = sure(interval=1000)
    clock.advance(1000)
    give(made, zone, (FOUND, TIMEOUT, NOT_FOUND))
    assert made.doubt(zone) == ""  # it was right before
    assert not made.due(zone)
    clock.advance(SOON)
    assert made.due(zone)


def test_tests_come_at_intervals_and_to_one_of_all_who_ask() -> None:
    made, zone, clock = sure(interval=1000)
    assert made.claim_probes(zone) == ()
    clock.advance(1001)
    assert made.claim_probes(zone)
    assert made.claim_probes(zone) == ()  # somebody is at it
    clock.advance(TRIAL + 1)
    assert made.claim_probes(zone)  # who was at it has died


# ------------------------------------------------------------------------------------------------ breaker
@pytest.mark.parametrize(
    "failure",
    [TIMEOUT, DnsAnswer(DnsState.SERVFAIL), DnsAnswer(DnsState.REFUSED), DnsAnswer(DnsState.MALFORMED),
     DnsAnswer(DnsState.FOUND, ("192.0.2.1",)), DnsAnswer(DnsState.FOUND, ("127.0.0.2",), alias="evil.test")],
)  # fmt: skip
def test_failures_in_a_row_open_the_breaker(failure: DnsAnswer) -> None:
    made, zone, clock = sure(failures=3, pause=60)
    for answer in (failure, failure, FOUND, failure, failure):
        made.learn(zone, QUESTION, answer)
        assert made.withheld(zone, QUESTION.name) == ""
    made.learn(zone, QUESTION, failure)
    assert made.withheld(zone, QUESTION.name).startswith("broken: failures in a row: 3, the last: ")
    clock.advance(59)
    assert made.withheld(zone, QUESTION.name)


def test_a_half_open_breaker_lets_one_question_through() -> None:
    made, zone, clock = sure(failures=1, pause=60)
    made.learn(zone, QUESTION, TIMEOUT)
    clock.advance(60)
    assert [bool(made.withheld(zone, QUESTION.name)) for _ in range(3)] == [False, True, True]
    made.learn(zone, QUESTION, TIMEOUT)  # still dead: twice the pause
    clock.advance(119)
    assert made.withheld(zone, QUESTION.name)
    clock.advance(1)
    assert not made.withheld(zone, QUESTION.name)
    made.learn(zone, QUESTION, NOT_FOUND)
    assert not made.withheld(zone, QUESTION.name)
    assert (zone.known.openings, zone.failures) == (0, 0)


def test_a_trial_that_is_lost_is_followed_by_another() -> None:
    made, zone, clock = sure(failures=1, pause=60)
    made.learn(zone, QUESTION, TIMEOUT)
    clock.advance(60)
    assert not made.withheld(zone, QUESTION.name)
    clock.advance(TRIAL + 1)
    assert not made.withheld(zone, QUESTION.name)


def test_many_late_failures_open_it_once() -> None:
    made, zone, _ = sure(failures=2, pause=60)
    for _ in range(50):
        made.learn(zone, QUESTION, TIMEOUT)
    assert zone.known.openings == 1


def test_a_refusal_opens_at_once_and_a_code_that_is_not_declared_never() -> None:
    made, zone, _ = sure(failures=5)
    for _ in range(50):
        made.learn(zone, QUESTION, DnsAnswer(DnsState.FOUND, ("127.0.0.99",)))
    assert made.withheld(zone, QUESTION.name) == ""
    made.learn(zone, QUESTION, REFUSAL)
    assert made.withheld(zone, QUESTION.name) == "broken: it refuses: the list says 127.255.255.254"


# ------------------------------------------------------------------------------------------------ base rate
def ask(made: Book, zone: Zone, count: int, listed: int, start: int = 0) -> str:
    said = ""
    for number in range(start, start + count):
        answer = FOUND if number - start < listed else NOT_FOUND
        said = made.learn(zone, DnsQuestion(f"{number}.bl.test"), answer)
    return said


def test_a_list_that_suddenly_lists_everyone_is_muted_and_believed_again_when_it_is_over() -> None:
    made, zone, _ = sure(window=100)
    assert ask(made, zone, 1000, 0) == ""
    for start in range(0, 1000, 100):
        ask(made, zone, 100, 10, 10_000 + start)
    assert "it lists everyone: " in ask(made, zone, 60, 60, 20_000)
    assert " where " in made.doubt(zone)
    withheld = [made.withheld(zone, f"{number}.bl.test") for number in range(800)]
    assert 50 < withheld.count("") < 150  # one in eight is still asked, and not believed
    assert ask(made, zone, 100, 100, 30_000).startswith("it lists everyone")
    assert ask(made, zone, 100, 10, 40_000) == ""


def test_a_list_that_suddenly_lists_no_one_is_muted_until_it_lists_somebody() -> None:
    made, zone, _ = sure(window=1000)
    ask(made, zone, 1000, 300)
    assert "it lists no one: " in ask(made, zone, 200, 0, 10_000)
    assert "no one" in ask(made, zone, 500, 0, 20_000)
    assert made.learn(zone, DnsQuestion("x.bl.test"), FOUND) == ""


def test_one_busy_sender_mutes_nothing() -> None:
    made, zone, _ = sure(window=100)
    ask(made, zone, 1000, 100)
    for _ in range(500):
        assert made.learn(zone, QUESTION, FOUND) == ""


# ------------------------------------------------------------------------------------------------ several processes
def test_processes_share_what_they_find_out(tmp_path: Path) -> None:
    clock = FakeClock(1e9)
    one, zone_one = book(clock, WatchStore(str(tmp_path / "watch.db")), failures=1, pause=60)
    two, zone_two = book(clock, WatchStore(str(tmp_path / "watch.db")), failures=1, pause=60)
    give(one, zone_one)
    two.sync()
    assert two.doubt(zone_two) == ""
    one.learn(zone_one, QUESTION, TIMEOUT)
    clock.advance(2)
    two.sync()
    assert two.withheld(zone_two, QUESTION.name).startswith("broken: ")
    clock.advance(60)
    for made in (one, two):
        made.sync()
    passed = [made.withheld(zone, QUESTION.name) == "" for made, zone in ((two, zone_two), (one, zone_one))]
    assert passed == [True, False]  # one trial for all
    two.learn(zone_two, QUESTION, FOUND)
    clock.advance(2)
    one.sync()
    assert one.withheld(zone_one, QUESTION.name) == ""
    for start in range(0, 300, 100):
        ask(one, zone_one, 100, 10, start)
    clock.advance(2)
    two.sync()
    assert (zone_two.known.asked, zone_two.known.listed) == (300, 30)
    one.store.close()
    two.store.close()


def test_a_store_that_fails_is_logged_and_the_watch_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock(1e9)
    made, zone = book(clock, WatchStore(str(tmp_path / "nowhere" / "watch.db")), failures=1, pause=60)
    give(made, zone)
    made.learn(zone, QUESTION, TIMEOUT)
    assert made.withheld(zone, QUESTION.name)
    clock.advance(61)
    assert not made.withheld(zone, QUESTION.name)
    assert "unable to open database file" in caplog.text


@pytest.mark.parametrize(
    ("name", "found"),
    [("4.3.2.1.bl.test", True), ("x.bl.test", True), ("bl.test", False), ("xbl.test", False), ("bl.test.x", False)],
)
def test_zones_are_found_by_the_end_of_a_name(name: str, found: bool) -> None:
    made, zone = book(FakeClock())
    assert made.zone_of(name) is (zone if found else None)

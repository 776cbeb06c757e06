"""Greylisting: wait, come back, stay known; a failing store delays nobody for ever."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mailfilter.decision import GreylistState
from mailfilter.envelope import Envelope
from mailfilter.errors import StoreError
from mailfilter.greylist import Greylist, triplets

SENDER = Envelope(client_ip="203.0.113.9", mail_from="a@example.net", rcpt_to=["b@example.org"])
WAIT, PASSED, NOT_ASKED = GreylistState.WAIT, GreylistState.PASSED, GreylistState.NOT_ASKED


class Time:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture(params=["memory", "file"])
def greylist(request: pytest.FixtureRequest, tmp_path: Path, time: Time) -> Greylist:
    path = ":memory:" if request.param == "memory" else str(tmp_path / "greylist.db")
    return Greylist(path, wait=180, window=3600, lifetime=86_400, clock=time)


def test_first_wait_then_pass_then_known(greylist: Greylist, time: Time) -> None:
    assert greylist.ask(SENDER) == (WAIT, 180)
    time.now += 60.5
    assert greylist.ask(SENDER) == (WAIT, 120)
    time.now += 119.5
    assert greylist.ask(SENDER) == (PASSED, 0)
    time.now += 86_000
    assert greylist.ask(SENDER) == (PASSED, 0)
    time.now += 86_401
    assert greylist.ask(SENDER) == (WAIT, 180)


def test_a_retry_after_the_window_starts_anew(greylist: Greylist, time: Time) -> None:
    greylist.ask(SENDER)
    time.now += 3601
    assert greylist.ask(SENDER) == (WAIT, 180)


def test_a_host_of_the_same_network_is_the_same_sender(greylist: Greylist, time: Time) -> None:
    greylist.ask(SENDER)
    time.now += 200
    pool = Envelope(client_ip="203.0.113.77", mail_from="A@example.net", rcpt_to=["B@example.org"])
    assert greylist.ask(pool).state is PASSED
    assert (
        greylist.ask(Envelope(client_ip="203.0.112.9", mail_from="a@example.net", rcpt_to=["b@example.org"]))[0] is WAIT
    )


def test_with_several_recipients_the_longest_wait_counts(greylist: Greylist, time: Time) -> None:
    greylist.ask(SENDER)
    time.now += 200
    both = Envelope(client_ip="203.0.113.9", mail_from="a@example.net", rcpt_to=["b@example.org", "c@example.org"])
    assert greylist.ask(both) == (WAIT, 180)


@pytest.mark.parametrize(
    "envelope",
    [
        Envelope(),
        Envelope(client_ip="203.0.113.9", mail_from="a@example.net"),
        Envelope(client_ip="203.0.113.9", rcpt_to=["b@example.org"]),
        Envelope(mail_from="a@example.net", rcpt_to=["b@example.org"]),
    ],
)
def test_what_is_not_known_is_not_asked(greylist: Greylist, envelope: Envelope) -> None:
    assert triplets(envelope) == ()
    assert greylist.ask(envelope).state is NOT_ASKED


def test_a_clock_set_back_does_not_lengthen_the_wait(greylist: Greylist, time: Time) -> None:
    greylist.ask(SENDER)
    time.now -= 100_000
    assert greylist.ask(SENDER) == (WAIT, 180)


def test_a_store_that_fails_does_not_greylist(greylist: Greylist) -> None:
    greylist.close()
    assert greylist.ask(SENDER).state is PASSED


def test_a_file_that_cannot_be_opened_is_said_at_start(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Greylist(str(tmp_path / "nowhere" / "greylist.db"))


def test_old_entries_go(greylist: Greylist, time: Time) -> None:
    for number in range(999):
        greylist.ask(Envelope(client_ip="203.0.113.9", mail_from=f"{number}@example.net", rcpt_to=["b@example.org"]))
    time.now += 4000
    greylist.ask(SENDER)
    assert greylist._db.execute("SELECT count(*) FROM triplet").fetchone() == (1,)


def test_two_handles_on_one_file_and_threads(tmp_path: Path, time: Time) -> None:
    path = str(tmp_path / "greylist.db")
    lists = [Greylist(path, clock=time), Greylist(path, clock=time)]
    threads = [threading.Thread(target=lists[n % 2].ask, args=(SENDER,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.now += 181
    assert {one.ask(SENDER).state for one in lists} == {PASSED}

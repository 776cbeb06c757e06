"""Greylisting: wait, come back, stay known; pools, good senders, clocks; a failing store delays nobody for ever."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from mailfilter.decision import GreylistState
from mailfilter.envelope import Envelope
from mailfilter.errors import StoreError
from mailfilter.greylist import Asking, Greylist, body_digest
from mailfilter.message import Message

SENDER = Envelope(client_ip="203.0.113.9", mail_from="a@example.net", rcpt_to=["b@example.org"])
ELSEWHERE = replace(SENDER, client_ip="198.51.100.7")
WAIT, PASSED, NOT_ASKED = GreylistState.WAIT, GreylistState.PASSED, GreylistState.NOT_ASKED
BODY, OTHER = b"bodydig1", b"bodydig2"


class Time:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture(params=["memory", "file"])
def greylist(request: pytest.FixtureRequest, tmp_path: Path, time: Time) -> Greylist:
    store = "memory" if request.param == "memory" else str(tmp_path / "greylist.db")
    return Greylist(store, wait=180, window=3600, lifetime=86_400, clock=time)


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


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [("203.0.113.9", "203.0.113.77", "203.0.112.9"), ("2001:db8:1:2::9", "2001:db8:1:2:ffff::1", "2001:db8:1:3::9")],
)
def test_a_host_of_the_same_network_is_the_same_sender(
    greylist: Greylist, time: Time, one: str, same: str, other: str
) -> None:
    greylist.ask(replace(SENDER, client_ip=one))
    time.now += 200
    spelled = Envelope(client_ip=same, mail_from="A@Example.net", rcpt_to=["B@example.ORG"])
    assert greylist.ask(spelled).state is PASSED
    assert greylist.ask(replace(SENDER, client_ip=other)).state is WAIT


def test_the_same_mail_from_another_host_of_a_pool_is_the_retry(greylist: Greylist, time: Time) -> None:
    assert greylist.ask(SENDER, BODY).state is WAIT
    time.now += 100
    assert greylist.ask(ELSEWHERE, BODY) == (WAIT, 80)
    time.now += 100
    assert greylist.ask(ELSEWHERE, OTHER).state is PASSED, "its first attempt counts since the mail's first attempt"
    third = replace(SENDER, client_ip="192.0.2.1")
    assert greylist.ask(third, OTHER).state is WAIT
    assert greylist.ask(third, BODY).state is PASSED
    assert greylist.ask(replace(third, mail_from="c@example.net"), BODY).state is WAIT
    assert greylist.ask(replace(third, rcpt_to=["c@example.org"]), BODY).state is WAIT


def test_what_stays_the_same_in_a_mail_that_is_sent_again() -> None:
    def digest(raw: bytes) -> bytes:
        return body_digest(Message(raw))

    mail = b"Message-ID: <1@example.net>\nSubject: hello\n\nOne line.\nAnother.\n"
    again = b"Received: from another\r\n" + mail.replace(b"\n", b"\r\n").replace(b"line.", b"line. ") + b"\r\n"
    assert digest(mail) == digest(again)
    assert len({digest(mail), digest(mail.replace(b"<1@", b"<2@")), digest(mail.replace(b"Another", b"A"))}) == 3
    assert len({digest(b""), digest(b"no header end"), digest(b"\n\nbody")}) == 2


def test_the_chain_recognises_a_pool(time: Time) -> None:
    from mailfilter import FilterChain
    from tests.test_chain import Points

    greylist = Greylist(clock=time)
    with FilterChain(checks=[Points()], lookups=[], greylist=greylist) as chain:
        assert chain.check(b"Subject: 5\n\nhello", SENDER).wait == 180
        time.now += 200
        assert chain.check(b"Received: x\nSubject: 5\n\nhello", ELSEWHERE).action == "accept"


def test_a_proved_domain_that_came_back_once_waits_no_more(greylist: Greylist, time: Time) -> None:
    proved = ("example.net",)
    assert greylist.ask(SENDER, BODY, proved).state is WAIT, "a proof alone is no merit"
    time.now += 200
    assert greylist.ask(SENDER, BODY, proved).state is PASSED
    stranger = Envelope(client_ip="192.0.2.1", mail_from="x@example.net", rcpt_to=["y@example.org"])
    assert greylist.ask(replace(stranger, rcpt_to=["z@example.org"]), OTHER).state is WAIT, "not proved"
    assert greylist.ask(stranger, OTHER, proved).state is PASSED


def test_a_proved_domain_whose_mail_was_welcome(greylist: Greylist, time: Time) -> None:
    greylist.welcomed(["example.net"])
    greylist.welcomed(["example.net"])
    assert greylist.ask(SENDER, BODY, ("example.net",)).state is PASSED
    assert greylist.ask(replace(SENDER, mail_from="b@example.com"), BODY, ("example.com",)).state is WAIT


def test_an_address_that_our_user_wrote_to_does_not_wait(greylist: Greylist, time: Time) -> None:
    written = Envelope(mail_from="B@example.org", rcpt_to=["a@example.net"], auth_user="b", direction="outbound")
    greylist.sent(written)
    assert greylist.ask_many([Asking(SENDER, doubted=True)])[0].state is WAIT, "not where the sender is forged"
    assert greylist.ask(ELSEWHERE).state is PASSED
    assert greylist.ask(replace(SENDER, rcpt_to=["c@example.org"])).state is WAIT


def test_the_chain_notes_what_was_sent_and_what_was_welcome(time: Time) -> None:
    from mailfilter import FilterChain
    from tests.test_chain import Points

    greylist = Greylist(clock=time)
    with FilterChain(checks=[Points()], lookups=[], greylist=greylist) as chain:
        written = Envelope(mail_from="b@example.org", rcpt_to=["a@example.net"], auth_user="b", direction="outbound")
        mail = b"Subject: 0\n\n"
        chain.act(mail, written, chain.check(mail, written))
        assert chain.check(b"Subject: 5\n\n", SENDER).action == "accept"
        assert chain.check(b"Subject: 5\n\n", replace(SENDER, mail_from="c@example.net")).action == "greylist"


def test_with_several_recipients_the_longest_wait_counts(greylist: Greylist, time: Time) -> None:
    greylist.ask(SENDER)
    time.now += 200
    both = replace(SENDER, rcpt_to=["b@example.org", "c@example.org"])
    assert greylist.ask(both) == (WAIT, 180)


def test_a_bounce_waits_as_well(greylist: Greylist, time: Time) -> None:
    bounce = replace(SENDER, mail_from="")
    assert greylist.ask(bounce, BODY).state is WAIT
    time.now += 200
    assert greylist.ask(bounce, BODY).state is PASSED


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
    assert greylist.ask(envelope).state is NOT_ASKED


@pytest.mark.parametrize("ours", [{"auth_user": "b"}, {"direction": "outbound"}, {"direction": "internal"}])
def test_our_own_users_never_wait(greylist: Greylist, ours: dict[str, str]) -> None:
    assert greylist.ask(replace(SENDER, **ours)).state is PASSED  # type: ignore[arg-type]


def test_who_hammers_waits_no_longer(greylist: Greylist, time: Time) -> None:
    waits = []
    for _ in range(19):
        waits.append(greylist.ask(SENDER).wait)
        time.now += 10
    assert waits == [*range(180, 0, -10), 0]


def test_a_clock_set_back_costs_no_more_than_one_wait(greylist: Greylist, time: Time) -> None:
    greylist.ask(SENDER)
    time.now -= 100_000
    assert greylist.ask(SENDER) == (WAIT, 180)
    time.now += 180
    assert greylist.ask(SENDER).state is PASSED
    time.now -= 100_000
    assert greylist.ask(SENDER).state is PASSED


def test_many_are_as_one_after_another(time: Time) -> None:
    one, many = (Greylist(wait=180, clock=time) for _ in range(2))
    mails = [
        Asking(replace(SENDER, client_ip=f"203.0.{number % 7}.9", rcpt_to=[f"{n}@example.org" for n in range(number)]))
        for number in range(40)
    ]
    for _ in range(3):
        assert many.ask_many(mails) == [one.ask_many([mail])[0] for mail in mails]
        time.now += 100


def test_a_store_that_fails_does_not_greylist(greylist: Greylist, caplog: pytest.LogCaptureFixture) -> None:
    greylist.close()
    with caplog.at_level(logging.ERROR):
        assert {greylist.ask(SENDER).state for _ in range(100)} == {PASSED}
        greylist.sent(SENDER)
        greylist.welcomed(["example.net"])
    assert len(caplog.records) == 1, "said once, not with every mail"


def test_a_file_that_another_process_keeps_locked_delays_nobody(tmp_path: Path, time: Time) -> None:
    path = str(tmp_path / "greylist.db")
    greylist = Greylist(path, clock=time)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert {greylist.ask(replace(SENDER, mail_from=f"{n}@example.net")).state for n in range(50)} == {PASSED}
    other.execute("ROLLBACK")


def test_a_file_that_cannot_be_opened_is_said_at_start(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Greylist(str(tmp_path / "nowhere" / "greylist.db"))


def test_the_first_greylists_file_is_taken_over(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "greylist.db"
    text = "203.0.113.0/24\0a@example.net\0b@example.org"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE triplet (key BLOB PRIMARY KEY, first REAL, passed REAL) WITHOUT ROWID")
        key = hashlib.sha256(text.encode()).digest()
        db.execute("INSERT INTO triplet VALUES (?, ?, ?)", (key, time.now - 1000, time.now - 500))
    db.close()
    for _ in range(2):
        greylist = Greylist(str(path), lifetime=86_400, clock=time)
        assert greylist.ask(SENDER).state is PASSED
        assert greylist.ask(replace(SENDER, mail_from="c@example.net")).state is WAIT
        greylist.close()


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

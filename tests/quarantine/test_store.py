"""What the quarantine does with mail: states, retries, quota, release to some, expiry after notice, alarm."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mailfilter import FilterChain, Mail, Symbol, SymbolInfo
from mailfilter.decision import Action
from mailfilter.envelope import Envelope
from mailfilter.errors import StoreError
from mailfilter.quarantine import Quarantine, Query, State
from mailfilter.quarantine.entry import envelope_of
from mailfilter.quarantine.states import GONE, SOURCES
from mailfilter.stores.blobs import MemoryBlobs
from mailfilter.symbols import Findings

from .made import DAY, ENVELOPE, MAIL, NOW, VERDICT, envelope, hold, later, only, store, told


def test_an_entry_says_what_the_mail_says_of_itself() -> None:
    quarantine = store()
    hold(quarantine)
    held = only(quarantine)
    assert (held.subject, held.author, held.reason) == ("Offer", "Anna <a@example.net>", "score")
    assert (held.stored, held.changed, held.seen, held.fault) == (NOW, NOW, None, "")
    assert [tuple(one) for one in held.recipients] == [("b@example.org", True, None, None)]


def test_the_same_delivery_once_more_is_one_mail() -> None:
    quarantine = store()
    first = hold(quarantine, MAIL, "b@example.org", "c@example.org")
    assert hold(quarantine, MAIL, "C@example.org", "b@example.org") == first
    assert len(list(quarantine.entries())) == len(list(quarantine.blobs.names())) == 1


@pytest.mark.parametrize("other", [(MAIL + b"!", "b@example.org"), (MAIL, "c@example.org")])
def test_another_mail_or_another_envelope_is_another_one(other: tuple[bytes, str]) -> None:
    quarantine = store()
    assert hold(quarantine) != hold(quarantine, *other)


@pytest.mark.parametrize("what", ["release", "delete", "restore"])
def test_what_was_dealt_with_is_held_anew(what: str) -> None:
    quarantine = store()
    receipt = hold(quarantine)
    getattr(quarantine, what)(receipt)
    assert hold(quarantine) != receipt


@pytest.mark.parametrize("octets", [None, b"", MAIL])
def test_a_retry_heals_a_mail_that_is_lost_on_the_disk(octets: bytes | None) -> None:
    quarantine = store()
    receipt = hold(quarantine)
    quarantine.blobs.remove(receipt) if octets is None else quarantine.blobs.write(receipt, octets)
    again = hold(quarantine)
    assert again != receipt
    assert quarantine.get(again) == MAIL
    assert quarantine.entry(receipt).fault == ("missing" if octets is None else "damaged")


def test_what_lies_damaged_is_not_handed_out(tmp_path: Path) -> None:
    quarantine = store(tmp_path)
    receipt = hold(quarantine)
    path = tmp_path / "q.db.mails" / receipt
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(StoreError, match=f"the mail of {receipt} is damaged in .*restore it from a backup"):
        quarantine.release(receipt)
    assert only(quarantine).state == "held"
    path.unlink()
    with pytest.raises(StoreError, match="is missing"):
        quarantine.get(receipt)


def test_a_stored_file_can_be_read_without_us(tmp_path: Path) -> None:
    quarantine = store(tmp_path)
    receipt = hold(quarantine)
    assert (tmp_path / "q.db.mails" / receipt).read_bytes().split(b"\n", 2)[2] == MAIL


def test_a_deleted_mail_leaves_digest_envelope_reason_and_symbols() -> None:
    quarantine = store()
    receipt = hold(quarantine)
    digest = only(quarantine).digest
    quarantine.delete(receipt)
    quarantine.delete(receipt)
    held = only(quarantine)
    assert (held.state, held.size, held.digest, held.reason) == ("deleted", 0, digest, "score")
    assert held.envelope == envelope()
    assert [symbol["name"] for symbol in held.verdict["symbols"]] == ["RULE"]
    assert list(quarantine.blobs.names()) == []
    with pytest.raises(StoreError, match="was deleted; only its tombstone is left"):
        quarantine.get(receipt)


@pytest.mark.parametrize("what", ["release", "restore", "delete"])
def test_what_is_gone_stays_gone(what: str) -> None:
    quarantine = store()
    receipt = quarantine.bury(ENVELOPE, replace(VERDICT, action=Action.DELETE))
    if what == "delete":
        quarantine.delete(receipt)
    else:
        with pytest.raises(StoreError, match="only its tombstone is left"):
            getattr(quarantine, what)(receipt)
    assert only(quarantine).state == "deleted"


def test_a_full_quota_refuses_and_takes_again_once_there_is_room() -> None:
    quarantine = store(quota=1000)
    first = hold(quarantine, bytes(600))
    with pytest.raises(StoreError, match=r"is full: 600 octets of 1000 \(quarantine.quota\), and 500 more"):
        hold(quarantine, bytes(500))
    assert (len(list(quarantine.entries())), len(list(quarantine.blobs.names()))) == (1, 1)
    quarantine.delete(first)
    assert hold(quarantine, bytes(500))


def test_a_tombstone_needs_no_room() -> None:
    quarantine = store(quota=10)
    assert quarantine.bury(ENVELOPE, VERDICT)


def test_a_mail_whose_row_cannot_be_written_leaves_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    quarantine = store()

    def fails(row: object) -> str:
        raise StoreError("no")

    monkeypatch.setattr(quarantine.index, "add", fails)
    with pytest.raises(StoreError, match="no"):
        hold(quarantine)
    assert list(quarantine.blobs.names()) == []


def test_the_mail_is_durable_before_its_row_is() -> None:
    order: list[str] = []

    class Noting(MemoryBlobs):
        def write(self, name: str, data: bytes) -> None:
            order.append("mail")
            super().write(name, data)

    quarantine = store(blobs=Noting())
    real = quarantine.index.add
    quarantine.index.add = lambda row: order.append("row") or real(row)  # type: ignore[func-returns-value,method-assign]
    hold(quarantine)
    assert order == ["mail", "row"]


class Box:
    """Takes mail, but for some recipients."""

    def __init__(self, *refused: str) -> None:
        self.refused, self.got = refused, list[tuple[Envelope, bytes]]()

    def __call__(self, envelope: Envelope, raw: bytes) -> Collection[str]:
        self.got.append((envelope, raw))
        return [address for address in envelope.rcpt_to if address in self.refused]


def test_release_hands_on_the_exact_mail_with_its_envelope() -> None:
    quarantine, box = store(), Box()
    raw = b"no\nend\r\n.\r\n\0\xff"
    receipt = hold(quarantine, raw, "B@example.org")
    assert quarantine.release(receipt, box) == raw
    ((envelope, sent),) = box.got
    assert (sent, envelope.mail_from, tuple(envelope.rcpt_to)) == (raw, "a@example.net", ("B@example.org",))
    assert (only(quarantine).state, only(quarantine).seen) == ("released", NOW)


def test_release_to_one_of_two_is_for_him_alone() -> None:
    quarantine, box = store(), Box()
    receipt = hold(quarantine, MAIL, "b@example.org", "c@example.org")
    quarantine.release(receipt, box, ["C@example.org"])
    assert [tuple(envelope.rcpt_to) for envelope, _ in box.got] == [("c@example.org",)]
    assert only(quarantine).state == "held"
    quarantine.release(receipt, box, ["b@example.org"])
    assert only(quarantine).state == "released"


def test_nobody_gets_a_mail_that_was_not_for_him() -> None:
    quarantine, box = store(), Box()
    receipt = hold(quarantine)
    with pytest.raises(StoreError, match=r"was not for x@example.org"):
        quarantine.release(receipt, box, ["x@example.org"])
    assert box.got == []


def test_a_refused_recipient_keeps_the_mail_held() -> None:
    quarantine = store()
    receipt = hold(quarantine, MAIL, "b@example.org", "c@example.org")
    with pytest.raises(StoreError, match=r"was refused for c@example.org"):
        quarantine.release(receipt, Box("c@example.org"))
    released = {one.address: one.released for one in only(quarantine).recipients}
    assert (only(quarantine).state, released) == ("held", {"b@example.org": NOW, "c@example.org": None})
    quarantine.release(receipt, Box())
    assert only(quarantine).state == "released"


def test_a_delivery_that_fails_changes_nothing() -> None:
    quarantine = store()
    receipt = hold(quarantine)

    def fails(envelope: Envelope, raw: bytes) -> Collection[str]:
        raise StoreError("connection refused")

    with pytest.raises(StoreError, match="connection refused"):
        quarantine.release(receipt, fails)
    assert only(quarantine).state == "held"


def test_nothing_expires_before_a_notice_went_out(caplog: pytest.LogCaptureFixture) -> None:
    quarantine = store(keep=10 * DAY)
    receipt = hold(quarantine, MAIL, "b@example.org", "c@example.org")
    later(quarantine, 1000)
    quarantine.index.note_notice("b@example.org", [receipt], quarantine.clock())
    assert tuple(quarantine.expire()) == (0, 1, 0)
    assert "old enough to expire, but nobody was told" in caplog.text
    quarantine.index.note_notice("c@example.org", [receipt], quarantine.clock())
    later(quarantine, 9)
    assert tuple(quarantine.expire()) == (0, 0, 0)
    later(quarantine, 1)
    assert tuple(quarantine.expire()) == (1, 0, 0)
    assert (only(quarantine).state, list(quarantine.blobs.names())) == ("expired", [])


@pytest.mark.parametrize("what", ["release", "restore"])
def test_what_a_person_dealt_with_expires_without_a_notice(what: str) -> None:
    quarantine = store(keep=10 * DAY)
    getattr(quarantine, what)(hold(quarantine))
    later(quarantine, 10.1)
    assert quarantine.expire().expired == 1


def test_tombstones_go_in_the_end() -> None:
    quarantine = store(tombstones=100 * DAY)
    quarantine.bury(ENVELOPE, VERDICT)
    later(quarantine, 99)
    assert quarantine.expire().forgotten == 0
    later(quarantine, 2)
    assert quarantine.expire().forgotten == 1
    assert list(quarantine.entries()) == []


def test_tombstones_stay_for_ever_where_it_is_said() -> None:
    quarantine = store(tombstones=None)
    quarantine.bury(ENVELOPE, VERDICT)
    later(quarantine, 100_000)
    assert quarantine.expire().forgotten == 0


def test_an_alarm_when_nobody_looks(caplog: pytest.LogCaptureFixture) -> None:
    quarantine = store(alarm=2 * DAY)
    first = hold(quarantine)
    later(quarantine, 1.9)
    assert not quarantine.stats().alarm
    later(quarantine, 0.2)
    stats = quarantine.stats()
    assert (stats.alarm, stats.unseen, round(stats.oldest / DAY, 1)) == (True, 1, 2.1)
    with caplog.at_level(logging.ERROR):
        hold(quarantine, MAIL + b"2")
    assert "nobody looks: 1 mails unseen, the oldest for 2.1 days" in caplog.text
    quarantine.look([first])
    assert not quarantine.stats().alarm


def test_the_log_is_not_filled_with_the_alarm(caplog: pytest.LogCaptureFixture) -> None:
    quarantine = store(alarm=2 * DAY)
    hold(quarantine)
    later(quarantine, 3)
    for number in range(20):
        hold(quarantine, MAIL + bytes([number]))
    assert caplog.text.count("nobody looks") == 1


def test_a_notice_counts_as_looking() -> None:
    quarantine = store()
    told(quarantine, hold(quarantine))
    later(quarantine, 50)
    assert not quarantine.stats().alarm


def test_mail_that_goes_out_is_told_to_the_postmaster_not_to_strangers() -> None:
    quarantine = store()
    hold(quarantine, MAIL, "stranger@example.com", direction="outbound")
    assert quarantine.index.to_notice() == [""]
    assert [held.receipt for held in quarantine.search(Query(recipient="stranger"))] == [only(quarantine).receipt]


def test_mail_without_recipients_is_told_to_the_postmaster() -> None:
    quarantine = store()
    quarantine.hold(MAIL, Envelope(), VERDICT)
    assert quarantine.index.to_notice() == [""]
    with pytest.raises(StoreError, match="nobody knows whom"):
        quarantine.release(only(quarantine).receipt, Box())
    assert quarantine.release(only(quarantine).receipt) == MAIL
    assert only(quarantine).state == "released"


def test_a_subject_is_found_in_any_case() -> None:
    quarantine = store()
    hold(quarantine, b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n")
    hold(quarantine, b"Subject: other\r\n\r\n")
    assert [held.subject for held in quarantine.search(Query(), "GRÜSSE")] == ["Grüße"]


def test_odd_envelopes_are_kept_as_they_are() -> None:
    quarantine = store()
    odd = Envelope(mail_from="a\udcff\0@x", rcpt_to=["\udcfe@y", "ü@z"])
    receipt = quarantine.hold(MAIL, odd, VERDICT)
    assert quarantine.entry(receipt).envelope == odd
    box = Box()
    quarantine.release(receipt, box)
    assert only(quarantine).state == "released"
    assert box.got[0][0].rcpt_to == odd.rcpt_to


def test_no_state_leads_from_held_to_expired() -> None:
    assert State.HELD not in SOURCES[State.EXPIRED]
    assert not any(GONE & sources for sources in SOURCES.values())


@pytest.mark.parametrize("state", ["held", "deleted", "expired"])
def test_a_mail_cannot_be_marked_as_something_that_is_done_to_it(state: str) -> None:
    quarantine = store()
    with pytest.raises(ValueError, match="a mail is not marked as"):
        quarantine.mark(hold(quarantine), state)


class Life(RuleBasedStateMachine):
    """Whatever is done in whatever order: what was taken is there, or went after notice or by a person's word."""

    @initialize()
    def begin(self) -> None:
        self.store = store(keep=10 * DAY)
        self.mails: dict[str, bytes] = {}
        self.dealt: set[str] = set()

    def some(self, number: int) -> str | None:
        return sorted(self.mails)[number % len(self.mails)] if self.mails else None

    @rule(raw=st.binary(max_size=20), to=st.lists(st.sampled_from(["b@e.org", "c@e.org"]), max_size=2))
    def hold(self, raw: bytes, to: list[str]) -> None:
        self.mails[self.store.hold(raw, Envelope(mail_from="a@e.net", rcpt_to=to), VERDICT)] = raw

    @rule(number=st.integers(0, 50), what=st.sampled_from(["release", "restore", "delete", "disarm"]))
    def deal(self, number: int, what: str) -> None:
        if (receipt := self.some(number)) is None:
            return
        done = {"release": self.store.release, "restore": self.store.restore, "delete": self.store.delete}
        try:
            done[what](receipt) if what in done else self.store.mark(receipt, "disarmed")
            self.dealt.add(receipt)
        except StoreError:
            assert self.store.entry(receipt).state not in ("held", "noticed")

    @rule(address=st.sampled_from(["b@e.org", "c@e.org", ""]))
    def notice(self, address: str) -> None:
        self.store.index.note_notice(address, list(self.mails), self.store.clock())

    @rule(days=st.floats(0.1, 30))
    def wait(self, days: float) -> None:
        later(self.store, days)

    @rule()
    def expire(self) -> None:
        self.store.expire()

    @rule()
    def verify(self) -> None:
        audit = self.store.verify(grace=0)
        assert audit.entries == audit.whole
        assert [audit.missing, audit.damaged, audit.reindexed, audit.duplicates, audit.leftovers] == [[], [], [], 0, 0]

    @invariant()
    def nothing_disappears(self) -> None:
        entries = {held.receipt: held for held in self.store.entries()}
        assert entries.keys() >= self.mails.keys()
        for receipt, raw in self.mails.items():
            held = entries[receipt]
            if held.state in GONE:
                everybody = all(one.noticed is not None for one in held.recipients if one.notify)
                assert receipt in self.dealt or (held.state == "expired" and everybody)
            else:
                assert self.store.get(receipt) == raw


Life.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestLife = Life.TestCase


def test_several_quarantines_on_one_file(tmp_path: Path) -> None:
    one, other = store(tmp_path), store(tmp_path)
    receipt = hold(one)
    assert other.get(receipt) == MAIL
    assert hold(other) == receipt


def test_a_forked_process_goes_on(tmp_path: Path) -> None:
    quarantine = store(tmp_path)
    first = hold(quarantine)
    if (child := os.fork()) == 0:
        os._exit(0 if quarantine.get(first) == MAIL and hold(quarantine, b"child") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    hold(quarantine, b"parent")
    assert len(list(Quarantine(str(tmp_path / "q.db")).entries())) == 3


@pytest.mark.server
def test_a_quarantine_in_postgres_and_under_a_url(database: str, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    quarantine = Quarantine(database, blobs=f"memory://{tmp_path.name}")
    receipt = quarantine.hold(MAIL, ENVELOPE, VERDICT)
    assert (quarantine.release(receipt), only(quarantine).state) == (MAIL, "released")
    assert quarantine.verify().whole == 1
    quarantine.close()
    with pytest.raises(StoreError, match=r"needs a place for the mails: set \[quarantine\] blobs"):
        Quarantine(database)


@pytest.mark.server
def test_no_message_shows_a_password(database: str) -> None:
    url = database.replace("tester@", "tester:hidden@")
    quarantine = Quarantine(url, blobs=":memory:")
    for call in (lambda: quarantine.get("nope"), lambda: quarantine.release("nope")):
        with pytest.raises(StoreError) as caught:
            call()
        assert "hidden" not in str(caught.value)


def test_a_full_quarantine_refuses_mail_for_now() -> None:
    class Spam:
        name = "spam"
        symbols = (SymbolInfo("SPAM", "spam", "headers", 7.0, "spam"),)

        def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
            return [(Symbol("SPAM"),) for _ in mails]

    with FilterChain(checks=[Spam()], quarantine=store(quota=100)) as chain:
        done = chain.act(bytes(101), ENVELOPE, chain.check(bytes(101), ENVELOPE))
        assert (done.smtp_reply.code, done.reason.name, done.receipt) == (451, "NOT_STORED", "")
        done = chain.act(bytes(99), ENVELOPE, chain.check(bytes(99), ENVELOPE))
        assert (done.smtp_reply.code, bool(done.receipt)) == (250, True)


def test_an_envelope_of_another_version_is_read_as_far_as_it_is_known() -> None:
    known = {"envelope": {**asdict(ENVELOPE), "something_new": 1}}
    assert envelope_of(known) == ENVELOPE
    assert envelope_of({"envelope": {"client_ip": "none"}}) == envelope_of({}) == Envelope()


def test_every_fact_of_a_session_comes_back() -> None:
    full = Envelope("192.0.2.1", "helo", "a@x", ["b@y"], "name", "user", "internal", received_at=NOW)
    quarantine = store()
    assert quarantine.entry(quarantine.hold(MAIL, full, VERDICT)).envelope == full

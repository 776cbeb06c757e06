"""Bounces: to whom there must be none, what they say, and that nobody else's words get into them."""

from __future__ import annotations

import email
from dataclasses import replace
from email.message import Message as Parsed
from email.policy import default
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.bounce import HOUR, Bouncer, unsuitable
from mailfilter.decision import Action, Reason
from mailfilter.envelope import Envelope
from mailfilter.errors import SettingError, StoreError
from mailfilter.message import Message
from mailfilter.testing.clock import FakeClock
from mailfilter.verdict import Outcome, ScoredSymbol, Verdict

RAW = b"From: Anna <a@example.net>\r\nSubject: Offer\r\nMessage-ID: <1@example.net>\r\n\r\nsecret\r\n"
ENVELOPE = Envelope(mail_from="a@example.net", rcpt_to=["b@example.org"])
PASSED = "MAIL FROM 'example.net': '+ip4:192.0.2.0/24 of example.net'"


def symbol(name: str, evidence: str) -> ScoredSymbol:
    return ScoredSymbol(name, 0.0, 1.0, evidence, "", "sender")


def verdict(said: str = "spf=pass smtp.mailfrom=example.net", spf: str = PASSED, **more: Any) -> Verdict:
    symbols = (symbol("AUTH_RESULTS", said), symbol("SPF_PASS", spf))
    base = Verdict(Action.BOUNCE, Reason.SCORE, 13.5, 0.99, symbols, (), 6.0, "ab" * 32)
    return replace(base, **more)


@pytest.fixture
def bouncer() -> Bouncer:
    return Bouncer("mx.example.org", "postmaster@example.org", clock=FakeClock(1e9))


def why(raw: bytes = RAW, envelope: Envelope = ENVELOPE, found: Verdict | None = None) -> str:
    return unsuitable(Message(raw), envelope, found or verdict())


def test_a_bounce_is_a_report_of_what_was_not_delivered(bouncer: Bouncer) -> None:
    done = bouncer.bounce(RAW, replace(ENVELOPE, received_at=1e9 - 10), verdict())
    assert done.why_not == ""
    assert done.envelope is not None
    assert done.raw is not None
    assert (done.envelope.mail_from, done.envelope.rcpt_to) == ("", ("a@example.net",))
    report = email.message_from_bytes(done.raw, policy=default)
    assert (report.get_content_type(), report.get_param("report-type")) == ("multipart/report", "delivery-status")
    assert (report["From"], report["To"]) == ("Mail delivery <postmaster@example.org>", "a@example.net")
    assert (report["Auto-Submitted"], report["In-Reply-To"]) == ("auto-replied", "<1@example.net>")
    words, status, headers = report.iter_parts()
    assert "b@example.org" in words.get_content()
    reply = str(verdict().smtp_reply)
    assert reply in words.get_content()
    of_mail, of_recipient = parts(status)
    assert dict(of_mail.items()) == {"Reporting-MTA": "dns; mx.example.org",
                                     "Arrival-Date": "Sun, 09 Sep 2001 01:46:30 +0000"}  # fmt: skip
    assert dict(of_recipient.items()) == {
        "Final-Recipient": "rfc822; b@example.org", "Action": "failed", "Status": "5.7.1",
        "Diagnostic-Code": f"smtp; {reply}",
    }  # fmt: skip
    assert headers.get_content_type() == "text/rfc822-headers"
    assert headers.get_content().startswith("From: Anna <a@example.net>\r\n")
    assert b"secret" not in done.raw
    assert b"\n" not in done.raw.replace(b"\r\n", b"")


def parts(status: Any) -> list[Parsed]:
    """The groups of fields of a message/delivery-status."""
    found = status.get_payload()
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        ("", "the sender is null"),
        (None, "the sender is null"),
        ("nobody", "no address that can be answered"),
        ("a@example.net\r\nBcc: x@y", "no address that can be answered"),
        ("MAILER-DAEMON@example.net", "the address of a program"),
        ("list-bounces@example.net", "the address of a program"),
        ("owner-list@example.net", "the address of a program"),
        ("noreply@example.net", "the address of a program"),
    ],
)
def test_there_is_none_to_these_senders(sender: str | None, said: str) -> None:
    assert said in why(envelope=replace(ENVELOPE, mail_from=sender))


@pytest.mark.parametrize(
    "field",
    ["Auto-Submitted: auto-replied", "Auto-Submitted: auto-generated (x)", "Precedence: Bulk", "Precedence: list",
     "List-Id: <l.example.net>", "List-Unsubscribe: <https://x.example>", "X-Auto-Response-Suppress: All",
     "Content-Type: multipart/report; boundary=x", "Auto-Submitted: no\r\nAuto-Submitted: auto-replied"],
)  # fmt: skip
def test_there_is_none_to_programs_and_lists(field: str) -> None:
    assert why(field.encode() + b"\r\n" + RAW)


def test_a_person_who_says_so_is_answered() -> None:
    assert why(b"Auto-Submitted: no\r\nPrecedence: first-class\r\n" + RAW) == ""


@pytest.mark.parametrize(
    ("said", "spf", "proved"),
    [
        ("spf=pass smtp.mailfrom=example.net", PASSED, True),
        ("spf=pass smtp.mailfrom=example.net", "MAIL FROM 'example.net': '+all of example.net'", False),
        ("spf=pass smtp.mailfrom=other.example", PASSED, False),
        ("spf=pass smtp.helo=example.net", PASSED, False),
        ("spf=softfail smtp.mailfrom=example.net", "", False),
        ("dkim=pass header.d=example.net header.s=k", "", True),
        ("dkim=pass header.d=news.example.net header.s=k", "", True),
        ("dkim=fail header.d=example.net header.s=k", "", False),
        ("dkim=pass header.d=net header.s=k", "", False),
        ("dkim=pass header.d=example.net.evil.example header.s=k", "", False),
        ("dmarc=pass header.from=example.net", "", False),
        ("", "", False),
    ],
)
def test_only_a_proved_sender_is_answered(said: str, spf: str, proved: bool) -> None:
    assert (why(found=verdict(said, spf)) == "") is proved


def test_without_authentication_there_is_none() -> None:
    assert why(found=replace(verdict(), symbols=())) == "nothing proves that the mail is from its sender"


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.BOUNCE])
def test_only_what_is_refused_is_bounced(action: Action) -> None:
    assert why(found=verdict(action=action)) == "the mail is not refused for any recipient"


def test_recipients_who_get_the_mail_are_not_named(bouncer: Bouncer) -> None:
    to = ["b@example.org", "c@example.org"]
    bounced = Outcome(to[0], Action.BOUNCE, Reason.SCORE, Action.BOUNCE, "")
    taken = Outcome(to[1], Action.ACCEPT, Reason.SCORE, Action.ACCEPT, "")
    found = verdict(action=Action.ACCEPT, recipients=(bounced, taken))
    done = bouncer.bounce(RAW, replace(ENVELOPE, rcpt_to=to), found)
    assert done.raw is not None
    assert (b"Final-Recipient: rfc822; b@example.org" in done.raw, b"c@example.org" in done.raw) == (True, False)


def test_not_many_an_hour_to_one_sender_and_to_one_organization() -> None:
    clock = FakeClock(1e9)
    bouncer = Bouncer("mx.example.org", "p@example.org", per_sender=2, per_domain=3, clock=clock)

    def to(sender: str) -> str:
        domain = sender.partition("@")[2]
        found = verdict(f"dkim=pass header.d={domain} header.s=k", "")
        return bouncer.bounce(RAW, replace(ENVELOPE, mail_from=sender), found).why_not

    assert [to("a@example.net"), to("A@example.net")] == ["", ""]
    assert to("a@example.net") == "a@example.net has had 2 bounces within an hour"
    assert to("b@sub.example.net") == ""
    assert to("c@example.net") == "example.net has had 3 bounces within an hour"
    assert to("a@example.com") == ""
    clock.advance(1.2 * HOUR)
    assert to("a@example.net") == ""


def test_what_must_not_be_bounced_counts_for_nothing(bouncer: Bouncer) -> None:
    for _ in range(50):
        assert bouncer.bounce(RAW, ENVELOPE, verdict("")).why_not
    assert bouncer.bounce(RAW, ENVELOPE, verdict()).why_not == ""


def test_a_store_that_fails_means_no_bounce() -> None:
    class Dead:
        def tally(self, tallies: object, now: float) -> list[tuple[int, ...]]:
            raise StoreError("gone")

    bouncer = Bouncer("mx.example.org", "p@example.org", store=Dead())  # type: ignore[arg-type]
    assert bouncer.bounce(RAW, ENVELOPE, verdict()).why_not == "bounces cannot be counted now"


def test_processes_share_the_limit(tmp_path: Any) -> None:
    first, second = (Bouncer("mx.example.org", "p@example.org", store=str(tmp_path / "b.db")) for _ in range(2))
    found = [each.bounce(RAW, ENVELOPE, verdict()).why_not for each in (first, second, first, second)]
    assert [bool(one) for one in found] == [False, False, False, True]


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\r\n\r\n", b"--", b"\n.\n", b"\xff\0", b"a" * 2000]))
def test_any_bytes_make_a_report_of_three_parts(raw: bytes, odd: bytes) -> None:
    bouncer = Bouncer("mx.example.org", "p@example.org", per_sender=10**6, per_domain=10**6)
    done = bouncer.bounce(b"Subject: x\r\n" + odd + raw, ENVELOPE, verdict())
    if done.raw is None:
        return
    report = email.message_from_bytes(done.raw, policy=default)
    assert [part.get_content_type() for part in report.iter_parts()] == [
        "text/plain", "message/delivery-status", "text/rfc822-headers",
    ]  # fmt: skip
    assert set(report.keys()) <= {"From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
                                  "Auto-Submitted", "MIME-Version", "Content-Type"}  # fmt: skip
    assert max(map(len, done.raw.split(b"\r\n"))) < 998
    assert b"\0" not in done.raw


def test_addresses_beyond_ascii_are_reported_as_such(bouncer: Bouncer) -> None:
    envelope = Envelope(mail_from="ä@example.net", rcpt_to=["ü@example.org"])
    done = bouncer.bounce("Subject: ö\r\n\r\n".encode(), envelope, verdict())
    assert done.raw is not None
    report = email.message_from_bytes(done.raw, policy=default)
    assert [part.get_content_type() for part in report.iter_parts()][1] == "message/global-delivery-status"
    assert "Final-Recipient: utf-8; ü@example.org".encode() in done.raw


@pytest.mark.parametrize(
    ("hostname", "postmaster"),
    [("", "p@example.org"), ("a b", "p@example.org"), ("mx.example.org", ""), ("mx.example.org", "p@x\r\nBcc: y@z")],
)
def test_names_that_are_none_are_said(hostname: str, postmaster: str) -> None:
    with pytest.raises(SettingError, match=r"bounce: (hostname|postmaster)"):
        Bouncer(hostname, postmaster)

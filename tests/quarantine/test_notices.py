"""Notices: who is told of what, how it looks, and that nothing a sender wrote can do anything in it."""

from __future__ import annotations

import email
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import replace
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.decision import Reason
from mailfilter.envelope import Envelope
from mailfilter.errors import SettingError, StoreError
from mailfilter.quarantine.notices import Notices, compose, send

from .made import KEYS, MAIL, VERDICT, hold, later, only, store

NOTICES = Notices("postmaster@example.org", "https://mail.example.org/release?token=")


class Box:
    """Takes notices, but for some recipients."""

    def __init__(self, *refused: str) -> None:
        self.refused, self.got = refused, list[tuple[Envelope, bytes]]()

    def __call__(self, envelope: Envelope, raw: bytes) -> Collection[str]:
        if envelope.rcpt_to[0] in self.refused:
            return list(envelope.rcpt_to)
        self.got.append((envelope, raw))
        return []


def parts(raw: bytes) -> tuple[EmailMessage, str, str]:
    """The notice, its plain text and its page."""
    mail = email.message_from_bytes(raw, policy=default)
    assert isinstance(mail, EmailMessage)
    plain, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert page is not None
    return mail, plain.get_content(), page.get_content()


def mail(author: str, subject: str) -> bytes:
    return f"From: {author}\r\nSubject: {subject}\r\n\r\nbody\r\n".encode()


class Page(HTMLParser):
    """Tags, the places that they point to, and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.targets, self.text = set[str](), list[str](), ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.targets += [value or "" for name, value in attrs if name in ("href", "src", "action", "background")]
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_each_recipient_gets_one_notice_of_what_is_his() -> None:
    quarantine, box = store(keys=KEYS), Box()
    hold(quarantine, mail("x", "for both"), "b@example.org", "c@example.org")
    hold(quarantine, mail("x", "for b"), "b@example.org")
    assert tuple(send(quarantine, NOTICES, box)) == (2, 3, ())
    texts = {envelope.rcpt_to[0]: parts(raw)[1] for envelope, raw in box.got}
    assert ("for both" in texts["b@example.org"], "for b\r\n" in texts["b@example.org"]) == (True, True)
    assert ("for both" in texts["c@example.org"], "for b\r\n" in texts["c@example.org"]) == (True, False)
    assert {str(held.state) for held in quarantine.entries()} == {"noticed"}
    assert tuple(send(quarantine, NOTICES, box)) == (0, 0, ())


def test_a_notice_is_a_mail_that_no_program_answers() -> None:
    quarantine, box = store(keys=KEYS), Box()
    hold(quarantine)
    send(quarantine, NOTICES, box)
    ((envelope, raw),) = box.got
    found, _, _ = parts(raw)
    assert (envelope.mail_from, envelope.rcpt_to) == ("", ("b@example.org",))
    assert (found["From"], found["To"]) == ("Mail quarantine <postmaster@example.org>", "b@example.org")
    assert (found["Auto-Submitted"], found.get_content_type()) == ("auto-generated", "multipart/alternative")
    assert found["Date"].datetime.timestamp() == quarantine.clock()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998


def test_both_forms_say_the_same() -> None:
    quarantine, box = store(keys=KEYS), Box()
    receipt = hold(quarantine, mail("Anna <a@example.net>", "Offer"))
    send(quarantine, NOTICES, box)
    _, plain, page = parts(box.got[0][1])
    link = NOTICES.link + quarantine.token(receipt, "b@example.org")
    for form in (plain, Page(page).text):
        for said in (
            "Anna <a@example.net>",
            "Offer",
            receipt,
            "it looks like spam",
            "30 days",
            "postmaster@example.org",
        ):
            assert said in form
    assert link in plain
    assert Page(page).targets == [link]


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=60),
    st.sampled_from(["<script>", "\"'><img src=x>", "&lt;", "http://evil.example/", "$to", "\u202e"]),
)
def test_nothing_that_a_sender_wrote_does_anything(text: str, attack: str) -> None:
    quarantine = store(keys=KEYS)
    quarantine.hold(MAIL, Envelope(mail_from=attack + text, rcpt_to=["b@example.org"]), VERDICT)
    hostile = replace(only(quarantine), subject=text + attack, author=attack + text)
    found, plain, page = parts(compose(quarantine, NOTICES, "b@example.org", [hostile]))
    seen = Page(page)
    assert seen.tags == {"html", "head", "meta", "title", "body", "div", "h1", "p", "bdi", "span", "a"}
    assert [target.partition("?")[0] for target in seen.targets] == ["https://mail.example.org/release"]
    for form in (plain.replace(NOTICES.link, ""), seen.text):
        assert "://" not in form
        assert not set(form) & set("\u202e\u202a\u2066\x00\x1b\x7f")
    assert len(plain.splitlines()) == 11
    assert set(found.keys()) == {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted",
                                 "X-Auto-Response-Suppress", "MIME-Version", "Content-Type"}  # fmt: skip


def test_malware_has_no_link() -> None:
    quarantine, box = store(keys=KEYS), Box()
    hold(quarantine, MAIL, verdict=replace(VERDICT, reason=Reason.MALWARE))
    send(quarantine, NOTICES, box)
    _, plain, page = parts(box.got[0][1])
    assert "it holds malware" in plain
    assert "release  " not in plain
    assert Page(page).targets == []


def test_without_a_page_there_are_no_links() -> None:
    quarantine, box = store(), Box()
    hold(quarantine)
    send(quarantine, Notices("postmaster@example.org"), box)
    _, plain, page = parts(box.got[0][1])
    assert ("release  " in plain, Page(page).targets) == (False, [])


def test_what_does_not_go_out_is_tried_again_and_does_not_expire(caplog: pytest.LogCaptureFixture) -> None:
    quarantine = store()
    hold(quarantine, MAIL, "b@example.org")
    hold(quarantine, MAIL, "c@example.org")

    def down(envelope: Envelope, raw: bytes) -> Collection[str]:
        raise StoreError("connection refused")

    assert tuple(send(quarantine, Notices("p@example.org"), down)) == (0, 0, ("b@example.org", "c@example.org"))
    assert tuple(send(quarantine, Notices("p@example.org"), Box("b@example.org"))) == (1, 1, ("b@example.org",))
    later(quarantine, 100)
    assert tuple(quarantine.expire())[:2] == (1, 1)
    assert "no notice to b@example.org: connection refused" in caplog.text


def test_many_mails_are_told_in_several_notices() -> None:
    quarantine, box = store(), Box()
    for number in range(5):
        hold(quarantine, MAIL + bytes([number]))
    assert tuple(send(quarantine, Notices("p@example.org"), box, limit=2)) == (3, 5, ())
    assert [parts(raw)[0]["Subject"][:7] for _, raw in box.got] == ["2 mails", "2 mails", "1 mail "]


def test_the_postmaster_is_told_of_what_nobody_else_is() -> None:
    quarantine, box = store(keys=KEYS), Box()
    hold(quarantine, MAIL, "stranger@example.com", direction="outbound")
    send(quarantine, NOTICES, box)
    assert [tuple(envelope.rcpt_to) for envelope, _ in box.got] == [("postmaster@example.org",)]
    assert (only(quarantine).state, Page(parts(box.got[0][1])[2]).targets) == ("noticed", [])


@pytest.mark.parametrize("address", ["ü@example.org", '"a b"@example.org', "b@example.org\r\nBcc: x@example.com"])
def test_an_odd_recipient_does_not_reach_the_header(address: str) -> None:
    quarantine = store()
    found, plain, _ = parts(compose(quarantine, Notices("p@example.org"), address, []))
    assert found["To"] == "undisclosed-recipients:;"
    assert "Bcc" not in found
    assert "\nBcc" not in plain


NONE = [("", ""), ("nobody", ""), ("a@b\r\nBcc: c@d", ""), ("a@b", "javascript:x")]


@pytest.mark.parametrize(("postmaster", "link"), NONE)
def test_settings_that_are_none_are_said(postmaster: str, link: str) -> None:
    with pytest.raises(SettingError, match=r"quarantine: (postmaster|link)"):
        Notices(postmaster, link)


MEASURE = (
    "<script>document.title = [document.documentElement.scrollWidth <= innerWidth,"
    " performance.getEntriesByType('resource').length, document.querySelectorAll('a').length]</script></body>"
)


def test_a_browser_shows_it_without_fetching_anything(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser is installed")
    quarantine = store(keys=KEYS)
    for number in range(3):
        hold(quarantine, mail(f"Sender {number}", f"Subject <b>{number}</b> " + "W" * 90))
    page = parts(compose(quarantine, NOTICES, "b@example.org", list(quarantine.entries())))[2]
    (tmp_path / "page.html").write_text(page.replace("</body>", MEASURE))
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900"]
    words += [f"--user-data-dir={tmp_path}/profile", "--dump-dom", f"file://{tmp_path}/page.html"]
    done = subprocess.run([browser, *words], capture_output=True, text=True, timeout=60, check=True)
    title = done.stdout.partition("<title>")[2].partition("</title>")[0]
    assert title == "true,0,3"  # nothing is wider than the window, nothing was fetched, every mail has its link

"""The link check beyond its golden cases: its laws, spellings, and time that is bounded by size."""

from __future__ import annotations

import pytest

from mailfilter.checks.links import DOTS, HYPHENS, LinkCheck
from tests.checks.laws import laws_of, names, seconds

CHECK = LinkCheck()
test_laws = laws_of(CHECK)

HEAD = b"From: Ada <ada@example.net>\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n"


def linked(url: str, text: str = "here") -> set[str]:
    return names(CHECK, HEAD + f'<p><a href="{url}">{text}</a></p>'.encode())


@pytest.mark.parametrize("host", ["203.0.113.9", "3405803785", "0xcb007109", "0xcb.0x0.0x71.0x9", "[2001:db8::1]"])
def test_ways_to_write_an_address(host):
    assert "LINK_IP" in linked(f"http://{host}/x")


@pytest.mark.parametrize("host", ["example.net", "1.example", "203.0.113.9.example", "abad1dea.example", "12345.net"])
def test_names_are_no_addresses(host):
    assert "LINK_IP" not in linked(f"http://{host}/x")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "vbscript:x", "data:text/html,<p>x"])
def test_links_that_run(url):
    assert "LINK_SCRIPT" in linked(url)


@pytest.mark.parametrize(
    "url", ["mailto:a@example.net", "https://example.net/javascript:", "data:image/png;base64,x", "#top"]
)
def test_links_that_do_not_run(url):
    assert linked(url) == set()


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("www.bank.example", True),
        ("https://bank.example/login?x=1", True),
        ("BANK.EXAMPLE", True),
        ("bank.example:443/x", True),
        ("collect.example.org", False),
        ("mail.example.org", False),
        ("version 1.2", False),
        ("1.2.3.4", False),
        ("report.pdf", False),
        ("see bank.example", False),
        ("ada@bank.example", False),
        ("bank.example is closed", False),
    ],
)
def test_texts_that_show_another_host(text, hit):
    assert ("LINK_TEXT_OTHER_HOST" in linked("http://collect.example.org/x", text)) is hit


@pytest.mark.parametrize(
    ("host", "odd"),
    [
        (".".join("abcdef"), DOTS <= 5),
        (".".join("abcde"), DOTS <= 4),
        ("a-b-c-d-e.example", HYPHENS <= 4),
        ("a-b-c-d.example", HYPHENS <= 3),
    ],
)
def test_limits_of_odd_hosts(host, odd):
    assert ("LINK_HOST_ODD" in linked(f"http://{host}/")) is odd


def test_evidence_names_the_first_link_that_shows_it():
    raw = HEAD + b'<a href="http://203.0.113.9/">a</a> <a href="http://203.0.113.10/">b</a>'
    (symbol,) = [symbol for symbol in CHECK.run(_mails(raw))[0] if symbol.name == "LINK_IP"]
    assert "203.0.113.9" in symbol.evidence


def test_links_of_other_readings_are_looked_at():
    raw = (
        b"From: a@example.net\nMIME-Version: 1.0\nContent-Type: text/plain\nContent-Type: text/html\n\n"
        b'<p>hello <a href="javascript:x">here</a></p>\n'
    )
    assert "LINK_SCRIPT" in names(CHECK, raw)


@pytest.mark.parametrize(
    "body",
    [
        b"http://203.0.113.9/x " * 40_000,
        b'<a href="http://' + b"a." * 400_000 + b'">x</a>',
        b'<a href="http://x/' + b"paypal" * 150_000 + b'">' + b"a." * 100_000 + b"</a>",
        b"".join(b'<a href="http://%d.example/paypal/signin">www.%d.example</a>' % (n, n) for n in range(10_000)),
        b'<a href="' + b"http:" * 200_000 + b'">x</a>',
        b'<a href="http://' + b"@" * 900_000 + b'">x</a>',
    ],
)
def test_many_and_long_links_take_bounded_time(body):
    assert seconds(CHECK, HEAD + body) < 1


def _mails(raw):
    from mailfilter.checks import Mail
    from mailfilter.envelope import Envelope
    from mailfilter.message import Message

    return [Mail(Message(raw), Envelope())]

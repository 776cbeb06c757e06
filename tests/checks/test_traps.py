"""Traps beyond their golden cases: laws, spellings, and time that is bounded by size."""

from __future__ import annotations

import base64

import pytest

from mailfilter.checks.traps import GAP, MOST, TrapCheck
from tests.checks.laws import laws_of, names, seconds

CHECK = TrapCheck()
test_laws = laws_of(CHECK)
HEAD = b"From: Ada <ada@example.net>\nTo: Jo <jo@example.org>\nMIME-Version: 1.0\nContent-Type: text/html\n\n"


def linked(url: str) -> set[str]:
    return names(CHECK, HEAD + f'<a href="{url}">here</a>'.encode())


@pytest.mark.parametrize("host", ["x.pages.dev", "forms.gle", "a.b.workers.dev", "storage.googleapis.com"])
def test_hosts_for_nothing(host):
    assert "LINK_FREE_HOST" in linked(f"https://{host}/x")


@pytest.mark.parametrize("host", ["pages.example", "pages.dev.example", "xforms.gle.example", "googleapis.com"])
def test_other_hosts(host):
    assert "LINK_FREE_HOST" not in linked(f"https://{host}/x")


def test_pictures_are_not_where_a_reader_goes():
    assert names(CHECK, HEAD + b'<img src="https://storage.googleapis.com/x.png">') == set()


@pytest.mark.parametrize(
    "end", ["jo@example.org", "JO@example.org", "jo%40example.org", base64.b64encode(b"jo@example.org").decode(),
            base64.urlsafe_b64encode(b"jo@example.org").decode().rstrip("=")],
)  # fmt: skip
def test_ways_to_name_the_recipient(end):
    assert "LINK_NAMES_RECIPIENT" in linked(f"https://x.example/#{end}")


@pytest.mark.parametrize("end", ["top", "jo@example.com", base64.b64encode(b"ada@example.org").decode(), "=" * 40])
def test_other_ends(end):
    assert "LINK_NAMES_RECIPIENT" not in linked(f"https://x.example/#{end}")


def test_a_comment_that_styles_or_tells_programs_apart_is_no_stuffing():
    for inside in (b"[if mso]>" + b"<td>x</td>" * 300 + b"<![endif]", b"p { color: red }" * 100, b"x" * 100):
        assert "HTML_COMMENT_STUFFED" not in names(CHECK, HEAD + b"<p>x</p><!--" + inside + b"-->")
    assert "HTML_COMMENT_STUFFED" in names(CHECK, HEAD + b"<p>x</p><!--" + b"harbour light " * 100 + b"-->")


def test_a_gap_needs_something_on_both_sides():
    for text, hit in ((b"a" + b"\n" * (GAP + 2) + b"b", True), (b"\n" * (GAP + 2) + b"b", False), (b"a\n\nb", False)):
        assert ("TEXT_BELOW_GAP" in names(CHECK, b"From: a@example.net\n\n" + text)) is hit


@pytest.mark.parametrize(
    "body",
    [
        b'<a href="https://x.example/#jo@example.org">x</a>' * (20 * MOST),
        b"<!--" * 100_000,
        b"<!-- x -->" * 100_000,
        b"bitcoin " + b"1" * 500_000,
        b"bitcoin " + b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb " * 20_000,
        b" \n" * (GAP - 1) + b"x",
        (b" \n" * (GAP - 1) + b"x") * 5_000,
    ],
)
def test_time_is_bounded_by_size(body):
    for head in (HEAD, b"From: a@example.net\n\n"):
        assert seconds(CHECK, head + body) < 2.0

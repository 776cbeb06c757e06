"""Lines of the usual forms take a shorter way, and shapes are tried all at once: both must be as if they did not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.ruleset import received
from mailfilter.ruleset.received import FETCHED, Told
from mailfilter.ruleset.relays import _parsed_at_length, _usual, parse_received

WORDS = [
    "a.example", "MX1.EXAMPLE", "unknown", "softdnserr", "Exim", "SMTPSVC", "HELO", "id", "by", "with", "10.0.0.1",
    "x.hotmail.msn.com", "envelope-from", "Return-Path", "localhost", "IDENT", "a_b-c.d", "authenticated", "[::1]",
    "x.", "IPv6:2001:db8::1", "192.0.2.7", "SMTP", "ESMTPSA", "HTTP", "r@b.example", "(AUTH:", "Exim4", "qmail-ldap",
    "LO", "IDENT:u@h.example", "u@unknown", "u@h.example",
]  # fmt: skip
IDS = [*WORDS, "1a2B3c", "x", "SMTP1", "<a@b.example>", "QMQPx", "a.b-c@d", "1id"]
PROGRAMS = ["(Postfix)", "(8.12.1/8.12.1)", "(Exim 4.1)", "(qmail-ldap-1.03)", "(8.x", "", "(NAVGW 2)"]
PROTOCOLS = ["ESMTP", "SMTP", "ESMTPSA", "SMTPA", "SMTPS", "HTTP", "Microsoft SMTP Server", "QMQP", "local", "LMTPA"]
ENDS = [
    "", "for <u@a.example>", "for <Exim>", "for u@a.example", "(Google Transport Security)", "with HTTP",
    "(version=TLS1_3 cipher=X-Y bits=1/2)", "(envelope-from <s@a.example>)", "for <by.example> by x.example (z)",
    "(version=1 cipher=2 bits=3 verify=NO)",
]  # fmt: skip
DATES = ["; Mon, 1 Jan 2024 1:2:3 +0000", "; 1 Jan 2024 01:02:03 -0000 (GMT)", ";", "; xLO, 5 xLO 2024 1 +0000", ""]


def _mostly(usual: str, others: list[str]) -> st.SearchStrategy[str]:
    """One word of the usual form of a line, now and then another: most lines differ from it in one or two places."""
    return st.one_of(st.just(usual), st.just(usual), st.sampled_from(others))


NAME, ADDRESS = _mostly("mx.a.example", WORDS), _mostly("192.0.2.1", WORDS)
REST = [NAME, _mostly("(Postfix)", PROGRAMS), _mostly("ESMTP", PROTOCOLS), _mostly("1a2B3c", IDS), _mostly("", ENDS),
        _mostly(DATES[0], DATES)]  # fmt: skip
FETCHES = [NAME, st.sampled_from(["IMAP", "POP3", "ESMTP"]), NAME, _mostly(DATES[0], DATES)]
LINES = st.one_of(
    st.builds("from {} ({} [{}]) by {} {} with {} id {} {}{}".format, NAME, NAME, ADDRESS, *REST),
    st.builds("from {} ([{}]) by {} {} with {} id {} {}{}".format, NAME, ADDRESS, *REST),
    st.builds("from {} [{}] by {} with {} (fetchmail-5.9) for {} (single-drop){}".format, NAME, ADDRESS, *FETCHES),
    st.lists(st.sampled_from(WORDS + ENDS + PROGRAMS + PROTOCOLS), max_size=12).map(
        lambda some: f"from {' '.join(some)}"
    ),
)


@settings(max_examples=1500, deadline=None)
@given(LINES)
def test_the_short_way_gives_what_the_shapes_give(line: str) -> None:
    line = " ".join(line.split())
    assert parse_received(line) == _parsed_at_length(line)


@pytest.mark.parametrize(
    "line",
    [
        "from h.example (r.example [192.0.2.1]) by m.example (Postfix) with ESMTP id 1A2B; Mon, 1 Jan 2024 1:2:3 +0000",
        "from h.example (r.example. [192.0.2.1]) by m.example with ESMTPS id a-b.1 for <u@m.example> "
        "(Google Transport Security); Mon, 01 Jan 2024 01:02:03 -0800 (PST)",
        "from h.example ([192.0.2.1]) by m.example (8.18.1/8.18.1) with ESMTPSA id 12345 "
        "(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO) for <u@m.example>; 1 Jan 2024 1:2:3 +0000",
        "from h.example [192.0.2.1] by localhost with IMAP (fetchmail-6.4.2) for u@m.example (single-drop)",
    ],
)
def test_what_mail_servers_write_today_goes_the_short_way(line: str) -> None:
    hop = _usual(line)
    assert hop is not None
    assert hop is FETCHED or (hop.ip, hop.helo, hop.by) == ("192.0.2.1", "h.example", "m.example")


@settings(max_examples=500, deadline=None)
@given(LINES)
def test_shapes_at_once_are_shapes_one_by_one(line: str) -> None:
    line = " ".join(line.split())[5:]
    told = Told(f"from {line}")
    for shapes in received.SHAPES:
        one_by_one = [shape.make(match, told) for shape in shapes.shapes if (match := shape.pattern.match(line))]
        assert shapes.hop(line, told) == (one_by_one[0] if one_by_one else None)

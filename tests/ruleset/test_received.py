"""Lines of the usual forms take a shorter way, and shapes are tried all at once: both must be as if they did not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.ruleset.received import FETCHED, Told
from mailfilter.ruleset.relays import _parsed_at_length, parse_received
from mailfilter.ruleset.shapes import SHAPES
from mailfilter.ruleset.usual import usual

NAMES = [
    "mx.a.example", "MX1.EXAMPLE", "unknown", "Unknown.", "softdnserr", "Exim", "SMTPSVC", "HELO", "id", "by", "with",
    "10.0.0.1", "SMTP.x", "x.hotmail.msn.com", "envelope-from", "Return-Path", "localhost", "IDENT", "a_b-c.d", "smap",
    "authenticated", "[::1]", "x.", "1.2.3.4.5", "(AUTH:", "LO", "ESMTPSA", "HTTP", "r@b.example", "qmail-ldap",
    "IDENT:u@h.example", "u@unknown", "u@h.example", "x@softdnserr", "local",
]  # fmt: skip
ADDRESSES = [
    "192.0.2.1", "::1", "2001:db8::1", "IPv6:2001:db8::2", "IPv6:1.2.3.4", "::ffff:1.2.3.4", "fe80::1%2", "1.2.3",
    "1.2.3.4.5", "abcd", "12345:1::", ":", ":::", "127.0.0.1",
]  # fmt: skip
IDS = ["id 1a2B3c", "", *[f"id {word}" for word in ("x", "SMTP1", "<a@b.example>", "QMQPx", "a.b-c@d", "1id", *NAMES)]]
PROGRAMS = ["", "(Postfix)", "(8.12.1/8.12.1)", "(Exim 4.1)", "(qmail-ldap-1.03)", "(8.x", "(NAVGW 2)", "(::1)"]
PROTOCOLS = [
    "ESMTP", "SMTP", "ESMTPSA", "SMTPA", "SMTPS", "HTTP", "HTTPS", "QMQP", "local", "LMTPA", "esmtp", "esmtpsa",
    "smtpa", "Microsoft SMTP Server (version=TLS1_2, cipher=X)", "esmtps (TLS1.3) tls TLS_X",
]  # fmt: skip
ENDS = [
    "", "for <u@a.example>", "for <Exim>", "for u@a.example", "(Google Transport Security)", "with HTTP", "for SMTP",
    "(version=TLS1_3 cipher=X-Y bits=1/2)", "(envelope-from <s@a.example>)", "for <by.example> by x.example (z)",
    "(version=1 cipher=2 bits=3 verify=NO)", "via Frontend Transport",
]  # fmt: skip
DATES = [
    "; Mon, 1 Jan 2024 1:2:3 +0000",
    "; 1 Jan 2024 1:2:3 GMT (envelope-from s@a.example)",
    "; 1 Jan 2024 01:02:03 -0000 (GMT)",
    ";",
    "; xLO, 5 xLO 2024 1 +0000",
    "",
]
TLS = [
    "(using TLSv1.3 with cipher TLS_AES (256/256 bits) key-exchange ECDHE (P-256) server-signature RSA-PSS (2048 bits))"
    " (No client certificate requested)",
    "(using TLSv1.2 with cipher M (1/2 bits))",
]
SENDERS = ["(envelope-from <s@a.example>)", "", "(envelope-from <s@a->)", "(envelope-from <>)", "(envelope-sender <x>)"]
HELOS = ["", "helo=h.example", "helo=Exim", "ident=x"]
EXIMS = ["(Exim 4.96)", "(Exim 4.10 #1 (Debian))"]
FORMS = [
    ("from {} ({} [{}]) by {} {} with {} {} {}{}",
     [NAMES, NAMES, ADDRESSES, NAMES, PROGRAMS, PROTOCOLS, IDS, ENDS, DATES]),
    ("from {} ({} [{}] (may be forged)) by {} {} with {} {} {}{}",
     [NAMES, NAMES, ADDRESSES, NAMES, PROGRAMS, PROTOCOLS, IDS, ENDS, DATES]),
    ("from {} ({} [{}]) {} by {} (Postfix) with {} {} {}{}",
     [NAMES, NAMES, ADDRESSES, TLS, NAMES, PROTOCOLS, IDS, ENDS, DATES]),
    ("from {} ([{}]) by {} {} with {} {} {}{}", [NAMES, ADDRESSES, NAMES, PROGRAMS, PROTOCOLS, IDS, ENDS, DATES]),
    ("from {} ({}) by {} {} with {} {} {}{}", [NAMES, ADDRESSES, NAMES, PROGRAMS, PROTOCOLS, IDS, ENDS, DATES]),
    ("from {} (HELO {}) ({}) by {} with {}{}", [NAMES, NAMES, ADDRESSES, NAMES, PROTOCOLS, DATES]),
    ("from {} ([{}] {}) by {} with {} {} {} {} {}{}",
     [NAMES, ADDRESSES, HELOS, NAMES, PROTOCOLS, EXIMS, SENDERS, IDS, ENDS, DATES]),
    ("from {} [{}] by {} with {} (fetchmail-5.9) for {} (single-drop){}",
     [NAMES, ADDRESSES, NAMES, ["IMAP", "POP3", "ESMTP"], NAMES, DATES]),
    ("from {} {} {} {} {} {} {}", [NAMES, [*NAMES, *ENDS], [*PROGRAMS, *NAMES], ENDS, PROTOCOLS, ENDS, DATES]),
]  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> str:
    """A line of one of the usual forms, a few of its words changed to what might make another of it."""
    form, slots = draw(st.sampled_from(FORMS))
    words = [some[0] for some in slots]
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(slots) - 1))
        words[at] = draw(st.sampled_from(slots[at]))
    return " ".join(form.format(*words).replace(" ])", "])").split())


@settings(max_examples=1500, deadline=None)
@given(lines())
def test_the_short_way_gives_what_the_shapes_give(line: str) -> None:
    assert parse_received(line) == _parsed_at_length(line)


@pytest.mark.parametrize(
    "line",
    [
        "from h.example (r.example [192.0.2.1]) by m.example (Postfix) with ESMTP id 1A2B; Mon, 1 Jan 2024 1:2:3 +0000",
        "from h.example (r.example. [192.0.2.1]) by m.example with ESMTPS id a-b.1 for <u@m.example> "
        "(Google Transport Security); Mon, 01 Jan 2024 01:02:03 -0800 (PST)",
        "from h.example ([192.0.2.1]) by m.example (8.18.1/8.18.1) with ESMTPSA id 12345 "
        "(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO) for <u@m.example>; 1 Jan 2024 1:2:3 +0000",
        "from h.example (r.example [192.0.2.1]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) "
        "key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256) "
        "(No client certificate requested) by m.example (Postfix) "
        "with ESMTPS id 1A2B for <u@m.example>; Mon, 1 Jan 2024 1:2:3 +0000 (UTC)",
        "from h.example ([192.0.2.1]) by m.example with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384 (Exim 4.96) "
        "(envelope-from <a@h.example>) id 1rKx-0001-AB for u@m.example; Mon, 01 Jan 2024 01:02:03 +0000",
        "from h.example (r.example [192.0.2.1] (may be forged)) by m.example (8.18.1/8.18.1) with ESMTPS id 5A6A "
        "(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO) for <u@m.example>; 6 Nov 2025 10:25:28 GMT "
        "(envelope-from bounce@h.example)",
        "from r.example (HELO h.example) (192.0.2.1) by m.example with SMTP; 1 Jan 2024 1:2:3 -0000",
        "from h.example (192.0.2.1) by m.example (2001:db8::1) with Microsoft SMTP Server (version=TLS1_2, "
        "cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.1.2 via Frontend Transport; "
        "Mon, 1 Jan 2024 1:2:3 +0000",
        "from h.example [192.0.2.1] by localhost with IMAP (fetchmail-6.4.2) for u@m.example (single-drop)",
    ],
)
def test_what_mail_servers_write_today_goes_the_short_way(line: str) -> None:
    hop = usual(line)
    assert hop is not None
    assert hop is FETCHED or (hop.ip, hop.helo, hop.by) == ("192.0.2.1", "h.example", "m.example")


@settings(max_examples=500, deadline=None)
@given(lines())
def test_shapes_at_once_are_shapes_one_by_one(line: str) -> None:
    line = line[5:]
    told = Told(f"from {line}")
    for shapes in SHAPES:
        one_by_one = [shape.make(match, told) for shape in shapes.shapes if (match := shape.pattern.match(line))]
        assert shapes.hop(line, told) == (one_by_one[0] if one_by_one else None)

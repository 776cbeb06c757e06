"""The parser of golden cases: what it reads, and that its errors say where and what."""

from __future__ import annotations

import pytest

from mailfilter.lookups import DnsQuestion, DnsState, ScanQuestion, ScanState
from tests.golden_cases import GoldenError, parse_cases

CASE = b"""# first
set policy.quarantine 5
set dns.lists ["zen"]
client-ip 203.0.113.9
rcpt-to b@example.org
rcpt-to c@example.org
mail-from <>
dns 9.113.0.203.zen.example A 127.0.0.2 127.0.0.4
dns slow.example a timeout
scan infected Eicar-Test Other
expect ONE TWO
expect THREE
expect-not FOUR
expect-unknown FIVE
expect-action quarantine

Subject: x

body
<!-- next case -->

# second
escapes on
expect-not ONE

Subject: a\\r\\n\\x41\\\\ \xff
"""


def test_everything_that_a_case_can_say():
    first, second = parse_cases(CASE, "f.test")
    assert (first.id, first.line) == ("f:first", 1)
    assert first.settings == {"policy": {"quarantine": 5}, "dns": {"lists": ["zen"]}}
    assert first.envelope.client_ip == "203.0.113.9"
    assert first.envelope.rcpt_to == ("b@example.org", "c@example.org")
    assert first.envelope.mail_from == ""
    assert first.answer(DnsQuestion("9.113.0.203.zen.example")).records == ("127.0.0.2", "127.0.0.4")
    assert first.answer(DnsQuestion("slow.example")).state is DnsState.TIMEOUT
    assert first.answer(DnsQuestion("other.example")).state is DnsState.NOT_FOUND
    assert first.answer(ScanQuestion(b"")).state is ScanState.INFECTED
    assert first.answer(ScanQuestion(b"")).names == ("Eicar-Test", "Other")
    assert (first.expect, first.expect_not, first.expect_unknown) == (("ONE", "TWO", "THREE"), ("FOUR",), ("FIVE",))
    assert first.expect_action == "quarantine"
    assert first.raw == b"Subject: x\n\nbody\n"
    assert (second.line, second.raw) == (22, b"Subject: a\r\nA\\ \xff\n")
    assert second.answer(ScanQuestion(b"")).state is ScanState.DISABLED


def test_the_mail_keeps_its_bytes_without_escapes():
    (case,) = parse_cases(b"# a\nexpect X\n\nline \\x41 \xfe\r\n\n  <!-- no -->", "f")
    assert case.raw == b"line \\x41 \xfe\r\n\n  <!-- no -->"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"", "f:1: no case in this file"),
        (b"# a\nexpect X\nSubject: x\n", "f:3: unknown directive 'Subject:'"),
        (b"# a\nexpect X\n", "f:1: no blank line"),
        (b"expect X\n\nmail", "f:1: a case begins with a line '# its name'"),
        (b"# a\n\nmail", "f:1: 'a' expects nothing"),
        (b"# a\nexpect x\n\nmail", "f:2: 'x' is no symbol name"),
        (b"# a\nexpect X\nexpect-not X\n\nmail", "f:1: 'a' both expects and does not expect X"),
        (b"# a\nexpect\n\nmail", "f:2: expect needs a value"),
        (b"# a\nset policy.quarantine high\n\nmail", "f:2: set policy.quarantine: 'high' is no TOML value"),
        (b"# a\nset a 1\nset a.b 2\n\nmail", "f:3: set a.b: a is a value already"),
        (b"# a\nclient-ip 1.2.3\n\nmail", "f:2: client_ip is an IPv4 or IPv6 address"),
        (b"# a\ndns x A\n\nmail", "f:2: dns NAME TYPE RECORD"),
        (b"# a\nscan fine\n\nmail", "f:2: scan STATE NAME"),
        (b"# a\nexpect-action reject\n\nmail", "f:2: expect-action is one of accept"),
        (b"# a\nescapes off\n\nmail", "f:2: escapes on is the only form"),
        (b"# a\nescapes on\nexpect X\n\nmail \\q", "f:4: unknown escape '\\\\q'"),
        (b"# a\nexpect X\n\nm\n<!-- next case -->\n# a\nexpect X\n\nm", "f:6: the name 'a' is taken"),
    ],
)
def test_a_fault_is_reported_with_file_and_line(text, error):
    with pytest.raises(GoldenError) as caught:
        parse_cases(text, "f")
    assert str(caught.value).startswith(error)

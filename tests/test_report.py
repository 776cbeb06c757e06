"""What is told to the world: replies, headers, and the mail with forged ones removed (laws 4 and 9)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.decision import ACTIONS, Action, Reason
from mailfilter.report import headers, rewrite, smtp_reply
from mailfilter.verdict import ScoredSymbol, Verdict

DIGEST = "0123456789abcdef" * 4
PLAIN = Verdict(Action.ACCEPT, Reason.SCORE, 0.0, None, (), (), 6.0, DIGEST)


@pytest.mark.parametrize(
    ("action", "reason", "wait", "start"),
    [
        (Action.ACCEPT, Reason.SCORE, 0, "250 2.0.0 Accepted (id"),
        (Action.GREYLIST, Reason.SCORE, 90, "451 4.7.1 Greylisted, please try again in 90 seconds"),
        (Action.GREYLIST, Reason.SCORE, 0, "451 4.7.1 Greylisted, please try again later"),
        (Action.GREYLIST, Reason.NOT_KNOWN, 0, "451 4.7.1 This mail cannot be examined now"),
        (Action.GREYLIST, Reason.NOT_STORED, 0, "451 4.3.0 This mail cannot be stored now"),
        (Action.QUARANTINE, Reason.SCORE, 0, "250 2.0.0 Accepted and held for review"),
        (Action.BOUNCE, Reason.SCORE, 0, "550 5.7.1 Refused as spam, score 13.2"),
        (Action.BOUNCE, Reason.MALWARE, 0, "554 5.7.1 Refused: a virus scanner found malware"),
        (Action.BOUNCE, Reason.NOT_KNOWN, 0, "554 5.7.1 Refused: this mail could not be examined"),
        (Action.DELETE, Reason.SCORE, 0, "250 2.0.0 Accepted (id"),
    ],
)
def test_replies(action: Action, reason: Reason, wait: int, start: str) -> None:
    verdict = replace(PLAIN, action=action, reason=reason, score=13.2, wait=wait)
    line = str(smtp_reply(verdict))
    assert line.startswith(start)
    assert line == str(verdict.smtp_reply)
    assert DIGEST[:16] in line


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("reason", list(Reason))
def test_reply_classes_match_the_action(action: Action, reason: Reason) -> None:
    reply = smtp_reply(replace(PLAIN, action=action, reason=reason, score=5.0, wait=30))
    expected = {Action.GREYLIST: "4", Action.BOUNCE: "5"}.get(action, "2")
    assert str(reply.code)[0] == reply.enhanced[0] == expected
    assert len(str(reply)) < 500


def test_headers_name_score_limit_and_tests() -> None:
    symbol = ScoredSymbol("RULE", 6.5, 1.0, "", "", "headers")
    unknown = ScoredSymbol("VIRUS_UNSCANNED", 0.0, 1.0, "", "", "unknown")
    spam = Verdict(Action.QUARANTINE, Reason.SCORE, 6.5, 0.9876, (symbol,), (unknown,), 6.0, DIGEST)
    found = dict(headers(spam))
    assert spam.headers == headers(spam)
    assert found["X-Spam-Flag"] == "YES"
    assert found["X-Spam-Score"] == "6.500"
    assert found["X-Spam-Level"] == "******"
    assert found["X-Spam-Status"] == "Yes, score=6.500 required=6.0 tests=RULE"
    assert found["X-Mailfilter-Unknown"] == "VIRUS_UNSCANNED"
    assert found["X-Mailfilter-Probability"] == "0.9876"
    clean = dict(headers(replace(PLAIN, score=-1.0, required=None)))
    assert clean["X-Spam-Flag"] == "NO"
    assert "X-Spam-Level" not in clean


def test_forged_headers_go_and_the_rest_stays_byte_for_byte() -> None:
    raw = (
        b"Received: by a\r\n\tfor b\r\nx-spam-Flag: NO\r\nX-Spam-Status: No,\r\n\tscore=-100\r\n"
        b"Subject: about X-Spam-Flag: YES\r\nX-Mailfilter-Action : accept\r\n\r\nX-Spam-Flag: stays in the body\r\n"
    )
    kept = b"Received: by a\r\n\tfor b\r\nSubject: about X-Spam-Flag: YES\r\n\r\nX-Spam-Flag: stays in the body\r\n"
    assert rewrite(raw, []) == kept
    assert rewrite(raw, [("X-Spam-Flag", "YES")]) == b"X-Spam-Flag: YES\r\n" + kept


@pytest.mark.parametrize(
    ("field", "goes"),
    [
        (b"Authentication-Results: mx.example; spf=pass", True),
        (b"authentication-results: (ours) MX.Example 1;\n\tdkim=pass", True),
        (b'Authentication-Results: "mx.example"; none', True),
        (b"Authentication-Results: other.example; spf=pass reason=mx.example", False),
        (b"Authentication-Results:", False),
        (b"Subject: mx.example", False),
    ],
)
def test_authentication_results_in_our_name_go(field: bytes, goes: bool) -> None:
    raw = field + b"\nTo: b@example.org\n\nbody\n"
    assert rewrite(raw, [], "mx.example") == (raw.partition(b"To:")[1] + raw.partition(b"To:")[2] if goes else raw)
    assert rewrite(raw, []) == raw


def test_long_headers_are_folded() -> None:
    tests = ",".join(f"SYMBOL_NUMBER_{n}" for n in range(40))
    out = rewrite(b"Subject: x\n\nbody\n", [("X-Spam-Status", f"Yes, score=1 tests={tests}")])
    head = out.split(b"Subject:")[0]
    assert max(len(line) for line in head.split(b"\n")) <= 78
    assert re.sub(rb"\n ", b"", head).decode() == f"X-Spam-Status: Yes, score=1 tests={tests}\n"


@given(st.binary(max_size=300))
def test_any_bytes_keep_their_body(raw: bytes) -> None:
    out = rewrite(raw, [("X-Spam-Flag", "YES")])
    body = re.search(rb"(?:^|\n)\r?\n.*", raw, re.DOTALL)
    assert out.startswith(b"X-Spam-Flag: YES")
    if body:
        assert out.endswith(body[0].lstrip(b"\n") if body.start() else body[0])


@given(st.lists(st.sampled_from([b"Subject: x\n", b"X-Spam-Y: 1\n", b" cont\n", b"junk\n", b"\n", b"\r\n"])))
def test_no_forged_header_survives(lines: list[bytes]) -> None:
    out = rewrite(b"".join(lines), [])
    head = re.split(rb"^\r?\n", out, maxsplit=1, flags=re.MULTILINE)[0]
    assert not re.search(rb"^x-spam-", head, re.MULTILINE | re.IGNORECASE)

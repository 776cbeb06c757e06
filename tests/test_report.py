"""What is told to the world: replies, headers, and the mail with forged ones removed (laws 4 and 9)."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.classifier import Clue
from mailfilter.counterfactual import alternatives
from mailfilter.decision import ACTIONS, Action, GreylistState, Marks, Policy, Reason, decide
from mailfilter.replies import smtp_reply
from mailfilter.report import explain, headers, rewrite
from mailfilter.scoring import Hits, Weights, contributions, score
from mailfilter.symbols import Catalogue, Symbol, SymbolInfo
from mailfilter.verdict import ScoredSymbol, Verdict

DIGEST = "0123456789abcdef" * 4
PLAIN = Verdict(Action.ACCEPT, Reason.SCORE, 0.0, None, (), (), 6.0, DIGEST)


@pytest.mark.parametrize(
    ("action", "reason", "wait", "start"),
    [
        (Action.ACCEPT, Reason.SCORE, 0, "250 2.0.0 Accepted (MF-ACCEPTED "),
        (Action.GREYLIST, Reason.SCORE, 90, "451 4.7.1 Greylisted, please try again in 90 seconds"),
        (Action.GREYLIST, Reason.SCORE, 0, "451 4.7.1 Greylisted, please try again later"),
        (Action.GREYLIST, Reason.NOT_KNOWN, 0, "451 4.7.1 This mail cannot be examined now"),
        (Action.GREYLIST, Reason.NOT_STORED, 0, "451 4.3.0 This mail cannot be stored now"),
        (Action.QUARANTINE, Reason.SCORE, 0, "250 2.0.0 Accepted and held for review"),
        (Action.BOUNCE, Reason.SCORE, 0, "550 5.7.1 Refused as spam, score 13.2"),
        (Action.BOUNCE, Reason.MALWARE, 0, "554 5.7.1 Refused: a virus scanner found malware"),
        (Action.BOUNCE, Reason.NOT_KNOWN, 0, "554 5.7.1 Refused: this mail could not be examined"),
        (Action.DELETE, Reason.SCORE, 0, "250 2.0.0 Accepted (MF-ACCEPTED "),
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


CATALOGUE = Catalogue(
    SymbolInfo(name, "", group, points, "test")
    for name, group, points in [
        ("GOOD", "headers", -3.0),
        ("BAD", "content", 4.0),
        ("WORSE", "content", 5.0),
        ("SLIGHT", "headers", 0.5),
        ("VIRUS", "malware", 0.0),
        ("TYPE", "attachments", 1.0),
        ("UNSCANNED", "unknown", 0.0),
    ]
)
POLICY = Policy(floors={"UNSCANNED": Action.GREYLIST, "TYPE": Action.BOUNCE})
MARKS = Marks.of(CATALOGUE, POLICY)


def decided(found: dict[str, float], weights: Weights, state: GreylistState = GreylistState.NOT_ASKED) -> Verdict:
    """The verdict of a mail with these symbols and values, by the functions that the chain calls."""
    row = [Symbol(name, found[name]) for name in weights.names if name in found]
    hits = Hits.from_rows([row], weights)
    points = score(hits, weights.thousandths, weights.caps)
    decisions = decide(points, hits, MARKS, POLICY, np.array([state], np.int8))
    each = (contributions(hits, weights.thousandths) / 1000).tolist()
    shown = [
        ScoredSymbol(symbol.name, worth, symbol.value, "", "", CATALOGUE[symbol.name].group)
        for symbol, worth in zip(row, each, strict=True)
    ]
    action, reason = ACTIONS[decisions.actions[0]], Reason(decisions.reasons[0])
    known = tuple(symbol for symbol in shown if symbol.group != "unknown")
    unknown = tuple(symbol for symbol in shown if symbol.group == "unknown")
    return Verdict(action, reason, float(points[0]) / 1000, None, known, unknown, 6.0, DIGEST)


def changes(*names: str, caps: dict[str, float] | None = None, **state: GreylistState) -> list[str]:
    weights = Weights.from_catalogue(CATALOGUE, {}, caps=caps)
    return list(alternatives(decided(dict.fromkeys(names, 1.0), weights, **state), weights, MARKS, POLICY))


def test_what_would_lead_to_another_action() -> None:
    assert changes() == ["greylist from 4 points (4 more)"]
    assert changes("BAD") == [
        "accept below 4 points (0.001 less); quarantine from 6 points (2 more)",
        "accept at 4 points if greylist began above that",
        "without BAD (+4): accept",
    ]
    assert changes("GOOD", "BAD") == ["greylist from 4 points (3 more)", "without GOOD (-3): greylist"]
    assert changes("BAD", "WORSE", "SLIGHT") == [
        "greylist below 6 points (3.501 less); bounce from 12 points (2.5 more)",
        "accept at 9.5 points if greylist and quarantine began above that",
        "without WORSE (+5): greylist",
        "without BAD (+4): greylist",
    ]


def test_findings_that_must_all_be_absent_are_named_together() -> None:
    weights = Weights.from_catalogue(CATALOGUE, {"BAD": 12.0, "WORSE": 13.0})
    verdict = decided({"BAD": 1.0, "WORSE": 1.0, "SLIGHT": 1.0}, weights)
    assert alternatives(verdict, weights, MARKS, POLICY) == (
        "quarantine below 12 points (13.501 less)",
        "accept at 25.5 points if greylist and quarantine and bounce began above that",
        "without WORSE (+13) and BAD (+12): accept",
    )
    assert changes("VIRUS", "UNSCANNED", "BAD", "WORSE") == [
        "its points alone would mean quarantine",
        "without UNSCANNED and VIRUS and WORSE (+5): greylist",
    ]


def test_what_outranks_points_is_what_another_action_hangs_on() -> None:
    assert changes("VIRUS", "BAD") == ["its points alone would mean greylist", "without VIRUS: greylist"]
    assert changes("TYPE") == ["its points alone would mean accept", "without TYPE (+1): accept"]
    assert changes("UNSCANNED") == ["its points alone would mean accept", "without UNSCANNED: accept"]


def test_caps_and_the_greylist_count() -> None:
    assert changes("BAD", "WORSE", caps={"content": 6.0})[2:] == [
        "without WORSE (+5): greylist",
        "without BAD (+4): greylist",
    ]
    capped = changes("BAD", "WORSE", caps={"content": 4.0})
    assert capped[2:] == ["without WORSE (+5) and BAD (+4): accept"]
    passed = changes("BAD", "GOOD", "WORSE", "TYPE", state=GreylistState.PASSED)
    assert passed[0] == "its points alone would mean quarantine"
    assert changes("BAD", state=GreylistState.PASSED) == [
        "accept below 4 points (0.001 less); quarantine from 6 points (2 more)"
    ]


def test_a_verdict_that_was_changed_afterwards_has_no_alternatives() -> None:
    weights = Weights.from_catalogue(CATALOGUE, {})
    held = replace(decided({"BAD": 1.0}, weights), action=Action.DELETE)
    assert alternatives(held, weights, MARKS, POLICY) == ()


@given(
    st.dictionaries(st.sampled_from(list(CATALOGUE)), st.floats(0, 4)),
    st.sampled_from([None, {"content": 3.0}, {"content": 7.0, "headers": 1.0}]),
)
def test_every_alternative_is_true(found: dict[str, float], caps: dict[str, float] | None) -> None:
    weights = Weights.from_catalogue(CATALOGUE, {}, caps=caps)
    verdict = decided(found, weights)
    for line in alternatives(verdict, weights, MARKS, POLICY):
        if not line.startswith("without "):
            continue
        names, action = line.removeprefix("without ").rsplit(": ", 1)
        gone = {name.split(" ")[0] for name in names.split(" and ")}
        left = decided({name: value for name, value in found.items() if name not in gone}, weights)
        assert left.action.value == action != verdict.action.value


def test_an_explanation_shows_clues_and_alternatives_and_no_control_characters() -> None:
    symbol = ScoredSymbol("RULE", 1.0, 1.0, "x\n+9.000  FAKE: y\x1b[2J", "words", "headers")
    clues = [Clue("text", "free\n+9.000  sum\x1b[31m\u202e", 1.234), Clue("site:words", "a" * 500, -0.5)]
    text = explain(replace(PLAIN, symbols=(symbol,), score=1.0), ["accept below 4 points"], clues)
    assert all(line.isprintable() for line in text.split("\n"))
    assert "+1.23  'free\\n+9.000  sum\\x1b[31m\\u202e'" in text
    assert "           accept below 4 points" in text.split("\n")
    assert max(map(len, text.split("\n"))) < 120
    assert len([line for line in text.split("\n") if line.endswith("  sum") or "FAKE: y" in line]) == 2
    assert "another action" not in explain(PLAIN)
    assert "content model" not in explain(PLAIN)

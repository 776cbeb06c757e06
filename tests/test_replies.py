"""Replies: a stable code, a site's own words, and lines that a server may send."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import Config, SettingError
from mailfilter.decision import ACTIONS, Action, Reason
from mailfilter.replies import ReplyTexts, reason_code

from .test_report import DIGEST, PLAIN

CODES = {
    (Action.BOUNCE, Reason.SCORE): "MF-SPAM",
    (Action.BOUNCE, Reason.MALWARE): "MF-VIRUS",
    (Action.BOUNCE, Reason.NOT_KNOWN): "MF-UNEXAMINED",
    (Action.BOUNCE, Reason.NOT_WANTED): "MF-CONTENT",
    (Action.BOUNCE, Reason.DENIED): "MF-DENIED",
    (Action.GREYLIST, Reason.SCORE): "MF-GREYLIST",
    (Action.GREYLIST, Reason.NOT_KNOWN): "MF-UNEXAMINED",
    (Action.GREYLIST, Reason.NOT_STORED): "MF-STORE",
    (Action.QUARANTINE, Reason.MALWARE): "MF-HELD",
    (Action.DELETE, Reason.SCORE): "MF-ACCEPTED",
    (Action.ACCEPT, Reason.ALLOWED): "MF-ACCEPTED",
}


@pytest.mark.parametrize(("settled", "code"), CODES.items())
def test_reason_codes_do_not_change(settled: tuple[Action, Reason], code: str) -> None:
    """Support desks and log searches know these."""
    assert reason_code(*settled) == code
    verdict = replace(PLAIN, action=settled[0], reason=settled[1])
    assert verdict.reason_code == code
    assert str(verdict.smtp_reply).endswith(f"({code} {DIGEST[:16]})")


@given(st.sampled_from(ACTIONS), st.sampled_from(Reason), st.floats(-1000, 1000), st.integers(0, 10**6))
def test_every_reply_is_one_line_of_the_right_class(action: Action, reason: Reason, score: float, wait: int) -> None:
    texts = ReplyTexts(contact="c" * 200, bounce="{score} {code} {id}" + "b" * 180, greylist="{seconds}" + "g" * 190)
    for verdict in (replace(PLAIN, texts=texts), PLAIN):
        reply = replace(verdict, action=action, reason=reason, score=score, wait=wait).smtp_reply
        line = str(reply)
        assert len(line) <= 510
        assert line.isascii()
        assert line.isprintable()
        assert re.fullmatch(r"[245]\.\d\.\d", reply.enhanced)
        expected = {Action.GREYLIST: "4", Action.BOUNCE: "5"}.get(action, "2")
        assert str(reply.code)[0] == reply.enhanced[0] == expected


def test_a_sites_own_words_and_whom_to_ask() -> None:
    texts = ReplyTexts("postmaster@example.org", bounce="No, thank you: {score} points")
    refused = replace(PLAIN, action=Action.BOUNCE, score=13.24, texts=texts)
    tail = f"Questions: postmaster@example.org (MF-SPAM {DIGEST[:16]})"
    assert str(refused.smtp_reply) == f"550 5.7.1 No, thank you: 13.2 points. {tail}"
    assert "postmaster" not in str(replace(refused, action=Action.QUARANTINE).smtp_reply)


@pytest.mark.parametrize("text", ["{sender}", "{", "{score:>9999999}", "{score!r}", "a\nb", "é", "x" * 201, "{0}"])
def test_words_that_cannot_be_sent(text: str) -> None:
    with pytest.raises(SettingError, match=r"replies\.bounce"):
        Config.from_mapping({"replies": {"bounce": text}})


def test_a_contact_is_sent_as_it_is() -> None:
    Config.from_mapping({"replies": {"contact": "https://example.org/{id}"}})

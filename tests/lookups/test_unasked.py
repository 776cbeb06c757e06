"""Checks that can tell when there is nothing to ask: no dialogue is started, and the findings are the same."""

from __future__ import annotations

from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mailfilter import Config, Envelope, FilterChain, Mail, Message
from mailfilter.checks import Asking
from mailfilter.checks.client import ClientCheck
from mailfilter.deadline import Deadline
from mailfilter.lookups import DnsQuestion, ScanQuestion
from mailfilter.lookups.drivers import drive
from mailfilter.lookups.engine import CHECK_FAILED, Engine
from mailfilter.symbols import Findings, Symbol, SymbolInfo

MAIL = Message(b"From: a@example.net\nReceived: from a (b [203.0.113.9]) by c\nSubject: x\n\nbody\n")
ENVELOPES = [
    Envelope(),
    Envelope(client_ip="203.0.113.9", helo="a", mail_from="a@example.net"),
    Envelope(client_ip="203.0.113.9", auth_user="jane"),
    Envelope(direction="outbound"),
]
CONFIGS: list[dict[str, Any]] = [
    {},
    {"dns": {"skip": ["example.org"]}},
    {"dns": {"lists": ["spamhaus-zen"]}},
    {"authentication": {"enabled": False}},
    {"authentication": {"trusted_results": ["mx.example.org"]}},
    {"trust": {"networks": ["203.0.113.0/24"]}},
]


class Quiet:
    """Has something to ask about the mails that the test names."""

    name = "quiet"
    symbols = (SymbolInfo("SEEN", "seen", "lists", 1.0, "quiet"), SymbolInfo("SPARED", "spared", "lists", 1.0, "quiet"))

    def __init__(self, spare: dict[bytes, Any]) -> None:
        self.spare = spare

    def unasked(self, mail: Mail, answered: Container[type[Any]]) -> Findings | None:
        found = self.spare[mail.message.raw]
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]

    def ask(self, mail: Mail) -> Asking:
        yield (DnsQuestion("a"),)
        return (Symbol("SEEN"),)


def driven(engine: Engine) -> list[list[Symbol]]:
    with ThreadPoolExecutor(1) as pool:
        drive(engine, {}, Deadline.after(5), pool)
    return engine.findings


@pytest.mark.parametrize("table", CONFIGS, ids=str)
@pytest.mark.parametrize("envelope", ENVELOPES, ids=str)
def test_what_is_found_does_not_hang_on_the_dialogue(table: dict[str, Any], envelope: Envelope) -> None:
    with FilterChain(Config.from_mapping(table), stateless=True) as chain:
        mails = [Mail(MAIL, envelope)]
        assert chain.asking
        spared = driven(Engine(chain.asking, mails, answered=()))
        assert sorted(spared[0]) == sorted(driven(Engine(chain.asking, mails))[0])


def test_the_default_chain_starts_no_dialogue_and_asks_where_somebody_answers() -> None:
    with FilterChain(stateless=True) as chain:
        mails = [Mail(MAIL, Envelope())]
        assert Engine(chain.asking, mails, answered={}).done
        engine = Engine(chain.asking, mails, answered={ScanQuestion: None})
        assert [type(question) for question in engine.take_questions()] == [ScanQuestion]
        assert chain.evaluate(mails).answers == [[]]
    assert ClientCheck(asking=True).unasked(mails[0]) is None


def test_only_the_mails_that_need_it_are_asked_about() -> None:
    check = Quiet({b"a": None, b"b": (), b"c": (Symbol("SPARED"),), b"d": ValueError("no"), b"e": (Symbol("OTHER"),)})
    mails = [Mail(Message(raw), Envelope()) for raw in check.spare]
    found = driven(Engine([check], mails, answered=()))
    names = [[symbol.name for symbol in row] for row in found]
    assert names == [["SEEN"], [], ["SPARED"], [CHECK_FAILED], [CHECK_FAILED]]
    assert found[3][0].evidence == "quiet: ValueError: no"


def test_recorded_answers_are_led_through_the_dialogue() -> None:
    check = Quiet({b"a": (Symbol("SPARED"),)})
    engine = Engine([check], [Mail(Message(b"a"), Envelope())], [{}], answered=())
    assert [symbol.name for symbol in engine.findings[0]] == ["SEEN"]

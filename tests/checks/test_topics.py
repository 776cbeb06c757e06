"""Topics beyond their golden cases: the data file, grades, and the laws of checks."""

from __future__ import annotations

from itertools import combinations

import pytest

from mailfilter.checks import Mail
from mailfilter.checks._lists import read_list
from mailfilter.checks._phrases import SHORTEST, plain
from mailfilter.checks.topics import ASKING, FIRST, MONEY, TopicCheck
from mailfilter.envelope import Envelope
from mailfilter.message import Message
from mailfilter.symbols import declared_by
from tests.checks.laws import laws_of, names

CHECK = TopicCheck()
test_laws = laws_of(CHECK)
LANGUAGES = {"en", "de", "fr", "es", "it", "nl", "pt", "pl"}


def found(body: str, sender: str = "Ada <ada@example.net>") -> dict[str, float]:
    raw = f"From: {sender}\nSubject: x\nContent-Type: text/plain; charset=utf-8\n\n{body}\n".encode()
    return {symbol.name: symbol.value for symbol in CHECK.run([Mail(Message(raw), Envelope())])[0]}


def test_every_topic_stands_in_the_catalogue_and_the_other_way_round():
    topics = {info.name for info in declared_by("topics") if info.name.startswith("TOPIC_")}
    assert set(read_list("topics.toml")) == topics
    assert topics > ASKING | MONEY


def test_the_data_file_holds_what_its_head_says():
    seen: dict[bytes, str] = {}
    for topic, kinds in read_list("topics.toml").items():
        assert kinds.keys() <= {"telling", "common"}
        assert "telling" in kinds
        for by_language in kinds.values():
            assert by_language.keys() <= LANGUAGES
            for phrases in by_language.values():
                for phrase in phrases:
                    text = plain(phrase)
                    assert text == f" {phrase} ".encode(), f"{topic}: {phrase!r} is written otherwise: {text!r}"
                    assert len(text) >= SHORTEST, f"{topic}: {phrase!r} is too short"
                    assert text not in seen, f"{phrase!r} stands in {topic} and in {seen[text]}"
                    seen[text] = topic


def test_topics_of_today_are_known_in_every_language():
    tables = read_list("topics.toml")
    for topic in ("TOPIC_ACCOUNT", "TOPIC_PARCEL", "TOPIC_PRIZE", "TOPIC_EXTORTION", "TOPIC_PAYMENT", "TOPIC_LOAN"):
        assert tables[topic]["telling"].keys() >= LANGUAGES


@pytest.mark.parametrize(
    ("body", "grade"),
    [
        ("lenders", None),
        ("lenders, collateral", FIRST),
        ("personal loan", FIRST),
        ("personal loan, personal loan", FIRST),
        ("personal loan, lenders", 0.55),
        ("personal loan, business loan", 0.7),
        ("personal loan, business loan, bad credit, loan offer", 1.0),
    ],
)
def test_grades(body, grade):
    assert found(body).get("TOPIC_LOAN") == grade


def test_the_text_of_an_html_mail_is_searched_as_it_is_seen():
    raw = b"From: a@example.net\nMIME-Version: 1.0\nContent-Type: text/html\n\n<p>final <b>no</b>tice &#8203;of all</p>"
    assert "TOPIC_PRESSURE" in names(CHECK, raw)


def test_a_free_mailbox_makes_the_difference():
    assert "MONEY_FROM_FREEMAIL" in found("personal loan", "A <a@gmail.com>")
    assert "MONEY_FROM_FREEMAIL" not in found("personal loan")
    assert "ASKS_FROM_FREEMAIL" not in found("personal loan", "A <a@gmail.com>")


def test_of_equal_grades_the_first_by_name_is_shown():
    """A set has another order in every process; what is shown must not."""
    telling = {topic: read_list("topics.toml")[topic]["telling"]["en"][0] for topic in sorted(MONEY)}
    shown = set()
    for one, other in combinations(telling, 2):
        raw = f"From: A <a@gmail.com>\n\n{telling[other]}. {telling[one]}.\n".encode()
        (symbols,) = TopicCheck().run([Mail(Message(raw), Envelope())])
        grades = {symbol.name: symbol.value for symbol in symbols}
        if grades.get(one) == grades.get(other) == FIRST and len(grades.keys() & MONEY) == 2:
            evidence = next(symbol.evidence for symbol in symbols if symbol.name == "MONEY_FROM_FREEMAIL")
            assert evidence.startswith(f"{one} ")
            shown.add((one, other))
    assert len(shown) > 5

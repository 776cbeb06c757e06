"""Phrases: what is found and what is not, as a slow and plain search would have it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.checks._phrases import SHORTEST, Phrases, plain

LIST = ("verify your identity", "your identity", "final notice", "compte a été suspendu", "letzte mahnung", "klicken")
PHRASES = Phrases(LIST)
WORDS = st.sampled_from([*" ".join(LIST).split(), "other", "x", "é", "", "final", "\n", "notice."])


def slowly(text: bytes) -> set[int]:
    return {number for number, phrase in enumerate(PHRASES.texts) if phrase in text}


@given(st.lists(st.lists(WORDS, max_size=30).map(" ".join), max_size=6))
def test_finds_what_a_plain_search_finds_at_every_place_and_in_every_batch(texts):
    prepared = [plain(text) for text in texts]
    found = PHRASES.find(prepared)
    assert [set(numbers) for numbers in found] == [slowly(text) for text in prepared]
    assert found == [PHRASES.find([text])[0] for text in prepared]


@given(st.binary(max_size=200))
def test_any_bytes_can_be_searched(text):
    assert set(PHRASES.find([text])[0]) == slowly(text)


def test_each_phrase_once_and_in_the_order_of_the_text():
    text = plain("Klicken! Your identity, your identity; klicken, verify your identity")
    assert [LIST[number] for number in PHRASES.find([text])[0]] == ["klicken", "your identity", "verify your identity"]


def test_phrases_do_not_reach_from_one_mail_into_the_next():
    assert PHRASES.find([plain("final"), plain("notice")]) == [[], []]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Don't  wait", " dont  wait "),
        ("FINAL\nNOTICE!", " final notice "),
        ("final \nnotice", " final notice "),
        ("fi\u00adnal\u200b notice\u00a0now", " final notice now "),
        ("“it’s” — now…", " its   now "),
        ("\U0001d41f\U0001d422\U0001d427\U0001d41a\U0001d425", " final "),
        ("\uff26\uff29\uff2e\uff21\uff2c", " final "),
        ("ÉTÉ", " été "),
        ("a-b/c_d", " a b c d "),
    ],
)
def test_how_texts_are_compared(text, same):
    assert plain(text).decode() == same


@pytest.mark.parametrize(("phrases", "fault"), [(["a b"], "too short"), (["Final notice", "final  notice"], "")])
def test_lists_that_cannot_be_searched(phrases, fault):
    if fault:
        with pytest.raises(ValueError, match=fault):
            Phrases(phrases)
    else:
        with pytest.raises(ValueError, match="stands twice"):
            Phrases([phrases[0], phrases[0].upper()])


def test_the_shortest_phrase_is_found_wherever_it_stands():
    word = "x" * (SHORTEST - 2)
    phrases = Phrases([word])
    for before in range(9):
        assert phrases.find([plain("y" * before + " " + word)]) == [[0]]


def test_time_grows_with_the_text_alone():
    text = plain("your identity " * 20_000)
    start = time.process_time()
    assert PHRASES.find([text]) == [[1]]
    assert time.process_time() - start < 1.0

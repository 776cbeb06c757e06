"""Learning in use: law 8 to the bit, fusion with the base, users over the site, purity, files that are not right."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.classifier import Model
from mailfilter.classifier.journal import Done
from mailfilter.classifier.site import SiteModel
from mailfilter.classifier.site_level import BELOW_HALF
from mailfilter.errors import StoreError
from mailfilter.message import Message

WORDS = ("invoice", "pills", "lunch", "meeting", "offer", "click", "garden", "report", "winner", "parcel", "weather")


def mail(number: int, spam: bool | None = None) -> Message:
    """A mail with words of its own and, if ``spam`` is given, words of its class."""
    mine = " ".join(WORDS[(number * step) % len(WORDS)] for step in (1, 2, 3, 5))
    kind = {None: "plain", True: "buy cheap watches today", False: "thanks for the minutes"}[spam]
    sender = "shop@offers.example" if spam else f"friend{number % 3}@example.org"
    head = f"From: {sender}\nTo: me@example.net\nSubject: {mine}\nMessage-ID: <{number}@x.example>\n\n"
    return Message((head + f"{kind}\n{mine} {number}\n").encode())


MAILS = [mail(number, number % 2 == 0) for number in range(8)]


BASE = Model.load()


@pytest.fixture
def base() -> Model:
    return BASE


def state(site: SiteModel) -> str:
    fingerprint: str = site.describe()["state"]
    return fingerprint


def taught(base: Model, lessons: Sequence[tuple[int, bool]]) -> str:
    """The state after exactly these lessons."""
    site = SiteModel(base, ":memory:")
    site.learn((MAILS[number], spam) for number, spam in lessons)
    return state(site)


def test_nothing_taught_is_the_base(base: Model, tmp_path: Path) -> None:
    for path in (":memory:", str(tmp_path / "not-there-yet.db")):
        judged, alone = SiteModel(base, path).judge(MAILS), base.judge(MAILS)
        assert judged.log_odds.tolist() == alone.log_odds.tolist()
        assert judged.support.tolist() == alone.support.tolist()
    assert not os.listdir(tmp_path)


def test_judging_nothing_is_an_empty_judgement(base: Model) -> None:
    assert SiteModel(base, ":memory:").judge([]).log_odds.shape == (0,)


def test_learning_twice_is_learning_once(base: Model) -> None:
    site = SiteModel(base, ":memory:")
    assert site.learn([(MAILS[0], True), (MAILS[1], False)]) == Done(learned=2)
    once = state(site)
    assert site.learn([(MAILS[0], True), (MAILS[1], False), (MAILS[0].raw, True)]) == Done(known=3)
    assert state(site) == once


def test_unlearning_restores_bit_for_bit(base: Model) -> None:
    site = SiteModel(base, ":memory:")
    site.learn([(MAILS[0], True), (MAILS[1], False)])
    before, judged = state(site), site.judge(MAILS).log_odds
    site.learn([(MAILS[2], True), (MAILS[3], False)])
    assert state(site) != before
    assert site.forget([MAILS[3], MAILS[2], MAILS[7]]) == Done(forgotten=2, unknown=1)
    assert state(site) == before
    assert site.judge(MAILS).log_odds.tolist() == judged.tolist()


def test_relabelling_is_as_if_learned_right_first(base: Model) -> None:
    site = SiteModel(base, ":memory:")
    site.learn([(MAILS[0], True), (MAILS[1], True), (MAILS[2], True), (MAILS[3], False)])
    assert site.learn([(MAILS[1], False)]) == Done(relabelled=1)
    assert site.known(MAILS[1]) is False
    assert state(site) == taught(base, [(0, True), (1, False), (2, True), (3, False)])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["learn", "forget", "look", "snapshot"]), st.integers(0, 7), st.booleans()),
        max_size=14,
    )
)
def test_the_state_follows_from_what_stands_in_the_journal(steps: list[tuple[str, int, bool]]) -> None:
    site = SiteModel(BASE, ":memory:")
    lessons: dict[int, bool] = {}
    for what, number, spam in steps:
        if what == "learn":
            site.learn([(MAILS[number], spam)])
            lessons[number] = spam
        elif what == "forget":
            site.forget([MAILS[number]])
            lessons.pop(number, None)
        elif what == "look":
            site.judge(MAILS[:1])
        else:
            site.settle()
    assert state(site) == taught(BASE, list(lessons.items()))


def test_one_at_a_time_and_at_once_is_the_same(base: Model) -> None:
    site = SiteModel(base, ":memory:")
    for number, message in enumerate(MAILS):
        site.learn([(message, number % 2 == 0)])
        site.judge(MAILS[:2])
    assert state(site) == taught(base, [(number, number % 2 == 0) for number in range(8)])
    singly = [site.judge([message]) for message in MAILS]
    together = site.judge(MAILS)
    assert together.log_odds.tolist() == [float(one.log_odds[0]) for one in singly]
    assert together.support.tolist() == [float(one.support[0]) for one in singly]


def test_a_snapshot_is_as_good_as_the_journal(base: Model, tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    site = SiteModel(base, path)
    site.learn((message, number % 2 == 0) for number, message in enumerate(MAILS[:6]))
    site.settle()
    site.learn([(MAILS[6], True)])
    whole = state(site)
    assert state(SiteModel(base, path)) == whole
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM snapshot").fetchone() == (1,)
        db.execute("DELETE FROM snapshot")
    assert state(SiteModel(base, path)) == whole


def test_what_is_taught_is_believed_soon(base: Model) -> None:
    site = SiteModel(base, ":memory:")
    site.learn((mail(number, number % 2 == 0), number % 2 == 0) for number in range(20))
    scores = site.score([mail(number, number % 2 == 0) for number in range(20, 40)])
    assert (scores[::2] > 0).all()
    assert (scores[1::2] < 0).all()
    turned = SiteModel(base, ":memory:")
    turned.learn((mail(number, number % 2 == 0), number % 2 == 1) for number in range(20))
    scores = turned.score([mail(number, number % 2 == 0) for number in range(20, 40)])
    assert (scores[::2] < 0).all(), "the site decides what is spam there, whatever the base says"


def test_a_copy_of_the_first_mail_taught_is_known_and_a_stranger_is_left_to_the_base(base: Model) -> None:
    stranger = Message(b"From: b@example.com\nSubject: minutes of the board\n\nPlease find the minutes.\n")
    before = base.score([stranger])[0]
    for spam in (True, False):
        site = SiteModel(base, ":memory:")
        site.learn([(mail(1), spam)])
        copy = Message(mail(1).raw.replace(b"<1@x", b"<77@x"))
        moved = site.score([copy])[0] - base.score([copy])[0]
        assert moved * (1 if spam else -1) > 0.5
        assert abs(site.score([stranger])[0] - before) < abs(moved)


def test_spam_alone_does_not_condemn_the_rest(base: Model) -> None:
    site = SiteModel(base, ":memory:")
    site.learn((mail(number, True), True) for number in range(0, 80, 2))
    ham = [
        Message(b"Date: Mon, 2 Nov 2026 10:00:00 +0000\nFrom: Ada <ada@example.org>\nTo: b@example.org\n"
                b"In-Reply-To: <%d@example.org>\nSubject: Re: the draft, part %d\n\nI have read it twice. "
                b"Section %d is fine by me; the figures in the table want checking.\n\nAda\n" % (n, n, n))
        for n in range(20)
    ]  # fmt: skip
    assert (site.score(ham) < 0).all()
    assert (site.score(ham) - base.score(ham)).max() < 1
    assert site.score([mail(100, True)])[0] > max(base.score([mail(100, True)])[0], 0)


def test_the_threshold_comes_down_as_both_classes_are_taught(base: Model) -> None:
    careful = replace(base, fusion=replace(base.fusion, threshold=5.0))
    site = SiteModel(careful, ":memory:")
    assert site.threshold == 5.0
    site.learn((mail(number, True), True) for number in range(20))
    site.judge([])
    assert site.threshold == 5.0
    site.learn((mail(20 + number, False), False) for number in range(20))
    site.judge([])
    assert site.threshold == pytest.approx(5.0 - 2.0 * 20 / (20 + BELOW_HALF))
    easy = SiteModel(replace(base, fusion=replace(base.fusion, threshold=0.5)), ":memory:")
    easy.learn((mail(number, number % 2 == 0), number % 2 == 0) for number in range(20))
    easy.judge([])
    assert easy.threshold == 0.5


def test_a_user_is_laid_over_the_site_and_leaves_it_alone(base: Model, tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    site, ada = SiteModel(base, path), SiteModel(base, path, "ada")
    site.learn((mail(number, number % 2 == 0), number % 2 == 0) for number in range(10))
    shared = site.score(MAILS)
    assert ada.score(MAILS).tolist() == shared.tolist()
    letters = [mail(number, True) for number in range(40, 60)]
    for number, letter in enumerate(letters):
        ada.learn([(letter, False), (mail(60 + number), True)])
    assert site.score(MAILS).tolist() == shared.tolist()
    assert (ada.score([mail(80, True)]) < 0).all(), "she wants the shop's mail"
    assert (site.score([mail(80, True)]) > 0).all()
    assert ada.describe()["levels"]["user"]["ham"] == 20
    ada.forget(letters)
    ada.forget(mail(60 + number) for number in range(20))
    assert ada.score(MAILS).tolist() == shared.tolist()


def test_a_users_state_does_not_depend_on_when_it_looked(base: Model, tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    site, ada = SiteModel(base, path), SiteModel(base, path, "ada")
    for number in range(12):
        (ada if number % 3 == 0 else site).learn([(mail(number), number % 2 == 0)])
        if number % 4 == 0:
            ada.judge(MAILS[:1])
    ada.judge(MAILS)
    assert state(ada) == state(SiteModel(base, path, "ada"))


def test_others_see_at_once_what_is_taught(base: Model, tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    reader, writer = SiteModel(base, path), SiteModel(base, path)
    before = reader.score(MAILS)
    writer.learn([(MAILS[0], True), (MAILS[1], False)])
    after = reader.score(MAILS)
    assert after.tolist() == writer.score(MAILS).tolist() != before.tolist()
    writer.forget(MAILS[:2])
    assert reader.score(MAILS).tolist() == before.tolist()


def test_a_file_moved_away_has_taught_nothing(base: Model, tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    site = SiteModel(base, path)
    site.learn([(MAILS[0], True), (MAILS[1], False)])
    site.close()
    site.judge(MAILS)
    for name in os.listdir(tmp_path):
        os.unlink(tmp_path / name)
    assert site.score(MAILS).tolist() == base.score(MAILS).tolist()
    site.learn([(MAILS[0], True)])
    assert site.describe()["levels"]["site"]["spam"] == 1


def test_the_oldest_go_when_there_are_too_many(base: Model) -> None:
    site = SiteModel(base, ":memory:", keep=20)
    mails = [mail(number) for number in range(128)]
    site.learn((message, False) for message in mails)
    assert site.describe()["levels"]["site"]["ham"] == 20
    kept = SiteModel(base, ":memory:")
    kept.learn((message, False) for message in mails[-20:])
    assert state(site) == state(kept)
    assert site.known(mails[0]) is None


def test_explains_the_site_and_the_base(base: Model) -> None:
    site = SiteModel(base, ":memory:")
    site.learn((mail(number, number % 2 == 0), number % 2 == 0) for number in range(12))
    clues = site.explain(mail(50, True), 40)
    assert len(clues) == 40
    assert [abs(clue.weight) for clue in clues] == sorted((abs(clue.weight) for clue in clues), reverse=True)
    ours = [clue for clue in clues if clue.view.startswith("site:")]
    assert any(clue.weight > 0 and "watches" in clue.text for clue in ours)
    senders = [clue.text for clue in site.explain(mail(50, True), 400) if clue.view == "site:sender"]
    assert any("shop@offers.example" in text for text in senders)
    assert site.explain(mail(50), 0) == ()


def test_no_text_is_kept(base: Model, tmp_path: Path) -> None:
    site = SiteModel(base, tmp_path / "site.db")
    site.learn([(mail(1, True), True)])
    site.settle()
    site.close()
    data = b"".join((tmp_path / name).read_bytes() for name in os.listdir(tmp_path))
    assert b"watches" not in data
    assert b"offers.example" not in data


def test_any_bytes_can_be_taught_and_judged(base: Model) -> None:
    site = SiteModel(base, ":memory:")
    odd = [b"", b"\n", b"\x00" * 50, b"\xff" * 3000, b"From: \xf0\x28\nDKIM-Signature: d=\n\n", b"a" * 100_000]
    site.learn((raw, number % 2 == 0) for number, raw in enumerate(odd))
    assert np.isfinite(site.score([Message(raw) for raw in odd])).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_bytes(b"no database, but long enough " * 40), "is not a database; move it away"),
        (lambda path: sqlite3.connect(path).executescript("CREATE TABLE t (a)"), "but not one of taught mail"),
        (lambda path: path.mkdir(), "cannot be opened"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_one_line(base: Model, tmp_path: Path, make: object, said: str) -> None:
    path = tmp_path / "site.db"
    make(path)  # type: ignore[operator]
    with pytest.raises(StoreError) as caught:
        SiteModel(base, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_journal_of_another_format_is_refused(base: Model, tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    SiteModel(base, path).learn([(MAILS[0], True)])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE fact SET value = '0' WHERE name = 'format'")
    with pytest.raises(StoreError, match="another version; move it away"):
        SiteModel(base, path)


def test_a_users_name_is_text(base: Model) -> None:
    assert SiteModel(base, ":memory:", "Zoë Ω").user == "Zoë Ω"
    for name in ("a\nb", "\udcff", "\0"):
        with pytest.raises(StoreError, match="printable characters"):
            SiteModel(base, ":memory:", name)


def test_a_folder_that_is_not_there(base: Model, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no folder"):
        SiteModel(base, tmp_path / "none" / "site.db")


def test_a_damaged_row_is_an_error_at_start_and_harmless_later(base: Model, tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    site = SiteModel(base, path)
    site.learn([(MAILS[0], True), (MAILS[1], False)])
    judged = site.score(MAILS)
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO mail VALUES (NULL, '', x'00', 1, 0, x'0102')")
    assert site.score(MAILS).tolist() == judged.tolist()
    with pytest.raises(StoreError, match="damaged; move it away"):
        SiteModel(base, path)

"""Tricks against content filters: each moves the score of a plain spam by less than is stated here.

The mail is ours, its log-odds are about 11.  The number in a row of `TRICKS` is how much lower the trick may bring
them; tricks that add something of their own may make it look worse at will.  Padding and hash busters dilute what is
known, so they get more room.
"""

from __future__ import annotations

import base64
import html
import quopri
import random

import pytest

from mailfilter.classifier import Model
from mailfilter.message import Message

TEXT = """Dear customer,

your account has been limited because of unusual activity. Verify your identity within 24 hours or your account will be
permanently suspended.

Click here to verify your account now: http://secure-login.verify-k2p.example/account/login.php

You have been selected to receive free money, claim your prize today. No risk, 100% guaranteed! Order cheap viagra and
cialis online, no prescription needed.

Sincerely,
Customer Security Department
"""
HEAD = """From: Security <support@verify-k2p.example>
To: undisclosed-recipients:;
Subject: Urgent: verify your account now
MIME-Version: 1.0
"""
PLAIN = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
PAGE = "<html><body><p>" + "</p><p>".join(html.escape(TEXT).split("\n\n")) + "</p></body></html>"
WORDS = """the meeting of the committee was moved to thursday because the chairman is away and the minutes of the last
one were not ready please bring the report on the library and the list of members with you"""


def page(source: str) -> str:
    return f"{HEAD}Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{source}\n"


def split_words(separator: str) -> str:
    out = PAGE
    for word in ("verify", "account", "money", "viagra", "cialis", "prescription", "suspended", "guaranteed"):
        out = out.replace(word, word[:3] + separator + word[3:])
    return out


def innocent(size: int) -> str:
    chance, words = random.Random(3), WORDS.split()
    out: list[str] = []
    while sum(map(len, out)) + len(out) < size:
        out.append(chance.choice(words))
    return " ".join(out)


def gibberish(size: int) -> str:
    chance = random.Random(4)
    return " ".join(
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(size // 7)
    )


LOOKALIKE = TEXT.translate(str.maketrans("aeopcxi", "аеорсхі"))
UTF8 = TEXT.encode()
TRICKS = {
    "base64": (HEAD + PLAIN + "base64\n\n" + base64.encodebytes(UTF8).decode(), 0.7, "plain"),
    "quoted-printable": (
        HEAD + PLAIN + "quoted-printable\n\n" + quopri.encodestring(UTF8, quotetabs=True).decode(),
        0.7,
        "plain",
    ),
    "zero-width": (HEAD + PLAIN + "8bit\n\n" + "\u200b".join(TEXT), 1.0, "plain"),
    "soft hyphens": (HEAD + PLAIN + "8bit\n\n" + TEXT.replace("a", "a\u00ad"), 1.0, "plain"),
    "look-alikes": (HEAD + PLAIN + "8bit\n\n" + LOOKALIKE, 4.0, "plain"),
    "capitals": (HEAD + PLAIN + "8bit\n\n" + TEXT.upper(), 3.0, "plain"),
    "comments": (page(split_words("<!-- x -->")), 1.5, "html"),
    "empty tags": (page(split_words("<b></b>")), 1.5, "html"),
    "entities": (
        page("".join(f"&#{ord(c)};" if c.isalpha() and i % 3 == 0 else c for i, c in enumerate(TEXT))),
        5.0,
        "html",
    ),
    "invisible text": (page(PAGE + f'<div style="display:none">{innocent(3000)}</div>'), 2.5, "html"),
    "invisible text first": (page(f'<div style="display:none">{innocent(2500)}</div>' + PAGE), 2.5, "html"),
    "hash buster": (HEAD + PLAIN + "8bit\n\n" + TEXT + "\n" * 30 + gibberish(1500), 7.5, "plain"),
    "innocent tail": (HEAD + PLAIN + "8bit\n\n" + TEXT + "\n" * 30 + innocent(1500), 5.0, "plain"),
    "100 kB of padding": (HEAD + PLAIN + "8bit\n\n" + TEXT + "\n" * 30 + innocent(100_000), 5.0, "plain"),
}


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load()


@pytest.fixture(scope="module")
def bare(model: Model) -> dict[str, float]:
    plain = HEAD + PLAIN + "8bit\n\n" + TEXT
    return {"plain": score(model, plain), "html": score(model, page(PAGE))}


def score(model: Model, mail: str) -> float:
    return float(model.score([Message(mail.encode())])[0])


def test_the_plain_mail_is_spam(model: Model, bare: dict[str, float]) -> None:
    assert min(bare.values()) > 1.5 * model.threshold


@pytest.mark.parametrize("trick", TRICKS)
def test_trick(model: Model, bare: dict[str, float], trick: str) -> None:
    mail, less, form = TRICKS[trick]
    moved = score(model, mail) - bare[form]
    assert moved > -less

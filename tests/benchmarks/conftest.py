"""A small corpus in TREC layout, mails made up on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

HAM = ("meeting", "agenda", "minutes", "project", "review", "budget", "schedule", "lunch", "report", "draft", "notes")
SPAM = ("winner", "prize", "viagra", "cheap", "casino", "click", "free", "offer", "loan", "credit", "million", "pills")


def mail(number: int, spam: bool, words: int = 60) -> bytes:
    """A mail that is easy to tell, with a body of its own."""
    random = np.random.default_rng(number)
    body = " ".join(random.choice(SPAM if spam else HAM, words).tolist())
    serial = "".join(random.choice(list("abcdefghij"), 400).tolist())
    return (
        f"From x@localhost Mon Jan  1 00:00:00 2001\nReceived: from relay.example\nFrom: a{number}@example.org\n"
        f"To: b@example.com\nSubject: {body[:30]}\nMessage-ID: <{number}@example.org>\n\n{body}\n{serial}\n"
    ).encode()


def write_corpus(folder: Path, mails: list[tuple[str, bytes]]) -> Path:
    """Write labelled mails as a corpus."""
    (folder / "data").mkdir(parents=True)
    for number, (_, raw) in enumerate(mails):
        (folder / "data" / f"{number:03}").write_bytes(raw)
    lines = [f"{label} data/{number:03}\n" for number, (label, _) in enumerate(mails)]
    (folder / "index").write_text("".join(lines))
    return folder


@pytest.fixture(scope="session")
def corpus_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 mails, every third spam, so that odd and even lines hold both."""
    mails = [("spam" if number % 3 == 0 else "ham", mail(number, number % 3 == 0)) for number in range(60)]
    return write_corpus(tmp_path_factory.mktemp("corpus") / "easy", mails)

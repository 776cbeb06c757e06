"""A small model, trained once on mail that we wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailfilter.classifier.examples import Example, read_examples
from mailfilter.classifier.model import Model
from mailfilter.classifier.train import train

LESSONS = Path(__file__).parents[2] / "corpora" / "lessons1"


@pytest.fixture(scope="session")
def lessons() -> list[Example]:
    """Labelled mails that we wrote."""
    return list(read_examples([LESSONS]))


@pytest.fixture(scope="session")
def small(lessons: list[Example]) -> Model:
    """A model of every other lesson."""
    return train(lessons[::2])

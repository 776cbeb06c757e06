"""The register of public corpora is complete, and true where the corpora are at hand."""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mailfilter.archives import ArchivedMail, find_corpus, read_archive
from mailfilter.archives.corpora import registry
from mailfilter.archives.index import parse_index
from mailfilter.errors import ArchiveError

TEXTS = ("title", "home", "licence", "layout", "good", "bad")
NUMBERS = ("ham", "spam", "unlabelled")
CHECKABLE = {"home", "licence", "years", "counts", "sha256"}
FIELDS = {*TEXTS, *NUMBERS, "years", "ships", "verified"}
PACKED = {name for name, entry in registry().items() if "archive" in entry}
HELD_OUT = {"phishing-pot-2024", "household-2026", "mime-torture"}


@pytest.mark.parametrize("name", registry())
def test_an_entry_is_complete(name: str) -> None:
    entry = registry()[name]
    assert entry.keys() - {"archive", "sha256"} == FIELDS
    assert re.fullmatch(r"[a-z0-9-]+", name)
    assert all(isinstance(entry[key], str) for key in TEXTS)
    assert all(entry[key] for key in TEXTS if key != "home")
    assert re.fullmatch(r"(https?://\S+)?", entry["home"])
    assert all(isinstance(entry[key], int) and entry[key] >= -1 for key in NUMBERS)
    first, last = entry["years"]
    assert 1980 < first <= (last or 9999)
    assert set(entry["verified"]) <= CHECKABLE
    assert isinstance(entry["ships"], bool)
    if name in PACKED:
        assert entry["archive"] == f"{name}.tar.xz"
        assert re.fullmatch(r"[0-9a-f]{64}", entry["sha256"])
        assert {"counts", "sha256"} <= set(entry["verified"])


def test_only_corpora_that_we_have_train_what_ships_and_the_held_out_never() -> None:
    ships = {name for name, entry in registry().items() if entry["ships"]}
    assert ships == PACKED - HELD_OUT


def test_a_registered_corpus_that_is_missing_says_where_to_get_it(tmp_path: Path) -> None:
    for environ in ({}, {"MAILFILTER_CORPORA": str(tmp_path)}):
        with pytest.raises(ArchiveError, match=r"trec07p: no such file.*; it comes from https://plg\.uwaterloo\.ca"):
            find_corpus("trec07p", environ)


@pytest.mark.parametrize("name", sorted(PACKED))
def test_checksum_and_counts_where_the_corpus_is_at_hand(name: str) -> None:
    folder = os.environ.get("MAILFILTER_CORPORA")
    if not folder:
        pytest.skip("MAILFILTER_CORPORA names no folder of corpora")
    try:
        place = find_corpus(name, os.environ)
    except ArchiveError as error:
        pytest.skip(str(error))
    entry: dict[str, Any] = registry()[name]
    if place.name == entry["archive"]:
        assert hashlib.sha256(place.read_bytes()).hexdigest() == entry["sha256"]
        with tarfile.open(place, "r|*") as tar:  # the index is its first member; reading on would take a minute
            first = tar.next()
            assert first is not None
            assert first.name == f"{name}/index"
            file = tar.extractfile(first)
            assert file is not None
            labels = Counter(label for label, _ in parse_index(file.read(), "", "").entries.values())
    else:
        items = list(read_archive(place))
        labels = Counter(item.label for item in items if isinstance(item, ArchivedMail))
        assert len(items) == labels.total(), "something could not be read"
    assert (labels["ham"], labels["spam"], labels[None]) == (entry["ham"], entry["spam"], entry["unlabelled"])

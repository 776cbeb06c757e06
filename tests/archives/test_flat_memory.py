"""However long the stream, one mail at a time is in memory.  `benchmarks.streaming` measures 100,000 mails."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from itertools import chain, cycle, islice
from pathlib import Path
from typing import BinaryIO

import pytest

from benchmarks.streaming import EndlessTar
from mailfilter.archives import ArchivedMail, read_archive

SAMPLE = Path(__file__).parents[2] / "corpora" / "sample"
FROM = b"From a@example.org Tue Nov 24 06:12:29 2026\n"


class EndlessMbox(EndlessTar):
    """The same as a mailbox."""

    def __init__(self, raws: list[bytes], count: int) -> None:
        super().__init__(raws, 0)
        self._blocks = chain(islice(cycle([FROM + raw + b"\n\n" for raw in raws]), count))


def peak(stream: BinaryIO, count: int) -> int:
    """The most bytes that the heap held while ``count`` mails were read."""
    tracemalloc.start()
    try:
        mails = sum(isinstance(item, ArchivedMail) for item in read_archive("-", stream=stream))
        assert mails == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [EndlessTar, EndlessMbox])
def test_ten_times_the_mails_take_no_more_memory(kind: Callable[[list[bytes], int], BinaryIO]) -> None:
    items = read_archive(SAMPLE)
    raws = [item.raw for item in items if isinstance(item, ArchivedMail) and item.raw.startswith(b"Return")]
    few, many = (peak(kind(raws, count), count) for count in (300, 3000))
    assert many < 1.2 * few + 100_000

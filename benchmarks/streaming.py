"""Reading archives: mails per second, and that memory stays flat however many there are.

The corpus is repeated as one stream, a tar that is made as it is read, so neither disk nor memory holds it.
Memory is what the Python heap (`tracemalloc`) and the process (resident set) reach above what they were before
the first mail; it is noted after a tenth of the mails and after all of them.
"""

from __future__ import annotations

import argparse
import io
import resource
import tarfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from itertools import chain, cycle, islice
from pathlib import Path
from typing import BinaryIO, cast

from mailfilter.archives import ArchivedMail, read_archive

from .corpus import load

MIB = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--mails", type=int, default=100_000, help="how many mails to stream (100000)")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row of speed, one of memory."""
    corpus = load(args.corpus)
    raws = [mail.raw for mail in corpus.mails]
    count = 2000 if args.quick else args.mails
    stream = EndlessTar(raws, count)
    seconds = time.process_time()
    total = sum(len(raw) for raw in _read(stream))
    seconds = time.process_time() - seconds
    yield {
        "corpus": corpus.name,
        "mails": count,
        "mails_per_cpu_second": round(count / seconds),
        "mb_per_cpu_second": round(total / 1e6 / seconds, 1),
    }
    yield {"corpus": corpus.name, "mails": count, **memory(raws, count)}


def memory(raws: Sequence[bytes], count: int) -> dict[str, object]:
    """Growth in MiB while ``count`` mails are streamed: peak of the heap, and of the resident set."""
    stream = EndlessTar(raws, count)
    tracemalloc.start()
    heap, resident = tracemalloc.get_traced_memory()[0], _resident()
    peaks: dict[str, object] = {}
    for number, _ in enumerate(_read(stream), 1):
        if number == count // 10:
            peaks["heap_mib_at_a_tenth"] = round((tracemalloc.get_traced_memory()[1] - heap) / MIB, 2)
    peaks["heap_mib"] = round((tracemalloc.get_traced_memory()[1] - heap) / MIB, 2)
    tracemalloc.stop()
    peaks["resident_mib"] = round((_resident() - resident) / MIB, 1)
    peaks["peak_process_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return peaks


def _resident() -> int:
    """Bytes of this process in memory now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _read(stream: EndlessTar) -> Iterator[bytes]:
    """The mails of a tar, one by one."""
    for item in read_archive("-", stream=cast(BinaryIO, stream)):
        if isinstance(item, ArchivedMail):
            yield item.raw


class EndlessTar:
    """A tar of ``count`` mails, ``raws`` over and over, that exists only as far as it is read."""

    def __init__(self, raws: Sequence[bytes], count: int) -> None:
        members = [self._member(number, raw) for number, raw in enumerate(raws)]
        self._blocks = chain(islice(cycle(members), count), (bytes(1024),))
        self._left = io.BytesIO()

    def seekable(self) -> bool:
        """It comes like a pipe."""
        return False

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes."""
        data = self._left.read(size)
        while not data and (block := next(self._blocks, b"")):
            self._left = io.BytesIO(block)
            data = self._left.read(size)
        return data

    @staticmethod
    def _member(number: int, raw: bytes) -> bytes:
        """A member with its header, padded to whole blocks."""
        header = tarfile.TarInfo(f"{number}.eml")
        header.size = len(raw)
        return header.tobuf() + raw + bytes(-len(raw) % 512)

"""Rescoring a long stream: mails per CPU second, and whether memory stays flat.

A corpus is repeated as one stream of ``--mails`` mails into one hit table.  ``peak_mib_at`` is the peak resident memory
after each quarter of it: flat means that the last is no larger than the first.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mailfilter import FilterChain
from mailfilter.archives import ArchivedMail, find_corpus, read_archive
from mailfilter.rescoring import rescore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--mails", type=int, default=100_000, metavar="N", help="length of the stream")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row per corpus."""
    count = 400 if args.quick else args.mails
    for name in args.corpus:
        peaks: list[float] = []
        with tempfile.TemporaryDirectory() as folder, FilterChain(stateless=True) as chain:
            table = Path(folder, "hits.npz")
            start = time.process_time()
            rescore(chain, _stream(name, count, peaks), table)
            seconds = time.process_time() - start
            size = table.stat().st_size
        yield {
            "corpus": name,
            "mails": count,
            "mails_per_cpu_second": round(count / seconds),
            "peak_mib_at": peaks,
            "peak_mib": peak_mib(),
            "table_bytes_per_mail": round(size / count, 1),
        }


def peak_mib() -> float:
    """Peak resident memory of this process in MiB."""
    scale = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 2**20, 1)


def _stream(name: str, count: int, peaks: list[float]) -> Iterator[ArchivedMail]:
    """``count`` mails of a corpus, over and over; notes the peak after each quarter."""
    given = 0
    while given < count:
        before = given
        for item in read_archive(find_corpus(name, os.environ)):
            if given == count:
                return
            if isinstance(item, ArchivedMail):
                given += 1
                yield item
                if given % max(1, count // 4) == 0:
                    peaks.append(peak_mib())
        if given == before:
            return

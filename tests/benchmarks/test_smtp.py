"""The benchmark of SMTP tells what it says it tells."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import pytest

pytest.importorskip("aiosmtpd", reason="pip install aiosmtpd")

from benchmarks import smtp

SAMPLE = Path(__file__).parent.parent.parent / "corpora" / "sample"
PARTS = ("aiosmtpd_ms", "chain_ms", "stores_ms", "ours_ms")


def test_its_parts_add_up_and_every_mail_is_answered() -> None:
    parser = argparse.ArgumentParser()
    smtp.add_arguments(parser)
    args = parser.parse_args(["--mails", "40", "--repeat", "1", "--per-connection", "7"])
    args.corpus, args.quick = [str(SAMPLE)], False
    (row,) = smtp.run(args)
    assert row["mails"] == 40
    assert sum(row["answers"].values()) == 40  # type: ignore[attr-defined]
    assert sum(float(str(row[part])) for part in PARTS) == pytest.approx(float(str(row["total_ms"])), abs=0.01)
    assert {"mails_per_cpu_second", "p50_ms", "p99_ms"} <= row.keys()


def test_smtplib_delivers_as_much() -> None:
    raws = [b"From: a@b.test\r\nSubject: lunch\r\n\r\nSoup today.\r\n"] * 3
    row = asyncio.run(smtp.measure(raws, 2, 1, 1, True))
    assert sum(row["answers"].values()) == 3  # type: ignore[attr-defined]
    assert "250" in row["answers"]  # type: ignore[operator]

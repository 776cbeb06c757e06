"""Reading a mail, everything decoded, against the standard library's compat32 parse in the same run.

The bar: at most 0.35 of what ``email.message_from_bytes`` needs to parse alone, and agreement with it on at least
99 % of the SpamAssassin corpus.  Both take turns on blocks of mails, so a busy machine slows both.
"""

from __future__ import annotations

import argparse
import email
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from email.message import Message as StdlibMessage

import numpy as np

from mailfilter.message import Message
from mailfilter.mime.kinds import SHOWN_MESSAGES
from mailfilter.testing.hostile import hostile_mails

from .corpus import load

BLOCK = 50
"""Mails that one side reads before the other side's turn."""
_WORD = re.compile(r"\w+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds over the corpus; medians count")
    parser.add_argument("--hostile", action="store_true", help="time every hostile mail of mailfilter.testing.hostile")
    parser.add_argument("--differences", action="store_true", help="also a row per kind of difference, with examples")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row per corpus; with ``--hostile`` one for the slowest hostile mails, and one for each of those."""
    if args.hostile:
        yield from hostile()
    for name in args.corpus:
        corpus = load(name, limit=200 if args.quick else None)
        raws = [mail.raw for mail in corpus.mails]
        classes: Counter[str] = Counter()
        examples: dict[str, list[str]] = {}
        for mail in corpus.mails:
            for kind in compare(mail.raw):
                classes[kind] += 1
                examples.setdefault(kind, []).append(mail.path)
        yield measure(name, raws, classes, 1 if args.quick else args.repeat)
        if args.differences:
            for kind, count in classes.most_common():
                yield {"corpus": name, "difference": kind, "mails": count, "examples": examples[kind][:10]}


def hostile() -> Iterator[dict[str, object]]:
    """CPU seconds to evaluate each hostile mail (best of two), the ten slowest, those of 100 MB last."""
    rows = []
    for name, raw in hostile_mails(largest=True):
        seconds = []
        for _ in range(2):
            began = time.process_time()
            message = read_all_and_render(raw)
            _ = message.readings(), message.attachments, message.digest, message.addresses("to")
            seconds.append(time.process_time() - began)
        rows.append({"hostile": name, "bytes": len(raw), "seconds": round(min(seconds), 3)})
    small = sorted(
        (row for row in rows if "100 MB" not in str(row["hostile"])), key=lambda row: -float(str(row["seconds"]))
    )
    yield {"hostile": "all", "n": len(small), "slowest_seconds": small[0]["seconds"]}
    yield from small[:10]
    yield from (row for row in rows if "100 MB" in str(row["hostile"]))


def measure(name: str, raws: Sequence[bytes], classes: Counter[str], repeat: int) -> dict[str, object]:
    """Time both sides in turns; medians over blocks of the time per mail in microseconds."""
    sides: dict[str, Callable[[bytes], object]] = {
        "stdlib": email.message_from_bytes, "ours": read_all, "html": read_all_and_render,
    }  # fmt: skip
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(repeat):
        for start in range(0, len(raws), BLOCK):
            block = raws[start : start + BLOCK]
            for side, read in sides.items():
                began = time.process_time()
                for raw in block:
                    read(raw)
                seconds[side].append((time.process_time() - began) / len(block))
    blocks = {side: np.array(values).reshape(repeat, -1) for side, values in seconds.items()}
    mean = {side: float(np.median(values, axis=0).mean() * 1e6) for side, values in blocks.items()}
    ratios = np.median(blocks["ours"] / blocks["stdlib"])
    n = len(raws)
    return {
        "corpus": name,
        "n": n,
        "us_per_mail": round(mean["ours"], 1),
        "stdlib_us_per_mail": round(mean["stdlib"], 1),
        "ratio": round(mean["ours"] / mean["stdlib"], 3),
        "ratio_block_median": round(float(ratios), 3),
        "us_per_mail_with_html": round(mean["html"], 1),
        "agree_pct": _percent(n, classes["any"]),
        "agree_parts_pct": _percent(n, classes["parts"]),
        "agree_text_pct": _percent(n, classes["text"]),
        "mib_per_second": round(sum(map(len, raws)) / n / mean["ours"] * 1e6 / 2**20, 1),
    }


def _percent(n: int, differing: int) -> float:
    return round(100 * (n - differing) / n, 3)


def read_all(raw: bytes) -> Message:
    """Everything decoded but HTML: headers, data and text of all parts, names, types by content, defects."""
    message = Message(raw)
    _ = message.header_values
    for part in message.parts:
        _ = part.data, part.text, part.names, part.detected_type
    _ = message.defects
    return message


def read_all_and_render(raw: bytes) -> Message:
    """The same, with HTML rendered and all links found."""
    message = read_all(raw)
    _ = message.texts, message.links
    return message


def compare(raw: bytes) -> list[str]:
    """How our primary reading differs from compat32's: ``parts``, ``text``, ``any``, or nothing."""
    theirs = list(_stdlib_leaves(email.message_from_bytes(raw)))
    ours = [part for part in Message(raw).root.walk() if not part.is_container]
    found = []
    if len(theirs) != len(ours):
        found.append("parts")
    their_words = [w for leaf in theirs for w in _WORD.findall(_stdlib_text(leaf))]
    our_words = [w for part in ours for w in _WORD.findall(part.text if part.content_type.startswith("text/") else "")]
    if their_words != our_words:
        found.append("text")
    return [*found, "any"] if found else []


def _stdlib_leaves(message: StdlibMessage) -> Iterator[StdlibMessage]:
    """Leaves of compat32's tree; the header blocks of a delivery status are one leaf."""
    if message.is_multipart() and message.get_content_type() not in SHOWN_MESSAGES:
        for part in message.get_payload():
            assert isinstance(part, StdlibMessage)
            yield from _stdlib_leaves(part)
    else:
        yield message


def _stdlib_text(leaf: StdlibMessage) -> str:
    """Text of a leaf the way compat32 leads its users to it: payload decoded, charset by label."""
    if leaf.get_content_maintype() != "text":
        return ""
    data = leaf.get_payload(decode=True)
    assert isinstance(data, bytes)
    charset = leaf.get_content_charset() or "utf-8"
    try:
        return data.decode(charset)
    except (LookupError, ValueError):
        return data.decode("latin-1")

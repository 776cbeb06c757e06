"""Ham that is lost: each one by file with the reasons, and counts by kind of mail.

    false-positives --corpus C [--of chain|model|both] [--config FILE] [--model default|PATH] [--headers all|content]

Only ham is read.  The chain loses a mail that it quarantines, bounces or deletes, the model alone one whose log-odds
are above ``--threshold``; mail that greylisting would delay is counted apart.  Reasons of the model quote pieces of
the mail.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mailfilter.archives import ArchivedMail
from mailfilter.decision import Action
from mailfilter.lookups.engine import CHECK_FAILED
from mailfilter.message import Message

from .corpus import interval, load, presented, upper95
from .filters import Setup, add_threshold
from .metrics import short
from .ours import OurFilter

QUICK = 150
CLUES = 8
KINDS = ("bounce", "list", "newsletter", "automatic", "reply", "personal")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--of", choices=("chain", "model", "both"), default="both", help="who loses the ham")
    parser.add_argument("--config", metavar="FILE", help="settings of the chain; default: built in")
    parser.add_argument("--model", default="default", metavar="default|PATH", help="for the model alone")
    parser.add_argument("--headers", choices=("all", "content"), default="all", help="headers to be seen")
    add_threshold(parser)


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """A row per ham lost, then one with the counts, for each corpus and each of chain and model."""
    load(args.corpus, limit=1)  # raises before anything is measured
    limit = QUICK if args.quick else None
    for name in args.corpus:
        corpus = load(name, limit=limit)
        mails = [mail for mail in corpus.mails if mail.label == "ham"]
        about: dict[str, object] = {"benchmark": "false-positives", "corpus": corpus.name, "headers": args.headers}
        if args.of != "model":
            yield from _rows(about | {"of": "chain"}, mails, _lost_by_chain(args.config, mails, args.headers))
        if args.of != "chain":
            tested = OurFilter(Setup(start=args.model, threshold=args.threshold))
            more = about | {"of": "model", "trained_on_it": corpus.name in tested.trained_on()}
            yield from _rows(more, mails, lost_by_model(tested, mails, args.headers))


def _rows(
    about: dict[str, object], mails: Sequence[ArchivedMail], found: Iterator[dict[str, Any]]
) -> Iterator[dict[str, object]]:
    """What was lost as it comes, then the counts."""
    lost: Counter[str] = Counter()
    delayed = failed = 0
    for row in found:
        if "check_failed" in row:
            failed += 1
            yield about | row
        elif row["action"] == Action.GREYLIST.value:
            delayed += 1
        else:
            lost[row["kind"]] += 1
            yield about | row
    kinds = Counter(kind(Message(mail.raw)) for mail in mails)
    n, fp = len(mails), sum(lost.values())
    yield about | {
        "ham": n,
        "fp": fp,
        "fp_pct": short(100 * fp / n) if n else None,
        "fp_interval": [short(end) for end in interval(fp, n)] if n else None,
        "fp_upper95_pct": short(upper95(fp, n)) if n else None,
        "greylisted": delayed,
        "checks_failed": failed,
        "by_kind": {name: {"ham": kinds[name], "fp": lost[name]} for name in KINDS if kinds[name]},
    }


def _lost_by_chain(config: str | None, mails: Sequence[ArchivedMail], headers: str) -> Iterator[dict[str, Any]]:
    """A row per mail that the chain would not accept, those that it would greylist included, or could not check."""
    from mailfilter import FilterChain
    from mailfilter.config import Config

    with FilterChain(Config.from_file(config) if config else None, stateless=True) as chain:
        verdicts = chain.check_many(presented(mail.raw, headers) for mail in mails)
        for mail, verdict in zip(mails, verdicts, strict=True):
            broken = [symbol.evidence for symbol in verdict.unknown if symbol.name == CHECK_FAILED]
            if broken:
                yield {"check_failed": broken, "mail": mail.path}
            if verdict.action is not Action.ACCEPT:
                yield {
                    "lost": mail.path,
                    "kind": kind(Message(mail.raw)),
                    "action": verdict.action.value,
                    "score": verdict.score,
                    "reasons": [
                        {"symbol": symbol.name, "points": symbol.points, "evidence": symbol.evidence}
                        for symbol in sorted(verdict.symbols, key=lambda symbol: -symbol.points)
                        if symbol.points
                    ],
                }


def lost_by_model(tested: OurFilter, mails: Sequence[ArchivedMail], headers: str) -> Iterator[dict[str, Any]]:
    """A row per mail that the model alone calls spam, with the pieces that spoke loudest for that."""
    messages = tested.prepare([presented(mail.raw, headers) for mail in mails])
    model = tested.model
    if model is None or not mails:
        return
    judged = model.judge(messages)
    for number in np.flatnonzero(judged.log_odds > tested.threshold).tolist():
        clues = model.explain(messages[number], CLUES)
        yield {
            "lost": mails[number].path,
            "kind": kind(Message(mails[number].raw)),
            "action": "called spam",
            "log_odds": short(float(judged.log_odds[number])),
            "support": short(float(judged.support[number])),
            "reasons": [{"view": clue.view, "text": clue.text, "weight": short(clue.weight)} for clue in clues],
        }


def kind(message: Message) -> str:
    """What kind of mail it is, by simple facts of its headers; one of `KINDS`."""
    names = {header.name.lower() for header in message.headers}
    sender = message.header("From").lower()
    if message.root.content_type == "multipart/report" or "mailer-daemon" in sender or "postmaster@" in sender:
        return "bounce"
    precedence = message.header("Precedence").strip().lower()
    if "list-post" in names or precedence == "list" or ("list-id" in names and "list-unsubscribe-post" not in names):
        return "list"
    if names & {"list-unsubscribe", "list-id", "feedback-id"} or precedence in ("bulk", "junk"):
        return "newsletter"
    if message.header("Auto-Submitted").strip().lower() not in ("", "no") or "noreply" in sender.replace("-", ""):
        return "automatic"
    return "reply" if names & {"in-reply-to", "references"} else "personal"

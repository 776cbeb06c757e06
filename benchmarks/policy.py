"""Decisions on stored rows: one policy, several, lists of senders; and what finding an entry or a rule costs.

A synthetic table as in `benchmarks scoring`; one mail in a thousand hits malware or a floor, one in a hundred an entry
of the deny or the allow list.  ``seconds_to_decide`` is `mailfilter.decision.decide` over points that are known,
``with_scoring`` the scores as well, ``four_policies`` each row by one of four policies, ``to_two_recipients`` the
same where each two rows are the copies of one mail.  ``us_per_rule`` and ``us_per_entry`` are for one recipient and
one mail, with ``--entries`` rules or entries.  CPU seconds, the best of ``--repeat`` rounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from mailfilter.checks import Mail
from mailfilter.config import Config
from mailfilter.decision import ALLOWED, DENIED, Action, Marks, Policy, decide, decide_each
from mailfilter.envelope import Envelope
from mailfilter.message import Message
from mailfilter.policy.rules import RuleIndex
from mailfilter.policy.senders import SenderLists
from mailfilter.scoring import Hits, score
from mailfilter.symbols import MALWARE, UNKNOWN, Catalogue, SymbolInfo

from .scoring import _timed as timed
from .scoring import table

_ROUNDS = 2000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--mails", type=int, default=10_000_000, metavar="N", help="rows of the table")
    parser.add_argument("--hits", type=int, default=20, metavar="N", help="hits a mail")
    parser.add_argument("--symbols", type=int, default=1000, metavar="N", help="columns")
    parser.add_argument("--entries", type=int, default=10_000, metavar="N", help="rules, and entries of each list")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="timed rounds; the best counts")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """A row for stored mail, and one for looking up."""
    yield _decided(20_000 if args.quick else args.mails, args)
    yield _looked_up(min(args.entries, 500) if args.quick else args.entries, args.repeat)


def _decided(rows: int, args: argparse.Namespace) -> dict[str, object]:
    hits, weights = table(rows, args.hits, args.symbols, 0.1)
    governing = _governing(args.symbols)
    hits = _listed(hits, args.hits, args.symbols)
    points = score(hits, weights)
    which = np.random.default_rng(1).integers(0, len(governing), rows).astype(np.int8)
    policy, marks = governing[0]
    single, alone = timed(lambda: decide(points, hits, marks, policy), args.repeat)
    _, scored = timed(lambda: decide(score(hits, weights), hits, marks, policy), args.repeat)
    several, four = timed(lambda: decide_each(points, hits, governing, which), args.repeat)
    starts = np.arange(0, rows, 2)
    _, two = timed(lambda: decide_each(points, hits, governing, which).mildest(starts), args.repeat)
    first = which == 0
    return {
        "mails": rows,
        "hits_per_mail": args.hits,
        "symbols": args.symbols,
        "seconds_to_decide": round(alone, 3),
        "with_scoring": round(scored, 3),
        "four_policies": round(four, 3),
        "to_two_recipients": round(two, 3),
        "decided_per_second": round(rows / alone),
        "same_as_alone": bool((several.actions[first] == single.actions[first]).all()),
    }


def _listed(hits: Hits, per_row: int, symbols: int) -> Hits:
    """The table with an entry of a list in each hundredth row, in the last two columns."""
    indices = np.minimum(hits.indices, symbols - 3)
    last = np.arange(per_row - 1, len(indices), per_row * 100)
    indices[last] = symbols - 1 - (np.arange(len(last)) % 2)
    return Hits(hits.indptr, indices, hits.values)


def _governing(symbols: int) -> list[tuple[Policy, Marks]]:
    """Four policies over columns of which one in 100 is malware or has a floor, and the last two are the lists'."""
    marked = max(2, symbols // 100)
    groups = [MALWARE if n < marked // 2 else UNKNOWN if n < marked else "headers" for n in range(symbols)]
    names = [*(f"S{n}" for n in range(symbols - 2)), DENIED, ALLOWED]
    catalogue = Catalogue(SymbolInfo(*pair, 0.0, "x") for pair in zip(names, names, groups, strict=True))
    floors = {f"S{n}": Action.GREYLIST for n in range(marked // 2, marked)}
    policies = [Policy(floors=floors), Policy(greylist=None, floors=floors), Policy(bounce=8.0), Policy(delete=20.0)]
    return [(policy, Marks.of(catalogue, policy)) for policy in policies]


def _looked_up(entries: int, repeat: int) -> dict[str, object]:
    allow = [{"senders": [f"a{n}@s{n}.example"], "proof": ["dkim", "spf"]} for n in range(entries)]
    deny = [{"senders": [f"d{n}.example"], "networks": [f"10.{n >> 8 & 255}.{n & 255}.0/24"]} for n in range(entries)]
    rules = [{"recipients": [f"r{n}@example.org"], "bounce": 10 + n % 9} for n in range(entries)]
    config = Config.from_mapping({"senders": {"allow": allow, "deny": deny}, "policy": {"rules": rules}})
    lists, index = SenderLists(*config.sender_entries()), RuleIndex(config.policy_rules())
    mail = Mail(
        Message(b"From: Anna <a7@s7.example>\nSubject: x\n\nhello\n"),
        Envelope(client_ip="203.0.113.9", mail_from="a7@s7.example", rcpt_to=["r7@example.org"]),
    )
    _, rule = timed(lambda: [index.numbers(mail.envelope) for _ in range(_ROUNDS)], repeat)
    found, entry = timed(lambda: [lists.look(mail, ()) for _ in range(_ROUNDS)], repeat)
    return {
        "entries": entries,
        "us_per_rule": round(rule / _ROUNDS * 1e6, 2),
        "us_per_entry": round(entry / _ROUNDS * 1e6, 2),
        "found": [one.symbol for one in found[0]],
    }

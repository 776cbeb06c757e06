"""Points of the shipped rules, fitted to the training corpora and judged on kinds of mail that the fit has not seen.

    points [--corpus A --corpus B …] [--opinions FILE.npz] [--write]

Each kind of mail (the folds of training: lists and their spam, business mail and phishing, …) is a hit table.  What
the content model says of a mail comes from a model without that kind (`benchmarks.opinions`; ``--opinions`` keeps it,
so that rules can be changed without training anew).  Points may go from a tenth to ``--reach`` times what a person gave
(``rules/priors.toml``), those of the content model stay; ham and spam of large kinds weigh less (``--balance``).  Rows:
the prior's points and the fitted ones, each kind judged by a fit without it; then what a limit would do.  In
``by_corpus`` "lost" and "missed" count mails at the quarantine limit.  ``spam_missed_pct_at`` takes each corpus for
the same size, and gives the spam missed where so many per cent of ham are lost.  ``--write`` puts the points of a fit
to everything into ``rules/catalogue.toml``.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mailfilter import Config, FilterChain
from mailfilter.archives import ArchivedMail
from mailfilter.assembly import checks
from mailfilter.checks.content import ContentCheck
from mailfilter.decision import Policy
from mailfilter.errors import MailFilterError
from mailfilter.message import Message
from mailfilter.rescoring import Table
from mailfilter.rescoring.rows import cut, evaluate, joined
from mailfilter.rescoring.run import _meta
from mailfilter.rescoring.table import FORMAT
from mailfilter.tuning import Dataset, Options, read, tune

from .corpus import load
from .leave_one_out import SHIPPABLE
from .opinions import Opinions, Recalled, opinions

RULES = Path(__file__).resolve().parent.parent / "rules"
LESSONS = tuple(str(RULES.parent / "corpora" / name) for name in ("lessons1", "lessons2"))
BUDGETS = (0.1, 0.3, 1.0, 3.0)
"""Per cent of ham lost at which spam missed is shown."""
LEAST = 0.1
"""Share of the prior that a rule keeps: what is worth nothing would be out of the next fit."""
FEW = 50
"""Mails of a class that a corpus needs to be counted there."""

Floats = NDArray[np.float64]


class Kinds(NamedTuple):
    """Hit tables put together, one a kind of mail, and the corpus that each mail is of."""

    data: Dataset
    corpora: tuple[str, ...]
    corpus: NDArray[np.int64]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument(
        "--opinions", metavar="FILE.npz", help="keep what the content models say, or read it if it is there"
    )
    parser.add_argument(
        "--reach", type=float, default=1.5, metavar="N", help="most points, in terms of the prior's (1.5)"
    )
    parser.add_argument("--cost-ham", type=float, default=10.0, metavar="N", help="missed spams a ham (10)")
    parser.add_argument("--alpha", type=float, default=1.0, metavar="A", help="pull towards the prior (1)")
    parser.add_argument(
        "--balance", type=float, default=0.5, metavar="N", help="0: mails weigh alike; 1: kinds do (0.5)"
    )
    parser.add_argument("--write", action="store_true", help="put the points into rules/catalogue.toml")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Rows of the prior, of the fit, and of what was moved."""
    names = args.corpus or [*SHIPPABLE, *LESSONS]
    kinds = _kinds(names, _opinions(names, args.opinions), 60 if args.quick else None)
    priors = tomllib.loads((RULES / "priors.toml").read_text("utf-8"))
    options = Options(
        cost_ham=args.cost_ham,
        alpha=args.alpha,
        balance=args.balance,
        by_table=True,
        scores=priors,
        ranges=_ranges(kinds.data, priors, args.reach),
    )
    tuned = tune(kinds.data, options)
    prior = np.array([priors.get(name, 0.0) for name in kinds.data.names])
    yield {"points": "prior"} | _figures(kinds, np.asarray(kinds.data.x @ prior))
    yield {"points": "fitted without the kind that is judged"} | _figures(kinds, tuned.left_out)
    found = dict(zip(kinds.data.names, tuned.points.tolist(), strict=True))
    points = {name: round(found.get(name, prior), 2) for name, prior in priors.items()}
    yield {"points": "fitted to all", "moved": {n: [priors[n], points[n]] for n in points if points[n] != priors[n]}}
    if args.write:
        written = _write(RULES / "catalogue.toml", points)
        yield {"written": str(written), "symbols": len(points)}


def _opinions(names: Sequence[str], kept: str | None) -> Opinions:
    if kept and Path(kept).exists():
        return Opinions.load(kept)
    said = opinions(names)
    if kept:
        said.save(kept)
    return said


def _kinds(names: Sequence[str], said: Opinions, limit: int | None) -> Kinds:
    """Hit tables of all mails that something was said of, one a fold."""
    config = Config.from_mapping({"checks": {"disable": ["content"]}})
    chain = FilterChain(config, checks=[*checks(config), ContentCheck(Recalled(said))], stateless=True)
    fold = dict(zip(said.digest, said.fold.tolist(), strict=True))
    by_fold: dict[int, list[tuple[ArchivedMail, int]]] = {}
    for number, name in enumerate(names):
        for mail in load(name, limit=limit).labelled().mails:
            place = fold.pop(Message(mail.raw).digest, None)
            if place is not None:
                by_fold.setdefault(place, []).append((mail, number))
    if len(by_fold) < 2:
        raise MailFilterError("points need corpora of two kinds or more: give --corpus A --corpus B")
    meta = _meta(chain, [0] * 5, ()) | {"format": FORMAT}
    tables = [
        Table(meta, joined([evaluate(chain, piece) for piece in cut([mail for mail, _ in mails])]))
        for mails in by_fold.values()
    ]
    corpus = np.array([number for mails in by_fold.values() for _, number in mails], np.int64)
    return Kinds(read(tables), tuple(Path(name).name for name in names), corpus)


def _ranges(data: Dataset, priors: Mapping[str, float], reach: float) -> dict[str, tuple[float, float]]:
    """From `LEAST` to ``reach`` times the prior; what the priors do not name, and the content model, stays."""
    found = {}
    for name, default, tunable in zip(data.names, data.defaults.tolist(), data.tunable.tolist(), strict=True):
        prior = priors.get(name)
        if not tunable:
            continue
        if prior is None or name.startswith("CONTENT_"):
            found[name] = (default, default) if prior is None else (prior, prior)
        else:
            found[name] = (LEAST * prior, reach * prior) if prior > 0 else (reach * prior, LEAST * prior)
    return found


def _figures(kinds: Kinds, scores: Floats) -> dict[str, object]:
    spam, limit = kinds.data.spam, Policy().quarantine or 0.0
    by_corpus, weight = {}, np.zeros(len(spam))
    for number, name in enumerate(kinds.corpora):
        here = kinds.corpus == number
        ham, bad = scores[here & ~spam], scores[here & spam]
        by_corpus[name] = {
            **({"lost": f"{int((ham >= limit).sum())} of {len(ham)}"} if len(ham) else {}),
            **({"missed": f"{int((bad < limit).sum())} of {len(bad)}"} if len(bad) else {}),
        }
        for label in (False, True):
            members = here & (spam == label)
            weight[members] = 1 / members.sum() if members.sum() >= FEW else 0.0
    for label in (False, True):
        weight[spam == label] /= weight[spam == label].sum() or 1.0
    return {"spam_missed_pct_at": _missed_at(scores, spam, weight), "by_corpus": by_corpus}


def _missed_at(scores: Floats, spam: NDArray[np.bool_], weight: Floats) -> dict[str, list[float]]:
    """By per cent of ham lost: per cent of spam missed, and the limit for that."""
    order = np.argsort(-scores, kind="stable")
    lost, caught = np.cumsum(weight[order] * ~spam[order]), np.cumsum(weight[order] * spam[order])
    found = {}
    for budget in BUDGETS:
        last = int(np.searchsorted(lost, budget / 100, "right")) - 1
        missed = 100 * (1 - float(caught[last])) if last >= 0 else 100.0
        found[f"{budget:g}"] = [round(missed, 1), round(float(scores[order[max(last, 0)]]), 2)]
    return found


def _write(path: Path, points: Mapping[str, float]) -> Path:
    """Replace the points of some symbols in a catalogue, and nothing else in it."""
    text = path.read_text("utf-8")
    for name, value in points.items():
        pattern = re.compile(rf"(^\[[a-z]+\.{name}\]\n(?:(?!\[).*\n)*?points = )[-0-9.]+", re.MULTILINE)
        text, count = pattern.subn(rf"\g<1>{value:g}" if value % 1 else rf"\g<1>{value:.1f}", text)
        if count != 1:
            raise MailFilterError(f"{path}: {name} stands {count} times, expected once")
    path.write_text(text, "utf-8")
    return path

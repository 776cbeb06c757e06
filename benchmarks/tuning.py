"""Tuning: seconds of a fit, and what weights and limits fitted on odd lines of a corpus do on its even lines.

Without ``--odd-even`` a synthetic table of ``--mails`` mails and ``--rules`` rules is fitted, with and without caps.

With it, the whole offline chain is tuned and tested on each corpus.  The shipped content model may have been trained
on that very corpus, so it is not asked: models are trained here with `mailfilter.classifier.train` and nothing but the
odd lines.  The values of CONTENT_* that the fit sees are cross-fitted (each fold judged by a model of the other
folds), those on the even lines come from one model of all odd lines; CONTENT_CERTAIN keeps the points that a model at
home deserves (`cross_fitting.FIXED`).  Weights, limits and their cross-validation see odd lines only.  ``fp`` and
``fn`` count mails at or above, and below, the quarantine limit; ``fp_default`` and ``fn_default`` are the same mails
and content model under the points and limits that are shipped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from mailfilter.classifier.train import AT_HOME, EVERYTHING
from mailfilter.classifier.train import Options as Training
from mailfilter.decision import Policy
from mailfilter.rescoring import Table
from mailfilter.tuning import Options, PointsClassifier, Tuned, read, tune

from .corpus import Corpus, interval, load, miss_at, presented, roca, upper95
from .cross_fitting import FIXED, honest, save


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--odd-even", action="store_true", help="tune on odd lines of each --corpus, test on even")
    parser.add_argument("--headers", choices=("all", "content"), default="all", help="headers that the chain sees")
    parser.add_argument("--views", choices=("everything", "portable"), default="everything", help="of the model")
    parser.add_argument("--cost-ham", type=float, default=Options().cost_ham, metavar="N", help="missed spams a ham")
    parser.add_argument("--max-fp", type=float, default=0.0005, metavar="SHARE", help="budget of lost ham (0.0005)")
    parser.add_argument("--alpha", type=float, default=Options().alpha, metavar="A", help="pull towards default points")
    parser.add_argument("--keep", metavar="FILE.npz", help="write the hit table of --odd-even, for `mailfilter tune`")
    parser.add_argument("--mails", type=int, default=60_000, help="of the synthetic table")
    parser.add_argument("--rules", type=int, default=1000, help="of the synthetic table")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """The synthetic rows, or one a corpus."""
    if not args.odd_even:
        yield from _speed(1500 if args.quick else args.mails, 50 if args.quick else args.rules)
        return
    for name in args.corpus:
        corpus = _presented(load(name, limit=400 if args.quick else None).labelled(), args.headers)
        table = honest(corpus, _training(args.views, args.headers), folds=2 if args.quick else 5)
        if args.keep:
            save(table, args.keep)
        yield _tested(corpus.name, table, args)


def _presented(corpus: Corpus, headers: str) -> Corpus:
    """The corpus as it is, or with no headers but those that its authors wrote."""
    if headers == "all":
        return corpus
    return replace(corpus, mails=tuple(replace(mail, raw=presented(mail.raw, headers)) for mail in corpus.mails))


def _training(views: str, headers: str) -> Training:
    """How to train: with whole headers as a site would, else without counting on them."""
    if views == "portable":
        return Training()
    return AT_HOME if headers == "all" else Training(views=EVERYTHING)


def _tested(name: str, table: Table, args: argparse.Namespace) -> dict[str, object]:
    data = read([table])
    odd, even = data.rows(data.line % 2 == 1), data.rows(data.line % 2 == 0)
    options = replace(Options(), cost_ham=args.cost_ham, max_fp=args.max_fp, alpha=args.alpha, ranges=FIXED)
    start = time.process_time()
    tuned = tune(odd, options)
    seconds = time.process_time() - start
    scores, before = tuned.estimator.points(even.x), np.asarray(even.x @ even.defaults)
    limit = tuned.limits.quarantine
    ham, spam = int((~even.spam).sum()), int(even.spam.sum())
    fp, fn = int((scores[~even.spam] >= limit).sum()), int((scores[even.spam] < limit).sum())
    default = Policy().quarantine or 0.0
    return {
        "corpus": name,
        "headers": args.headers,
        "content_model": f"trained on the odd lines, views {args.views}, cross-fitted for the fit",
        "fitted_on": {"ham": int((~odd.spam).sum()), "spam": int(odd.spam.sum())},
        "ham": ham,
        "spam": spam,
        "cost_ham": args.cost_ham,
        "max_fp_pct": 100 * args.max_fp,
        "limits": {"greylist": tuned.limits.greylist, "quarantine": limit, "bounce": tuned.limits.bounce},
        "cross_validated": {"fp": str(tuned.limits.ham_lost), "fn": str(tuned.limits.spam_missed)},
        "fp": fp,
        "fp_pct": round(100 * fp / ham, 3),
        "fp_interval95_pct": [round(end, 3) for end in interval(fp, ham)],
        "fp_upper95_pct": round(upper95(fp, ham), 3),
        "fn": fn,
        "fn_pct": round(100 * fn / spam, 3),
        "fn_interval95_pct": [round(end, 3) for end in interval(fn, spam)],
        "fp_default": int((before[~even.spam] >= default).sum()),
        "fn_default": int((before[even.spam] < default).sum()),
        "one_minus_roca_pct": round(roca(scores, even.spam), 4),
        "one_minus_roca_pct_default": round(roca(before, even.spam), 4),
        "fn_pct_at_fp_0.05": round(miss_at(scores, even.spam, 0.0005), 3),
        "largest_points": _largest(tuned),
        "tune_seconds": round(seconds, 2),
    }


def _largest(tuned: Tuned) -> dict[str, float]:
    ordered = sorted(tuned.rules, key=lambda rule: -rule.loss)[:12]
    return {rule.name: rule.points for rule in ordered}


def _speed(mails: int, rules: int) -> Iterator[dict[str, object]]:
    """CPU seconds of a fit of 20 hits a mail, costs 50 to 1, bounds by sign; with five capped groups as well."""
    x, spam, tilt = synthetic(mails, rules)
    lower, upper = np.where(tilt > 0, 0.0, -5.0), np.where(tilt > 0, 5.0, 0.0)
    for caps in (None, [8.0] * 5):
        group = None if caps is None else np.arange(rules) % 6 - 1
        made = PointsClassifier(50.0, lower=lower, upper=upper, prior=np.sign(tilt) / 2, groups=group, caps=caps)
        wall, start = time.perf_counter(), time.process_time()
        made.fit(x, spam)
        yield {
            "mails": mails,
            "rules": rules,
            "capped_groups": 0 if caps is None else len(caps),
            "fit_cpu_seconds": round(time.process_time() - start, 3),
            "fit_wall_seconds": round(time.perf_counter() - wall, 3),
            "iterations": made.n_iter_,
            "errors_pct": round(100 * float((made.predict(x) != spam).mean()), 3),
        }


def synthetic(mails: int, rules: int, per_mail: int = 20) -> tuple[Any, Any, Any]:
    """Values CSR (mails, rules), labels, and the side that each rule leans to; some rules are common, most rare."""
    random = np.random.default_rng(0)
    spam = random.random(mails) < 0.35
    tilt = random.normal(0, 1.2, rules)
    common = np.arange(1, rules + 1) ** -0.8
    columns = np.empty((mails, per_mail), np.int64)
    for label, side in ((True, 0.5), (False, -0.5)):
        chance = common * np.exp(side * tilt)
        columns[spam == label] = random.choice(rules, (int((spam == label).sum()), per_mail), p=chance / chance.sum())
    ends = np.arange(0, mails * per_mail + 1, per_mail)
    x = csr_matrix((np.ones(columns.size), columns.ravel(), ends), shape=(mails, rules))
    x.sum_duplicates()
    x.data[:] = 1.0
    return x, spam, tilt

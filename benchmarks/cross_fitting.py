"""Hit tables of mail that the content model in them has not seen.

A model says of its own training mail what it was told, so a fit that saw that would lean on the model alone.  Here
each fold of the mails is judged by a model of the other folds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mailfilter import Config, FilterChain
from mailfilter.archives import ArchivedMail
from mailfilter.assembly import checks
from mailfilter.checks.content import ContentCheck
from mailfilter.classifier.train import Options, train
from mailfilter.errors import StoreError
from mailfilter.rescoring import Table
from mailfilter.rescoring.rows import cut, evaluate, joined
from mailfilter.rescoring.run import _meta
from mailfilter.rescoring.table import FORMAT

from .corpus import Corpus

FIXED = {"CONTENT_CERTAIN": (6.0, 6.0)}
"""Points that a fit leaves alone where the content model was trained on mail of the place that it is used in.

Its whole value is six units of log-odds, and a point is one.  The loss of a fit hardly feels what lies beyond the
limit; without this the points of a few rules outweigh any certainty of the content.
"""


def honest(corpus: Corpus, options: Options, folds: int) -> Table:
    """Hit table of a corpus: the odd lines cross-fitted, then the even ones by a model of all odd lines."""
    odd, even = corpus.lines(1).mails, corpus.lines(0).mails
    if not odd or not even:
        raise StoreError(f"{corpus.name}: has no lines of an index to be split by")
    first = cross_fitted(odd, options, folds)
    config, others = _without_content()
    columns, _ = _found(config, others, odd, even, options)
    return Table(first.meta, joined([first.columns, columns]))


def cross_fitted(mails: Sequence[ArchivedMail], options: Options, folds: int) -> Table:
    """Hit table of mails in their order, the content values of each from a model of the other folds' mails."""
    config, others = _without_content()
    fold = _fold(mails, folds)
    placed: dict[int, tuple[Any, int]] = {}
    for number in range(folds):
        rest = [mail for mail, place in zip(mails, fold, strict=True) if place != number]
        out = [mail for mail, place in zip(mails, fold, strict=True) if place == number]
        columns, chain = _found(config, others, rest, out, options)
        for row, at in enumerate(np.flatnonzero(fold == number).tolist()):
            placed[at] = (columns, row)
    meta = _meta(chain, [0] * 5, ())
    return Table({**meta, "format": FORMAT}, joined([_row(*placed[at]) for at in range(len(mails))]))


def _without_content() -> tuple[Config, Sequence[Any]]:
    config = Config.from_mapping({"checks": {"disable": ["content"]}})
    return config, checks(config)


def _found(
    config: Config,
    others: Sequence[Any],
    learned: Sequence[ArchivedMail],
    judged: Sequence[ArchivedMail],
    how: Options,
) -> tuple[Any, FilterChain]:
    """Columns of ``judged`` by the chain with a content model of ``learned``."""
    model = train([(mail.raw, mail.label == "spam") for mail in learned], how)
    chain = FilterChain(config, checks=[*others, ContentCheck(model)], stateless=True)
    return joined([evaluate(chain, piece) for piece in cut(judged)]), chain


def _fold(mails: Sequence[ArchivedMail], folds: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Fold of each mail: every class dealt out in turn, in an order that is mixed once."""
    result = np.zeros(len(mails), np.int64)
    spam = np.array([mail.label == "spam" for mail in mails])
    for label in (False, True):
        members = np.flatnonzero(spam == label)
        result[np.random.default_rng(0).permutation(members)] = np.arange(len(members)) % folds
    return result


def _row(columns: Any, row: int) -> Any:
    """One row of columns, as columns."""
    a, b = columns["indptr"][row : row + 2]
    texts = ("path", "answer", "envelope")
    ends = {name: np.concatenate([[0], columns[f"{name}_end"]])[row : row + 2] for name in texts}
    one = {name: columns[name][row : row + 1] for name in ("digest", "label", "line", "time", "points", "action")}
    one |= {"indptr": np.array([0, b - a]), "indices": columns["indices"][a:b], "values": columns["values"][a:b]}
    for name, (start, end) in ends.items():
        one |= {name: columns[name][start:end], f"{name}_end": np.array([end - start])}
    return one


def save(table: Table, path: str | Path) -> None:
    """Write a table that was made here, to be looked at with ``mailfilter tune``."""
    meta = np.frombuffer(json.dumps(table.meta).encode(), np.uint8)
    np.savez_compressed(path, meta=meta, **table.columns)  # type: ignore[arg-type]

"""The labelled rows of hit tables as a matrix: what a fit sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from ..errors import StoreError
from ..rescoring import Table, load
from ..symbols import MALWARE, UNKNOWN


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled mails × symbols.

    ``names``, ``groups``, ``defaults``  symbol, group and catalogue points of each column; ``x``  values, CSR
    (mails, columns); ``spam``  bool (mails,); ``digest``  uint8 (mails, 32); ``line``  of the index, 0 if none;
    ``source``  number of the table that the mail is of.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    defaults: NDArray[np.float64]
    x: Any
    spam: NDArray[np.bool_]
    digest: NDArray[np.uint8]
    line: NDArray[np.int32]
    source: NDArray[np.int64]

    @property
    def tunable(self) -> NDArray[np.bool_]:
        """Columns that a fit may move: those with points of their own, outside of malware and the unknown."""
        scoring = np.array([group not in (MALWARE, UNKNOWN) for group in self.groups], np.bool_)
        return np.asarray(scoring & (self.defaults != 0), np.bool_)

    def rows(self, chosen: NDArray[Any]) -> Dataset:
        """Some of the mails."""
        return Dataset(
            self.names,
            self.groups,
            self.defaults,
            self.x[chosen],
            self.spam[chosen],
            self.digest[chosen],
            self.line[chosen],
            self.source[chosen],
        )


def read(tables: Sequence[str | Path | Table]) -> Dataset:
    """The labelled mails of hit tables with the same symbols.

    Raises `StoreError`: a table that cannot be read, tables that do not fit together, no ham or no spam.
    """
    if not tables:
        raise StoreError("tune: name at least one hit table")
    loaded = [(str(name), load(name)) if isinstance(name, str | Path) else ("table", name) for name in tables]
    first = loaded[0][1].meta
    for name, table in loaded[1:]:
        for key in ("symbols", "groups", "defaults"):
            if table.meta[key] != first[key]:
                raise StoreError(f"{name}: has other {key} than {loaded[0][0]}; write both with the same settings")
    parts = [_labelled(table) for _, table in loaded]
    x = vstack([part[0] for part in parts], format="csr")
    spam, digest, line = (np.concatenate([part[number] for part in parts]) for number in (1, 2, 3))
    named = ", ".join(name for name, _ in loaded)
    if not spam.any() or spam.all():
        kind = "ham" if spam.all() and len(spam) else "spam" if len(spam) else "labelled mail"
        how = "of an archive with an index, or with `mailfilter rescore --label`"
        raise StoreError(f"{named}: holds no {kind}; a fit needs labelled mail of both kinds: write tables {how}")
    _contradictions(named, digest, spam)
    names, groups, defaults = tuple(first["symbols"]), tuple(first["groups"]), np.array(first["defaults"])
    source = np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts])
    return Dataset(names, groups, defaults, x, spam, digest, line, source)


def _labelled(table: Table) -> tuple[Any, Any, Any, Any]:
    columns = table.columns
    shape = (table.rows, len(table.meta["symbols"]))
    x = csr_matrix((columns["values"], columns["indices"], columns["indptr"]), shape=shape)
    kept = columns["label"] >= 0
    return x[kept], columns["label"][kept] == 1, columns["digest"][kept], columns["line"][kept]


def _contradictions(named: str, digest: NDArray[np.uint8], spam: NDArray[np.bool_]) -> None:
    """The same bytes cannot be ham and spam."""
    _, mail = np.unique(digest, axis=0, return_inverse=True)
    mail = mail.ravel()
    both = (np.bincount(mail, spam) > 0) & (np.bincount(mail, ~spam) > 0)
    if both.any():
        row = int(np.flatnonzero(both[mail])[0])
        raise StoreError(
            f"{named}: {int(both.sum())} mails are labelled both ham and spam, "
            f"the first has digest {digest[row].tobytes().hex()[:16]}…"
        )


def importance(data: Dataset, balance: float) -> NDArray[np.float64]:
    """Weight of each mail, mean 1 in each class: those of a table weigh the number of its class there to -``balance``.

    0: every mail counts the same; 1: every table does, so that a large one does not decide alone.
    """
    result = np.ones(len(data.spam))
    for spam in (False, True):
        members = data.spam == spam
        sizes = np.bincount(data.source[members])
        raw = sizes[data.source[members]].astype(np.float64) ** -balance
        result[members] = raw / raw.mean()
    return result


def folds(data: Dataset, count: int) -> NDArray[np.int64]:
    """Fold of each mail: stratified, told by the digest, so neither order nor copies of a mail matter."""
    _, mail = np.unique(data.digest, axis=0, return_inverse=True)
    mail = mail.ravel()
    result = np.zeros(len(mail), np.int64)
    for spam in (False, True):
        members = data.spam == spam
        _, rank = np.unique(mail[members], return_inverse=True)
        result[members] = rank % count
    return result

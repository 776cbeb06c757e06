"""Running the chain over an archive: piece by piece, on one core or several, resumable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .._version import __version__
from ..archives import ArchivedMail
from ..chain import FilterChain
from ..config import Config
from ..decision import ACTIONS
from ..errors import SettingError, StoreError
from ..scoring import SCALE
from .replay import Replay
from .rows import PIECE, Clock, cut, evaluate
from .spool import Spool
from .table import FORMAT, Columns

SUFFIXES = (".npz", ".parquet")


def rescore(
    chain: FilterChain,
    mails: Iterable[ArchivedMail],
    out: str | Path,
    unreadable: Sequence[tuple[str, str]] = (),
    *,
    jobs: int = 1,
    resume: bool = False,
    replay: Replay | None = None,
    clock: Clock = "received",
) -> dict[str, int]:
    """Run ``chain`` over ``mails`` and write the hit table ``out``; returns how many mails got which action.

    ``unreadable`` may be filled while ``mails`` is read; it is written last.  ``jobs`` workers build their chains from
    ``chain.config``; the table is the same to the byte as with one.  ``resume`` goes on after a run that was killed:
    ``mails`` must begin with the same mails, and those of finished pieces are read but not looked at again.
    ``replay``  answers of an earlier day: nothing is asked, and a question that was not asked then has no answer.
    ``clock``  by which signatures have expired or not: ``received`` is when each mail came (its newest Received date,
    else its Date, else the file's time), ``now`` when its lookups are asked, or were in a replay.

    Raises `StoreError` when the table cannot be written or an unfinished run does not fit; nothing half-written
    stands under the table's name, and finished pieces stay for ``resume``.
    """
    target = Path(out)
    if target.suffix not in SUFFIXES:
        raise StoreError(f"{out}: a hit table is named {' or '.join('*' + suffix for suffix in SUFFIXES)}")
    if target.suffix == ".parquet":
        from .parquet import require

        require()
    spool = None
    try:
        spool = Spool(target, _made_with(chain, replay, clock), resume)
        with _results(chain, _new(spool, cut(mails)), jobs, replay, clock) as results:
            for columns in results:
                spool.add(columns)
        if spool.pieces < spool.kept:
            raise _changed(target)
        counts = sum((np.bincount(found, minlength=len(ACTIONS)) for found in spool.column("action")), np.zeros(5, int))
        if replay is not None:
            replay.missed = sum(replay.misses(found.tobytes()) for found in spool.column("digest"))
        spool.finish(_meta(chain, counts.tolist(), unreadable))
    except OSError as error:
        kept = ""
        if spool and spool.pieces:
            some = "1 piece of it is" if spool.pieces == 1 else f"{spool.pieces} pieces of it are"
            kept = f"; {some} kept, go on with --resume"
        elif spool:
            spool.clear()
        raise StoreError(f"{out}: the hit table cannot be written: {error.strerror or error}{kept}") from None
    return {action.value: int(count) for action, count in zip(ACTIONS, counts, strict=True)}


def _new(spool: Spool, pieces: Iterable[list[ArchivedMail]]) -> Iterator[list[ArchivedMail]]:
    """The pieces that are not there yet."""
    seen = 0
    for number, piece in enumerate(pieces):
        seen += 1
        if number >= spool.kept:
            yield piece
        elif not spool.same(number, piece):
            raise _changed(spool.folder)
    if seen < spool.kept:
        raise _changed(spool.folder)


def _changed(where: Path) -> StoreError:
    return StoreError(f"{where}: the archive is not the one that the unfinished run began with; begin without --resume")


@contextmanager
def _results(
    chain: FilterChain, pieces: Iterator[list[ArchivedMail]], jobs: int, replay: Replay | None, clock: Clock
) -> Iterator[Iterable[Columns]]:
    """Columns of each piece, in order; with several jobs at most two pieces a worker are in hand."""
    if jobs == 1:
        yield (evaluate(chain, piece, replay, clock) for piece in pieces)
        return
    from joblib import Parallel, delayed

    with FilterChain(chain.config, stateless=True) as twin:
        if twin.weights.names != chain.weights.names:
            raise SettingError(chain.config.source, ("a chain with checks that its settings do not name has one job",))
    failed: list[BaseException] = []
    recorded = (replay.path, replay.fingerprint) if replay is not None else None

    def tasks() -> Iterator[Any]:
        # joblib draws from this in a thread of its own, where an exception would be lost and the wait endless.
        try:
            for piece in pieces:
                yield delayed(_work)(chain.config, piece, recorded, clock)
        except BaseException as error:
            failed.append(error)

    parallel = Parallel(n_jobs=jobs, batch_size=1, pre_dispatch=2 * jobs, return_as="generator")
    results = parallel(tasks())
    try:
        yield _until(results, failed)
    finally:
        results.close()


def _until(results: Iterable[Columns], failed: list[BaseException]) -> Iterator[Columns]:
    yield from results
    if failed:
        raise failed[0]


_chains: dict[str, FilterChain] = {}
"""The chain of a worker process."""


_replays: dict[str, Replay] = {}
"""The answers that a worker process uses again."""


def _work(
    config: Config, piece: list[ArchivedMail], recorded: tuple[str, str] | None, clock: Clock
) -> Columns:
    """``recorded``  path and fingerprint of a replay."""
    key = repr((config, recorded))
    if key not in _chains:
        _chains[key] = FilterChain(config, stateless=True, lookups=() if recorded else None)
        if recorded:
            _replays[key] = Replay(recorded[0])
    return evaluate(_chains[key], piece, _replays.get(key), clock)


def _made_with(chain: FilterChain, replay: Replay | None, clock: Clock) -> dict[str, Any]:
    """What must be the same for pieces to belong together."""
    config = repr(replace(chain.config, source=""))
    return {
        "format": FORMAT,
        "mailfilter": __version__,
        "piece": PIECE,
        "settings": config,
        "symbols": list(chain.weights.names),
        "points": chain.weights.thousandths.tolist(),
        "replay": replay.fingerprint if replay else "",
        "clock": clock,
    }


def _meta(chain: FilterChain, counts: Sequence[int], unreadable: Sequence[tuple[str, str]]) -> dict[str, Any]:
    weights, policy = chain.weights, chain.policy
    caps = weights.caps
    return {
        "format": FORMAT,
        "mailfilter": __version__,
        "symbols": list(weights.names),
        "groups": [chain.catalogue[name].group for name in weights.names],
        "points": (weights.thousandths / SCALE).tolist(),
        "defaults": [chain.catalogue[name].points for name in weights.names],
        "caps": dict(zip(caps.groups, (caps.limits / SCALE).tolist(), strict=True)) if caps else {},
        "limits": {action.value: getattr(policy, action.value) for action in ACTIONS[1:]},
        "actions": {action.value: count for action, count in zip(ACTIONS, counts, strict=True)},
        "unreadable": [{"path": path, "reason": reason} for path, reason in unreadable],
    }

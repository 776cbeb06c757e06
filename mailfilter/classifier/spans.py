"""Why a score is what it is: the pieces of a mail whose n-grams weigh most, in readable form."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .features import BITS, gram_slots, token_slots, token_spans
from .views import views

if TYPE_CHECKING:
    from ..message import Message
    from .model import Model

_UNSEEN = -128


class Clue(NamedTuple):
    """A piece of a mail: the view it stands in, its text, and what it adds to the log-odds (positive: spam)."""

    view: str
    text: str
    weight: float


class _Piece(NamedTuple):
    """A stretch of bytes of a view and its n-gram's slot."""

    start: int
    end: int
    slot: int


def clues(model: Model, message: Message, n: int) -> tuple[Clue, ...]:
    """The ``n`` strongest clues of ``message``.

    Overlapping windows of one sign are one clue.  A word and the pairs it stands in are clues of their own.  The
    weights are before the log-odds are drawn towards 0 for want of support.
    """
    if n <= 0:
        return ()
    used = model.layout
    texts = views(message, used.names)
    found: list[list[_Piece]] = [
        _grams(text) if position in used.grams else _tokens(text) for position, text in enumerate(texts)
    ]
    steps = _steps(model, found)
    result: list[Clue] = []
    for position, (name, text, pieces) in enumerate(zip(used.names, texts, found, strict=True)):
        table = model.weights[position << BITS : (position + 1) << BITS]
        weights = [int(table[piece.slot]) for piece in pieces]
        step = steps[used.part_of_view[position]]
        for start, end, total in _merge(pieces, [0 if weight == _UNSEEN else weight for weight in weights]):
            shown = text[start:end].decode("utf-8", "replace")
            result.append(Clue(name, shown, round(total * step, 4)))
    result.sort(key=lambda clue: (-abs(clue.weight), clue.view, clue.text))
    return tuple(result[:n])


def _first(slots: NDArray[np.integer]) -> NDArray[np.intp]:
    """Positions of the first of each value, in order."""
    return np.sort(np.unique(slots, return_index=True)[1])


def _grams(text: bytes) -> list[_Piece]:
    slots = gram_slots(text)
    return [_Piece(int(i), int(i) + 4, int(slots[i])) for i in _first(slots)]


def _tokens(text: bytes) -> list[_Piece]:
    slots = token_slots(text)
    if not len(slots):
        return []
    starts, ends = token_spans(np.frombuffer(b" " + text + b" ", np.uint8))
    count = len(starts)
    pieces = []
    for i in _first(slots):
        first = i if i < count else i - count
        last = first if i < count else first + 1
        pieces.append(_Piece(int(starts[first]) - 1, int(ends[last]) - 1, int(slots[i])))
    return pieces


def _steps(model: Model, found: list[list[_Piece]]) -> list[float]:
    """What one step of weight is worth in log-odds, per part of this mail."""
    known = [0] * len(model.layout.parts)
    for position, pieces in enumerate(found):
        table = model.weights[position << BITS : (position + 1) << BITS]
        known[model.layout.part_of_view[position]] += sum(table[piece.slot] != _UNSEEN for piece in pieces) + 1
    fusion = model.fusion
    return [
        scale * factor / max(count, 1) ** 0.5
        for scale, factor, count in zip(fusion.scale, fusion.factors, known, strict=True)
    ]


def _merge(pieces: list[_Piece], weights: list[int]) -> list[tuple[int, int, int]]:
    """Join pieces that overlap and agree in sign; start, end and summed weight of each run."""
    runs: list[tuple[int, int, int]] = []
    for piece, weight in zip(pieces, weights, strict=True):
        if not weight:
            continue
        if runs:
            start, end, total = runs[-1]
            if start < piece.start < end and (total > 0) == (weight > 0):
                runs[-1] = (start, max(end, piece.end), total + weight)
                continue
        runs.append((piece.start, piece.end, weight))
    return runs

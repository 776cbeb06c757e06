"""Why the taught levels say what they say: the pieces of a mail that moved the log-odds, in readable form."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .features import gram_slots, token_slots, token_spans
from .site_features import BITS, DROP, GRAMS, PARTS, SENDER, SHARED, VIEWS, Grams, sender, token_slot
from .site_level import ONE, Level
from .site_state import State
from .spans import Clue
from .views import views

if TYPE_CHECKING:
    from ..message import Message

_PIECES = 400
"""Clues of one view that are looked at further."""


def site_clues(state: State, message: Message, grams: Grams) -> tuple[float, list[Clue]]:
    """What is left of the base's weight under the levels, and the clues of the levels."""
    share = 1.0
    texts = [*views(message, SHARED), " ".join(dict.fromkeys(sender(message))).encode("utf-8", "replace")]
    found: list[Clue] = []
    for who in state.who:
        level = state.levels[who]
        if not level.taught:
            continue
        look = level.look(grams)
        below, factors = level.influence(look)
        share *= below
        found = [clue._replace(weight=round(clue.weight * below, 4)) for clue in found]
        found.extend(_level_clues(level, factors, texts, grams, "user:" if who else "site:"))
    return share, found


def _level_clues(
    level: Level, factors: tuple[float, ...], texts: Sequence[bytes], grams: Grams, prefix: str
) -> Iterator[Clue]:
    region = 0
    for (_, size), factor, count in zip(PARTS, factors, grams.counts, strict=True):
        unit = factor / (ONE * math.sqrt(count))
        for name, text in zip(VIEWS[region : region + size], texts[region : region + size], strict=True):
            table = level.weights[region << BITS : (region + 1) << BITS]
            for start, end, total in _runs(name, text, table):
                yield Clue(prefix + name, text[start:end].decode("utf-8", "replace"), round(total * unit, 4))
            region += 1


def _runs(name: str, text: bytes, table: NDArray[np.int32]) -> list[tuple[int, int, int]]:
    """Start, end and weight of the strongest stretches; windows that overlap and agree in sign are one."""
    runs: list[list[int]] = []
    for start, end, slot in _windows(name, text):
        weight = int(table[slot])
        if not weight:
            continue
        if runs and name in GRAMS and start < runs[-1][1] and (runs[-1][2] > 0) == (weight > 0):
            runs[-1][1] = end
            runs[-1][2] += weight
        else:
            runs.append([start, end, weight])
    runs.sort(key=lambda run: -abs(run[2]))
    return [(start, end, total) for start, end, total in runs[:_PIECES]]


def _windows(name: str, text: bytes) -> Iterator[tuple[int, int, int]]:
    """Start, end and slot of every n-gram that counts, the first of each slot only."""
    done: set[int] = set()
    for start, end, short in _senders(text) if name == SENDER else _grams(text) if name in GRAMS else _tokens(text):
        if short not in done:
            done.add(short)
            yield start, end, short


def _grams(text: bytes) -> Iterator[tuple[int, int, int]]:
    for at, slot in enumerate(gram_slots(text).tolist()):
        if slot & 1 == 0:
            yield at, at + 4, slot >> DROP


def _tokens(text: bytes) -> Iterator[tuple[int, int, int]]:
    slots = token_slots(text).tolist()
    starts, ends = token_spans(np.frombuffer(b" " + text + b" ", np.uint8))
    words = list(zip((starts - 1).tolist(), (ends - 1).tolist(), strict=True))
    pairs = [(one[0], other[1]) for one, other in itertools.pairwise(words) if other[0] == one[1] + 1]
    for (start, end), slot in zip([*words, *pairs], slots, strict=False):
        yield start, end, slot >> DROP


def _senders(text: bytes) -> Iterator[tuple[int, int, int]]:
    at = 0
    for token in text.split(b" "):
        yield at, at + len(token), token_slot(token.decode("utf-8", "replace"))
        at += len(token) + 1

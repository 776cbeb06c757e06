"""Two simple filters to compare with: what any serious one has to beat."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .filters import Answer, Filter, Flags, Floats
from .metrics import probability


class NgramFilter(Filter):
    """Online logistic regression on which hashed byte 4-grams the first 6,000 raw bytes hold.

    Learns while the error exceeds 0.05 ("thick threshold", Goodman and Yih 2006); the score is the sum of weights
    over the square root of the number of n-grams, in log-odds.
    """

    name = "ngram-baseline"
    BYTES, BITS, STEP, MARGIN, PASSES = 6000, 22, 5.0, 0.05, 6

    @property
    def threshold(self) -> float:
        return 0.0

    def __init__(self) -> None:
        self._weights = np.zeros(1 << self.BITS, dtype=np.float64)

    def _slots(self, raw: bytes) -> NDArray[np.intp]:
        head = raw[: self.BYTES]
        if len(head) < 4:
            return np.empty(0, np.intp)
        grams = np.ndarray((len(head) - 3,), "<u4", head, 0, (1,))
        return np.unique(((grams * np.uint32(0x9E3779B1)) >> np.uint32(32 - self.BITS)).astype(np.intp))

    def _score(self, slots: NDArray[np.intp]) -> float:
        return float(self._weights[slots].sum()) / math.sqrt(max(len(slots), 1))

    def classify(self, raw: bytes) -> Answer:
        score = self._score(self._slots(raw))
        return Answer(score, score > 0)

    def train(self, mails: Sequence[bytes], spam: Flags, corpora: Sequence[str]) -> None:
        rows = [self._slots(raw) for raw in mails]
        random = np.random.default_rng(0)
        for number in range(self.PASSES):
            for mail in random.permutation(len(mails)).tolist():
                self._learn(rows[mail], bool(spam[mail]), self.STEP / (1 + number))

    def learn(self, raw: bytes, spam: bool) -> None:
        self._learn(self._slots(raw), spam, self.STEP)

    def _learn(self, slots: NDArray[np.intp], spam: bool, step: float) -> None:
        error = spam - float(probability(self._score(slots)))
        if abs(error) > self.MARGIN and len(slots):
            self._weights[slots] += step * error / math.sqrt(len(slots))

    def probabilities(self, scores: Floats) -> Floats:
        return probability(scores)


class BowFilter(Filter):
    """Multinomial naive Bayes on the lower-case words of the whole raw mail, Laplace smoothing: the textbook filter."""

    name = "bow-baseline"
    _WORD = re.compile(rb"[a-z0-9$'\x80-\xff-]{3,20}")

    @property
    def threshold(self) -> float:
        return 0.0

    def __init__(self) -> None:
        self._words: tuple[Counter[bytes], Counter[bytes]] = (Counter(), Counter())
        self._totals = [0, 0]
        self._mails = [0, 0]
        self._known: set[bytes] = set()

    def _bag(self, raw: bytes) -> Counter[bytes]:
        return Counter(self._WORD.findall(raw[:100_000].lower()))

    def classify(self, raw: bytes) -> Answer:
        score = math.log((self._mails[1] + 1) / (self._mails[0] + 1))
        room = len(self._known) + 1
        base = math.log((self._totals[0] + room) / (self._totals[1] + room))
        ham, spam = self._words
        for word, count in self._bag(raw).items():
            score += count * (math.log((spam[word] + 1) / (ham[word] + 1)) + base)
        return Answer(score, score > 0)

    def learn(self, raw: bytes, spam: bool) -> None:
        bag = self._bag(raw)
        self._words[spam].update(bag)
        self._totals[spam] += sum(bag.values())
        self._mails[spam] += 1
        self._known.update(bag)

    def probabilities(self, scores: Floats) -> Floats:
        return probability(scores)

"""The content model: log-odds of spam from hashed n-grams, and how far to trust them.

A mail's views are grouped in *parts* (`mailfilter.classifier.views`).  Each part is a logistic regression on
presence features: the sum of its weights over the square root of the number of n-grams it knows.  The parts'
log-odds are added with weights fitted on mail of corpora that were left out of training, which also makes the
result a calibrated log-odds.  Last, it is drawn towards 0 where the mail is unlike all that the model has seen.

Weights are whole numbers of one byte, and sums of them are exact: one mail and a batch give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..kernel import native
from . import store
from .features import FORMAT, Extractor, Features, Layout, layout
from .spans import Clue, clues
from .views import views

if TYPE_CHECKING:
    from ..message import Message

UNSEEN = -128
"""Weight of an n-gram that training did not see, or not in enough corpora: it counts as 0 and as unknown."""
SHIPPED = "content.npz"
_AGAIN = "train or install the model again"


@dataclass(frozen=True, slots=True)
class Fusion:
    """How parts become one calibrated log-odds.

    ``scale``    size of one step of weight per part.
    ``factors``  weight of each part's log-odds.
    ``bias``     constant.
    ``trust``    ``(low, high)``: share of known n-grams at or below which log-odds become 0, and at or above which
                 they stay as they are.
    ``threshold``  log-odds above which a mail should be called spam: chosen in training so that ham of corpora
                 left out stays below it.
    """

    scale: tuple[float, ...]
    factors: tuple[float, ...]
    bias: float
    trust: tuple[float, float]
    threshold: float = 0.0


class Judgement(NamedTuple):
    """What the model says of a batch: calibrated log-odds of spam, and how much it has seen of such mail (0..1)."""

    log_odds: NDArray[np.float64]
    support: NDArray[np.float64]


def trusted(share: NDArray[np.float64], trust: tuple[float, float]) -> NDArray[np.float64]:
    """How much of its log-odds a mail keeps (0..1), by the share of its n-grams that are known."""
    low, high = trust
    return np.clip((share - low) / (high - low), 0.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A trained model; make one with `Model.load` or `mailfilter.classifier.train.train`."""

    layout: Layout
    weights: NDArray[np.int8]
    fusion: Fusion
    facts: dict[str, Any]
    """What it was trained on and how well it did: shown to people, not used for scoring."""

    def __str__(self) -> str:
        corpora = self.facts.get("corpora", {})
        ham, spam = (sum(counts[kind] for counts in corpora.values()) for kind in ("ham", "spam"))
        return f"content model of {ham} ham and {spam} spam ({', '.join(corpora)}), threshold {self.threshold:g}"

    @classmethod
    def load(cls, path: str | Path | None = None) -> Model:
        """The model at ``path``, or the shipped one.

        Raises `ModelError` with one line if it is not there, damaged, or of another version.
        """
        if path is None:
            path = Path(str(resources.files("mailfilter.models").joinpath(SHIPPED)))
        return _checked(Path(path), *store.read(Path(path)))

    @property
    def threshold(self) -> float:
        """Log-odds above which a mail should be called spam."""
        return self.fusion.threshold

    def save(self, path: str | Path) -> None:
        """Write the model to ``path``, all or nothing.  Raises `ModelError` if the place cannot be written."""
        fusion = self.fusion
        manifest = {
            "kind": "mailfilter content model",
            "format": FORMAT,
            "views": list(self.layout.names),
            "scale": list(fusion.scale),
            "factors": list(fusion.factors),
            "bias": fusion.bias,
            "trust": list(fusion.trust),
            "threshold": fusion.threshold,
            "facts": self.facts,
        }
        store.write(Path(path), manifest, self.weights)

    def score(self, messages: Sequence[Message]) -> NDArray[np.float64]:
        """Calibrated log-odds of spam of each message; above 0 means more likely spam than not."""
        return self.judge(messages).log_odds

    def support(self, messages: Sequence[Message]) -> NDArray[np.float64]:
        """How much the model has seen of mail like each message: 0 nothing, 1 all of it."""
        return self.judge(messages).support

    def judge(self, messages: Sequence[Message]) -> Judgement:
        """Log-odds and support of each message, from one pass over it."""
        if native is None:
            return self.judge_batch(Extractor(self.layout).extract_many(messages))
        used, kinds, parts = self.layout, self.layout.kinds, bytes(self.layout.part_of_view)
        # All views first: the weights stay in the processor's cache while nothing but weighing is done.
        texts = [tuple(views(message, used.names)) for message in messages]
        judged = [self._fused(native.weigh(text, kinds, parts, self.weights)) for text in texts]
        return Judgement(np.array([said for said, _ in judged]), np.array([share for _, share in judged]))

    def judge_features(self, features: Iterable[Features]) -> Judgement:
        """The same for mails whose features are extracted already, one by one."""
        mails = tuple(features)
        slots = np.concatenate([mail.slots for mail in mails] or [np.empty(0, np.intp)])
        counts = np.array([mail.counts for mail in mails], np.intp).reshape(len(mails), len(self.layout.names))
        return self.judge_batch(Features(slots, counts))

    def judge_batch(self, features: Features) -> Judgement:
        """The same for the features of a batch."""
        counts = features.counts
        if not len(counts):
            return Judgement(np.empty(0), np.empty(0))
        found = self.weights.take(features.slots)
        starts = np.cumsum(counts.ravel()) - counts.ravel()
        unseen = np.add.reduceat(found == UNSEEN, starts, dtype=np.int64).reshape(counts.shape)
        sums = np.add.reduceat(found, starts, dtype=np.int64).reshape(counts.shape) - UNSEEN * unseen
        views_of_part = np.equal.outer(self.layout.part_of_view, range(len(self.layout.parts))).astype(np.int64)
        return self._fuse(sums @ views_of_part, (counts - unseen) @ views_of_part, counts.sum(axis=1))

    def _fuse(self, sums: NDArray[np.int64], known: NDArray[np.int64], total: NDArray[np.int64]) -> Judgement:
        fusion = self.fusion
        steps = np.array(fusion.scale) * np.array(fusion.factors)
        terms = sums * steps / np.sqrt(np.maximum(known, 1))
        raw = np.full(len(total), fusion.bias)
        # Column by column: numpy's own sum over a row may add in another order for another batch.
        for part in range(terms.shape[1]):
            raw += terms[:, part]
        share = known.sum(axis=1) / np.maximum(total, 1)
        return Judgement(raw * trusted(share, fusion.trust), share)

    def _fused(self, counted: Sequence[int]) -> tuple[float, float]:
        """What `_fuse` makes of one mail by the same operations; ``counted`` is what the kernel's weigh gives."""
        fusion, total, parts = self.fusion, counted[0], len(self.fusion.scale)
        known, raw = 0, fusion.bias
        for scale, factor, count, weight in zip(
            fusion.scale, fusion.factors, counted[1 : parts + 1], counted[parts + 1 :], strict=True
        ):
            raw += weight * (scale * factor) / math.sqrt(max(count, 1))
            known += count
        share = known / max(total, 1)
        low, high = fusion.trust
        return raw * min(max((share - low) / (high - low), 0.0), 1.0), share

    def explain(self, message: Message, n: int = 10) -> tuple[Clue, ...]:
        """The ``n`` pieces of the mail that moved its log-odds most, strongest first; positive means spam."""
        return clues(self, message, n)


def _checked(path: Path, manifest: dict[str, Any], weights: NDArray[np.int8]) -> Model:
    """A model out of a file's contents; raises `ModelError` on whatever does not fit."""
    if manifest.get("kind") != "mailfilter content model":
        raise ModelError(str(path), "is no content model of mailfilter")
    if manifest.get("format") != FORMAT:
        got = manifest.get("format")
        raise ModelError(str(path), f"has features of version {got!r}, this program reads {FORMAT}; {_AGAIN}")
    try:
        used = layout([str(name) for name in manifest["views"]])
        parts = len(used.parts)
        scale, factors = _floats(manifest["scale"], parts), _floats(manifest["factors"], parts)
        bias, threshold = _floats([manifest["bias"], manifest["threshold"]], 2)
        low_high = _floats(manifest["trust"], 2)
        facts = manifest["facts"]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(str(path), f"has a manifest that does not fit ({error}); {_AGAIN}") from None
    if len(weights) != used.slots:
        raise ModelError(str(path), f"has {len(weights)} weights where {used.slots} belong; {_AGAIN}")
    if not low_high[0] < low_high[1] or not isinstance(facts, dict):
        raise ModelError(str(path), f"has a manifest that does not fit (trust or facts); {_AGAIN}")
    return Model(used, weights, Fusion(scale, factors, bias, (low_high[0], low_high[1]), threshold), facts)


def _floats(values: Any, count: int) -> tuple[float, ...]:
    """``count`` finite numbers; raises ValueError or TypeError for anything else."""
    numbers = tuple(float(value) for value in values)
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"expected {count} finite numbers, got {list(values)!r}"[:120])
    return numbers



"""Does a list suddenly list everyone, or no one?  Its answers of late against its own history.

Both questions are put to the Chernoff-Hoeffding bound on a binomial tail, P(share >= s) <= exp(-n KL(s, p)), which for
a share of one or zero is the tail itself.  The history is not taken at its word: where little is known of a list, its
usual share may lie anywhere that the same bound allows, so that a young list is never accused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

EVERYONE, NO_ONE = "everyone", "no one"
SURE = math.log(1e9)
"""An accusation is wrong once in so many windows, at most."""
HISTORY_SURE = math.log(1e4)
"""How far the usual share may lie from the share that was seen."""
NEARLY_ALL = 0.9
"""Share from which a list is said to list everyone."""
FEWEST = 16
"""Answers before anything is said."""
LONGEST_HISTORY = 5000
"""Answers that the history weighs at most; older ones fade."""


@dataclass(slots=True)
class History:
    """What a list used to say: answers about different subjects, and those that were listings."""

    asked: float = 0.0
    listed: float = 0.0

    def add(self, asked: float, listed: float) -> None:
        """Take in more; the weight of what is old is halved where there is too much."""
        self.asked += asked
        self.listed += listed
        if self.asked > LONGEST_HISTORY:
            self.asked, self.listed = self.asked / 2, self.listed / 2


@dataclass(slots=True)
class Window:
    """What a list has said of late.  A subject counts once: one busy sender is no evidence."""

    seen: set[str] = field(default_factory=set)
    listed: int = 0

    def add(self, name: str, listed: bool) -> None:
        """Count an answer, unless it is about something that was counted already."""
        if name not in self.seen:
            self.seen.add(name)
            self.listed += listed

    def clear(self) -> None:
        """Begin anew."""
        self.seen.clear()
        self.listed = 0


def suspicion(window: Window, history: History) -> str:
    """`EVERYONE`, `NO_ONE`, or ``""`` where the window may be chance."""
    asked = len(window.seen)
    if asked < FEWEST or history.asked <= 0:
        return ""
    share = window.listed / asked
    if share >= NEARLY_ALL:
        return EVERYONE if _impossible(share, asked, history, highest=True) else ""
    if not window.listed:
        return NO_ONE if _impossible(share, asked, history, highest=False) else ""
    return ""


def _impossible(share: float, asked: int, history: History, highest: bool) -> bool:
    """Whether chance does not give such a share; the share that was seen is asked first, because that is cheap."""
    seen = history.listed / history.asked
    if (share <= seen if highest else share >= seen) or asked * divergence(share, seen) <= SURE:
        return False
    usual = _usual(history.asked, history.listed, highest)
    return (share > usual if highest else share < usual) and asked * divergence(share, usual) > SURE


def usual_share(history: History, highest: bool) -> float:
    """The highest, or lowest, share that a list may have had, given what it has said."""
    return _usual(history.asked, history.listed, highest)


@lru_cache(maxsize=256)
def _usual(asked: float, listed: float, highest: bool) -> float:
    if asked <= 0:
        return 1.0 if highest else 0.0
    seen = min(max(listed / asked, 0.0), 1.0)
    inside, outside = seen, 1.0 if highest else 0.0
    for _ in range(40):
        middle = (inside + outside) / 2
        if asked * divergence(seen, middle) > HISTORY_SURE:
            outside = middle
        else:
            inside = middle
    return inside


def divergence(share: float, chance: float) -> float:
    """Kullback-Leibler divergence of two shares in nats."""
    return _term(share, chance) + _term(1.0 - share, 1.0 - chance)


def _term(share: float, chance: float) -> float:
    if share <= 0.0:
        return 0.0
    return share * math.log(share / chance) if chance > 0.0 else math.inf

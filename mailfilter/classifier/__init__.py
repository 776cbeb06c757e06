"""The content classifier: hashed n-grams of several views of a mail, a linear model, its files and its training.

`Model` scores and explains and needs numpy alone; training is in `mailfilter.classifier.train`.
"""

from __future__ import annotations

from .model import Judgement, Model
from .spans import Clue

__all__ = ["Clue", "Judgement", "Model"]

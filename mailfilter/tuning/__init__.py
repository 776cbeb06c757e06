"""Scores and limits that fit themselves: from a labelled hit table to settings that `mailfilter check` reads.

`tune` fits the points of rules (`PointsClassifier`, a scikit-learn estimator), chooses limits for a budget of lost ham
by cross-validation, and says what each rule is worth.  Malware and the unknown stay out: they never score.
scikit-learn and scipy are imported here and nowhere on the way of a mail.
"""

from __future__ import annotations

from .dataset import Dataset, read
from .estimator import PointsClassifier
from .limits import Limits
from .tune import Options, Tuned, tune
from .worth import RuleWorth

__all__ = ["Dataset", "Limits", "Options", "PointsClassifier", "RuleWorth", "Tuned", "read", "tune"]

"""Answers of a filter kept in a file, so that slow peers need not run again to be compared with.

A file is good for the very same mails, in the same order, seen the same way; anything else is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mailfilter.errors import MailFilterError

from .filters import Answers, Flags


def fingerprint(mails: Sequence[bytes], spam: Flags, way: str) -> str:
    """Digest of what was asked: the mails in their order, their labels, and how they were presented."""
    digest = hashlib.sha256(way.encode() + np.packbits(spam).tobytes())
    for raw in mails:
        digest.update(hashlib.sha256(raw).digest())
    return digest.hexdigest()


def save(folder: str, name: str, asked: str, answers: Answers) -> None:
    """Keep the answers of the filter called ``name`` in ``folder``; raises `MailFilterError` if that cannot be done."""
    content = {"filter": name, "asked": asked, "scores": answers.score.tolist(), "called": answers.spam.tolist()}
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        place = Path(folder) / f"{name.replace('/', '_').replace(' ', '-')}-{asked[:12]}.json"
        place.write_text(json.dumps(content))
    except OSError as error:
        raise MailFilterError(f"--save {folder}: cannot be written: {error.strerror or error}") from None


def load_saved(path: str, asked: str) -> tuple[str, Answers]:
    """Name and answers that `save` has kept; raises `MailFilterError` for a file that answers something else."""
    try:
        content: dict[str, Any] = json.loads(Path(path).read_text())
        found = Answers(np.array(content["scores"], np.float64), np.array(content["called"], bool))
        name, was = str(content["filter"]), content["asked"]
    except OSError as error:
        raise MailFilterError(f"--against {path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError):
        raise MailFilterError(f"--against {path}: holds no answers of a filter; make one with --save") from None
    if was != asked:
        raise MailFilterError(f"--against {path}: answers other mails, or these in another order or with other headers")
    return name, found

"""What comes out of an archive: a mail, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ..envelope import Envelope

Label = Literal["spam", "ham"]

MAX_BYTES = 100 * 1024 * 1024
"""Default cap for one mail, in bytes."""


@dataclass(frozen=True, slots=True)
class ArchivedMail:
    """One mail of an archive.

    ``path``  where it is: the file; ``ARCHIVE!MEMBER`` inside a tar or zip; ``…#3`` for the third mail of an mbox
              that holds several.  Bytes of a name that are not UTF-8 are kept as surrogate escapes.
    ``raw``   the mail's bytes.
    ``label`` what the archive's index calls it, None when it says nothing.
    ``line``  1-based line of the index, None without one; odd and even lines split a corpus.
    ``envelope``  what somebody knows of the SMTP session besides; no archive says anything of it.
    """

    path: str
    raw: bytes = field(repr=False)
    label: Label | None = None
    line: int | None = None
    envelope: Envelope | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something of an archive that gave no mail, and why, in a few words for a person to read."""

    path: str
    reason: str


Item = ArchivedMail | Unreadable
Items = Iterator[Item]

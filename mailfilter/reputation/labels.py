"""What people taught of one sender: a bounded set of mails, each spam or ham.

Because it is a set, teaching twice is teaching once, and taking back restores.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import StoreError

MOST = 64
"""Mails that are kept; the ones taught first go."""
_NAME = 8
_SIZE = _NAME + 1
_KIND, _SPAM, _HAM = b"l", b"s", b"h"


@dataclass(frozen=True, slots=True)
class Labels:
    """Names of mails (their first eight bytes), each with its class, in the order in which they were taught."""

    mails: tuple[tuple[bytes, bool], ...] = ()

    @classmethod
    def read(cls, entry: bytes | None) -> Labels:
        """What `written` wrote; none for `None`.  Raises `StoreError` for anything else."""
        if entry is None:
            return NO_LABELS
        body = entry[1:]
        if entry[:1] != _KIND or len(body) % _SIZE:
            raise StoreError("an entry of [reputation] is damaged: remove the store's file")
        pieces = (body[at : at + _SIZE] for at in range(0, len(body), _SIZE))
        return cls(tuple((piece[:_NAME], piece[_NAME:] == _SPAM) for piece in pieces))

    def written(self) -> bytes:
        """The entry that a store keeps."""
        return _KIND + b"".join(name + (_SPAM if spam else _HAM) for name, spam in self.mails)

    def holds(self, name: bytes) -> bool:
        """Whether this mail was taught."""
        return any(known == name[:_NAME] for known, _ in self.mails)

    def changed(self, name: bytes, spam: bool | None) -> Labels:
        """With this mail as spam, as ham (``False``), or without it (``None``)."""
        name = name[:_NAME]
        if spam is None:
            return Labels(tuple(one for one in self.mails if one[0] != name))
        if self.holds(name):
            return Labels(tuple((known, spam if known == name else old) for known, old in self.mails))
        return Labels((*self.mails, (name, spam))[-MOST:])

    def __bool__(self) -> bool:
        return bool(self.mails)

    @property
    def spam(self) -> int:
        """How many are spam."""
        return sum(spam for _, spam in self.mails)

    @property
    def ham(self) -> int:
        """How many are ham."""
        return len(self.mails) - self.spam

    @property
    def lean(self) -> float:
        """How clearly it is spam rather than ham: a half for one mail, near 1 for many; 0 where it is not."""
        return max(0, self.spam - self.ham) / (len(self.mails) + 1)


NO_LABELS = Labels()

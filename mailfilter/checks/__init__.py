"""Checks look at a mail and say what they see; they neither score nor decide.

Two kinds.  A `LocalCheck` is a pure function over a batch of mails (one mail is a batch of one).  A
`LookupCheck` is a generator that yields questions and is sent answers; it does no I/O itself.

A check of your own is a factory registered under the entry point group ``mailfilter.checks`` and named in the
settings (``[checks] plugins``); `mailfilter.testing.check_contract` holds it to what is promised here.
"""

from __future__ import annotations

from collections.abc import Container, Generator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from ..envelope import Envelope
from ..lookups import Answer, Question
from ..symbols import Findings, SymbolInfo

if TYPE_CHECKING:
    from ..message import Message


class Mail(NamedTuple):
    """A message and the envelope that it came in."""

    message: Message
    envelope: Envelope


Asking = Generator[tuple[Question, ...], tuple[Answer, ...], Findings]
"""Yields questions to be asked side by side, is sent their answers in the same order, returns findings."""


@runtime_checkable
class LocalCheck(Protocol):
    """A pure function over a batch."""

    name: str
    symbols: tuple[SymbolInfo, ...]
    """Every symbol that `run` can find."""

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail, in the order of ``mails``; each mail's depend on that mail alone."""
        ...


@runtime_checkable
class LookupCheck(Protocol):
    """A dialogue per mail: questions out, answers in, as many rounds as it needs."""

    name: str
    symbols: tuple[SymbolInfo, ...]

    def ask(self, mail: Mail) -> Asking:
        """Start the dialogue about one mail."""
        ...


@runtime_checkable
class QuietCheck(LookupCheck, Protocol):
    """A lookup check that can tell when there is nothing to ask: no dialogue is started then."""

    def unasked(self, mail: Mail, answered: Container[type[Any]]) -> Findings | None:
        """What `ask` would find about a mail without a usable answer, or ``None`` where it has to be asked.

        ``answered``  the kinds of questions that somebody answers.
        """
        ...


Check = LocalCheck | LookupCheck

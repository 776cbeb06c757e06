"""Typed questions, typed answers, and what answers them: the only I/O of the library.

A lookup check never touches a socket.  It yields questions and is sent answers; `mailfilter.lookups.engine`
carries them, and a `Lookup` of the right kind asks.  An answer is never ``None`` and never a bare bool: what
could not be learned has a state of its own and can be mistaken neither for "clean" nor for "listed".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol

from ..deadline import Deadline


class DnsState(Enum):
    """How a DNS question ended.  Only ``FOUND`` and ``NOT_FOUND`` are knowledge."""

    FOUND = "found"
    NOT_FOUND = "not found"
    """NXDOMAIN, or the name exists without a record of this type (RFC 2308)."""
    REFUSED = "refused"
    SERVFAIL = "server failure"
    TIMEOUT = "timeout"
    """No answer came: too late, or nobody listens there; the detail says which."""
    MALFORMED = "malformed"
    """The answer could not be read, or is not an answer to what was asked."""
    DISABLED = "disabled"
    """Nothing was asked: no resolver is configured, or the zone is switched off."""

    @property
    def known(self) -> bool:
        """Whether the state says something about the name, and not only about the asking."""
        return self in (DnsState.FOUND, DnsState.NOT_FOUND)


class DnsQuestion(NamedTuple):
    """One name and record type.  ``name`` is absolute, lower case, without the final dot.

    A tuple, because every question is looked up in a dozen mappings.
    """

    name: str
    rdtype: str = "A"


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """State, all records as text (TXT strings joined), and the time to live in seconds.

    ``alias``  the name that the records belong to, where a chain of aliases (CNAME) leads away from the question's;
    a block list's answer that leads out of its zone is none of its own.
    """

    state: DnsState
    records: tuple[str, ...] = ()
    ttl: int = 0
    detail: str = ""
    alias: str = ""


class ScanState(Enum):
    """How a virus scan ended.  The first four are a scanner's verdict on the whole of the bytes."""

    CLEAN = "clean"
    INFECTED = "infected"
    UNWANTED = "unwanted"
    """A potentially unwanted program: no malware by the scanner's own words.  In one file clamd looks no further."""
    PHISHING = "phishing"
    """A heuristic says that a link or a page deceives; no signature was found."""
    ENCRYPTED = "encrypted"
    TOO_LARGE = "too large"
    LIMITS_EXCEEDED = "limits exceeded"
    """The scanner gave up inside a container; what lies deeper is not known."""
    SCANNER_ERROR = "scanner error"
    UNAVAILABLE = "unavailable"
    """No verdict: not reachable, closed before a verdict, or too slow."""
    POISON = "poison"
    """Not scanned: the same mail has cost several scans their scanner (`mailfilter.lookups.poison`)."""
    DISABLED = "disabled"
    """No scanner is configured."""

    @property
    def known(self) -> bool:
        """Whether a scanner has looked at all of the bytes and says what they are."""
        return self in (ScanState.CLEAN, ScanState.INFECTED, ScanState.UNWANTED, ScanState.PHISHING)


@dataclass(frozen=True, slots=True)
class ScanQuestion:
    """Bytes to scan.  Two questions are the same when their bytes are (compared by SHA-256)."""

    data: bytes = field(repr=False, compare=False)
    digest: bytes = b""

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", hashlib.sha256(self.data).digest())


@dataclass(frozen=True, slots=True)
class ScanAnswer:
    """State, the names of what was found, the scanner that said so, and a detail for a person to read.

    ``lost``  whether a scanner had the bytes and gave no verdict: it died, hung or was too slow over them.
    """

    state: ScanState
    names: tuple[str, ...] = ()
    scanner: str = ""
    detail: str = ""
    lost: bool = False


Question = DnsQuestion | ScanQuestion
Answer = DnsAnswer | ScanAnswer


class Lookup(Protocol):
    """What answers one kind of question, blocking or awaited.

    Neither method raises for anything that the other side does or fails to do: the answer's state says it.
    Both return by ``deadline``.  Both may be called from many threads or tasks at once.
    """

    kind: type[Any]
    """`DnsQuestion` or `ScanQuestion`."""

    def ask(self, question: Any, deadline: Deadline) -> Any:
        """Answer one question, blocking."""
        ...

    async def aask(self, question: Any, deadline: Deadline) -> Any:
        """Answer one question under asyncio."""
        ...

    def close(self) -> None:
        """Let go of sockets and threads; asking again afterwards is allowed and opens them anew."""
        ...


class Talk(Protocol):
    """A blocking conversation of one thread: many questions at once; a context manager."""

    def start(self, questions: Sequence[Any], deadline: Deadline) -> None:
        """Ask these; `wait` gives each answer once, by the deadline."""
        ...

    def wait(self, seconds: float) -> list[tuple[Any, Any]]:
        """Questions with their answers as soon as there are any; none after ``seconds``, or when woken."""
        ...

    def waker(self) -> Callable[[], None]:
        """What another thread may call so that `wait` returns."""
        ...

    def __enter__(self) -> Talk: ...

    def __exit__(self, *exception: object) -> None: ...


class ManyLookup(Lookup, Protocol):
    """A lookup that carries many questions at once, without a thread or a task for each."""

    def talk(self) -> Talk:
        """Begin a blocking conversation."""
        ...

    def start(self, questions: Sequence[Any], deadline: Deadline, done: Callable[[Any, Any], None]) -> None:
        """Under asyncio: ask these, and call ``done(question, answer)`` on the loop for each, by the deadline."""
        ...

    def leave(self, questions: Sequence[Any], done: Callable[[Any, Any], None]) -> None:
        """Under asyncio: ``done`` does not want the answers to these any more."""
        ...


def no_answer(question: Question, timed_out: bool, detail: str) -> Answer:
    """The answer to a question that nobody answered: unknown, of the question's own kind."""
    if isinstance(question, DnsQuestion):
        return DnsAnswer(DnsState.TIMEOUT if timed_out else DnsState.DISABLED, detail=detail)
    return ScanAnswer(ScanState.UNAVAILABLE if timed_out else ScanState.DISABLED, detail=detail)

"""Rules as values: what a `.cf` file says, typed, with file and line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from .patterns import Pattern


class Place(NamedTuple):
    """Where something stands: a file and a line, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Severity(Enum):
    """How bad a fault is.

    ``ERROR``  wrong by the language's own rules: the line has no effect.
    ``UNSUPPORTED``  right, but not run here.
    ``NOTE``  harmless, or of no meaning here.
    """

    ERROR = "error"
    UNSUPPORTED = "unsupported"
    NOTE = "note"


class Fault(NamedTuple):
    """One thing that a reader of the rules should know.

    ``reason``  one of a few fixed phrases, to be counted by; ``detail``  what exactly; ``times``  how many lines of
    the same kind this one stands for (settings without a meaning here are put together by file).
    """

    place: Place
    rule: str
    severity: Severity
    reason: str
    detail: str = ""
    times: int = 1

    def __str__(self) -> str:
        words = [f"{self.place}:", f"{self.severity.value}:"]
        if self.rule:
            words.append(f"{self.rule}:")
        text = f"{self.reason}: {self.detail}" if self.detail else self.reason
        more = f" ({self.times} lines)" if self.times > 1 else ""
        return " ".join(words) + f" {text}{more}"


class Kind(Enum):
    """What a rule looks at."""

    HEADER = "header"
    BODY = "body"
    RAWBODY = "rawbody"
    FULL = "full"
    URI = "uri"
    MIMEHEADER = "mimeheader"
    META = "meta"
    EVAL = "eval"


PATTERN_KINDS = (Kind.HEADER, Kind.BODY, Kind.RAWBODY, Kind.FULL, Kind.URI, Kind.MIMEHEADER)


class Scores(NamedTuple):
    """Points for the four cases: (local, with network, with Bayes, with both)."""

    local: float
    network: float
    bayes: float
    both: float


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    ``pattern``  for the pattern kinds (`None` for ``exists:``); ``target``  the header with its modifiers
    (``"From:addr"``), of header and mimeheader rules; ``negated``  for ``!~`` ; ``if_unset``  the text that stands in
    for an absent header; ``expression``  of a meta; ``function`` and ``arguments``  of an eval rule, whose ``family``
    is the directive that declared it; ``scores``  `None` where no score line names the rule; ``asks``  names of the
    templates (``%{NAME}``) in a pattern, which is then wide open in their place, its source aside.
    """

    name: str
    kind: Kind
    place: Place
    pattern: Pattern | None = None
    asks: tuple[str, ...] = ()
    target: str = ""
    negated: bool = False
    exists: bool = False
    if_unset: str | None = None
    expression: str = ""
    function: str = ""
    arguments: tuple[str, ...] = ()
    family: str = ""
    description: str = ""
    scores: Scores | None = None
    tflags: frozenset[str] = frozenset()
    priority: int = 0

    @property
    def is_subrule(self) -> bool:
        """Whether the rule only feeds metas: its name starts with two underscores."""
        return self.name.startswith("__")

    @property
    def is_net(self) -> bool:
        """Whether the rule is a function that asks somebody: it is not run here, and counts as not hit."""
        return self.kind is Kind.EVAL and "net" in self.tflags

    @property
    def points(self) -> float:
        """Points of a hit in a local run; without a score line 1, on trial (``T_…``) 0.01, negative for nice rules."""
        if self.scores is not None:
            return self.scores.local
        points = 0.01 if self.name.startswith("T_") else 1.0
        return -points if "nice" in self.tflags else points

    @property
    def max_hits(self) -> int:
        """How often a hit may count: 1 unless ``tflags multiple``; 0 is without limit."""
        if "multiple" not in self.tflags:
            return 1
        limits = [flag[8:] for flag in self.tflags if flag.startswith("maxhits=")]
        return int(limits[0]) if limits and limits[0].isdigit() else 0


@dataclass(frozen=True, slots=True)
class Domains:
    """What counts as a top level domain: suffixes of one, two and three labels; empty means any letters."""

    top: frozenset[str] = frozenset()
    two: frozenset[str] = frozenset()
    three: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Everything that was read.

    ``rules``  by name, in the order in which they were first named; ``faults``  in the order of the files;
    ``files``  that were read.
    """

    rules: Mapping[str, Rule] = field(default_factory=lambda: MappingProxyType({}))
    faults: tuple[Fault, ...] = ()
    files: tuple[str, ...] = ()
    domains: Domains = field(default_factory=Domains)
    redirectors: tuple[Pattern, ...] = ()
    lists: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def errors(self) -> tuple[Fault, ...]:
        """Faults that are errors."""
        return tuple(fault for fault in self.faults if fault.severity is Severity.ERROR)

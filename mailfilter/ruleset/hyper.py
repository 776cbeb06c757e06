"""The first look through hyperscan: databases of some sixty patterns, compiled once and kept on disk.

A pattern goes in as it is, or relaxed (`relax`), or as the texts that it demands (`literals`); one for which none of
that works is always looked at.  Every form says yes wherever the pattern would: anchors match at every line, and the
bounded engine decides.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from typing import Any, NamedTuple

import hyperscan

from .cache import Cache
from .groups import FirstLook, Target
from .literals import required
from .patterns import Pattern
from .relax import relaxed

_log = logging.getLogger("mailfilter")
CHUNK = 60
"""Patterns in one database: more take minutes to compile together, fewer make more scans."""
SHORT, LONG = 250, 700
"""Characters up to which hyperscan's own simplification comes first, and up to which a pattern is tried as it is."""

_FLAGS = {"i": hyperscan.HS_FLAG_CASELESS, "s": hyperscan.HS_FLAG_DOTALL}
_ALWAYS = hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_ALLOWEMPTY
_ONCE = hyperscan.HS_FLAG_SINGLEMATCH
_ENDS = re.compile(rb"(?<!\\)((?:\\\\)*)\\[AzZ]")


class Form(NamedTuple):
    """What stands for a pattern in a database."""

    expression: bytes
    flags: int


def version() -> str:
    """What databases and choices depend on besides the patterns."""
    return f"hyperscan {metadata.version('hyperscan')}"


def compiles(form: Form) -> bool:
    """Whether hyperscan takes a form."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(expressions=[form.expression], ids=[0], elements=1, flags=[form.flags])
    except hyperscan.error:
        return False
    return True


def forms(pattern: Pattern) -> Iterable[Form]:
    """Forms to try, the most telling first."""
    expression = _ENDS.sub(rb"\1", pattern.fast)
    length = len(expression)
    prefilter = _form(expression, pattern.flags, _ONCE | hyperscan.HS_FLAG_PREFILTER)
    if length <= LONG:
        yield _form(expression, pattern.flags, _ONCE)
    if length <= SHORT:
        yield prefilter
    simple = relaxed(pattern.exact, pattern.flags)
    if simple:
        yield _form(*simple)
    if SHORT < length <= LONG:
        yield prefilter
    words = required(pattern.exact, pattern.flags)
    if words:
        yield _form(b"|".join(b"".join(b"\\x%02x" % code for code in word) for word in sorted(words)), "i")


def _form(expression: bytes, flags: str, more: int = 0) -> Form:
    return Form(expression, _ALWAYS | more | sum(_FLAGS.get(flag, 0) for flag in flags))


class Look:
    """The databases of one group, for ASCII text and for what comes on top with any other.

    ``always`` and ``always_wide``  numbers of patterns that no database holds.
    """

    def __init__(
        self,
        plain: Sequence[_Database],
        wide: Sequence[_Database],
        always: Sequence[int],
        always_wide: Sequence[int],
    ) -> None:
        self.plain, self.wide = tuple(plain), tuple(wide)
        self.always, self.always_wide = tuple(always), tuple(always_wide)

    def __call__(self, text: bytes, ascii_only: bool) -> list[tuple[int, int]]:
        found = [(number, 0) for number in self.always]
        for database in self.plain:
            database.scan(text, found)
        if not ascii_only:
            found += [(number, 0) for number in self.always_wide]
            for database in self.wide:
                database.scan(text, found)
        return found


class _Database:
    """A database with the numbers of its patterns; every thread has its own scratch."""

    def __init__(self, database: Any, entries: Sequence[tuple[int, Form]]) -> None:
        self.database = database
        self.numbers = tuple(number for number, _ in entries)
        self.once = tuple(bool(form.flags & _ONCE) for _, form in entries)
        self.first = hyperscan.Scratch(database)
        self.scratches = threading.local()

    def scan(self, text: bytes, found: list[tuple[int, int]]) -> None:
        scratch = getattr(self.scratches, "scratch", None)
        if scratch is None:
            scratch = self.scratches.scratch = self.first.clone()
        seen: list[tuple[int, int]] = []
        self.database.scan(text, match_event_handler=_note, context=seen, scratch=scratch)
        if seen:
            numbers, once = self.numbers, self.once
            found += [(numbers[number], end if once[number] else -end) for number, end in seen]


def _note(number: int, start: int, end: int, flags: int, seen: list[tuple[int, int]]) -> None:
    seen.append((number, end))


class Compiler:
    """Makes looks; what was compiled before comes from the cache."""

    def __init__(self, cache: Cache, progress: Callable[[int], None] | None = None) -> None:
        self.cache = cache
        self.progress = progress or (lambda count: None)
        self.choices: dict[str, int] = cache.read_choices(version())
        self.compiled = 0

    def look(self, targets: Sequence[Target]) -> FirstLook:
        """The first look of a group."""
        kinds = [
            [(number, target.lean.pattern) for number, target in enumerate(targets) if target.lean],
            [(number, target.pattern) for number, target in enumerate(targets) if target.lean is not target.exact],
        ]
        databases, always = [], []
        for patterns in kinds:
            formed = [(number, self.choose(pattern)) for number, pattern in patterns]
            left_out = [number for number, form in formed if form is None]
            databases.append(self._databases([(number, form) for number, form in formed if form], left_out))
            always.append(sorted(left_out))
        self.progress(len(targets))
        return Look(databases[0], databases[1], always[0], always[1])

    def choose(self, pattern: Pattern) -> Form | None:
        """The first form that hyperscan takes; what it took and what not is kept in the cache."""
        for form in forms(pattern):
            key = self.cache.key([b"%d %s" % (form.flags, form.expression)])
            taken = self.choices.get(key)
            if taken is None:
                taken = self.choices[key] = int(compiles(form))
            if taken:
                return form
        return None

    def _databases(self, entries: Sequence[tuple[int, Form]], always: list[int]) -> list[_Database]:
        """Databases of `CHUNK` patterns; one that cannot be made is made of its patterns one by one."""
        found = []
        for start in range(0, len(entries), CHUNK):
            part = entries[start : start + CHUNK]
            database = self._database([form for _, form in part])
            if database is not None:
                found.append(_Database(database, part))
            elif len(part) == 1:
                always.append(part[0][0])
            else:
                for one in part:
                    found += self._databases([one], always)
        return found

    def _database(self, part: Sequence[Form]) -> Any:
        key = self.cache.key([version().encode(), *(b"%d %s" % (form.flags, form.expression) for form in part)])
        data = self.cache.read(key)
        if data is not None:
            try:
                return hyperscan.loadb(data, hyperscan.HS_MODE_BLOCK)
            except hyperscan.error as error:
                self.cache.drop(key, f"hyperscan does not take it: {error}")
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        try:
            database.compile(
                expressions=[form.expression for form in part], ids=list(range(len(part))), elements=len(part),
                flags=[form.flags for form in part],
            )  # fmt: skip
        except hyperscan.error as error:
            _log.warning("hyperscan does not take %d patterns together: %s", len(part), error)
            return None
        self.compiled += len(part)
        self.cache.write(key, hyperscan.dumpb(database))
        return database

    def finish(self) -> None:
        """Keep the choices."""
        self.cache.write_choices(version(), self.choices)

"""The first look through hyperscan: databases of patterns, compiled once and kept on disk.

A pattern goes in as `spelling` writes it, exactly or wider; or as `relax` does; or as the texts that it demands
(`literals`); one for which none of that works is always looked at.  Every form says yes wherever the pattern would.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Any, NamedTuple

import hyperscan

from .cache import Cache
from .groups import FirstLook, Seen, Target
from .lean import WORTH, shortened
from .literals import required
from .patterns import Pattern
from .pieces import halves
from .progress import Progress
from .relax import COSTLY, is_costly, relaxed
from .spelling import Text, spelled

Choice = list[Any]
_log = logging.getLogger("mailfilter")
CHUNK = 600
"""Patterns in one database: more take long to compile together, fewer make more scans."""
FEW = 150
"""Patterns up to which those for any text are put into the databases for ASCII and for other text, to save a scan."""
HEAVY = 400
"""Characters of a form from which on it goes into a database of `HEAVY_CHUNK` patterns."""
HEAVY_CHUNK = 40
FORMS = 6
"""Counts changes of how forms are written: what was chosen before such a change is not used."""
LARGE = 800
"""Characters of a pattern from which on hyperscan may not take it."""
MAX_PIECES = 8
"""Patterns that one is cut into at most."""
MAX_FORM = 15_000
"""Characters of a form; hyperscan takes no more."""

_FLAGS = {"i": hyperscan.HS_FLAG_CASELESS, "s": hyperscan.HS_FLAG_DOTALL, "m": hyperscan.HS_FLAG_MULTILINE}
_SURE = hyperscan.HS_FLAG_ALLOWEMPTY
_ONCE = hyperscan.HS_FLAG_SINGLEMATCH


class Form(NamedTuple):
    """What stands for a pattern in a database; ``sure``: it matches nothing else."""

    expression: bytes
    flags: int
    sure: bool


def version() -> str:
    """What databases depend on besides the patterns."""
    return f"hyperscan {metadata.version('hyperscan')}"


def forms(pattern: Pattern, text: Text) -> Iterator[Form]:
    """Forms to try, the most telling first."""
    for loose in (False, True):
        found = spelled(pattern.exact, pattern.flags, text, loose)
        if found and len(found.expression) <= MAX_FORM:
            once = _ONCE if found.exact or text is Text.WHOLE else 0
            yield _form(found.expression, found.flags, found.exact, (_SURE if found.exact else 0) | once)
    once = (_ONCE if text is Text.WHOLE else 0) | hyperscan.HS_FLAG_MULTILINE
    simple = relaxed(pattern.exact, pattern.flags)
    if simple:
        yield _form(*simple, False, once)
    words = required(pattern.exact, pattern.flags)
    if words:
        yield _form(b"|".join(b"".join(b"\\x%02x" % code for code in word) for word in sorted(words)), "i", False, once)


def _form(expression: bytes, flags: str, sure: bool, more: int) -> Form:
    return Form(expression, more | sum(_FLAGS.get(flag, 0) for flag in flags), sure)


def compiled(part: Sequence[Form]) -> Any:
    """A database.  Raises `hyperscan.error`."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[form.expression for form in part], ids=list(range(len(part))), elements=len(part),
        flags=[form.flags for form in part],
    )  # fmt: skip
    return database


def fits(form: Form) -> bool:
    """Whether hyperscan takes a form."""
    try:
        compiled([form])
    except hyperscan.error:
        return False
    return True


class Look:
    """The databases of one group: for any text, for ASCII text alone, for all other text alone.

    ``always``  numbers of patterns that no database holds, in the same order.
    """

    def __init__(self, databases: Sequence[Sequence[_Database]], always: Sequence[Sequence[int]]) -> None:
        shared, plain, wide = databases
        self.plain, self.wide = (*shared, *plain), (*shared, *wide)
        self.always_plain, self.always_wide = (*always[0], *always[1]), (*always[0], *always[2])
        entries = [entry for database in (*shared, *plain, *wide) for entry in database.entries]
        doubtful = {number for number, is_sure in entries if not is_sure}.union(*always)
        self.sure = frozenset(number for number, _ in entries) - doubtful
        """Patterns about which its word is final, whatever the text."""

    def __call__(self, text: bytes, ascii_only: bool) -> Seen:
        seen = Seen()
        for number in self.always_plain if ascii_only else self.always_wide:
            seen.likely[number] = None
        for database in self.plain if ascii_only else self.wide:
            database.scan(text, seen)
        return seen


class _Database:
    """A database with the numbers of its patterns; every thread has its own scratch."""

    def __init__(self, database: Any, entries: Sequence[tuple[int, Form]]) -> None:
        self.database = database
        self.entries = tuple((number, form.sure) for number, form in entries)
        self.first = hyperscan.Scratch(database)
        self.scratches = threading.local()

    def scan(self, text: bytes, seen: Seen) -> None:
        """Add to ``seen`` what matches in ``text``; each thread has a scratch space of its own."""
        try:
            scratch = self.scratches.scratch
        except AttributeError:
            scratch = self.scratches.scratch = self.first.clone()
        ends: list[tuple[int, int]] = []
        self.database.scan(text, match_event_handler=_note, context=ends, scratch=scratch)
        if ends:
            entries, sure, likely = self.entries, seen.sure, seen.likely
            for at, end in ends:
                number, is_sure = entries[at]
                if is_sure:
                    sure[number] = end
                elif (places := likely.setdefault(number, [])) is not None:
                    places.append(end)


def _note(number: int, start: int, end: int, flags: int, ends: list[tuple[int, int]]) -> None:
    ends.append((number, end))


class Compiler:
    """Makes looks; what was compiled or chosen before comes from the cache."""

    def __init__(self, cache: Cache, progress: Callable[[int], None] | None = None) -> None:
        self.cache = cache
        self.progress = progress or (lambda count: None)
        self.choices = Choices(cache, f"{version()}, forms {FORMS}")
        self.compiled = 0
        self._said = Progress("compiling rules")

    def look(self, targets: Sequence[Target]) -> FirstLook:
        """The first look of a group."""
        numbered = list(enumerate(targets))
        shared = [(number, target.pattern) for number, target in numbered if target.lean is target.exact]
        plain = [(number, one.lean.pattern) for number, one in numbered if one.lean and one.lean is not one.exact]
        wide = [(number, target.pattern) for number, target in numbered if target.lean is not target.exact]
        if len(shared) < FEW:
            kinds = [[], shared + plain, shared + wide] if plain or wide else [shared, [], []]
        else:
            kinds = [shared, plain, wide]
        databases, always = [], []
        for patterns in kinds:
            left_out: list[int] = []
            entries = []
            for number, pattern in patterns:
                for piece in self.pieces(pattern, targets[number].text):
                    candidate = Candidate(number, self.choices, piece, targets[number].text)
                    if candidate.form:
                        entries.append(candidate)
                    else:
                        left_out.append(number)
            light = [one for one in entries if one.length < HEAVY]
            heavy = [one for one in entries if one.length >= HEAVY]
            databases.append(self._databases(light, CHUNK, left_out) + self._databases(heavy, HEAVY_CHUNK, left_out))
            always.append(sorted(left_out))
        return Look(databases, always)

    def pieces(self, pattern: Pattern, text: Text, most: int = MAX_PIECES) -> list[Pattern]:
        """The pattern, or if it could be said exactly but hyperscan does not take it, up to ``most`` that it does."""
        if len(pattern.exact) < LARGE:
            return [pattern]
        key = self.choices.key("fits", pattern, text.value)
        known = self.choices.get(key)
        if known is None:
            form = next(forms(pattern, text), None)
            known = [0] if form is None or not form.sure or fits(form) else []
            self.choices.put(key, known)
        pair = None if known or most < 2 else halves(pattern)
        if pair is None:
            return [pattern]
        return [piece for half in pair for piece in self.pieces(half, text, most // 2)]

    def _databases(self, entries: Sequence[Candidate], size: int, left_out: list[int]) -> list[_Database]:
        """Databases of ``size`` patterns; what hyperscan does not take as it is is tried in its next form."""
        found = []
        for start in range(0, len(entries), size):
            part = list(entries[start : start + size])
            while part:
                database = self._database([one.form for one in part if one.form])
                if database is not None:
                    found.append(_Database(database, [(one.number, one.form) for one in part if one.form]))
                    break
                changed = [one for one in part if not one.settle()]
                left_out += [one.number for one in changed if not one.form]
                part = [one for one in part if one.form]
                if not changed and len(part) > 1:
                    half = len(part) // 2
                    found += self._databases(part[:half], half, left_out)
                    part = part[half:]
            self.progress(len(part))
        return found

    def _database(self, part: Sequence[Form]) -> Any:
        key = self.cache.key([version().encode(), *(b"%d %s" % (form.flags, form.expression) for form in part)])
        data = self.cache.read(key)
        if data is not None:
            try:
                return hyperscan.loadb(data, hyperscan.HS_MODE_BLOCK)
            except hyperscan.error as error:
                self.cache.drop(key, f"hyperscan does not take it: {error}")
        kept = f"; they are kept in {self.cache.folder}" if self.cache.usable else ""
        _log.info("compiling %d patterns%s", len(part), kept)
        self._said.before(len(part), kept)
        try:
            database = compiled(part)
        except hyperscan.error as error:
            _log.debug("hyperscan does not take %d patterns together: %s", len(part), error)
            return None
        self.compiled += len(part)
        self._said.after(len(part))
        self.cache.write(key, hyperscan.dumpb(database))
        return database

    def finish(self) -> None:
        """Keep the choices."""
        self.choices.write()


class Candidate:
    """A pattern of a database, in the form that is next to be tried."""

    def __init__(self, number: int, choices: Choices, pattern: Pattern, text: Text) -> None:
        self.number = number
        self._choices = choices
        self._key = choices.key("form", pattern, text.value)
        self._rest = forms(pattern, text)
        self._settled = False
        self.form: Form | None = None
        known = choices.get(self._key)
        if known is None:
            self._next()
        else:
            self.form = Form(known[0].encode("latin-1"), known[1], bool(known[2])) if known else None
            self._settled = True

    @property
    def length(self) -> int:
        """Characters of the form."""
        return len(self.form.expression) if self.form else 0

    def _next(self) -> None:
        self.form = next(self._rest, None)
        form = self.form
        self._choices.put(self._key, [form.expression.decode("latin-1"), form.flags, form.sure] if form else [])

    def settle(self) -> bool:
        """Go on to a form that hyperscan takes, alone at least; false if that is another one than before."""
        if self._settled:
            return True
        self._settled = True
        first = self.form
        while self.form is not None:
            try:
                compiled([self.form])
                break
            except hyperscan.error:
                self._next()
        return self.form is first


class Choices:
    """What was found out about patterns: their form, what is left of them in ASCII text.  Kept as JSON."""

    def __init__(self, cache: Cache, of: str) -> None:
        self._cache, self._of = cache, of
        self._known = cache.read_choices(of)
        self._used: dict[str, Choice] = {}

    def key(self, use: str, pattern: Pattern, *more: str) -> str:
        """The name of a question about a pattern."""
        words = (use, pattern.flags, *more)
        return hashlib.sha256(" ".join(words).encode() + b"\0" + pattern.exact).hexdigest()[:32]

    def get(self, key: str) -> Choice | None:
        """The answer, `None` if it is not known."""
        found = self._known.get(key)
        if found is not None:
            self._used[key] = found
        return found

    def put(self, key: str, choice: Choice) -> None:
        """Keep an answer."""
        self._known[key] = self._used[key] = choice

    def shorter(self, pattern: Pattern) -> Pattern | None:
        """`lean.shortened`, remembered."""
        if len(pattern.exact) < WORTH:
            return pattern
        key = self.key("lean", pattern)
        known = self.get(key)
        if known is None:
            short = shortened(pattern)
            known = [] if short is None else [0] if short is pattern else [short.exact.decode("latin-1"), short.flags]
            self.put(key, known)
        if len(known) < 2:
            return pattern if known else None
        text = known[0].encode("latin-1")
        return Pattern(pattern.source, text, text, known[1])

    def costly(self, pattern: Pattern) -> bool:
        """`relax.is_costly`, remembered."""
        if len(pattern.exact) < 2 * COSTLY:
            return False
        key = self.key("costly", pattern)
        known = self.get(key)
        if known is None:
            known = [0] if is_costly(pattern) else []
            self.put(key, known)
        return bool(known)

    def write(self) -> None:
        """Keep everything that was used, and what others kept meanwhile."""
        self._cache.write_choices(self._of, self._used)

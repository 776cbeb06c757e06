"""The first look through hyperscan: databases of patterns, compiled once and kept on disk.

A pattern goes in as `spelling` writes it, exactly or wider; or as `relax` does; or as the texts that it demands
(`literals`); one for which none of that works is always looked at.  Every form says yes wherever the pattern would.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib import metadata
from typing import Any

import hyperscan

from ..kernel import native
from .automaton import FITS, is_fit, repeats_words
from .cache import Cache
from .choices import Choices
from .databases import FLAGS, Database, Form, Look, Screen, compiled, letters
from .groups import FirstLook, Target
from .literals import required
from .patterns import Pattern
from .pieces import halves
from .program import run_ahead
from .progress import Progress
from .relax import relaxed
from .spelling import Text, spelled

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
LONG_RUN = 200
"""Octets of one class at the start of a pattern from which on the kernel's matcher is quicker."""
MAX_TABLE = 2_500
"""Characters of a form that goes into a table of states."""
MIN_SCREEN = 8
"""Patterns from which on a table is worth it."""
MAX_PIECES = 8
"""Patterns that one is cut into at most."""
MAX_FORM = 15_000
"""Characters of a form; hyperscan takes no more."""

_SURE = hyperscan.HS_FLAG_ALLOWEMPTY
_ONCE = hyperscan.HS_FLAG_SINGLEMATCH


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
    return Form(expression, more | sum(FLAGS.get(flag, 0) for flag in flags), sure)


def fits(form: Form) -> bool:
    """Whether hyperscan takes a form."""
    try:
        compiled([form])
    except hyperscan.error:
        return False
    return True


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
        left_out: list[list[int]] = [[], [], []]
        entries = [self._candidates(some, targets, out) for some, out in zip(kinds, left_out, strict=True)]
        screen = None
        if native is not None and not any(target.text is Text.WHOLE for target in targets):
            fit = [[one for one in some if one.is_fit] for some in entries[:2]]
            if sum(map(len, fit)) >= MIN_SCREEN:
                entries[:2] = [[one for one in some if not one.is_fit] for some in entries[:2]]
                screen = Screen(*(self._divided(*pair) for pair in zip(fit, left_out, strict=False)))
        databases = [self._divided(some, out) for some, out in zip(entries, left_out, strict=True)]
        return Look(databases, [sorted(out) for out in left_out], screen)

    def _candidates(
        self, patterns: Sequence[tuple[int, Pattern]], targets: Sequence[Target], left_out: list[int]
    ) -> list[Candidate]:
        """Patterns in the form that is to be tried, those without one left out."""
        found = []
        for number, pattern in patterns:
            if native is not None and run_ahead(pattern.exact, pattern.flags) >= LONG_RUN:
                left_out.append(number)
                continue
            pieces = self.pieces(pattern, targets[number].text)
            for piece in pieces:
                candidate = Candidate(number, self.choices, piece, targets[number].text, len(pieces) == 1)
                if candidate.form:
                    found.append(candidate)
                else:
                    left_out.append(number)
        return found

    def _divided(self, entries: Sequence[Candidate], left_out: list[int]) -> list[Database]:
        """Databases of patterns, large ones apart, and where there are many, those that slow down all others."""
        light = [one for one in entries if one.length < HEAVY]
        heavy = [one for one in entries if one.length >= HEAVY]
        slow = [one for one in light if one.repeats_words] if len(light) >= FEW else []
        if slow:
            light = [one for one in light if not one.repeats_words]
        return [
            *self._databases(light, CHUNK, left_out),
            *self._databases(slow, CHUNK, left_out),
            *self._databases(heavy, HEAVY_CHUNK, left_out),
        ]

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

    def _databases(self, entries: Sequence[Candidate], size: int, left_out: list[int]) -> list[Database]:
        """Databases of ``size`` patterns; what hyperscan does not take as it is is tried in its next form."""
        found = []
        for start in range(0, len(entries), size):
            part = list(entries[start : start + size])
            while part:
                database = self._database([one.form for one in part if one.form])
                if database is not None:
                    found.append(Database(database, [(one.number, one.form) for one in part if one.form]))
                    break
                changed = [one for one in part if not one.settle()]
                left_out += [one.number for one in changed if not one.form]
                part = [one for one in part if one.form]
                if not changed and len(part) == 1:
                    left_out.append(part[0].number)
                    break
                if not changed:
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


def _after(known: Form | None, forms: Iterator[Form]) -> Iterator[Form]:
    """The forms that come after the known one."""
    for form in forms:
        if form == known:
            break
    yield from forms


class Candidate:
    """A pattern of a database, in the form that is next to be tried."""

    def __init__(self, number: int, choices: Choices, pattern: Pattern, text: Text, whole: bool = True) -> None:
        self.number = number
        self._whole = whole
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
            self._rest = _after(self.form, self._rest)

    @cached_property
    def is_fit(self) -> bool:
        """Whether the form goes into a table of states."""
        if self.form is None or self.length > MAX_TABLE or not self._whole:
            return False
        key = f"fit {FITS} {self._key}"
        known = self._choices.get(key)
        if known is None:
            known = [0] if is_fit(self.form.expression, letters(self.form)) else []
            self._choices.put(key, known)
        return bool(known)

    @cached_property
    def repeats_words(self) -> bool:
        """Whether hyperscan is in the middle of the form in every word."""
        if self.form is None:
            return False
        key = f"words {self._key}"
        known = self._choices.get(key)
        if known is None:
            known = [0] if repeats_words(self.form.expression, letters(self.form)) else []
            self._choices.put(key, known)
        return bool(known)

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

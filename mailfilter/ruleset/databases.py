"""Compiled databases of patterns, and the table of states beside them: what the first look at a text runs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import hyperscan

from .automaton import Automaton, Places
from .groups import Seen

FLAGS = {"i": hyperscan.HS_FLAG_CASELESS, "s": hyperscan.HS_FLAG_DOTALL, "m": hyperscan.HS_FLAG_MULTILINE}
"""hyperscan's flags by the letters of a pattern's."""
TABLE_AFTER = 300
"""Texts that a group has seen before it makes a table of states, which takes half a second."""


class Form(NamedTuple):
    """What stands for a pattern in a database; ``sure``: it matches nothing else."""

    expression: bytes
    flags: int
    sure: bool


def letters(form: Form) -> str:
    """The flags of a form as letters."""
    return "".join(letter for letter, flag in FLAGS.items() if form.flags & flag)


def compiled(part: Sequence[Form]) -> Any:
    """A database.  Raises `hyperscan.error`."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[form.expression for form in part], ids=list(range(len(part))), elements=len(part),
        flags=[form.flags for form in part],
    )  # fmt: skip
    return database


class Look:
    """The databases of one group: for any text, for ASCII text alone, for all other text alone.

    ``always``  numbers of patterns that no database holds, in the same order; ``screen``  more for any text and for
    ASCII text.
    """

    def __init__(
        self, databases: Sequence[Sequence[Database]], always: Sequence[Sequence[int]], screen: Screen | None = None
    ) -> None:
        shared, plain, wide = databases
        self.plain: tuple[Database | Screen, ...] = (*shared, *plain)
        self.wide = (*shared, *wide)
        every = {*shared, *plain, *wide}
        if screen is not None:
            self.plain, self.wide = (*self.plain, screen), (*self.wide, *screen.shared)
            every.update(screen.databases)
        self.screen = screen
        self.always_plain, self.always_wide = (*always[0], *always[1]), (*always[0], *always[2])
        entries = [entry for database in every for entry in database.entries]
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


class Database:
    """A database with the numbers of its patterns; every thread has its own scratch."""

    def __init__(self, database: Any, entries: Sequence[tuple[int, Form]]) -> None:
        self.database = database
        self.forms = tuple(entries)
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


class Screen:
    """Patterns that a table of states finds in ASCII lines quicker than hyperscan does, and databases of the same.

    ``shared``  those for any text; ``plain``  those for ASCII.
    """

    def __init__(self, shared: Sequence[Database], plain: Sequence[Database]) -> None:
        self.shared = tuple(shared)
        self.databases = (*shared, *plain)
        self._entries = [(number, form) for database in self.databases for number, form in database.forms]
        self._texts = 0

    @cached_property
    def table(self) -> Automaton | None:
        """The table, made once it is worth it; `None` if some pattern does not go in."""
        places = Places()
        fit = [places.add(form.expression, letters(form), at) for at, (_, form) in enumerate(self._entries)]
        return Automaton(places) if all(fit) else None

    def scan(self, text: bytes, seen: Seen) -> None:
        """As `Database.scan`."""
        self._texts += 1
        table = self.table if self._texts > TABLE_AFTER else None
        found = table.scan(text) if table is not None else None
        if found is None:
            for database in self.databases:
                database.scan(text, seen)
            return
        for at, end in found:
            number, form = self._entries[at]
            if form.sure:
                seen.sure.setdefault(number, end)
            elif (places := seen.likely.setdefault(number, [])) is not None:
                places.append(end)


def _note(number: int, start: int, end: int, flags: int, ends: list[tuple[int, int]]) -> None:
    ends.append((number, end))

"""Lines of rule files: comments, ``include``, conditions, languages; what is left is directives with their places.

A file that is not there, a condition that cannot be read, an ``if`` without end: each is a fault with its place.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from .expressions import ExpressionError, evaluate, parse
from .rules import Fault, Place, Severity

MAX_FILE = 16 * 2**20
"""Bytes of one file."""
MAX_INCLUDES = 200
MAX_DEPTH = 10
MAX_LINE = 100_000

_COMMENT = re.compile(r"(?<!\\)#.*")
_PLUGIN = "Mail::SpamAssassin::Plugin::"
_CONF = "Mail::SpamAssassin::Conf"
_FEATURES = ("feature_", "has_", "perl_min_version_")
_RENAMED = {"Dmarc": "DMARC", "WhiteListSubject": "WelcomeListSubject"}


class Line(NamedTuple):
    """One directive: its word in lower case, the rest of the line, where it stands."""

    word: str
    rest: str
    place: Place


@cache
def language() -> dict[str, Any]:
    """What stands in ``rules/spamassassin.toml``: version, plugins, settings."""
    text = resources.files("mailfilter.rules").joinpath("spamassassin.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def find_files(paths: Sequence[str | Path], report: Callable[[Fault], None]) -> list[Path]:
    """The files to read: of a folder its ``*.pre``, then its ``*.cf``, each in the order of their names."""
    found: list[Path] = []
    for path in map(Path, paths):
        try:
            if path.is_dir():
                names = sorted(entry for entry in path.iterdir() if entry.suffix in (".pre", ".cf"))
                inside = [entry for entry in names if entry.is_file()]
                found += sorted(inside, key=lambda entry: (entry.suffix != ".pre", entry.name))
                if not inside:
                    report(Fault(Place(str(path), 0), "", Severity.ERROR, "no rule files", "no *.cf in this folder"))
            else:
                found.append(path)
        except OSError as error:
            report(Fault(Place(str(path), 0), "", Severity.ERROR, "cannot be read", str(error.strerror)))
    return found


class Reader:
    """Turns files into directives; conditions are decided on the way."""

    def __init__(self, report: Callable[[Fault], None], lang: str = "en_US") -> None:
        self.report = report
        self.lang = lang.lower()
        self.plugins = set(language()["plugins"])
        self.lacks = set(language()["lacks"])
        self.files: list[str] = []
        self.includes = 0

    def read(self, path: Path) -> Iterator[Line]:
        """Directives of a file and of those that it includes."""
        text = self._text(path, Place(str(path), 0))
        if text is not None:
            yield from self.read_text(text, path)

    def read_text(self, text: str, path: Path, above: tuple[Path, ...] = ()) -> Iterator[Line]:  # noqa: PLR0912
        """Directives of ``text``, which stands in ``path``; ``above``  the files that include it."""
        name = str(path)
        self.files.append(name)
        stack: list[tuple[bool, Place]] = []
        live = True
        for number, raw in enumerate(text.split("\n"), 1):
            line = raw
            if "#" in line:
                line = _COMMENT.sub("", line).replace("\\#", "#")
            line = line.strip(" \t\r\f\v")
            if not line:
                continue
            place = Place(name, number)
            if len(line) > MAX_LINE:
                self.fault(place, "line too long", f"{len(line)} characters; {MAX_LINE} are read")
                continue
            word, _, rest = line.partition(" ") if "\t" not in line else _partition(line)
            word, rest = word.lower().replace("-", "_"), rest.strip()
            if word in ("if", "ifplugin", "else", "endif"):
                live = self._branch(word, rest, place, stack, live)
            elif live and word == "lang":
                code, _, rest = _partition(rest)
                word, _, rest = _partition(rest.strip())
                if self.lang.startswith(code.lower()) and code and word:
                    yield Line(word.lower(), rest.strip(), place)
            elif live and word == "include":
                yield from self._include(rest, (*above, path), place)
            elif live and word == "require_version":
                if rest and rest != "@@VERSION@@" and _number(rest) != language()["version"]:
                    self.fault(place, "file for another version", f"wants SpamAssassin {rest}; the rest is not read")
                    return
            elif live and word in ("loadplugin", "tryplugin"):
                self.plugins.add(_plugin(rest.split()[0]) if rest else "")
            elif live and word == "enable_compat":
                self.lacks.discard(f"compat_{rest}")
            elif live:
                yield Line(word, rest, place)
        for _, place in stack:
            self.fault(place, "condition without endif")

    def _branch(self, word: str, rest: str, place: Place, stack: list[tuple[bool, Place]], live: bool) -> bool:
        """Keep count of conditions; returns whether the lines that follow are read."""
        if word in ("if", "ifplugin"):
            stack.append((live, place))
            if not rest:
                self.fault(place, "syntax", f"{word} without a condition")
                return False
            return live and self._holds(f"plugin({rest})" if word == "ifplugin" else rest, place)
        if not stack:
            self.fault(place, "syntax", f"{word} without if")
            return live
        if word == "endif":
            return stack.pop()[0]
        return stack[-1][0] and not live

    def _holds(self, condition: str, place: Place) -> bool:
        try:
            return bool(evaluate(parse(condition), self._value, self._call))
        except (ExpressionError, KeyError, OverflowError) as error:
            self.fault(place, "condition cannot be read", str(error).strip("'"))
            return False

    @staticmethod
    def _value(name: str) -> float:
        values = {"version": float(language()["version"]), "perl_version": 5.036, "local_tests_only": 1.0}
        if name not in values:
            raise KeyError(f"unknown name {name!r}")
        return values[name]

    def _call(self, function: str, argument: str) -> bool:
        if function == "plugin":
            return _plugin(argument) in self.plugins
        if function not in ("can", "has"):
            raise KeyError(f"unknown function {function}()")
        module, dots, name = argument.rpartition("::")
        if not dots:
            raise KeyError(f"{function}() needs a module's function, A::b, not {argument!r}")
        module = "Conf" if module == _CONF else _plugin(module)
        if name in self.lacks or not (module == "Conf" or module in self.plugins):
            return False
        return not name.startswith(_FEATURES) or name in language()["features"].get(module, ())

    def _include(self, rest: str, above: tuple[Path, ...], place: Place) -> Iterator[Line]:
        self.includes += 1
        other = Path(os.path.normpath(above[-1].parent / rest))
        if not rest:
            self.fault(place, "syntax", "include without a file")
        elif str(other) in map(os.path.normpath, above):
            self.fault(place, "includes in a ring", rest)
        elif len(above) > MAX_DEPTH or self.includes > MAX_INCLUDES:
            self.fault(place, "includes too deep", rest)
        else:
            text = self._text(other, place)
            if text is not None:
                yield from self.read_text(text, other, above)

    def _text(self, path: Path, place: Place) -> str | None:
        try:
            if path.stat().st_size > MAX_FILE:
                self.fault(place, "cannot be read", f"{path} is larger than {MAX_FILE >> 20} MiB")
                return None
            return path.read_bytes().decode("latin-1")
        except (OSError, ValueError) as error:
            cause = error.strerror if isinstance(error, OSError) else str(error)
            self.fault(place, "cannot be read", f"{path}: {cause}")
            return None

    def fault(self, place: Place, reason: str, detail: str = "") -> None:
        """Report an error."""
        self.report(Fault(place, "", Severity.ERROR, reason, detail))


def _partition(line: str) -> tuple[str, str, str]:
    """The first word, and the rest."""
    words = line.split(None, 1)
    return (words[0] if words else ""), " ", (words[1] if len(words) > 1 else "")


def _plugin(name: str) -> str:
    short = name.removeprefix(_PLUGIN)
    return _RENAMED.get(short, short)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0

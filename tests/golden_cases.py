"""Reads golden cases: text files that say what a mail must and must not give, without code.

One case::

    # text that names the case; further lines that begin with # are remarks
    set policy.quarantine 5
    client-ip 203.0.113.9
    mail-from a@example.net
    dns 9.113.0.203.zen.example A 127.0.0.2
    dns example.net MX "10 mx.example.net"
    scan infected Eicar
    expect SUBJECT_SHOUTS DATE_MISSING
    expect-not TO_MISSING
    expect-action quarantine

    From: a@example.net
    Subject: the raw mail, after the first blank line, up to the line that parts the cases

    body
    <!-- next case -->

The raw mail is taken byte for byte with LF line ends.  With the directive ``escapes on``, ``\\r``, ``\\n``, ``\\t``,
``\\0``, ``\\\\`` and ``\\xNN`` in it are replaced, so a case can hold CR LF and any byte.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mailfilter.envelope import Envelope
from mailfilter.errors import EnvelopeError
from mailfilter.lookups import Answer, DnsAnswer, DnsQuestion, DnsState, ScanAnswer, ScanQuestion, ScanState

SEPARATOR = b"<!-- next case -->"

ACTIONS = ("accept", "greylist", "quarantine", "bounce", "delete")
_DNS_STATES = {state.value.replace(" ", "-"): state for state in DnsState if state is not DnsState.FOUND}
_SCAN_STATES = {state.value.replace(" ", "-"): state for state in ScanState}
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.?))", re.DOTALL)
_SIMPLE = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}
_SYMBOL = re.compile(r"[A-Z][A-Z0-9_]*\Z")


class GoldenError(Exception):
    """A case file is wrong; the text begins with file and line."""


@dataclass
class GoldenCase:
    """One case.  ``settings`` is a nested table as a settings file gives it."""

    file: str
    line: int
    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    dns: dict[DnsQuestion, DnsAnswer] = field(default_factory=dict)
    scan: ScanAnswer | None = None
    expect: tuple[str, ...] = ()
    expect_not: tuple[str, ...] = ()
    expect_unknown: tuple[str, ...] = ()
    expect_action: str = ""
    escapes: bool = False
    raw: bytes = b""

    @property
    def id(self) -> str:
        """Test id: file and case name."""
        return f"{Path(self.file).stem}:{self.name}"

    @property
    def envelope(self) -> Envelope:
        """The SMTP facts that the case gives."""
        return Envelope(**self.facts)

    def answer(self, question: DnsQuestion | ScanQuestion) -> Answer:
        """What the case answers; a name that it does not mention does not exist."""
        if isinstance(question, ScanQuestion):
            return self.scan or ScanAnswer(ScanState.DISABLED)
        return self.dns.get(question, DnsAnswer(DnsState.NOT_FOUND))


def read_folder(folder: Path) -> list[GoldenCase]:
    """All cases of all ``*.test`` files of a folder, in the order of their names."""
    return [case for path in sorted(folder.glob("*.test")) for case in read_cases(path)]


def read_cases(path: Path) -> list[GoldenCase]:
    """The cases of one file.  Raises `GoldenError` at the first fault, with file and line."""
    return parse_cases(path.read_bytes(), str(path))


def parse_cases(text: bytes, file: str) -> list[GoldenCase]:
    """`read_cases` of a text in hand."""
    cases: list[GoldenCase] = []
    names: dict[str, int] = {}
    for line, lines in _split(text):
        case = _parse(lines, file, line)
        if case.name in names:
            raise GoldenError(f"{file}:{line}: the name {case.name!r} is taken by the case of line {names[case.name]}")
        names[case.name] = line
        cases.append(case)
    if not cases:
        raise GoldenError(f"{file}:1: no case in this file")
    return cases


def _split(text: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """First line number and lines (line ends kept) of every case; blank lines before a case are skipped."""
    lines = re.findall(rb"[^\n]*\n|[^\n]+\Z", text)
    start = 1
    case: list[bytes] = []
    for number, line in enumerate([*lines, SEPARATOR], start=1):
        if line.strip() == SEPARATOR:
            if case:
                yield start, case
            case = []
        elif case or line.strip():
            if not case:
                start = number
            case.append(line)


def _parse(lines: list[bytes], file: str, first: int) -> GoldenCase:
    case = GoldenCase(file, first)
    for number, line in enumerate(lines):
        where = f"{file}:{first + number}"
        text = line.decode("utf-8", "surrogateescape").strip()
        if not text:
            raw = b"".join(lines[number + 1 :])
            case.raw = _unescape(raw, where) if case.escapes else raw
            break
        _directive(case, text, where)
    else:
        raise GoldenError(f"{file}:{first}: no blank line between the directives and the mail")
    if not case.name:
        raise GoldenError(f"{file}:{first}: a case begins with a line '# its name'")
    if not (case.expect or case.expect_not or case.expect_unknown or case.expect_action):
        raise GoldenError(f"{file}:{first}: {case.name!r} expects nothing")
    if both := set(case.expect) & set(case.expect_not):
        raise GoldenError(f"{file}:{first}: {case.name!r} both expects and does not expect {', '.join(sorted(both))}")
    return case


def _directive(case: GoldenCase, text: str, where: str) -> None:
    if text.startswith("#"):
        case.name = case.name or text[1:].strip()
        return
    word, _, rest = text.partition(" ")
    if word not in _DIRECTIVES:
        raise GoldenError(f"{where}: unknown directive {word!r}; known: {', '.join(_DIRECTIVES)}")
    if not rest.strip():
        raise GoldenError(f"{where}: {word} needs a value")
    _DIRECTIVES[word](case, rest.strip(), where)


def _set(case: GoldenCase, text: str, where: str) -> None:
    key, _, value = text.partition(" ")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        raise GoldenError(f"{where}: set {key}: {value!r} is no TOML value (texts need quotes)") from None
    table = case.settings
    *sections, last = key.split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise GoldenError(f"{where}: set {key}: {section} is a value already")
    table[last] = parsed


def _fact(name: str) -> Callable[[GoldenCase, str, str], None]:
    def directive(case: GoldenCase, text: str, where: str) -> None:
        value = "" if text == "<>" else text
        case.facts[name] = (*case.facts.get(name, ()), value) if name == "rcpt_to" else value
        try:
            Envelope(**case.facts)
        except EnvelopeError as error:
            raise GoldenError(f"{where}: {error}") from None

    return directive


def _dns(case: GoldenCase, text: str, where: str) -> None:
    words = shlex.split(text)
    if len(words) < 3:
        states = _one_of(_DNS_STATES)
        raise GoldenError(f"{where}: dns NAME TYPE RECORD… or dns NAME TYPE STATE, with STATE one of {states}")
    question = DnsQuestion(words[0].lower(), words[1].upper())
    state = _DNS_STATES.get(words[2])
    case.dns[question] = DnsAnswer(state) if state else DnsAnswer(DnsState.FOUND, tuple(words[2:]), ttl=300)


def _scan(case: GoldenCase, text: str, where: str) -> None:
    word, *names = text.split()
    if word not in _SCAN_STATES:
        raise GoldenError(f"{where}: scan STATE NAME…, with STATE one of {_one_of(_SCAN_STATES)}, not {word!r}")
    case.scan = ScanAnswer(_SCAN_STATES[word], tuple(names), scanner="golden")


def _symbols(name: str) -> Callable[[GoldenCase, str, str], None]:
    def directive(case: GoldenCase, text: str, where: str) -> None:
        for word in text.split():
            if not _SYMBOL.match(word):
                raise GoldenError(f"{where}: {word!r} is no symbol name (UPPER_SNAKE)")
        setattr(case, name, (*getattr(case, name), *text.split()))

    return directive


def _action(case: GoldenCase, text: str, where: str) -> None:
    if text not in ACTIONS:
        raise GoldenError(f"{where}: expect-action is one of {', '.join(ACTIONS)}, not {text!r}")
    case.expect_action = text


def _escapes(case: GoldenCase, text: str, where: str) -> None:
    if text != "on":
        raise GoldenError(f"{where}: escapes on is the only form, not {text!r}")
    case.escapes = True


def _unescape(raw: bytes, where: str) -> bytes:
    def replace(match: re.Match[bytes]) -> bytes:
        if match[1]:
            return bytes.fromhex(match[1].decode())
        if match[2] not in _SIMPLE:
            raise GoldenError(f"{where}: unknown escape {match[0].decode('latin-1')!r}; a backslash itself is \\\\")
        return _SIMPLE[match[2]]

    return _ESCAPE.sub(replace, raw)


def _one_of(words: dict[str, Any]) -> str:
    return ", ".join(words)


_DIRECTIVES: dict[str, Callable[[GoldenCase, str, str], None]] = {
    "set": _set,
    "client-ip": _fact("client_ip"),
    "client-name": _fact("client_name"),
    "helo": _fact("helo"),
    "mail-from": _fact("mail_from"),
    "rcpt-to": _fact("rcpt_to"),
    "auth-user": _fact("auth_user"),
    "direction": _fact("direction"),
    "dns": _dns,
    "scan": _scan,
    "expect": _symbols("expect"),
    "expect-not": _symbols("expect_not"),
    "expect-unknown": _symbols("expect_unknown"),
    "expect-action": _action,
    "escapes": _escapes,
}

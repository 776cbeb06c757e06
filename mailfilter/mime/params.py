"""Parameters of Content-Type and Content-Disposition (RFC 2045, RFC 2183, RFC 2231), read tolerantly.

Mail programs disagree about malformed parameters, so a parameter has one value (the primary reading) and the
others that some program might see.  Values are kept as "byte strings" here (latin-1) and made text on the way out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from .charsets import decode_header_bytes, decode_text
from .words import decode_words

MAX_PARAMETERS = 1000
"""Parameters of one header that are taken apart."""

_PARAMETER = re.compile(
    r'([^\s=;,"()]++)\s*+(?:=[ \t\r\n]*+(?:"((?:[^"\\]|\\.)*+)("?))?([^;]*+))?', re.S
)  # name, quoted text, closing quote, whatever follows up to the next semicolon
_ESCAPE = re.compile(r"\\(.)", re.S)
_SECTION = re.compile(r"([^*]*)\*(\d{1,4})?(\*)?")
_NAIVE = re.compile(r'(boundary|(?:file)?name)\*?[ \t]*=[ \t]*(?:"([^"]*)"?|([^\s;]+))', re.I)


class Parameter(NamedTuple):
    """One ``name=value`` as written: lower-case name, primary value, other values it may be read as."""

    name: str
    value: str
    others: tuple[str, ...] = ()


class Label(NamedTuple):
    """A parsed header value: the token before the parameters (lower case), and these."""

    token: str
    parameters: tuple[Parameter, ...] = ()
    charset: str = ""
    """The charset, lower case."""
    named: bool = False
    """Whether there may be a file name."""
    capped: bool = False
    naive: tuple[tuple[str, str], ...] = ()
    """(name, value) pairs that a plain search for ``name=`` finds, for boundary and file names."""

    def get(self, name: str) -> str:
        """Primary value of a parameter, RFC 2231 forms decoded; ``""`` if there is none."""
        values = self.values(name)
        return values[0] if values else ""

    def values(self, name: str) -> tuple[str, ...]:
        """Every value that a program may read for a parameter, the primary one first, no duplicates."""
        plain = [p for p in self.parameters if p.name == name]
        found = [p.value for p in plain]
        extended = [p for p in self.parameters if "*" in p.name and p.name.partition("*")[0] == name]
        if extended:
            found += _extended_values(extended)
        found += [other for p in plain for other in p.others]
        found += [value for key, value in self.naive if key == name]
        return tuple(dict.fromkeys(found)) if len(found) > 1 else tuple(found)


def parse_label(value: str) -> Label:
    """Take a Content-Type, Content-Disposition or the like apart (a byte string).  Linear, never raises."""
    return _cached_label(value) if len(value) < 300 else _parse_label(value)


def _parse_label(value: str) -> Label:
    head, semicolon, rest = value.partition(";")
    words = head.split(None, 1)
    token = words[0].partition("(")[0].lower() if words else ""
    if len(words) > 1 and "=" in words[1]:
        rest = f"{words[1]};{rest}"
    elif "=" in token and not semicolon:
        token, rest = "", head
    if "=" not in rest:
        return Label(token)
    found: list[Parameter] = []
    capped = False
    for match in _PARAMETER.finditer(rest):
        if len(found) == MAX_PARAMETERS:
            capped = True
            break
        if match[4] is not None:
            found.append(_parameter(*match.groups()))
    low = rest.lower()
    naive: list[tuple[str, str]] = []
    if "boundary" in low or "name" in low:
        naive = [(m[1].lower(), m[2] if m[2] is not None else m[3]) for m in islice(_NAIVE.finditer(rest), 100)]
    label = Label(token, tuple(found), "", "name" in low, capped, tuple(naive))
    charset = label.get("charset").split(None, 1) if "charset" in low else ()
    return label._replace(charset=charset[0].strip("'\"").lower()) if charset else label


_cached_label = lru_cache(2048)(_parse_label)


def _parameter(name: str, quoted: str | None, closing: str | None, tail: str) -> Parameter:
    """A parameter from what the pattern saw, with the readings of its quoting."""
    tail = tail.rstrip()
    if quoted is None:
        others = (tail.split(None, 1)[0], tail.replace('"', "")) if " " in tail or "\t" in tail or '"' in tail else ()
        return Parameter(name.lower(), tail, tuple(o for o in others if o and o != tail))
    value = _ESCAPE.sub(r"\1", quoted) if "\\" in quoted else quoted
    if "\n" in value:
        value = re.sub(r"\r*\n[ \t]*", "", value)
    more = []
    if value != quoted:
        more.append(quoted)
    if not closing:
        more.append(quoted.partition(";")[0].rstrip())
    if tail:
        more += [value + tail, f'"{quoted}"{tail}']
    return Parameter(name.lower(), value, tuple(more))


def _extended_values(parameters: list[Parameter]) -> list[str]:
    """RFC 2231 values: continuations joined in numeric order and in the order written, percent signs decoded."""
    whole, sections = [], []
    for parameter in parameters:
        match = _SECTION.fullmatch(parameter.name)
        if not match or match[2] is None:
            whole.append(_decode_extended([(parameter.value, True)]))
        else:
            sections.append((int(match[2]), bool(match[3]), parameter.value))
    found = whole
    if sections:
        ordered = sorted(sections, key=lambda section: section[0])
        found = [_decode_extended([(value, coded) for _, coded, value in ordered]), *found]
        if ordered != sections:
            found.append(_decode_extended([(value, coded) for _, coded, value in sections]))
        found.append("".join(value for _, _, value in ordered))
    return found


def _decode_extended(sections: Iterable[tuple[str, bool]]) -> str:
    """Join ``charset'language'text`` sections; the result is a byte string unless it had to become text."""
    data, charset, first = [], "", True
    for value, coded in sections:
        raw = value.encode("latin-1", "replace")
        if coded:
            if first and value.count("'") >= 2:
                label, _, rest = value.split("'", 2)
                charset, raw = label, rest.encode("latin-1", "replace")
            raw = unquote_to_bytes(raw)
        data.append(raw)
        first = False
    joined = b"".join(data)
    return joined.decode("ascii") if joined.isascii() else decode_text(joined, charset)[0]


def as_text(value: str, charset: str = "") -> str:
    """A parameter value as text: 8-bit bytes by UTF-8 or ``charset``; what is text already stays."""
    if value.isascii():
        return value
    try:
        return decode_header_bytes(value.encode("latin-1"), charset)
    except UnicodeEncodeError:
        return value


def name_variants(values: Iterable[str], charset: str) -> list[str]:
    """Every file name that some program shows for these raw values: encoded words, percent signs, as written."""
    found: dict[str, None] = {}
    for value in values:
        text = as_text(value, charset)
        if "\n" in text:
            text = re.sub(r"\r*\n[ \t]*", " ", text)
        if "=?" in text:
            found[decode_words(text)] = None
        if "%" in text:
            raw = unquote_to_bytes(text.encode("utf-8", "replace"))
            decoded = decode_text(raw, "")[0]
            found[text] = None
            found[decoded] = None
        found[text] = None
    found.pop("", None)
    return list(found)

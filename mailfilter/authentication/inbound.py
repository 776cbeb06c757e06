"""Authentication-Results that other hosts of ours have written (RFC 8601): which of them are theirs, what they say.

A sender can write such a field as well.  One is believed only where it names a host that is configured, and stands
above the Received field with which the first host of ours took the mail in: what a sender wrote stands below that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..checks import Mail
from ..trust import Path
from .results import value

MAX_FIELD = 8_000
"""Characters of a field that are read."""
_NEEDED = {"spf", "dkim", "dmarc"}
_CUT = re.compile(r"(?:^|;)\s*l\s*=")
_PIECE = re.compile(r'[()";=\\]|[ \t\r\n]+|[^()";=\\ \t\r\n]+')


@dataclass(frozen=True, slots=True)
class Result:
    """One method's result: ``properties`` as ``smtp.mailfrom`` → value, all in lower case."""

    method: str
    result: str
    properties: dict[str, str] = field(default_factory=dict)

    def domain(self, name: str) -> str:
        """The domain of a property that is a domain or an address."""
        return self.properties.get(name, "").rpartition("@")[2].strip(".")


def believed(mail: Mail, path: Path, hosts: frozenset[str]) -> tuple[Result, ...]:
    """What hosts of ours have found out about a mail: all of SPF, DKIM and DMARC, or nothing.

    Nothing either where a signature has l=: these fields do not say what it leaves open.
    """
    if not hosts or not path.anchored or path.client is None or not path.written:
        return ()
    found: list[Result] = []
    received = 0
    for header in mail.message.headers:
        name = header[0].lower()
        if name == "received":
            received += 1
            if received == path.written:
                break
        elif name == "authentication-results":
            host, results = read_field(header.latin1)
            if host in hosts:
                found += results
    if not {result.method for result in found} >= _NEEDED:
        return ()
    if any(_CUT.search(text.lower()) for text in mail.message.header_all("dkim-signature")):
        return ()
    return tuple(found)


def read_field(text: str) -> tuple[str, tuple[Result, ...]]:
    """The host that a field names, in lower case, and its results; comments are passed over.  Linear, never raises."""
    host, *parts = _split(text[:MAX_FIELD])
    return (host[0][0].lower() if host else ""), tuple(result for part in parts if (result := _result(part)))


_Word = tuple[str, bool]
"""Text, and whether it stood in quotes."""


def _split(text: str) -> list[list[_Word]]:
    """The words of a field without comments, parted at semicolons; ``=`` is a word of its own."""
    parts: list[list[_Word]] = [[]]
    for word in _words(text):
        if word == (";", False):
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _words(text: str) -> Iterator[_Word]:
    depth, quoted, escaped = 0, False, False
    held: list[str] = []
    for piece in _PIECE.findall(text):
        if escaped:
            escaped = False
            held += [piece] if quoted else []
        elif piece == "\\":
            escaped = quoted or depth > 0
        elif quoted:
            if piece == '"':
                yield "".join(held), True
                quoted, held = False, []
            else:
                held.append(piece)
        elif piece == "(":
            depth += 1
        elif piece == ")":
            depth = max(0, depth - 1)
        elif depth == 0 and not piece.isspace():
            if piece == '"':
                quoted = True
            else:
                yield piece, False


def _result(part: list[_Word]) -> Result | None:
    pairs: dict[str, str] = {}
    for place, word in enumerate(part[1:-1], 1):
        if word == ("=", False):
            pairs.setdefault(part[place - 1][0].lower(), part[place + 1][0].lower())
    if len(part) < 3 or part[1] != ("=", False):
        return None
    method = part[0][0].lower()
    result = pairs.pop(method)
    return Result(method.partition("/")[0], result, pairs)


def told(results: tuple[Result, ...]) -> str:
    """These results as `results.results` writes its own."""
    parts = []
    for one in results:
        if one.method == "spf":
            identity = "mailfrom" if "smtp.mailfrom" in one.properties else "helo"
            parts.append(f"spf={value(one.result)} smtp.{identity}={value(one.domain(f'smtp.{identity}'))}")
        elif one.method == "dkim":
            signer = one.domain("header.d") or one.domain("header.i")
            who = f" header.d={value(signer)} header.s={value(one.properties.get('header.s', '-'))}"
            parts.append(f"dkim={value(one.result)}" + (who if signer else ""))
        elif one.method == "dmarc":
            parts.append(f"dmarc={value(one.result)} header.from={value(one.domain('header.from'))}")
        elif one.method == "arc":
            parts.append(f"arc={value(one.result)}")
    return "; ".join(parts)

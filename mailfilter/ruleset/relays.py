"""The hops of a mail out of its Received fields, written as SpamAssassin's ``X-Spam-Relays-…`` pseudo-headers.

The shapes of Received lines, their order and the form of the result are those that SpamAssassin (Apache-2.0) knows,
so that its rules mean the same here.  Counted from the top, a hop is trusted as long as it came from a host of ours or
a known forwarder (`mailfilter.trust`) or was authenticated; internal up to the first forwarder.  With nothing set only
private addresses are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ..envelope import Envelope
from ..trust import NOBODY, Trust, verified
from .received import FETCHED, IGNORED, IP, Relay, Told, clean, made
from .shapes import NAVGW, NO_HOP, SHAPES, SHOUTED
from .usual import usual

MAX_RECEIVED = 200
"""Received fields that are read."""
MAX_LINE = 4096
"""Characters of one that are."""

_DATE = re.compile(
    r"[\s;]+(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d+ (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r" \d+ \d+:\d+(?::\d+)? \S+\Z"
)
_ENVELOPE_FROM = re.compile(r"(?:return-path:? |envelope-(?:sender|from)[ =])(\S+)\b", re.I)
_BRACKETED = re.compile(rf"\[({IP})\]")
_BARE = re.compile(r"from (\S+) by [^\s;]+ ?;", re.I)
_ADDRESS = re.compile(r"\[[\d.]+\]\Z")
_FIRST_WORD = re.compile(r"(\S+)[^-A-Za-z0-9.]")
_LOCAL = re.compile(r"\S+@localhost\) by \S+ |[^\s@]+@[^)]+\) by \S+\(jqueuemail\) id [^\s;]+")


class Relays(NamedTuple):
    """The hops that are trusted and those that are not, the latest first, and how many lines made no sense."""

    trusted: tuple[Relay, ...]
    untrusted: tuple[Relay, ...]
    unparseable: int = 0
    first_untrusted: int = 0
    """Number of the Received field, from 0, below which nothing can be trusted."""
    internal: int = 0
    """How many of the trusted, from the first, are our own."""

    def trusted_text(self) -> str:
        """``X-Spam-Relays-Trusted``"""
        return " ".join([relay.shown(number < self.internal) for number, relay in enumerate(self.trusted)])

    def untrusted_text(self) -> str:
        """``X-Spam-Relays-Untrusted``"""
        return " ".join([relay.shown(False) for relay in self.untrusted])

    def internal_text(self) -> str:
        """``X-Spam-Relays-Internal``"""
        return " ".join([relay.shown(True) for relay in self.trusted[: self.internal]])

    def external_text(self) -> str:
        """``X-Spam-Relays-External``"""
        return " ".join([relay.shown(False) for relay in (*self.trusted[self.internal :], *self.untrusted)])


def relays(
    received: Iterable[str], originating: str = "", envelope: Envelope | None = None, trust: Trust = NOBODY
) -> Relays:
    """The hops of ``received`` fields (unfolded, the latest first).

    ``originating``  an address that a web mailer noted (``X-Originating-IP``): the first hop of all.  What the
    ``envelope`` says of the client comes before everything that the mail says.  ``trust``  whom we believe.
    """
    trusted: list[Relay] = []
    untrusted: list[Relay] = []
    unparseable = first = internal = 0
    handed_in = False
    for relay, line in _hops(received, originating, envelope):
        first += not untrusted and line is not None
        if relay is None:
            unparseable += 1
        elif relay is FETCHED:
            if not untrusted:
                trusted.clear()
                internal, handed_in = 0, False
        elif relay is not IGNORED:
            if trust.submission and trust.submits(relay.ip):
                relay = relay._replace(msa=True)
            if not untrusted:
                name = relay.rdns if line is None or not trust else verified(relay.rdns, line)
                ours = handed_in or bool(relay.auth) or trust.ours(relay.ip, name)
                if ours or trust.forwards(relay.ip, name):
                    internal += ours and internal == len(trusted)
                    trusted.append(relay)
                    handed_in |= relay.msa
                    continue
                first -= line is not None
            untrusted.append(relay)
    return Relays(tuple(trusted), tuple(untrusted), unparseable, first, internal)


def _hops(
    received: Iterable[str], originating: str, envelope: Envelope | None
) -> Iterator[tuple[Relay | None, str | None]]:
    """Each hop and the Received field that tells of it; `None` where the SMTP session does."""
    if envelope is not None and envelope.client_ip:
        client, name = str(envelope.client_ip), envelope.client_name or ""
        auth = "ESMTPA" if envelope.auth_user else ""
        yield Relay(client, name, clean(envelope.helo or ""), envfrom=envelope.mail_from, auth=auth), None
    for line in islice(received, MAX_RECEIVED):
        yield parse_received(line), line
    if originating:
        line = f"from X-Originating-IP: {originating}"
        yield parse_received(line), line


def parse_received(line: str) -> Relay | None:
    """The hop that a Received field tells of; `IGNORED`, `FETCHED`, or `None` if it cannot be told."""
    if line[:1] == "b":
        return IGNORED  # ``by``, which says nothing of who handed it over
    if len(line) > MAX_LINE or "  " in line:
        line = " ".join(line[:MAX_LINE].split())
    hop = usual(line)
    return hop if hop is not None else _parsed_at_length(" ".join(line.split()))


def _parsed_at_length(line: str) -> Relay | None:
    """The hop by the first shape that the line has."""
    while line.endswith(";"):
        line = line[:-1].rstrip()
    if not line[:6].lower().startswith(("from ", "(from ")):
        return IGNORED
    if " with local for " in line:
        return IGNORED
    bare = _BARE.match(line)
    if bare and not _ADDRESS.match(bare[1]):
        return IGNORED
    line = _undated(line)
    if ")by " in line:
        line = line.replace(")by ", ") by ", 1)
    lower = line.lower()
    told = Told(line, _authentication(line, lower))
    if line.startswith("from "):
        if "envelope-" in lower or "return-path" in lower:
            envelope = _ENVELOPE_FROM.search(line)
            told = Told(line, told.auth, envelope[1] if envelope else None)
        return _from(line[5:], told)
    if line.startswith("FROM "):
        match = SHOUTED.match(line, 5)
        if match:
            rdns = "" if match["rdns"] == "unverified" else match["rdns"]
            return made(told, match["ip"], rdns, match["helo"], match["by"], number=match["id"])
    elif line.startswith("(from "):
        match = NAVGW.match(line, 6)
        if match:
            return made(told, match["ip"], "", match["helo"], match["by"])
        if _LOCAL.match(line, 6):
            return IGNORED
    return _guess(line, told, told.helo)


def _undated(line: str) -> str:
    """A line without the date at its end."""
    words = line.rsplit(" ", 3)
    if len(words) < 4 or ":" not in words[2]:
        return line
    low = max(0, len(line) - 80)
    start = line.rfind(";", low)
    while start > low and line[start - 1] in " ;":
        start -= 1
    date = (_DATE.match(line, start) if start >= 0 else None) or _DATE.search(line, low)
    return line[: date.start()] if date else line


def _from(line: str, told: Told) -> Relay | None:
    """A line that starts with ``from ``, which is cut off."""
    for shapes in SHAPES:
        if shapes.trigger in line and (hop := shapes.hop(line, told)) is not None:
            return hop
    if " by " in line and any(shape.match(line) for shape in NO_HOP):
        return IGNORED
    helo = told.helo
    if not helo:
        word = _FIRST_WORD.match(line)
        helo = word[1] if word else ""
    return _guess(line, told, helo)


def _guess(line: str, told: Told, helo: str) -> Relay | None:
    """Any address in brackets, if it is known who took the mail."""
    found = _BRACKETED.search(line)
    by = told.by
    return made(told, found[1], "", helo, by) if found and by else None


_PROTOCOL = re.compile(r".* with ((?:ES|L|UTF8S|UTF8L)MTPS?A|ASMTP|HTTP[SU]?)(?: |;|\Z)", re.I)
_AUTHENTICATIONS: Sequence[tuple[str, re.Pattern[str], str]] = (
    (" (AUTH: ", re.compile(r"from .*?(?:\]\)|\)\]) \(AUTH: (LOGIN|PLAIN|DIGEST-MD5|CRAM-MD5) \S+(?:, .*?)?\) by "), r"\1"),  # noqa: E501
    ("authenticated", re.compile(r"from .*?(?:\](?: \([^)]*\))?\)|\)\]) .*?\(.*?authenticated.*?\).*? by"), "Sendmail"),
    (" (authenticated as ", re.compile(r".*\) by .+ \(\d{1,2}\.\d\.\d{3}(?:\.\d{1,3})?\) \(authenticated as .+\) id "), "CriticalPath"),  # noqa: E501
    (") (Authenticated sender: ", re.compile(r".*\) \(Authenticated sender: \S+\) by \S+ \((?:[^)]+)\) with "), "Postfix"),  # noqa: E501
    ("CommuniGate Pro ", re.compile(r".*CommuniGate Pro (?:HTTP|SMTP|XIMSS|IMAP).* \(account |.* \(account .*CommuniGate Pro (?:HTTP|SMTP|XIMSS|IMAP)"), "Communigate"),  # noqa: E501
    (" with Microsoft Exchange Server HTTP-DAV", re.compile(""), "HTTP-DAV"),
    (" (via ", re.compile(r".* by .* \(via (HTTP.?)\)(?: |;|\Z)", re.I), r"\1"),
)  # fmt: skip


def _authentication(line: str, lower: str) -> str:
    """How the client proved itself, ``""`` if it did not; ``lower`` is the line in lower case."""
    may = "mtpa" in lower or "mtpsa" in lower or "asmtp" in lower or "http" in lower or not line.isascii()
    if may and " by " in line and (match := _PROTOCOL.match(line)):
        return match[1]
    for trigger, pattern, text in _AUTHENTICATIONS:
        if trigger in line and (match := pattern.match(line)):
            return match.expand(text)
    return ""

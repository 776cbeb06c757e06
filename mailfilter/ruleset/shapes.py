"""The shapes of the Received lines that tell of a hop.

The shapes and their order are those that SpamAssassin (Apache-2.0) knows, so that its rules mean the
same here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from .received import FETCHED, IGNORED, IP, Relay, Told, clean, made

_SPACELESS = r"\S+"
_SUB_HELO, _SUB_IDENT = re.compile(r"helo=(\S+)"), re.compile(r"ident=(\S+)")

Make = Callable[[re.Match[str], Told], Relay]


class Shape:
    """One form of a Received line and how a hop is made of it; compiled when a line has it."""

    def __init__(self, source: str, make: Make) -> None:
        self.source = source
        self.make = make

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What matches the line without ``from``."""
        return re.compile(self.source)


class Shapes:
    """Shapes that are tried in order where a text is in the line; compiled when such a line comes."""

    def __init__(self, trigger: str, *shapes: Shape) -> None:
        self.trigger = trigger
        self.shapes = shapes

    @cached_property
    def _first(self) -> Callable[[str], re.Match[str] | None]:
        return re.compile("|".join(f"(?:{_bare(shape.source)})()" for shape in self.shapes)).match

    def hop(self, line: str, told: Told) -> Relay | None:
        """What the first of the shapes that a line has makes of it, `None` if it has none of them."""
        found = self._first(line)
        if found is None:
            return None
        shape = self.shapes[(found.lastindex or 1) - 1]
        match = shape.pattern.match(line)
        return shape.make(match, told) if match else None


def _bare(pattern: str) -> str:
    """A pattern without groups that hold something: which alternative matched shows in the one group that it has."""
    return re.sub(r"(?<!\\)\(\?P<\w+>", "(?:", pattern)


def _plain(match: re.Match[str], told: Told) -> Relay:
    """Named groups are the fields; of a group ``both`` host name and greeting are made, of ``sub`` what is in it."""
    fields: dict[str, Any] = match.groupdict("")
    ip = fields.get("ip", "")
    rdns, helo, ident = fields.get("rdns", ""), fields.get("helo"), fields.get("ident", "")
    if "both" in fields:
        rdns = helo = fields["both"]
    if sub := fields.get("sub"):
        greeted, asked = _SUB_HELO.search(sub), _SUB_IDENT.search(sub)
        helo = greeted[1] if greeted else helo
        ident = asked[1] if asked else ident
    by = fields.get("by")
    return made(
        told, ip, rdns, told.helo if helo is None else helo, told.by if by is None else by, ident,
        fields.get("envfrom"), fields.get("id"),
    )  # fmt: skip


def _with_ident(match: re.Match[str], told: Told) -> Relay:
    """A host name that may have the answer of an ident server before it."""
    relay = _plain(match, told)
    ident, at, host = match["rdns"].rpartition("@")
    if at:
        ident = ident.removeprefix("IDENT:")
        relay = relay._replace(ident=clean(ident), rdns="" if host.lower() == "unknown" else clean(host))
    return relay


def _ignore(match: re.Match[str], told: Told) -> Relay:
    return IGNORED


def _fetched(match: re.Match[str], told: Told) -> Relay:
    return FETCHED


def _shape(pattern: str, make: Make = _plain) -> Shape:
    def spell(match: re.Match[str]) -> str:
        name = match[1]
        return IP if name == "IP" else f"(?P<{name}>{IP if name == 'ip' else _SPACELESS})"

    return Shape(re.sub(r"(?<!\?P)<(ip|rdns|helo|both|by|IP)>", spell, pattern), make)


_QMAIL = r"(?: \(envelope-sender <\S+>\))? by (?P<by>\S+)(?: \(.+\))* with (?:.* )?(?:SMTP|QMQP)(?! id )"
_EXCHANGE = (
    r"(?=.* with WITH (?:\([^)]+\) )?\d+\.\d+\.\d+\.\d+(?: |\Z))"
    r"<helo> \(\[?<ip>(?:%[A-Z0-9._~-]*)?\]?\) by <by> (?P<id>)"
)
SHOUTED = re.compile(
    rf"(?P<helo>\S+) \((?P<rdns>\S+) \[(?P<ip>{IP})\]\) BY (?P<by>\S+) (?:\([^)]+\) WITH SMTP )?"
    r"ID <?(?P<id>\S+?)>?(?: FOR <[^>]+>)?\Z"
)
NAVGW = re.compile(rf"(?P<helo>\S*) \[(?P<ip>{IP})\]\) by (?P<by>\S+) \(NAVGW .*?\) with ")
SHAPES: Sequence[Shapes] = (
    Shapes("authenticated user ", _shape(r".*?<ip>\b(?![.-]).{10,80}by (?P<by>\S+) with HTTP")),
    Shapes("with HTTP (WebMailUI)", _shape(r".*?<ip> by <by> \(<IP>\) with HTTP \(WebMailUI\)")),
    Shapes(" SMTPSVC",
        _shape(r"(?P<helo>\S*) \(\[<ip>\][^)]{0,40}\) by <by> with Microsoft SMTPSVC"),
        _shape(r"mail pickup service by \S+ with Microsoft SMTPSVC\Z", _ignore),
    ),
    Shapes(" with M", _shape(_EXCHANGE.replace("WITH", "Microsoft SMTP Server"))),
    Shapes(" with mapi id", _shape(_EXCHANGE.replace("WITH", "mapi id"))),
    Shapes("[XMail ", _shape(
        r"<helo> \((?P<ip>\[?<IP>\]?)(?::\d+)\) by <by>(?: \(\S+\))? with \[XMail.* id <(?P<id>\S+)>.*? from <(?P<envfrom>\S+)>")),  # noqa: E501
    Shapes("(ecelerity",
        _shape(r"\(\[<ip>:\d+\] helo=<helo>\) by <by> "),
        _shape(r"\S+ \(\[<ip>:\d+\]\) by <by> "),
    ),
    Shapes("Exim",
        _shape(r".*\bwith local(?:-\S+)? ", _ignore),
        _shape(r"\[<ip>\] \((?P<sub>.*?)\) by <by> "),
        _shape(r"<both> \(\[<ip>\](?P<sub>.*?)\) by <by> "),
        _shape(r"<both> \[<ip>\](?::\d+)? by <by> "),
        _shape(r"<rdns> (?:.*\((?P<helo>\S+)\) )?.*?\[<ip>(?:\.\d+)?\] (?:.*?by <by> )?"),
    ),
    Shapes(" (Postfix) with",
        _shape(r"<helo> \(<rdns> \[<ip>\]\) by <by> "),
        _shape(r"<helo> \(<rdns>\[<ip>\]\) by <by> "),
    ),
    Shapes("(Scalix SMTP Relay", _shape(r"<helo> \( ?<ip>\) by <by>")),
    Shapes(" (Lotus Domino ", _shape(r"<helo> \(\[<ip>\]\) by <by> \(Lotus")),
    Shapes("with HTTP", _shape(r"<ip> \(\[<IP>\]\) by <by>")),
    Shapes("",
        _shape(r"(?!.* by \S+ \(qmail-\S+\) with )<helo> \(<rdns> \[<ip>\].*\) by <by> \(", _with_ident),
        _shape(r"<helo> \(<rdns> \[<ip>\]\) by <by> with \S+ \("),
        _shape(r"<rdns> \(\[<ip>\] helo=<helo>\) by <by> with "),
        _shape(r"<helo> \(<unknown\S*>\[<ip>\]\) by <by> "),
        _shape(r"<helo> \((?P<rdns>\S+\.\S+)\[<ip>\]\) by <by> "),
        _shape(r"<helo> \((?P<ident>\S*)@\[<ip>\].*\) by <by> \("),
    ),
    Shapes(".hotmail.msn.com ", _shape(r"(?:(?P<ip><IP>) )?.*by (?P<by>\S+\.hotmail\.msn\.com) ")),
    Shapes("LO ",
        _shape(r"<rdns> \((?:HELO|EHLO) (?P<helo>\S*)\) \(<ip>\) by <by> \(qpsmtpd/\S+\) with (?:ESMTP|SMTP)"),
        _shape(r"<rdns> \(LHLO (?P<helo>\S*)\) \(<ip>\) by <by> with LMTP"),
        _shape(r"<rdns> \((?:HELO|EHLO) (?P<helo>\S*)\) \[<ip>\] by <by> \([^)]+\) with (?:ESMTP|SMTP)"),
        _shape(r"<rdns> \((?:HELO|EHLO) (?P<helo>[^ ()]*)\) \((?:(?P<ident>\S*)@)?\[?<ip>\]?\)" + _QMAIL),
    ),
    Shapes(" via smtpd ", _shape(r"<helo> \(\[<ip>\]\) by <by> via smtpd \(for \S+\) with SMTP\(")),
    Shapes(" with ", _shape(r"<both> \((?:(?P<ident>\S*)@)?\[?<ip>\]?\)" + _QMAIL)),
    Shapes("",
        _shape(r"\[<ip>\] by <by> via HTTP\Z"),
        _shape(r"\S+ \( \[<ip>\]\).*? by <by> "),
        _shape(r"\((?P<helo>\S+) \[<ip>\]\) by <by> "),
        _shape(r"\[<ip>\] by <by> "),
        _shape(r"\(\[?<ip>\]?\) by <by> "),
        _shape(r"<helo> \[<ip>\] by <by> \[<IP>\] with "),
        _shape(r"<helo> \[\(<ip>\)\] by <by> \(<IP>\) "),
        _shape(r"<helo> \(softdnserr \[<ip>\]\).*? by (?P<by>\S+)\b"),
        _shape(r"<helo> \(<rdns> \[<ip>\]\).*? by (?P<by>\S+)\b"),
        _shape(r"<helo> \(\[<ip>(?:[.:]\d+)?\]\).*? by <by> "),
        _shape(r".*with (?:POP3|IMAP)", _fetched),
        _shape(r"<rdns> \((?:HELO|EHLO) (?P<helo>[^)]*)\) \((?:(?P<ident>\S*)@)?\[?<ip>\]?\).* by <by> "),
        _shape(r"<both> \((?:(?P<ident>\S*)@)?\[?<ip>\]?\).* by <by> "),
        _shape(r"\[<ip>\] by <by> with http for "),
        _shape(r"<rdns>\(<ip>\) by <by> via smap "),
        _shape(r"<rdns>\(<ip>, (?:HELO|EHLO) (?P<helo>\S*)\) by <by> via smap "),
        _shape(r"<ip> by <by> \((?:SMTPL|InterScan)\b"),
        _shape(r"\S+ by \S+ with BSMTP", _ignore),
        _shape(r"<rdns> \((?:HELO|EHLO) (?P<helo>\S*)\) \((?:(?P<ident>\S+)@)?<ip>.*?\) by <by> with "),
        _shape(r"\[<ip>\] \((?:account \S+ )?(?:HELO|EHLO) (?P<helo>\S*)\) by <by> \("),
        _shape(r"<both> \(\[<ip>\] verified\) by <by> \("),
        _shape(r"\(\[<ip>\]\) by <by> with "),
        _shape(r"(?P<helo>[^\d]\S+) \(<ip>\) by <by> "),
        _shape(r"<helo> \(\[<ip>\] \[\S+\]\) by <by> with "),
        _shape(r"<ip> by <by> with "),
        _shape(r"<helo> \(<rdns>\[<ip>\]\) by <by> "),
        _shape(r"\[<ip>\]\S+ \((?:HELO|EHLO) (?P<helo>\S*)\) by <by> "),
        _shape(r"<ip> \((?:HELO|EHLO) (?P<helo>\S*)\) by <by> "),
        _shape(r"<helo> \[<ip>\] by <by> "),
        _shape(r"<rdns>\(<ip>\) by <by> "),
        _shape(r"<helo> \(unverified \[<ip>\]\) by <by> "),
        _shape(r"<ip> \([A-Za-z][^)]+\) by <by> with "),
        _shape(r"\[<ip>\] \((?P<sub>[^)]+)\) by <by> "),
        _shape(r"<rdns> \((?:\S+@)?<ip>\) by <by> with "),
        _shape(r'<rdns>\(<ip>\)(?:, claiming to be "(?P<helo>\S+)")? via \S+ by (?P<by>\S+),'),
        _shape(r"<helo> \(\S+@<ip> with login\) by (?P<by>\S+\.yahoo\.com) with SMTP"),
        _shape(r"X-Originating-IP: <ip>\Z(?P<by>)"),
    ),
)  # fmt: skip
"""What must be in the line, and the shapes that are then tried in order."""
_LOCAL = r"(?:localhost(?:\.localdomain)?|127\.0\.0\.1)"
NO_HOP = [
    re.compile(pattern.replace("LOCAL", _LOCAL))
    for pattern in (
        r"\S+ \([^\s@]+@LOCAL\) by \S+ \(", r"\S+ \S+ by \S+ with local-e?smtp ", r"\S+@\S+ by \S+ ",
        r"Unknown/Local \(", r"LOCAL \((?:\S+@)?LOCAL[)\[]", r"\S+ \((?:\S+@)?LOCAL\) ",
        r"\S+ \(\S+@\S+ \[LOCAL\]\) ", r"\(AUTH: \S+\) by \S+ with ", r"localhost \(localhost \[\[UNIX: localhost\]\]\) by ",  # noqa: E501
        r"[^.]+ by \S+ with Novell_GroupWise", r"\S+ by \S+ (?:with|via|for|\()", r"\S+ \(\[unix socket\]\) by \S+ \(Cyrus",  # noqa: E501
        r"\S+ (?:(?:with|via|for) \S+|\(unverified\)) by\b", r"\S+ \(unknown\) by \S+ \(SG\) with \b",
        r"\S+ \(\S+ \[local\]\) by \S+ \(OpenSMTPD\) with \b", r"\S+ named \S+ by gmailapi\.google\.com with HTTPREST\Z",  # noqa: E501
        r"facebook\.com \([^)]+\) by facebook\.com with Thrift id \S+\Z", r"\S+ id \S+\Z", r"\S+ \(\S+\) by \S+ \((?:Content Technologies|LSMTP for) ",  # noqa: E501
    )
]  # fmt: skip

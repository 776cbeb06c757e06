"""The hops of a mail out of its Received fields, written as SpamAssassin's ``X-Spam-Relays-…`` pseudo-headers.

The shapes of Received lines, their order and the form of the result are those that SpamAssassin (Apache-2.0) knows,
so that its rules mean the same here.  Without a list of trusted networks a hop is trusted as long as it came from a
private address or was authenticated, counted from the top; trusted and internal are then the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ..envelope import Envelope

MAX_RECEIVED = 200
"""Received fields that are read."""

_IP = (
    r"(?:(?<!:)\b(?:\d{1,3}\.){3}\d{1,3}\b"
    r"|(?:IPv6:|(?<![a-fA-F0-9:]))(?=[a-fA-F0-9]{0,4}:)[a-fA-F0-9:]{2,39}(?:(?<=:)(?:\d{1,3}\.){3}\d{1,3})?)"
)
_PRIVATE = re.compile(
    r"(?:10|127|169\.254|172\.(?:1[6-9]|2\d|3[01])|192\.168|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.|::1\Z"
    r"|fe[89ab][0-9a-f]:",
    re.I,
)
_DATE = re.compile(
    r"[\s;]+(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d+ (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r" \d+ \d+:\d+(?::\d+)? \S+\Z"
)
_SPACELESS = r"\S+"
_WORD = r"[-A-Za-z0-9.^+_&:=?!@%*$\\/]"
_HELO = re.compile(rf"\bhelo=({_WORD}+)(?!{_WORD})|\b(?:HELO|EHLO) ({_WORD}+)(?!{_WORD})")
_BY = re.compile(r" by (\S+)(?:[^-A-Za-z0-9;.]|\Z)")
_ID = re.compile(r" id <?([^\s<>;]{3,})")
_ENVELOPE_FROM = re.compile(r"(?:return-path:? |envelope-(?:sender|from)[ =])(\S+)\b", re.I)
_STRIP = re.compile(r"[\s\0#\[\]()<>|]")
_BRACKETED = re.compile(rf"\[({_IP})\]")


class Relay(NamedTuple):
    """One hop: who connected, as what, to whom."""

    ip: str
    rdns: str = ""
    helo: str = ""
    by: str = ""
    ident: str = ""
    envfrom: str | None = None
    id: str = ""
    auth: str = ""

    @property
    def is_private(self) -> bool:
        """Whether the address is one of a private network or of the host itself."""
        return bool(_PRIVATE.match(self.ip))

    def shown(self, internal: bool) -> str:
        """As rules see it."""
        return (
            f"[ ip={self.ip} rdns={self.rdns} helo={self.helo} by={self.by} ident={self.ident}"
            f" envfrom={self.envfrom or ''} intl={int(internal)} id={self.id} auth={self.auth} msa=0 ]"
        )


class Relays(NamedTuple):
    """The hops that are trusted and those that are not, the latest first, and how many lines made no sense."""

    trusted: tuple[Relay, ...]
    untrusted: tuple[Relay, ...]
    unparseable: int = 0
    first_untrusted: int = 0
    """Number of the Received field, from 0, below which nothing can be trusted."""

    def trusted_text(self) -> str:
        """``X-Spam-Relays-Trusted``, ``-Internal``"""
        return " ".join(relay.shown(True) for relay in self.trusted)

    def untrusted_text(self) -> str:
        """``X-Spam-Relays-Untrusted``, ``-External``"""
        return " ".join(relay.shown(False) for relay in self.untrusted)


def relays(received: Iterable[str], originating: str = "", envelope: Envelope | None = None) -> Relays:
    """The hops of ``received`` fields (unfolded, the latest first).

    ``originating``  an address that a web mailer noted (``X-Originating-IP``): the first hop of all.  What the
    ``envelope`` says of the client comes before everything that the mail says.
    """
    trusted: list[Relay] = []
    untrusted: list[Relay] = []
    unparseable = first = 0
    hops: list[Relay | str] = []
    if envelope is not None and envelope.client_ip:
        client, name = str(envelope.client_ip), envelope.client_name or ""
        auth = "ESMTPA" if envelope.auth_user else ""
        hops.append(Relay(client, name, _clean(envelope.helo or ""), envfrom=envelope.mail_from, auth=auth))
    hops += [line for _, line in zip(range(MAX_RECEIVED), received, strict=False)]
    if originating:
        hops.append(f"from X-Originating-IP: {originating}")
    for hop in hops:
        relay = hop if isinstance(hop, Relay) else parse_received(hop)
        first += not untrusted and not isinstance(hop, Relay)
        if relay is None:
            unparseable += 1
        elif relay == FETCHED:
            if not untrusted:
                trusted.clear()
        elif relay != IGNORED:
            if not untrusted and (relay.is_private or relay.auth):
                trusted.append(relay)
            else:
                first -= not untrusted and not isinstance(hop, Relay)
                untrusted.append(relay)
    return Relays(tuple(trusted), tuple(untrusted), unparseable, first)


IGNORED = Relay("ignored")
"""A line that tells of no hop between hosts."""
FETCHED = Relay("fetched")
"""A line of a program that fetched the mail from a mailbox: what comes above is nobody's hop."""


def parse_received(line: str) -> Relay | None:
    """The hop that a Received field tells of; `IGNORED`, `FETCHED`, or `None` if it cannot be told."""
    line = " ".join(line[:4096].split())
    while line.endswith(";"):
        line = line[:-1].rstrip()
    low = line[:6].lower()
    if not low.startswith(("from ", "(from ")):
        return IGNORED
    if " with local for " in line:
        return IGNORED
    bare = re.match(r"from (\S+) by [^\s;]+ ?;", line, re.I)
    if bare and not re.match(r"\[[\d.]+\]\Z", bare[1]):
        return IGNORED
    line = (line[:-80] + _DATE.sub("", line[-80:])).replace(")by ", ") by ", 1)
    helo = _HELO.search(line) if "helo=" in line or "HELO " in line or "EHLO " in line else None
    by, number = _BY.search(line), _ID.search(line)
    base = Relay(
        "", helo=(helo[1] or helo[2]) if helo else "", by=by[1] if by else "", id=number[1] if number else "",
        auth=_authentication(line),
    )  # fmt: skip
    if line.startswith("from "):
        return _from(line[5:], base)
    if line.startswith("FROM "):
        match = _SHOUTED.match(line, 5)
        if match:
            rdns = "" if match["rdns"] == "unverified" else match["rdns"]
            return _made(base._replace(helo=match["helo"], rdns=rdns, ip=match["ip"], by=match["by"], id=match["id"]))
    elif line.startswith("(from "):
        match = _NAVGW.match(line, 6)
        if match:
            return _made(base._replace(helo=match["helo"], ip=match["ip"], by=match["by"]))
        if re.match(r"\S+@localhost\) by \S+ |[^\s@]+@[^)]+\) by \S+\(jqueuemail\) id [^\s;]+", line[6:]):
            return IGNORED
    return _guess(line, base)


def _from(line: str, base: Relay) -> Relay | None:
    """A line that starts with ``from ``, which is cut off."""
    lower = line.lower()
    envelope = _ENVELOPE_FROM.search(line) if "envelope-" in lower or "return-path" in lower else None
    if envelope:
        base = base._replace(envfrom=envelope[1])
    for trigger, shapes in _SHAPES:
        if trigger and trigger not in line:
            continue
        for shape in shapes:
            match = shape.pattern.match(line)
            if match:
                return shape.make(match, base)
    if " by " in line and any(shape.match(line) for shape in _NO_HOP):
        return IGNORED
    return _guess(line, base, first=True)


def _guess(line: str, base: Relay, first: bool = False) -> Relay | None:
    """Any address in brackets, if it is known who took the mail."""
    if first and not base.helo:
        word = re.match(r"(\S+)[^-A-Za-z0-9.]", line)
        base = base._replace(helo=word[1] if word else "")
    found = _BRACKETED.search(line)
    if found and base.by:
        return _made(base._replace(ip=found[1]))
    return None


_AUTHENTICATIONS: Sequence[tuple[str, re.Pattern[str], str]] = (
    (" by ", re.compile(r".* with ((?:ES|L|UTF8S|UTF8L)MTPS?A|ASMTP|HTTP[SU]?)(?: |;|\Z)", re.I), r"\1"),
    (" (AUTH: ", re.compile(r"from .*?(?:\]\)|\)\]) \(AUTH: (LOGIN|PLAIN|DIGEST-MD5|CRAM-MD5) \S+(?:, .*?)?\) by "), r"\1"),  # noqa: E501
    ("authenticated", re.compile(r"from .*?(?:\](?: \([^)]*\))?\)|\)\]) .*?\(.*?authenticated.*?\).*? by"), "Sendmail"),
    (" (authenticated as ", re.compile(r".*\) by .+ \(\d{1,2}\.\d\.\d{3}(?:\.\d{1,3})?\) \(authenticated as .+\) id "), "CriticalPath"),  # noqa: E501
    (") (Authenticated sender: ", re.compile(r".*\) \(Authenticated sender: \S+\) by \S+ \((?:[^)]+)\) with "), "Postfix"),  # noqa: E501
    ("CommuniGate Pro ", re.compile(r".*CommuniGate Pro (?:HTTP|SMTP|XIMSS|IMAP).* \(account |.* \(account .*CommuniGate Pro (?:HTTP|SMTP|XIMSS|IMAP)"), "Communigate"),  # noqa: E501
    (" with Microsoft Exchange Server HTTP-DAV", re.compile(""), "HTTP-DAV"),
    (" (via ", re.compile(r".* by .* \(via (HTTP.?)\)(?: |;|\Z)", re.I), r"\1"),
)  # fmt: skip


def _authentication(line: str) -> str:
    """How the client proved itself, ``""`` if it did not."""
    for trigger, pattern, text in _AUTHENTICATIONS:
        if trigger in line and (match := pattern.match(line)):
            return match.expand(text)
    return ""


def _made(relay: Relay) -> Relay:
    """A hop with its words cleaned."""
    ip = re.sub(r"%[A-Z0-9._~-]*\Z", "", relay.ip.strip("[]"), flags=re.I)
    ip = re.sub(r"\Aipv6:", "", ip, flags=re.I)
    ip = re.sub(r"\A0*:0*:(?:0*:)*ffff:(\d+\.\d+\.\d+\.\d+)\Z", r"\1", ip, flags=re.I)
    rdns = relay.rdns.rstrip(".")
    if rdns.lower() == "unknown" or rdns.startswith("["):
        rdns = ""
    envfrom = relay.envfrom
    if envfrom is not None:
        envfrom = _clean(re.sub(r">*\s*\Z", "", envfrom.lstrip().lstrip("<")))
    return relay._replace(
        ip=_clean(ip), rdns=_clean(rdns), helo=_clean(relay.helo), by=_clean(relay.by.rstrip(";")),
        ident=_clean(relay.ident), envfrom=envfrom,
    )  # fmt: skip


def _clean(text: str) -> str:
    return _STRIP.sub("!", text)


class Shape(NamedTuple):
    """One form of a Received line and how a hop is made of it."""

    pattern: re.Pattern[str]
    make: Callable[[re.Match[str], Relay], Relay]


def _plain(match: re.Match[str], base: Relay) -> Relay:
    """Named groups are the fields; of a group ``both`` host name and greeting are made, of ``sub`` what is in it."""
    fields = {name: text or "" for name, text in match.groupdict().items()}
    both, sub = fields.pop("both", None), fields.pop("sub", None)
    if both is not None:
        fields["rdns"] = fields["helo"] = both
    if sub:
        for name in ("helo", "ident"):
            if found := re.search(rf"{name}=(\S+)", sub):
                fields[name] = found[1]
    return _made(base._replace(**fields))


def _with_ident(match: re.Match[str], base: Relay) -> Relay:
    """A host name that may have the answer of an ident server before it."""
    relay = _plain(match, base)
    ident, at, host = match["rdns"].rpartition("@")
    if at:
        ident = ident.removeprefix("IDENT:")
        relay = relay._replace(ident=_clean(ident), rdns="" if host.lower() == "unknown" else _clean(host))
    return relay


def _ignore(match: re.Match[str], base: Relay) -> Relay:
    return IGNORED


def _fetched(match: re.Match[str], base: Relay) -> Relay:
    return FETCHED


def _shape(pattern: str, make: Callable[[re.Match[str], Relay], Relay] = _plain) -> Shape:
    def spell(match: re.Match[str]) -> str:
        name = match[1]
        return _IP if name == "IP" else f"(?P<{name}>{_IP if name == 'ip' else _SPACELESS})"

    return Shape(re.compile(re.sub(r"(?<!\?P)<(ip|rdns|helo|both|by|IP)>", spell, pattern)), make)


_QMAIL = r"(?: \(envelope-sender <\S+>\))? by (?P<by>\S+)(?: \(.+\))* with (?:.* )?(?:SMTP|QMQP)(?! id )"
_EXCHANGE = (
    r"(?=.* with WITH (?:\([^)]+\) )?\d+\.\d+\.\d+\.\d+(?: |\Z))"
    r"<helo> \(\[?<ip>(?:%[A-Z0-9._~-]*)?\]?\) by <by> (?P<id>)"
)
_SHOUTED = re.compile(
    rf"(?P<helo>\S+) \((?P<rdns>\S+) \[(?P<ip>{_IP})\]\) BY (?P<by>\S+) (?:\([^)]+\) WITH SMTP )?"
    r"ID <?(?P<id>\S+?)>?(?: FOR <[^>]+>)?\Z"
)
_NAVGW = re.compile(rf"(?P<helo>\S*) \[(?P<ip>{_IP})\]\) by (?P<by>\S+) \(NAVGW .*?\) with ")
_SHAPES: Sequence[tuple[str, Sequence[Shape]]] = (
    ("authenticated user ", (_shape(r".*?<ip>\b(?![.-]).{10,80}by (?P<by>\S+) with HTTP"),)),
    ("with HTTP (WebMailUI)", (_shape(r".*?<ip> by <by> \(<IP>\) with HTTP \(WebMailUI\)"),)),
    (" SMTPSVC", (
        _shape(r"(?P<helo>\S*) \(\[<ip>\][^)]{0,40}\) by <by> with Microsoft SMTPSVC"),
        _shape(r"mail pickup service by \S+ with Microsoft SMTPSVC\Z", _ignore),
    )),
    (" with M", (_shape(_EXCHANGE.replace("WITH", "Microsoft SMTP Server")),)),
    (" with mapi id", (_shape(_EXCHANGE.replace("WITH", "mapi id")),)),
    ("[XMail ", (_shape(
        r"<helo> \((?P<ip>\[?<IP>\]?)(?::\d+)\) by <by>(?: \(\S+\))? with \[XMail.* id <(?P<id>\S+)>.*? from <(?P<envfrom>\S+)>"),)),  # noqa: E501
    ("(ecelerity", (
        _shape(r"\(\[<ip>:\d+\] helo=<helo>\) by <by> "),
        _shape(r"\S+ \(\[<ip>:\d+\]\) by <by> "),
    )),
    ("Exim", (
        _shape(r".*\bwith local(?:-\S+)? ", _ignore),
        _shape(r"\[<ip>\] \((?P<sub>.*?)\) by <by> "),
        _shape(r"<both> \(\[<ip>\](?P<sub>.*?)\) by <by> "),
        _shape(r"<both> \[<ip>\](?::\d+)? by <by> "),
        _shape(r"<rdns> (?:.*\((?P<helo>\S+)\) )?.*?\[<ip>(?:\.\d+)?\] (?:.*?by <by> )?"),
    )),
    (" (Postfix) with", (
        _shape(r"<helo> \(<rdns> \[<ip>\]\) by <by> "),
        _shape(r"<helo> \(<rdns>\[<ip>\]\) by <by> "),
    )),
    ("(Scalix SMTP Relay", (_shape(r"<helo> \( ?<ip>\) by <by>"),)),
    (" (Lotus Domino ", (_shape(r"<helo> \(\[<ip>\]\) by <by> \(Lotus"),)),
    ("with HTTP", (_shape(r"<ip> \(\[<IP>\]\) by <by>"),)),
    ("", (
        _shape(r"(?!.* by \S+ \(qmail-\S+\) with )<helo> \(<rdns> \[<ip>\].*\) by <by> \(", _with_ident),
        _shape(r"<helo> \(<rdns> \[<ip>\]\) by <by> with \S+ \("),
        _shape(r"<rdns> \(\[<ip>\] helo=<helo>\) by <by> with "),
        _shape(r"<helo> \(<unknown\S*>\[<ip>\]\) by <by> "),
        _shape(r"<helo> \((?P<rdns>\S+\.\S+)\[<ip>\]\) by <by> "),
        _shape(r"<helo> \((?P<ident>\S*)@\[<ip>\].*\) by <by> \("),
    )),
    (".hotmail.msn.com ", (_shape(r"(?:(?P<ip><IP>) )?.*by (?P<by>\S+\.hotmail\.msn\.com) "),)),
    ("LO ", (
        _shape(r"<rdns> \((?:HELO|EHLO) (?P<helo>\S*)\) \(<ip>\) by <by> \(qpsmtpd/\S+\) with (?:ESMTP|SMTP)"),
        _shape(r"<rdns> \(LHLO (?P<helo>\S*)\) \(<ip>\) by <by> with LMTP"),
        _shape(r"<rdns> \((?:HELO|EHLO) (?P<helo>\S*)\) \[<ip>\] by <by> \([^)]+\) with (?:ESMTP|SMTP)"),
        _shape(r"<rdns> \((?:HELO|EHLO) (?P<helo>[^ ()]*)\) \((?:(?P<ident>\S*)@)?\[?<ip>\]?\)" + _QMAIL),
    )),
    (" via smtpd ", (_shape(r"<helo> \(\[<ip>\]\) by <by> via smtpd \(for \S+\) with SMTP\("),)),
    (" with ", (_shape(r"<both> \((?:(?P<ident>\S*)@)?\[?<ip>\]?\)" + _QMAIL),)),
    ("", (
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
    )),
)  # fmt: skip
"""What must be in the line, and the shapes that are then tried in order."""
_LOCAL = r"(?:localhost(?:\.localdomain)?|127\.0\.0\.1)"
_NO_HOP = [
    re.compile(pattern.replace("LOCAL", _LOCAL))
    for pattern in (
        r"\S+ \([^\s@]+@LOCAL\) by \S+ \(", r"\S+ \S+ by \S+ with local-e?smtp ", r"\S+@\S+ by \S+ ",
        r"Unknown/Local \(", r"LOCAL \((?:\S+@)?LOCAL[)\[]", r"\S+ \((?:\S+@)?LOCAL\) ",
        r"\S+ \(\S+@\S+ \[LOCAL\]\) ", r"\(AUTH: \S+\) by \S+ with ", r"localhost \(localhost \[\[UNIX: localhost\]\]\) by ",  # noqa: E501
        r"[^.]+ by \S+ with Novell_GroupWise", r"\S+ by \S+ (?:with|via|for|\()", r"\S+ \(\[unix socket\]\) by \S+ \(Cyrus",  # noqa: E501
        r"\S+ (?:(?:with|via|for) \S+|\(unverified\)) by\b", r"\S+ \(unknown\) by \S+ \(SG\) with \b",
        r"\S+ \(\S+ \[local\]\) by \S+ \(OpenSMTPD\) with \b", r"\S+ named \S+ by gmailapi\.google\.com with HTTPREST\Z",  # noqa: E501
        r"facebook\.com \([^)]+\) by facebook\.com with Thrift id \S+\Z", r"\S+ id \S+\Z", r"\S+ \(\S+\) by \S+ \(Content Technologies ",  # noqa: E501
    )
]  # fmt: skip

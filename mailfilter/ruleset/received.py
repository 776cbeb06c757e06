"""One hop of a mail, and how the words of a Received line become one."""

from __future__ import annotations

import re
from typing import NamedTuple

IP = (
    r"(?:(?<!:)\b(?:\d{1,3}\.){3}\d{1,3}\b"
    r"|(?:IPv6:|(?<![a-fA-F0-9:]))(?=[a-fA-F0-9]{0,4}:)[a-fA-F0-9:]{2,39}(?:(?<=:)(?:\d{1,3}\.){3}\d{1,3})?)"
)
_PRIVATE = re.compile(
    r"(?:10|127|169\.254|172\.(?:1[6-9]|2\d|3[01])|192\.168|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.|::1\Z"
    r"|fe[89ab][0-9a-f]:",
    re.I,
)
_ZONE = re.compile(r"%[A-Z0-9._~-]*\Z", re.I)
_LABEL = re.compile(r"\Aipv6:", re.I)
_MAPPED = re.compile(r"\A0*:0*:(?:0*:)*ffff:(\d+\.\d+\.\d+\.\d+)\Z", re.I)
_STRIP = re.compile(r"[\s\0#\[\]()<>|]")


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
    msa: bool = False
    """Whether it is a host of ours that takes mail of our own users only."""

    @property
    def is_private(self) -> bool:
        """Whether the address is one of a private network or of the host itself."""
        return bool(_PRIVATE.match(self.ip))

    def shown(self, internal: bool) -> str:
        """As rules see it."""
        return (
            f"[ ip={self.ip} rdns={self.rdns} helo={self.helo} by={self.by} ident={self.ident}"
            f" envfrom={self.envfrom or ''} intl={int(internal)} id={self.id} auth={self.auth} msa={int(self.msa)} ]"
        )


IGNORED = Relay("ignored")
"""A line that tells of no hop between hosts."""
FETCHED = Relay("fetched")
"""A line of a program that fetched the mail from a mailbox: what comes above is nobody's hop."""


def clean(text: str) -> str:
    """A word without what would end a field of the pseudo-header: each such character is ``!``."""
    return _STRIP.sub("!", text)


def made(
    told: Told, ip: str, rdns: str = "", helo: str = "", by: str = "", ident: str = "", envfrom: str | None = None,
    number: str | None = None,
) -> Relay:  # fmt: skip
    """A hop with its words cleaned; what the shape of a line did not tell is what ``told`` found in it."""
    ip = ip.strip("[]")
    if ":" in ip or "%" in ip:
        ip = _ZONE.sub("", ip)
        ip = _LABEL.sub("", ip)
        ip = _MAPPED.sub(r"\1", ip)
    rdns = rdns.rstrip(".")
    if rdns.startswith("[") or (len(rdns) == len("unknown") and rdns.lower() == "unknown"):
        rdns = ""
    by = by.rstrip(";")
    sender = told.envfrom if envfrom is None else envfrom
    if sender is not None:
        sender = sender.lstrip("<").rstrip(">")
    if _STRIP.search(f"{ip}{rdns}{helo}{by}{ident}{sender}"):
        ip, rdns, helo, by, ident = clean(ip), clean(rdns), clean(helo), clean(by), clean(ident)
        sender = clean(sender) if sender is not None else None
    return Relay(ip, rdns, helo, by, ident, sender, told.id if number is None else number, told.auth)


_WORD = r"[-A-Za-z0-9.^+_&:=?!@%*$\\/]"
_HELO = re.compile(rf"\bhelo=({_WORD}+)(?!{_WORD})|\b(?:HELO|EHLO) ({_WORD}+)(?!{_WORD})")
_BY = re.compile(r" by (\S+)(?:[^-A-Za-z0-9;.]|\Z)")
_ID = re.compile(r" id <?([^\s<>;]{3,})")


class Told(NamedTuple):
    """What is found anywhere in a Received line, whatever its shape."""

    line: str
    """The line, single blanks, without its date."""
    auth: str = ""
    envfrom: str | None = None

    @property
    def helo(self) -> str:
        """How the client greeted, where the line says so in words."""
        line = self.line
        found = _HELO.search(line) if "helo=" in line or "HELO " in line or "EHLO " in line else None
        return (found[1] or found[2]) if found else ""

    @property
    def by(self) -> str:
        """Who took the mail."""
        found = _BY.search(self.line)
        return found[1] if found else ""

    @property
    def id(self) -> str:
        """The number that the mail got there."""
        found = _ID.search(self.line) if " id " in self.line else None
        return found[1] if found else ""

"""Received lines as most mail servers of today write them, each read by one pattern that fits all of the line.

Whatever is read here, the shapes of `mailfilter.ruleset.shapes` give the same for: only they have to be tried one
after the other, and what may stand anywhere in a line is looked for first.  Every word here is held to few characters,
so that no other shape can come before; `_UNUSUAL` are texts with which one could all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property

from .received import FETCHED, Relay

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]"
_DOTTED = r"(?:\d{1,3}\.){3}\d{1,3}"
_SIX = r"(?=[0-9a-f]{0,4}:)[0-9a-f:]{2,39}"
_BRACKETED = rf"\[(?:IPv6:(?=[0-9a-f:]+\]))?({_DOTTED}|{_SIX})\]"
_ID = r" id (?!SMTP|QMQP)<?([\w.@-]{3,})>?"
_FOR = r"(?: for <[!-'*-;=?-~]+>)?"
_DATE = r"(?:; (?:\w{3}, )?\d+ \w{3} \d{4} [\d:]+ (?:[-+]\d{4}|GMT|UTC)(?: \([A-Z\d+-]+\))?)?"
_SENDER = r"(?: \(envelope-from <?([\w.+=@-]*\w)>?\))?"
_CIPHER = r"version=[\w.]+ cipher=[\w-]+ bits=[\d/]+"
_KEY = r"[\w-]+(?: \([\w-]+(?: bits)?\))?"
_POSTFIX_TLS = (
    rf" \(using TLSv[\d.]+ with cipher [\w-]+ \(\d+/\d+ bits\)(?: key-exchange {_KEY})?(?: server-signature {_KEY})?"
    rf"(?: server-digest [\w-]+)?(?: client-signature {_KEY})?(?: client-digest [\w-]+)?\)"
    r"(?: \((?:No client certificate requested|Client did not present a certificate)\))?"
)
_UNUSUAL = ("exim", "smtpsvc", "hotmail.msn", "envelope-", "return-path", " id (", " by id ", " by by ")


class Form:
    """One form of a line, tried where a text is in it; compiled when such a line comes."""

    def __init__(self, trigger: str, make: Callable[[re.Match[str]], Relay | None], *pieces: str) -> None:
        self.trigger = trigger
        self.make = make
        self._source = "".join(pieces)

    @cached_property
    def match(self) -> Callable[[str], re.Match[str] | None]:
        """Fits the whole line."""
        return re.compile(rf"from ({_NAME}) {self._source};?\n?\Z", re.A).match


def _is_usual(line: str, *expected: str) -> bool:
    """Whether nothing is in the line with which another shape may come first; each of ``expected`` may be, once."""
    lower = line.lower()
    found = [text for text in _UNUSUAL if text in lower]
    return not found or all(text in expected and lower.count(text) == 1 for text in found)


def _known(name: str) -> str:
    return "" if len(name) == len("unknown") and name.lower() == "unknown" else name


def _handed(match: re.Match[str]) -> Relay | None:
    """Postfix, sendmail, Google: ``helo (name [address]) by host (program) with ESMTP id …``."""
    helo, ident, rdns, dot, ip, forged, tls, by, program, protocol, number, sender = match.groups("")
    if not _is_usual(match[0], "envelope-" if sender else ""):
        return None
    if ident and (dot or program in ("", "Postfix")):
        return None  # in other shapes this is no answer of an ident server
    if (forged and not program) or (tls and (ident or program != "Postfix")) or ((forged or tls) and not rdns):
        return None
    if not rdns and (protocol == "SMTPS" or (protocol in ("SMTP", "QMQP") and not number)):
        rdns = helo  # as qmail writes it, which gives one name only
    return Relay(ip, _known(rdns), helo, by, ident, sender or None, number, protocol if protocol[-1] == "A" else "")


def _named(match: re.Match[str]) -> Relay | None:
    """qmail, Exchange: ``name (address) by host with SMTP``; what the client greeted with is taken for its name."""
    helo, ip, by, protocol, number = match.groups("")
    if not _is_usual(match[0]):
        return None
    auth = protocol if protocol[-1] == "A" or protocol.startswith("HTTP") else ""
    return Relay(ip, _known(helo), helo, by, id=number, auth=auth)


def _greeted(match: re.Match[str]) -> Relay | None:
    """qmail: ``name (HELO helo) (address) by host with SMTP``."""
    rdns, helo, ip, by = match.groups("")
    return Relay(ip, _known(rdns), helo, by) if _is_usual(match[0]) else None


def _by_exim(match: re.Match[str]) -> Relay | None:
    """Exim: ``name ([address] helo=helo) by host with esmtps … (Exim 4.96) (envelope-from <…>) id …``."""
    rdns, ip, helo, by, protocol, sender, number = match.groups()
    if not _is_usual(match[0], "exim", "envelope-" if sender else ""):
        return None
    return Relay(
        ip, _known(rdns), helo or rdns, by, envfrom=sender, id=number, auth=protocol if protocol[-1] in "aA" else ""
    )


def _taken(match: re.Match[str]) -> Relay | None:
    return FETCHED if _is_usual(match[0]) else None


_FORMS = (
    Form(" (Exim ", _by_exim,
         rf"\({_BRACKETED}(?: helo=({_NAME}))?\) by ({_NAME}) with (smtps?|esmtps?a?)(?: \(TLS[\w.]+\) tls [\w-]+)?",
         rf" \(Exim [\w.-]+(?: #\d+)?(?: \([A-Z][a-z]+\))?\){_SENDER}{_ID}(?: for [\w.@+=-]+|{_FOR}){_DATE}"),
    Form("]", _handed,
         rf"\((?:(?!softdnserr )(?:(?:IDENT:)?([A-Za-z\d._-]+)@)?({_NAME})(\.?) )?{_BRACKETED}( \(may be forged\))?\)",
         rf"({_POSTFIX_TLS})? by ({_NAME})(?: \((Postfix|\d[A-Za-z\d./+-]*)\))? with (SMTPS?|ESMTPS?A?|QMQP)",
         rf"(?:{_ID})?(?: \({_CIPHER}(?: verify=\w+)?\))?{_FOR}(?: \(Google Transport Security\)| \({_CIPHER}\))?",
         _DATE, _SENDER),
    Form("LO ", _greeted,
         rf"\((?:HELO|EHLO) ({_NAME})\) \(({_DOTTED})\) by ({_NAME}) with (?:E?SMTP|QMQP){_DATE}"),
    Form("(fetchmail-", _taken,
         rf"\[{_DOTTED}\] by {_NAME} with (?:IMAP|POP3) \(fetchmail-[\d.]+\) for [\w.@-]+ \(\w+-drop\){_DATE}"),
    Form(" (", _named,
         rf"\(({_DOTTED}|{_SIX})\) by ({_NAME})(?: \((?:{_DOTTED}|{_SIX})\))? with (SMTP|ESMTPS?A?|QMQP|HTTPS?",
         rf"|Microsoft SMTP Server(?: \(version=\w+, cipher=\w+\))?)(?:{_ID})?(?: via Frontend Transport)?{_FOR}",
         _DATE),
)  # fmt: skip


def usual(line: str) -> Relay | None:
    """The hop of a line with single blanks that has one of the usual forms, `None` for others."""
    if not line.startswith("from "):
        return None
    for form in _FORMS:
        if form.trigger in line and (match := form.match(line)):
            return form.make(match)
    return None

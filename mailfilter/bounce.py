"""Bounces (delivery status notifications, RFC 3464) for mail that was accepted and is then not delivered.

The right place to refuse is the SMTP session: a 5xx reply (`Verdict.smtp_reply`) tells the host that has the mail, and
nobody else.  Once a mail was accepted, the sender's address may be anybody's, and a bounce to it is spam of our own
making (backscatter).  So one is made only where authentication proves MAIL FROM, and to nothing that is a program or a
list (RFC 3834 section 2), and not many an hour.  It returns the headers of the mail, never its body.
"""

from __future__ import annotations

import hashlib
import logging
import quopri
import re
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import NamedTuple

from .authentication.dmarc import organization
from .authentication.results import Proved, proved
from .config import Config
from .decision import Action
from .envelope import Envelope
from .errors import SettingError, StoreError
from .message import Message
from .replies import SmtpReply, smtp_reply
from .stores import KeyedStore, open_keyed
from .stores.keyed import Counter, Tally
from .verdict import Verdict

_log = logging.getLogger("mailfilter.bounce")

HOUR = 3600
_ADDRESS = re.compile(r"[^\x00-\x20\x7f<>()\[\],;:\\\"@]{1,64}@[^\x00-\x20\x7f<>()\[\],;:\\\"@]{1,253}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,200}>")
_CONTROL = re.compile(rb"[^\t\n -\x7e\x80-\xff]")
_RETURNED = 8192
"""Octets of the original's headers that are returned."""
_PROGRAMS = re.compile(
    r"(?:mailer-daemon|postmaster|listserv|majordomo|bounces?|no-?reply|owner-.*|.*-(?:request|bounces?|owner|errors))",
    re.IGNORECASE,
)
"""Local parts behind which there is no person: RFC 3834 section 2, RFC 2142, and what lists use."""
_AUTOMATIC = (
    "list-id",
    "list-unsubscribe",
    "list-post",
    "list-help",
    "feedback-id",
    "x-auto-response-suppress",
    "x-loop",
)
_BULK = frozenset({"bulk", "junk", "list"})


class Bounce(NamedTuple):
    """A bounce to be sent, or why there is none.

    ``envelope``  null sender, and the sender of the mail as its recipient;  ``raw``  the bounce, with CRLF line ends;
    both are `None` where ``why_not`` says why.
    """

    envelope: Envelope | None
    raw: bytes | None
    why_not: str = ""


class Bouncer:
    """Makes bounces.

    ``hostname``    our name, which the bounce says it comes from.  ``postmaster``  whom its reader can ask.
    ``store``       where bounces are counted: "memory", a path, ``redis://…``, or an open store; several
    processes that share it share the limits.
    ``per_sender``, ``per_domain``  most bounces an hour to one address and to one organization.

    Raises `SettingError` where a name is none, `StoreError` where the store cannot be opened.
    """

    def __init__(
        self,
        hostname: str,
        postmaster: str,
        *,
        store: str | KeyedStore = "memory",
        per_sender: int = 3,
        per_domain: int = 30,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not _HOST.fullmatch(hostname):
            raise SettingError("bounce", (f"hostname: the name of this host is expected, got {hostname!r}",))
        if not (_ADDRESS.fullmatch(postmaster) and postmaster.isascii()):
            raise SettingError("bounce", (f"postmaster: an address is expected, got {postmaster!r}",))
        self.hostname, self.postmaster = hostname, postmaster
        self.per_sender, self.per_domain = per_sender, per_domain
        self._store = open_keyed(store) if isinstance(store, str) else store
        self._clock = clock

    def bounce(self, raw: bytes, envelope: Envelope, verdict: Verdict) -> Bounce:
        """The bounce for a mail that was accepted and that the verdict refuses, or why there must be none."""
        message = Message(raw)
        why_not = unsuitable(message, envelope, verdict) or self._too_many(envelope.mail_from or "")
        if why_not:
            _log.info("no bounce for mail %s: %s", verdict.mail_id, why_not)
            return Bounce(None, None, why_not)
        sender = envelope.mail_from or ""
        to = Envelope(mail_from="", rcpt_to=[sender], direction="outbound")
        return Bounce(to, self._compose(message, envelope, _refused(envelope, verdict)))

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def _too_many(self, sender: str) -> str:
        """Count one bounce more; a store that does not answer means none."""
        limits = ((sender.lower(), self.per_sender), (_organization_of(sender), self.per_domain))
        counters = tuple(
            Counter(_key(kind, name), HOUR, number=number, binding=True)
            for kind, (name, number) in zip((b"sender", b"domain"), limits, strict=True)
        )
        try:
            (totals,) = self._store.tally([Tally(counters)], self._clock())
        except StoreError as error:
            _log.error("bounces cannot be counted: %s", error)
            return "bounces cannot be counted now"
        for total, (name, number) in zip(totals, limits, strict=True):
            if total > number:
                return f"{name} has had {number} bounces within an hour"
        return ""

    def _compose(self, message: Message, envelope: Envelope, refused: Sequence[tuple[str, SmtpReply]]) -> bytes:
        sender = envelope.mail_from or ""
        boundary, utf8 = (
            f"=_{secrets.token_hex(16)}",
            not all(to.isascii() for to in (sender, *(r for r, _ in refused))),
        )
        identity = _MESSAGE_ID.fullmatch(message.header("Message-ID").strip())
        head = [
            f"From: Mail delivery <{self.postmaster}>",
            f"To: {sender}",
            "Subject: Your mail was not delivered",
            f"Date: {_when(self._clock())}",
            f"Message-ID: <{secrets.token_hex(16)}@{self.hostname}>",
            *([f"In-Reply-To: {identity[0]}", f"References: {identity[0]}"] if identity else []),
            "Auto-Submitted: auto-replied",
            "MIME-Version: 1.0",
            f'Content-Type: multipart/report; report-type=delivery-status;\n boundary="{boundary}"',
        ]
        parts = [
            _part("text/plain; charset=utf-8", self._words(refused)),
            _part(
                f"message/{'global-' if utf8 else ''}delivery-status", self._status(envelope.received_at, refused, utf8)
            ),
            _part(f"text/rfc822-headers{'; charset=utf-8' if utf8 else ''}", _headers(message)),
        ]
        body = b"".join(b"--%s\n%s\n" % (boundary.encode(), part) for part in parts)
        text = "\n".join(head).encode() + b"\n\n" + body + b"--%s--\n" % boundary.encode()
        return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def _words(self, refused: Sequence[tuple[str, SmtpReply]]) -> bytes:
        lines = [f"This is the mail system of {self.hostname}. Your mail was not delivered to:", ""]
        for recipient, reply in refused:
            lines += [f"  {recipient}", f"      {reply}", ""]
        lines += [f"Its headers follow. If you think that this is wrong, ask {self.postmaster}.", ""]
        return "\n".join(lines).encode()

    def _status(self, came: float | None, refused: Sequence[tuple[str, SmtpReply]], utf8: bool) -> bytes:
        lines = [f"Reporting-MTA: dns; {self.hostname}", *([] if came is None else [f"Arrival-Date: {_when(came)}"])]
        for recipient, reply in refused:
            lines += ["", f"Final-Recipient: {'utf-8' if utf8 else 'rfc822'}; {recipient}", "Action: failed"]
            lines += [f"Status: {reply.enhanced}", f"Diagnostic-Code: smtp; {reply}"]
        return "\n".join([*lines, ""]).encode()


def configured(config: Config) -> Bouncer:
    """What makes bounces as [bounce] says; raises `SettingError` where it is not set who we are."""
    section = config.bounce
    return Bouncer(
        section.hostname,
        section.postmaster,
        store=section.store,
        per_sender=section.per_sender,
        per_domain=section.per_domain,
    )


def unsuitable(message: Message, envelope: Envelope, verdict: Verdict) -> str:
    """Why a bounce must not be sent, ``""`` if it may; pure."""
    sender = envelope.mail_from or ""
    if not sender:
        return "the sender is null, as of a bounce, or not known"
    if not _ADDRESS.fullmatch(sender):
        return "the sender is no address that can be answered"
    if not _refused(envelope, verdict):
        return "the mail is not refused for any recipient"
    if _PROGRAMS.fullmatch(sender.rpartition("@")[0]):
        return "the sender is the address of a program"
    return _automatic(message) or _unproved(sender, verdict)


def _automatic(message: Message) -> str:
    """What says that a program or a list has sent this; any of several fields counts."""
    for value in message.header_all("Auto-Submitted"):
        if value.partition(";")[0].strip().lower() != "no":
            return "the mail was sent by a program (Auto-Submitted)"
    if any(value.strip().lower() in _BULK for value in message.header_all("Precedence")):
        return "the mail is bulk mail (Precedence)"
    for name in _AUTOMATIC:
        if message.header_all(name):
            return f"the mail is from a list or a program ({name})"
    if message.root.content_type == "multipart/report":
        return "the mail is a report itself"
    return ""


def _unproved(sender: str, verdict: Verdict) -> str:
    """SPF for the very domain of MAIL FROM, or a signature of the same organization; "+all" proves nothing."""
    said = {symbol.name: symbol.evidence for symbol in verdict.symbols}
    domain, seen = sender.rpartition("@")[2].lower(), proved(said.get("AUTH_RESULTS", ""))
    if domain in seen.spf and "'+all of " not in said.get("SPF_PASS", ""):
        return ""
    return "" if _signed(domain, seen) else "nothing proves that the mail is from its sender"


def _signed(domain: str, seen: Proved) -> bool:
    ours = organization(domain)
    return any(organization(signer) == ours for signer in seen.dkim)


def _refused(envelope: Envelope, verdict: Verdict) -> list[tuple[str, SmtpReply]]:
    """The recipients that do not get the mail, each with the reply that would have said so in the session."""
    if not verdict.recipients:
        return [(to, verdict.smtp_reply) for to in envelope.rcpt_to if verdict.action is Action.BOUNCE and _plain(to)]
    return [
        (one.recipient, smtp_reply(verdict, one.action, one.reason))
        for one in verdict.recipients
        if one.carried is Action.BOUNCE and one.action is Action.BOUNCE and _plain(one.recipient)
    ]


def _when(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC))


def _plain(address: str) -> bool:
    """Whether an address can stand in a report: it ends no line."""
    return bool(_ADDRESS.fullmatch(address))


def _headers(message: Message) -> bytes:
    """The mail's own headers, as far as they go, harmless and on lines of their own."""
    span = message.root.header_span
    head = message.raw[: span[1] if span else 0][:_RETURNED]
    return _CONTROL.sub(b"?", head.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).rstrip(b"\n") + b"\n"


def _part(content_type: str, content: bytes) -> bytes:
    """A part; within a report's status nothing may be encoded (RFC 3464 section 2.1, RFC 6533 section 4)."""
    head, free = f"Content-Type: {content_type}\n", not content_type.startswith("message/")
    short = max(map(len, content.split(b"\n"))) < 990
    if free and not (short and content.isascii()):
        encoding = "quoted-printable"
    else:
        encoding = "7bit" if content.isascii() else "8bit"
    text = quopri.encodestring(content) if encoding == "quoted-printable" else content
    return f"{head}Content-Transfer-Encoding: {encoding}\n\n".encode() + text


def _organization_of(sender: str) -> str:
    return organization(sender.rpartition("@")[2].lower())


def _key(kind: bytes, name: str) -> bytes:
    text = b"bounce\0%s\0%s" % (kind, name.encode("utf-8", "surrogatepass"))
    return hashlib.blake2b(text, digest_size=16).digest()

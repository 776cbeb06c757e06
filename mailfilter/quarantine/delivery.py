"""Handing mail on by SMTP (RFC 5321), octet for octet as far as SMTP can.

SMTP knows lines that end in CRLF and nothing else: a mail whose lines all end in LF, as it lies on a Unix disk, has
the same lines with CRLF on the wire, and a bare CR or LF among CRLFs becomes a line end (sent as it is, it would let a
sender smuggle a second mail).  A last line without an end gets one.  `on_the_wire` says what is sent.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from ..envelope import Envelope
from ..errors import SettingError, StoreError

_ADDRESS = re.compile(r"[^\x00-\x20\x7f<>]*")
"""What cannot end a command and begin another; the server knows better what an address is."""
_TIMEOUT = 60.0


class DeliveryError(StoreError):
    """A mail could not be handed on to anybody; it is where it was."""


class SmtpDelivery:
    """A `Deliver`: hands mail on to one server, which must not filter it once more.

    ``server``  ``host``, ``host:port`` or ``[address]:port``; port 25 by default.  ``timeout`` in seconds, for each
    step.  TLS is used where the server offers it, without looking at names, as between mail servers (RFC 7435).
    """

    def __init__(self, server: str, timeout: float = _TIMEOUT) -> None:
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+)(?::(\d{1,5}))?", server)
        if match is None:
            raise SettingError("quarantine", (f'smtp: "host:port" is expected, got {server!r}',))
        self.host, self.port = match[1].strip("[]"), int(match[2] or 25)
        self.timeout = timeout

    def __call__(self, envelope: Envelope, raw: bytes) -> Collection[str]:
        """Deliver; the recipients that the server refused.  Raises `DeliveryError` where nobody got it."""
        try:
            with self._session() as smtp:
                smtp.ehlo()
                if smtp.has_extn("starttls"):
                    smtp.starttls(context=_opportunistic())
                    smtp.ehlo()
                return _send(smtp, envelope, raw)
        except smtplib.SMTPRecipientsRefused as error:
            return list(error.recipients)
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else ""
            raise self._failed(f"{error.smtp_code} {said}") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise self._failed(str(error) or type(error).__name__) from None

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """A session.  What QUIT is answered changes nothing: the mail was taken or refused before."""
        smtp = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
        try:
            yield smtp
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
        finally:
            smtp.close()

    def _failed(self, why: str) -> DeliveryError:
        return DeliveryError(f"not delivered to {self.host}:{self.port}: {' '.join(why.split())}")


def on_the_wire(raw: bytes) -> bytes:
    """The lines of a mail as SMTP sends them, before dots are doubled."""
    lines = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return lines if lines.endswith(b"\r\n") else lines + b"\r\n"


def _send(smtp: smtplib.SMTP, envelope: Envelope, raw: bytes) -> Collection[str]:
    addresses = (envelope.mail_from or "", *envelope.rcpt_to)
    if odd := [address for address in addresses if not _ADDRESS.fullmatch(address)]:
        raise ValueError(f"{odd[0]!r} is no address")
    options = []
    if not raw.isascii() and smtp.has_extn("8bitmime"):
        options.append("BODY=8BITMIME")
    if not all(address.isascii() for address in addresses):
        options.append("SMTPUTF8")
    return list(smtp.sendmail(envelope.mail_from or "", list(envelope.rcpt_to), on_the_wire(raw), options))


def _opportunistic() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

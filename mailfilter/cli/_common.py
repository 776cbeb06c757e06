"""What several commands share: the settings file, the envelope on the command line, mails out of archives."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..archives import ArchivedMail, Label
    from ..config import Config
    from ..envelope import Envelope


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option that names the settings file."""
    parser.add_argument("--config", metavar="FILE", help="settings (TOML); default $MAILFILTER_CONFIG, else built in")


def config(args: argparse.Namespace) -> Config:
    """The settings of the command line, of the environment, or the defaults."""
    from ..config import Config

    path = args.config or os.environ.get("MAILFILTER_CONFIG")
    return Config.from_file(path) if path else Config()


def add_envelope(parser: argparse.ArgumentParser) -> None:
    """Options for the SMTP facts of the mails on the command line."""
    parser.add_argument("--client-ip", metavar="ADDRESS", help="address of the host that sent the mail")
    parser.add_argument("--helo", metavar="NAME", help="what it said in HELO or EHLO")
    parser.add_argument("--mail-from", metavar="ADDRESS", help='envelope sender; "" is the null sender')
    parser.add_argument("--rcpt-to", metavar="ADDRESS", action="append", default=[], help="recipient; may repeat")
    parser.add_argument("--direction", metavar="WAY", default="inbound", help="inbound (default), outbound or internal")


def envelope(args: argparse.Namespace) -> Envelope:
    """The envelope of the command line; `EnvelopeError` where an option is not of its kind."""
    from ..envelope import Envelope

    return Envelope(
        client_ip=args.client_ip,
        helo=args.helo,
        mail_from=args.mail_from,
        rcpt_to=args.rcpt_to,
        direction=args.direction,
    )


class Source:
    """Mails out of the archives on a command line; what cannot be read is reported at once and counted.

    ``label``  of mails that no index has labelled; ``envelope``  of all; ``noted``  whether sender and recipients are
    taken from what the delivering host noted in the mail.
    """

    def __init__(
        self,
        paths: Sequence[str],
        label: Label | None = None,
        envelope: Envelope | None = None,
        noted: bool = False,
    ) -> None:
        self.paths = paths
        self.label = label
        self.envelope = envelope
        self.noted = noted
        self.unreadable: list[tuple[str, str]] = []

    def __iter__(self) -> Iterator[ArchivedMail]:
        from ..archives import ArchivedMail, read_archive
        from ..errors import ArchiveError

        for path in self.paths:
            try:
                for item in read_archive(path):
                    if isinstance(item, ArchivedMail):
                        yield self._with_more(item)
                    else:
                        self._report(item.path, item.reason)
            except ArchiveError as error:
                self._report(error.path, error.reason)

    def _with_more(self, item: ArchivedMail) -> ArchivedMail:
        """A mail with what the command line says of all."""
        from dataclasses import replace

        label, envelope = item.label or self.label, self.envelope
        if self.noted:
            from ..message import Message
            from ..rescoring.envelopes import noted

            envelope = noted(Message(item.raw), self.envelope)
        if (label, envelope) == (item.label, item.envelope):
            return item
        return replace(item, label=label, envelope=envelope)

    def _report(self, path: str, reason: str) -> None:
        self.unreadable.append((path, reason))
        print(f"mailfilter: {printable(path)}: {reason}", file=sys.stderr)


def printable(text: str) -> str:
    """Text for a terminal: control characters, which a hostile mail may hold, are shown as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)

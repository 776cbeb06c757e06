"""What a hit table keeps of envelopes, and what the headers of a delivered mail tell of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from ..envelope import Envelope
from ..errors import EnvelopeError
from ..message import Message

_DEFAULTS = {one.name: one.default for one in fields(Envelope) if one.name != "received_at"}
_SENDER = ("return-path", "x-envelope-from")
_RECIPIENT = ("x-original-to", "delivered-to", "envelope-to", "x-envelope-to")
MAX_RECIPIENTS = 100
"""Recipients that are taken from headers."""


def plain(envelope: Envelope | None) -> bytes:
    """An envelope as a table keeps it: JSON of what is known, nothing where nothing is; the time has its own column."""
    if envelope is None:
        return b""
    known = {name: getattr(envelope, name) for name in _DEFAULTS}
    kept = {name: value for name, value in known.items() if value != _DEFAULTS[name]}
    return json.dumps(kept).encode() if kept else b""


def read(pieces: Sequence[bytes], times: Sequence[int]) -> list[Envelope]:
    """The envelopes of rows.  Raises `ValueError` where one is damaged."""
    known: dict[bytes, dict[str, Any]] = {b"": {}}
    found = []
    for piece, time in zip(pieces, times, strict=True):
        if piece not in known:
            known[piece] = json.loads(piece)
        try:
            found.append(Envelope(**known[piece], received_at=None if time < 0 else time))
        except (TypeError, EnvelopeError) as error:
            raise ValueError(f"an envelope is none: {error}") from None
    return found


def noted(message: Message, otherwise: Envelope | None = None) -> Envelope | None:
    """Sender and recipients as the host noted that delivered the mail; the rest, and all where it noted neither, from
    ``otherwise``.

    ``Return-Path``; ``X-Original-To``, else ``Delivered-To``, ``Envelope-To`` or ``X-Envelope-To``, as far as they
    stand above the newest ``Received``: what is below came with the mail, and the sender may have written it.
    """
    found: dict[str, list[str]] = {}
    for header in message.headers:
        name = header.name.lower()
        if name == "received":
            break
        if name in (*_SENDER, *_RECIPIENT):
            found.setdefault(name, []).append(header.value.strip())
    sender = next((found[name][0].strip("<> ") for name in _SENDER if name in found), None)
    values = next((found[name] for name in _RECIPIENT if name in found), [])
    recipients = [address.strip("<> ") for value in values for address in value.split(",")]
    kept = tuple(dict.fromkeys(address for address in recipients if "@" in address))[:MAX_RECIPIENTS]
    if sender is None and not kept:
        return otherwise
    base = otherwise or Envelope()
    return replace(base, mail_from=base.mail_from if sender is None else sender, rcpt_to=kept or base.rcpt_to)

"""Links in notices: a token that says which mail, for whom and until when, signed so that nobody else can make one."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from typing import NamedTuple

from ..errors import StoreError
from .keys import Keyring

_SIGNATURE = 16
"""Octets of the signature that are kept: 128 bits."""
_LONGEST = 4096


class Link(NamedTuple):
    """What a token stands for: ``recipient`` may release the mail ``receipt`` to himself until ``until`` (epoch)."""

    receipt: str
    recipient: str
    until: float


class LinkError(StoreError):
    """A token is not ours, was changed, or is too old."""


def make_token(link: Link, keys: Keyring) -> str:
    """The token, of characters that a URL takes as they are."""
    payload = json.dumps([link.receipt, link.recipient, int(link.until)], separators=(",", ":")).encode("ascii")
    return _text(payload + keys.newest.sign(payload)[:_SIGNATURE])


def read_token(token: str, keys: Keyring, now: float) -> Link:
    """What a token stands for.  Raises `LinkError`, with the same words for every token that we did not make."""
    try:
        if len(token) > _LONGEST:
            raise ValueError
        octets = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        payload, signature = octets[:-_SIGNATURE], octets[-_SIGNATURE:]
        if not any(hmac.compare_digest(secret.sign(payload)[:_SIGNATURE], signature) for secret in keys.all):
            raise ValueError
        receipt, recipient, until = json.loads(payload)
    except (ValueError, binascii.Error):
        raise LinkError("this link is not one of ours, or was damaged on its way: copy it whole") from None
    if now >= until:
        raise LinkError("this link is too old; the next notice has a new one, and the postmaster can release the mail")
    return Link(receipt, recipient, float(until))


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")

"""How a signature, or a chain of them, came out."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """Results of DKIM and ARC by their names in Authentication-Results (RFC 8601 sections 2.7.1 and 2.7.6)."""

    NONE = "none"
    """There is no signature."""
    PASS = "pass"
    FAIL = "fail"
    """The mail is not what was signed."""
    POLICY = "policy"
    """Signed in a way that proves nothing today: a key too short, SHA-1."""
    TEMPERROR = "temperror"
    """DNS did not tell: nothing is known."""
    PERMERROR = "permerror"
    """The signature or the key cannot be used."""


class RefusedError(Exception):
    """Why a signature does not pass."""

    def __init__(self, outcome: Outcome, reason: str, bits: int = 0) -> None:
        self.outcome = outcome
        self.reason = reason
        self.bits = bits
        super().__init__(reason)

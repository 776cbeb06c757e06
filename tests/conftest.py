"""Fixtures that tests of several rooms share."""

from __future__ import annotations

from .servers import clamd, own_clamd, rbldnsd, unbound

__all__ = ["clamd", "own_clamd", "rbldnsd", "unbound"]

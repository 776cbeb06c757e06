"""Fixtures that tests of several rooms share."""

from __future__ import annotations

from .servers import clamd, nsd, own_clamd, rbldnsd, resolver, unbound

__all__ = ["clamd", "nsd", "own_clamd", "rbldnsd", "resolver", "unbound"]

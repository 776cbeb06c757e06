"""Fixtures that tests of several rooms share."""

from __future__ import annotations

from .servers import clamd, nsd, own_clamd, own_redis, rbldnsd, redis_server, resolver, unbound

__all__ = ["clamd", "nsd", "own_clamd", "own_redis", "rbldnsd", "redis_server", "resolver", "unbound"]

"""The memory of senders that the settings describe."""

from __future__ import annotations

from ..config import Config
from . import DomainAge, Reputation
from .facts import Limits


def reputation(config: Config, domain_age: DomainAge | None = None) -> Reputation:
    """Open it.  Raises `StoreError` where the store cannot be opened."""
    section = config.reputation
    return Reputation(
        section.store,
        Limits(section.new, section.burst, section.settle),
        lifetime=section.lifetime,
        ipv4_prefix=section.ipv4_prefix,
        ipv6_prefix=section.ipv6_prefix,
        trust=config.trusted(),
        domain_age=domain_age,
    )

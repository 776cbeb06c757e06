"""Quarantine: held mail, byte for byte, on the disk before anyone is told that it was accepted (law 1).

`Quarantine` keeps mails and tombstones; `notices` tells recipients of them; `delivery` hands released mail on by SMTP.
"""

from __future__ import annotations

from ..stores.index import Query
from .audit import Audit
from .entry import Held
from .keys import Keyring, WrongKeyError
from .links import Link, LinkError
from .states import State
from .store import Deliver, Expiry, Quarantine, Stats

__all__ = [
    "Audit",
    "Deliver",
    "Expiry",
    "Held",
    "Keyring",
    "Link",
    "LinkError",
    "Quarantine",
    "Query",
    "State",
    "Stats",
    "WrongKeyError",
]

"""Places of stores as people may see them."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"^([a-z0-9+.-]+://[^/@:]*):[^/@]*@", re.IGNORECASE)
_QUERY = re.compile(r"([?&]password=)[^&]*", re.IGNORECASE)


def without_password(url: str) -> str:
    """The URL for messages and logs."""
    return _QUERY.sub(r"\1…", _PASSWORD.sub(r"\1@", url))

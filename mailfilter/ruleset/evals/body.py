"""Functions about the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..facts import Facts
from ._common import Function, once

_HEADER_END = re.compile(rb"\n\r?\n")


def body_length(facts: Facts) -> int:
    """Octets behind the header."""
    end = _HEADER_END.search(facts.full)
    return len(facts.full) - end.end() if end else 0


def _body_length(facts: Facts, arguments: Sequence[str]) -> bool:
    return once(facts, body_length) <= int(arguments[0])


def _uri_truncated(facts: Facts, arguments: Sequence[str]) -> bool:
    return any(len(uri) >= 8192 for uri in facts.uris)


def blank_share(facts: Facts) -> tuple[int, float]:
    """How many lines the text parts have, and how many per cent of them are blank."""
    lines = b"".join(facts.chunks).splitlines()
    return len(lines), 100 * sum(not line.strip() for line in lines) / len(lines) if lines else 0.0


def _blank_lines(facts: Facts, arguments: Sequence[str]) -> bool:
    """Of enough lines so many per cent are blank; of too few lines none count as such."""
    lines, share = once(facts, blank_share)
    return float(arguments[0]) <= (share if lines >= int(arguments[2]) else 0) <= float(arguments[1])


FUNCTIONS: dict[str, Function] = {
    "check_blank_line_ratio": _blank_lines,
    "check_body_length": _body_length,
    "check_uri_truncated": _uri_truncated,
}
"""Name in rule files → function."""

"""Functions about the text."""

from __future__ import annotations

from collections.abc import Sequence

from ..facts import Facts
from ._common import Function


def _body_length(facts: Facts, arguments: Sequence[str]) -> bool:
    raw = facts.full
    ends = [at for at in (raw.find(b"\n\n") + 2, raw.find(b"\r\n\r\n") + 4) if at > 3]
    return len(raw) - min(ends, default=len(raw)) <= int(arguments[0])


def _uri_truncated(facts: Facts, arguments: Sequence[str]) -> bool:
    return any(len(uri) >= 8192 for uri in facts.uris)


def _blank_lines(facts: Facts, arguments: Sequence[str]) -> bool:
    low, high, least = float(arguments[0]), float(arguments[1]), int(arguments[2])
    lines = [line for chunk in facts.chunks for line in chunk.split(b"\n")]
    if len(lines) < least:
        return False
    share = 100 * sum(not line.strip() for line in lines) / len(lines)
    return low <= share < high or (high == 100 and share == 100)


FUNCTIONS: dict[str, Function] = {
    "check_blank_line_ratio": _blank_lines,
    "check_body_length": _body_length,
    "check_uri_truncated": _uri_truncated,
}
"""Name in rule files → function."""

"""Patterns for hypothesis, from pieces and counts."""

from __future__ import annotations

from hypothesis import strategies as st


def counted(pair: tuple[str, str]) -> str:
    """A piece and how often it is to come."""
    piece, count = pair
    return f"(?:{piece}){count}" if count else piece


def sequences(pieces: st.SearchStrategy[str], counts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """One to five counted pieces after each other."""
    return st.lists(st.tuples(pieces, counts).map(counted), min_size=1, max_size=5).map("".join)

"""DNS lists (RFC 5782): what is asked of which list about a mail, and what its answers mean.  Pure: no I/O.

A list is data (``rules/dnslists.toml``).  It declares every code that counts; an answer that is not declared is never
a listing, because most disasters with block lists are answers like "you ask too much" read as "listed".
"""

from __future__ import annotations

from .choice import chosen_lists, closed_lists, read_lists, shipped_lists
from .definition import CodePattern, DnsList, Meaning, parse_code
from .naming import Subject, address_question, question_names, raw_name
from .reading import ListAnswer, ListState, read_list_answer

__all__ = [
    "CodePattern", "DnsList", "ListAnswer", "ListState", "Meaning", "Subject", "address_question", "chosen_lists",
    "closed_lists", "parse_code", "question_names", "raw_name", "read_list_answer", "read_lists", "shipped_lists",
]  # fmt: skip

"""Addresses, as people and attackers write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.mime.addresses import parse_addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@b.example", [("", "a@b.example")]),
        ("A B <a@b.example>", [("A B", "a@b.example")]),
        ('"B, A" <a@b.example>, c@d.example', [("B, A", "a@b.example"), ("", "c@d.example")]),
        ('"A \\"x\\" B" <a@b.example>', [('A "x" B', "a@b.example")]),
        ("a@b.example (A (nested) B)", [("A nested B", "a@b.example")]),
        ("=?utf-8?q?A=2C_=C3=89?= <a@b.example>", [("A, É", "a@b.example")]),
        ("Group: a@b.example, B <b@b.example>;, c@d.example", [
            ("", "a@b.example"), ("B", "b@b.example"), ("", "c@d.example")]),
        ("undisclosed-recipients:;", []),
        ('"a@b.example" <c@d.example>', [("a@b.example", "c@d.example")]),
        ("A <a@b.example> <c@d.example>", [("A", "a@b.example")]),
        ("A <a@b.example", [("A", "a@b.example")]),
        ("nobody", [("nobody", "")]),
        ("<>", []),
        ("", []),
        (",,;", []),
    ],
)  # fmt: skip
def test_addresses(text: str, expected: list[tuple[str, str]]) -> None:
    assert [tuple(address) for address in parse_addresses(text)] == expected


@given(st.text(st.sampled_from('a@.<>"(),;:\\ é'), max_size=60))
@settings(deadline=None)
def test_any_address_list(text: str) -> None:
    parse_addresses(text)

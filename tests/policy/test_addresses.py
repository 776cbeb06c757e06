"""Addresses and networks by hash: the same as asking every pattern in turn."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.policy.addresses import AddressIndex, NetworkIndex, folded, network_fault, pattern_fault

labels = st.sampled_from(["a", "b", "example", "org"])
domains = st.lists(labels, min_size=1, max_size=4).map(".".join)
addresses = st.tuples(labels, domains).map("@".join)
patterns = st.one_of(addresses, domains, domains.map(lambda domain: f".{domain}"))


def under(address: str, pattern: str) -> bool:
    domain = address.rpartition("@")[2]
    return pattern in (address, domain) or (pattern.startswith(".") and domain.endswith(pattern))


@given(st.lists(patterns, max_size=8), addresses)
def test_an_index_finds_what_every_pattern_would(given: list[str], address: str) -> None:
    index = AddressIndex((pattern, number) for number, pattern in enumerate(given))
    found = sorted(index.find(address), key=lambda one: one[1])
    assert found == [(pattern, n) for n, pattern in enumerate(given) if under(address, pattern)]


@given(
    st.lists(st.tuples(st.ip_addresses(), st.integers(0, 128)), max_size=8),
    st.one_of(st.ip_addresses(), st.sampled_from([4, 6]).flatmap(lambda v: st.ip_addresses(v=v))),  # type: ignore[arg-type]
)
def test_networks_are_found_as_the_standard_library_would(given: list[tuple[object, int]], address: object) -> None:
    texts = [str(ipaddress.ip_network(f"{ip}/{min(bits, 32 if '.' in str(ip) else 128)}", strict=False))
             for ip, bits in given]  # fmt: skip
    parsed = ipaddress.ip_address(str(address))
    wanted = [
        (text, n)
        for n, text in enumerate(texts)
        if (network := ipaddress.ip_network(text)).version == parsed.version and parsed in network
    ]
    index = NetworkIndex((text, n) for n, text in enumerate(texts))
    assert sorted(index.find(str(address)), key=lambda one: one[1]) == wanted


def test_spelling_does_not_matter() -> None:
    assert folded(" A@Example.ORG. ") == "a@example.org"
    assert folded("a@bücher.example") == folded("A@XN--BCHER-KVA.example")
    assert [pattern for pattern, _ in AddressIndex([(".Example.ORG", 1)]).find("x@a.b.example.org")] == [".Example.ORG"]


@pytest.mark.parametrize("text", ["", ".", "a b@example.org", "*@example.org", "@example.org", "a..b", "a@", "<a@b.c>"])
def test_what_is_no_pattern(text: str) -> None:
    assert pattern_fault(text)


@pytest.mark.parametrize("text", ["example.org", ".example.org", "a@example.org", "a@localhost"])
def test_what_is_a_pattern(text: str) -> None:
    assert pattern_fault(text) is None


def test_what_is_no_network() -> None:
    assert network_fault("192.0.2.0/24") is network_fault("2001:db8::/32") is None
    assert "host bits" in str(network_fault("192.0.2.1/24"))
    assert network_fault("example.org")


@given(st.text(max_size=50), patterns)
def test_any_text_can_be_looked_up(text: str, pattern: str) -> None:
    index = AddressIndex([(pattern, 1)])
    assert len(list(index.find(folded(text)))) <= 1

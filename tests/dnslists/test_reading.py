"""What an answer means to a list: only a declared code is a listing, whatever else a list or a resolver says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.dnslists import DnsList, ListState, read_list_answer
from mailfilter.lookups import DnsAnswer, DnsState

from .lists import EVERY, FIRST, MASKED, found


@pytest.mark.parametrize("definition", EVERY, ids=lambda definition: definition.name)
@pytest.mark.parametrize("third", [0, 1, 2, 3, 10, 255])
def test_every_last_octet_of_every_list(definition: DnsList, third: int) -> None:
    """All 256: listed exactly where a code or bit is declared, with exactly its symbols; refusals win."""
    for octet in range(256):
        text = f"127.0.{third}.{octet}"
        answer = read_list_answer(definition, found(text))
        address = (127, 0, third, octet)
        wanted = {meaning.symbol for pattern, meaning in definition.codes if pattern.matches(address)}
        if third == 0:
            wanted |= {meaning.symbol for bit, meaning in definition.bits if octet & bit == bit}
        refused = any(pattern.matches(address) for pattern in definition.refused)
        refused |= third == 0 and bool(octet & definition.refused_bits)
        if refused:
            assert answer.state is ListState.REFUSED
        else:
            assert answer.state is (ListState.LISTED if wanted else ListState.MALFORMED)
        assert {meaning.symbol for _, meaning in answer.listings} == (set() if refused else wanted)
        assert set(answer.codes) == ({text} if answer.state is ListState.LISTED else set())


@pytest.mark.parametrize("definition", EVERY, ids=lambda definition: definition.name)
def test_127_255_255_is_always_a_refusal(definition: DnsList) -> None:
    for octet in range(256):
        refusal = f"127.255.255.{octet}"
        for records in ((refusal,), ("127.0.0.2", refusal), (refusal, "127.0.0.2"), ("10.1.2.3", refusal)):
            answer = read_list_answer(definition, found(*records))
            assert (answer.state, answer.listings) == (ListState.REFUSED, ())


@pytest.mark.parametrize("definition", EVERY, ids=lambda definition: definition.name)
def test_other_first_octets_are_never_a_listing(definition: DnsList) -> None:
    rests = {pattern.text.partition(".")[2].replace("-", ".").split(".*")[0] for pattern, _ in definition.codes}
    for first in (0, 1, 10, 100, 126, 128, 172, 192, 203, 224, 255):
        for rest in ("0.0.2", "0.0.1", "255.255.254", "0.1.2", *(rest for rest in rests if rest.count(".") == 2)):
            answer = read_list_answer(definition, found(f"{first}.{rest}"))
            assert (answer.state, answer.listings) == (ListState.MALFORMED, ()), f"{first}.{rest}"


@given(st.sampled_from(EVERY), st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=4))
def test_an_answer_from_outside_127_spoils_all(definition: DnsList, records: list[str]) -> None:
    answer = read_list_answer(definition, found(*records, "127.0.0.2"))
    if any(not record.startswith("127.") for record in records):
        assert answer.state in (ListState.MALFORMED, ListState.REFUSED)
        assert answer.listings == ()


@given(st.sampled_from(EVERY), st.lists(st.integers(0, 255), min_size=1, max_size=6))
def test_the_order_of_records_does_not_matter(definition: DnsList, octets: list[int]) -> None:
    records = [f"127.0.0.{octet}" for octet in octets]
    one, other = (read_list_answer(definition, found(*order)) for order in (records, records[::-1]))
    assert one.state is other.state
    assert set(one.listings) == set(other.listings)


@pytest.mark.parametrize("records", [(), ("",), ("a",), ("127.0.0.2", "a"), ("::1",), ("127.0.0.2 ",), ("127.0.2",)])
def test_what_is_no_address_is_malformed(records: tuple[str, ...]) -> None:
    assert read_list_answer(FIRST, found(*records)).state is ListState.MALFORMED


@pytest.mark.parametrize(
    ("alias", "state"),
    [
        ("", ListState.LISTED),
        ("x.bl.test", ListState.LISTED),
        ("bl.test", ListState.LISTED),
        ("x.evil.test", ListState.MALFORMED),
        ("xbl.test", ListState.MALFORMED),
    ],
)
def test_aliases_that_lead_out_of_the_zone_are_no_answer_of_the_list(alias: str, state: ListState) -> None:
    answer = DnsAnswer(DnsState.FOUND, ("127.0.0.2",), 60, alias=alias)
    assert read_list_answer(FIRST, answer).state is state


def test_all_records_are_looked_at_and_only_declared_ones_count() -> None:
    answer = read_list_answer(FIRST, found("127.0.0.77", "127.0.0.5", "127.0.0.2"))
    assert answer.state is ListState.LISTED
    assert set(answer.codes) == {"127.0.0.5", "127.0.0.2"}
    assert {meaning.symbol for _, meaning in answer.listings} == {"DNSBL_FIRST", "DNSBL_FIRST_BOT"}


def test_bits_are_a_mask_and_no_number() -> None:
    answer = read_list_answer(MASKED, found("127.0.0.138"))
    assert {meaning.symbol for _, meaning in answer.listings} == {"DNSBL_MASKED_A", "DNSBL_MASKED_B", "DNSBL_MASKED_C"}
    assert read_list_answer(MASKED, found("127.0.0.139")).state is ListState.REFUSED
    assert read_list_answer(MASKED, found("127.1.0.2")).state is ListState.MALFORMED


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        (DnsState.NOT_FOUND, ListState.NOT_LISTED),
        (DnsState.REFUSED, ListState.REFUSED),
        (DnsState.SERVFAIL, ListState.FAILED),
        (DnsState.TIMEOUT, ListState.TIMEOUT),
        (DnsState.MALFORMED, ListState.MALFORMED),
        (DnsState.DISABLED, ListState.DISABLED),
    ],
)
def test_no_answer_is_no_listing(state: DnsState, wanted: ListState) -> None:
    answer = read_list_answer(FIRST, DnsAnswer(state, ("127.0.0.2",)))
    assert (answer.state, answer.listings) == (wanted, ())

"""DNS messages without a socket, against dnspython's own codec as the reference."""

from __future__ import annotations

import time

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState
from mailfilter.lookups.dns_names import (
    MAX_POINTERS,
    MalformedError,
    NotAskableError,
    name_text,
    pack_name,
    unpack_name,
)
from mailfilter.lookups.dns_wire import MAX_CHAIN, MAX_NEGATIVE_TTL, Query, Reading, make_query, read_reply

NAME = "2.0.0.127.bl.test"
SOA = "ns.test. hostmaster.test. 1 600 300 86400 {minimum}"

labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)
names = st.lists(labels, min_size=1, max_size=8).map(".".join)


def reply(
    *records: tuple[str, int, str, str],
    question: tuple[str, str] = (NAME, "A"),
    rcode: str = "NOERROR",
    authority: tuple[tuple[str, int, str, str], ...] = (),
    flags: int = dns.flags.RA,
) -> bytes:
    """A reply by dnspython: (owner, ttl, type, data) in order."""
    message = dns.message.make_response(dns.message.make_query(*question, id=7))
    message.flags |= flags
    message.set_rcode(dns.rcode.from_text(rcode))
    for section, entries in ((message.answer, records), (message.authority, authority)):
        for owner, ttl, kind, data in entries:
            section.append(dns.rrset.from_text(f"{owner}.", ttl, "IN", kind, data))
    return message.to_wire()


def read(wire: bytes, name: str = NAME, rdtype: str = "A") -> DnsAnswer | Reading:
    return read_reply(wire, make_query(DnsQuestion(name, rdtype), 7))


# ------------------------------------------------------------------------------------------------ questions
@given(names, st.sampled_from(["A", "AAAA", "TXT", "MX", "PTR", "NS", "SOA", "CNAME", "SRV", "CAA", "TYPE65280"]))
def test_a_question_is_what_dnspython_reads(name: str, rdtype: str) -> None:
    query = make_query(DnsQuestion(name, rdtype), 4711)
    for form in (query, query.plain()):
        message = dns.message.from_wire(form.wire)
        assert message.id == 4711
        assert message.flags == dns.flags.RD
        (question,) = message.question
        assert question.name == dns.name.from_text(name)
        assert question.to_text().split()[1:] == ["IN", rdtype]
        assert message.edns == (0 if form is query else -1)


@given(st.text(max_size=300))
@example("a" * 63 + ".test")
@example(".".join(["a" * 61] * 4))
@example("m\u00fcnchen.test")
@example("a\\.b.test")
@example("A.TEST.")
@example("")
@example(".")
def test_any_text_is_packed_or_refused(name: str) -> None:
    try:
        packed = pack_name(name)
    except NotAskableError:
        return
    assert packed == packed.lower()
    assert unpack_name(packed, 0) == (packed, len(packed))
    assert dns.name.from_wire(packed, 0)[0].to_wire() == packed
    assert pack_name(name_text(packed)) == packed


@pytest.mark.parametrize("name", ["a..b", ".a", "a" * 64, ".".join(["a" * 62] * 5), "x" * 5000, "\u00fc" * 70])
def test_what_dns_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(NotAskableError):
        pack_name(name)


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(NotAskableError, match="'NOSUCH' is no record type"):
        make_query(DnsQuestion(NAME, "NOSUCH"), 1)


# ------------------------------------------------------------------------------------------------ answers
@pytest.mark.parametrize(
    ("rdtype", "data", "text"),
    [
        ("A", "127.0.0.2", "127.0.0.2"),
        ("AAAA", "2001:DB8:0:0::1", "2001:db8::1"),
        ("TXT", '"v=spf1 " "-all"', "v=spf1 -all"),
        ("TXT", '"\\195\\188\\000"', "\u00c3\u00bc\x00"),
        ("TXT", '""', ""),
        ("PTR", "MX.Example.", "mx.example"),
        ("NS", "ns.example.", "ns.example"),
        ("MX", "10 Mx.Example.", "10 mx.example"),
        ("MX", "0 .", "0 ."),
        ("CNAME", "a\\.b.example.", "a\\.b.example"),
        ("SRV", "1 2 25 mx.example.", "1 2 25 mx.example."),
        ("CAA", '0 issue "ca.example"', '0 issue "ca.example"'),
    ],
)
def test_records_as_text(rdtype: str, data: str, text: str) -> None:
    answer = read(reply((NAME, 60, rdtype, data), question=(NAME, rdtype)), rdtype=rdtype)
    assert answer == DnsAnswer(DnsState.FOUND, (text,), 60)


addresses = st.tuples(st.integers(0, 99_999), st.ip_addresses(v=4))


@given(
    st.lists(addresses, min_size=1, max_size=30, unique_by=lambda record: record[1]),
    st.lists(st.tuples(names, st.ip_addresses(v=4)), max_size=5),
)
def test_all_addresses_and_only_those_of_the_name(records: list, others: list) -> None:  # type: ignore[type-arg]
    entries = [(NAME, ttl, "A", str(address)) for ttl, address in records]
    entries += [(f"other.{name}", 5, "A", str(address)) for name, address in others]
    answer = read(reply(*entries))
    assert isinstance(answer, DnsAnswer)
    assert answer.state is DnsState.FOUND
    assert answer.records == tuple(sorted(str(address) for _, address in records))
    assert answer.ttl == min(ttl for ttl, _ in records)


def test_an_alias_is_followed_whatever_the_order() -> None:
    records = [("b.test", 30, "CNAME", "c.test."), (NAME, 20, "CNAME", "B.test."), ("c.test", 50, "A", "127.0.0.3")]
    for order in (records, records[::-1]):
        assert read(reply(*order)) == DnsAnswer(DnsState.FOUND, ("127.0.0.3",), 20, alias="c.test")


def test_an_alias_itself_can_be_asked_for() -> None:
    wire = reply((NAME, 20, "CNAME", "b.test."), ("b.test", 9, "A", "127.0.0.3"), question=(NAME, "CNAME"))
    assert read(wire, rdtype="CNAME") == DnsAnswer(DnsState.FOUND, ("b.test",), 20)


def test_aliases_in_a_ring_or_without_end_are_malformed() -> None:
    ring = reply((NAME, 20, "CNAME", "b.test."), ("b.test", 20, "CNAME", f"{NAME}."))
    chain = [(f"n{n}.test", 20, "CNAME", f"n{n + 1}.test.") for n in range(MAX_CHAIN + 1)]
    endless = reply((NAME, 20, "CNAME", "n0.test."), *chain, (f"n{MAX_CHAIN + 1}.test", 20, "A", "127.0.0.2"))
    for wire in (ring, endless):
        answer = read(wire)
        assert isinstance(answer, DnsAnswer)
        assert answer.state is DnsState.MALFORMED


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "NOERROR"])
@pytest.mark.parametrize(
    ("ttl", "minimum", "kept"), [(60, 30, 30), (30, 60, 30), (10**6, 10**6, MAX_NEGATIVE_TTL), (60, 0, 0)]
)
def test_not_found_is_kept_as_the_soa_says(rcode: str, ttl: int, minimum: int, kept: int) -> None:
    answer = read(reply(rcode=rcode, authority=(("bl.test", ttl, "SOA", SOA.format(minimum=minimum)),)))
    assert isinstance(answer, DnsAnswer)
    assert (answer.state, answer.records, answer.ttl) == (DnsState.NOT_FOUND, (), kept)


def test_not_found_without_an_soa_of_its_own_zone_is_not_kept() -> None:
    for authority in ((), (("elsewhere.test", 60, "SOA", SOA.format(minimum=60)),)):
        answer = read(reply(rcode="NXDOMAIN", authority=authority))
        assert isinstance(answer, DnsAnswer)
        assert (answer.state, answer.ttl) == (DnsState.NOT_FOUND, 0)


# ------------------------------------------------------------------------------------------------ no answers
@pytest.mark.parametrize(
    ("wire", "state"),
    [
        (reply(rcode="SERVFAIL"), DnsState.SERVFAIL),
        (reply(rcode="REFUSED"), DnsState.REFUSED),
        (reply(rcode="NOTAUTH"), DnsState.SERVFAIL),
        (reply((NAME, 60, "A", "127.0.0.2"), rcode="SERVFAIL"), DnsState.SERVFAIL),
        (reply((NAME, 60, "A", "127.0.0.2"), rcode="NXDOMAIN"), DnsState.MALFORMED),
        (reply(("other.test", 60, "A", "127.0.0.2")), DnsState.MALFORMED),
        (reply(question=("other.test", "A")), DnsState.MALFORMED),
        (reply(question=(NAME, "AAAA")), DnsState.MALFORMED),
        (reply(authority=(("test", 60, "NS", "ns.test."),), flags=0), DnsState.SERVFAIL),
        (reply((NAME, 20, "CNAME", "b.test."), flags=0), DnsState.SERVFAIL),
        (dns.message.make_query(NAME, "A", id=7).to_wire(), DnsState.MALFORMED),
        (b"\0\x07", DnsState.MALFORMED),
        (b"", DnsState.MALFORMED),
    ],
)
def test_a_failure_is_no_answer(wire: bytes, state: DnsState) -> None:
    answer = read(wire)
    assert isinstance(answer, DnsAnswer)
    assert (answer.state, answer.records, answer.ttl) == (state, (), 0)
    assert answer.detail


@pytest.mark.parametrize(
    ("wire", "reading"),
    [
        (reply(flags=dns.flags.TC), Reading.TRUNCATED),
        (reply((NAME, 60, "A", "127.0.0.2"), flags=dns.flags.TC), Reading.TRUNCATED),
        (reply(rcode="FORMERR"), Reading.NO_EDNS),
        (reply(rcode="NOTIMP"), Reading.NO_EDNS),
        (b"\0\x08" + reply((NAME, 60, "A", "127.0.0.2"))[2:], Reading.ANOTHER),
        (b"\0\x08garbage", Reading.ANOTHER),
    ],
)
def test_what_wants_another_try(wire: bytes, reading: Reading) -> None:
    assert read(wire) is reading


def test_the_version_of_edns_is_refused() -> None:
    """BADVERS hides in the OPT record: without looking there it reads as an empty answer."""
    message = dns.message.make_response(dns.message.make_query(NAME, "A", id=7, use_edns=0))
    message.set_rcode(dns.rcode.BADVERS)
    query = make_query(DnsQuestion(NAME), 7)
    assert read_reply(message.to_wire(), query) is Reading.NO_EDNS
    answer = read_reply(message.to_wire(), query.plain())
    assert isinstance(answer, DnsAnswer)
    assert answer.state is DnsState.SERVFAIL


def test_a_refusal_may_come_without_the_question() -> None:
    bare = b"\0\x07\x81\x85" + bytes(8)
    answer = read(bare)
    assert isinstance(answer, DnsAnswer)
    assert answer.state is DnsState.REFUSED
    empty = read(b"\0\x07\x81\x80" + bytes(8))
    assert isinstance(empty, DnsAnswer)
    assert empty.state is DnsState.MALFORMED


# ------------------------------------------------------------------------------------------------ hostile bytes
WIRES = [
    reply((NAME, 60, "A", "127.0.0.2"), (NAME, 60, "A", "127.0.0.4")),
    reply((NAME, 60, "CNAME", "b.test."), ("b.test", 60, "A", "127.0.0.2")),
    reply(rcode="NXDOMAIN", authority=(("bl.test", 60, "SOA", SOA.format(minimum=60)),)),
]


changed = st.lists(st.tuples(st.integers(2, 90), st.integers(0, 255)), max_size=6)


@given(st.sampled_from(WIRES), changed, st.integers(0, 99))
def test_no_bytes_raise_and_nothing_is_made_up(wire: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    mutated = bytearray(wire)
    for place, value in changes:
        if place < len(mutated):
            mutated[place] = value
    answer = read(bytes(mutated[: len(mutated) - cut] if cut < 30 else mutated))
    assert isinstance(answer, DnsAnswer | Reading)
    if isinstance(answer, DnsAnswer):
        assert (answer.state is DnsState.FOUND) == bool(answer.records)
        assert answer.ttl == 0 or answer.state.known


@given(st.binary(max_size=120))
def test_noise_is_never_an_answer(noise: bytes) -> None:
    for wire in (noise, b"\0\x07\x81\x80\0\x01\0\x01\0\0\0\0" + noise):
        answer = read(wire)
        assert isinstance(answer, DnsAnswer | Reading)
        if isinstance(answer, DnsAnswer) and answer.state.known:
            assert pack_name(NAME) in wire.lower()


@given(st.sampled_from(WIRES))
def test_a_cut_message_is_malformed(wire: bytes) -> None:
    for end in range(2, len(wire)):
        answer = read(wire[:end])
        assert isinstance(answer, DnsAnswer)
        assert answer.state is DnsState.MALFORMED


@pytest.mark.parametrize(
    "wire", [b"\xc0\x00", b"\xc0\x02\xc0\x00", b"\x01a\xc0\x00", b"\x40a", b"\x3fabc", b"", b"\x3f" + b"a" * 63 * 5]
)
def test_names_that_lead_nowhere_end(wire: bytes) -> None:
    with pytest.raises((MalformedError, IndexError)):
        unpack_name(wire, 0)


def test_a_message_made_to_cost_time_is_read_in_time() -> None:
    """64 kB of records whose owners are the longest chains of pointers that are followed."""
    query = Query(7, pack_name(NAME), 1)
    at = 12 + len(query.name) + 4 + 11  # header, question, then a record whose data is the chain
    targets = [at, *(at + 3 + 2 * n for n in range(MAX_POINTERS - 2))]
    chain = b"\x01a\0" + b"".join((0xC000 | target).to_bytes(2, "big") for target in targets)
    carrier = b"\0\0\x10\0\x01\0\0\0\0" + len(chain).to_bytes(2, "big") + chain
    owner = (0xC000 | at + len(chain) - 2).to_bytes(2, "big")
    record = owner + b"\0\x05\0\x01\0\0\0\x3c\0\x02" + owner
    count = (65_000 - at - len(chain)) // len(record)
    wire = b"\0\x07\x81\x80\0\x01" + (count + 1).to_bytes(2, "big") + bytes(4)
    wire += query.name + b"\0\x01\0\x01" + carrier + record * count
    assert unpack_name(wire, wire.index(record)) == (b"\x01a\0", wire.index(record) + 2)
    begun = time.process_time()
    answer = read_reply(wire, query)
    assert time.process_time() - begun < 1.5
    assert isinstance(answer, DnsAnswer)
    assert answer.detail == "only records of other names"

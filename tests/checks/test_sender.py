"""The sender check beyond its golden cases: its laws, domains, and time that is bounded by size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.checks._hosts import FREEMAIL, SHORTENERS, brand_in, disguise, domain_of, registered_domain
from mailfilter.checks._lists import read_list
from mailfilter.checks._text import mixed_word, quote
from mailfilter.checks.sender import SenderCheck
from tests.checks.laws import laws_of, names, seconds

CHECK = SenderCheck()
test_laws = laws_of(CHECK)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("example.net", "example.net"),
        ("a.b.example.net", "example.net"),
        ("example.co.uk", "example.co.uk"),
        ("www.mail.example.co.uk", "example.co.uk"),
        ("example.net.", "example.net"),
        ("localhost", "localhost"),
        ("203.0.113.9", "203.0.113.9"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("", ""),
        ("co.uk", "co.uk"),
        ("a.co.example", "co.example"),
    ],
)
def test_registered_domains(host, domain):
    assert registered_domain(host) == domain


@given(st.text(max_size=300))
def test_a_registered_domain_is_the_end_of_its_host(host):
    domain = registered_domain(host)
    assert host.rstrip(".").endswith(domain)
    assert registered_domain(domain) == domain


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("a@example.net", "example.net"),
        ("A@EXAMPLE.Net", "example.net"),
        ("a@b@example.net", "example.net"),
        ("a", ""),
        ("", ""),
    ],
)
def test_domains_of_addresses(address, domain):
    assert domain_of(address) == domain


@pytest.mark.parametrize(
    ("host", "label"),
    [
        ("www.xn--pypal-4ve.com", "pаypal"),
        ("раураӏ.com", "раураӏ"),
        ("аррӏе.com", "аррӏе"),
        ("хор.рф", ""),
        ("хор.xn--p1ai", ""),
        ("xn--80ak6aa92e.com", "аррӏе"),
        ("münchen.example", ""),
        ("xn--e1afmkfd.example", ""),
        ("example.net", ""),
        ("xn--\ud800.net", ""),
        ("xn--99999999.net", ""),
        ("gοοgle.com", "gοοgle"),
    ],
)
def test_disguises(host, label):
    assert disguise(host) == label


@given(st.text(max_size=80))
def test_disguise_and_mixed_word_take_any_text(text):
    assert isinstance(disguise(text), str)
    assert isinstance(mixed_word(text), str)


@pytest.mark.parametrize(
    ("text", "domain", "brand"),
    [
        ("paypal service", "example.net", "paypal"),
        ("paypal service", "paypal.de", ""),
        ("paypals", "example.net", ""),
        ("wells-fargo", "example.net", "wells fargo"),
        ("wellsfargo", "wellsfargo.com", ""),
        ("american express", "aexp.com", ""),
        ("paypal and netflix", "paypal.com", "netflix"),
        ("", "", ""),
    ],
)
def test_brands(text, domain, brand):
    assert brand_in(text, domain) == brand


def test_lists_are_in_lower_case_sorted_and_without_repeats():
    tables = [read_list("domains.toml"), read_list("attachments.toml")]
    for table in tables:
        for key, words in table.items():
            if isinstance(words, list):
                assert words == sorted({word.lower() for word in words}), key
    for name, domains in read_list("brands.toml")["brands"].items():
        assert name == name.lower()
        assert all(registered_domain(domain) == domain for domain in domains if not domain.startswith("www.")), name


def test_listed_domains_are_registered_ones():
    assert [domain for domain in FREEMAIL if registered_domain(domain) != domain] == []
    assert all("." in host for host in SHORTENERS)


@given(st.text())
def test_quoted_text_is_one_printable_line(text):
    assert quote(text).isprintable()
    assert len(quote("x" * 1000)) == 82


@pytest.mark.parametrize(
    "field",
    [
        b"From: " + b"a@" * 500_000,
        b'From: "' + b"a.@b" * 250_000 + b'" <a@b.example>',
        b"To: " + b"a@b.example," * 50_000,
        b"From: " + b"paypal" * 160_000 + b" <a@b.example>",
        b"Reply-To: " + b"x@gmail.com, " * 50_000,
    ],
)
def test_a_megabyte_of_one_field_takes_bounded_time(field):
    raw = field + (b"" if field.startswith(b"From") else b"\nFrom: a@b.example") + b"\n\ntext\n"
    assert seconds(CHECK, raw) < 3


def test_only_the_first_author_counts():
    raw = b"From: Ada <ada@example.net>, PayPal <x@example.org>\n\n"
    assert "FROM_NAME_BRAND" not in names(CHECK, raw)

"""Names that lists are asked for: reversed addresses, domains in their forms, hashes as each list makes them."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.dnslists import DnsList, Subject, chosen_lists, question_names, raw_name
from mailfilter.dnslists.naming import LONGEST_NAME, host_name, link_text, normalised, registered_domain

CODES = {"127.0.0.2": {"symbol": "DNSBL_OWN", "points": 1, "description": "Listed."}}


def own(**table: Any) -> DnsList:
    (made,) = chosen_lists((), [{"name": "own", "zone": "bl.test", "codes": CODES, **table}])
    return made


def names(definition: DnsList, kind: str, value: str, source: str = "links") -> tuple[str, ...]:
    return question_names(definition, Subject(kind, source, value))


@given(st.ip_addresses())
def test_addresses_are_reversed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    (name,) = names(own(families=["ipv4", "ipv6"]), "ip", str(address), "client")
    labels = name.removesuffix(".bl.test").split(".")[::-1]
    if address.version == 4:
        assert labels == str(address).split(".")
    else:
        assert ("".join(labels), len(labels)) == (address.exploded.replace(":", ""), 32)


def test_a_list_is_asked_about_its_own_kinds_places_and_families() -> None:
    client = own()
    assert names(client, "ip", "1.2.3.4", "client") == ("4.3.2.1.bl.test",)
    assert names(client, "ip", "1.2.3.4", "hops") == ()
    assert names(client, "ip", "2a00::1", "client") == ()
    domains = own(kind="domain", ask=["from", "links"])
    assert names(domains, "domain", "a.spam.test", "from") == ("spam.test.bl.test",)
    assert names(domains, "domain", "a.spam.test", "helo") == ()
    assert names(domains, "ip", "1.2.3.4") == ()
    assert names(own(kind="domain", ask=["links"], addresses=True), "ip", "1.2.3.4") == ("4.3.2.1.bl.test",)
    assert names(own(kind="domain", ask=["from"], addresses=True), "ip", "1.2.3.4", "client") == ()
    assert names(own(kind="url", ask=["links"]), "domain", "spam.test") == ()


@pytest.mark.parametrize(
    ("form", "host", "asked"),
    [
        ("registered", "www.shop.example.co.uk", ["example.co.uk"]),
        ("host", "www.shop.example.co.uk", ["www.shop.example.co.uk"]),
        ("both", "www.shop.example.co.uk", ["www.shop.example.co.uk", "example.co.uk"]),
        ("both", "example.co.uk", ["example.co.uk"]),
        ("registered", "evil.github.io", ["evil.github.io"]),
        ("registered", "www.evil.github.io", ["evil.github.io"]),
        ("host", "co.uk", []),
    ],
)
def test_domains_in_the_form_that_a_list_wants(form: str, host: str, asked: list[str]) -> None:
    assert names(own(kind="domain", ask=["links"], form=form), "domain", host) == tuple(f"{n}.bl.test" for n in asked)


@pytest.mark.parametrize(
    ("method", "encoding"),
    [("md5", "hex"), ("md5", "base32"), ("sha1", "hex"), ("sha1", "base32"), ("sha256", "base32")],
)
def test_hashes(method: str, encoding: str) -> None:
    definition = own(kind="email", ask=["from"], hash=method, encoding=encoding)
    (name,) = names(definition, "email", "Joe@Spam.test", "from")
    label = name.removesuffix(".bl.test")
    assert len(label) <= 63
    assert label == label.lower()
    padded = label.upper() + "=" * (-len(label) % 8)
    found = bytes.fromhex(label) if encoding == "hex" else base64.b32decode(padded)
    assert found == hashlib.new(method, b"joe@spam.test").digest()
    assert raw_name(definition, "Joe@spam.test") == name


@pytest.mark.parametrize(
    ("address", "how", "wanted"),
    [
        ("Joe.Doe+news@Gmail.com", (), "joe.doe+news@gmail.com"),
        ("Joe.Doe+news@Gmail.com", ("tags",), "joe.doe@gmail.com"),
        ("Joe.Doe+news@Gmail.com", ("tags", "dots"), "joedoe@gmail.com"),
        ("Joe.Doe@GoogleMail.com", ("dots", "googlemail"), "joedoe@gmail.com"),
        ("Joe.Doe@GoogleMail.com", ("dots",), "joedoe@googlemail.com"),
        ("Joe.Doe+x@other.test", ("tags", "dots", "googlemail"), "joe.doe@other.test"),
        ("+tag@other.test", ("tags",), "+tag@other.test"),
    ],
)
def test_addresses_are_made_alike_as_a_list_wants(address: str, how: tuple[str, ...], wanted: str) -> None:
    assert normalised(address, how) == wanted


@pytest.mark.parametrize(
    ("url", "form", "wanted"),
    [
        ("HTTP://Bit.LY/AbC?x=1#part", "url", "http://bit.ly/AbC?x=1"),
        ("https://bit.ly:8080/a", "url", "https://bit.ly:8080/a"),
        ("https://bit.ly/AbC123", "host-path", "bit.ly/AbC123"),
        ("https://bit.ly/AbC?user=joe", "host-path", "bit.ly/AbC"),
        ("https://bit.ly/%41bC&rest", "host-path", "bit.ly/AbC"),
        ("https://bit.ly/", "host-path", ""),
        ("mailto:joe@spam.test", "url", ""),
        ("https://[broken", "url", ""),
        ("https://bit.ly:99999/a", "url", ""),
        ("", "url", ""),
    ],
)
def test_links(url: str, form: str, wanted: str) -> None:
    assert link_text(url, form) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Mail.Example.ORG.", "mail.example.org"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("localhost", ""),
        ("1.2.3.4", ""),
        ("[1.2.3.4]", ""),
        ("a..b", ""),
        ("-a.test", ""),
        ("a" * 64 + ".test", ""),
        ("a b.test", ""),
        ("x." * 130 + "test", ""),
        ("", ""),
    ],
)
def test_host_names(text: str, wanted: str) -> None:
    assert host_name(text) == wanted


@given(st.text(max_size=300))
def test_any_text_gives_a_name_that_can_be_asked_for_or_none(text: str) -> None:
    host = host_name(text)
    assert host.isascii()
    assert f".{host}".endswith(f".{registered_domain(host)}") or not registered_domain(host)
    for kind, source, form in (("domain", "links", "both"), ("url", "links", "url"), ("email", "body", "address")):
        definition = own(kind=kind, ask=[source], form=form)
        for name in question_names(definition, Subject(kind, source, host if kind == "domain" else text)):
            assert len(name) <= LONGEST_NAME
            assert all(0 < len(label) <= 63 for label in name.split("."))


def test_what_would_be_too_long_is_not_asked() -> None:
    host = ".".join(["a" * 60] * 4)
    assert len(host) < LONGEST_NAME
    assert (
        names(own(kind="domain", ask=["links"], form="host", zone="a-long-zone.of-a-list.test"), "domain", host) == ()
    )

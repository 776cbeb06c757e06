"""Addresses that were given to one sender: what a tag names, and what it does not."""

from __future__ import annotations

import pytest

from mailfilter.checks._subaddress import namer, tags


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("ada+shop@example.org", "shop.example"),
        ("ada-shop-news@example.org", "shop.example"),
        ("ada_news=shop@example.org", "shop.co.uk"),
        ("ada+bookshop@example.org", "bookshopmail.example"),
        ("ada+bookshopnews@example.org", "bookshop.example"),
        ("ada+shop@workshop.example", "shop.example"),
    ],
)
def test_a_tag_names_its_sender(address: str, domain: str) -> None:
    ((tag, at),) = tags([f'"Ada" <{address.upper()}>, x@example.org'], f"other.example {domain}")
    assert namer(tag, at, ["other.example", domain]) == domain


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("shop@example.org", "shop.example"),
        ("shop+ada@example.org", "shop.example"),
        ("ada.shop@example.org", "shop.example"),
        ("ada+shop@shop.example", "shop.example"),
        ("ada+shop@mail.shop.example", "shop.example"),
        ("ada+shopping@example.org", "shop.example"),
        ("ada+abc@example.org", "abc.example"),
        ("ada+@example.org", "shop.example"),
        ("ada+shop", "shop.example"),
        ("", "shop.example"),
        ("ada+shop@example.org", ""),
        ("ada+shop" + "x" * 64 + "@example.org", "shopx.example"),
    ],
)
def test_what_names_nobody(address: str, domain: str) -> None:
    assert [namer(tag, at, [domain]) for tag, at in tags([address], domain)] in ([], [""])

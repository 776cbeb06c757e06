"""The quick look that says which rules may find something leaves out none that does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.checks import Mail, claims, headers, sender
from mailfilter.envelope import Envelope
from mailfilter.message import Message

from .laws import GOLDEN, lawful, mails

STATES: list[tuple[Any, Callable[[Mail], Any]]] = [
    (headers, lambda mail: headers._Block(mail.message)),
    (sender, lambda mail: sender._Sender(*mail)),
    (claims, lambda mail: claims._Claims(*mail)),
]
ENVELOPES = [
    Envelope(),
    Envelope(client_ip="203.0.113.9", client_name="", helo="x", mail_from="a@example.net", rcpt_to=["b@exarnple.org"]),
]
names = st.sampled_from(
    [
        b"From", b"To", b"Date", b"Subject", b"Received", b"Delivered-To", b"Message-ID", b"Reply-To", b"X-Mailer",
        b"X-Spam-Flag",
    ]
)  # fmt: skip
values = st.sampled_from(
    [
        b"", b"Re: x", b"\xc2\xa0re: x", b"RE[2]:  x      x", b"FREE MONEY FOR YOU", b"(x) FREE MONEY FOR\xc3\x9f",
        b"\xa0undisclosed-recipients:;", b" Unlisted recipients", b'"a@example.org" <b@gmail.com>', b"b@gmail.com",
        b"PayPal <x@paypa1-account.example>", b"=?utf-8?b?cGF5cGFs?= <b@xn--e1afmkfd.example>", b"x@\xd0\xb0.example",
        b"<1@gmail.com>", b"Outlook Express 5.0", b"Thu, 22 Aug 2002 18:26:25 +0700", b"qwrtzp7x9k@b.example",
        b"b@gm\n ail.com", b"from a (b [203.0.113.9]) by c; Thu, 29 Aug 2002 18:26:25 +0700",
    ]
)  # fmt: skip
blocks = st.lists(st.tuples(names, values), max_size=9).map(
    lambda fields: b"".join(b"%b: %b\n" % field for field in fields) + b"\nDear b@example.org, hello\n"
)


def overlooked(module: Any, state: Any) -> list[str]:
    suspected = list(module._suspected(state))
    found = [rule for rule in module._RULES if rule(state) is not None]
    assert sorted(suspected, key=module._RULES.index) == suspected
    return [rule.__name__ for rule in found if rule not in suspected]


@pytest.mark.parametrize(("module", "state"), STATES, ids=lambda value: getattr(value, "__name__", ""))
@lawful
@given(mail=mails() | st.builds(Mail, blocks.map(Message), st.sampled_from(ENVELOPES)))
def test_no_rule_is_overlooked(module: Any, state: Callable[[Mail], Any], mail: Mail) -> None:
    assert not overlooked(module, state(mail))


def test_golden_mails_are_looked_at_whole() -> None:
    for module, state in STATES:
        for raw in GOLDEN:
            for envelope in ENVELOPES:
                assert not overlooked(module, state(Mail(Message(raw), envelope)))

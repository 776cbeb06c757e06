"""Allow and deny lists: no allow entry without its proof (law 6), and what a forged sender gets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import Config, Envelope, FilterChain, Mail, Message, SettingError, Symbol
from mailfilter.authentication.results import Proved, proved
from mailfilter.decision import ALLOWED, DENIED, Action, Reason
from mailfilter.policy.entries import PROOFS
from mailfilter.policy.senders import UNPROVED, SenderLists, hidden, symbols
from mailfilter.symbols import Findings, declared_by
from mailfilter.verdict import Verdict

FROM = b"From: Anna <anna@partner.example>\nSubject: x\n\nhello\n"
ENVELOPE = Envelope(client_ip="203.0.113.9", mail_from="anna@partner.example", rcpt_to=["b@example.org"])
ALL = "spf=pass smtp.mailfrom=partner.example; dkim=pass header.d=partner.example header.s=k; "
ALL += "dmarc=pass header.from=partner.example"


class Authenticated:
    """Stands for the authentication check: says that authentication found this."""

    name = "authentication"
    symbols = declared_by("authentication")

    def __init__(self, said: str, cut: bool = False) -> None:
        self.said, self.cut = said, cut

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        found = [Symbol("AUTH_RESULTS", 1.0, self.said), *([Symbol("DKIM_BODY_CUT")] if self.cut else [])]
        return [(*found, Symbol("DKIM_INVALID", 100.0)) for _ in mails]


def verdict(
    table: dict[str, Any], said: str = ALL, raw: bytes = FROM, envelope: Envelope = ENVELOPE, **more: Any
) -> Verdict:
    config = Config.from_mapping({"senders": table, "scores": {"DKIM_INVALID": 1.0}})
    with FilterChain(config, checks=[Authenticated(said, **more)], lookups=()) as chain:
        return chain.check(raw, envelope)


def names(found: Verdict) -> set[str]:
    return {symbol.name for symbol in found.symbols if symbol.name.startswith("SENDER_")}


def allow(*proof: str, senders: Sequence[str] = ("partner.example",), **more: Any) -> dict[str, Any]:
    return {"allow": [{"senders": list(senders), "proof": list(proof), **more}]}


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        ("spf", "spf=pass smtp.mailfrom=partner.example; dkim=none"),
        ("dkim", "dkim=pass header.d=partner.example header.s=k"),
        ("dkim", "dkim=fail reason=x header.d=a.example header.s=k; dkim=pass header.d=partner.example header.s=k"),
        ("dmarc", "dkim=none; dmarc=pass header.from=partner.example"),
    ],
)
def test_a_proved_sender_is_let_in_and_only_with_that_proof(proof: str, said: str) -> None:
    found = verdict(allow(proof), said)
    assert (found.action, found.reason, names(found)) == (Action.ACCEPT, Reason.ALLOWED, {ALLOWED})
    for other in {"spf", "dkim", "dmarc"} - {proof}:
        without = verdict(allow(other), said)
        assert (without.action, names(without)) == (Action.BOUNCE, {UNPROVED}), other
    assert verdict(allow(*PROOFS[:3]), said).action is Action.ACCEPT


@pytest.mark.parametrize(
    "said",
    [
        "",
        "spf=fail smtp.mailfrom=partner.example; dkim=none; dmarc=fail policy.dmarc=reject header.from=partner.example",
        "spf=pass smtp.helo=partner.example; dkim=pass header.d=evil.example header.s=partner.example",
        "spf=pass smtp.mailfrom=evil.example; dkim=policy header.d=partner.example header.s=k",
        'dkim=pass header.d="partner.example" header.s=k; dmarc=pass header.from=xpartner.example',
    ],
)
def test_a_forged_allowed_sender_has_no_effect_and_is_shown(said: str) -> None:
    found = verdict(allow("dmarc", "dkim", "spf", reason="our supplier"), said)
    assert (found.action, found.reason) == (Action.BOUNCE, Reason.SCORE)
    (shown,) = (symbol for symbol in found.symbols if symbol.name == UNPROVED)
    assert shown.evidence == "partner.example not proved by dmarc or dkim or spf: our supplier"


def test_every_author_in_every_reading_has_to_be_proved() -> None:
    two = b"From: x@evil.example\n" + FROM
    assert verdict(allow("dkim"), raw=two).action is Action.BOUNCE
    both = b"From: Anna <anna@partner.example>, x@evil.example\n\n"
    assert names(verdict(allow("dmarc"), raw=both)) == {UNPROVED}
    assert verdict(allow("spf"), raw=two).action is Action.ACCEPT


def test_a_signature_above_the_author_proves_and_one_beside_it_does_not() -> None:
    raw = b"From: a@sub.partner.example\n\n"
    entry = allow("dkim", senders=[".partner.example"])
    assert verdict(entry, raw=raw).action is Action.ACCEPT
    assert verdict(entry, "dkim=pass header.d=b.partner.example header.s=k", raw=raw).action is Action.BOUNCE


def test_a_body_that_is_signed_in_part_proves_nothing() -> None:
    assert verdict(allow("dkim", "dmarc"), cut=True).action is Action.BOUNCE
    assert verdict(allow("dkim", "spf"), cut=True).action is Action.ACCEPT


def test_the_clients_network_proves_where_an_entry_says_so() -> None:
    table = allow("address", networks=["203.0.113.0/24"])
    assert verdict(table, "").action is Action.ACCEPT
    elsewhere = Envelope(client_ip="198.51.100.1", mail_from="anna@partner.example")
    assert names(verdict(table, "", envelope=elsewhere)) == {UNPROVED}
    assert verdict({"allow": [{"networks": ["203.0.113.9"]}]}, "", b"From: x@y.example\n\n").action is Action.ACCEPT
    assert verdict(table, "", b"\n", Envelope(client_ip="203.0.113.9")).action is Action.BOUNCE


RELAYED = b"""Received: from mx.partner.example (mx.partner.example [203.0.113.9])
 by relay.ours.example; Tue, 1 Sep 2026 10:00:00 +0000
Received: from evil.example (evil.example [198.51.100.7]) by mx.partner.example; Tue, 1 Sep 2026 09:59:00 +0000
"""


@pytest.mark.parametrize(
    ("networks", "trusted", "action"),
    [
        (["203.0.113.0/24"], ["192.0.2.0/24"], Action.ACCEPT),
        (["203.0.113.0/24"], [], Action.BOUNCE),  # not ours: what it says of others proves nothing
        (["198.51.100.0/24"], ["192.0.2.0/24"], Action.BOUNCE),  # anybody can write that field
        (["192.0.2.1"], ["192.0.2.0/24"], Action.ACCEPT),  # who names the relay itself means it
    ],
)
def test_networks_are_looked_at_behind_our_own_hosts(networks: list[str], trusted: list[str], action: Action) -> None:
    table = {"allow": [{"networks": networks}]}
    config = Config.from_mapping(
        {"senders": table, "trust": {"networks": trusted}, "scores": {"DKIM_INVALID": 1.0}}
    )
    envelope = Envelope(client_ip="192.0.2.1", mail_from="anna@partner.example")
    with FilterChain(config, checks=[Authenticated("")], lookups=()) as chain:
        assert chain.check(RELAYED + FROM, envelope).action is action
        assert chain.check(FROM, Envelope(mail_from="anna@partner.example")).action is Action.BOUNCE


@pytest.mark.parametrize("deny", [["partner.example"], ["anna@PARTNER.example"], [".example"], ["boss@other.example"]])
def test_a_denied_claim_is_enough_and_beats_the_allow_list(deny: list[str]) -> None:
    table = {**allow("dmarc"), "deny": [{"senders": deny, "reason": "quarrel"}]}
    raw = b"From: boss@other.example\n" + FROM
    found = verdict(table, raw=raw)
    assert (found.action, found.reason) == (Action.BOUNCE, Reason.DENIED)
    assert "MF-DENIED" in str(found.smtp_reply)
    assert any(symbol.evidence.endswith(": quarrel") for symbol in found.symbols if symbol.name == DENIED)


def test_an_entry_for_some_recipients_is_for_them_only() -> None:
    table = allow("dmarc", recipients=["b@example.org", ".sales.example"])
    both = Envelope(mail_from="anna@partner.example", rcpt_to=["c@example.org", "b@Example.org", "x@eu.sales.example"])
    found = verdict(table, envelope=both)
    assert [one.action.value for one in found.recipients] == ["bounce", "accept", "accept"]
    assert [one.carried.value for one in found.recipients] == ["quarantine", "accept", "accept"]
    assert verdict(table, envelope=Envelope()).action is Action.BOUNCE


@pytest.mark.parametrize(
    ("until", "came", "action"),
    [
        (date(2026, 5, 1), "2026-05-01T23:59:59+00:00", "accept"),
        (date(2026, 5, 1), "2026-05-02T00:00:00+00:00", "bounce"),
        (datetime(2026, 5, 1, 12), "2026-05-01T11:59:59+00:00", "accept"),
        (datetime(2026, 5, 1, 12), "2026-05-01T12:00:00+00:00", "bounce"),
    ],
)
def test_an_entry_ends(until: date, came: str, action: str) -> None:
    moment = datetime.fromisoformat(came).timestamp()
    envelope = Envelope(mail_from="anna@partner.example", received_at=moment)
    found = verdict(allow("dmarc", until=until), envelope=envelope)
    assert found.action == action
    assert names(found) == ({ALLOWED} if action == "accept" else set())


def test_faults_are_named_with_their_place() -> None:
    entries = [
        {"senders": ["partner.example"]},
        {"senders": ["*"], "proof": ["dkim"]},
        {"senders": ["a.example"], "proof": ["address"]},
        {"senders": ["a.example"], "proof": ["dkim"], "networks": ["192.0.2.0/24"]},
        {"networks": ["192.0.2.1/24"], "proof": ["spf"]},
        {"senders": ["a.example"], "proof": ["faith"], "until": "soon"},
        {},
    ]
    with pytest.raises(SettingError) as error:
        Config.from_mapping({"senders": {"allow": entries, "deny": [{"senders": ["a.example"], "proof": ["spf"]}]}})
    said = "\n".join(error.value.faults)
    for fault in (
        "senders.allow[1].proof: anyone can claim to be partner.example",
        'senders.allow[2].senders: "*" is no address',
        "senders.allow[3].proof: networks prove senders where the proof is address: networks is missing",
        'senders.allow[4].proof: networks prove senders where the proof is address: "address" as a proof is missing',
        "senders.allow[5].networks:",
        "senders.allow[5].proof: networks are proved by the client's address",
        'senders.allow[6].proof: no proof "faith"',
        "senders.allow[6].until: a date (2027-01-31) or a time",
        "senders.allow[7]: an entry names senders, networks or both",
        "senders.deny[1].proof: unknown setting",
    ):
        assert fault in said, fault


def test_a_file_of_entries(tmp_path: Path) -> None:
    path = tmp_path / "senders.toml"
    path.write_text('[[allow]]\nsenders = ["partner.example"]\nproof = ["dmarc"]\nuntil = 2999-01-31\n')
    assert verdict({"path": str(path)}).action is Action.ACCEPT
    path.write_text('[[allow]]\nsenders = ["partner.example"]\n[[permit]]\n')
    for text, said in (
        (path.read_text(), "permit: unknown"),
        (path.read_text(), f"{path}: allow[1].proof: anyone can claim"),
        ("allow = 3", "[[allow]]"),
        ("[[", "is not valid TOML"),
    ):
        path.write_text(text)
        with pytest.raises(SettingError, match=re.escape(said)):
            verdict({"path": str(path)})
    with pytest.raises(SettingError, match="cannot be read"):
        verdict({"path": str(tmp_path / "none.toml")})


def test_what_was_found_out_is_read_back_as_it_was_written() -> None:
    assert proved(ALL) == Proved(*[frozenset({"partner.example"})] * 3)
    assert proved("spf=pass smtp.mailfrom=A.example; spf=pass smtp.helo=b.example").spf == {"a.example"}


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_no_value_of_a_sender_looks_like_a_proof(domain: str, selector: str, sender: str) -> None:
    """Whatever stands in a signature or an address, only what passed is read as proved."""
    from mailfilter.authentication.arc import ArcAnswer
    from mailfilter.authentication.dkim import DkimAnswer
    from mailfilter.authentication.evaluation import Authentication
    from mailfilter.authentication.outcome import Outcome
    from mailfilter.authentication.results import results
    from mailfilter.authentication.spf import SpfAnswer, SpfResult

    evil = "; spf=pass smtp.mailfrom=evil.example; dmarc=pass header.from=evil.example; x="
    failed = DkimAnswer(Outcome.FAIL, domain + evil, selector + evil, evil)
    passed = DkimAnswer(Outcome.PASS, "good.example", selector + evil, "")
    spf = SpfAnswer(SpfResult.FAIL, sender + evil, evil)
    said = results(Authentication(spf, spf, (failed, passed), ArcAnswer(Outcome.NONE), ()))
    assert proved(said) in (Proved(), Proved(dkim=frozenset({"good.example"})))


entries = st.lists(
    st.fixed_dictionaries(
        {"senders": st.lists(st.sampled_from(["partner.example", "anna@partner.example", ".example"]), min_size=1)},
        optional={
            "recipients": st.lists(st.sampled_from(["b@example.org", "example.org", "c@example.com"]), min_size=1)
        },
    ),
    min_size=1,
    max_size=5,
)


def lists(allowed: list[dict[str, Any]], denied: list[dict[str, Any]]) -> SenderLists:
    table = {"allow": [{**entry, "proof": ["dmarc", "spf"]} for entry in allowed], "deny": denied}
    return SenderLists(*Config.from_mapping({"senders": table}).sender_entries())


@given(entries, entries, st.randoms(), st.sampled_from(["", ALL]))
def test_the_order_of_entries_does_not_matter(
    allowed: list[dict[str, Any]], denied: list[dict[str, Any]], random: Any, said: str
) -> None:
    mail, found = Mail(Message(FROM), ENVELOPE), [Symbol("AUTH_RESULTS", 1.0, said)]
    one = lists(allowed, denied).look(mail, found)
    for each in (allowed, denied):
        random.shuffle(each)
    other = lists(allowed, denied).look(mail, found)
    assert symbols(one) == symbols(other)
    for recipient in ("b@example.org", "c@example.com", None):
        assert hidden(one, recipient) == hidden(other, recipient)


@given(st.binary(max_size=300), st.text(max_size=40))
def test_any_mail_and_envelope_can_be_looked_up(raw: bytes, sender: str) -> None:
    chosen = lists([{"senders": [".example"]}], [{"senders": ["evil.example"]}])
    for head in (b"", b"From: "):
        mail = Mail(Message(head + raw), Envelope(mail_from=sender, rcpt_to=[sender]))
        assert ALLOWED not in {one.symbol for one in chosen.look(mail, [])}


def test_ten_thousand_entries_cost_no_more_than_one() -> None:
    """Counted, not timed: the steps of a lookup do not grow with the entries."""
    import sys

    many = [{"senders": [f"s{n}.example" for n in range(10_000)]}]
    mail = Mail(Message(FROM), ENVELOPE)

    def steps(chosen: SenderLists) -> int:
        count = 0

        def counted(*_: object) -> Any:
            nonlocal count
            count += 1
            return counted

        sys.settrace(counted)
        chosen.look(mail, [])
        sys.settrace(None)
        return count

    few = [{"senders": ["s1.example"]}]
    lists(few, few).look(mail, [])
    assert steps(lists(many, many)) <= 2 * steps(lists(few, few))

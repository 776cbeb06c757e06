"""What is known of senders: facts, labels, and that nobody can take another's name."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter import Config, Envelope, FilterChain, Mail, Message, Symbol
from mailfilter.checks import Asking
from mailfilter.cli import main
from mailfilter.errors import StoreError
from mailfilter.greylist import Greylist
from mailfilter.reputation import CAP, GROUP, UNKNOWN, Reputation
from mailfilter.reputation.facts import Limits
from mailfilter.reputation.labels import MOST, Labels
from mailfilter.stores.keyed import DAY
from mailfilter.symbols import declared_by, shipped_catalogue
from mailfilter.testing.clock import FakeClock

T0 = 1_700_000_000.0 - 1_700_000_000.0 % DAY
CAME = Envelope(client_ip="203.0.113.9", mail_from="ada@sender.test", rcpt_to=["ben@example.org"])
POINTS = {info.name: info.points for info in shipped_catalogue() if info.group == GROUP}
SPF = "spf=pass smtp.mailfrom=sender.test"


def raw(number: int = 0, sender: str = "ada@sender.test") -> bytes:
    return f"From: {sender}\nMessage-ID: <{number}@x>\nSubject: 0\n\nmail {number}\n".encode()


def said(*results: str, cut: bool = False) -> list[Symbol]:
    found = [Symbol("AUTH_RESULTS", 1.0, "; ".join(results))] if results else []
    return found + [Symbol("DKIM_BODY_CUT")] * cut


def memory(limits: Limits = Limits(settle=0), **given: Any) -> tuple[Reputation, FakeClock]:  # noqa: B008
    clock = FakeClock(T0)
    return Reputation(limits=limits, clock=clock, **given), clock


def noted(
    found: Reputation, results: Sequence[Symbol] = (), number: int = 0, sender: str = "ada@sender.test", **given: Any
) -> dict[str, float]:
    """Names and values of one mail's findings, but for the facts."""
    greylist = given.pop("greylist", None)
    mail = Mail(Message(raw(number, sender)), replace(CAME, **given))
    (symbols,) = found.note([mail], [results], greylist)
    return {symbol.name: symbol.value for symbol in symbols if symbol.name != "SENDER_SEEN"}


def test_a_proved_domain_is_new_and_then_no_more() -> None:
    found, clock = memory()
    values = []
    for _ in range(5):
        values.append(noted(found, said(SPF)).get("SENDER_NEW", 0))
        clock.advance(DAY)
    assert values == pytest.approx([1, 2 / 3, 1 / 3, 0, 0])
    assert noted(found, said("spf=pass smtp.mailfrom=other.test"), sender="a@other.test", mail_from="b@other.test")


def test_a_young_memory_does_not_know_who_is_new() -> None:
    found, clock = memory(Limits(settle=7, burst=1))
    many = {"rcpt_to": ["a@example.org", "b@example.org"]}
    assert noted(found, said(SPF), **many) == {}
    clock.advance(7 * DAY)
    dkim = said("dkim=pass header.d=other.test header.s=s")
    assert noted(found, dkim, sender="a@other.test", client_ip="198.51.100.1", **many) == {
        "SENDER_NEW": 1,
        "SENDER_BURST": 1,
    }


def test_facts_are_told_of_address_domain_and_network() -> None:
    found, clock = memory()
    mails = [Mail(Message(raw(n)), CAME) for n in range(3)]
    found.note(mails, [said(SPF)] * 3)
    clock.advance(2 * DAY)
    ((seen, *_),) = found.note([Mail(Message(raw(sender="eve@sender.test")), CAME)], [said(SPF)])
    known = "since 2023-11-14, last 2023-11-14, 2 days, 4 mails"
    assert seen.name == "SENDER_SEEN"
    assert seen.evidence == (
        f"'sender.test' (proved by spf) {known}; 'eve@sender.test' for the first time; 203.0.113.0/24 {known}"
    )


@pytest.mark.parametrize(
    ("results", "mail_from", "proof"),
    [
        (said(SPF), "bounce@sender.test", "spf"),
        (said(SPF), "bounce@other.test", ""),
        (said("spf=pass smtp.mailfrom=other.test"), "bounce@other.test", ""),
        (said("spf=pass smtp.mailfrom=below.sender.test"), "a@below.sender.test", ""),
        (said("dmarc=pass header.from=sender.test"), "bounce@other.test", "dmarc"),
        (said("dmarc=pass header.from=sender.test", cut=True), "bounce@other.test", ""),
        (said("dmarc=fail policy.dmarc=none header.from=sender.test"), "a@sender.test", ""),
        (said("dkim=pass header.d=sender.test header.s=s"), "", "dkim"),
        (said("dkim=pass header.d=sender.test header.s=s", cut=True), "", ""),
        (said("dkim=pass header.d=below.sender.test header.s=s"), "", ""),
        (said("dkim=fail header.d=sender.test header.s=s"), "", ""),
        (said(), "a@sender.test", ""),
    ],
)
def test_what_proves_a_sender(results: list[Symbol], mail_from: str, proof: str) -> None:
    found, _ = memory()
    ((seen, *_),) = found.note([Mail(Message(raw()), replace(CAME, mail_from=mail_from))], [results])
    assert seen.evidence.startswith(f"'sender.test' ({'proved by ' + proof if proof else 'not proved'})")


def test_two_authors_are_none() -> None:
    found, _ = memory()
    two = Mail(Message(b"From: a@sender.test\nFrom: b@sender.test\n\n"), CAME)
    ((seen,),) = found.note([two], [said(SPF)])
    assert seen.evidence == "203.0.113.0/24 for the first time"


def test_ours_are_not_noted() -> None:
    found, _ = memory()
    assert noted(found, said(SPF), auth_user="ada") == noted(found, said(SPF), direction="outbound") == {}
    assert noted(found, said(SPF)) == {"SENDER_NEW": 1}


def test_taught_by_people() -> None:
    found, clock = memory(Limits(new=0))
    for number in range(3):
        noted(found, said(SPF), number)
    for number, value in enumerate((1 / 2, 2 / 3, 3 / 4)):
        headed = b"Received: from x by y; later\nX-Folder: junk\n" + raw(number)
        assert found.teach([(headed, True)]) == 1
        assert noted(found, said(SPF), 9) == {"SENDER_TAUGHT_SPAM": pytest.approx(value)}
    assert found.teach([(raw(number), True) for number in range(3)]) == 3, "once more is no more"
    assert noted(found, said(SPF), 9) == {"SENDER_TAUGHT_SPAM": 3 / 4}
    assert noted(found, said(SPF), 9, "other@sender.test") == {"SENDER_TAUGHT_SPAM": 3 / 4}, "the domain's"
    found.teach([(raw(number), None) for number in range(3)])
    assert noted(found, said(SPF), 9) == {}
    found.teach([(raw(0), False)])
    assert noted(found, said(SPF), 9) == {"SENDER_KNOWN": 0.5}
    for _ in range(10):
        clock.advance(DAY)
        noted(found, said(SPF), 9)
    assert noted(found, said(SPF), 9) == {"SENDER_KNOWN": 1.0}


def test_only_what_was_proved_when_it_came_is_taught() -> None:
    found, _ = memory(Limits(new=0))
    noted(found, number=1)
    noted(found, said(SPF), 2)
    assert found.teach([(raw(1), False), (raw(3), False)]) == 0
    stolen = raw(2, "eve@other.test")
    assert found.teach([(stolen, False)]) == 0, "the same text of another"
    assert noted(found, said(SPF)) == {}


def test_free_mailboxes_are_taught_one_by_one() -> None:
    found, _ = memory(Limits(new=0))
    dmarc = said("dmarc=pass header.from=gmail.com")
    noted(found, dmarc, 1, "eve@gmail.com")
    found.teach([(raw(1, "eve@gmail.com"), True)])
    assert noted(found, dmarc, 2, "eve@gmail.com") == {"SENDER_TAUGHT_SPAM": 0.5}
    assert noted(found, dmarc, 2, "ada@gmail.com") == {}


def test_correspondents_are_known_where_they_are_proved() -> None:
    found, clock = memory(Limits(new=0))
    greylist = Greylist(clock=clock)
    greylist.sent(Envelope(mail_from="ben@example.org", rcpt_to=["Ada@Sender.test"], auth_user="ben"))
    assert noted(found, said(SPF), greylist=greylist) == {"SENDER_KNOWN": 0.5}
    assert noted(found, greylist=greylist) == {}
    assert noted(found, said(SPF), greylist=greylist, rcpt_to=["cem@example.org"]) == {}


def test_the_age_of_a_domain_where_the_caller_knows_it() -> None:
    ages: dict[str, Any] = {"sender.test": 3.5, "old.test": 4000.0, "odd.test": float("-inf")}
    found, _ = memory(Limits(new=0), domain_age=lambda domain: ages[domain])
    assert noted(found) == {"SENDER_DOMAIN_YOUNG": pytest.approx(0.9)}
    assert noted(found, sender="a@old.test") == noted(found, sender="a@odd.test") == {}
    assert noted(found, sender="a@none.test") == {}, "a hook that fails knows nothing"


class Dead:
    def sight(self, *_: Any) -> Any:
        raise StoreError("gone")

    def close(self) -> None:
        pass


def test_a_store_that_fails_is_unknown_and_no_points() -> None:
    found = Reputation(Dead())  # type: ignore[arg-type]
    assert noted(found, said(SPF)) == {UNKNOWN: 1}
    assert noted(found, said(SPF), auth_user="ada") == {}
    with FilterChain(Config(), checks=[Proves()], reputation=found) as chain:
        verdict = chain.check(raw(), CAME)
    assert (verdict.score, [symbol.name for symbol in verdict.unknown]) == (0, [UNKNOWN])


def test_a_damaged_entry_is_a_failure_of_the_store() -> None:
    found, _ = memory()
    noted(found, said(SPF), 1)
    found.teach([(raw(1), True)])
    found.store._db.execute("UPDATE keyed SET value = x'6c01' WHERE substr(value, 1, 1) = x'6c'")  # type: ignore
    assert noted(found, said(SPF)) == {UNKNOWN: 1}
    with pytest.raises(StoreError, match="damaged"):
        found.teach([(raw(1), True)])


# ---------------------------------------------------------------- laws

RESULTS = st.sampled_from([said(SPF), said(), said("dmarc=pass header.from=sender.test"), said(SPF, cut=True)])
SENDERS = st.sampled_from(["ada@sender.test", "eve@sender.test", "eve@other.test", "a@gmail.com"])
MAILS = st.lists(
    st.tuples(
        st.integers(0, 4), SENDERS, RESULTS, st.sampled_from(["203.0.113.9", "198.51.100.1"]), st.integers(1, 30)
    ),
    max_size=12,
)


def _mails(rows: Sequence[Any]) -> tuple[list[Mail], list[list[Symbol]]]:
    mails = [
        Mail(Message(raw(n, sender)), replace(CAME, client_ip=client, rcpt_to=["b@example.org"] * many))
        for n, sender, _, client, many in rows
    ]
    return mails, [results for _, _, results, *_ in rows]


@settings(max_examples=60, deadline=None)
@given(MAILS, st.integers(1, 5))
def test_any_batch_says_the_same(rows: list[Any], size: int) -> None:
    mails, results = _mails(rows)
    whole = memory()[0].note(mails, results)
    pieces, _ = memory()
    parts = [pieces.note(mails[at : at + size], results[at : at + size]) for at in range(0, len(mails), size)]
    assert [one for part in parts for one in part] == list(whole)


@settings(max_examples=60, deadline=None)
@given(MAILS, st.randoms(use_true_random=False))
def test_what_is_known_afterwards_does_not_depend_on_the_order(rows: list[Any], random: Any) -> None:
    mixed = list(rows)
    random.shuffle(mixed)
    last = (9, "ada@sender.test", said(SPF), "203.0.113.9", 1)
    ends = []
    for each in (rows, mixed):
        found, _ = memory()
        mails, results = _mails([*each, last])
        ends.append(found.note(mails, results)[-1])
    assert ends[0] == ends[1]


@settings(max_examples=80, deadline=None)
@given(MAILS, st.lists(st.tuples(st.integers(0, 4), SENDERS, st.sampled_from([True, False, None])), max_size=8))
def test_a_forger_has_neither_use_nor_harm_of_a_name(rows: list[Any], taught: list[Any]) -> None:
    """Whatever others send and people teach of it: unproved mail is nobody's, and the proved sender is as before."""
    found, clock = memory(Limits(new=3, settle=0, burst=10**6))
    greylist = Greylist(clock=clock)
    greylist.sent(Envelope(mail_from="b@example.org", rcpt_to=["ada@sender.test"], auth_user="b"))
    mails, _ = _mails(rows)
    findings = found.note(mails, [said()] * len(mails), greylist)
    found.teach([(raw(n, sender), spam) for n, sender, spam in taught])
    findings += found.note(mails, [said()] * len(mails), greylist)
    assert {symbol.name for one in findings for symbol in one} <= {"SENDER_SEEN"}
    assert noted(found, said(SPF), rcpt_to=["c@example.org"], client_ip=None) == {"SENDER_NEW": 1}


@settings(max_examples=60, deadline=None)
@given(MAILS, st.lists(st.tuples(st.integers(0, 4), SENDERS, st.booleans()), max_size=8), st.floats(-3, 40))
def test_points_are_bounded(rows: list[Any], taught: list[Any], age: float) -> None:
    found, _ = memory(Limits(burst=2), domain_age=lambda _: age)
    mails, results = _mails(rows)
    findings = found.note(mails, results)
    found.teach([(raw(n, sender), spam) for n, sender, spam in taught])
    findings += found.note(mails, results)
    for one in findings:
        names = [symbol.name for symbol in one]
        assert len(set(names)) == len(names)
        assert not {"SENDER_KNOWN", "SENDER_TAUGHT_SPAM"} <= set(names)
        assert all(0 < symbol.value <= 1 for symbol in one)


def test_the_cap_is_below_the_mildest_limit() -> None:
    policy = Config().policy
    assert policy.greylist is not None
    assert policy.greylist > CAP
    assert sum(points for points in POINTS.values() if points > 0) > CAP, "so it has to be cut"


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([True, False, None]))))
def test_labels_are_a_set_of_mails(steps: list[Any]) -> None:
    labels, expected = Labels(), dict[bytes, bool]()
    for number, spam in steps:
        name = bytes([number]) * 16
        labels = labels.changed(name, spam).changed(name, spam)
        expected.pop(name[:8], None) if spam is None else expected.__setitem__(name[:8], spam)
    assert Labels.read(labels.written()) == labels
    assert dict(labels.mails) == expected


def test_labels_are_bounded() -> None:
    labels = Labels()
    for number in range(MOST + 10):
        labels = labels.changed(number.to_bytes(8, "big"), True)
    assert (labels.spam, labels.ham) == (MOST, 0)
    assert not labels.holds((0).to_bytes(8, "big"))


# ---------------------------------------------------------------- in a chain


class Proves:
    """Says what proves `sender.test`."""

    name = "authentication"
    symbols = declared_by("authentication")

    def ask(self, mail: Mail) -> Asking:
        yield ()
        return tuple(said(SPF))


def settled(store: str = "memory", **section: Any) -> Config:
    return Config.from_mapping({"reputation": {"store": store, "settle": 0, **section}})


def names(verdict: Any) -> list[str]:
    of_interest = {*POINTS, "CAP_REPUTATION"} - {"SENDER_SEEN"}
    return [symbol.name for symbol in verdict.symbols if symbol.name in of_interest]


def test_noted_once_for_each_mail_that_came(tmp_path: Path) -> None:
    config = settled(str(tmp_path / "senders.db"))
    with FilterChain(config, checks=[Proves()]) as chain:
        verdict = chain.check(raw(), CAME)
        assert names(verdict) == ["SENDER_NEW"]
        chain.act(raw(), CAME, verdict)
        chain.evaluate(next(chain.batches([(raw(), CAME)])))
        list(chain.check_many([(raw(), CAME)] * 2))
        asyncio.run(chain.acheck(raw(), CAME))
    with FilterChain(config, checks=[Proves()], stateless=True) as chain:
        assert chain.reputation is None
        assert names(chain.check(raw(), CAME)) == []
    with FilterChain(config, checks=[Proves()]) as chain:
        (seen,) = [symbol for symbol in chain.check(raw(), CAME).symbols if symbol.name == "SENDER_SEEN"]
    assert ", 5 mails; " in seen.evidence


def test_reputation_alone_decides_nothing() -> None:
    with FilterChain(settled(burst=1), checks=[Proves()]) as chain:
        chain.check(raw(), CAME)
        assert chain.reputation is not None
        chain.reputation.domain_age = lambda _: 0.0
        for number in range(9):
            chain.check(raw(number), CAME)
            chain.reputation.teach([(raw(number), True)])
        verdict = chain.check(raw(99), CAME)
        assert names(verdict) == [
            "SENDER_NEW", "SENDER_BURST", "SENDER_TAUGHT_SPAM", "SENDER_DOMAIN_YOUNG", "CAP_REPUTATION",
        ]  # fmt: skip
        assert (verdict.score, verdict.action) == (CAP, "accept")
    with FilterChain(Config.from_mapping({"reputation": {"store": "memory"}, "groups": {GROUP: 1}})) as chain:
        assert chain.weights.caps is not None
        assert chain.weights.caps.limits.tolist() == [1000]


def test_what_fails_inside_costs_its_own_findings_only() -> None:
    class Odd(Reputation):
        def note(self, mails: Sequence[Mail], *rest: Any) -> Any:
            if any(b"mail 3" in mail.message.raw for mail in mails):
                raise RuntimeError("on purpose")
            return super().note(mails, *rest)

    with FilterChain(settled(), checks=[Proves()], reputation=Odd(limits=Limits(settle=0))) as chain:
        verdicts = list(chain.check_many((raw(number), CAME) for number in range(6)))
    assert [names(verdict) for verdict in verdicts] == [["SENDER_NEW"]] * 3 + [[]] + [["SENDER_NEW"]] * 2
    assert [symbol.name for symbol in verdicts[3].unknown] == ["CHECK_FAILED"]


def test_a_chain_without_it_loads_nothing_of_it() -> None:
    code = "import sys, mailfilter as mf; mf.FilterChain(); sys.exit(any('reputation' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_learn_tells_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, settings_file = tmp_path / "senders.db", tmp_path / "mailfilter.toml"
    settings_file.write_text(
        f'[reputation]\nstore = "{file}"\nnew = 0\n[learning]\nsite = "{tmp_path / "site.db"}"\n', encoding="utf-8"
    )
    mail = tmp_path / "mail.eml"
    mail.write_bytes(raw(1))
    config = Config.from_file(settings_file)
    learn = ["learn", "--config", str(settings_file)]
    found = []
    with FilterChain(config, checks=[Proves()]) as chain:
        chain.check(raw(1), CAME)
        for words in (["--spam"], ["--forget"], ["--ham"], ["--spam"], ["--ham"], ["--forget"]):
            more = ["--user", "ada"] if len(found) == 3 else []
            assert main([*learn, *words, str(mail), *more]) == 0
            found.append(names(chain.check(raw(2), CAME)))
    capsys.readouterr()
    assert found == [["SENDER_TAUGHT_SPAM"], [], ["SENDER_KNOWN"], ["SENDER_KNOWN"], ["SENDER_KNOWN"], []]


def test_release_tells_it(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "mailfilter.toml"
    path.write_text(
        f"[reputation]\nstore = '{tmp_path}/senders.db'\nnew = 0\n[quarantine]\npath = '{tmp_path}/q.db'\n"
        f"[learning]\nsite = '{tmp_path}/site.db'\n[policy]\ngreylist = 'never'\nquarantine = 0\n",
        encoding="utf-8",
    )
    with FilterChain(Config.from_file(path), checks=[Proves()]) as chain:
        receipt = chain.act(raw(1), CAME, chain.check(raw(1), CAME)).receipt
        assert main(["quarantine", "release", "--learn", "--config", str(path), str(receipt)]) == 0
        assert capsysbinary.readouterr().out == raw(1)
        assert names(chain.check(raw(2), CAME)) == ["SENDER_KNOWN"]

"""The chain over checks and lookups made for the test: isolation, faces, batches, greylist, quarantine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mailfilter import Config, Envelope, FilterChain, Mail, Message, Quarantine, Symbol, SymbolInfo
from mailfilter.checks import Asking
from mailfilter.deadline import Deadline
from mailfilter.decision import Reason
from mailfilter.greylist import Greylist
from mailfilter.lookups import ScanAnswer, ScanQuestion, ScanState
from mailfilter.symbols import Findings, declared_by

CLIENT = Envelope(client_ip="203.0.113.9", mail_from="a@example.net", rcpt_to=["b@example.org"])


class Points:
    """Finds as many points as the subject says."""

    name = "points"
    symbols = (SymbolInfo("POINTS", "points in the subject", "headers", 1.0, "points"),)

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        return [(Symbol("POINTS", float(mail.message.subject)),) for mail in mails]


class Odd:
    """Breaks a promise of local checks, on the mail whose subject is 3."""

    name = "odd"
    symbols = (SymbolInfo("ODD", "odd", "headers", 1.0, "odd"),)

    def __init__(self, how: str) -> None:
        self.how = how

    def run(self, mails: Sequence[Mail]) -> Any:
        bad = [mail.message.subject == "3" for mail in mails]
        match self.how:
            case "raises" if any(bad):
                raise ValueError("no")
            case "undeclared":
                return [(Symbol("NOT_MINE" if three else "ODD"),) for three in bad]
            case "too few" if any(bad):
                return []
            case "nonsense":
                return [(7,) if three else (Symbol("ODD"),) for three in bad]
        return [(Symbol("ODD"),) for _ in mails]


class Scan:
    """Asks for a scan of every mail."""

    name = "virus"
    symbols = declared_by("virus")

    def ask(self, mail: Mail) -> Asking:
        (answer,) = yield (ScanQuestion(mail.message.raw),)
        assert isinstance(answer, ScanAnswer)
        if answer.state is ScanState.INFECTED:
            return (Symbol("VIRUS_INFECTED", 1.0, answer.names[0]),)
        return () if answer.state is ScanState.CLEAN else (Symbol("VIRUS_UNAVAILABLE", 1.0, answer.detail),)


class Scanner:
    kind = ScanQuestion

    def __init__(self, answer: ScanAnswer) -> None:
        self.answer, self.asked = answer, 0

    def ask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        self.asked += 1
        return self.answer

    async def aask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        await asyncio.sleep(0)
        return self.ask(question, deadline)

    def close(self) -> None:
        pass


def mail(points: float) -> bytes:
    return b"Subject: %g\n\nbody\n" % points


def chain(*checks: Any, lookups: Sequence[Any] = (), **options: Any) -> FilterChain:
    return FilterChain(options.pop("config", Config()), checks=checks, lookups=lookups, **options)


@pytest.mark.parametrize(
    ("points", "action"), [(0, "accept"), (4, "greylist"), (6, "quarantine"), (12, "bounce"), (99, "bounce")]
)
def test_points_become_an_action(points: float, action: str) -> None:
    verdict = chain(Points()).check(mail(points))
    assert verdict.action == action
    assert verdict.score == points == sum(symbol.points for symbol in verdict.symbols)


@pytest.mark.parametrize("how", ["raises", "undeclared", "too few", "nonsense"])
def test_a_broken_local_check_costs_its_own_findings_on_that_mail_only(how: str) -> None:
    verdicts = list(chain(Points(), Odd(how)).check_many(mail(n) for n in range(6)))
    for number, verdict in enumerate(verdicts):
        names = [symbol.name for symbol in verdict.symbols]
        assert names == (["POINTS"] if number == 3 else ["POINTS", "ODD"])
        assert [symbol.name for symbol in verdict.unknown] == (["CHECK_FAILED"] if number == 3 else [])


def test_what_a_failed_check_does_is_policy() -> None:
    config = Config.from_mapping({"policy": {"on_check_failed": "hold"}})
    assert chain(Points(), Odd("raises"), config=config).check(mail(3)).action == "quarantine"
    assert chain(Points(), Odd("raises")).check(mail(3)).action == "accept"


def test_both_faces_and_any_batch_say_the_same() -> None:
    scanner = Scanner(ScanAnswer(ScanState.CLEAN))
    raws = [mail(number / 2) for number in range(40)]
    one = chain(Points(), Scan(), lookups=[scanner], stateless=True)
    singly = [one.check(raw) for raw in raws]
    assert list(one.check_many(raws)) == singly
    small = Config.from_mapping({"engine": {"batch": 3}})
    assert list(chain(Points(), Scan(), lookups=[scanner], stateless=True, config=small).check_many(raws)) == singly

    async def awaited() -> list[Any]:
        return list(await asyncio.gather(*(one.acheck(raw) for raw in raws)))

    assert asyncio.run(awaited()) == singly


def test_the_order_of_checks_does_not_matter() -> None:
    scanner = Scanner(ScanAnswer(ScanState.INFECTED, ("Test",)))
    checks = [Points(), Odd("fine"), Scan()]
    one, other = (
        chain(*checks, lookups=[scanner]).check(mail(1)),
        chain(*checks[::-1], lookups=[scanner]).check(mail(1)),
    )
    assert (one.action, one.score) == (other.action, other.score)
    assert sorted(one.symbols, key=str) == sorted(other.symbols, key=str)


def test_a_mail_that_stands_twice_in_a_batch_is_scanned_once() -> None:
    scanner = Scanner(ScanAnswer(ScanState.CLEAN))
    verdicts = list(chain(Scan(), lookups=[scanner]).check_many([mail(1)] * 20))
    assert (len(verdicts), scanner.asked) == (20, 1)


@pytest.mark.parametrize(
    ("answer", "action", "reason"),
    [
        (ScanAnswer(ScanState.CLEAN), "accept", Reason.SCORE),
        (ScanAnswer(ScanState.INFECTED, ("Test",)), "quarantine", Reason.MALWARE),
        (ScanAnswer(ScanState.UNAVAILABLE, detail="gone"), "greylist", Reason.NOT_KNOWN),
    ],
)
def test_scanner_answers(answer: ScanAnswer, action: str, reason: Reason) -> None:
    verdict = chain(Scan(), lookups=[Scanner(answer)]).check(mail(0), CLIENT)
    assert (verdict.action, verdict.reason) == (action, reason)


def test_an_unavailable_scanner_is_not_outwaited() -> None:
    time = [0.0]
    greylist = Greylist(wait=10, clock=lambda: time[0])
    dead = chain(Scan(), lookups=[Scanner(ScanAnswer(ScanState.UNAVAILABLE))], greylist=greylist)
    assert dead.check(mail(0), CLIENT).action == "greylist"
    time[0] = 100.0
    assert dead.check(mail(0), CLIENT).action == "greylist"


def test_a_doubtful_sender_waits_then_passes() -> None:
    time = [0.0]
    doubtful = chain(Points(), greylist=Greylist(wait=10, clock=lambda: time[0]))
    first = doubtful.check(mail(5), CLIENT)
    assert (first.action, first.wait) == ("greylist", 10)
    assert "in 10 seconds" in str(first.smtp_reply)
    time[0] = 11.0
    second = doubtful.check(mail(5), CLIENT)
    assert (second.action, second.reason) == ("accept", Reason.GREYLIST_PASSED)
    assert doubtful.check(mail(7), CLIENT).action == "quarantine"


def test_held_mail_is_stored_and_a_failing_store_refuses_for_now(tmp_path: Path) -> None:
    quarantine = Quarantine(str(tmp_path / "q.db"))
    holding = chain(Points(), quarantine=quarantine)
    verdict = holding.act(mail(7), CLIENT, holding.check(mail(7), CLIENT))
    assert quarantine.get(verdict.receipt) == mail(7)
    quarantine.close()
    refused = holding.act(mail(7), CLIENT, holding.check(mail(7), CLIENT))
    assert (refused.action, refused.smtp_reply.code, refused.receipt) == ("greylist", 451, "")


def test_deleting_needs_policy_and_leaves_a_tombstone(tmp_path: Path) -> None:
    quarantine = Quarantine(str(tmp_path / "q.db"))
    config = Config.from_mapping({"policy": {"delete": 20}})
    deleting = chain(Points(), quarantine=quarantine, config=config)
    verdict = deleting.act(mail(30), CLIENT, deleting.check(mail(30), CLIENT))
    assert verdict.action == "delete"
    assert [held.state for held in quarantine.entries()] == ["deleted"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"checks": {"disable": ["nope"]}}, 'checks.disable: no check "nope"; there are virus, dnsbl'),
        ({"checks": {"plugins": ["nope"]}}, 'checks.plugins: no plug-in "nope" is installed'),
        ({"checks": {"settings": {"nope": {}}}}, 'checks.settings.nope: "nope" is not among checks.plugins'),
        ({"scores": {"NOPE": 1}}, "scores.NOPE: no such symbol"),
        ({"content": {"model": "/nowhere"}}, "/nowhere"),
    ],
)
def test_a_chain_that_cannot_be_built_says_why(table: dict[str, Any], said: str) -> None:
    from mailfilter import MailFilterError

    with pytest.raises(MailFilterError) as caught:
        FilterChain(Config.from_mapping(table, "my.toml"))
    assert said in str(caught.value)


def test_mails_are_given_in_any_form() -> None:
    forms: list[Any] = [mail(1), Message(mail(1)), (mail(1), CLIENT), Mail(Message(mail(1)), CLIENT)]
    assert {verdict.score for verdict in chain(Points()).check_many(forms)} == {1.0}


def test_large_mails_make_small_batches() -> None:
    sizes = [len(batch) for batch in chain(Points()).batches([mail(1) + b"x" * 2**23] * 5)]
    assert sizes == [2, 2, 1]


def build(make: Callable[[], FilterChain]) -> FilterChain:
    with make() as made:
        return made


def test_a_closed_chain_can_be_closed_again() -> None:
    build(lambda: chain(Points())).close()

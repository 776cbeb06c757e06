"""Law 10: every setting has an effect, and here is a test that shows it; a setting without one fails the first test."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from mailfilter import Config, Envelope, FilterChain, Mail, Symbol, SymbolInfo, Verdict, bounce
from mailfilter.assembly import BUILT_IN
from mailfilter.checks import Asking
from mailfilter.checks.virus import VirusCheck
from mailfilter.deadline import Deadline
from mailfilter.errors import MailFilterError, SettingError, StoreError
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState, ScanAnswer, ScanQuestion, ScanState
from mailfilter.quarantine import Quarantine, configured
from mailfilter.sections import SECTIONS
from mailfilter.symbols import Findings, declared_by
from mailfilter.testing.clock import FakeClock
from mailfilter.testing.fake_clamd import FakeClamd, Session, close_without_reply, replies
from mailfilter.testing.fake_dns import FakeDns
from mailfilter.verdict import ScoredSymbol

CLIENT = Envelope(client_ip="11.22.33.44", mail_from="a@example.net", rcpt_to=["b@example.org"])
MEANING = {"symbol": "OWN_LISTED", "points": 3.0, "description": "Listed by our own list."}
LISTED = {name: {"A": ["127.0.0.2"]} for name in ("44.33.22.11.bl.example", "2.0.0.127.bl.example")}
LIST = {"name": "own", "zone": "bl.example", "kind": "ip", "codes": {"127.0.0.2": MEANING}}


class Points:
    name = "points"
    symbols = (SymbolInfo("POINTS", "points in the subject", "headers", 1.0, "points"),)

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        return [(Symbol("POINTS", float(mail.message.subject or "nan")),) for mail in mails]


class Failing(Points):
    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        raise ValueError("on purpose")


class AsksMany:
    name = "asks"
    symbols = (SymbolInfo("ANSWERED", "answered", "lists", 0.0, "asks"),)

    def ask(self, mail: Mail) -> Asking:
        answers = yield tuple(DnsQuestion(f"{number}.example") for number in range(8))
        known = [answer for answer in answers if isinstance(answer, DnsAnswer) and answer.state.known]
        return (Symbol("ANSWERED", float(len(known))),)


class SlowDns:
    kind = DnsQuestion

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.most, self._lock = seconds, 0, 0, threading.Lock()

    def ask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self._lock:
            self.now -= 1
        return DnsAnswer(DnsState.NOT_FOUND)

    async def aask(self, question: DnsQuestion, deadline: Deadline) -> DnsAnswer:
        return self.ask(question, deadline)

    def close(self) -> None:
        pass


class Saying:
    """Answers every question of one kind in the same way."""

    def __init__(self, kind: type[Any], answer: Any) -> None:
        self.kind, self.answer = kind, answer

    def ask(self, question: Any, deadline: Deadline) -> Any:
        return self.answer

    async def aask(self, question: Any, deadline: Deadline) -> Any:
        return self.answer

    def close(self) -> None:
        pass


def verdict(table: dict[str, Any], points: float = 0, checks: Sequence[Any] = (Points(),), **given: Any) -> Verdict:
    chain = FilterChain(Config.from_mapping(table), checks=checks, lookups=given.pop("lookups", ()), **given)
    with chain:
        return chain.check(b"Subject: %g\n\nbody\n" % points, CLIENT)


def limit(name: str, points: float) -> Callable[[Path], tuple[Any, Any]]:
    low = {"greylist": -9.0, "quarantine": -9.0, "bounce": -9.0}
    below = {key: low[key] for key in low if list(low).index(key) < [*low, "delete"].index(name)}

    def effect(folder: Path) -> tuple[Any, Any]:
        kept = {"quarantine": {"path": str(folder / "q.db")}}
        plain = verdict({"policy": {**below, name: "never"}, **kept}, points).action
        return plain, verdict({"policy": {**below, name: points}, **kept}, points).action

    return effect


def scanned(setting: str, state: ScanState, value: str) -> Callable[[Path], tuple[Any, Any]]:
    def effect(folder: Path) -> tuple[Any, Any]:
        scanner = Saying(ScanQuestion, ScanAnswer(state, ("Test.Name",)))
        before, after = ({}, {"virus": {setting: value}})
        return tuple(verdict(t, checks=[VirusCheck()], lookups=[scanner]).action for t in (before, after))  # type: ignore

    return effect


def engine(key: str, value: float, seconds: float, seen: Callable[[Verdict, SlowDns], Any]) -> Callable[[Path], Any]:
    def effect(folder: Path) -> tuple[Any, Any]:
        found = []
        for table in ({}, {"engine": {key: value}}):
            lookup = SlowDns(seconds)
            found.append(seen(verdict(table, checks=[AsksMany()], lookups=[lookup]), lookup))
        return found[0], found[1]

    return effect


def batch(folder: Path) -> tuple[Any, Any]:
    mails = [b"Subject: 1\n\n"] * 5
    one, other = (FilterChain(Config.from_mapping(t), checks=[Points()]) for t in ({}, {"engine": {"batch": 2}}))
    return [len(b) for b in one.batches(mails)], [len(b) for b in other.batches(mails)]


def disable(folder: Path) -> tuple[Any, Any]:
    chains = FilterChain(), FilterChain(Config.from_mapping({"checks": {"disable": list(BUILT_IN)}}))
    return tuple(len(chain.local) + len(chain.asking) for chain in chains)  # type: ignore[return-value]


def plugin(folder: Path, settings: dict[str, Any] | None = None) -> FilterChain:
    """A chain with a plug-in that is really installed, as far as Python can tell."""
    info = folder / "demo-1.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: demo\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[mailfilter.checks]\ndemo = demo_check:make\n")
    (folder / "demo_check.py").write_text(
        "from mailfilter import Symbol, SymbolInfo\n"
        "class Check:\n"
        "    name = 'demo'\n"
        "    def __init__(self, points):\n"
        "        self.symbols = (SymbolInfo('DEMO', 'a plug-in was here', 'headers', points, 'demo'),)\n"
        "    def run(self, mails):\n"
        "        return [(Symbol('DEMO'),) for _ in mails]\n"
        "def make(settings):\n"
        "    return Check(settings.get('points', 1.0))\n"
    )
    table: dict[str, Any] = {"disable": list(BUILT_IN), "plugins": ["demo"]}
    if settings:
        table["settings"] = {"demo": settings}
    sys.path.insert(0, str(folder))
    try:
        return FilterChain(Config.from_mapping({"checks": table}))
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("demo_check", None)


def plugins(folder: Path) -> tuple[Any, Any]:
    none = FilterChain(Config.from_mapping({"checks": {"disable": list(BUILT_IN)}}))
    return none.check(b"\n").score, plugin(folder).check(b"\n").score


def plugin_settings(folder: Path) -> tuple[Any, Any]:
    return plugin(folder).check(b"\n").score, plugin(folder, {"points": 2.5}).check(b"\n").score


def model(folder: Path) -> tuple[Any, Any]:
    from mailfilter.classifier.train import train

    words = [(b"Subject: pills\n\nbuy cheap pills %d\n" % n, True) for n in range(8)]
    words += [(b"Subject: lunch\n\nsee you at lunch %d\n" % n, False) for n in range(8)]
    train(words).save(folder / "model.npz")
    mail = b"Subject: pills\n\nbuy cheap pills\n"
    own = FilterChain(Config.from_mapping({"content": {"model": str(folder / "model.npz")}}))
    return FilterChain().check(mail).probability, own.check(mail).probability


def taught(folder: Path, user: str = "") -> str:
    """A site's file in which ``user`` taught one mail."""
    from mailfilter.classifier import Model
    from mailfilter.classifier.site import SiteModel

    site = SiteModel(Model.load(), folder / "site.db", user)
    site.learn([(TAUGHT, True)])
    site.close()
    return str(folder / "site.db")


TAUGHT = b"From: a@example.net\nSubject: pills\n\nbuy cheap pills now\n"


def site(folder: Path) -> tuple[Any, Any]:
    own = FilterChain(Config.from_mapping({"learning": {"site": taught(folder)}}))
    return FilterChain().check(TAUGHT).probability, own.check(TAUGHT).probability


def user(folder: Path) -> tuple[Any, Any]:
    path = taught(folder, "ada")
    tables = {"site": path}, {"site": path, "user": "ada"}
    return tuple(FilterChain(Config.from_mapping({"learning": t})).check(TAUGHT).probability for t in tables)  # type: ignore[return-value]


def keep(folder: Path) -> tuple[Any, Any]:
    from mailfilter.classifier.site import SiteModel

    found = []
    for table in ({}, {"keep": 20}):
        learning = {"site": str(folder / f"{len(table)}.db"), **table}
        (check,) = [c for c in FilterChain(Config.from_mapping({"learning": learning})).local if c.name == "content"]
        model = check.model  # type: ignore[attr-defined]
        assert isinstance(model, SiteModel)
        model.learn((b"Subject: %d\n\nhello\n" % number, False) for number in range(128))
        found.append(model.describe()["levels"]["site"]["ham"])
    return found[0], found[1]


def clamd(folder: Path) -> tuple[Any, Any]:
    with FakeClamd(replies(b"stream: Test.Name FOUND\0")) as server:
        found = FilterChain(Config.from_mapping({"virus": {"clamd": [server.address]}})).check(b"\n")
    return FilterChain().check(b"\n").action, found.action


def cache(folder: Path) -> tuple[Any, Any]:
    """How often a scanner with a version of its signatures is asked about one mail that comes twice."""
    scans: list[str] = []

    def behave(session: Session) -> None:
        if session.command() == "VERSION":
            session.send(b"ClamAV 1/2/3\n")
        elif session.stream() is not None:
            scans.append("one")
            session.send(b"stream: OK\0")

    def count(table: dict[str, Any]) -> int:
        scans.clear()
        with FakeClamd(behave) as server:
            config = Config.from_mapping({"virus": {"clamd": [server.address], **table}})
            with FilterChain(config, checks=[VirusCheck()]) as chain:
                assert [chain.check(b"\n").unknown for _ in range(2)] == [(), ()]
        return len(scans)

    return count({}), count({"cache": 0})


def by_command(script: str) -> dict[str, Any]:
    return {"scanners": ["command"], "scanner_settings": {"command": {"command": ["sh", "-c", script]}}}


def scanners(folder: Path) -> tuple[Any, Any]:
    tables = {}, by_command("cat >/dev/null; echo 'x: Test FOUND'; exit 1")
    chains = [FilterChain(Config.from_mapping({"virus": table}), checks=[VirusCheck()]) for table in tables]
    return tuple(chain.check(b"\n").action for chain in chains)  # type: ignore[return-value]


def scanner_settings(folder: Path) -> tuple[Any, Any]:
    tables = by_command("cat >/dev/null; echo 'x: OK'"), by_command("cat >/dev/null; exit 9")
    chains = [FilterChain(Config.from_mapping({"virus": table}), checks=[VirusCheck()]) for table in tables]
    return tuple(chain.check(b"\n").action for chain in chains)  # type: ignore[return-value]


def poison_limit(folder: Path) -> tuple[Any, Any]:
    """A clamd that always dies: a mail with one strike is set aside where one is the limit."""
    found = []
    for table in ({}, {"poison_limit": 1}):
        with FakeClamd(close_without_reply) as server:
            config = Config.from_mapping({"virus": {"clamd": [server.address], **table}})
            with FilterChain(config, checks=[VirusCheck()]) as chain:
                found.append([chain.check(b"\n").action for _ in range(2)])
    return found[0], found[1]


def poison_store(folder: Path) -> tuple[Any, Any]:
    path = folder / "poison.db"
    found = []
    for store in ("memory", str(path)):
        with FakeClamd(close_without_reply) as server:
            config = Config.from_mapping({"virus": {"clamd": [server.address], "poison_store": store}})
            with FilterChain(config, checks=[VirusCheck()]) as chain:
                chain.check(b"\n")
        found.append(path.exists())
    return found[0], found[1]


def policy_rules(folder: Path) -> tuple[Any, Any]:
    scanner = Saying(ScanQuestion, ScanAnswer(ScanState.INFECTED, ("Test.Name",)))
    rule = {"directions": ["inbound"], "recipients": ["example.org"], "virus": {"on_infected": "bounce"}}
    tables: list[dict[str, Any]] = [{}, {"policy": {"rules": [rule]}}]
    return tuple(verdict(table, checks=[VirusCheck()], lookups=[scanner]).action for table in tables)  # type: ignore[return-value]


def split_or_mildest(folder: Path) -> tuple[Any, Any]:
    """A mail that one recipient wants and for which another's policy is to hold it."""
    rules = [{"recipients": ["b@example.org"], "greylist": "never", "quarantine": 3}]
    two = Envelope(rcpt_to=["b@example.org", "c@example.org"])
    found = []
    for mode in ("split", "mildest"):
        config = Config.from_mapping({"policy": {"rules": rules, "recipients": mode}})
        with FilterChain(config, checks=[Points()]) as chain:
            found.append([one.carried for one in chain.check(b"Subject: 3.5\n\n", two).recipients])
    return found[0], found[1]


def dry_run(folder: Path) -> tuple[Any, Any]:
    said = [verdict({"policy": {"dry_run": on}}, 20) for on in (False, True)]
    return (said[0].action, said[0].intended), (said[1].action, said[1].intended)


def senders_list(name: str, points: float, entry: dict[str, Any], **more: Any) -> Callable[[Path], tuple[Any, Any]]:
    def effect(folder: Path) -> tuple[Any, Any]:
        tables: list[dict[str, Any]] = [{}, {"senders": {name: [entry], **more}}]
        return verdict(tables[0], points).action, verdict(tables[1], points).action

    return effect


def senders_path(folder: Path) -> tuple[Any, Any]:
    (folder / "senders.toml").write_text('[[deny]]\nnetworks = ["11.22.0.0/16"]\n')
    tables: list[dict[str, Any]] = [{}, {"senders": {"path": str(folder / "senders.toml")}}]
    return verdict(tables[0]).action, verdict(tables[1]).action


def on_denied(folder: Path) -> tuple[Any, Any]:
    denied = {"deny": [{"senders": ["example.net"]}]}
    tables: list[dict[str, Any]] = [{"senders": denied}, {"senders": {**denied, "on_denied": "hold"}}]
    return verdict(tables[0]).action, verdict(tables[1]).action


def reply(name: str, points: float) -> Callable[[Path], tuple[Any, Any]]:
    def effect(folder: Path) -> tuple[Any, Any]:
        tables: list[dict[str, Any]] = [{}, {"replies": {name: "Own words {code} {id} at {score}"}}]
        return verdict(tables[0], points).smtp_reply, verdict(tables[1], points).smtp_reply

    return effect


def attached(symbol: str, key: str, value: str, more: dict[str, Any] | None = None) -> Callable[[Path], Any]:
    class Finds:
        name = "attachments"
        symbols = tuple(replace(info, points=0.0) for info in declared_by("attachments"))

        def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
            return [(Symbol(symbol),) for _ in mails]

    def effect(folder: Path) -> tuple[Any, Any]:
        tables: list[dict[str, Any]] = [{"attachments": more or {}}, {"attachments": {**(more or {}), key: value}}]
        return tuple(verdict(table, checks=[Finds()]).action for table in tables)  # type: ignore[return-value]

    return effect


def banned(folder: Path) -> tuple[Any, Any]:
    raw = b'Content-Type: application/octet-stream; name="a.iso"\n\nx\n'
    rest = {"checks": {"disable": [name for name in BUILT_IN if name != "attachments"]}}
    tables: list[dict[str, Any]] = [rest, {**rest, "attachments": {"banned": ["disk_image"]}}]
    return tuple(  # type: ignore[return-value]
        "ATTACH_BANNED" in {symbol.name for symbol in FilterChain(Config.from_mapping(table)).check(raw).symbols}
        for table in tables
    )


def yara_rules(folder: Path) -> tuple[Any, Any]:
    pytest.importorskip("yara", reason="yara-python is not installed (extra yara)")
    (folder / "own.yar").write_text('rule own { strings: $a = "needle" condition: $a }')
    rest = {"checks": {"disable": list(BUILT_IN)}}
    tables: list[dict[str, Any]] = [rest, {"yara": {"rules": str(folder / "own.yar")}, "checks": {"disable": [
        name for name in BUILT_IN if name != "yara"]}}]  # fmt: skip
    chains = [FilterChain(Config.from_mapping(table)) for table in tables]
    return tuple(chain.check(b"Subject: x\n\nneedle\n").score for chain in chains)  # type: ignore[return-value]


def dns(table: dict[str, Any], address: str) -> set[str]:
    config = Config.from_mapping({"dns": {"resolvers": [address], **table}, "checks": {"disable": ["content"]}})
    with FilterChain(config) as chain:
        found = chain.check(b"\n", CLIENT)
    return {symbol.name for symbol in (*found.symbols, *found.unknown)}


def resolvers(folder: Path) -> tuple[Any, Any]:
    with FakeDns(LISTED) as server:
        asked = dns({"custom": [LIST]}, server.address)
    config = Config.from_mapping({"dns": {"custom": [LIST]}})
    return {symbol.name for symbol in FilterChain(config).check(b"\n", CLIENT).unknown}, asked


def dns_in_flight(folder: Path) -> tuple[Any, Any]:
    """How many questions reach a server that never answers."""
    found = []
    for table in ({}, {"in_flight": 2}):
        with FakeDns(failures={"example": "timeout"}) as server:
            config = Config.from_mapping({"dns": {"resolvers": [server.address], **table}, "engine": {"deadline": 0.3}})
            with FilterChain(config, checks=[AsksMany()]) as chain:
                chain.check(b"\n", CLIENT)
            found.append(len({name for name, _, _ in server.asked}))
    return found[0], found[1]


def lists(folder: Path) -> tuple[Any, Any]:
    with FakeDns({}) as server:
        dns({}, server.address)
        none = len(server.asked)
        dns({"lists": ["spamhaus-zen"]}, server.address)
        return none, len(server.asked)


def custom(folder: Path) -> tuple[Any, Any]:
    with FakeDns(LISTED) as server:
        return "OWN_LISTED" in dns({}, server.address), "OWN_LISTED" in dns({"custom": [LIST]}, server.address)


def on_unknown(key: str, changed: dict[str, Any]) -> Callable[[Path], tuple[Any, Any]]:
    def effect(folder: Path) -> tuple[Any, Any]:
        from mailfilter.checks.dnsbl import DnsblCheck, chosen_lists

        mute = Saying(DnsQuestion, DnsAnswer(DnsState.TIMEOUT))
        check = DnsblCheck(chosen_lists((), ({**LIST, **changed},), "test"))
        tables: list[dict[str, Any]] = [{}, {"dns": {key: "tempfail"}}]
        return tuple(verdict(table, checks=[check], lookups=[mute]).action for table in tables)  # type: ignore[return-value]

    return effect


LINKED = b"""From: a@sender.test
Received: from a.test (a.test [12.0.0.1]) by b.test; Mon, 1 Jan 2024 00:00:00 +0000
Received: from c.test (c.test [12.0.0.2]) by a.test; Mon, 1 Jan 2024 00:00:00 +0000

https://www.one.test/a https://two.test/b c@three.test d@four.test
"""
GOOD = {"symbol": "OWN_GOOD", "points": -1.0, "description": "Listed by our own list of good senders."}
OF_KIND: dict[str, dict[str, Any]] = {
    "ip": {"ask": ["client", "hops"]},
    "domain": {"ask": ["links"]},
    "url": {"ask": ["links"]},
    "email": {"ask": ["body"]},
}


def watched(
    records: dict[str, Any], changed: dict[str, Any], failures: dict[str, str] | None = None, rounds: int = 1
) -> Callable[[Path], tuple[Any, Any]]:
    """What is found of mails, and how much is asked about them, before and after a setting is changed."""

    def effect(folder: Path) -> tuple[Any, Any]:
        found = []
        for table in ({}, changed):
            with FakeDns(records, failures=failures) as server:
                settings = {"dns": {"resolvers": [server.address], "custom": [LIST], **table}}
                config = Config.from_mapping({**settings, "engine": {"deadline": 1}})
                with FilterChain(config, checks=[BUILT_IN["dnsbl"](config)]) as chain:
                    clients = [replace(CLIENT, client_ip=f"11.22.33.{number}") for number in range(rounds)]
                    names = [chain.check(b"\n", client).symbols for client in clients]
                found.append((names, len(server.asked)))
        return found[0], found[1]

    return effect



def watch_clock(key: str, value: float, after: float, failure: str) -> Callable[[Path], tuple[Any, Any]]:
    """What is asked ``after`` seconds: test points again, or a list that has failed."""

    def effect(folder: Path) -> tuple[Any, Any]:
        from mailfilter.lookups.watch import ListWatch

        found = []
        for table in ({}, {key: value}):
            config = Config.from_mapping({"dns": {"resolvers": ["127.0.0.1:1"], "custom": [LIST], **table}})
            clock = FakeClock(1000.0)
            with FilterChain(config) as chain:
                watch = chain.lookups[DnsQuestion]
                assert isinstance(watch, ListWatch)
                watch.book.clock = clock
                (zone,) = watch.book.zones.values()
                zone.known.probed_at = 1000.0
                if failure:
                    watch.book.learn(zone, DnsQuestion("a.bl.example"), DnsAnswer(DnsState.FOUND, (failure,)))
                clock.advance(after)
                found.append((watch.book.withheld(zone, "b.bl.example"), watch.book.due(zone)))
        return found[0], found[1]

    return effect


def watch_store(folder: Path) -> tuple[Any, Any]:
    path = folder / "watch.db"
    watched(LISTED, {"watch_store": str(path)})(folder)
    return False, path.exists()


def watch_window(folder: Path) -> tuple[Any, Any]:
    """A list that used to list one in ten, and lists everyone now."""
    from mailfilter.lookups.watch import ListWatch

    found = []
    for table in ({}, {"watch_window": 0}):
        config = Config.from_mapping({"dns": {"resolvers": ["127.0.0.1:1"], "custom": [LIST], **table}})
        with FilterChain(config) as chain:
            watch = chain.lookups[DnsQuestion]
            assert isinstance(watch, ListWatch)
            (zone,) = watch.book.zones.values()
            zone.known.asked, zone.known.listed, zone.known.probed_at = 1000.0, 100.0, time.time()
            for number in range(60):
                watch.book.learn(zone, DnsQuestion(f"{number}.bl.example"), DnsAnswer(DnsState.FOUND, ("127.0.0.2",)))
            found.append(watch.book.doubt(zone))
    return found[0], found[1]


def asked(kind: str, key: str, value: Any, section: str = "dns") -> Callable[[Path], tuple[Any, Any]]:
    """What a list of some kind is asked about a mail, before and after a setting is changed."""

    def effect(folder: Path) -> tuple[Any, Any]:
        found = []
        for table in ({}, {key: value}):
            lookup = Counting()
            custom = {"custom": [{**LIST, "kind": kind, **OF_KIND[kind]}]}
            config = Config.from_mapping({"dns": custom, section: {**(custom if section == "dns" else {}), **table}})
            only = [BUILT_IN["dnsbl"](config)]
            client = replace(CLIENT, client_name="mx.ours.example")
            FilterChain(config, checks=only, lookups=[lookup]).check(LINKED, client)
            found.append(sorted(lookup.asked))
        return found[0], found[1]

    return effect


class Counting(Saying):
    def __init__(self) -> None:
        super().__init__(DnsQuestion, DnsAnswer(DnsState.NOT_FOUND))
        self.asked: list[str] = []

    def ask(self, question: Any, deadline: Deadline) -> Any:
        self.asked.append(question.name)
        return self.answer


def authenticated(key: str, value: Any) -> Callable[[Path], tuple[Any, Any]]:
    """What is found of a mail that came through a list which has sealed it, and what is asked."""
    from tests.authentication.signing import record, seal

    public = record("rsa1024")
    raw = seal(b"From: a@sub.strict.example\r\n\r\nhello\r\n", 1, "lists.example")
    zone = {
        "k._domainkey.lists.example": {"TXT": [f'"{public}"']},
        "_dmarc.strict.example": {"TXT": ['"v=DMARC1; p=reject"']},
    }

    def effect(folder: Path) -> tuple[Any, Any]:
        found = []
        for table in ({}, {key: value}):
            with FakeDns(zone) as server:
                settings = {"dns": {"resolvers": [server.address]}, "authentication": table}
                with FilterChain(Config.from_mapping(settings)) as chain:
                    verdict = chain.check(raw, CLIENT)
                asked = {name for name, _, _ in server.asked}
            found.append(({symbol.name for symbol in verdict.symbols if symbol.group == "sender"}, asked))
        return found[0], found[1]

    return effect


def through_list(folder: Path) -> tuple[Any, Any]:
    """A DMARC failure of a mail that a known list has signed."""
    from tests.authentication.signing import record, sign

    raw = b"From: a@strict.example\r\nSubject: x\r\nList-Id: <talk.club.example>\r\n\r\nhello\r\n"
    raw = sign(raw, "rsa1024", domain="club.example")
    zone = {
        "k._domainkey.club.example": {"TXT": [f'"{record("rsa1024")}"']},
        "_dmarc.strict.example": {"TXT": ['"v=DMARC1; p=reject"']},
    }
    with FakeDns(zone) as server:
        settings = {"dns": {"resolvers": [server.address]}}
        tables = [{**settings, "trust": {"lists": names}} for names in ([], ["club.example"])]
        before, after = (FilterChain(Config.from_mapping(table)).check(raw, CLIENT).symbols for table in tables)
    return [symbol.name for symbol in before], [symbol.name for symbol in after]


def relayed_results(folder: Path) -> tuple[Any, Any]:
    """What a host of ours says of the sender, and whether such fields are taken out."""
    raw = (
        b"Authentication-Results: mx.ours.example; spf=pass smtp.mailfrom=a@example.net; dkim=none; dmarc=none\n"
        b"Received: from h (h [11.22.33.44]) by mx.ours.example (Postfix) with SMTP id 1; 1 Jan 2024 00:00:00 +0000\n"
        b"From: a@example.net\n\nhello\n"
    )
    found = []
    for names in ([], ["mx.ours.example"]):
        chain = FilterChain(Config.from_mapping({"authentication": {"trusted_results": names}}))
        verdict = chain.check(raw, replace(CLIENT, client_ip="10.0.0.1"))
        passed = any(symbol.name == "SPF_PASS" for symbol in verdict.symbols)
        found.append((passed, b"Authentication-Results" in chain.rewrite(raw, verdict)))
    return found[0], found[1]


def authentication_unknown(folder: Path) -> tuple[Any, Any]:
    found = []
    for choice in ("pass", "tempfail"):
        settings = {"dns": {"resolvers": ["192.0.2.1"]}, "authentication": {"on_unknown": choice}}
        lookup = Saying(DnsQuestion, DnsAnswer(DnsState.TIMEOUT))
        only = [BUILT_IN["authentication"](Config.from_mapping(settings))]
        chain = FilterChain(Config.from_mapping(settings), checks=only, lookups=[lookup], stateless=True)
        found.append(chain.check(b"From: a@example.net\n\nhello\n", CLIENT).action)
    return found[0], found[1]


def own_rules(folder: Path, text: str, **settings: Any) -> FilterChain:
    """A chain with a rule file and nothing else."""
    (folder / "own.cf").write_text(text)
    table = {"paths": [str(folder / "own.cf")], "cache": "off", **settings}
    others = [name for name in BUILT_IN if name != "rules"]
    return FilterChain(Config.from_mapping({"rules": table, "checks": {"disable": others}}))


def rules_paths(folder: Path) -> tuple[Any, Any]:
    chain = own_rules(folder, "body OWN /pills/\nscore OWN 2.5\n")
    return FilterChain().check(b"\npills\n").symbols == (), chain.check(b"\npills\n").symbols[0].name


def rules_strict(folder: Path) -> tuple[Any, Any]:
    found: list[Any] = []
    for strict in (False, True):
        try:
            found.append(len(own_rules(folder, "bodyy OWN /pills/\nbody FINE /x/\n", strict=strict).catalogue) > 0)
        except SettingError as error:
            found.append(error.faults)
    return found[0], found[1]


def rules_timeout(folder: Path) -> tuple[Any, Any]:
    slow = r"body OWN /(x+x+)+\1y(?!z)!/"
    chains = [own_rules(folder, slow + "\n", timeout=seconds) for seconds in (10, 0.001)]
    # The end makes hyperscan's wider form match, the beginning takes milliseconds.
    mail = b"\n" + b"x" * 38 + b" q xxxxy!\n"
    return tuple([symbol.name for symbol in chain.check(mail).unknown] for chain in chains)  # type: ignore[return-value]


def rules_cache(folder: Path) -> tuple[Any, Any]:
    pytest.importorskip("hyperscan", reason="compiled rules are kept for hyperscan only: pip install mailfilter[fast]")
    for cache in ("off", str(folder / "cache")):
        own_rules(folder, "body OWN /pills/\n", cache=cache)
        if cache == "off":
            before = (folder / "cache").exists()
    return before, any((folder / "cache").iterdir())


def store(folder: Path) -> tuple[Any, Any]:
    path = folder / "greylist.db"
    for setting in ("memory", str(path)):
        with FilterChain(Config.from_mapping({"greylist": {"store": setting}}), checks=[Points()]) as chain:
            chain.check(b"Subject: 5\n\n", CLIENT)
        if setting == "memory":
            before = path.exists()
    return before, path.exists()


def greylist(key: str, value: float) -> Callable[[Path], tuple[Any, Any]]:
    """What the chain's own greylist says at the moments when only ``key`` makes a difference."""
    moments = {"wait": [100.0], "window": [4000.0], "lifetime": [200.0, 100_000.0]}[key]

    def effect(folder: Path) -> tuple[Any, Any]:
        found = []
        for table in ({}, {key: value}):
            with FilterChain(Config.from_mapping({"greylist": table}), checks=[Points()]) as chain:
                assert chain.greylist is not None
                clock = FakeClock(0.0)
                chain.greylist._clock = clock
                states = [chain.greylist.ask(CLIENT).state]
                for moment in moments:
                    clock.advance(moment - clock())
                    states.append(chain.greylist.ask(CLIENT).state)
                found.append(states)
        return found[0], found[1]

    return effect


def greylist_mode(folder: Path) -> tuple[Any, Any]:
    return tuple(verdict({"greylist": {"mode": mode}}).action for mode in ("band", "always"))  # type: ignore[return-value]


def network(key: str, bits: int, one: str, other: str) -> Callable[[Path], tuple[Any, Any]]:
    """Whether two clients are of one network, and so one sender."""

    def effect(folder: Path) -> tuple[Any, Any]:
        found = []
        for table in ({}, {key: bits}):
            with FilterChain(Config.from_mapping({"greylist": table}), checks=[Points()]) as chain:
                assert chain.greylist is not None
                clock = FakeClock(0.0)
                chain.greylist._clock = clock
                chain.greylist.ask(replace(CLIENT, client_ip=one))
                clock.advance(200)
                found.append(chain.greylist.ask(replace(CLIENT, client_ip=other)).state)
        return found[0], found[1]

    return effect


def limited(folder: Path) -> tuple[Any, Any]:
    limits = [{"who": "client", "number": 0, "action": "hold"}]
    return tuple(verdict({"counters": {"limits": tables}}).action for tables in ([], limits))  # type: ignore


def counters_store(folder: Path) -> tuple[Any, Any]:
    path, found = folder / "counters.db", []
    for store in ("memory", str(path)):
        verdict({"counters": {"store": store, "limits": [{"who": "client"}]}})
        found.append(path.exists())
    return found[0], found[1]


def counted(key: str, bits: int, one: str, other: str) -> Callable[[Path], tuple[Any, Any]]:
    """Whether two clients are counted together."""

    def effect(folder: Path) -> tuple[Any, Any]:
        found = []
        for table in ({}, {key: bits}):
            section = {"limits": [{"who": "client", "number": 1, "action": "hold"}], **table}
            with FilterChain(Config.from_mapping({"counters": section}), checks=[Points()]) as chain:
                mails = [(b"Subject: 0\n\n", replace(CLIENT, client_ip=client)) for client in (one, other)]
                found.append([verdict.action for verdict in chain.check_many(mails)])
        return found[0], found[1]

    return effect


def remember(folder: Path) -> tuple[Any, Any]:
    found = []
    limits = [{"what": "new_recipients", "number": 0, "per": 12}]
    sent = Envelope(auth_user="a", mail_from="a@example.org", rcpt_to=["b@example.net"], direction="outbound")
    for table in ({}, {"remember": 3600}):
        with FilterChain(Config.from_mapping({"counters": {"limits": limits, **table}}), checks=[Points()]) as chain:
            assert chain.counters is not None
            clock = FakeClock(0.0)
            chain.counters._clock = clock
            chain.counters.sent(sent)
            clock.advance(4000)
            found.append(chain.check(b"Subject: 0\n\n", sent).action)
    return found[0], found[1]


class Proves:
    """Says that SPF passed for MAIL FROM."""

    name = "authentication"
    symbols = declared_by("authentication")

    def ask(self, mail: Mail) -> Asking:
        yield ()
        domain = (mail.envelope.mail_from or "").partition("@")[2]
        return (Symbol("AUTH_RESULTS", 1.0, f"spf=pass smtp.mailfrom={domain}"),)


def remembered(key: str, value: Any, *others: str, later: float = 0, **given: Any) -> Callable[[Path], tuple[Any, Any]]:
    """What is known of a sender who was seen before, from ``others``, that long ago."""

    def effect(folder: Path) -> tuple[Any, Any]:
        found = []
        for table in ({}, {key: value}):
            section = {"store": "memory", "settle": 0, **given, **table}
            with FilterChain(Config.from_mapping({"reputation": section}), checks=[Proves()]) as chain:
                assert chain.reputation is not None
                chain.reputation._clock = clock = FakeClock(1e9)
                for client in (CLIENT.client_ip, *others):
                    clock.advance(later)
                    seen = chain.check(b"From: a@example.net\n\n", replace(CLIENT, client_ip=client))
                found.append({symbol.name: (symbol.value, symbol.evidence) for symbol in seen.symbols})
        return found[0], found[1]

    return effect


def reputation_store(folder: Path) -> tuple[Any, Any]:
    path, found = folder / "senders.db", []
    for table in ({}, {"store": str(path)}):
        verdict({"reputation": table})
        found.append(path.exists())
    return found[0], found[1]


def quarantine(folder: Path) -> tuple[Any, Any]:
    receipts = []
    for table in ({}, {"quarantine": {"path": str(folder / "q.db")}}):
        with FilterChain(Config.from_mapping(table), checks=[Points()]) as chain:
            held = chain.check(b"Subject: 7\n\n", CLIENT)
            receipts.append(bool(chain.act(b"Subject: 7\n\n", CLIENT, held).receipt))
    return receipts[0], receipts[1]


def quarantined(key: str, value: Any, look: Callable[[Quarantine, Config], Any]) -> Callable[[Path], tuple[Any, Any]]:
    """What ``look`` sees in a quarantine that holds one mail, without and with the setting."""

    def effect(folder: Path) -> tuple[Any, Any]:
        found = []
        (folder / "keys").write_text("QUFB" * 12 + "\n")
        for number, table in enumerate(({}, {key: str(folder / value) if key in ("blobs", "keys") else value})):
            base = {"path": str(folder / f"q{number}.db"), "postmaster": "postmaster@example.org"}
            base |= {"keys": str(folder / "keys")} if key in ("encrypt", "link") else {}
            config = Config.from_mapping({"quarantine": base | table})
            store = configured.quarantine(config)
            store.clock = clock = FakeClock(1e9)
            store.hold(b"Subject: held\n\nneedle\n", CLIENT, FilterChain(checks=[]).check(b"x"))
            clock.advance(3 * 86_400)
            found.append(look(store, config))
            store.close()
        return found[0], found[1]

    return effect


def on_disk(store: Quarantine, config: Config) -> set[bool]:
    """Whether the mail lies in the clear, wherever it lies."""
    return {b"needle" in (store.blobs.read(name) or b"") for name in store.blobs.names()}


def more(store: Quarantine, config: Config) -> str:
    try:
        return store.hold(bytes(2**20), CLIENT, FilterChain(checks=[]).check(b"x")) and "held"
    except StoreError as error:
        return str(error)


def expired(store: Quarantine, config: Config) -> int:
    store.index.note_notice("b@example.org", [held.receipt for held in store.entries()], 1e9)
    return store.expire().expired


def forgotten(store: Quarantine, config: Config) -> int:
    store.delete(next(store.entries()).receipt)
    store.clock = FakeClock(1e9 + 40 * 86_400)
    return store.expire().forgotten


def notice(store: Quarantine, config: Config) -> bytes:
    from mailfilter.quarantine.notices import compose

    raw = compose(store, configured.notices(config), "b@example.org", list(store.entries()))
    return b"\n".join(line for line in raw.split(b"\r\n") if b"postmaster" in line or b"https" in line)


def handed_on(store: Quarantine, config: Config) -> str:
    try:
        configured.delivery(config)(CLIENT, b"Subject: x\r\n\r\n")
    except MailFilterError as error:
        return str(error)
    return "delivered"


def bounced(key: str, value: Any) -> Callable[[Path], tuple[Any, Any]]:
    """What became of four bounces to two addresses, the last by another process, without and with the setting."""

    def effect(folder: Path) -> tuple[Any, Any]:
        found = []
        refused = verdict({}, 99)
        proof = ScoredSymbol("AUTH_RESULTS", 0, 1, "spf=pass smtp.mailfrom=example.net", "", "sender")
        for table in ({}, {key: str(folder / value) if key == "store" else value}):
            base = {"hostname": "mx.example.org", "postmaster": "postmaster@example.org", "per_sender": 2}
            config = Config.from_mapping({"bounce": base | table})
            bouncers, said = [bounce.configured(config) for _ in range(2)], []
            for number, bouncer in enumerate((bouncers[0], bouncers[0], bouncers[0], bouncers[1])):
                sender = replace(CLIENT, mail_from="bc"[number == 1] + "@example.net")
                done = bouncer.bounce(b"\n", sender, replace(refused, symbols=(proof,)))
                said.append([part for part in (done.raw or b"").split(b"\r\n") if part[:5] in (b"From:", b"Repor")])
            found.append(said)
        return found[0], found[1]

    return effect


def check_failed(folder: Path) -> tuple[Any, Any]:
    tables: list[dict[str, Any]] = [{}, {"policy": {"on_check_failed": "bounce"}}]
    return tuple(verdict(table, checks=[Failing()]).action for table in tables)  # type: ignore[return-value]


def authserv_id(folder: Path) -> tuple[Any, Any]:
    raw = b"Authentication-Results: mx.example; spf=pass\nSubject: 1\n\n"
    tables: list[dict[str, Any]] = [{}, {"headers": {"authserv_id": "mx.example"}}]
    chains = [FilterChain(Config.from_mapping(table), checks=[Points()]) for table in tables]
    return tuple(b"spf=pass" in chain.rewrite(raw, chain.check(raw)) for chain in chains)  # type: ignore[return-value]


EFFECTS: dict[str, Callable[[Path], tuple[Any, Any]]] = {
    "policy.greylist": limit("greylist", 1),
    "policy.quarantine": limit("quarantine", 1),
    "policy.bounce": limit("bounce", 1),
    "policy.delete": limit("delete", 1),
    "policy.on_check_failed": check_failed,
    "policy.recipients": split_or_mildest,
    "policy.dry_run": dry_run,
    "policy.rules": policy_rules,
    "senders.allow": senders_list("allow", 20, {"networks": ["11.22.33.0/24"]}),
    "senders.deny": senders_list("deny", 0, {"senders": ["a@example.net"]}),
    "senders.path": senders_path,
    "senders.on_denied": on_denied,
    "replies.contact": reply("contact", 20),
    "replies.accept": reply("accept", 0),
    "replies.greylist": reply("greylist", 5),
    "replies.quarantine": reply("quarantine", 7),
    "replies.bounce": reply("bounce", 20),
    "engine.deadline": engine("deadline", 0.05, 0.4, lambda verdict, lookup: verdict.symbols[0].value),
    "engine.batch": batch,
    "engine.in_flight": engine("in_flight", 2, 0.02, lambda verdict, lookup: lookup.most <= 2),
    "checks.disable": disable,
    "checks.plugins": plugins,
    "checks.settings": plugin_settings,
    "content.model": model,
    "learning.site": site,
    "learning.user": user,
    "learning.keep": keep,
    "virus.clamd": clamd,
    "virus.cache": cache,
    "virus.scanners": scanners,
    "virus.scanner_settings": scanner_settings,
    "virus.poison_limit": poison_limit,
    "virus.poison_store": poison_store,
    "virus.on_pua": scanned("on_pua", ScanState.UNWANTED, "bounce"),
    "virus.on_phishing": scanned("on_phishing", ScanState.PHISHING, "hold"),
    "virus.on_poison": scanned("on_poison", ScanState.POISON, "tempfail"),
    "virus.on_infected": scanned("on_infected", ScanState.INFECTED, "bounce"),
    "virus.on_unavailable": scanned("on_unavailable", ScanState.UNAVAILABLE, "hold"),
    "virus.on_scanner_error": scanned("on_scanner_error", ScanState.SCANNER_ERROR, "pass"),
    "virus.on_too_large": scanned("on_too_large", ScanState.TOO_LARGE, "bounce"),
    "virus.on_limits_exceeded": scanned("on_limits_exceeded", ScanState.LIMITS_EXCEEDED, "tempfail"),
    "virus.on_encrypted": scanned("on_encrypted", ScanState.ENCRYPTED, "hold"),
    "attachments.banned": banned,
    "attachments.on_banned": attached("ATTACH_BANNED", "on_banned", "bounce", {"banned": [".txt"]}),
    "attachments.on_bomb": attached("ATTACH_BOMB", "on_bomb", "bounce"),
    "attachments.on_encrypted": attached("ATTACH_ENCRYPTED", "on_encrypted", "hold"),
    "attachments.on_unread": attached("ATTACH_UNREAD", "on_unread", "tempfail"),
    "rules.paths": rules_paths,
    "rules.strict": rules_strict,
    "rules.timeout": rules_timeout,
    "rules.cache": rules_cache,
    "yara.rules": yara_rules,
    "dns.resolvers": resolvers,
    "dns.in_flight": dns_in_flight,
    "dns.lists": lists,
    "dns.custom": custom,
    "dns.watch": watched({"44.33.22.11.bl.example": {"A": ["127.0.0.2"]}}, {"watch": False}),
    "dns.watch_store": watch_store,
    "dns.watch_interval": watch_clock("watch_interval", 10, 11, ""),
    "dns.watch_window": watch_window,
    "dns.breaker_failures": watched(LISTED, {"breaker_failures": 1}, {"33.22.11.bl.example": "servfail"}, rounds=4),
    "dns.breaker_pause": watch_clock("breaker_pause", 10, 11, "127.255.255.254"),
    "trust.networks": asked("ip", "networks", ["12.0.0.0/8"], "trust"),
    "trust.hosts": asked("ip", "hosts", [".ours.example"], "trust"),
    "trust.submission": asked("ip", "submission", ["11.22.33.44"], "trust"),
    "trust.lists": through_list,
    "authentication.trusted_results": relayed_results,
    "authentication.on_unknown": authentication_unknown,
    "trust.forwarders": asked("ip", "forwarders", ["mx.ours.example"], "trust"),
    "dns.skip": asked("domain", "skip", ["two.test"]),
    "dns.hops": asked("ip", "hops", 1),
    "dns.domains": asked("domain", "domains", 1),
    "dns.links": asked("url", "links", 1),
    "dns.addresses": asked("email", "addresses", 1),
    "dns.on_unknown": on_unknown("on_unknown", {}),
    "dns.on_unknown_domain": on_unknown("on_unknown_domain", {"kind": "domain", "ask": ["mail-from"]}),
    "dns.on_unknown_hash": on_unknown("on_unknown_hash", {"kind": "email", "ask": ["mail-from"]}),
    "dns.on_unknown_allow": on_unknown("on_unknown_allow", {"allow": True, "codes": {"127.0.0.2": GOOD}}),
    "authentication.enabled": authenticated("enabled", False),
    "authentication.trusted_sealers": authenticated("trusted_sealers", ["lists.example"]),
    "authentication.tree_walk": authenticated("tree_walk", True),
    "greylist.store": store,
    "counters.store": counters_store,
    "counters.limits": limited,
    "counters.ipv4_prefix": counted("ipv4_prefix", 24, "203.0.113.9", "203.0.113.10"),
    "counters.ipv6_prefix": counted("ipv6_prefix", 128, "2001:db8::1", "2001:db8::2"),
    "counters.remember": remember,
    "reputation.store": reputation_store,
    "reputation.lifetime": remembered("lifetime", 86_400, "11.22.33.44", later=2 * 86_400),
    "reputation.new": remembered("new", 0),
    "reputation.burst": remembered("burst", 0),
    "reputation.settle": remembered("settle", 7, settle=0),
    "reputation.ipv4_prefix": remembered("ipv4_prefix", 32, "11.22.33.45"),
    "reputation.ipv6_prefix": remembered("ipv6_prefix", 48, "2001:db8::1", "2001:db8:0:1::1"),
    "greylist.mode": greylist_mode,
    "greylist.ipv4_prefix": network("ipv4_prefix", 32, "203.0.113.9", "203.0.113.10"),
    "greylist.ipv6_prefix": network("ipv6_prefix", 128, "2001:db8::1", "2001:db8::2"),
    "greylist.wait": greylist("wait", 60),
    "greylist.window": greylist("window", 3600),
    "greylist.lifetime": greylist("lifetime", 3600),
    "quarantine.path": quarantine,
    "quarantine.blobs": quarantined("blobs", "elsewhere", lambda store, config: Path(store.blobs.place).name),
    "quarantine.keys": quarantined("keys", "keys", on_disk),
    "quarantine.encrypt": quarantined("encrypt", False, on_disk),
    "quarantine.quota": quarantined("quota", 1, more),
    "quarantine.keep": quarantined("keep", 1, expired),
    "quarantine.alarm": quarantined("alarm", 10, lambda store, config: store.stats().alarm),
    "quarantine.tombstones": quarantined("tombstones", 30, forgotten),
    "quarantine.postmaster": quarantined("postmaster", "help@example.org", notice),
    "quarantine.link": quarantined("link", "https://mail.example.org/?token=", notice),
    "quarantine.smtp": quarantined("smtp", "127.0.0.1:1", handed_on),
    "bounce.hostname": bounced("hostname", "other.example.org"),
    "bounce.postmaster": bounced("postmaster", "help@example.org"),
    "bounce.store": bounced("store", "bounces.db"),
    "bounce.per_sender": bounced("per_sender", 1),
    "bounce.per_domain": bounced("per_domain", 1),
    "headers.authserv_id": authserv_id,
}


def test_every_setting_has_its_effect_shown() -> None:
    known = {f"{name}.{item.name}" for name, section in SECTIONS.items() for item in fields(section)}
    assert EFFECTS.keys() == known


@pytest.mark.parametrize("key", EFFECTS)
def test_a_setting_has_an_effect(key: str, tmp_path: Path) -> None:
    before, after = EFFECTS[key](tmp_path)
    assert before != after


def test_scores_have_an_effect() -> None:
    assert verdict({}, 2).score == 2
    assert verdict({"scores": {"POINTS": 3}}, 2).score == 6


def test_groups_have_an_effect() -> None:
    capped = verdict({"groups": {"headers": 1.5}}, 2)
    assert (verdict({}, 2).score, capped.score) == (2, 1.5)
    assert [(symbol.name, symbol.points) for symbol in capped.symbols] == [("POINTS", 2.0), ("CAP_HEADERS", -0.5)]

"""Lists of every kind, served by the real rbldnsd, asked by the whole chain, blocking and under asyncio."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import pytest

from mailfilter import Config, Envelope, FilterChain, Verdict
from mailfilter.assembly import BUILT_IN
from mailfilter.cli import main
from mailfilter.deadline import Deadline
from mailfilter.dnslists import Subject, chosen_lists, question_names
from mailfilter.lookups import DnsQuestion

from ..servers import Server, free_port, program, running

pytestmark = pytest.mark.server

HEAD = "$SOA 60 ns.lab.test. hostmaster.lab.test. 1 600 300 86400 60\n$NS 60 ns.lab.test.\n$TTL 60\n"
ZONES = {
    "ip4.lab.test:ip4set": """:127.0.0.2:Listed $
127.0.0.2
11.22.33.0/28
!11.22.33.7
11.22.33.64 :127.0.0.4:exploited
# one address, several codes
11.22.33.65 :127.0.0.2:spam
11.22.33.65 :127.0.0.4:exploited
11.22.33.66 :127.255.255.254:open resolver
11.22.33.67 :127.0.0.9:no code of this list
# one good and one that means a refusal
11.22.33.68 :127.0.0.2:spam
11.22.33.68 :127.255.255.255:too many
""",
    "ip6.lab.test:ip6trie": ":127.0.0.2:Listed $\n::ffff:7f00:2/128\n2a00:bad::/32\n!2a00:bad:1::/48\n",
    # a leading dot means the name and all below it
    "dom.lab.test:dnset": ":127.0.1.2:Listed $\ntest\n.spam.example\n.phish.example :127.0.1.4:phish\nbare.example\n",
    "multi.lab.test:dnset": ":127.0.0.2:Listed $\n2.0.0.127 :127.0.0.254:test point\n.black.example\n"
    ".many.example :127.0.0.88:bits 8, 16 and 64\n.asked-too-much.example :127.0.0.1:refused\n"
    "4.3.0.13 :127.0.0.64:site\n",
    "allow.lab.test:ip4set": ":127.0.2.1:Good $\n11.22.33.9\n11.22.33.10 :127.0.9.3:very good\n",
    "world.lab.test:ip4trie": ":127.0.0.2:The world\n0.0.0.0/1\n128.0.0.0/1\n",
    "nobody.lab.test:ip4set": ":127.0.0.2:Nobody\n",
}


def meaning(symbol: str, points: float = 1.0) -> dict[str, Any]:
    return {"symbol": symbol, "points": points, "description": "Listed."}


LISTS: list[dict[str, Any]] = [
    {"name": "ip4", "zone": "ip4.lab.test", "ask": ["client", "hops"],
     "codes": {"127.0.0.2": meaning("IP_SPAM"), "127.0.0.4-7": meaning("IP_BOT")}},
    {"name": "ip6", "zone": "ip6.lab.test", "families": ["ipv6"], "codes": {"127.0.0.2": meaning("IP6_SPAM")}},
    {"name": "dom", "zone": "dom.lab.test", "kind": "domain", "form": "both",
     "ask": ["mail-from", "from", "reply-to", "helo", "rdns", "dkim", "links"],
     "codes": {"127.0.1.2": meaning("DOM_SPAM"), "127.0.1.4": meaning("DOM_PHISH")}},
    {"name": "multi", "zone": "multi.lab.test", "kind": "domain", "ask": ["links"], "addresses": True,
     "refused_bits": 1, "test_listed": "127.0.0.2", "test_unlisted": "127.0.0.1",
     "bits": {"2": meaning("M_BLACK"), "8": meaning("M_PHISH"), "16": meaning("M_MALWARE"), "64": meaning("M_ABUSE")}},
    {"name": "email", "zone": "email.lab.test", "kind": "email", "ask": ["from", "body"], "hash": "sha1",
     "normalise": ["tags", "dots", "googlemail"], "test_listed": "test@test.example",
     "codes": {"127.0.0.2": meaning("EMAIL_SPAM")}},
    {"name": "url", "zone": "url.lab.test", "kind": "url", "ask": ["links"], "form": "host-path", "hash": "sha256",
     "encoding": "base32", "codes": {"127.0.3.30": meaning("URL_SPAM")}},
    {"name": "allow", "zone": "allow.lab.test", "allow": True, "test_listed": "", "codes": {
        "127.0.2-255.1": meaning("OWN_LOW", -0.5), "127.0.2-255.3": meaning("OWN_HI", -2.0)}},
]  # fmt: skip


def hashed(name: str, kind: str, value: str) -> str:
    """The label under which a list of hashes keeps something."""
    (definition,) = chosen_lists((), [table for table in LISTS if table["name"] == name])
    (found,) = question_names(definition, Subject(kind, "body" if kind == "email" else "links", value))
    return found.removesuffix(f".{definition.zone}")


class ListServer(Server):
    """rbldnsd with `ZONES` and lists of hashes."""

    def __init__(self, folder: Path) -> None:
        addresses = [hashed("email", "email", address) for address in ("test@test.example", "joe.doe@gmail.com")]
        zones = {
            **ZONES,
            "email.lab.test:dnset": ":127.0.0.2:Listed $\n" + "\n".join(addresses) + "\n",
            "url.lab.test:dnset": ":127.0.3.30:Listed $\n" + hashed("url", "url", "https://short.example/AbC1") + "\n",
        }
        for name, text in zones.items():
            (folder / name.partition(":")[0]).write_text(HEAD + text)
        folder.chmod(0o755)  # it does not run as root
        port = free_port(socket.SOCK_DGRAM)
        self.address = f"127.0.0.1:{port}"
        command = [program("rbldnsd"), "-n", "-e", "-a", "-w", ".", "-b", f"127.0.0.1/{port}"]
        command += [f"{name}:{name.partition(':')[0]}" for name in zones]
        super().__init__(command, folder, lambda: _answers(port), user="rbldns")


def _answers(port: int) -> bool:
    try:
        query = dns.message.make_query("2.0.0.127.ip4.lab.test", "A")
        return bool(dns.query.udp(query, "127.0.0.1", timeout=0.3, port=port).answer)
    except (dns.exception.DNSException, OSError):
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ListServer]:
    made = ListServer(tmp_path_factory.mktemp("lists"))
    with running(made):
        yield made


@pytest.fixture(params=["blocking", "asyncio"])
def ask(request: pytest.FixtureRequest, server: ListServer) -> Iterator[Any]:
    """Ask the chain about a mail; gives findings and what is unknown, by name."""
    config = Config.from_mapping({"dns": {"resolvers": [server.address], "custom": LISTS}})
    with FilterChain(config, checks=[BUILT_IN["dnsbl"](config)]) as chain:

        def check(raw: bytes = b"\nhello\n", client: str = "99.1.2.3", **envelope: str) -> dict[str, str]:
            given = Envelope(client_ip=client, **envelope)  # type: ignore[arg-type]
            verdict: Verdict
            if request.param == "asyncio":
                verdict = asyncio.run(chain.acheck(raw, given))
            else:
                verdict = chain.check(raw, given)
            return {symbol.name: symbol.evidence for symbol in (*verdict.symbols, *verdict.unknown)}

        yield check


@pytest.mark.parametrize(
    ("client", "names"),
    [
        ("11.22.33.1", {"IP_SPAM"}),
        ("11.22.33.7", set()),  # excluded from a range that is listed
        ("11.22.33.64", {"IP_BOT"}),
        ("11.22.33.65", {"IP_SPAM", "IP_BOT"}),
        ("11.22.33.66", {"DNSBL_UNKNOWN"}),
        ("11.22.33.67", {"DNSBL_UNKNOWN"}),
        ("11.22.33.68", {"DNSBL_UNKNOWN"}),
        ("99.1.2.3", set()),
        ("2a00:bad::7", {"IP6_SPAM"}),
        ("2a00:bad:1::7", set()),
        ("::ffff:11.22.33.64", {"IP_BOT"}),
        ("11.22.33.9", {"IP_SPAM", "OWN_LOW"}),
        ("11.22.33.10", {"IP_SPAM", "OWN_HI"}),
    ],
)
def test_hosts(ask: Any, client: str, names: set[str]) -> None:
    assert ask(client=client).keys() == names


def test_hops(ask: Any) -> None:
    raw = b"Received: from a.test (a.test [11.22.33.64]) by b.test; Mon, 1 Jan 2024 00:00:00 +0000\n\nx\n"
    assert ask(raw) == {"IP_BOT": "'11.22.33.64' (Received) is 127.0.0.4 in ip4.lab.test"}


@pytest.mark.parametrize(
    ("raw", "envelope", "names"),
    [
        (b"From: a@www.spam.example\n\nx\n", {}, {"DOM_SPAM"}),
        (b"Reply-To: a@phish.example\n\nx\n", {}, {"DOM_PHISH"}),
        (b"DKIM-Signature: v=1; d=k.spam.example; s=s\n\nx\n", {}, {"DOM_SPAM"}),
        (b"\nx\n", {"mail_from": "a@bare.example"}, {"DOM_SPAM"}),
        (b"\nx\n", {"helo": "mx.bare.example"}, {"DOM_SPAM"}),
        (b"\nx\n", {"client_name": "mx.phish.example"}, {"DOM_PHISH"}),
        (b"\nhttps://a.b.spam.example/ https://phish.example/\n", {}, {"DOM_SPAM", "DOM_PHISH"}),
        (b"\nhttps://www.good.example/\n", {"helo": "good.example", "mail_from": "a@good.example"}, set()),
        (b"\nhttps://www.black.example/\n", {}, {"M_BLACK"}),
        (b"\nhttps://many.example/\n", {}, {"M_PHISH", "M_MALWARE", "M_ABUSE"}),
        (b"\nhttps://asked-too-much.example/\n", {}, {"DNSBL_UNKNOWN_DOMAIN"}),
        (b"\nhttp://13.0.3.4/x\n", {}, {"M_ABUSE"}),
        (b"\nhttps://short.example/AbC1?u=joe\n", {}, {"URL_SPAM"}),
        (b"\nhttps://short.example/AbC2\n", {}, set()),
        (b"\nwrite to Joe.Doe+prize@googlemail.com\n", {}, {"EMAIL_SPAM"}),
        (b"From: <joedoe@gmail.com>\n\nx\n", {}, {"EMAIL_SPAM"}),
        (b"From: <joe.doe@other.example>\n\nx\n", {}, set()),
    ],
)
def test_domains_links_and_addresses(ask: Any, raw: bytes, envelope: dict[str, str], names: set[str]) -> None:
    assert ask(raw, **envelope).keys() == names


def test_texts_pass_the_watch(server: ListServer) -> None:
    config = Config.from_mapping({"dns": {"resolvers": [server.address], "custom": LISTS}})
    question = DnsQuestion("65.33.22.11.ip4.lab.test", "TXT")
    with FilterChain(config) as chain:
        lookup = chain.lookups[DnsQuestion]
        for _ in range(20):
            assert lookup.ask(question, Deadline.after(3)).records == ("exploited", "spam")
            assert asyncio.run(lookup.aask(question, Deadline.after(3))).records == ("exploited", "spam")
        assert "IP_BOT" in {symbol.name for symbol in chain.check(b"\n", Envelope(client_ip="11.22.33.65")).symbols}


@pytest.mark.parametrize(
    ("zone", "said"),
    [("world.lab.test", "127.0.0.1 is listed"), ("nobody.lab.test", "127.0.0.2 is not listed"), ("no.test", "broken")],
)
def test_lists_of_the_world_and_of_nobody(
    zone: str, said: str, server: ListServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {"name": "own", "zone": zone, "codes": {"127.0.0.2": meaning("OWN_SPAM")}}
    dns_table = {"resolvers": [server.address], "custom": [table], "breaker_failures": 1}
    config = Config.from_mapping({"dns": dns_table})
    with FilterChain(config, checks=[BUILT_IN["dnsbl"](config)]) as chain:
        client = Envelope(client_ip="11.22.33.1")
        for number in range(3):
            verdict = chain.check(b"\n", replace(client, client_ip=f"11.22.33.{number}"))
            assert (verdict.score, [symbol.name for symbol in verdict.unknown]) == (0.0, ["DNSBL_UNKNOWN"])
        assert said in verdict.unknown[0].evidence
    settings = tmp_path / "my.toml"
    code = '[dns.custom.codes]\n"127.0.0.2" = { symbol = "OWN_SPAM", points = 1, description = "Listed." }\n'
    text = f'[dns]\nresolvers = ["{server.address}"]\n[[dns.custom]]\nname = "own"\nzone = "{zone}"\n{code}'
    settings.write_text(text)
    assert main(["doctor", "--dns", "--config", str(settings)]) == 1
    assert "expected (RFC 5782)" in capsys.readouterr().out

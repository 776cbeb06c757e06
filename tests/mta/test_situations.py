"""End to end over SMTP with the real clamd, rbldnsd, nsd, unbound and Redis: ``situations.toml``, a test for each.

A situation's keys: ``settings`` are laid over those of all; ``client``, ``login``, ``from``, ``to``, ``options`` the
envelope; ``mail`` one of [mails], ``mail_file`` one of the sample ("ham", "spam"), ``sign`` signs it, ``repeat``,
``long``, ``hops``, ``smuggle`` make it large, of one long line, well-travelled, or end it wrongly; ``kill`` what is
dead, ``disk`` what is wrong with it; ``again`` what is sent ``after`` some seconds.  Expected: ``reply`` (or
``replies``) and ``why``, the reason id; ``delivered`` recipients of each mail that is handed on, which is the original
under our headers unless it is ``changed``; ``has``, ``has_not``, ``said`` of these; ``bounced`` who is sent a bounce;
``state`` the entries of the quarantine, whose octets are the original's.
"""

from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.disks import Disk, NoDiskError, disk
from mailfilter import Config, FilterChain
from mailfilter.bounce import Bouncer
from mailfilter.greylist import Greylist
from mailfilter.mta.limits import Limits
from mailfilter.mta.smtpd import FilterHandler
from mailfilter.mta.wire import dotted
from mailfilter.quarantine.delivery import SmtpDelivery, on_the_wire

from ..authentication.signing import sign
from ..servers import MARKER, Clamd, Rbldnsd, Redis, Unbound, free_port, running
from .harness import Sink, Wire, serving, sinking

pytestmark = pytest.mark.server

HERE = Path(__file__).parent
TABLE = tomllib.loads((HERE / "situations.toml").read_text(encoding="utf-8"))
SIZE = 50_000


class Scene:
    """Everything that a situation may need: addresses to fill in, and what to stop."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.places = {"HERE": str(HERE), "DIR": str(folder), "MARKER": MARKER.decode()}
        self.disk: Disk | None = None
        self.now = 1_800_000_000.0

    def fill(self, value: Any) -> Any:
        """``@NAME@`` replaced by what it stands for, anywhere in a table."""
        text = json.dumps(value)
        for name, place in self.places.items():
            text = text.replace(f"@{name}@", json.dumps(place)[1:-1])
        return json.loads(text)


@pytest.fixture(scope="module")
def sink() -> Iterator[tuple[Sink, int]]:
    with sinking() as found:
        yield found


@pytest.fixture
def scene(
    tmp_path: Path,
    clamd: Clamd,
    resolver: Unbound,
    redis_server: Redis,
    sink: tuple[Sink, int],
) -> Iterator[Scene]:
    import redis

    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    sink[0].got.clear()
    with contextlib.ExitStack() as stack:
        made = Scene(tmp_path, stack)
        made.places |= {
            "CLAMD": clamd.tcp,
            "RESOLVER": resolver.address,
            "REDIS": redis_server.url,
            "HOP": f"127.0.0.1:{sink[1]}",
        }
        yield made


def merged(base: Any, over: Any) -> Any:
    """Tables laid over tables."""
    if not (isinstance(base, Mapping) and isinstance(over, Mapping)):
        return over
    return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}


def mortal(scene: Scene, kind: str) -> Any:
    """A server of the situation's own, which will be killed once the chain has been built with it."""
    folder = scene.folder / kind
    folder.mkdir()
    server: Any
    if kind == "clamd":
        server = Clamd(folder)
        scene.places["CLAMD"] = server.tcp
    elif kind == "redis":
        server = Redis(folder)
        scene.places["REDIS"] = server.url
    elif kind == "resolver":
        folder.chmod(0o755)
        backend = Rbldnsd(folder)
        scene.stack.enter_context(running(backend))
        behind = scene.folder / "unbound"
        behind.mkdir()
        server = Unbound(behind, backend)
        scene.places["RESOLVER"] = server.address
    else:
        scene.places["HOP"] = f"127.0.0.1:{free_port()}"
        return None
    return scene.stack.enter_context(running(server))


def small_disk(scene: Scene) -> None:
    try:
        scene.disk = scene.stack.enter_context(disk(scene.folder, 16))
    except NoDiskError as error:
        pytest.skip(str(error))
    scene.places["DISK"] = str(scene.disk.folder)


def spoil(scene: Scene, how: str) -> None:
    """Make the small disk what the situation needs."""
    assert scene.disk is not None
    if how == "read-only":
        scene.disk.protect(True)
    else:
        ballast = scene.disk.folder / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))


def the_mail(scene: Scene, situation: Mapping[str, Any]) -> bytes:
    if "mail_file" in situation:
        sample = HERE.parent.parent / "corpora" / "sample"
        lines = (sample / "index").read_text().split("\n")
        (name,) = [line.split()[1] for line in lines if line.startswith(situation["mail_file"])][:1]
        return on_the_wire((sample / name).resolve().read_bytes())
    raw: bytes = scene.fill(TABLE["mails"][situation["mail"]]).encode()
    if "repeat" in situation:
        raw += b"Soup today, and tomorrow.\r\n" * situation["repeat"]
    if "long" in situation:
        raw += b"x" * situation["long"] + b"\r\n"
    if "hops" in situation:
        raw = b"Received: from a by b\r\n" * situation["hops"] + raw
    if "sign" in situation:
        raw = sign(raw, "rsa2048", domain=situation["sign"])
    return raw


def the_wire(situation: Mapping[str, Any], raw: bytes) -> tuple[bytes, bytes]:
    """The mail as it would be read, and what follows DATA."""
    if "smuggle" in situation:
        second = b"MAIL FROM:<evil@elsewhere.test>\r\nRCPT TO:<bob@here.test>\r\nDATA\r\nSubject: second\r\n\r\nx\r\n"
        raw = b"Subject: first\r\n\r\nSoup." + situation["smuggle"].encode() + second
        return raw, raw + b".\r\n"
    if raw.count(b"\n") != raw.count(b"\r\n") or raw.count(b"\r") != raw.count(b"\r\n"):
        return raw, raw + b".\r\n"
    return raw, dotted(raw) if raw else b".\r\n"


@pytest.mark.parametrize("situation", TABLE["situation"], ids=lambda situation: situation["name"])
def test_situation(situation: Mapping[str, Any], scene: Scene, sink: tuple[Sink, int]) -> None:
    situation = {**TABLE["default"], **situation}
    victim = mortal(scene, situation["kill"]) if "kill" in situation else None
    if "disk" in situation:
        small_disk(scene)
    config = Config.from_mapping(scene.fill(merged(TABLE["settings"], situation.get("settings", {}))))
    chain = scene.stack.enter_context(
        FilterChain(config, greylist=Greylist(config.greylist.store, clock=lambda: scene.now))
    )
    server = scene.stack.enter_context(
        serving(lambda: handler(chain, scene), lmtp=situation.get("lmtp", False), trusted=["127.0.0.1"])
    )
    if victim is not None:
        victim.kill()
    if "disk" in situation:
        spoil(scene, situation["disk"])
    raw = the_mail(scene, situation)
    steps = [situation, *({**situation, "delivered": [], **step} for step in situation.get("again", ()))]
    for step in steps:
        scene.now += step.get("after", 0)
        sink[0].got.clear()
        sent = send(server.port, step, raw)
        arrived(step, sink[0], sent, scene)
    if "release" in situation:
        sink[0].got.clear()
        assert chain.quarantine is not None
        (held,) = chain.quarantine.entries()
        chain.quarantine.release(held.receipt, SmtpDelivery(scene.places["HOP"], timeout=10))
        assert [got.content for got in sink[0].got] == [raw]
    stored(situation, chain, raw, scene)


def handler(chain: FilterChain, scene: Scene) -> FilterHandler:
    section = chain.config.bounce
    bouncer = Bouncer(section.hostname, section.postmaster) if section.hostname else None
    limits = Limits(size=SIZE, grace=1)
    return FilterHandler(chain, scene.places["HOP"], hostname="mx.here.test", bouncer=bouncer, limits=limits)


def send(port: int, step: Mapping[str, Any], raw: bytes) -> bytes:
    """Send it and look at what is answered; the mail as it was meant to be read."""
    raw, wire = the_wire(step, raw)
    lmtp, expected = step.get("lmtp", False), step.get("replies") or [step["reply"]]
    client = Wire(port)
    try:
        client.begin(
            step["hello"].replace("EHLO", "LHLO") if lmtp else step["hello"], step["client"], step.get("login", "")
        )
        said = client.mail(step["from"], step["to"], wire, step.get("options", ""), len(expected))
        assert [line.startswith(f"{want} ") for line, want in zip(said, expected, strict=True)] == [True] * len(said), (
            said
        )
        assert all(f"({step['why']}" in line for line in said) if "why" in step else True, said
        assert client.say("NOOP") == "250 OK", "nothing else was read as a command"
    finally:
        client.close()
    return raw


def arrived(step: Mapping[str, Any], sink: Sink, raw: bytes, scene: Scene) -> None:
    """What the next server got."""
    bounces = [got for got in sink.got if not got.sender and step["from"]]
    assert [got.recipients for got in bounces] == [(to,) for to in step.get("bounced", ())]
    mails = [got for got in sink.got if got not in bounces]
    assert [list(got.recipients) for got in mails] == step["delivered"]
    for got in mails:
        head = got.content.decode("utf-8", "replace")
        assert got.sender == step["from"]
        if not step.get("changed"):
            assert got.content.endswith(raw)
            assert (b"\r\n\r\n" in got.content[: len(got.content) - len(raw)]) is (not raw)
        assert [text for text in scene.fill(step.get("has", [])) if text not in head.replace("\r\n\t", " ")] == []
        assert [text for text in scene.fill(step.get("has_not", [])) if text in head] == []
        assert [text for text in step.get("said", []) if text not in got.options] == []


def stored(situation: Mapping[str, Any], chain: FilterChain, raw: bytes, scene: Scene) -> None:
    """What the quarantine has, octet for octet."""
    assert chain.quarantine is not None
    if situation.get("disk") == "full" and scene.disk is not None:
        (scene.disk.folder / "ballast").unlink()
    entries = list(chain.quarantine.entries())
    assert sorted([str(held.state), *held.envelope.rcpt_to] for held in entries) == situation["state"]
    for held in entries:
        if held.state != "deleted":
            assert chain.quarantine.get(held.receipt) == raw


def test_there_are_enough() -> None:
    assert len(TABLE["situation"]) >= 60
    assert len({situation["name"] for situation in TABLE["situation"]}) == len(TABLE["situation"])

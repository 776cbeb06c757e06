"""The example as a process of its own, driven by real clients: what it takes is never lost, however it ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import smtplib
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailfilter.mta.wire import dotted
from mailfilter.quarantine import Quarantine

from ..servers import free_port
from .harness import Sink, Wire, sinking

ROOT = Path(__file__).parent.parent.parent
MAIL = b"From: Ada <ada@elsewhere.test>\r\nSubject: lunch\r\n\r\nSoup today.\r\n"
LARGE = MAIL + b"Soup today, and tomorrow.\r\n" * 20_000
SETTINGS = """
[checks]
disable = ["content", "headers", "sender", "structure", "links", "claims", "traps", "topics", "client"]
[rules]
paths = ["{here}/situations.cf"]
cache = "off"
[quarantine]
path = "{folder}/quarantine.db"
"""


class Proxy:
    """The running example."""

    def __init__(self, folder: Path, hop: int, *more: str) -> None:
        self.folder = folder
        (folder / "settings.toml").write_text(SETTINGS.format(here=Path(__file__).parent, folder=folder))
        words = [sys.executable, "examples/smtp_proxy.py", "--config", str(folder / "settings.toml")]
        words += ["--listen", "127.0.0.1:0", "--next", f"127.0.0.1:{hop}", "--hostname", "mx.here.test"]
        words += ["--events", str(folder / "events.jsonl"), *more]
        self.process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline().split()
        assert said[:1] == ["listening"], self.process.stderr.read() if self.process.stderr else ""
        self.port, *self.ports = map(int, said[1:])

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "events.jsonl").read_text().splitlines()]


@contextlib.contextmanager
def proxy(folder: Path, hop: int, *more: str) -> Iterator[Proxy]:
    running = Proxy(folder, hop, *more)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait(10)
        for stream in (running.process.stdout, running.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture(scope="module")
def sink() -> Iterator[tuple[Sink, int]]:
    with sinking() as found:
        yield found


@pytest.fixture(autouse=True)
def _nothing_yet(sink: tuple[Sink, int]) -> None:
    sink[0].got.clear()


def test_mails_by_smtplib_with_events_and_counters(tmp_path: Path, sink: tuple[Sink, int]) -> None:
    metrics = free_port()
    with proxy(tmp_path, sink[1], "--metrics", str(metrics), "--lmtp", "127.0.0.1:0") as running:
        with smtplib.SMTP("127.0.0.1", running.port) as client:
            client.sendmail("ada@elsewhere.test", ["bob@here.test"], MAIL)
            client.sendmail("ada@elsewhere.test", ["bob@here.test"], MAIL.replace(b"Soup", b"A wonder-pill"))
            with pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail("ada@elsewhere.test", ["bob@here.test"], MAIL.replace(b"Soup", b"An ultra-pill"))
            assert refused.value.smtp_code == 550
        with smtplib.LMTP("127.0.0.1", running.ports[0]) as local:
            assert local.sendmail("ada@elsewhere.test", ["bob@here.test"], MAIL) == {}
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=10) as page:
            counted = page.read().decode()
        assert running.stop() == 0
        events = running.events()
    assert [event["action"] for event in events] == ["accept", "quarantine", "bounce", "accept"]
    assert [event["replies"] for event in events] == [["250 2.0.0"], ["250 2.0.0"], ["550 5.7.1"], ["250 2.0.0"]]
    assert all(event["seconds"]["total"] >= event["seconds"]["check"] > 0 for event in events)
    assert not {"Soup", "elsewhere", "lunch"} & set(re.findall(r"\w+", json.dumps(events)))
    assert 'mailfilter_mails_total{action="accept",direction="inbound",reason="MF-ACCEPTED"} 2.0' in counted
    assert 'mailfilter_quarantine_mails{state="held"} 1.0' in counted
    assert 'mailfilter_alarms{kind="quarantine_unseen"} 0.0' in counted
    assert [got.content.endswith(MAIL) for got in sink[0].got] == [True, True]


def test_sigterm_while_a_mail_is_being_sent_which_is_then_finished(tmp_path: Path, sink: tuple[Sink, int]) -> None:
    with proxy(tmp_path, sink[1]) as running:
        busy, idle = Wire(running.port), Wire(running.port)
        busy.begin("EHLO client")
        for line in ("MAIL FROM:<ada@elsewhere.test>", "RCPT TO:<bob@here.test>", "DATA"):
            assert busy.say(line)[0] in "23"
        wire = dotted(LARGE)
        busy.socket.sendall(wire[:200_000])
        running.process.send_signal(signal.SIGTERM)
        assert idle.reply().startswith("421 4.3.2")
        busy.socket.sendall(wire[200_000:])
        assert busy.reply().startswith("250 2.0.0")
        assert busy.reply().startswith("421 4.3.2")
        assert running.process.wait(30) == 0
    assert [got.content.endswith(LARGE) for got in sink[0].got] == [True]


def test_sigterm_while_a_mail_is_being_sent_by_one_who_dawdles(tmp_path: Path, sink: tuple[Sink, int]) -> None:
    with proxy(tmp_path, sink[1], "--grace", "0.3") as running:
        client = Wire(running.port)
        client.begin("EHLO client")
        for line in ("MAIL FROM:<ada@elsewhere.test>", "RCPT TO:<bob@here.test>", "DATA"):
            client.say(line)
        client.socket.sendall(dotted(LARGE)[:-1])
        running.process.send_signal(signal.SIGTERM)
        assert client.reply().startswith("421 4.3.2")
        assert running.process.wait(30) == 0
    assert sink[0].got == []


def test_killed_at_any_moment_what_was_answered_is_somewhere(tmp_path: Path, sink: tuple[Sink, int]) -> None:
    taken: set[int] = set()
    number = 0
    for delay in (0.03, 0.06, 0.12):
        with proxy(tmp_path, sink[1]) as running:
            until = time.monotonic() + delay
            client = Wire(running.port)
            client.begin("EHLO client")
            while time.monotonic() < until + 1:
                number += 1
                pill = b"A wonder-pill" if number % 2 else b"Soup"
                raw = MAIL.replace(b"Soup", pill) + b"This is number %d.\r\n" % number
                if time.monotonic() > until:
                    os.kill(running.process.pid, signal.SIGKILL)
                try:
                    said = client.mail(f"a{number}@elsewhere.test", ["bob@here.test"], dotted(raw))
                except OSError:
                    break
                if said[0].startswith("250"):
                    taken.add(number)
                if not said[0]:
                    break
    store = Quarantine(str(tmp_path / "quarantine.db"))
    store.verify(grace=0)
    mails = [store.get(held.receipt) for held in store.entries()] + [got.content for got in sink[0].got]
    store.close()
    kept = {number for number in taken if any(b"number %d.\r\n" % number in raw for raw in mails)}
    assert len(taken) > 5
    assert kept == taken


def test_a_stream_without_end_and_too_many_at_a_time(tmp_path: Path, sink: tuple[Sink, int]) -> None:
    with proxy(tmp_path, sink[1], "--size", "100000", "--sessions", "2") as running:
        first, second, third = (Wire(running.port) for _ in range(3))
        assert (first.greeting[:3], second.greeting[:3], third.greeting[:9]) == ("220", "220", "421 4.3.2")
        assert third.reply() == ""
        first.begin("EHLO client")
        for line in ("MAIL FROM:<ada@elsewhere.test>", "RCPT TO:<bob@here.test>", "DATA"):
            first.say(line)
        with contextlib.suppress(OSError):
            for _ in range(100):
                first.socket.sendall(b"x" * 65_536)
        assert first.reply()[:9] in ("552 5.3.4", "")
        second.begin("EHLO client")
        assert second.mail("ada@elsewhere.test", ["bob@here.test"], dotted(MAIL))[0].startswith("250")


def test_starttls(tmp_path: Path, sink: tuple[Sink, int]) -> None:
    (tmp_path / "both.pem").write_bytes(certificate())
    with proxy(tmp_path, sink[1], "--tls", str(tmp_path / "both.pem")) as running:
        with smtplib.SMTP("127.0.0.1", running.port) as client:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.starttls(context=context)
            client.sendmail("ada@elsewhere.test", ["bob@here.test"], LARGE)
        wire = Wire(running.port)  # what is said before TLS begins counts for nothing afterwards
        wire.begin("EHLO client")
        wire.socket.sendall(b"STARTTLS\r\nMAIL FROM:<evil@elsewhere.test>\r\n")
        assert wire.reply().startswith("220")
        wire.encrypt(context)
        assert wire.say("EHLO client").startswith("250")
        assert wire.say("RCPT TO:<bob@here.test>").startswith("503")
        wire.close()
        assert running.stop() == 0
    assert [got.content.endswith(LARGE) for got in sink[0].got] == [True]
    assert b"with ESMTPS id" in sink[0].got[0].content[:300]


def certificate() -> bytes:
    """A key and a certificate for it."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mx.here.test")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + made.sign(key, hashes.SHA256()).public_bytes(pem)


def test_without_a_quarantine_it_says_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("")
    words = [sys.executable, "examples/smtp_proxy.py", "--config", str(tmp_path / "empty.toml")]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert "quarantine.path: held mail needs a place" in ran.stderr

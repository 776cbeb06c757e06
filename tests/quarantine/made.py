"""Mails, envelopes and verdicts for the quarantine's tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mailfilter.decision import Action, Reason
from mailfilter.envelope import Envelope
from mailfilter.quarantine import Held, Keyring, Quarantine
from mailfilter.testing.clock import FakeClock
from mailfilter.verdict import ScoredSymbol, Verdict

NOW = 1_795_000_000.0
DAY = 86_400.0
RULE = ScoredSymbol("RULE", 6.5, 1.0, "seen", "a rule", "headers")
VERDICT = Verdict(Action.QUARANTINE, Reason.SCORE, 6.5, 0.9, (RULE,), (), 6.0, "00" * 32)
ENVELOPE = Envelope(client_ip="203.0.113.9", mail_from="a@example.net", rcpt_to=["b@example.org"])
KEYS = Keyring(secrets=(b"k" * 32,))
MAIL = b"From: Anna <a@example.net>\r\nSubject: Offer\r\n\r\nbody\r\n"


def envelope(*to: str, sender: str = "a@example.net", **more: Any) -> Envelope:
    """An envelope to these recipients."""
    return Envelope(mail_from=sender, rcpt_to=to or ("b@example.org",), **more)


def store(folder: Path | None = None, **settings: Any) -> Quarantine:
    """A quarantine with a clock of its own, in memory or in a folder."""
    path = ":memory:" if folder is None else str(folder / "q.db")
    return Quarantine(path, FakeClock(NOW), **settings)


def hold(quarantine: Quarantine, raw: bytes = MAIL, *to: str, verdict: Verdict = VERDICT, **more: Any) -> str:
    """Hold a mail."""
    return quarantine.hold(raw, envelope(*to, **more), verdict)


def later(quarantine: Quarantine, days: float) -> None:
    """Let time pass."""
    assert isinstance(quarantine.clock, FakeClock)
    quarantine.clock.advance(days * DAY)


def told(quarantine: Quarantine, receipt: str) -> None:
    """Note a notice to everybody whom a mail is for."""
    for one in quarantine.entry(receipt).recipients:
        quarantine.index.note_notice(one.address, [receipt], quarantine.clock())


def only(quarantine: Quarantine) -> Held:
    """The one entry that there is."""
    (held,) = quarantine.entries()
    return held

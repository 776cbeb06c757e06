"""``mailfilter quarantine``, order by order, and what the doctor says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailfilter import Config, FilterChain
from mailfilter.classifier.model import Model
from mailfilter.classifier.site import SiteModel
from mailfilter.cli import main
from mailfilter.examination import examine
from mailfilter.message import Message
from mailfilter.quarantine import Quarantine
from mailfilter.quarantine.configured import quarantine as configured

from .made import MAIL, VERDICT, envelope

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "my.toml"
    path.write_text(f"[quarantine]\npath = '{tmp_path}/q.db'\n[learning]\nsite = '{tmp_path}/site.db'\n")
    return path


@pytest.fixture
def quarantine(settings: Path) -> Iterator[Quarantine]:
    found = configured(Config.from_file(settings))
    yield found
    found.close()


@pytest.fixture
def run(settings: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs an order and gives its status and what it printed, errors too."""

    def go(*words: str) -> tuple[int, str]:
        capsysbinary.readouterr()
        status = main(["quarantine", words[0], "--config", str(settings), *words[1:]])
        said = capsysbinary.readouterr()
        return status, (said.out + said.err).decode()

    return go


def hold(quarantine: Quarantine, raw: bytes = MAIL, *to: str) -> str:
    return quarantine.hold(raw, envelope(*to), VERDICT)


def test_list_finds_and_counts_as_looking_at(run: Run, quarantine: Quarantine) -> None:
    first, second = hold(quarantine), hold(quarantine, b"Subject: other\n\n", "c@example.com")
    status, said = run("list", "--json")
    assert (status, [json.loads(line)["receipt"] for line in said.splitlines()]) == (0, [first, second])
    run("list", "--peek")
    assert quarantine.stats().unseen == 2
    status, said = run("list", "--recipient", "EXAMPLE.com")
    assert (status, said.count("\n"), second in said, "other" in said) == (0, 1, True, True)
    assert quarantine.stats().unseen == 1
    for words in ("--subject OFFER", f"--state held --receipt {first[:5]}", "--symbol RULE --since 1h"):
        assert first in run("list", *words.split())[1]
    assert run("list", "--state", "released")[1] == ""
    assert run("list", "--since", "2020-01-01", "--digest", quarantine.entry(first).digest[:16])[1].startswith(first)


def test_what_a_sender_wrote_does_not_reach_the_terminal(run: Run, quarantine: Quarantine) -> None:
    hold(quarantine, b"Subject: \x1b[2J=?utf-8?q?=1B]0;x=0D=0A?=\r\n\r\n", "b\x1b@example.org")
    for words in (["list"], ["list", "--json"], ["digest", "--dry-run"]):
        assert "\x1b" not in run(*words)[1]


def test_show_writes_the_exact_mail(run: Run, quarantine: Quarantine, capsysbinary: Any) -> None:
    receipt = hold(quarantine, b"\0\xff\r\n.\n")
    assert main(["quarantine", "show", receipt, "--config", os.fspath(Path(quarantine.path).parent / "my.toml")]) == 0
    assert capsysbinary.readouterr().out == b"\0\xff\r\n.\n"
    known = json.loads(run("show", "--json", receipt)[1])
    assert (known["state"], known["envelope"]["rcpt_to"], known["size"]) == ("held", ["b@example.org"], 6)


def test_release_to_standard_output_and_learn(run: Run, quarantine: Quarantine, tmp_path: Path) -> None:
    receipt = hold(quarantine)
    status, said = run("release", "--learn", receipt)
    assert (status, said.encode(), quarantine.entry(receipt).state) == (0, MAIL, "released")
    site = SiteModel(Model.load(None), tmp_path / "site.db")
    assert site.known(Message(MAIL)) is False
    site.close()
    status, said = run("release", receipt, receipt)
    assert (status, "several mails are released by SMTP only" in said) == (2, True)


def test_release_and_digest_by_smtp(run: Run, settings: Path, quarantine: Quarantine) -> None:
    pytest.importorskip("aiosmtpd", reason="pip install aiosmtpd")
    from aiosmtpd.controller import Controller

    from ..servers import free_port
    from .test_delivery import Server

    server = Server()
    controller = Controller(server, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        text = settings.read_text().replace(
            "[learning]", f"smtp = '127.0.0.1:{controller.port}'\npostmaster = 'postmaster@example.org'\n[learning]"
        )
        settings.write_text(text)
        first, second = (
            hold(quarantine, MAIL, "b@example.org", "c@example.org"),
            hold(quarantine, MAIL, "no@example.org"),
        )
        status, said = run("release", "--to", "c@example.org", first)
        assert (status, said) == (0, f"{first} released\n")
        assert [to for _, to, _, _ in server.got] == [["c@example.org"]]
        status, said = run("digest")
        assert (status, said) == (1, "1 notices of 1 mails went out; 1 did not\nnot told: no@example.org\n")
        status, said = run("release", first, second)
        assert (status, said.splitlines()[0]) == (1, f"{first} released")
        assert said.endswith(f"{second} was refused for no@example.org\n")
        assert {held.receipt: str(held.state) for held in quarantine.entries()} == {first: "released", second: "held"}
    finally:
        controller.stop()


def test_digest_needs_to_know_who_tells(run: Run, quarantine: Quarantine) -> None:
    hold(quarantine)
    assert run("digest", "--dry-run") == (0, "b@example.org\n")
    status, said = run("digest")
    assert (status, "quarantine.postmaster: the address is needed" in said) == (2, True)


def test_delete_expire_and_their_tombstones(run: Run, quarantine: Quarantine) -> None:
    first, second = hold(quarantine), hold(quarantine, b"second")
    assert run("delete", first) == (0, f"{first} deleted\n")
    assert run("delete", "nope")[0] == 2
    assert run("expire") == (0, "0 expired, 0 tombstones removed\n")
    old = Quarantine(quarantine.path, lambda: 1e9)
    third = old.hold(b"third", envelope(), VERDICT)
    status, said = run("expire")
    assert (status, "1 stay: nobody was told" in said) == (1, True)
    old.index.note_notice("b@example.org", [third], 1e9)
    assert json.loads(run("expire", "--json")[1]) == {"expired": 1, "waiting": 0, "forgotten": 0}
    states = {held.receipt: str(held.state) for held in quarantine.entries()}
    assert states == {first: "deleted", second: "held", third: "expired"}


def test_restore_gives_back_the_original(run: Run, quarantine: Quarantine) -> None:
    receipt = hold(quarantine)
    assert run("restore", receipt) == (0, MAIL.decode())
    assert quarantine.entry(receipt).state == "restored"


def test_verify_says_what_is_wrong(run: Run, quarantine: Quarantine) -> None:
    receipt = hold(quarantine)
    assert run("verify") == (0, "1 of 1 mails are whole\n")
    quarantine.blobs.remove(receipt)
    assert run("verify", "--dry-run") == (1, f"0 of 1 mails are whole\nmissing     1: {receipt}\n")
    assert quarantine.entry(receipt).fault == ""
    status, said = run("verify", "--json", "--grace", "0")
    assert (status, json.loads(said)["missing"], quarantine.entry(receipt).fault) == (1, [receipt], "missing")


def test_stats_and_the_doctor_say_when_nobody_looks(run: Run, settings: Path, quarantine: Quarantine) -> None:
    hold(quarantine)
    assert run("stats")[0] == 0
    assert doctor(settings) == [(False, "1 mails, 52 bytes"), (False, "recipients are not told, so nothing expires "
                                "(quarantine.postmaster, quarantine.smtp)")]  # fmt: skip
    Quarantine(quarantine.path, lambda: 1e9).hold(b"old", envelope(), VERDICT)
    status, said = run("stats")
    assert (status, "alarm     nobody looks" in said, "held             2 mails" in said) == (1, True, True)
    assert json.loads(run("stats", "--json")[1])["alarm"] is True
    (alarm,) = [text for wrong, text in doctor(settings) if wrong]
    assert alarm.startswith("nobody looks: 2 mails unseen, the oldest for ")


def test_the_doctor_says_when_it_is_nearly_full_damaged_or_closed(settings: Path, quarantine: Quarantine) -> None:
    receipt = hold(quarantine, bytes(1_000_000))
    quarantine.index.note_fault(receipt, "missing")
    text = settings.read_text()
    settings.write_text(text.replace("[learning]", "quota = 1\n[learning]"))
    wrong = [text for wrong, text in doctor(settings) if wrong]
    assert wrong == ["1 mails are missing or damaged (quarantine verify)",
                     "is nearly full: soon new mail is refused for now (quarantine.quota)"]  # fmt: skip
    settings.write_text(text.replace("[learning]", "keys = '/nowhere/keys'\n[learning]"))
    ((closed, said),) = doctor(settings)
    assert (closed, "quarantine keys /nowhere/keys: cannot be read" in said) == (True, True)


def test_the_doctor_makes_no_quarantine(settings: Path, tmp_path: Path) -> None:
    assert doctor(settings) == [(False, f"{tmp_path}/q.db: nothing was held yet")]
    assert not (tmp_path / "q.db").exists()


def doctor(settings: Path) -> list[tuple[bool, str]]:
    with FilterChain(Config.from_file(settings), stateless=True) as chain:
        return [(line.wrong, line.text) for line in examine(chain) if line.subject == "quarantine"]


def test_keys_are_made_renewed_and_dropped(run: Run, settings: Path, quarantine: Quarantine, tmp_path: Path) -> None:
    receipt = hold(quarantine)
    status, said = run("rekey")
    assert (status, "set [quarantine] keys to its path" in said) == (2, True)
    settings.write_text(settings.read_text().replace("[learning]", f"keys = '{tmp_path}/keys'\n[learning]"))
    for made in (1, 2):
        status, said = run("rekey")
        assert (status, "1 entries sealed anew, 0 older keys removed" in said) == (0, True)
        assert len((tmp_path / "keys").read_text().split()) == made
    assert MAIL not in (quarantine.blobs.read(receipt) or b"")
    assert run("rekey", "--drop-old") == (0, "0 entries sealed anew, 1 older keys removed\n")
    assert run("show", receipt) == (0, MAIL.decode())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "nope"], "no mail has the receipt nope"),
        (["restore", "nope"], "no mail has the receipt nope"),
        (["list", "--since", "yesterday"], '--since: a date ("2026-01-31") or a span'),
    ],
)
def test_mistakes_are_said_in_one_line(run: Run, words: list[str], said: str) -> None:
    status, text = run(*words)
    assert (status, text.count("\n"), said in text) == (2, 1, True)


def test_every_order_has_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["quarantine", "--help"])
    said = capsys.readouterr().out
    orders = ("list", "show", "release", "restore", "delete", "digest", "expire", "verify", "stats", "rekey")
    assert all(f"    {order} " in said for order in orders)

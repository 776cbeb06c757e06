"""``mailfilter learn`` as a person uses it: counts, faults in one line each, and a chain that knows better after."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mailfilter import Config, FilterChain
from mailfilter.cli import main

Learn = Callable[..., tuple[int, str, str]]


def spam(number: int) -> bytes:
    return f"From: shop@offers.example\nSubject: offer {number}\n\nCheap watches, buy now, {number}\n".encode()


def ham(number: int) -> bytes:
    return f"From: ada@example.org\nSubject: lunch {number}\n\nShall we meet at noon? {number}\n".encode()


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    for kind, make in (("spam", spam), ("ham", ham)):
        folder = tmp_path / kind
        folder.mkdir()
        for number in range(5):
            (folder / f"{number}.eml").write_bytes(make(number))
    return tmp_path


@pytest.fixture
def learn(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Learn:
    monkeypatch.delenv("MAILFILTER_CONFIG", raising=False)

    def run(*words: object) -> tuple[int, str, str]:
        status = main(["learn", *map(str, words), "--site", str(tmp_path / "site.db")])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_counts_of_what_was_done(mails: Path, learn: Learn) -> None:
    site = f"taught in {mails / 'site.db'}\n"
    status, out, err = learn("--spam", mails / "spam", "--ham", mails / "ham")
    assert (status, err) == (0, "")
    assert out == f"10 learned, 0 known already, 0 relabelled, 0 forgotten; site: 5 ham and 5 spam {site}"
    assert learn("--spam", mails / "spam")[1].startswith("0 learned, 5 known already, 0 relabelled, 0 forgotten; ")
    assert learn("--ham", mails / "spam" / "1.eml")[1] == (
        f"0 learned, 0 known already, 1 relabelled, 0 forgotten; site: 6 ham and 4 spam {site}"
    )
    assert learn("--forget", mails / "spam")[1] == (
        f"0 learned, 0 known already, 0 relabelled, 5 forgotten; site: 5 ham and 0 spam {site}"
    )
    assert ", 5 to forget were not known; " in learn("--forget", mails / "spam")[1]


def test_archives_of_any_kind(mails: Path, learn: Learn) -> None:
    with tarfile.open(mails / "spam.tar.gz", "w:gz") as tar:
        tar.add(mails / "spam", "spam")
    parting = b"From x Tue Nov 24 10:00:00 2026\n"
    (mails / "ham.mbox").write_bytes(b"".join(parting + ham(number) + b"\n" for number in range(5)))
    assert learn("--spam", mails / "spam.tar.gz", "--ham", mails / "ham.mbox")[1].startswith("10 learned, ")
    assert learn("--spam", mails / "spam")[1].startswith("0 learned, 5 known already")


def test_a_user_of_their_own(mails: Path, learn: Learn) -> None:
    learn("--spam", mails / "spam", "--ham", mails / "ham")
    status, out, _ = learn("--ham", mails / "spam", "--user", "ada")
    assert status == 0
    assert "; user ada: 5 ham and 0 spam taught in " in out
    assert "site: 5 ham and 5 spam" in learn("--ham", mails / "ham")[1]


def test_the_chain_judges_by_what_was_taught(mails: Path, learn: Learn) -> None:
    learn("--spam", mails / "spam", "--ham", mails / "ham")
    chain = FilterChain(Config.from_mapping({"learning": {"site": str(mails / "site.db")}}))
    before = FilterChain()
    for make, sign in ((spam, 1), (ham, -1)):
        taught, untaught = (one.check(make(77)).probability for one in (chain, before))
        assert taught is not None
        assert untaught is not None
        assert (taught - untaught) * sign > 0
        assert (taught > 0.5) == (sign > 0)


def test_settings_say_where_and_whose(mails: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = mails / "settings.toml"
    settings.write_text(f'[learning]\nsite = "{mails / "own.db"}"\nuser = "bob"\n')
    assert main(["learn", "--ham", str(mails / "ham"), "--config", str(settings)]) == 0
    assert capsys.readouterr().out.endswith(f"; user bob: 5 ham and 0 spam taught in {mails / 'own.db'}\n")


def test_what_cannot_be_read_is_named_and_the_rest_is_learned(mails: Path, learn: Learn) -> None:
    (mails / "ham" / "no.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    status, out, err = learn("--ham", mails / "ham", mails / "none")
    assert status == 1
    assert out.startswith("5 learned, ")
    assert ", 2 could not be read (named above); " in out
    assert [line.split(": ")[1] for line in err.splitlines()] == [str(mails / "ham" / "no.png"), str(mails / "none")]


def test_given_as_both(mails: Path, learn: Learn) -> None:
    status, out, err = learn("--ham", mails / "ham", "--spam", mails / "spam", mails / "ham" / "3.eml")
    assert status == 1
    assert err == f"mailfilter: {mails / 'ham' / '3.eml'}: was given as ham too; left as ham\n"
    assert ", 1 given as both ham and spam (named above); site: 5 ham and 5 spam " in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--site", "x.db"], "nothing to learn: name mails or archives after --ham, --spam or --forget"),
        (["--ham", "x"], "give --site FILE, or set [learning] site"),
        (["--ham", "x", "--site", "/none/x.db"], "there is no folder /none"),
        (["--ham", "x", "--site", "/dev/null"], "/dev/null: the file of taught mail cannot be opened"),
    ],
)
def test_nothing_is_done_and_one_line_says_why(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MAILFILTER_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["learn", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []

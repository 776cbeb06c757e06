"""Sealed mail, keys that are renewed, links that only we can make."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.errors import StoreError
from mailfilter.quarantine import Keyring, Link, LinkError, WrongKeyError
from mailfilter.quarantine.keys import TamperedError, add_key, drop_old
from mailfilter.quarantine.links import make_token, read_token

from .made import DAY, KEYS, MAIL, NOW, hold, later, only, store

LINK = Link("00aa", "b@example.org", NOW + DAY)


@settings(max_examples=25)
@given(st.binary(max_size=500), st.text(max_size=10))
def test_what_is_sealed_comes_back(data: bytes, about: str) -> None:
    about = about.encode("utf-8", "replace").decode()
    assert KEYS.open(KEYS.seal(data, about), about) == data


@settings(max_examples=50)
@given(st.integers(min_value=0), st.integers(1, 255))
def test_no_octet_can_be_changed(place: int, change: int) -> None:
    sealed = bytearray(KEYS.seal(b"some mail", "mail 1"))
    sealed[20 + place % (len(sealed) - 20)] ^= change
    with pytest.raises((TamperedError, WrongKeyError)):
        KEYS.open(bytes(sealed), "mail 1")


def test_one_thing_cannot_stand_for_another() -> None:
    with pytest.raises(TamperedError, match="mail 2 is damaged"):
        KEYS.open(KEYS.seal(b"x", "mail 1"), "mail 2")


def test_nothing_of_a_mail_lies_in_the_clear(tmp_path: Path) -> None:
    quarantine = store(tmp_path, keys=KEYS)
    receipt = hold(quarantine, b"From: Needle <n@example.net>\r\nSubject: needle\r\n\r\nneedle\r\n")
    quarantine.close()
    quarantine = store(tmp_path, keys=KEYS)
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"needle" not in everything.lower()
    assert quarantine.get(receipt).endswith(b"needle\r\n")
    assert only(quarantine).subject == "needle"


def test_a_wrong_key_is_said(tmp_path: Path) -> None:
    receipt = hold(store(tmp_path, keys=KEYS))
    other = store(tmp_path, keys=Keyring(secrets=(b"x" * 32,)))
    with pytest.raises(
        WrongKeyError, match=rf"mail {receipt} is sealed with key [0-9a-f]{{8}}, which is not in the given"
    ):
        other.get(receipt)
    with pytest.raises(StoreError, match=r"no key is given: set \[quarantine\] keys"):
        store(tmp_path).get(receipt)
    with pytest.raises(WrongKeyError):
        list(other.entries())


def test_keys_are_renewed_while_a_process_runs(tmp_path: Path) -> None:
    path = str(tmp_path / "keys")
    names = [add_key(path)]
    running = store(tmp_path, keys=Keyring(path))
    first = hold(running)
    names.append(add_key(path))
    os.utime(path, ns=(1, 1))  # however coarse the file system's clock is
    other = store(tmp_path, keys=Keyring(path))
    assert other.reseal() == 1
    assert (other.reseal(), running.get(first)) == (0, MAIL)
    second = hold(running, b"second")
    assert drop_old(path) == 1
    last = store(tmp_path, keys=Keyring(path))
    assert (last.get(first), last.get(second), last.keys.newest.name.hex()) == (MAIL, b"second", names[1])  # type: ignore[union-attr]
    assert last.verify(grace=0).whole == 2


def test_what_lies_in_the_clear_is_sealed_later_and_opened_again(tmp_path: Path) -> None:
    receipt = hold(store(tmp_path))
    quarantine = store(tmp_path, keys=KEYS)
    assert quarantine.get(receipt) == MAIL
    assert (quarantine.reseal(), MAIL in (quarantine.blobs.read(receipt) or b"")) == (1, False)
    plain = store(tmp_path, keys=KEYS, encrypt=False)
    assert (plain.reseal(), MAIL in (plain.blobs.read(receipt) or b"")) == (1, True)


def test_a_key_file_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    add_key(str(path))
    add_key(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [len(base64.b64decode(line)) for line in path.read_text().split()] == [32, 32]


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "cannot be read: No such file"), ("", "there is no key"), ("c2hvcnQ=\n", "32 octets or more"),
     ("not base64!\n", "in base64, one a line")],
)  # fmt: skip
def test_a_key_file_that_is_none_is_said(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "keys"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StoreError, match=f"{said}.*rekey` makes one"):
        Keyring(str(path))


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELD_KEYS", base64.b64encode(b"k" * 32).decode())
    assert Keyring("env:HELD_KEYS").open(KEYS.seal(b"x", "a"), "a") == b"x"
    monkeypatch.delenv("HELD_KEYS")
    with pytest.raises(StoreError, match="env:HELD_KEYS: there is no key"):
        Keyring("env:HELD_KEYS")


def test_a_link_says_what_it_is_for() -> None:
    token = make_token(LINK, KEYS)
    assert read_token(token, KEYS, NOW) == LINK
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_link_ends() -> None:
    token = make_token(LINK, KEYS)
    assert read_token(token, KEYS, LINK.until - 1) == LINK
    with pytest.raises(LinkError, match="too old"):
        read_token(token, KEYS, LINK.until)


@settings(max_examples=200)
@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_nobody_else_can_make_a_link(token: str) -> None:
    with pytest.raises(LinkError, match="not one of ours"):
        read_token(token, KEYS, NOW)


@settings(max_examples=100)
@given(st.integers(min_value=0), st.sampled_from("ABab01-_"))
def test_no_character_of_a_link_can_be_changed(place: int, other: str) -> None:
    token = make_token(LINK, KEYS)
    place %= len(token)
    changed = token[:place] + other + token[place + 1 :]
    if changed == token:
        return
    try:
        assert read_token(changed, KEYS, NOW) == LINK  # bits of the last character that carry nothing
        assert place == len(token) - 1
    except LinkError:
        pass


def test_a_link_of_another_key_is_none() -> None:
    with pytest.raises(LinkError, match="not one of ours"):
        read_token(make_token(LINK, Keyring(secrets=(b"x" * 32,))), KEYS, NOW)
    both = Keyring(secrets=(b"x" * 32, b"k" * 32))
    assert read_token(make_token(LINK, KEYS), both, NOW) == LINK


def test_a_link_releases_to_whom_it_was_made_for() -> None:
    quarantine = store(keys=KEYS, keep=10 * DAY)
    receipt = hold(quarantine, MAIL, "b@example.org", "c@example.org")
    link = quarantine.redeem(quarantine.token(receipt, "b@example.org"))
    assert (link.receipt, link.recipient, only(quarantine).state) == (receipt, "b@example.org", "held")
    quarantine.release(link.receipt, lambda envelope, raw: [], [link.recipient])
    assert [one.released is not None for one in only(quarantine).recipients] == [True, False]
    later(quarantine, 11)
    with pytest.raises(LinkError, match="too old"):
        quarantine.redeem(make_token(link, KEYS))


def test_links_need_a_key() -> None:
    quarantine = store()
    for call in (lambda: quarantine.token("a", "b"), lambda: quarantine.redeem("a")):
        with pytest.raises(StoreError, match=r"signed with a key: set \[quarantine\] keys"):
            call()

"""The trust path: which hops are believed, and that nothing below the first one from outside is."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import Config, Envelope, Mail
from mailfilter.errors import SettingError
from mailfilter.message import Message
from mailfilter.trust import NOBODY, Path, before, path_of

OUTSIDE = (
    "from x.test (host.x.test [12.0.0.1]) by mx.ours.test (Postfix) with ESMTP id 1; Mon, 1 Jan 2024 00:00:00 +0000"
)
INSIDE = (
    "from mx.ours.test (mx.ours.test [21.0.0.1]) by in.ours.test (Postfix) with ESMTP id 2; 1 Jan 2024 00:00:00 +0000"
)
FORGED = "from f.test (f.test [13.0.0.1]) by mx.ours.test (Postfix) with ESMTP id 3; Mon, 1 Jan 2024 00:00:00 +0000"
LOCAL = "by in.ours.test (Postfix, from userid 1) id 4; Mon, 1 Jan 2024 00:00:00 +0000"


def walk(*lines: str, client: str | None = None, **settings: Any) -> Path:
    return path_of(mail(*lines, client=client), Config.from_mapping({"trust": settings}).trusted())


def mail(*lines: str, client: str | None = None, **facts: Any) -> Mail:
    raw = "".join(f"Received: {line}\r\n" for line in lines) + "From: a@x.test\r\n\r\nx\r\n"
    return Mail(Message(raw.encode()), Envelope(client_ip=client, **facts))


def client(path: Path) -> str:
    return path.client.ip if path.client else ""


def test_hosts_of_our_own_are_followed_to_the_first_from_outside() -> None:
    path = walk(LOCAL, INSIDE, OUTSIDE, FORGED, networks=["21.0.0.0/8"])
    assert (client(path), path.written, path.anchored, path.ends) == ("12.0.0.1", 3, False, "")
    assert [hop.ip for hop in path.own] == ["21.0.0.1"]
    path = walk(OUTSIDE, FORGED, client="10.1.2.3")
    assert (client(path), path.written, path.anchored) == ("12.0.0.1", 1, True)
    assert path.client is not None
    assert (path.client.name, path.client.helo) == ("host.x.test", "x.test")


def test_a_host_of_our_own_is_known_by_a_verified_name() -> None:
    assert client(walk(INSIDE, OUTSIDE, hosts=[".ours.test"])) == "12.0.0.1"
    assert client(walk(INSIDE, OUTSIDE, hosts=["mx.ours.test"])) == "12.0.0.1"
    assert client(walk(INSIDE, OUTSIDE, hosts=["ours.test"])) == "21.0.0.1"


@pytest.mark.parametrize(
    "line",
    [
        "from mx.ours.test ([66.0.0.1]) by in.ours.test with SMTP; Mon, 1 Jan 2024 00:00:00 +0000",
        "from mx.ours.test (unknown [66.0.0.1]) by in.ours.test (Postfix) with SMTP; Mon, 1 Jan 2024 00:00:00 +0000",
        "from mx.ours.test (mx.ours.test [66.0.0.1] (may be forged)) by in.ours.test (8.1/8.1) with SMTP; 1 Jan 2024",
        "from [66.0.0.1] (helo=mx.ours.test) by in.ours.test with esmtp (Exim 4.1) id 1abc; x",
        "from unknown (HELO mx.ours.test) (66.0.0.1) by in.ours.test with SMTP; 1 Jan 2024 01:02:03 -0000",
    ],
)
def test_a_name_that_was_only_claimed_is_not_believed(line: str) -> None:
    assert client(walk(line, FORGED, hosts=["mx.ours.test"])) == "66.0.0.1"


@given(st.lists(st.sampled_from([INSIDE, FORGED, OUTSIDE, LOCAL, "from nonsense", "from a [21.0.0.9] by b"])))
def test_nothing_below_the_first_host_from_outside_matters(below: list[str]) -> None:
    trusted: dict[str, Any] = {"networks": ["21.0.0.0/8"], "hosts": [".ours.test"], "submission": ["22.0.0.0/8"]}
    assert walk(INSIDE, OUTSIDE, *below, **trusted) == walk(INSIDE, OUTSIDE, **trusted)
    assert walk(*below, client="66.0.0.1", **trusted) == walk(client="66.0.0.1", **trusted)


def test_a_field_of_our_own_that_is_not_understood_ends_it() -> None:
    path = walk("from somewhere", FORGED, client="21.0.0.1", networks=["21.0.0.0/8"])
    assert (path.client, path.ends) == (None, "a Received field of our own is not understood")
    assert walk(client="21.0.0.1", networks=["21.0.0.0/8"]).ends == "it came through hosts of ours only"


def test_what_users_hand_in() -> None:
    authenticated = OUTSIDE.replace("ESMTP", "ESMTPSA")
    assert walk(INSIDE, authenticated, networks=["21.0.0.0/8"]).submitted
    assert walk(INSIDE, FORGED, submission=["21.0.0.1"]).submitted
    assert path_of(mail(client="66.0.0.1", auth_user="joe"), NOBODY).submitted
    assert not walk(authenticated.replace("12.", "66."), client="66.0.0.2").submitted
    assert not walk(OUTSIDE, authenticated, client="10.0.0.1").submitted


def test_behind_a_known_forwarder_one_looks_one_host_further() -> None:
    inner = OUTSIDE.replace("12.0.0.1", "10.0.0.9")
    for setting in ("12.0.0.0/8", "host.x.test"):
        path = walk(OUTSIDE, inner, FORGED, INSIDE, client="10.1.1.1", forwarders=[setting])
        assert client(path) == "12.0.0.1"
        assert path.origin is not None
        assert path.origin.ip == "13.0.0.1"
        assert path.written == 1
    assert walk(OUTSIDE, client="10.1.1.1", forwarders=["12.0.0.1"]).origin is None


def test_what_a_program_fetched_from_a_mailbox() -> None:
    fetched = "from pop.test [66.0.0.1] by localhost with POP3 (fetchmail-5)"
    assert client(walk(LOCAL, fetched, INSIDE, OUTSIDE, networks=["21.0.0.0/8"])) == "12.0.0.1"


def test_hosts_before_the_client_are_told_apart() -> None:
    given_mail = mail(INSIDE, OUTSIDE, FORGED, FORGED.replace("13.", "14."))
    trusted = Config.from_mapping({"trust": {"networks": ["21.0.0.0/8"]}}).trusted()
    assert before(given_mail, path_of(given_mail, trusted), 3) == ("13.0.0.1", "14.0.0.1")


def test_what_is_wrong_in_the_settings_is_told() -> None:
    wrong = {"networks": ["1.2.3.4/33"], "hosts": ["*.x.test"], "submission": ["x"], "forwarders": ["1.2.3", "one"]}
    with pytest.raises(SettingError) as caught:
        Config.from_mapping({"trust": wrong})
    for key in wrong:
        assert f"trust.{key}: a n" in str(caught.value)


def test_the_time_is_linear() -> None:
    lines = [("from a (" + "a " * 2000 + "[10.0.0.1]) by b with SMTP") for _ in range(60)]
    begun = time.process_time()
    walk(*lines, client="10.0.0.1")
    assert time.process_time() - begun < 1.0

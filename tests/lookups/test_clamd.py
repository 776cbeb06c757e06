"""The clamd client against a clamd that misbehaves, and pyclamd's faults that are the reason for it."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mailfilter.deadline import Deadline
from mailfilter.errors import SettingError
from mailfilter.lookups import ScanAnswer, ScanQuestion, ScanState
from mailfilter.lookups.clamd import ClamdLookup
from mailfilter.testing import fake_clamd
from mailfilter.testing.fake_clamd import Behaviour, FakeClamd
from mailfilter.testing.lookup_contract import check_lookup

CLEAN, INFECTED, TOO_LARGE = ScanState.CLEAN, ScanState.INFECTED, ScanState.TOO_LARGE
ERROR, UNAVAILABLE = ScanState.SCANNER_ERROR, ScanState.UNAVAILABLE
BAD = b"BAD-BYTES"
SCANS = fake_clamd.scans({BAD: "Test.Bad"}, limit=1_000_000)


def both(lookup: ClamdLookup, data: bytes, seconds: float = 5.0) -> ScanAnswer:
    """Ask blocking and under asyncio; the states and names agree."""
    blocking = lookup.ask(ScanQuestion(data), Deadline.after(seconds))
    awaited = asyncio.run(lookup.aask(ScanQuestion(data), Deadline.after(seconds)))
    assert (awaited.state, awaited.names) == (blocking.state, blocking.names)
    return blocking


@pytest.fixture(params=["tcp", "unix"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Path for a unix socket; empty for TCP."""
    return str(tmp_path / "clamd.sock") if request.param == "unix" else ""


LARGE = 3_000_000
"""More than fits into the buffers of a connection."""

MISBEHAVIOUR = {
    "closes without a reply": (fake_clamd.close_without_reply, 100, UNAVAILABLE),
    "closes at once": (fake_clamd.close_at_once, LARGE, UNAVAILABLE),
    "closes in the middle": (fake_clamd.close_after(100_000), LARGE, UNAVAILABLE),
    "an empty line": (fake_clamd.replies(b"\n"), 100, UNAVAILABLE),
    "garbage": (fake_clamd.replies(b"\xff\xfe\xfd\0"), 100, ERROR),
    "garbage without end": (fake_clamd.replies(b"\xff" * 200_000), 100, ERROR),
    "OK cut short": (fake_clamd.replies(b"stream: OK"), 100, UNAVAILABLE),
    "two replies": (fake_clamd.replies(b"stream: OK\0", b"stream: Test.Bad FOUND\0", pause=0.05), 100, INFECTED),
    "two times OK": (fake_clamd.replies(b"stream: OK\0stream: OK\0"), 100, ERROR),
    "an error": (fake_clamd.replies(b"stream: Can't allocate memory ERROR\0"), 100, ERROR),
    "times out itself": (fake_clamd.replies(b"COMMAND READ TIMED OUT\n"), 100, ERROR),
    "size limit while we send": (SCANS, LARGE, TOO_LARGE),
    "an early verdict": (fake_clamd.answer_early(b"stream: Test.Bad FOUND\0", 1000), LARGE, INFECTED),
    "an early verdict, then neither reads nor closes": (
        fake_clamd.answer_early(b"stream: Test.Bad FOUND\0", 1000, then_close=False), LARGE, INFECTED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_misbehaviour_is_never_clean(path: str, name: str) -> None:
    behaviour, size, wanted = MISBEHAVIOUR[name]
    with FakeClamd(behaviour, path=path) as clamd:
        answer = both(ClamdLookup([clamd.address]), b"x" * size)
        assert answer.state is wanted
        assert answer.scanner == clamd.address


@pytest.mark.parametrize("size", [100, LARGE])
def test_a_connection_that_is_reset_is_never_clean(size: int) -> None:
    with FakeClamd(fake_clamd.reset_after(50)) as clamd:
        assert both(ClamdLookup([clamd.address]), b"x" * size).state is UNAVAILABLE


@pytest.mark.parametrize("reply", [b"stream: OK\0", b"stream: Test.Bad FOUND\0"])
def test_a_reply_in_two_packets(path: str, reply: bytes) -> None:
    wanted = CLEAN if b"OK" in reply else INFECTED
    for at in range(1, len(reply)):
        with FakeClamd(fake_clamd.split_reply(reply, at, pause=0.002), path=path) as clamd:
            assert ClamdLookup([clamd.address]).ask(ScanQuestion(b"x"), Deadline.after(5)).state is wanted


@pytest.mark.parametrize(("behaviour", "size"), [(fake_clamd.hang, 100), (fake_clamd.never_read, LARGE)])
def test_a_scanner_that_hangs_costs_the_deadline_and_no_more(path: str, behaviour: Behaviour, size: int) -> None:
    with FakeClamd(behaviour, path=path) as clamd:
        lookup = ClamdLookup([clamd.address])
        begun = time.monotonic()
        answer = lookup.ask(ScanQuestion(b"x" * size), Deadline.after(0.2))
        assert time.monotonic() - begun < 0.8
        assert answer.state is UNAVAILABLE
        assert "time was up" in answer.detail

        async def asked() -> float:
            begun = time.monotonic()
            assert (await lookup.aask(ScanQuestion(b"x" * size), Deadline.after(0.2))).state is UNAVAILABLE
            return time.monotonic() - begun

        assert asyncio.run(asked()) < 0.8


def test_the_time_is_shared_between_scanners() -> None:
    """One that hangs leaves the other its share; one that is gone, or has an error, costs nothing."""
    with FakeClamd(fake_clamd.hang) as hanging, FakeClamd(SCANS) as good, FakeClamd(fake_clamd.replies(b"?\0")) as odd:
        lookup = ClamdLookup(["unix:/nonexistent", odd.address, hanging.address, good.address])
        answer = both(lookup, BAD, seconds=0.8)
        assert (answer.state, answer.scanner) == (INFECTED, good.address)


def test_without_a_verdict_the_answer_names_every_scanner_and_cause() -> None:
    with FakeClamd(fake_clamd.replies(b"stream: Access denied. ERROR\0")) as odd:
        answer = both(ClamdLookup(["unix:/nonexistent", odd.address, "tcp:127.0.0.1:1"]), b"x")
    assert answer.state is ERROR
    assert "unix:/nonexistent: not reached: no such file or directory" in answer.detail
    assert f"{odd.address}: Access denied." in answer.detail
    assert "tcp:127.0.0.1:1: not reached: connection refused" in answer.detail


def test_a_host_name_is_looked_up() -> None:
    with FakeClamd(SCANS) as clamd:
        assert both(ClamdLookup([f"tcp:localhost:{clamd.port}"]), BAD).state is INFECTED
    answer = both(ClamdLookup(["tcp:no-such-host.invalid:3310"]), b"x", seconds=2.0)
    assert answer.state is UNAVAILABLE
    assert "not reached" in answer.detail


def test_no_scanner_is_not_a_scanner_that_fails() -> None:
    assert both(ClamdLookup([]), b"x").state is ScanState.DISABLED


def test_a_faulty_address_is_refused_at_once() -> None:
    with pytest.raises(SettingError, match="no address of a scanner"):
        ClamdLookup(["tcp:host"])


def test_contract(path: str) -> None:
    with FakeClamd(SCANS, path=path) as clamd:
        questions = [ScanQuestion(data) for data in (b"", b"x", BAD, b"x" * 200_000 + BAD, b"x" * 2_000_000)]
        check_lookup(ClamdLookup([clamd.address]), questions, seconds=3.0)
    check_lookup(ClamdLookup([clamd.address]), [ScanQuestion(b"x")], seconds=0.5)


def test_scans_under_asyncio_take_turns() -> None:
    most, now, lock = 0, 0, threading.Lock()

    def counted(session: fake_clamd.Session) -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        SCANS(session)

    with FakeClamd(counted) as clamd:
        lookup = ClamdLookup([clamd.address], max_scans=3)

        async def many() -> list[ScanAnswer]:
            return await asyncio.gather(*(lookup.aask(ScanQuestion(BAD), Deadline.after(5)) for _ in range(20)))

        for _ in range(2):  # two loops, one after the other
            assert {answer.state for answer in asyncio.run(many())} == {INFECTED}
    assert 1 < most <= 3


def test_a_scan_that_is_cancelled_leaves_nothing_behind() -> None:
    with FakeClamd(fake_clamd.hang) as clamd:
        lookup = ClamdLookup([clamd.address])

        async def cancelled() -> int:
            task = asyncio.ensure_future(lookup.aask(ScanQuestion(b"x" * LARGE), Deadline.after(30)))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return len(asyncio.all_tasks())

        assert asyncio.run(cancelled()) == 1


# ------------------------------------------------------------------------------------------------ pyclamd's faults
def reference(clamd: FakeClamd, timeout: float | None = None):  # type: ignore[no-untyped-def]
    import pyclamd

    return pyclamd.ClamdNetworkSocket("127.0.0.1", clamd.port, timeout=timeout)


def test_pyclamd_calls_a_dead_scanner_clean() -> None:
    """None is what it returns for "no virus", and for a connection closed without any reply."""
    with FakeClamd(fake_clamd.close_at_once, SCANS, fake_clamd.close_without_reply) as clamd:
        client = reference(clamd)
        assert client.scan_stream(b"harmless") is None
        assert client.scan_stream(BAD) is None
        assert both(ClamdLookup([clamd.address]), BAD).state is UNAVAILABLE


def test_pyclamd_cannot_read_a_reply_in_two_packets() -> None:
    behaviour = fake_clamd.split_reply(b"stream: Test.Bad FOUND\n", 12, pause=0.1)
    with FakeClamd(fake_clamd.close_at_once, behaviour) as clamd:
        with pytest.raises(IndexError):
            reference(clamd).scan_stream(BAD)
        assert both(ClamdLookup([clamd.address]), BAD).state is INFECTED


def test_pyclamd_cannot_read_names_that_are_not_utf8() -> None:
    with FakeClamd(fake_clamd.close_at_once, fake_clamd.replies(b"stream: Vir\xffus FOUND\n")) as clamd:
        with pytest.raises(TypeError):
            reference(clamd).scan_stream(BAD)
        assert both(ClamdLookup([clamd.address]), BAD).names == ("Vir\\xffus",)


def test_pyclamd_waits_five_times_its_timeout() -> None:
    import pyclamd

    with FakeClamd(fake_clamd.close_at_once, fake_clamd.hang) as clamd:
        client = reference(clamd, timeout=0.1)
        begun = time.monotonic()
        with pytest.raises(pyclamd.ConnectionError):
            client.scan_stream(BAD)
        assert time.monotonic() - begun > 0.4


def test_pyclamd_leaks_what_it_cannot_send_as_another_error() -> None:
    """A raw error of the system, neither of the two that it documents."""
    with FakeClamd(fake_clamd.close_at_once, fake_clamd.reset_after(1000)) as clamd:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            reference(clamd).scan_stream(b"x" * 30_000_000)
        assert both(ClamdLookup([clamd.address]), b"x" * 30_000_000).state is UNAVAILABLE


def test_pyclamds_commands_are_safe_over_a_connection_of_ours() -> None:
    """Split replies, a hanging server and IPv6 are what it cannot do alone."""
    split = fake_clamd.replies(b"unused")

    def behave(session: fake_clamd.Session) -> None:
        command = session.command()
        session.send(b"PO" if command == "PING" else b"ClamAV 1")
        time.sleep(0.05)
        session.send(b"NG\n" if command == "PING" else b".2.3\n")

    with FakeClamd(behave) as clamd:
        (health,) = ClamdLookup([clamd.address]).health(Deadline.after(5))
        assert (health.alive, health.version) == (True, "ClamAV 1.2.3")
    for odd in (fake_clamd.hang, fake_clamd.close_at_once, split):
        with FakeClamd(odd) as clamd:
            begun = time.monotonic()
            (health,) = ClamdLookup([clamd.address]).health(Deadline.after(0.2))
            assert not health.alive
            assert health.detail
            assert time.monotonic() - begun < 1.0


def test_answers_do_not_get_mixed_up_between_threads() -> None:
    with FakeClamd(SCANS) as clamd:
        lookup = ClamdLookup([clamd.address])
        mails = [BAD if n % 2 else b"harmless" for n in range(200)]
        with ThreadPoolExecutor(8) as pool:
            states = list(pool.map(lambda data: lookup.ask(ScanQuestion(data), Deadline.after(10)).state, mails))
    assert states == [INFECTED if n % 2 else CLEAN for n in range(200)]

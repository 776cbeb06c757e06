"""The clamd client against a real clamd."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import shutil
import signal
import socket
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage

import pytest

from mailfilter.deadline import Deadline
from mailfilter.lookups import ScanAnswer, ScanQuestion, ScanState
from mailfilter.lookups.clamd import ClamdLookup

from ..servers import EICAR, MARKER, Clamd

pytestmark = pytest.mark.server

LIMIT = 1 << 20
"""StreamMaxLength of the test server, octets."""


def zipped(data: bytes, name: str = "a.com") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return target.getvalue()


def mail_with(data: bytes) -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "see attachment"
    mail.set_content("see attachment")
    mail.add_attachment(data, maintype="application", subtype="octet-stream", filename="a.bin")
    return mail.as_bytes()


INFECTED = {
    "plain": EICAR,
    "base64": mail_with(EICAR),
    "zip": zipped(EICAR),
    "zip in base64": mail_with(zipped(EICAR)),
    "zip in zip in base64": mail_with(zipped(zipped(EICAR), "b.zip")),
    "marker at the end of 900 kB": b"x" * 900_000 + MARKER,
}


def both(lookup: ClamdLookup, data: bytes, seconds: float = 10.0) -> ScanAnswer:
    """Ask blocking and under asyncio; the answers agree."""
    blocking = lookup.ask(ScanQuestion(data), Deadline.after(seconds))
    awaited = asyncio.run(lookup.aask(ScanQuestion(data), Deadline.after(seconds)))
    assert awaited.state is blocking.state
    assert awaited.names == blocking.names
    return blocking


@pytest.mark.parametrize("transport", ["tcp", "unix"])
@pytest.mark.parametrize("form", INFECTED)
def test_eicar_is_found(clamd: Clamd, transport: str, form: str) -> None:
    answer = both(ClamdLookup([getattr(clamd, transport)]), INFECTED[form])
    assert answer.state is ScanState.INFECTED
    assert answer.names[0].startswith("Test.")
    assert answer.scanner == getattr(clamd, transport)


@pytest.mark.parametrize("transport", ["tcp", "unix"])
@pytest.mark.parametrize("data", [b"", b"x", b"x" * 65_536, b"x" * 131_072, mail_with(b"harmless")], ids=len)
def test_harmless_is_clean(clamd: Clamd, transport: str, data: bytes) -> None:
    assert both(ClamdLookup([getattr(clamd, transport)]), data).state is ScanState.CLEAN


@pytest.mark.parametrize("transport", ["tcp", "unix"])
@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 100_000, 8 * LIMIT])
def test_beyond_the_limit_is_too_large_every_time(clamd: Clamd, transport: str, size: int) -> None:
    lookup = ClamdLookup([getattr(clamd, transport)])
    for _ in range(5):
        assert both(lookup, b"x" * size).state is ScanState.TOO_LARGE


def test_up_to_the_limit_is_scanned(clamd: Clamd) -> None:
    assert both(ClamdLookup([clamd.unix]), b"x" * (LIMIT - len(MARKER)) + MARKER).state is ScanState.INFECTED


def test_nesting_beyond_the_limit_is_no_malware_and_not_clean(clamd: Clamd) -> None:
    nested = EICAR
    for _ in range(15):
        nested = zipped(nested, "n.zip")
    answer = both(ClamdLookup([clamd.unix]), nested)
    assert answer.state is ScanState.LIMITS_EXCEEDED
    assert answer.names[0].startswith("Heuristics.Limits.Exceeded")


def test_an_encrypted_archive_is_encrypted(clamd: Clamd) -> None:
    # a zip of 14 bytes "secret content" under a password, made by hand: only the flag and the header matter
    plain = bytearray(zipped(b"secret content" * 10))
    plain[6] |= 1  # general purpose bit 0 of the local header, and of the directory entry
    plain[plain.index(b"PK\x01\x02") + 8] |= 1
    answer = both(ClamdLookup([clamd.unix]), bytes(plain))
    assert answer.state is ScanState.ENCRYPTED


def test_an_unwanted_program_is_told_apart_in_words(clamd: Clamd) -> None:
    answer = both(ClamdLookup([clamd.unix]), b"MAILFILTER-TEST-UNWANTED")
    assert answer.state is ScanState.UNWANTED
    assert answer.names[0].startswith("PUA.")


def test_an_unwanted_program_hides_malware_in_the_same_file_and_nowhere_else(clamd: Clamd) -> None:
    """Why on_pua holds by default: clamd stops at the first signature in a file, of whatever kind."""
    lookup, unwanted = ClamdLookup([clamd.unix]), b"MAILFILTER-TEST-UNWANTED"
    assert both(lookup, unwanted + MARKER).state is ScanState.UNWANTED
    assert both(lookup, MARKER + unwanted).state is ScanState.INFECTED
    mail = EmailMessage()
    mail.set_content("see attachments")
    for data in (unwanted, EICAR):
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename="a.bin")
    assert both(lookup, mail.as_bytes()).state is ScanState.INFECTED


def test_administration(own_clamd: Clamd) -> None:
    """RELOAD and STATS; a scan right after RELOAD has its verdict, also with signatures that were added."""
    lookup = ClamdLookup([own_clamd.tcp, "tcp:127.0.0.1:1"])
    said, dead = lookup.stats(Deadline.after(5))
    assert said.alive
    assert "THREADS:" in said.detail
    assert "MEMSTATS:" in said.detail
    assert not dead.alive
    signatures = own_clamd.folder / "db" / "more.ndb"
    signatures.write_text(f"Test.More:0:*:{b'ONE-MORE-THING'.hex()}\n")
    assert both(lookup, b"ONE-MORE-THING").state is ScanState.CLEAN
    assert lookup.reload(Deadline.after(5))[0].detail == "RELOADING"
    states = [both(lookup, EICAR).state for _ in range(20)]
    assert set(states) == {ScanState.INFECTED}
    until = time.monotonic() + 10
    while both(lookup, b"ONE-MORE-THING").state is not ScanState.INFECTED:
        assert time.monotonic() < until


def test_many_at_once_get_their_own_answers(clamd: Clamd) -> None:
    """32 scans at a time from threads, and 64 under asyncio: bad stays bad, good stays good."""
    lookup = ClamdLookup([clamd.tcp, clamd.unix])
    mails = [b"x" * (997 * n) + (MARKER if n % 3 == 0 else b"") for n in range(64)]
    wanted = [ScanState.INFECTED if n % 3 == 0 else ScanState.CLEAN for n in range(64)]
    with ThreadPoolExecutor(32) as pool:
        states = list(pool.map(lambda data: lookup.ask(ScanQuestion(data), Deadline.after(20)).state, mails))
    assert states == wanted

    async def ask_all() -> list[ScanAnswer]:
        return await asyncio.gather(*(lookup.aask(ScanQuestion(data), Deadline.after(20)) for data in mails))

    assert [answer.state for answer in asyncio.run(ask_all())] == wanted


def test_a_scanner_that_is_killed_is_never_clean(own_clamd: Clamd) -> None:
    """SIGKILL at another moment of the scan each time; an answer other than the right verdict is "unavailable"."""
    data = mail_with(zipped(b"x" * 300_000) + MARKER + b"y" * 300_000)
    lookup = ClamdLookup([own_clamd.tcp])
    begun = time.perf_counter()
    assert lookup.ask(ScanQuestion(data), Deadline.after(10)).state is ScanState.INFECTED
    whole = time.perf_counter() - begun
    states = []
    for number in range(24):
        killer = threading.Timer(whole * number / 20, own_clamd.send, (signal.SIGKILL,))
        killer.start()
        if number % 2:
            states.append(lookup.ask(ScanQuestion(data), Deadline.after(10)).state)
        else:
            states.append(asyncio.run(lookup.aask(ScanQuestion(data), Deadline.after(10))).state)
        killer.join()
        own_clamd.kill()
        assert lookup.ask(ScanQuestion(data), Deadline.after(1)).state is ScanState.UNAVAILABLE
        own_clamd.start()
    assert set(states) <= {ScanState.INFECTED, ScanState.UNAVAILABLE}
    assert ScanState.UNAVAILABLE in states
    assert lookup.ask(ScanQuestion(data), Deadline.after(10)).state is ScanState.INFECTED


def test_64_scans_at_once_while_the_scanner_is_killed_stopped_and_reloaded(own_clamd: Clamd) -> None:
    """From threads and under asyncio over one client: never clean, and each within the deadline and a tenth."""
    lookup, seconds = ClamdLookup([own_clamd.tcp]), 2.0
    questions = [ScanQuestion(b"x" * (997 * number) + MARKER) for number in range(64)]
    stopped = threading.Event()

    def trouble() -> None:
        while not stopped.is_set():
            own_clamd.send(signal.SIGSTOP)
            time.sleep(0.05)
            own_clamd.send(signal.SIGCONT)
            lookup.reload(Deadline.after(1))
            stopped.wait(0.02)
            own_clamd.kill()
            own_clamd.start()

    def blocking(question: ScanQuestion) -> tuple[ScanState, float]:
        begun = time.monotonic()
        return lookup.ask(question, Deadline.after(seconds)).state, time.monotonic() - begun

    async def awaited(question: ScanQuestion) -> tuple[ScanState, float]:
        begun = time.monotonic()
        return (await lookup.aask(question, Deadline.after(seconds))).state, time.monotonic() - begun

    async def all_awaited() -> list[tuple[ScanState, float]]:
        return await asyncio.gather(*map(awaited, questions))

    troubling = threading.Thread(target=trouble)
    troubling.start()
    found: list[tuple[ScanState, float]] = []
    try:
        with ThreadPoolExecutor(64) as pool:
            for _ in range(2):
                found += pool.map(blocking, questions)
                found += asyncio.run(all_awaited())
    finally:
        stopped.set()
        troubling.join()
    assert {state for state, _ in found} <= {ScanState.INFECTED, ScanState.UNAVAILABLE}
    assert max(taken for _, taken in found) < seconds * 1.1 + 0.5  # the threads share two cores


@pytest.mark.parametrize(("transport", "size"), [("tcp", 5_000_000), ("unix", 100)])
def test_a_scanner_that_is_stopped_costs_the_deadline_and_no_more(own_clamd: Clamd, transport: str, size: int) -> None:
    lookup = ClamdLookup([getattr(own_clamd, transport)])
    own_clamd.send(signal.SIGSTOP)
    question = ScanQuestion(b"x" * size)
    begun = time.monotonic()
    assert lookup.ask(question, Deadline.after(0.5)).state is ScanState.UNAVAILABLE
    assert time.monotonic() - begun < 0.9

    async def asked() -> float:
        begun = time.monotonic()
        assert (await lookup.aask(question, Deadline.after(0.5))).state is ScanState.UNAVAILABLE
        return time.monotonic() - begun

    assert asyncio.run(asked()) < 0.9
    own_clamd.send(signal.SIGCONT)
    assert both(lookup, EICAR).state is ScanState.INFECTED


def test_a_scanner_whose_disk_is_full_is_never_clean(own_clamd: Clamd) -> None:
    """clamd unpacks into its TemporaryDirectory; here it is gone, which is how a full disk looks to it."""
    lookup = ClamdLookup([own_clamd.unix])
    data = mail_with(zipped(EICAR))
    assert both(lookup, data).state is ScanState.INFECTED
    shutil.rmtree(own_clamd.folder / "tmp")
    for form in (data, mail_with(zipped(zipped(b"harmless"), "b.zip")), b"harmless"):
        assert both(lookup, form).state in (ScanState.SCANNER_ERROR, ScanState.UNAVAILABLE, ScanState.INFECTED)


def test_a_socket_that_is_removed_is_unavailable_at_once(own_clamd: Clamd) -> None:
    lookup = ClamdLookup([own_clamd.unix])
    assert both(lookup, EICAR).state is ScanState.INFECTED
    os.unlink(own_clamd.unix.removeprefix("unix:"))
    begun = time.monotonic()
    assert both(lookup, EICAR).state is ScanState.UNAVAILABLE
    assert time.monotonic() - begun < 1
    own_clamd.kill()
    own_clamd.start()
    assert both(lookup, EICAR).state is ScanState.INFECTED


def test_the_second_scanner_stands_in(clamd: Clamd, own_clamd: Clamd) -> None:
    lookup = ClamdLookup([own_clamd.unix, clamd.tcp])
    own_clamd.send(signal.SIGSTOP)
    answer = both(lookup, EICAR, seconds=1.0)
    assert (answer.state, answer.scanner) == (ScanState.INFECTED, clamd.tcp)
    own_clamd.kill()
    answer = both(lookup, EICAR)
    assert (answer.state, answer.scanner) == (ScanState.INFECTED, clamd.tcp)


def test_more_connections_than_the_queue_holds(own_clamd: Clamd) -> None:
    """A full backlog of a unix socket is no refusal: everybody gets a turn once clamd goes on."""
    lookup = ClamdLookup([own_clamd.unix])
    own_clamd.send(signal.SIGSTOP)
    idle = []
    for _ in range(400):
        waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        waiting.setblocking(False)
        try:
            waiting.connect(own_clamd.unix.removeprefix("unix:"))
        except BlockingIOError:
            waiting.close()
            break
        idle.append(waiting)
    threading.Timer(0.3, lambda: [*(one.close() for one in idle), own_clamd.send(signal.SIGCONT)]).start()
    assert lookup.ask(ScanQuestion(EICAR), Deadline.after(20)).state is ScanState.INFECTED
    assert asyncio.run(lookup.aask(ScanQuestion(EICAR), Deadline.after(20))).state is ScanState.INFECTED


@pytest.mark.parametrize("transport", ["tcp", "unix"])
def test_health_by_pyclamd(clamd: Clamd, transport: str) -> None:
    lookup = ClamdLookup([getattr(clamd, transport), "tcp:127.0.0.1:1"])
    good, bad = lookup.health(Deadline.after(5))
    assert good.alive
    assert good.version.startswith("ClamAV ")
    assert not bad.alive
    assert "refused" in bad.detail
    assert lookup.ping(Deadline.after(5))
    assert lookup.version(Deadline.after(5)) == good.version


def test_pyclamd_and_we_agree_where_it_can_be_trusted(clamd: Clamd) -> None:
    """pyclamd as the reference for whole, small, undisturbed scans."""
    import pyclamd

    host, port = clamd.tcp.removeprefix("tcp:").split(":")
    reference = pyclamd.ClamdNetworkSocket(host, int(port), timeout=5)
    lookup = ClamdLookup([clamd.tcp])
    for data in (EICAR, b"harmless", mail_with(zipped(EICAR)), base64.b64encode(b"harmless")):
        found = reference.scan_stream(data)
        ours = both(lookup, data)
        assert (found is None) == (ours.state is ScanState.CLEAN)
        if found is not None:
            assert found["stream"] == ("FOUND", ours.names[0])

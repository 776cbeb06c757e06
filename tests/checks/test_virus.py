"""The virus check: what is asked, when the parts are asked about too, and what each answer is shown as."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.checks import LookupCheck, Mail
from mailfilter.checks.virus import MAX_PARTS, SYMBOLS, VirusCheck
from mailfilter.deadline import Deadline
from mailfilter.envelope import Envelope
from mailfilter.lookups import DnsAnswer, DnsState, ScanAnswer, ScanQuestion, ScanState
from mailfilter.lookups.clamd import ClamdLookup
from mailfilter.lookups.drivers import adrive
from mailfilter.lookups.engine import Engine
from mailfilter.message import Message
from mailfilter.symbols import Symbol

from ..servers import EICAR, MARKER, Clamd

Scanner = Callable[[bytes], ScanAnswer]
CLEAN = ScanAnswer(ScanState.CLEAN)
BAD = b"BAD-CONTENT"


def ask(raw: bytes, scanner: Scanner) -> tuple[dict[str, Symbol], list[bytes]]:
    """Run the dialogue with a scanner that is a function; returns the findings by name, and what was scanned."""
    dialogue = VirusCheck().ask(Mail(Message(raw), Envelope()))
    scanned: list[bytes] = []
    sent: tuple[ScanAnswer, ...] | None = None
    while True:
        try:
            questions = next(dialogue) if sent is None else dialogue.send(sent)
        except StopIteration as stop:
            findings = stop.value
            break
        assert all(isinstance(question, ScanQuestion) for question in questions)
        assert len(set(questions)) == len(questions)
        scanned += [question.data for question in questions]
        sent = tuple(scanner(question.data) for question in questions)
    symbols = {symbol.name: symbol for symbol in findings}
    assert len(symbols) == len(findings)
    return symbols, scanned


def finds(pattern: bytes, limit: int | None = None) -> Scanner:
    """A scanner that sees ``pattern`` in the bytes as they are, and nothing within encodings."""

    def scan(data: bytes) -> ScanAnswer:
        if limit is not None and len(data) > limit:
            return ScanAnswer(ScanState.TOO_LARGE, detail="beyond the limit")
        return ScanAnswer(ScanState.INFECTED, ("Test.Bad",), "fake") if pattern in data else CLEAN

    return scan


def answers(state: ScanState, names: tuple[str, ...] = (), detail: str = "") -> Scanner:
    return lambda data: ScanAnswer(state, names, "fake", detail)


def mail_with(*files: bytes) -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "files"
    mail.set_content("see the files\n")
    for number, data in enumerate(files):
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=f"f{number}.bin")
    return mail.as_bytes()


PLAIN = b"Subject: x\r\n\r\nhello\r\n"
TWO_TYPES = (
    b"Subject: x\r\nContent-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: application/octet-stream; name=f.exe\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.b64encode(BAD) + b"\r\n--b--\r\n"
)  # fmt: skip
UUENCODED = b"Subject: x\r\n\r\nhere\r\n\r\nbegin 644 f.bin\r\n+0D%$+4-/3E1%3E0 \r\n \r\nend\r\n"


def test_it_is_a_check_and_declares_what_it_finds() -> None:
    check = VirusCheck()
    assert isinstance(check, LookupCheck)
    infos = {info.name: info for info in check.symbols}
    assert infos.keys() == set(SYMBOLS.values())
    assert infos["VIRUS_INFECTED"].group == "malware"
    found = {SYMBOLS[state] for state in ScanState if state.known and state is not ScanState.CLEAN}
    assert {name for name, info in infos.items() if info.group == "unknown"} == infos.keys() - found
    assert infos["VIRUS_PUA"].points > 0
    assert infos["VIRUS_PHISHING"].points > 0
    assert SYMBOLS.keys() == set(ScanState) - {ScanState.CLEAN}


def test_a_clean_mail_is_asked_about_once_and_finds_nothing() -> None:
    raw = mail_with(b"harmless", b"also")
    assert ask(raw, finds(BAD)) == ({}, [raw])


def test_malware_in_the_mail_as_it_is() -> None:
    symbols, scanned = ask(PLAIN + BAD, finds(BAD))
    assert scanned == [PLAIN + BAD]
    assert symbols == {"VIRUS_INFECTED": Symbol("VIRUS_INFECTED", 1.0, "Test.Bad in the whole mail")}


@pytest.mark.parametrize("state", [state for state in ScanState if state is not ScanState.CLEAN])
def test_every_state_is_shown_as_itself(state: ScanState) -> None:
    symbols, _ = ask(PLAIN, answers(state, detail="because"))
    assert symbols.keys() == {SYMBOLS[state]}
    assert state is ScanState.DISABLED or "because" in symbols[SYMBOLS[state]].evidence


@pytest.mark.parametrize("state", [ScanState.INFECTED, ScanState.UNAVAILABLE, ScanState.DISABLED])
@pytest.mark.parametrize("raw", [PLAIN, TWO_TYPES, mail_with(b"x")])
def test_the_parts_are_not_asked_about_in_vain(state: ScanState, raw: bytes) -> None:
    assert ask(raw, answers(state, ("Test.Bad",)))[1] == [raw]


def test_an_attachment_that_only_some_programs_show_is_found() -> None:
    symbols, scanned = ask(TWO_TYPES, finds(BAD))
    assert BAD in scanned
    assert symbols["VIRUS_INFECTED"].evidence == "Test.Bad in part 1 'f.exe'"


def test_a_uuencoded_file_is_found() -> None:
    symbols, scanned = ask(UUENCODED, finds(BAD))
    assert BAD in scanned
    assert "f.bin" in symbols["VIRUS_INFECTED"].evidence


def test_a_mail_beyond_the_limit_is_scanned_in_parts() -> None:
    raw = mail_with(b"x" * 3_000, BAD)
    symbols, scanned = ask(raw, finds(BAD, limit=4_000))
    assert len(raw) > 4_000
    assert scanned[0] == raw
    assert {b"x" * 3_000, BAD} <= set(scanned)
    assert symbols.keys() == {"VIRUS_INFECTED"}
    assert symbols["VIRUS_INFECTED"].evidence == "Test.Bad in part 3 'f1.bin'"


def test_a_mail_beyond_the_limit_whose_parts_are_clean_was_scanned() -> None:
    assert ask(mail_with(b"x" * 3_000, b"y" * 3_000), finds(BAD, limit=4_000))[0] == {}


def test_a_part_beyond_the_limit_is_named_as_too_large() -> None:
    symbols, _ = ask(mail_with(b"x" * 5_000, b"y"), finds(BAD, limit=4_000))
    assert symbols == {"VIRUS_TOO_LARGE": Symbol("VIRUS_TOO_LARGE", 1.0, "beyond the limit (part 2 'f0.bin')")}


def test_a_mail_without_content_beyond_the_limit_stays_too_large() -> None:
    symbols, _ = ask(b"Subject: " + b"x" * 5_000 + b"\r\n\r\n", finds(BAD, limit=4_000))
    assert symbols.keys() == {"VIRUS_TOO_LARGE"}


def test_limits_inside_the_mail_are_tried_part_by_part() -> None:
    raw = mail_with(b"one", b"two")

    def scan(data: bytes) -> ScanAnswer:
        if data in (raw, b"two"):
            return ScanAnswer(ScanState.LIMITS_EXCEEDED, ("Heuristics.Limits.Exceeded.MaxRecursion",))
        return CLEAN

    symbols, _ = ask(raw, scan)
    said = "Heuristics.Limits.Exceeded.MaxRecursion (part 3 'f1.bin')"
    assert symbols == {"VIRUS_LIMITS_EXCEEDED": Symbol("VIRUS_LIMITS_EXCEEDED", 1.0, said)}


@pytest.mark.parametrize("state", [ScanState.ENCRYPTED, ScanState.UNWANTED, ScanState.PHISHING])
def test_what_one_answer_may_hide_is_asked_about(state: ScanState) -> None:
    raw = mail_with(b"one", b"two")
    hidden = {raw: ScanAnswer(state), b"one": ScanAnswer(state), b"two": ScanAnswer(ScanState.LIMITS_EXCEEDED)}
    assert ask(raw, lambda data: hidden.get(data, CLEAN))[0].keys() == {SYMBOLS[state], "VIRUS_LIMITS_EXCEEDED"}


def test_a_scanner_that_dies_between_the_questions_is_unknown() -> None:
    def scan(data: bytes) -> ScanAnswer:
        return CLEAN if data == TWO_TYPES else ScanAnswer(ScanState.UNAVAILABLE, detail="gone")

    assert ask(TWO_TYPES, scan)[0].keys() == {"VIRUS_UNAVAILABLE"}


def test_more_parts_than_are_scanned_is_said() -> None:
    files = [b"%d" % n for n in range(MAX_PARTS + 20)]
    symbols, scanned = ask(mail_with(*files), finds(BAD, limit=5_000))
    assert len(scanned) == 1 + MAX_PARTS
    assert symbols["VIRUS_LIMITS_EXCEEDED"].evidence.startswith(f"{MAX_PARTS + 21} parts, of which {MAX_PARTS} were")


def test_evidence_is_one_line_whatever_the_names() -> None:
    raw = mail_with(BAD).replace(b"f0.bin", b"=?utf-8?B?" + base64.b64encode("a\u202e\nfdp.exe".encode()) + b"?=")
    symbols, _ = ask(raw, lambda data: ScanAnswer(ScanState.TOO_LARGE) if data == raw else finds(BAD)(data))
    assert symbols["VIRUS_INFECTED"].evidence.isprintable()
    symbols, _ = ask(PLAIN, answers(ScanState.INFECTED, ("Odd\n\x1b[0mName",) * 200))
    assert symbols["VIRUS_INFECTED"].evidence.isprintable()
    assert len(symbols["VIRUS_INFECTED"].evidence) <= 500


def test_an_answer_of_another_kind_is_no_verdict() -> None:
    symbols, _ = ask(PLAIN, lambda data: DnsAnswer(DnsState.NOT_FOUND))  # type: ignore[arg-type,return-value]
    assert symbols.keys() == {"VIRUS_SCANNER_ERROR"}


@given(st.sampled_from([PLAIN, TWO_TYPES, UUENCODED, mail_with(b"a", b"b")]), st.data())
def test_only_clean_answers_give_no_finding(raw: bytes, data: st.DataObject) -> None:
    """Law 3: whatever states come, nothing that is not clean is lost, but where the parts stand in for the mail."""
    given_states: list[ScanState] = []

    def scan(_: bytes) -> ScanAnswer:
        given_states.append(data.draw(st.sampled_from(list(ScanState))))
        return ScanAnswer(given_states[-1])

    symbols, scanned = ask(raw, scan)
    shown = set(given_states)
    if len(scanned) > 1 and given_states[0] in (ScanState.TOO_LARGE, ScanState.LIMITS_EXCEEDED):
        shown = set(given_states[1:])
    assert symbols.keys() == {SYMBOLS[state] for state in shown - {ScanState.CLEAN}}


@pytest.mark.server
@pytest.mark.parametrize(
    "raw",
    [
        mail_with(EICAR),
        TWO_TYPES.replace(base64.b64encode(BAD), base64.b64encode(EICAR)),
        mail_with(b"x" * 800_000, b"y" * 300_000, MARKER),
        mail_with(b"x" * 1_000, EICAR).replace(b"base64", b"x-uuencode", 1),
    ],
    ids=["attachment", "behind two types", "beyond the limit", "a wrong encoding beside it"],
)
def test_a_real_scanner_finds_it(clamd: Clamd, raw: bytes) -> None:
    engine = Engine([VirusCheck()], [Mail(Message(raw), Envelope())])
    asyncio.run(adrive(engine, {ScanQuestion: ClamdLookup([clamd.unix])}, Deadline.after(20)))
    assert [symbol.name for symbol in engine.findings[0]] == ["VIRUS_INFECTED"]

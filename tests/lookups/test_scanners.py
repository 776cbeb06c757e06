"""Scanners of any make: the contract, a command as a scanner, several as one, plug-ins."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import Config, FilterChain
from mailfilter.checks.virus import VirusCheck
from mailfilter.deadline import Deadline
from mailfilter.errors import SettingError
from mailfilter.lookups import Lookup, ScanAnswer, ScanQuestion, ScanState
from mailfilter.lookups.clamd import ClamdLookup
from mailfilter.lookups.scanners import AllScanners
from mailfilter.lookups.scanners_command import CommandScanner
from mailfilter.testing.fake_clamd import (
    Behaviour,
    FakeClamd,
    answer_early,
    close_without_reply,
    hang,
    replies,
)
from mailfilter.testing.lookup_contract import check_lookup
from mailfilter.testing.scanner_contract import FAULTS, check_scanner

from ..servers import EICAR, Clamd, program
from ..test_settings_effect import Saying

CLAMD: dict[str, Behaviour] = {
    "closes": close_without_reply,
    "hangs": hang,
    "lies_about_length": answer_early(b"stream: OK", 5_000),
    "answers_twice": replies(b"stream: OK\0stream: Test.Name FOUND\0"),
    "garbage": replies(b"\xff\xfe{}\0"),
    "clean": replies(b"stream: OK\0"),
    "infected": replies(b"stream: Test.Name FOUND\0"),
}
COMMANDS = {
    "closes": "cat > /dev/null",
    "hangs": "cat > /dev/null; sleep 60",
    "lies_about_length": "head -c 1000 > /dev/null; echo 'stdin: OK'",
    "answers_twice": "cat > /dev/null; echo 'stdin: OK'; echo 'stdin: Test.Name FOUND'",
    "garbage": "cat > /dev/null; printf '\\377\\376{}'",
    "clean": "cat > /dev/null; echo 'stdin: OK'",
    "infected": "cat > /dev/null; echo 'stdin: Test.Name FOUND'; exit 1",
}


@contextlib.contextmanager
def fake_clamd(behaviour: str) -> Iterator[Lookup]:
    with FakeClamd(CLAMD[behaviour]) as server:
        yield ClamdLookup([server.address])


@contextlib.contextmanager
def command(behaviour: str) -> Iterator[Lookup]:
    yield CommandScanner({"command": ["sh", "-c", COMMANDS[behaviour]]})


@pytest.mark.parametrize("make", [fake_clamd, command])
def test_the_contract(make: Any) -> None:
    check_scanner(make, seconds=0.6)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_contract_catches_a_scanner_that_fails_open(fault: str) -> None:
    @contextlib.contextmanager
    def fails_open(behaviour: str) -> Iterator[Lookup]:
        if behaviour == fault:
            yield Saying(ScanQuestion, ScanAnswer(ScanState.CLEAN))
        elif behaviour == "infected":
            yield Saying(ScanQuestion, ScanAnswer(ScanState.INFECTED, ("Test.Name",)))
        else:
            state = ScanState.CLEAN if behaviour == "clean" else ScanState.UNAVAILABLE
            yield Saying(ScanQuestion, ScanAnswer(state, lost=True))

    with pytest.raises(AssertionError, match=f"{fault} is read as clean|no time to scan"):
        check_scanner(fails_open)


def scan(settings: dict[str, Any], data: bytes = b"x", seconds: float = 5.0) -> ScanAnswer:
    return CommandScanner(settings).ask(ScanQuestion(data), Deadline.after(seconds))


def shell(script: str, **more: Any) -> dict[str, Any]:
    return {"command": ["sh", "-c", script], **more}


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        (shell("cat >/dev/null; exit 3"), ScanState.SCANNER_ERROR),
        (shell("cat >/dev/null; exit 3", clean=[3], clean_output=""), ScanState.CLEAN),
        (shell("cat >/dev/null; exit 3", infected=[3]), ScanState.INFECTED),
        (shell("cat >/dev/null; kill -9 $$"), ScanState.UNAVAILABLE),
        (shell("cat >/dev/null; kill -11 $$", clean=[0, 1], infected=[2]), ScanState.UNAVAILABLE),
        (shell("cat >/dev/null; yes"), ScanState.SCANNER_ERROR),
        (shell("cat >/dev/null; echo fine", clean_output="^fine$"), ScanState.CLEAN),
        (shell("cat >/dev/null; echo 'bad <A> bad <B>'", found="<(.)>", clean_output=""), ScanState.INFECTED),
    ],
)
def test_exit_status_and_output(settings: dict[str, Any], state: ScanState) -> None:
    begun = time.monotonic()
    assert scan(settings, seconds=2).state is state
    assert time.monotonic() - begun < 3


def test_the_mail_comes_whole_on_standard_input_or_in_a_file() -> None:
    data = os.urandom(300_000)
    for settings in (
        shell("wc -c | sed 's/ *//; s/$/: OK/' >&1", clean_output="^300000: OK$"),
        {"command": ["sh", "-c", 'wc -c < "$0"', "{file}"], "clean_output": "^300000$"},
    ):
        assert scan(settings, data).state is ScanState.CLEAN


def test_all_that_a_command_started_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    begun = time.monotonic()
    answer = scan(shell(f"cat >/dev/null; sleep 60 & echo $! > {pid}; wait"), seconds=0.5)
    assert (answer.state, answer.lost) == (ScanState.UNAVAILABLE, True)
    assert time.monotonic() - begun < 0.9
    until = time.monotonic() + 5
    while _alive(int(pid.read_text())):
        assert time.monotonic() < until
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "command: which command"),
        ({"command": ["/no/such/program"]}, 'there is no program "/no/such/program"'),
        ({"command": ["sh"], "clean": [1]}, "exit status 1 means both"),
        ({"command": ["sh"], "clean": ["0"]}, "clean: a list of whole numbers is expected"),
        ({"command": ["sh"], "found": "("}, "found: is no pattern"),
        ({"command": ["sh"], "found": "FOUND"}, "found: a group has to name"),
        ({"command": ["sh"], "exit": 1}, "exit: unknown setting"),
    ],
)
def test_settings_of_a_command_are_checked(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(SettingError) as error:
        CommandScanner(settings)
    assert fault in str(error.value)


@pytest.mark.server
def test_clamscan(clamd: Clamd) -> None:
    """A real one, as the example in the settings has it."""
    arguments = [program("clamscan"), "-d", str(clamd.folder / "db"), "--no-summary", "-"]
    scanner = CommandScanner({"command": arguments})
    questions = [ScanQuestion(b"harmless"), ScanQuestion(EICAR), ScanQuestion(b"Subject: x\n\n" + b"y" * 200_000)]
    states = [scanner.ask(question, Deadline.after(30)) for question in questions]
    assert [answer.state for answer in states] == [ScanState.CLEAN, ScanState.INFECTED, ScanState.CLEAN]
    assert states[1].names == ("Test.Eicar.UNOFFICIAL",)
    check_lookup(scanner, questions[:2], seconds=20, threads=2)
    broken = CommandScanner({"command": [arguments[0], "-d", "/no/such/folder", "-"]})
    assert broken.ask(questions[0], Deadline.after(20)).state is ScanState.SCANNER_ERROR


answers = st.builds(ScanAnswer, st.sampled_from(list(ScanState)), st.just(("Test.Name",)))


@given(st.lists(answers, min_size=1, max_size=4))
def test_clean_is_what_all_call_clean(said: list[ScanAnswer]) -> None:
    found = AllScanners([Saying(ScanQuestion, answer) for answer in said]).ask(ScanQuestion(b"x"), Deadline.after(1))
    assert found in said
    assert (found.state is ScanState.CLEAN) == all(answer.state is ScanState.CLEAN for answer in said)
    assert (found.state is ScanState.INFECTED) == any(answer.state is ScanState.INFECTED for answer in said)


@pytest.mark.parametrize("nonsense", [None, True, "clean", ScanState.CLEAN])
def test_an_answer_that_is_none_is_no_verdict(nonsense: Any) -> None:
    clean = Saying(ScanQuestion, ScanAnswer(ScanState.CLEAN))
    found = AllScanners([clean, Saying(ScanQuestion, nonsense)]).ask(ScanQuestion(b"x"), Deadline.after(1))
    assert found.state is ScanState.SCANNER_ERROR


def test_a_scanner_that_raises_is_no_verdict() -> None:
    class Raises(Saying):
        def ask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
            raise RuntimeError("on purpose")

    found = AllScanners([Raises(ScanQuestion, None)]).ask(ScanQuestion(b"x"), Deadline.after(1))
    assert (found.state, "on purpose" in found.detail) == (ScanState.SCANNER_ERROR, True)


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[None]:
    info = tmp_path / "demo-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: demo\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[mailfilter.scanners]\ndemo = demo_scanner:make\n")
    (tmp_path / "demo_scanner.py").write_text(
        "from mailfilter.lookups import ScanAnswer, ScanQuestion, ScanState\n"
        "class Scanner:\n"
        "    kind = ScanQuestion\n"
        "    def __init__(self, word): self.word = word.encode()\n"
        "    def ask(self, question, deadline):\n"
        "        bad = self.word in question.data\n"
        "        return ScanAnswer(ScanState.INFECTED, ('Demo',)) if bad else ScanAnswer(ScanState.CLEAN)\n"
        "    def close(self): pass\n"
        "def make(settings): return Scanner(settings.get('word', 'bad'))\n"
    )
    sys.path.insert(0, str(tmp_path))
    yield
    sys.path.remove(str(tmp_path))
    sys.modules.pop("demo_scanner", None)


def test_a_plugin_beside_a_command(plugin: None) -> None:
    virus = {
        "scanners": ["demo", "command"],
        "scanner_settings": {"demo": {"word": "worse"}, "command": shell(COMMANDS["clean"])},
    }
    with FilterChain(Config.from_mapping({"virus": virus}), checks=[VirusCheck()], stateless=True) as chain:
        assert chain.check(b"Subject: x\n\nbad\n").unknown == ()
        (symbol,) = chain.check(b"Subject: x\n\nworse\n").symbols
    assert symbol.name == "VIRUS_INFECTED"
    assert "Demo" in symbol.evidence


@pytest.mark.parametrize(
    ("virus", "fault"),
    [
        ({"scanners": ["nope"]}, 'virus.scanners: no plug-in "nope" is installed'),
        ({"scanner_settings": {"demo": {}}}, '"demo" is not among virus.scanners'),
        ({"scanners": ["command"]}, "which command is to be run"),
    ],
)
def test_faults_are_named(virus: dict[str, Any], fault: str) -> None:
    with pytest.raises(SettingError) as error:
        FilterChain(Config.from_mapping({"virus": virus}), checks=[])
    assert fault in str(error.value)

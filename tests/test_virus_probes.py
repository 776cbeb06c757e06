"""``mailfilter doctor --virus``: what it says of a clamd that tells what it skips, and of one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailfilter import Config, FilterChain
from mailfilter.cli import main
from mailfilter.examination import Line
from mailfilter.lookups import ScanAnswer, ScanQuestion, ScanState
from mailfilter.virus_probes import DEEP, probe, zipped_behind

from .servers import Clamd, running
from .test_settings_effect import Saying


@pytest.fixture(scope="module")
def silent_clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    """A clamd as its defaults have it: what it gives up on is called clean."""
    server = Clamd(tmp_path_factory.mktemp("silent"))
    path = server.folder / "clamd.conf"
    path.write_text(path.read_text().replace("AlertExceedsMax yes", "AlertExceedsMax no").replace(
        "AlertEncryptedArchive yes", "AlertEncryptedArchive no"))  # fmt: skip
    with running(server):
        yield server


@pytest.fixture(scope="module")
def telling_clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    """A clamd that says what it skips and reads files of a usual size whole."""
    server = Clamd(tmp_path_factory.mktemp("telling"))
    path = server.folder / "clamd.conf"
    larger = path.read_text().replace("MaxFileSize 10M", "MaxFileSize 40M")
    path.write_text(larger.replace("MaxScanSize 20M", "MaxScanSize 60M"))
    with running(server):
        yield server


def lines(server: Clamd) -> list[Line]:
    with FilterChain(Config.from_mapping({"virus": {"clamd": [server.unix]}}), checks=[], stateless=True) as chain:
        return list(probe(chain))


@pytest.mark.server
def test_a_scanner_that_tells(telling_clamd: Clamd) -> None:
    found = lines(telling_clamd)
    assert [line.text for line in found if line.wrong] == []
    said = "\n".join(line.text for line in found)
    assert f"EICAR {DEEP} zips deep: limits exceeded Heuristics.Limits.Exceeded.MaxRecursion" in said
    assert "EICAR behind 108 MB in a zip: limits exceeded" in said
    assert "EICAR at the end of a file of 110 MB in a zip: clean; files are cut at MaxFileSize" in said
    assert "a mail of 2 MB: too large" in said
    assert "an encrypted zip: encrypted" in said


@pytest.mark.server
def test_a_scanner_that_lets_through(silent_clamd: Clamd) -> None:
    wrong = [line.text for line in lines(silent_clamd) if line.wrong]
    assert len(wrong) == 3
    assert "EICAR at the end of a file of 12 MB in a zip: clean; files are cut at MaxFileSize" in wrong.pop()
    assert all("clean; let through unseen: set `AlertExceedsMax yes` in clamd.conf" in text for text in wrong)
    assert wrong[0].startswith(f"EICAR {DEEP} zips deep")
    assert wrong[1].startswith("EICAR behind 27 MB")


@pytest.mark.server
def test_the_command(silent_clamd: Clamd, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[virus]\nclamd = ["{silent_clamd.unix}"]\non_encrypted = "hold"\n')
    assert main(["doctor", "--virus", "--config", str(settings)]) == 1
    said = capsys.readouterr().out
    assert "4 wrong" in said
    assert "set `AlertEncryptedArchive yes`" in said


@pytest.mark.parametrize("state", [state for state in ScanState if state is not ScanState.CLEAN])
def test_a_scanner_that_says_one_thing_only_is_wrong(state: ScanState) -> None:
    with FilterChain(checks=[], lookups=[Saying(ScanQuestion, ScanAnswer(state))], stateless=True) as chain:
        assert any(line.wrong for line in probe(chain))


def test_no_scanner_is_wrong() -> None:
    with FilterChain(checks=[], lookups=[], stateless=True) as chain:
        (line,) = probe(chain)
    assert line.wrong


def test_what_stands_before_is_as_long_as_asked_for() -> None:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(zipped_behind(b"abc", 27))) as archive:
        assert sum(info.file_size for info in archive.infolist()) == 27 * 2**20 + 3
        assert archive.infolist()[-1].filename == "eicar.com"

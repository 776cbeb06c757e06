"""The command as a person uses it: good input, bad input, one clear line for each fault."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from mailfilter import rescoring
from mailfilter.cli import main

HAM = (
    b"From: Ada <ada@example.org>\nTo: b@example.org\nSubject: lunch\n"
    b"Date: Mon, 2 Nov 2026 10:00:00 +0000\n\nAt noon?\n"
)
SAMPLE = Path(__file__).parent.parent.parent / "corpora" / "sample"


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    path = tmp_path / "mail.eml"
    path.write_bytes(HAM)
    return path


def test_check_prints_a_row_and_a_sum(mail: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(mail)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["action", "score", "p(spam)", "mail:", "reasons"]
    assert out[1].startswith("accept ")
    assert str(mail) in out[1]
    assert out[-1] == "1 mails: 1 accept"


def test_json_is_one_object_a_line(mail: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", str(mail), str(mail)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["path"] for row in rows] == [str(mail)] * 2
    row = rows[0]
    assert row["action"] == "accept"
    assert row["smtp_reply"].startswith("250 2.0.0 ")
    assert {symbol["name"] for symbol in row["unknown"]} >= {"VIRUS_UNSCANNED", "DNSBL_NOT_ASKED"}
    assert round(sum(symbol["points"] for symbol in row["symbols"]), 3) == row["score"]


def test_rules_and_a_dry_run_are_shown(mail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "s.toml"
    rule = '[[policy.rules]]\nname = "partners"\nrecipients = ["b@example.org"]\ndirections = ["outbound"]\n'
    settings.write_text(f"[policy]\ndry_run = true\n{rule}greylist = -90\nquarantine = -90\n")
    sent = ["--config", str(settings), "--rcpt-to", "b@example.org", "--rcpt-to", "c@example.org"]
    assert main(["check", str(mail), *sent[:4], "--direction", "outbound"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 mails: 1 quarantine; dry run: all would be accepted"
    settings.write_text(f"{rule}greylist = -90\nquarantine = -90\n")
    assert main(["check", "--explain", str(mail), *sent, "--direction", "outbound"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[lines.index("by recipient:") + 1 :][:2] == [
        "b@example.org: quarantine (score, partners)",
        "c@example.org: accept (score)",
    ]
    assert main(["check", str(mail), "--direction", "sideways"]) == 2
    assert "direction is inbound, outbound or internal" in capsys.readouterr().err


def test_explain_adds_up_and_shows_what_was_not_known(mail: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--explain", str(mail)]) == 0
    lines = capsys.readouterr().out.splitlines()
    (total,) = [float(line.split()[0]) for line in lines if line.endswith("  sum")]
    shown = [
        float(line.split()[0]) for line in lines if line[:1] == " " and line.split()[0][:1] in "+-" and ": " in line
    ]
    assert round(sum(shown), 3) == total
    assert any("VIRUS_UNSCANNED" in line for line in lines)


def test_explain_shows_what_the_content_model_saw_and_what_would_change(
    mail: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--explain", str(mail), str(SAMPLE)]) == 0
    first = capsys.readouterr().out.split("\n\n" + str(SAMPLE), 1)[0]
    another = first.split("another action:\n")[1].splitlines()
    assert another[0].strip().startswith("greylist from 4 points (")
    clues = first.split("what moved the content model most")[1].split("\n\n")[0].splitlines()[1:]
    assert len(clues) == 6
    weights = [abs(float(line.split()[1])) for line in clues]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > 0

    def never(*_: object) -> None:
        raise AssertionError("explained although nobody asked")

    monkeypatch.setattr("mailfilter.checks.content.ContentCheck.explain", never)
    assert main(["check", str(mail)]) == 0
    assert main(["check", "--json", str(mail)]) == 0


def test_a_mail_on_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(HAM)))
    assert main(["check", "-"]) == 0
    assert "1 mails: 1 accept" in capsys.readouterr().out


def test_what_cannot_be_read_is_named_counted_and_the_rest_goes_on(
    mail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for number in range(50):
            info = tarfile.TarInfo(f"{number}.eml")
            info.size = len(HAM)
            archive.addfile(info, io.BytesIO(HAM))
    (tmp_path / "cut.tar.gz").write_bytes(whole.getvalue()[:-150])
    assert main(["check", str(tmp_path / "nowhere"), str(tmp_path / "cut.tar.gz"), str(mail)]) == 1
    captured = capsys.readouterr()
    errors = captured.err.splitlines()
    assert len(errors) == 2
    assert all(line.startswith(f"mailfilter: {tmp_path}/") for line in errors)
    assert captured.out.splitlines()[-1].endswith("; 2 could not be read (named above)")
    assert f"{mail}: " in captured.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "MAIL", "--config", "nowhere.toml"], "mailfilter: nowhere.toml: cannot be read: No such file"),
        (["check", "MAIL", "--client-ip", "here"], "mailfilter: client_ip is an IPv4 or IPv6 address, not 'here'"),
        (["quarantine", "list"], "mailfilter: no quarantine is configured"),
        (["rescore", "MAIL", "--out", "nowhere/hits.npz"], "mailfilter: nowhere/hits.npz: the hit table cannot be"),
    ],
)
def test_a_users_error_is_one_line_and_status_2(
    arguments: list[str], said: str, mail: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(mail) if word == "MAIL" else word for word in arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(said)


def test_every_fault_of_a_settings_file_is_a_line(
    mail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my.toml"
    path.write_text("[policy]\nbonce = 3\ngreylist = 'x'\n")
    assert main(["check", str(mail), "--config", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"mailfilter: {path}: policy.bonce: unknown setting")


def test_rescore_writes_a_table_that_numpy_reads(
    mail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "hits.npz"
    assert main(["rescore", str(mail), str(mail), "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == f"{out}: 2 mails: 2 accept"
    meta, arrays = rescoring.load(out)
    assert rescoring.paths(arrays) == [str(mail)] * 2
    assert arrays["label"].tolist() == [-1, -1]
    points = np.array(meta["points"])
    first = slice(*arrays["indptr"][:2])
    total = np.rint(arrays["values"][first] * points[arrays["indices"][first]] * 1000).sum()
    assert total == arrays["points"][0]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_sample_is_decided_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", str(SAMPLE)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) >= 40
    gtube = [row for row in rows if "gtube" in row["path"]]
    assert gtube
    assert all(row["action"] == "bounce" for row in gtube)


def test_doctor_says_what_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "no scanner is configured" in out
    assert "no resolver is configured" in out
    assert main(["doctor", "--symbols"]) == 0
    assert "VIRUS_INFECTED" in capsys.readouterr().out


def test_quarantine_lists_shows_and_releases(
    mail: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    from mailfilter import Envelope, FilterChain

    settings = tmp_path / "my.toml"
    settings.write_text(f"[quarantine]\npath = '{tmp_path / 'q.db'}'\n[policy]\ngreylist = -99\nquarantine = -99\n")
    with FilterChain.from_config(settings) as chain:
        verdict = chain.act(HAM, Envelope(mail_from="a@example.net"), chain.check(HAM))
    assert main(["quarantine", "list", "--config", str(settings)]) == 0
    assert verdict.receipt.encode() in capsysbinary.readouterr().out
    assert main(["quarantine", "release", verdict.receipt, "--config", str(settings)]) == 0
    assert capsysbinary.readouterr().out == HAM


def test_a_verdict_loads_neither_training_nor_network_libraries(mail: Path) -> None:
    program = (
        "import sys, mailfilter as mf\n"
        "light = set(sys.modules)\n"
        f"mf.FilterChain.default().check(open({str(mail)!r}, 'rb').read())\n"
        "heavy = {'sklearn', 'scipy', 'pandas', 'joblib', 'dns', 'pyclamd'}\n"
        "print('numpy' in light, sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False []"


def test_a_command_loads_what_it_needs_and_no_more(mail: Path) -> None:
    program = (
        "import sys\n"
        "from mailfilter.cli import main\n"
        f"main(['check', {str(mail)!r}])\n"
        "heavy = {'asyncio', 'mailfilter.quarantine', 'mailfilter.cli.tune', 'sqlite3', 'ssl'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_goes_away_is_no_traceback(mail: Path) -> None:
    ran = subprocess.run(
        f"{sys.executable} -m mailfilter check {mail} {mail} | true",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in ran.stderr

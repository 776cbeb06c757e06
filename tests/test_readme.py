"""What the README shows is run as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from mailfilter import Config
from mailfilter.cli import _parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("source", blocks("python"))
def test_python(source: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(source, "README.md", "exec"), {})
    assert capsys.readouterr().out


@pytest.mark.parametrize("source", blocks("toml"))
def test_settings(source: str) -> None:
    Config.from_mapping(tomllib.loads(source), "README.md")


def test_commands_are_there_with_these_options() -> None:
    lines = [line.split("#")[0] for block in blocks("sh") for line in block.splitlines()]
    commands = [
        part.split("mailfilter ", 1)[1] for line in lines for part in line.split("|") if " mailfilter " in f" {part}"
    ]
    assert len(commands) >= 6
    for command in commands:
        _parser().parse_args(command.split("&&")[0].split())


def test_the_readme_opens_with_the_two_commands() -> None:
    first, second = blocks("sh")[:2]
    assert first.startswith("python3 -m venv .venv && .venv/bin/pip install .")
    assert "[test]" in second
    assert second.rstrip().endswith(".venv/bin/pytest")

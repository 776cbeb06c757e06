"""Settings: every fault named with file and key, the example complete and true."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from mailfilter.config import Config, example
from mailfilter.decision import Action
from mailfilter.errors import SettingError
from mailfilter.sections import SECTIONS

EXAMPLE = Path(__file__).parent.parent / "mailfilter.example.toml"


def faults(table: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(SettingError) as caught:
        Config.from_mapping(table, "my.toml")
    assert str(caught.value).startswith("my.toml: ")
    return caught.value.faults


def test_nothing_set_is_the_defaults() -> None:
    assert Config.from_mapping({}, "defaults") == Config()


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"vrus": {}}, "vrus: unknown section; known: "),
        ({"policy": {"grylist": 1}}, "policy.grylist: unknown setting; known here: greylist, "),
        ({"policy": {"bounce": "12"}}, "policy.bounce: a number or \"never\" is expected, got '12'"),
        ({"policy": {"bounce": True}}, 'policy.bounce: a number or "never" is expected, got True'),
        ({"policy": {"bounce": float("nan")}}, 'policy.bounce: a number or "never" is expected, got nan'),
        ({"policy": 3}, "policy: a table is expected, got 3"),
        ({"policy": {"greylist": 7}}, "policy.quarantine: 6 is below policy.greylist (7); limits rise"),
        ({"engine": {"batch": 0}}, "engine.batch: a whole number from 1 to 10000 is expected, got 0"),
        ({"engine": {"batch": 1.5}}, "engine.batch: a whole number from 1 to 10000 is expected, got 1.5"),
        ({"engine": {"deadline": -1}}, "engine.deadline: a number from 0.05 to 600 is expected, got -1"),
        ({"virus": {"clamd": "unix:/x"}}, "virus.clamd: a list of texts is expected, got 'unix:/x'"),
        ({"virus": {"on_infected": "eat"}}, 'virus.on_infected: one of "quarantine", "bounce", "delete", "disarm" is'),
        ({"scores": {"X": "1"}}, "scores: a table of numbers is expected"),
        ({"dns": {"custom": [1]}}, "dns.custom: a list of tables is expected"),
        ({"content": {"model": 1}}, "content.model: a text is expected, got 1"),
    ],
)
def test_a_fault_names_key_value_and_what_is_allowed(table: dict[str, Any], fault: str) -> None:
    assert faults(table)[0].startswith(fault)


def test_all_faults_are_found_in_one_pass() -> None:
    assert len(faults({"a": 1, "policy": {"b": 2, "bounce": []}, "engine": {"batch": -1}})) == 4


def test_never_switches_a_limit_off() -> None:
    assert Config.from_mapping({"policy": {"greylist": "never", "delete": 20}}).to_policy().greylist is None


def test_choices_become_floors() -> None:
    policy = Config.from_mapping({"virus": {"on_too_large": "bounce", "on_encrypted": "tempfail"}}).to_policy()
    assert policy.floors["VIRUS_TOO_LARGE"] is Action.BOUNCE
    assert policy.floors["VIRUS_ENCRYPTED"] is Action.GREYLIST
    assert policy.floors["VIRUS_UNAVAILABLE"] is Action.GREYLIST


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read: No such file"), (b"[policy", "is not valid TOML: "), (b"a = '\xff'", "is not valid TOML")],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "my.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingError) as caught:
        Config.from_file(path)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_the_example_file_is_written_from_the_definitions() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == example()


def test_the_example_uncommented_is_the_defaults_and_has_every_key() -> None:
    text = re.sub(r"^# (\w+ = )", r"\1", example(), flags=re.MULTILINE)
    text = text.replace("SUBJECT_SHOUTS = 1.0\n", "").replace("headers = 5.0\n", "")
    table = tomllib.loads(text)
    for name, section in SECTIONS.items():
        assert set(table[name]) == {item.name for item in fields(section)}
    assert Config.from_mapping(table, "defaults") == Config()

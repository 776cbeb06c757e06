"""YARA rules as a check; without the package the setting is an error that says what to install."""

from __future__ import annotations

import base64
import sys
import time
from pathlib import Path

import pytest

from mailfilter import Config, FilterChain
from mailfilter.checks.yara import YaraCheck
from mailfilter.decision import Action
from mailfilter.errors import MissingExtraError, SettingError

RULES = """
rule needle { strings: $a = "needle" condition: $a }
rule killer { meta: malware = true strings: $a = "KILLER" condition: $a }
"""


def chain_of(path: Path) -> FilterChain:
    pytest.importorskip("yara", reason="yara-python is not installed (extra yara)")
    return FilterChain(Config(), checks=[YaraCheck(str(path))], stateless=True)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "own.yar"
    path.write_text(RULES)
    return path


def attached(data: bytes) -> bytes:
    return b"Content-Type: application/x; name=a\nContent-Transfer-Encoding: base64\n\n" + base64.b64encode(data)


def test_a_match_is_found_in_decoded_parts(rules: Path) -> None:
    with chain_of(rules) as chain:
        verdict = chain.check(attached(b"a needle"))
        assert [(symbol.name, symbol.evidence) for symbol in verdict.symbols] == [("YARA_MATCH", "needle in part 1")]
        assert chain.check(attached(b"a noodle")).symbols == ()


def test_a_rule_for_malware_outranks_all(rules: Path) -> None:
    with chain_of(rules) as chain:
        verdict = chain.check(attached(b"KILLER"))
    assert verdict.action is Action.QUARANTINE
    assert [symbol.group for symbol in verdict.symbols] == ["malware"]


def test_a_folder_of_rules(rules: Path) -> None:
    (rules.parent / "more.yara").write_text('rule needle { strings: $a = "more" condition: $a }')
    (rules.parent / "notes.txt").write_text("no rules")
    with chain_of(rules.parent) as chain:
        assert chain.check(attached(b"more")).symbols


def test_rules_that_take_too_long_are_unknown(rules: Path) -> None:
    loops = "for all i in (1..2000000000) : (uint8(i % filesize) < 256)"
    rules.write_text(f"rule slow {{ condition: {loops} }}")
    with chain_of(rules) as chain:
        begun = time.monotonic()
        verdict = chain.check(b"\n")
        assert time.monotonic() - begun < 20
    assert [symbol.name for symbol in verdict.unknown] == ["YARA_UNKNOWN"]


@pytest.mark.parametrize("text", ["rule {", 'include "/etc/passwd"'])
def test_rules_that_do_not_compile_are_an_error(rules: Path, text: str) -> None:
    rules.write_text(text)
    with pytest.raises(SettingError, match=r"yara\.rules: .*own\.yar"):
        chain_of(rules)


def test_rules_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"yara\.rules"):
        chain_of(tmp_path / "none.yar")
    with pytest.raises(SettingError, match=r"there is no \*\.yar"):
        chain_of(tmp_path)


def test_without_the_package(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yara", None)
    with pytest.raises(MissingExtraError, match=r"mailfilter\[yara\]"):
        YaraCheck(str(rules))
    YaraCheck("")

"""The public test suites of SPF, DKIM and ARC as cases: what is to come out, and a call that says what does.

``MAILFILTER_AUTH_SUITES`` names the folder that holds them (pyspf's test data, the ARC test suite and the resources of
Stalwart's mail-auth, each in a folder of its own).
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mailfilter.authentication import arc, dkim
from mailfilter.authentication.arc import ArcAnswer
from mailfilter.authentication.signed import SignedMail
from mailfilter.authentication.spf import SpfAnswer, SpfResult, check_helo, check_mail_from
from mailfilter.lookups import DnsState

from .auth_zones import Records, Zones


class Case(NamedTuple):
    """One case: ``expected`` holds every outcome that the suite accepts; ``left_out`` says why it is not run."""

    suite: str
    name: str
    expected: tuple[str, ...]
    outcome: Callable[[], str]
    left_out: str = ""


SIZES = {
    "spf-rfc7208": 203,
    "spf-rfc4408": 191,
    "spf-third": 163,
    "dkim-third": 6,
    "arc-validation": 171,
    "arc-third": 2,
}
"""The suites and how many cases each has."""
SIGNED_AT = 1_667_870_000
"""The time at which the mails of the third suite are looked at."""
NOT_RUN = {
    "arc_test_suite/tests/arc-draft-sign-tests.yml": "nothing is signed here",
    "arc_test_suite/tests/unused_tests.yml": "not in use by the suite itself",
    "pyspf/test/test.yml": "the lax and harsh modes of pyspf, which are not RFC 7208",
    "stalwart_mail_auth/resources/dkim2": "DKIM2 is another protocol, a draft",
    "stalwart_mail_auth/resources/dmarc-feedback": "reports about DMARC, not its evaluation; no DMARC cases are there",
}
"""What of the suites is left alone as a whole, and why."""
_A_ONLY = "exists asks for A records even for an IPv6 client (RFC 7208 section 5.7); the case has AAAA only"
LEFT_OUT: Mapping[tuple[str, str], str] = {
    ("spf-third", "all: All test 1"): "a syntax error anywhere is permerror, after all too (RFC 7208 section 4.6)",
    ("spf-third", "basic: DNS Lookup Limits 1"): "ten terms find nothing; after two it is permerror (section 4.6.4)",
    ("spf-third", "basic: DNS Lookup Limits 6"): "more than ten mail exchangers are permerror (section 4.6.4)",
    ("spf-third", "exists: Exists 2"): _A_ONLY,
    ("spf-third", "macro: Macro expansion 2 2"): _A_ONLY,
    ("spf-third", "ip: IPv6 match 4"): "ip6 does not match an IPv4 client, mapped or not (section 5.6)",
}
"""Cases that the standard decides otherwise than the suite, each with the reason."""


def folder() -> Path | None:
    """Where the suites are, None where they are not."""
    path = Path(os.environ.get("MAILFILTER_AUTH_SUITES", ""))
    return path if path.parts and path.is_dir() else None


def cases(root: Path) -> Iterator[Case]:
    """Every case of every suite."""
    yield from _pyspf("spf-rfc7208", root / "pyspf/test/rfc7208-tests.yml")
    yield from _pyspf("spf-rfc4408", root / "pyspf/test/rfc4408-tests.yml")
    for path in sorted((root / "stalwart_mail_auth/resources/spf").glob("*.yml")):
        yield from _stalwart_spf(path)
    yield from _arc(root / "arc_test_suite/tests/arc-draft-validation-tests.yml")
    yield from _third_mails("dkim-third", root / "stalwart_mail_auth/resources/dkim", _dkim)
    yield from _third_mails("arc-third", root / "stalwart_mail_auth/resources/arc", _chain)


def _pyspf(suite: str, path: Path) -> Iterator[Case]:
    import yaml

    for scenario in yaml.safe_load_all(path.read_text(encoding="latin-1")):
        zone = {name: _records(entries) for name, entries in scenario["zonedata"].items()}
        for name, test in scenario["tests"].items():
            yield _spf_case(suite, name, test, zone)


def _spf_case(suite: str, name: str, test: Mapping[str, Any], zone: Mapping[str, Records]) -> Case:
    results = test["result"] if isinstance(test["result"], list) else [test["result"]]
    explanation = test.get("explanation", "")

    def outcome() -> str:
        check = check_mail_from(test["host"], test["mailfrom"] or "", test["helo"] or "", explain=True)
        answer: SpfAnswer = Zones(zone).play(check)
        said = answer.explanation or "DEFAULT"
        return answer.result.value + (f" {said}" if explanation and answer.result.value == "fail" else "")

    expected = tuple(f"fail {explanation}" if result == "fail" and explanation else result for result in results)
    return Case(suite, name, expected, outcome)


def _records(entries: list[Any]) -> Records:
    """Zone data of the SPF suites: an SPF record stands for a TXT record where there is no TXT of the name."""
    found: dict[str, Any] = {}
    for entry in entries:
        if entry == "TIMEOUT":
            found["*"] = DnsState.TIMEOUT
            continue
        ((rdtype, value),) = entry.items()
        if rdtype == "RCODE":
            found["*"] = DnsState.SERVFAIL
            continue
        found.setdefault(rdtype, []).append(_text(rdtype, value))
    if "SPF" in found and "TXT" not in found:
        found["TXT"] = found["SPF"]
    if found.get("TXT") == ["NONE"]:
        del found["TXT"]
    return found


def _text(rdtype: str, value: Any) -> str:
    if rdtype == "MX":
        return f"{value[0]} {str(value[1]).rstrip('.').lower() or '.'}"
    if isinstance(value, list):
        return "".join(value)
    return str(value)


def _stalwart_spf(path: Path) -> Iterator[Case]:
    """Scenarios in lines that look like YAML and are none: a key may stand many times, ``expect`` ends a case."""
    for text in path.read_text(encoding="utf-8").split("\n---\n"):
        zone: dict[str, dict[str, Any]] = {}
        test: dict[str, str] = {}
        name, number, testing = "", 0, False
        for line in text.splitlines():
            key, _, value = line.strip().lstrip("- ").partition(":")
            value = value.strip()
            if line.startswith(("records:", "tests:", "name:")):
                testing, name = line.startswith("tests:"), value or name
            elif not testing and line.startswith("  ") and value:
                _add_record(zone, key, *value.split(None, 1))
            elif testing and key in ("spf", "a", "ptr"):
                owner, _, record = value.partition(" ")
                zone = {domain: dict(records) for domain, records in zone.items()}
                zone.get(owner, {}).pop("TXT" if key == "spf" else "", None)
                _add_record(zone, key, owner, record.strip())
            elif testing and key == "expect":
                number += 1
                yield _stalwart_case(f"{path.stem}: {name} {number}", {**test, key: value}, zone)
            elif testing and line.startswith("  "):
                test[key] = value


def _add_record(zone: dict[str, dict[str, Any]], rdtype: str, name: str, value: str = "") -> None:
    """One record; those of mail exchangers are given by their addresses, each of an exchanger of its own."""
    values = [part.rstrip(".") for part in value.replace(",", " ").split()]
    if rdtype in ("spf", "exp"):
        zone.setdefault(name, {}).setdefault("TXT", []).append(value)
    elif rdtype == "ptr":
        zone.setdefault(ipaddress.ip_address(name).reverse_pointer, {}).setdefault("PTR", []).extend(values)
    else:
        for number, address in enumerate(values):
            host = f"mx{number}-of.{name}" if rdtype == "mx" else name
            if rdtype == "mx":
                zone.setdefault(name, {}).setdefault("MX", []).append(f"10 {host}")
            zone.setdefault(host, {}).setdefault("AAAA" if ":" in address else "A", []).append(address)


def _stalwart_case(name: str, test: Mapping[str, str], zone: Mapping[str, Records]) -> Case:
    explain = " " in test["expect"]
    failing: dict[str, Records] = {part: {"*": DnsState.SERVFAIL} for part in ("_dns_error.org", "_dns_error.test.org")}

    def outcome() -> str:
        zones = Zones({**zone, **failing})
        answer: SpfAnswer = zones.play(check_helo(test["ip"], test["domain"], explain=explain))
        if answer.result is not SpfResult.FAIL:
            answer = zones.play(check_mail_from(test["ip"], test["sender"], test["domain"], explain=explain))
        return f"{answer.result.value} {answer.explanation}".strip()

    return Case("spf-third", name, (test["expect"],), outcome, LEFT_OUT.get(("spf-third", name), ""))


def _arc(path: Path) -> Iterator[Case]:
    import yaml

    for scenario in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        keys = scenario.get("txt-records") or {}
        zone: dict[str, Records] = {name: {"TXT": ["".join(text.split("\n"))]} for name, text in keys.items()}
        for name, test in scenario["tests"].items():
            # no word where the newest seal says itself that the chain is broken: RFC 8617 section 5.2 step 2
            expected = tuple(str(test["cv"]).lower().split()) or ("fail",)
            yield Case("arc-validation", name, expected, partial(_chain, test["message"].encode(), zone))


def _chain(raw: bytes, zone: Mapping[str, Records]) -> str:
    answer: ArcAnswer = Zones(zone).play(arc.verify(SignedMail(raw)))
    return answer.outcome.value


def _dkim(raw: bytes, zone: Mapping[str, Records]) -> str:
    answers: tuple[dkim.DkimAnswer, ...] = Zones(zone).play(dkim.verify(SignedMail(raw), SIGNED_AT))
    return " ".join(sorted({answer.outcome.value for answer in answers}))


def _third_mails(suite: str, folder: Path, check: Callable[[bytes, Mapping[str, Records]], str]) -> Iterator[Case]:
    """Mails below the keys that they need, a line each."""
    for path in sorted(folder.glob("*.txt")):
        head, _, raw = path.read_bytes().partition(b"\n\n")
        lines = [line.split(None, 1) for line in head.decode().splitlines()]
        zone: dict[str, Records] = {name: {"TXT": [text]} for name, text in lines}
        yield Case(suite, path.name, ("pass",), partial(check, raw, zone))

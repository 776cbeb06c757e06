"""List definitions: the shipped ones are sound, and a faulty one is refused with file, key and what is allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.dnslists import DnsList, chosen_lists, closed_lists, parse_code, read_lists, shipped_lists
from mailfilter.dnslists.definition import MAX_POINTS
from mailfilter.errors import SettingError

GOOD = {
    "zone": "bl.example.org",
    "codes": {"127.0.0.2": {"symbol": "DNSBL_EXAMPLE", "points": 2, "description": "Listed."}},
}
PRAISE = {"127.0.0.2": {"symbol": "DNSWL_EXAMPLE", "points": -2, "description": "Good."}}
TOML = """
[example]
zone = "bl.example.org"
families = ["ipv4", "ipv6"]
refused = ["127.0.0.255", "127.0.1.*"]
home = "https://example.org/"
licence = "free"

[example.codes]
"127.0.0.2" = { symbol = "DNSBL_EXAMPLE", points = 2.5, description = "Listed." }
"127.0.0.4-7" = { symbol = "DNSBL_EXAMPLE_BOT", points = 1, description = "A bot." }

[masked]
zone = "{key}.multi.example.org"
key_env = "EXAMPLE_KEY"
refused_bits = 1

[masked.bits]
2 = { symbol = "DNSBL_MASKED_A", points = 1.0, description = "A." }
64 = { symbol = "DNSBL_MASKED_B", points = 1.0, description = "B." }
"""


def test_a_definition_is_read_whole() -> None:
    example, masked = read_lists(TOML, "lists.toml")
    assert (example.zone, example.kind, example.ask) == ("bl.example.org", "ip", ("client",))
    assert (example.families, example.tests) == (("ipv4", "ipv6"), ("127.0.0.2", "127.0.0.1"))
    assert [(pattern.text, meaning.points) for pattern, meaning in example.codes] == [
        ("127.0.0.2", 2.5),
        ("127.0.0.4-7", 1.0),
    ]
    assert [pattern.text for pattern in example.refused] == ["127.0.0.255", "127.0.1.*"]
    assert [(bit, meaning.symbol) for bit, meaning in masked.bits] == [(2, "DNSBL_MASKED_A"), (64, "DNSBL_MASKED_B")]
    assert (masked.refused_bits, masked.key_env) == (1, "EXAMPLE_KEY")
    assert {info.name: info.points for info in example.symbols("dnsbl")} == {
        "DNSBL_EXAMPLE": 2.5,
        "DNSBL_EXAMPLE_BOT": 1.0,
    }


@pytest.mark.parametrize("definition", shipped_lists().values(), ids=lambda definition: definition.name)
def test_shipped_lists_say_where_they_come_from_and_none_is_trusted(definition: DnsList) -> None:
    assert definition.home.startswith("https://")
    assert definition.source.startswith("http")
    assert definition.licence
    assert not definition.trusted
    assert all(abs(meaning.points) <= MAX_POINTS for meaning in definition.meanings)
    refused = any(pattern.matches((127, 0, 0, 255)) for pattern in definition.refused)
    assert refused or not any(pattern.matches((127, 0, 0, 255)) for pattern, _ in definition.codes)


def test_all_shipped_lists_may_be_asked_together() -> None:
    environment = {entry.key_env: "k.example" if entry.zone == "{key}" else "key" for entry in shipped_lists().values()}
    assert len(chosen_lists(tuple(shipped_lists()), environment=environment)) == len(shipped_lists())


@pytest.mark.parametrize("name", closed_lists())
def test_a_closed_list_cannot_be_asked_by_name_nor_by_zone(name: str) -> None:
    assert name not in shipped_lists()
    with pytest.raises(SettingError, match=f'list "{name}" is closed: .* \\(https://'):
        chosen_lists([name])
    zone = "ix." + closed_lists()[name].zone
    with pytest.raises(SettingError, match=r"dns.custom\[0\].zone: ix.* is closed: "):
        chosen_lists((), [{"name": "mine", **GOOD, "zone": zone}])


def test_nothing_is_chosen_by_default() -> None:
    assert chosen_lists(()) == ()


def test_lists_are_chosen_by_name_and_defined_on_ones_own() -> None:
    found = chosen_lists(["psbl", "spamcop"], [{"name": "mine", **GOOD}])
    assert sorted(definition.name for definition in found) == ["mine", "psbl", "spamcop"]


def test_a_key_comes_from_the_environment_and_is_not_shown() -> None:
    (keyed,) = chosen_lists(["spamhaus-zen-dqs"], environment={"SPAMHAUS_DQS_KEY": "S3cret"})
    assert keyed.asked_zone == "s3cret.zen.dq.spamhaus.net"
    assert keyed.zone == "{key}.zen.dq.spamhaus.net"
    assert "3cret" not in repr(keyed)
    for key in ("not.a.label", "\u00e4", "a b"):
        with pytest.raises(SettingError, match="wants a key of letters and digits in SPAMHAUS_DQS_KEY"):
            chosen_lists(["spamhaus-zen-dqs"], environment={"SPAMHAUS_DQS_KEY": key})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"zone": "UPPER.example"}, "zone: a name like"),
        ({"zone": ""}, "zone: a name like"),
        ({"zone": 7}, "zone: a text is expected, got 7"),
        ({"zone": "{key}.bl.example"}, "key_env: a zone with {key} names the variable"),
        ({"key_env": "KEY"}, "key_env: a zone with {key} names the variable"),
        ({"zone": "a.{key}x.example", "key_env": "KEY"}, "zone: a name like"),
        ({"kind": "hash"}, "kind: ip or domain or url or email is expected, got 'hash'"),
        ({"ask": ["helo"]}, "ask: a list of client and hops and links is expected"),
        ({"kind": "domain", "ask": ["client"]}, "ask: a list of mail-from and from"),
        ({"form": "host"}, "form: reversed is expected, got 'host'"),
        ({"families": []}, "families: a list of ipv4 and ipv6 is expected"),
        ({"families": "ipv4"}, "families: a list of ipv4 and ipv6 is expected"),
        ({"trusted": "yes"}, "trusted: true or false is expected, got 'yes'"),
        ({"hash": "crc"}, "hash: md5 or sha1 or sha256 is expected, got 'crc'"),
        ({"hash": "sha256"}, "encoding: base32 is expected for sha256: 64 digits are too long"),
        ({"normalise": ["upper"]}, "normalise: a list of tags and dots and googlemail is expected"),
        ({"allow": True}, "allow: a list of good senders gives no positive points (DNSBL_EXAMPLE)"),
        ({"ask": ["hops"], "codes": PRAISE}, "ask: a list that gives negative points (DNSWL_EXAMPLE) is asked about"),
        ({"kind": "domain", "ask": ["from"], "allow": True, "codes": PRAISE}, "all else can be forged"),
        ({"colour": "red"}, "colour: unknown key; known are"),
        ({"refused": "127.0.0.1"}, "refused: a list of codes is expected"),
        ({"refused": ["10.0.0.1"]}, "refused: '10.0.0.1' is none of"),
        ({"refused_bits": 256}, "refused_bits: a sum of bits from 0 to 255"),
        ({"codes": {}}, "codes: either codes or bits are required"),
        ({"bits": {"2": GOOD["codes"]["127.0.0.2"]}}, "codes: either codes or bits are required"),  # type: ignore[index]
        ({"codes": "all"}, "codes: a table is expected"),
        ({"codes": {"127.0.0.256": GOOD["codes"]["127.0.0.2"]}}, "'256' is no number from 0 to 255"),  # type: ignore[index]
        ({"codes": {"127.0.0.2": 5}}, 'codes."127.0.0.2": a table with symbol, points and description'),
        ({"codes": {}, "bits": {"3": GOOD["codes"]["127.0.0.2"]}}, "bits.3: a bit is one of 1, 2, 4"),  # type: ignore[index]
    ],
)
def test_a_faulty_definition_is_refused_by_its_key(change: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError) as caught:
        chosen_lists((), [{"name": "mine", **GOOD, **change}], "mailfilter.toml")
    assert str(caught.value).startswith("mailfilter.toml: dns.custom[0].")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("symbol", "lower", "capitals, digits and _ are expected, got 'lower'"),
        ("symbol", None, "capitals, digits and _ are expected, got None"),
        ("points", True, "a number is required, got True"),
        ("points", float("nan"), "a number is required, got nan"),
        ("points", 5.5, "at most 5, so that no list decides alone, got 5.5"),
        ("points", -6, "at most 5, so that no list decides alone, got -6"),
        ("description", "", "a sentence is required, got ''"),
        ("colour", "red", "unknown key; known are symbol, points, description"),
    ],
)
def test_a_faulty_meaning_is_refused_by_its_key(key: str, value: object, said: str) -> None:
    entry = {"symbol": "DNSBL_EXAMPLE", "points": 2, "description": "Listed.", key: value}
    with pytest.raises(SettingError, match=f'codes."127.0.0.2".{key}') as caught:
        chosen_lists((), [{"name": "mine", "zone": "bl.example.org", "codes": {"127.0.0.2": entry}}])
    assert said in str(caught.value)


def test_every_fault_is_told_at_once_with_the_file() -> None:
    text = '[a]\nzone = "?"\n[b]\nzone = "b.example"\ncodes = { "1.2.3.4" = 1 }\n'
    with pytest.raises(SettingError) as caught:
        read_lists(text, "lists.toml")
    assert len(caught.value.faults) >= 3
    assert all(line.startswith(("a.", "b.")) for line in caught.value.faults)
    with pytest.raises(SettingError, match=r"lists\.toml: is not valid TOML"):
        read_lists("[", "lists.toml")


def test_a_list_without_its_key_is_not_configured() -> None:
    (keyed,) = chosen_lists(["spamhaus-zen-dqs"], environment={})
    assert not keyed.configured
    (keyed,) = chosen_lists(["invaluement-uri"], environment={"INVALUEMENT_URI_ZONE": "Uri.Example.net."})
    assert (keyed.configured, keyed.asked_zone, keyed.shown) == (True, "uri.example.net", "invaluement-uri")


@pytest.mark.parametrize(
    ("names", "custom", "said"),
    [
        (["nowhere"], [], 'dns.lists: no list "nowhere" ships; known are spamhaus-zen'),
        ([], [GOOD], "dns.custom[0].name: a name is required, got None"),
        ([], [{"name": "mine", **GOOD}] * 2, 'two lists are named "mine"'),
        (
            ["psbl"],
            [{"name": "mine", "zone": "x.example",
              "codes": {"127.0.0.2": {"symbol": "DNSBL_PSBL", "points": 1, "description": "Other."}}}],
            'symbol DNSBL_PSBL means two things, in "psbl" and "mine"',
        ),
    ],
)  # fmt: skip
def test_a_faulty_choice_is_refused(names: list[str], custom: list[dict[str, object]], said: str) -> None:
    with pytest.raises(SettingError) as caught:
        chosen_lists(names, custom, "mailfilter.toml")
    assert said in str(caught.value)


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=3, max_size=3), st.data())
def test_patterns_match_exactly_what_they_say(pairs: list[tuple[int, int]], data: st.DataObject) -> None:
    bounds = [(min(pair), max(pair)) for pair in pairs]
    text = "127." + ".".join("*" if b == (0, 255) else f"{b[0]}-{b[1]}" if b[0] != b[1] else str(b[0]) for b in bounds)
    pattern = parse_code(text)
    address = tuple(data.draw(st.integers(0, 255)) for _ in range(3))
    inside = all(low <= octet <= high for octet, (low, high) in zip(address, bounds, strict=True))
    assert pattern.matches((127, *address)) == inside
    assert not pattern.matches((126, *address))


@pytest.mark.parametrize(
    "text", ["", "127", "127.0.0", "127.0.0.2.3", "10.0.0.2", "127.0.0.7-4", "127.0.0.-1", "*.0.0.2"]
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="127"):
        parse_code(text)

"""All settings of a chain: one TOML file, every key checked, every fault reported with file and key.

``mailfilter.example.toml`` shows every key with its default; `example` writes it from the definitions here.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .counters import SYMBOLS as RATE_SYMBOLS
from .counters import Limit, read_limits
from .decision import Action, Policy
from .errors import SettingError
from .policy.entries import AllowEntry, DenyEntry, Entry, read_entries, read_file
from .policy.rules import OTHERS, OWN, PolicyRule, Rule, read_rules
from .replies import ReplyTexts
from .scoring import cap_fault
from .sections import (
    SECTIONS,
    AttachmentsSection,
    AuthenticationSection,
    BounceSection,
    ChecksSection,
    ContentSection,
    CountersSection,
    DnsSection,
    EngineSection,
    GreylistSection,
    HeadersSection,
    LearningSection,
    PolicySection,
    QuarantineSection,
    RepliesSection,
    ReputationSection,
    RulesSection,
    SendersSection,
    TrustSection,
    VirusSection,
    YaraSection,
)
from .settings import Allowed, build, default_of, setting
from .symbols import GROUPS
from .trust import Trust, read_trust

_DISARM = "disarm"
_FLOOR = {
    "pass": Action.ACCEPT,
    "tempfail": Action.GREYLIST,
    "hold": Action.QUARANTINE,
    "quarantine": Action.QUARANTINE,
    _DISARM: Action.QUARANTINE,
    "bounce": Action.BOUNCE,
    "delete": Action.DELETE,
}
_FLOORS = {
    "on_unavailable": "VIRUS_UNAVAILABLE",
    "on_scanner_error": "VIRUS_SCANNER_ERROR",
    "on_too_large": "VIRUS_TOO_LARGE",
    "on_limits_exceeded": "VIRUS_LIMITS_EXCEEDED",
    "on_encrypted": "VIRUS_ENCRYPTED",
    "on_pua": "VIRUS_PUA",
    "on_phishing": "VIRUS_PHISHING",
    "on_poison": "VIRUS_POISON",
}
"""Settings of [virus] and the symbol that each is about."""


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting of a chain.  ``source`` is the file's name for error messages."""

    policy: PolicySection = field(default_factory=PolicySection)
    senders: SendersSection = field(default_factory=SendersSection)
    replies: RepliesSection = field(default_factory=RepliesSection)
    engine: EngineSection = field(default_factory=EngineSection)
    checks: ChecksSection = field(default_factory=ChecksSection)
    content: ContentSection = field(default_factory=ContentSection)
    learning: LearningSection = field(default_factory=LearningSection)
    virus: VirusSection = field(default_factory=VirusSection)
    attachments: AttachmentsSection = field(default_factory=AttachmentsSection)
    rules: RulesSection = field(default_factory=RulesSection)
    yara: YaraSection = field(default_factory=YaraSection)
    trust: TrustSection = field(default_factory=TrustSection)
    dns: DnsSection = field(default_factory=DnsSection)
    authentication: AuthenticationSection = field(default_factory=AuthenticationSection)
    greylist: GreylistSection = field(default_factory=GreylistSection)
    counters: CountersSection = field(default_factory=CountersSection)
    reputation: ReputationSection = field(default_factory=ReputationSection)
    quarantine: QuarantineSection = field(default_factory=QuarantineSection)
    bounce: BounceSection = field(default_factory=BounceSection)
    headers: HeadersSection = field(default_factory=HeadersSection)
    scores: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, float] = field(default_factory=dict)
    source: str = "defaults"

    @classmethod
    def from_file(cls, path: str | Path) -> Config:
        """Read one TOML file.  Raises `SettingError`: not readable, not TOML, or every fault in it."""
        try:
            table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingError(str(path), (f"cannot be read: {error.strerror}",)) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingError(str(path), (f"is not valid TOML: {error}",)) from None
        return cls.from_mapping(table, str(path))

    @classmethod
    def from_mapping(cls, table: Mapping[str, Any], source: str = "settings") -> Config:
        """Check a nested mapping as it comes out of a TOML file.  Raises `SettingError` with every fault."""
        faults: list[str] = []
        known = {item.name for item in fields(cls)} - {"source"}
        faults.extend(f"{key}: unknown section; known: {', '.join(sorted(known))}" for key in table.keys() - known)
        sections = {name: build(section, table.get(name, {}), name, faults) for name, section in SECTIONS.items()}
        scores = build(_Scores, {"scores": table.get("scores", {})}, "", faults).scores
        groups = build(_Groups, {"groups": table.get("groups", {})}, "", faults).groups
        faults.extend(fault for group, cap in groups.items() if (fault := _group_fault(group, cap)))
        config = cls(**sections, scores=scores, groups=groups, source=source)
        faults.extend(_limits_in_order(config.policy, "policy"))
        for number, rule in enumerate(read_rules(config.policy.rules, faults), 1):
            faults.extend(_limits_in_order(config.ruled(rule).policy, f"policy.rules[{number}]"))
        read_entries(config.senders.allow, AllowEntry, "senders.allow", faults)
        read_entries(config.senders.deny, DenyEntry, "senders.deny", faults)
        read_limits(config.counters.limits, faults)
        read_trust(config.trust, faults)
        faults.extend(config.reply_texts().faults())
        if faults:
            raise SettingError(source, tuple(faults))
        return config

    def ruled(self, rule: Rule) -> Config:
        """These settings with what one of the [[policy.rules]] sets."""
        changed: dict[str, Any] = {
            name: replace(getattr(self, name), **values) for name, values in rule.overrides.items() if values
        }
        return replace(self, **changed)

    def to_policy(self) -> Policy:
        """The decision's policy, by the sections: limits, and a floor for what has an action of its own."""
        chosen = {
            "CHECK_FAILED": self.policy.on_check_failed,
            "DNSBL_UNKNOWN": self.dns.on_unknown,
            "DNSBL_UNKNOWN_DOMAIN": self.dns.on_unknown_domain,
            "DNSBL_UNKNOWN_HASH": self.dns.on_unknown_hash,
            "DNSWL_UNKNOWN": self.dns.on_unknown_allow,
            "AUTH_UNKNOWN": self.authentication.on_unknown,
            **{symbol: action for action, symbol in RATE_SYMBOLS.items()},
            "ATTACH_BANNED": self.attachments.on_banned,
            "ATTACH_BOMB": self.attachments.on_bomb,
            "ATTACH_ENCRYPTED": self.attachments.on_encrypted,
            "ATTACH_UNREAD": self.attachments.on_unread,
            **{symbol: getattr(self.virus, key) for key, symbol in _FLOORS.items()},
        }
        on_infected = self.virus.on_infected
        return Policy(
            greylist=self.policy.greylist,
            quarantine=self.policy.quarantine,
            bounce=self.policy.bounce,
            delete=self.policy.delete,
            on_malware=_FLOOR[on_infected],
            floors={symbol: _FLOOR[choice] for symbol, choice in chosen.items()},
            disarm=frozenset(symbol for symbol, choice in chosen.items() if choice == _DISARM),
            disarm_malware=on_infected == _DISARM,
            on_denied=_FLOOR[self.senders.on_denied],
        )

    def trusted(self) -> Trust:
        """Whom [trust] believes."""
        return read_trust(self.trust, [])

    def limits(self) -> tuple[Limit, ...]:
        """The [[counters.limits]], in their order."""
        return read_limits(self.counters.limits, [])

    def policy_rules(self) -> tuple[Rule, ...]:
        """The [[policy.rules]], in their order."""
        return read_rules(self.policy.rules, [])

    def sender_entries(self) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
        """The allow and the deny list, those of the file behind those of the settings.  Raises `SettingError`."""
        section = self.senders
        allow = read_entries(section.allow, AllowEntry, "senders.allow", [])
        deny = read_entries(section.deny, DenyEntry, "senders.deny", [])
        if not section.path:
            return allow, deny
        more_allow, more_deny = read_file(section.path, self.source)
        return (*allow, *more_allow), (*deny, *more_deny)

    def reply_texts(self) -> ReplyTexts:
        """What senders are told in our place."""
        return ReplyTexts(**{item.name: getattr(self.replies, item.name) for item in fields(self.replies)})


@dataclass(frozen=True, slots=True)
class _Scores:
    scores: Mapping[str, float] = setting({}, "numbers", "[scores]: points of symbols, instead of the catalogue's")


@dataclass(frozen=True, slots=True)
class _Groups:
    groups: Mapping[str, float] = setting({}, "numbers", "[groups]: most points that a group may add or take")


def _group_fault(group: str, cap: float) -> str | None:
    if group not in GROUPS:
        return f"groups.{group}: no such group; there are {', '.join(GROUPS)}"
    return cap_fault(group, cap)


def _limits_in_order(policy: PolicySection, where: str) -> list[str]:
    """A limit below a milder one's would never let the milder action happen: say so instead of ignoring it."""
    set_limits = [
        (name, limit)
        for name in ("greylist", "quarantine", "bounce", "delete")
        if (limit := getattr(policy, name)) is not None
    ]
    return [
        f"{where}.{name}: {limit:g} is below {where}.{milder} ({low:g}); limits rise from greylist to delete"
        for (milder, low), (name, limit) in itertools.pairwise(set_limits)
        if limit < low
    ]


def example() -> str:
    """The text of ``mailfilter.example.toml``: every key, its default, what is allowed."""
    lines = [
        "# mailfilter: every setting with its default. Uncomment what you change; an unknown key is an error.",
        "# Read with `mailfilter check --config FILE`, `FilterChain.from_config(FILE)` or $MAILFILTER_CONFIG.",
    ]
    for name, section in SECTIONS.items():
        lines.extend(["", f"# {(section.__doc__ or '').strip()}", f"[{name}]"])
        for item in fields(section):
            lines.append(_documented(item.name, item.metadata["allowed"], default_of(item)))
            lines.extend(_keys(_TABLES.get(f"{name}.{item.name}")))
    lines.extend(["", "# [scores]  points of symbols, instead of the catalogue's (`mailfilter doctor --symbols`)"])
    lines.extend(["[scores]", "# SUBJECT_SHOUTS = 1.0", ""])
    lines.append("# [groups]  most points that all symbols of a group together may add or take; without one, no cap")
    lines.extend(["[groups]", "# headers = 5.0", ""])
    return "\n".join(lines)


_TABLES = {"policy.rules": PolicyRule, "senders.allow": AllowEntry, "senders.deny": DenyEntry}
"""Settings that are lists of tables whose keys are known here."""


def _keys(section: Any) -> Iterator[str]:
    """The keys of each table of a list, as remarks."""
    for item in fields(section) if section else ():
        allowed: Allowed = item.metadata["allowed"]
        yield f"#     {item.name}: {allowed.doc}: {allowed.describe()}"
    if section is PolicyRule:
        yield f"#     {', '.join(OWN)}: as in [policy]"
        yield f"#     {', '.join(f'{name}.on_...' for name in OTHERS)}: as in those sections"


def _documented(name: str, allowed: Allowed, default: Any) -> str:
    return f"# {allowed.doc}: {allowed.describe()}\n# {name} = {_toml(default)}"


def _toml(value: Any) -> str:
    match value:
        case None:
            return '"never"'
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case Mapping():
            return "{}"
        case _:
            return f"{value:g}" if isinstance(value, float) and value < 1e5 else str(value)

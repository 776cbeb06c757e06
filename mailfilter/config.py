"""All settings of a chain: one TOML file, every key checked, every fault reported with file and key.

``mailfilter.example.toml`` shows every key with its default; `example` writes it from the definitions here.
"""

from __future__ import annotations

import itertools
import tomllib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .decision import Action, Policy
from .envelope import Envelope
from .errors import SettingError
from .scoring import cap_fault
from .settings import Allowed, build, default_of, setting
from .symbols import GROUPS

_ON_VIRUS = ("quarantine", "bounce", "delete", "disarm")
_ON_UNKNOWN = ("pass", "tempfail", "hold", "bounce")
_ON_FOUND = ("pass", "hold", "bounce")
_ON_PART = ("pass", "tempfail", "hold", "bounce", "disarm")
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
class PolicySection:
    """[policy]  limits in points: from each limit on, its action is taken"""

    greylist: float | None = setting(4.0, "number", "refuse for now from here on: few spammers retry", never=True)
    quarantine: float | None = setting(6.0, "number", "accept and hold for review from here on", never=True)
    bounce: float | None = setting(12.0, "number", "refuse for good from here on", never=True)
    delete: float | None = setting(None, "number", "accept and throw away from here on, with a tombstone", never=True)
    on_check_failed: str = setting("pass", "text", "when a check could not finish", choices=_ON_UNKNOWN)


@dataclass(frozen=True, slots=True)
class EngineSection:
    """[engine]  how checks are run"""

    deadline: float = setting(8.0, "number", "seconds that lookups get for one mail", low=0.05, high=600)
    batch: int = setting(64, "integer", "mails looked at together by check_many", low=1, high=10_000)
    in_flight: int = setting(32, "integer", "questions asked at a time by the blocking driver", low=1, high=1000)


@dataclass(frozen=True, slots=True)
class ChecksSection:
    """[checks]  which checks run"""

    disable: tuple[str, ...] = setting((), "texts", "names of built-in checks to leave out")
    plugins: tuple[str, ...] = setting((), "texts", "names of installed plug-ins to run (group mailfilter.checks)")
    settings: Mapping[str, Any] = setting({}, "free", "[checks.settings.NAME]: what a plug-in is given")


@dataclass(frozen=True, slots=True)
class ContentSection:
    """[content]  the content classifier"""

    model: str = setting("", "text", "file of a trained model; empty means the one that is shipped")


@dataclass(frozen=True, slots=True)
class LearningSection:
    """[learning]  what this site has taught (`mailfilter learn`), laid over the content model"""

    site: str = setting("", "text", "file of taught mail; empty: the content model alone")
    user: str = setting("", "text", "name of the user whose own teaching is laid on top of the site's; empty: none")
    keep: int = setting(5000, "integer", "taught mails of each class that are kept; the oldest go", low=20, high=10**6)


@dataclass(frozen=True, slots=True)
class VirusSection:
    """[virus]  scanning for malware; "disarm" takes the part out and keeps the original in the quarantine"""

    clamd: tuple[str, ...] = setting((), "texts", 'sockets in order of preference: "unix:/path", "tcp:host:port"')
    scanners: tuple[str, ...] = setting(
        (), "texts", '"command", or plug-ins (group mailfilter.scanners); clean is what clamd and they all call so'
    )
    scanner_settings: Mapping[str, Any] = setting(
        {}, "free", "[virus.scanner_settings.NAME]: what a scanner is given"
    )
    cache: float = setting(
        300.0, "number", "seconds that a verdict holds for the very same bytes and signatures", low=0, high=86_400
    )
    on_infected: str = setting("quarantine", "text", "the mildest action for malware", choices=_ON_VIRUS)
    on_unavailable: str = setting("tempfail", "text", "when no scanner gives a verdict", choices=_ON_UNKNOWN)
    on_scanner_error: str = setting("tempfail", "text", "when the scanner reports an error", choices=_ON_UNKNOWN)
    on_too_large: str = setting("hold", "text", "when it is beyond the scanner's limit", choices=_ON_UNKNOWN)
    on_limits_exceeded: str = setting("hold", "text", "when a container was not scanned whole", choices=_ON_UNKNOWN)
    on_encrypted: str = setting("pass", "text", "when a part is encrypted", choices=_ON_PART)
    on_pua: str = setting(
        "hold", "text", "for a potentially unwanted program, in which clamd looks for nothing else", choices=_ON_PART
    )
    on_phishing: str = setting("pass", "text", "for a phishing heuristic; it scores as well", choices=_ON_FOUND)
    on_poison: str = setting("hold", "text", "when scanning it has failed too often", choices=_ON_UNKNOWN)
    poison_limit: int = setting(3, "integer", "lost scans after which a mail is set aside; 0: never", low=0, high=100)
    poison_store: str = setting("memory", "text", '"memory", or the path of a database file that counts lost scans')
    rules: tuple[Mapping[str, Any], ...] = setting(
        (),
        "tables",
        "[[virus.rules]]: directions, recipients (domains), on_... for the mail that fits; the first that does counts",
    )


@dataclass(frozen=True, slots=True)
class VirusRule:
    """[[virus.rules]]  another policy for some directions and recipients; what is left out is as in [virus]"""

    directions: tuple[str, ...] = setting((), "texts", "inbound, outbound, internal; empty: all")
    recipients: tuple[str, ...] = setting((), "texts", "domains; every recipient is in one of them; empty: all")
    on_infected: str = setting("", "text", "as in [virus]", choices=_ON_VIRUS)
    on_unavailable: str = setting("", "text", "as in [virus]", choices=_ON_UNKNOWN)
    on_scanner_error: str = setting("", "text", "as in [virus]", choices=_ON_UNKNOWN)
    on_too_large: str = setting("", "text", "as in [virus]", choices=_ON_UNKNOWN)
    on_limits_exceeded: str = setting("", "text", "as in [virus]", choices=_ON_UNKNOWN)
    on_encrypted: str = setting("", "text", "as in [virus]", choices=_ON_PART)
    on_pua: str = setting("", "text", "as in [virus]", choices=_ON_PART)
    on_phishing: str = setting("", "text", "as in [virus]", choices=_ON_FOUND)
    on_poison: str = setting("", "text", "as in [virus]", choices=_ON_UNKNOWN)

    def governs(self, envelope: Envelope) -> bool:
        """Whether this rule is for a mail with this envelope; one without recipients is in no domain."""
        if self.directions and envelope.direction not in self.directions:
            return False
        if not self.recipients:
            return True
        domains = {address.rpartition("@")[2].lower() for address in envelope.rcpt_to}
        return bool(domains) and domains <= {domain.lower() for domain in self.recipients}


@dataclass(frozen=True, slots=True)
class AttachmentsSection:
    """[attachments]  what is done about attachments beside the points that they give"""

    banned: tuple[str, ...] = setting(
        (), "texts", 'lists of rules/attachments.toml ("executable"), endings (".iso") and types ("application/x-elf")'
    )
    on_banned: str = setting("hold", "text", "for what is banned, in archives too", choices=_ON_PART)
    on_bomb: str = setting("hold", "text", "for an archive that is made to exhaust", choices=_ON_PART)
    on_encrypted: str = setting("pass", "text", "for an archive under a password; it scores as well", choices=_ON_PART)
    on_unread: str = setting("pass", "text", "when an archive was not looked into whole", choices=_ON_UNKNOWN)


@dataclass(frozen=True, slots=True)
class RulesSection:
    """[rules]  rule files in SpamAssassin's language"""

    paths: tuple[str, ...] = setting((), "texts", "*.cf files and folders of them, in order; with none, nothing is run")
    strict: bool = setting(False, "switch", "refuse to start when a rule file has an error")
    timeout: float = setting(0.1, "number", "seconds that one rule may take in one mail", low=0.001, high=10)
    cache: str = setting("default", "text", 'folder of compiled rules: "default" (your cache), "off", or a path')


@dataclass(frozen=True, slots=True)
class YaraSection:
    """[yara]  rules matched with every part of a mail; needs the extra mailfilter[yara]"""

    rules: str = setting("", "text", "file of rules, or a folder of *.yar and *.yara files; empty: none")


@dataclass(frozen=True, slots=True)
class DnsSection:
    """[dns]  block lists"""

    resolvers: tuple[str, ...] = setting(
        (), "texts", 'addresses to ask, "192.0.2.1" or "192.0.2.1:5353"; with none, nothing is asked'
    )
    lists: tuple[str, ...] = setting((), "texts", "names of shipped list definitions to ask")
    custom: tuple[Mapping[str, Any], ...] = setting((), "tables", "[[dns.custom]]: list definitions of your own")
    on_unknown: str = setting("pass", "text", "when a list gives no usable answer", choices=("pass", "tempfail"))


@dataclass(frozen=True, slots=True)
class AuthenticationSection:
    """[authentication]  SPF, DKIM, DMARC and ARC; asks the resolvers of [dns]"""

    enabled: bool = setting(True, "switch", "whether the sender is looked at, once [dns] has resolvers")
    trusted_sealers: tuple[str, ...] = setting(
        (), "texts", "domains whose ARC seals are believed: where they saw DMARC pass, its failure here counts nothing"
    )
    tree_walk: bool = setting(False, "switch", "find a domain's organization by DMARC's tree walk, not by a list")


@dataclass(frozen=True, slots=True)
class GreylistSection:
    """[greylist]  what the chain remembers of senders in the doubtful band"""

    store: str = setting("memory", "text", '"memory", "off", or the path of a database file')
    wait: float = setting(180, "number", "seconds until a retry is let in", low=1, high=3600)
    window: float = setting(172_800, "number", "seconds within which the retry must come", low=60)
    lifetime: float = setting(3_110_400, "number", "seconds that a sender who came back stays known", low=60)


@dataclass(frozen=True, slots=True)
class QuarantineSection:
    """[quarantine]  where held mail is kept"""

    path: str = setting("", "text", "database file; empty: the caller keeps held mail")


@dataclass(frozen=True, slots=True)
class HeadersSection:
    """[headers]  what FilterChain.rewrite does to a mail"""

    authserv_id: str = setting(
        "", "text", "our name in Authentication-Results (RFC 8601); inbound fields that claim it are removed"
    )


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting of a chain.  ``source`` is the file's name for error messages."""

    policy: PolicySection = field(default_factory=PolicySection)
    engine: EngineSection = field(default_factory=EngineSection)
    checks: ChecksSection = field(default_factory=ChecksSection)
    content: ContentSection = field(default_factory=ContentSection)
    learning: LearningSection = field(default_factory=LearningSection)
    virus: VirusSection = field(default_factory=VirusSection)
    attachments: AttachmentsSection = field(default_factory=AttachmentsSection)
    rules: RulesSection = field(default_factory=RulesSection)
    yara: YaraSection = field(default_factory=YaraSection)
    dns: DnsSection = field(default_factory=DnsSection)
    authentication: AuthenticationSection = field(default_factory=AuthenticationSection)
    greylist: GreylistSection = field(default_factory=GreylistSection)
    quarantine: QuarantineSection = field(default_factory=QuarantineSection)
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
        faults.extend(_limits_in_order(sections["policy"]))
        deque(_virus_rules(sections["virus"].rules, faults), 0)
        if faults:
            raise SettingError(source, tuple(faults))
        return cls(**sections, scores=scores, groups=groups, source=source)

    def to_policy(self, rule: VirusRule | None = None) -> Policy:
        """The decision's policy: limits, and a floor for what has an action of its own; ``rule`` overrides."""
        chosen = {
            "CHECK_FAILED": self.policy.on_check_failed,
            "DNSBL_UNKNOWN": self.dns.on_unknown,
            "ATTACH_BANNED": self.attachments.on_banned,
            "ATTACH_BOMB": self.attachments.on_bomb,
            "ATTACH_ENCRYPTED": self.attachments.on_encrypted,
            "ATTACH_UNREAD": self.attachments.on_unread,
            **{symbol: getattr(rule, key, "") or getattr(self.virus, key) for key, symbol in _FLOORS.items()},
        }
        on_infected = getattr(rule, "on_infected", "") or self.virus.on_infected
        return Policy(
            greylist=self.policy.greylist,
            quarantine=self.policy.quarantine,
            bounce=self.policy.bounce,
            delete=self.policy.delete,
            on_malware=_FLOOR[on_infected],
            floors={symbol: _FLOOR[choice] for symbol, choice in chosen.items()},
            disarm=frozenset(symbol for symbol, choice in chosen.items() if choice == _DISARM),
            disarm_malware=on_infected == _DISARM,
        )

    def virus_rules(self) -> tuple[VirusRule, ...]:
        """The [[virus.rules]], in their order."""
        return tuple(_virus_rules(self.virus.rules, []))


def _virus_rules(tables: Sequence[Mapping[str, Any]], faults: list[str]) -> Iterator[VirusRule]:
    for number, table in enumerate(tables, 1):
        rule = build(VirusRule, table, f"virus.rules[{number}]", faults)
        for direction in rule.directions:
            if direction not in ("inbound", "outbound", "internal"):
                known = "there are inbound, outbound, internal"
                faults.append(f'virus.rules[{number}].directions: no direction "{direction}"; {known}')
        yield rule


@dataclass(frozen=True, slots=True)
class _Scores:
    scores: Mapping[str, float] = setting({}, "numbers", "[scores]: points of symbols, instead of the catalogue's")


@dataclass(frozen=True, slots=True)
class _Groups:
    groups: Mapping[str, float] = setting({}, "numbers", "[groups]: most points that a group may add or take")


SECTIONS: Mapping[str, Any] = {
    "policy": PolicySection,
    "engine": EngineSection,
    "checks": ChecksSection,
    "content": ContentSection,
    "learning": LearningSection,
    "virus": VirusSection,
    "attachments": AttachmentsSection,
    "rules": RulesSection,
    "yara": YaraSection,
    "dns": DnsSection,
    "authentication": AuthenticationSection,
    "greylist": GreylistSection,
    "quarantine": QuarantineSection,
    "headers": HeadersSection,
}


def _group_fault(group: str, cap: float) -> str | None:
    if group not in GROUPS:
        return f"groups.{group}: no such group; there are {', '.join(GROUPS)}"
    return cap_fault(group, cap)


def _limits_in_order(policy: PolicySection) -> list[str]:
    """A limit below a milder one's would never let the milder action happen: say so instead of ignoring it."""
    set_limits = [
        (name, limit)
        for name in ("greylist", "quarantine", "bounce", "delete")
        if (limit := getattr(policy, name)) is not None
    ]
    return [
        f"policy.{name}: {limit:g} is below policy.{milder} ({low:g}); limits rise from greylist to delete"
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
        lines.extend(_documented(item.name, item.metadata["allowed"], default_of(item)) for item in fields(section))
    lines.extend(["", "# [scores]  points of symbols, instead of the catalogue's (`mailfilter doctor --symbols`)"])
    lines.extend(["[scores]", "# SUBJECT_SHOUTS = 1.0", ""])
    lines.append("# [groups]  most points that all symbols of a group together may add or take; without one, no cap")
    lines.extend(["[groups]", "# headers = 5.0", ""])
    return "\n".join(lines)


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

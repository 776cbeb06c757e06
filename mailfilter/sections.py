"""The sections of a settings file: every key with its kind, its default, what is allowed, and one sentence.

One frozen dataclass a section (`mailfilter.settings` has the checker); `mailfilter.config` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .settings import setting

_ON_VIRUS = ("quarantine", "bounce", "delete", "disarm")
_ON_DENIED = ("hold", "bounce", "delete")
_ON_UNKNOWN = ("pass", "tempfail", "hold", "bounce")
_ON_SILENCE = ("pass", "tempfail")
_ON_FOUND = ("pass", "hold", "bounce")
_ON_PART = ("pass", "tempfail", "hold", "bounce", "disarm")


@dataclass(frozen=True, slots=True)
class PolicySection:
    """[policy]  limits in points: from each limit on, its action is taken"""

    greylist: float | None = setting(4.0, "number", "refuse for now from here on: few spammers retry", never=True)
    quarantine: float | None = setting(6.0, "number", "accept and hold for review from here on", never=True)
    bounce: float | None = setting(12.0, "number", "refuse for good from here on", never=True)
    delete: float | None = setting(None, "number", "accept and throw away from here on, with a tombstone", never=True)
    on_check_failed: str = setting("pass", "text", "when a check could not finish", choices=_ON_UNKNOWN)
    recipients: str = setting(
        "split",
        "text",
        "one reply for several who want different things: each gets what is theirs, or the mildest score's action",
        choices=("split", "mildest"),
    )
    dry_run: bool = setting(False, "switch", "accept everything, and only say what would have been done")
    rules: tuple[Mapping[str, Any], ...] = setting(
        (),
        "tables",
        "[[policy.rules]]: directions, recipients, limits, and on_... as virus.on_infected; for each recipient the "
        "first that fits counts",
    )


@dataclass(frozen=True, slots=True)
class EngineSection:
    """[engine]  how checks are run"""

    deadline: float = setting(8.0, "number", "seconds that lookups get for one mail", low=0.05, high=600)
    batch: int = setting(64, "integer", "mails looked at together by check_many", low=1, high=10_000)
    in_flight: int = setting(32, "integer", "scans at a time by the blocking driver, a thread each", low=1, high=1000)


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


@dataclass(frozen=True, slots=True)
class SendersSection:
    """[senders]  who is let in or kept out whatever the score; malware and what was not examined outrank both"""

    allow: tuple[Mapping[str, Any], ...] = setting(
        (),
        "tables",
        "[[senders.allow]]: senders with the proof they need (dmarc, dkim, spf, address), networks; recipients, until, "
        "reason",
    )
    deny: tuple[Mapping[str, Any], ...] = setting(
        (), "tables", "[[senders.deny]]: senders, networks; recipients, until, reason"
    )
    path: str = setting("", "text", "file (TOML) with more [[allow]] and [[deny]]; empty: none")
    on_denied: str = setting("bounce", "text", "the mildest action for the deny list", choices=_ON_DENIED)


@dataclass(frozen=True, slots=True)
class RepliesSection:
    """[replies]  what senders are told, in ASCII; {score}, {seconds}, {code} and {id} are filled in"""

    contact: str = setting("", "text", "whom a refused sender can ask: address, telephone or page; empty: nobody")
    accept: str = setting("", "text", "sentence for a mail that is taken; empty: ours")
    greylist: str = setting("", "text", "sentence for a mail that is refused for now; empty: ours, which says why")
    quarantine: str = setting("", "text", "sentence for a mail that is held; empty: ours")
    bounce: str = setting("", "text", "sentence for a mail that is refused for good; empty: ours, which says why")


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
class TrustSection:
    """[trust]  which hosts are our own or believed; a name with a leading dot stands for every host below it"""

    networks: tuple[str, ...] = setting(
        (), "texts", "networks of our own hosts: their Received fields are believed; private networks always are ours"
    )
    hosts: tuple[str, ...] = setting((), "texts", "names of our own hosts, believed as verified reverse names")
    submission: tuple[str, ...] = setting(
        (), "texts", "networks of our hosts that take mail from our own users only: it is not asked about"
    )
    forwarders: tuple[str, ...] = setting(
        (), "texts", "networks and names of hosts that forward our users' mail: SPF looks one host further"
    )
    lists: tuple[str, ...] = setting(
        (), "texts", "domains of known mailing lists: where one is proved, a DMARC failure through it counts nothing"
    )


@dataclass(frozen=True, slots=True)
class DnsSection:
    """[dns]  lists of senders, domains and links, good and bad"""

    resolvers: tuple[str, ...] = setting(
        (), "texts", 'addresses to ask, "192.0.2.1" or "192.0.2.1:5353"; with none, nothing is asked'
    )
    in_flight: int = setting(
        128, "integer", "questions under way at once; beyond that servers lose some", low=1, high=10_000
    )
    lists: tuple[str, ...] = setting((), "texts", "names of shipped list definitions to ask")
    custom: tuple[Mapping[str, Any], ...] = setting((), "tables", "[[dns.custom]]: list definitions of your own")
    skip: tuple[str, ...] = setting((), "texts", "domains not to ask about, beside those of rules/dnsskip.toml")
    hops: int = setting(3, "integer", "hosts in Received fields asked about, where a list wants them", low=0, high=50)
    domains: int = setting(20, "integer", "hosts of links asked about in one mail", low=0, high=1000)
    links: int = setting(10, "integer", "links asked about in one mail, of lists that hash them", low=0, high=1000)
    addresses: int = setting(10, "integer", "mail addresses in texts asked about in one mail", low=0, high=1000)
    watch: bool = setting(
        True, "switch", "test the lists, and do not believe those that fail, refuse, or list everyone or no one"
    )
    watch_store: str = setting("memory", "text", '"memory", or the path of a database file that processes share')
    watch_interval: float = setting(3600, "number", "seconds between tests of a list", low=1, high=604_800)
    watch_window: int = setting(
        100, "integer", "answers that what a list usually lists is judged by; 0: not judged", low=0, high=100_000
    )
    breaker_failures: int = setting(
        5, "integer", "failures in a row after which a list is not asked for a while; 0: always asked", low=0, high=1000
    )
    breaker_pause: float = setting(60, "number", "seconds of that while, doubled each time", low=1, high=3600)
    on_unknown: str = setting("pass", "text", "when a list of addresses gives no usable answer", choices=_ON_SILENCE)
    on_unknown_domain: str = setting("pass", "text", "when a list of domains gives none", choices=_ON_SILENCE)
    on_unknown_hash: str = setting("pass", "text", "when a list of hashes gives none", choices=_ON_SILENCE)
    on_unknown_allow: str = setting("pass", "text", "when a list of good senders gives none", choices=_ON_SILENCE)


@dataclass(frozen=True, slots=True)
class AuthenticationSection:
    """[authentication]  SPF, DKIM, DMARC and ARC; asks the resolvers of [dns]"""

    enabled: bool = setting(True, "switch", "whether the sender is looked at, once [dns] has resolvers")
    trusted_sealers: tuple[str, ...] = setting(
        (), "texts", "domains whose ARC seals are believed: where they saw DMARC pass, its failure here counts nothing"
    )
    tree_walk: bool = setting(False, "switch", "find a domain's organization by DMARC's tree walk, not by a list")
    trusted_results: tuple[str, ...] = setting(
        (), "texts", "names in Authentication-Results of hosts of ours, before this one, that are believed about a mail"
    )
    on_unknown: str = setting("pass", "text", "when something that was asked is not known", choices=_ON_SILENCE)


@dataclass(frozen=True, slots=True)
class GreylistSection:
    """[greylist]  whom to send away for the first time, and what is remembered of senders"""

    store: str = setting("memory", "text", '"memory", "off", a database file\'s path, or redis://host:port/db')
    mode: str = setting(
        "band", "text", '"band": where the score is doubtful; "always": everybody not known', choices=("band", "always")
    )
    wait: float = setting(180, "number", "seconds until a retry is let in", low=60, high=300)
    window: float = setting(172_800, "number", "seconds within which the retry must come", low=600)
    lifetime: float = setting(3_110_400, "number", "seconds that a sender who came back stays known", low=600)
    ipv4_prefix: int = setting(24, "integer", "bits of an IPv4 address that name the sender's network", low=8, high=32)
    ipv6_prefix: int = setting(64, "integer", "bits of an IPv6 address that name it", low=16, high=128)


@dataclass(frozen=True, slots=True)
class CountersSection:
    """[counters]  what is counted of accounts and clients, and limits on it"""

    store: str = setting("memory", "text", '"memory", a database file\'s path, or redis://host:port/db')
    ipv4_prefix: int = setting(32, "integer", "bits of an IPv4 address that name a client's network", low=8, high=32)
    ipv6_prefix: int = setting(64, "integer", "bits of an IPv6 address that name it", low=16, high=128)
    remember: float = setting(15_552_000, "number", "seconds for which a recipient is no new one", low=3600)
    limits: tuple[Mapping[str, Any], ...] = setting(
        (), "tables", "[[counters.limits]]: who, what, number, per (seconds), share, action"
    )


@dataclass(frozen=True, slots=True)
class ReputationSection:
    """[reputation]  what is remembered of senders: since when, how often, and what people taught of them"""

    store: str = setting("off", "text", '"off", "memory", a database file\'s path, or redis://host:port/db')
    lifetime: int = setting(
        15_552_000, "integer", "seconds after their last mail for which they are remembered", low=86_400, high=10**9
    )
    new: int = setting(3, "integer", "days in which a proved domain counts as new; 0: never", low=0, high=365)
    burst: int = setting(50, "integer", "recipients in two hours beyond which one who is new floods", low=0, high=10**9)
    settle: int = setting(7, "integer", "days that are remembered before anybody counts as new", low=0, high=365)
    ipv4_prefix: int = setting(24, "integer", "bits of an IPv4 address that name a network", low=8, high=32)
    ipv6_prefix: int = setting(64, "integer", "bits of an IPv6 address that name it", low=16, high=128)


@dataclass(frozen=True, slots=True)
class QuarantineSection:
    """[quarantine]  where held mail is kept, for how long, and who is told of it"""

    path: str = setting(
        "", "text", "database file, or postgresql://user@host/name for several machines; empty: the caller keeps mail"
    )
    blobs: str = setting("", "text", "folder of the mails, or a URL that fsspec knows; empty: PATH.mails beside it")
    keys: str = setting("", "text", 'file of keys (`mailfilter quarantine rekey` makes it), or "env:NAME"; empty: none')
    encrypt: bool = setting(True, "switch", "seal the mails on the disk, once there are keys")
    quota: float = setting(0, "number", "MiB of held mail beyond which more is refused for now; 0: no limit", low=0)
    keep: float = setting(30, "number", "days that a mail is kept after its recipients were told", low=0.01)
    alarm: float = setting(2, "number", "days after which it is wrong that nobody was told and nobody looked", low=0.01)
    tombstones: float | None = setting(365, "number", "days that a tombstone stays", low=0.01, never=True)
    postmaster: str = setting("", "text", "our address, from which recipients are told of held mail")
    link: str = setting("", "text", "page that releases a mail; its token is appended; empty: notices have no links")
    smtp: str = setting("", "text", '"host:port" for notices and released mail; it must not filter it once more')


@dataclass(frozen=True, slots=True)
class BounceSection:
    """[bounce]  bounces for mail that was accepted and is then refused (mailfilter.bounce); a 5xx reply is better"""

    hostname: str = setting("", "text", "our name, from which bounces come; needed for them")
    postmaster: str = setting("", "text", "address that bounces come from, and that can be asked; needed for them")
    store: str = setting("memory", "text", 'where they are counted: "memory", a path, or redis://host:port/db')
    per_sender: int = setting(3, "integer", "most bounces an hour to one address", low=0)
    per_domain: int = setting(30, "integer", "most bounces an hour to one organization", low=0)


@dataclass(frozen=True, slots=True)
class HeadersSection:
    """[headers]  what FilterChain.rewrite does to a mail"""

    authserv_id: str = setting(
        "", "text", "our name in Authentication-Results (RFC 8601); inbound fields that claim it are removed"
    )


SECTIONS: Mapping[str, Any] = {
    "policy": PolicySection,
    "senders": SendersSection,
    "replies": RepliesSection,
    "engine": EngineSection,
    "checks": ChecksSection,
    "content": ContentSection,
    "learning": LearningSection,
    "virus": VirusSection,
    "attachments": AttachmentsSection,
    "rules": RulesSection,
    "yara": YaraSection,
    "trust": TrustSection,
    "dns": DnsSection,
    "authentication": AuthenticationSection,
    "greylist": GreylistSection,
    "counters": CountersSection,
    "reputation": ReputationSection,
    "quarantine": QuarantineSection,
    "bounce": BounceSection,
    "headers": HeadersSection,
}

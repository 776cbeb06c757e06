"""From settings to parts: which checks run, who answers questions, where state is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .checks import Check, LocalCheck, LookupCheck
from .config import Config
from .counters import Counters
from .decision import Policy
from .errors import SettingError
from .greylist import Greylist
from .lookups import Lookup
from .symbols import SymbolInfo, declared_by

if TYPE_CHECKING:
    from .lookups.dns import DnsLookup
    from .quarantine import Quarantine
    from .reputation import Reputation

PLUGIN_GROUP = "mailfilter.checks"
"""Entry point group of check plug-ins: each names a factory that is given its settings table."""
SCANNER_GROUP = "mailfilter.scanners"
"""Entry point group of virus scanners (see `mailfilter.lookups.scanners`)."""


def own_symbols() -> tuple[SymbolInfo, ...]:
    """Symbols that the chain itself can find."""
    return declared_by("chain")


def checks(config: Config) -> tuple[Check, ...]:
    """Every check that the settings ask for; raises `SettingError` for a name that is not there."""
    unknown = [name for name in config.checks.disable if name not in BUILT_IN]
    if unknown:
        faults = tuple(f'checks.disable: no check "{name}"; there are {", ".join(BUILT_IN)}' for name in unknown)
        raise SettingError(config.source, faults)
    built_in = [make(config) for name, make in BUILT_IN.items() if name not in config.checks.disable]
    return (*built_in, *_plugins(config))


def lookups(config: Config) -> tuple[Lookup, ...]:
    """What answers questions; a kind that nothing answers is "not configured" in every verdict."""
    found: list[Lookup] = []
    if scanners := _scanners(config):
        found.append(_guarded(scanners, config))
    if config.dns.resolvers:
        from .lookups.dns import DnsLookup

        found.append(_watched(DnsLookup(config.dns.resolvers, max_questions=config.dns.in_flight), config))
    return tuple(found)


def _watched(lookup: DnsLookup, config: Config) -> Lookup:
    """The look-up, with a watch over the lists that are asked through it, and with their keys."""
    if "dnsbl" in config.checks.disable or not (config.dns.lists or config.dns.custom):
        return lookup
    from .lookups.watch import configured

    return configured(lookup, config)


def _scanners(config: Config) -> list[Lookup]:
    """Every scanner that the settings ask for, clamd first."""
    section, found = config.virus, list[Lookup]()
    if stray := sorted(section.scanner_settings.keys() - set(section.scanners)):
        faults = tuple(f'virus.scanner_settings.{name}: "{name}" is not among virus.scanners' for name in stray)
        raise SettingError(config.source, faults)
    if section.clamd:
        from .lookups.clamd import ClamdLookup

        found.append(ClamdLookup(section.clamd, cache_seconds=section.cache))
    for name in section.scanners:
        settings = section.scanner_settings.get(name, {})
        if name == "command":
            from .lookups.scanners_command import CommandScanner

            found.append(CommandScanner(settings, config.source))
        else:
            found.append(_load(SCANNER_GROUP, name, settings, "virus.scanners", config.source))
    return found


def _guarded(scanners: list[Lookup], config: Config) -> Lookup:
    """One scanner of several, and of all whether they are asked about a mail at all."""
    from .lookups.poison import PoisonGuard
    from .lookups.scanners import AllScanners

    scanner = scanners[0] if len(scanners) == 1 and config.virus.clamd else AllScanners(scanners)
    if not config.virus.poison_limit:
        return scanner
    return PoisonGuard(scanner, config.virus.poison_limit, config.virus.poison_store)


def greylist(config: Config) -> Greylist | None:
    """The greylist, or `None` when it is off."""
    section = config.greylist
    if section.store == "off":
        return None
    return Greylist(
        section.store,
        always=section.mode == "always",
        wait=section.wait,
        window=section.window,
        lifetime=section.lifetime,
        ipv4_prefix=section.ipv4_prefix,
        ipv6_prefix=section.ipv6_prefix,
    )


def counters(config: Config) -> Counters | None:
    """The counters, or `None` where there are no limits."""
    section = config.counters
    if not section.limits:
        return None
    return Counters(
        config.limits(),
        section.store,
        ipv4_prefix=section.ipv4_prefix,
        ipv6_prefix=section.ipv6_prefix,
        remember=section.remember,
    )


def reputation(config: Config) -> Reputation | None:
    """What is remembered of senders, or `None` when it is off."""
    if config.reputation.store == "off":
        return None
    from .reputation.configured import reputation as configured

    return configured(config)


def caps(config: Config, reputation: bool = False) -> Mapping[str, float]:
    """Group caps: those of the settings, and one for what is remembered of senders, which never decides alone."""
    if not reputation and config.reputation.store == "off":
        return config.groups
    from .reputation import CAP, GROUP

    return {GROUP: CAP, **config.groups}


def quarantine(config: Config) -> Quarantine | None:
    """The quarantine, or `None` when the caller keeps held mail."""
    if not config.quarantine.path:
        return None
    from .quarantine.configured import quarantine as configured

    return configured(config)



def policies(config: Config) -> tuple[Policy, ...]:
    """The settings' own policy, then that of each of the [[policy.rules]]."""
    return (config.to_policy(), *(config.ruled(rule).to_policy() for rule in config.policy_rules()))


def check_stores(config: Config, quarantine: Quarantine | None) -> None:
    """Raise `SettingError` where policy needs a quarantine and there is none.

    Disarming keeps the originals there, and deleting leaves its tombstones.
    """
    chosen, faults = policies(config), []
    if any(policy.disarm or policy.disarm_malware for policy in chosen):
        faults.append('"disarm" keeps the original in the quarantine: set [quarantine] path')
    if any(policy.deletes() for policy in chosen) and not config.policy.dry_run:
        faults.append('"delete" leaves a tombstone in the quarantine: set [quarantine] path')
    if quarantine is None and faults:
        raise SettingError(config.source, tuple(faults))


def _plugins(config: Config) -> list[Check]:
    stray = config.checks.settings.keys() - set(config.checks.plugins)
    if stray:
        faults = tuple(f'checks.settings.{name}: "{name}" is not among checks.plugins' for name in sorted(stray))
        raise SettingError(config.source, faults)
    return [_plugin(name, config) for name in config.checks.plugins]


def _load(group: str, name: str, settings: Mapping[str, Any], key: str, source: str) -> Any:
    """What an installed plug-in's factory makes of its settings; raises `SettingError`."""
    from importlib import metadata

    found = {point.name: point for point in metadata.entry_points(group=group)}
    if name not in found:
        installed = ", ".join(sorted(found)) or "none"
        raise SettingError(source, (f'{key}: no plug-in "{name}" is installed; found: {installed}',))
    try:
        return found[name].load()(settings)
    except Exception as error:
        fault = f'{key}: "{name}" cannot be loaded: {type(error).__name__}: {error}'
        raise SettingError(source, (fault,)) from error


def _plugin(name: str, config: Config) -> Check:
    check = _load(PLUGIN_GROUP, name, config.checks.settings.get(name, {}), "checks.plugins", config.source)
    if not isinstance(check, LocalCheck | LookupCheck):
        raise SettingError(config.source, (f'checks.plugins: "{name}" made {check!r}, which is no check',))
    return check


def _headers(config: Config) -> Check:
    from .checks.headers import HeaderCheck

    return HeaderCheck()


def _sender(config: Config) -> Check:
    from .checks.sender import SenderCheck

    return SenderCheck()


def _structure(config: Config) -> Check:
    from .checks.structure import StructureCheck

    return StructureCheck()


def _links(config: Config) -> Check:
    from .checks.links import LinkCheck

    return LinkCheck()


def _attachments(config: Config) -> Check:
    from .checks.attachments import AttachmentCheck

    return AttachmentCheck(config.attachments.banned, config.source)


def _claims(config: Config) -> Check:
    from .checks.claims import ClaimCheck

    return ClaimCheck()


def _traps(config: Config) -> Check:
    from .checks.traps import TrapCheck

    return TrapCheck()


def _topics(config: Config) -> Check:
    from .checks.topics import TopicCheck

    return TopicCheck()


def _yara(config: Config) -> Check:
    from .checks.yara import YaraCheck

    return YaraCheck(config.yara.rules, config.source)


def _rules(config: Config) -> Check:
    from .checks.rules import configured

    return configured(config)


def _content(config: Config) -> Check:
    from .checks.content import ContentCheck
    from .classifier.model import Model

    model, learning = Model.load(config.content.model or None), config.learning
    if not learning.site:
        return ContentCheck(model)
    from .classifier.site import SiteModel

    return ContentCheck(SiteModel(model, learning.site, learning.user, keep=learning.keep))


def _virus(config: Config) -> Check:
    from .checks.virus import VirusCheck

    return VirusCheck()


def _dnsbl(config: Config) -> Check:
    section = config.dns
    if not (section.lists or section.custom or section.skip):
        from .checks._dnsbl_off import NoLists

        return NoLists()
    from .checks.dnsbl import configured

    return configured(config)


def _authentication(config: Config) -> Check:
    from .checks.authentication import AuthenticationCheck

    section = config.authentication
    return AuthenticationCheck(
        section.trusted_sealers,
        tree_walk=section.tree_walk,
        asking=bool(config.dns.resolvers),
        enabled=section.enabled,
        trust=config.trusted(),
        trusted_results=section.trusted_results,
    )


def _client(config: Config) -> Check:
    from .checks.client import configured

    return configured(config)


BUILT_IN: Mapping[str, Callable[[Config], Check]] = {
    "virus": _virus,
    "dnsbl": _dnsbl,
    "authentication": _authentication,
    "client": _client,
    "headers": _headers,
    "sender": _sender,
    "structure": _structure,
    "links": _links,
    "attachments": _attachments,
    "claims": _claims,
    "traps": _traps,
    "topics": _topics,
    "yara": _yara,
    "rules": _rules,
    "content": _content,
}
"""Checks that ship with the library, in the order in which they are built (which does not matter: law 5)."""

"""From settings to parts: which checks run, who answers questions, where state is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import metadata

from .checks import Check, LocalCheck, LookupCheck
from .config import Config
from .errors import SettingError
from .greylist import Greylist
from .lookups import Lookup
from .quarantine import Quarantine
from .symbols import SymbolInfo, declared_by

PLUGIN_GROUP = "mailfilter.checks"
"""Entry point group of check plug-ins: each names a factory that is given its settings table."""


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
    if config.virus.clamd:
        from .lookups.clamd import ClamdLookup

        found.append(ClamdLookup(config.virus.clamd, cache_seconds=config.virus.cache))
    if config.dns.resolvers:
        from .lookups.dns import DnsLookup

        found.append(DnsLookup(config.dns.resolvers))
    return tuple(found)


def greylist(config: Config) -> Greylist | None:
    """The greylist, or `None` when it is off."""
    section = config.greylist
    if section.store == "off":
        return None
    path = ":memory:" if section.store == "memory" else section.store
    return Greylist(path, wait=section.wait, window=section.window, lifetime=section.lifetime)


def quarantine(config: Config) -> Quarantine | None:
    """The quarantine, or `None` when the caller keeps held mail."""
    return Quarantine(config.quarantine.path) if config.quarantine.path else None


def check_disarming(config: Config, quarantine: Quarantine | None) -> None:
    """Raise `SettingError` where parts are to be taken out of mails and there is nowhere to keep the originals."""
    policies = (config.to_policy(), *(config.to_policy(rule) for rule in config.virus_rules()))
    if quarantine is None and any(policy.disarm or policy.disarm_malware for policy in policies):
        fault = '"disarm" keeps the original in the quarantine: set [quarantine] path'
        raise SettingError(config.source, (fault,))


def _plugins(config: Config) -> list[Check]:
    stray = config.checks.settings.keys() - set(config.checks.plugins)
    if stray:
        faults = tuple(f'checks.settings.{name}: "{name}" is not among checks.plugins' for name in sorted(stray))
        raise SettingError(config.source, faults)
    return [_plugin(name, config) for name in config.checks.plugins]


def _plugin(name: str, config: Config) -> Check:
    found = {point.name: point for point in metadata.entry_points(group=PLUGIN_GROUP)}
    if name not in found:
        installed = ", ".join(sorted(found)) or "none"
        raise SettingError(config.source, (f'checks.plugins: no plug-in "{name}" is installed; found: {installed}',))
    try:
        check = found[name].load()(config.checks.settings.get(name, {}))
    except Exception as error:
        fault = f'checks.plugins: "{name}" cannot be loaded: {type(error).__name__}: {error}'
        raise SettingError(config.source, (fault,)) from error
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
    from .checks.dnsbl import DnsblCheck, chosen_lists

    return DnsblCheck(chosen_lists(config.dns.lists, config.dns.custom, config.source))


BUILT_IN: Mapping[str, Callable[[Config], Check]] = {
    "virus": _virus,
    "dnsbl": _dnsbl,
    "headers": _headers,
    "sender": _sender,
    "structure": _structure,
    "links": _links,
    "attachments": _attachments,
    "rules": _rules,
    "content": _content,
}
"""Checks that ship with the library, in the order in which they are built (which does not matter: law 5)."""

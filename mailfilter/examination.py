"""Looking over a chain: what is loaded, who answers, and whether the answers can be trusted.

The scanner is shown a harmless text and the EICAR test string; each DNS list is asked for its test points
(`mailfilter.dns_probes`).  A scanner or a list that gives the wrong answer is worse than none, so it is called wrong
and not merely slow.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass

from . import kernel
from ._version import __version__
from .chain import FilterChain
from .checks.content import ContentCheck
from .deadline import Deadline
from .errors import MissingExtraError, StoreError
from .lookups import ScanAnswer, ScanQuestion, ScanState
from .stores import open_keyed
from .stores.places import without_password

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The harmless string that every scanner calls a virus (in two halves, so that no scanner minds this file)."""


@dataclass(frozen=True, slots=True)
class Line:
    """One finding: what it is about, what was seen, and whether it has to be mended."""

    subject: str
    text: str
    wrong: bool = False


def examine(chain: FilterChain) -> Iterator[Line]:
    """Look at every part of ``chain`` and ask every server once."""
    from .dns_probes import short_lines

    yield Line("mailfilter", f"{__version__}, Python {platform.python_version()}")
    yield Line("kernel", kernel.in_use())
    yield Line("settings", chain.config.source)
    yield Line("rules", f"{len(chain.catalogue)} symbols of {len(chain.local) + len(chain.asking)} checks")
    yield from _policy(chain)
    yield from _model(chain)
    yield from _scanner(chain)
    yield from short_lines(chain)
    yield from _memories(chain)
    yield from _quarantine(chain)


def _policy(chain: FilterChain) -> Iterator[Line]:
    """Rules and lists of senders: how many, which entries are over, and which can never apply."""
    section, lists = chain.config.policy, chain.senders
    if section.rules:
        yield Line("policy", f"{len(section.rules)} rules for recipients and directions")
    if section.dry_run:
        yield Line("policy", "dry run: everything is accepted, and only said what would have been done")
    if lists:
        yield Line("senders", f"{len(lists.allow)} allow and {len(lists.deny)} deny entries")
    for name, entry in lists.expired():
        whom = (*entry.settings.senders, *entry.settings.networks)
        more = f" and {len(whom) - 1} more" if len(whom) > 1 else ""
        over = f"ended on {entry.settings.until} and counts for nothing"
        yield Line("senders", f"{name} entry for {whom[0]}{more} {over}")
    asking = chain.config.dns.resolvers and chain.config.authentication.enabled
    idle = [entry for entry in lists.allow if entry.proof and "address" not in entry.proof]
    if idle and not asking:
        hint = "no resolver is configured (dns.resolvers), or authentication is off"
        yield Line("senders", f"{len(idle)} allow entries can never be proved: {hint}", wrong=True)


def _model(chain: FilterChain) -> Iterator[Line]:
    for check in chain.local:
        if isinstance(check, ContentCheck):
            corpora = check.model.facts.get("corpora", {})
            mails = sum(sum(counts.values()) for counts in corpora.values())
            yield Line("model", f"learned from {mails} mails of {', '.join(sorted(corpora)) or 'no named corpus'}")
            yield from _learning(check.model)
            return
    yield Line("model", "the content check is switched off (checks.disable)")


def _learning(model: object) -> Iterator[Line]:
    """What was taught here, if anything can be."""
    from .classifier.site import SiteModel

    if not isinstance(model, SiteModel):
        return
    for level, counts in model.describe()["levels"].items():
        whose = f"user {model.user}" if level == "user" else level
        yield Line("learning", f"{whose}: {counts['ham']} ham and {counts['spam']} spam taught in {model.path}")


def _scanner(chain: FilterChain) -> Iterator[Line]:
    lookup = chain.lookups.get(ScanQuestion)
    if lookup is None:
        yield Line("virus", "no scanner is configured (virus.clamd): every mail is shown as unscanned")
        return
    for what, data, wanted in (
        ("a harmless text", b"mailfilter doctor\n", ScanState.CLEAN),
        ("the EICAR test string", EICAR, ScanState.INFECTED),
    ):
        answer: ScanAnswer = lookup.ask(ScanQuestion(data), _deadline(chain))
        said = " ".join(filter(None, (answer.state.value, *answer.names, answer.detail)))
        hint = "" if answer.state is wanted else f"; {wanted.value} was expected"
        yield Line("virus", f"{what}: {said} ({answer.scanner or 'no scanner answered'}){hint}", bool(hint))


def _deadline(chain: FilterChain) -> Deadline:
    return Deadline.after(chain.config.engine.deadline)


def _memories(chain: FilterChain) -> Iterator[Line]:
    """Whether each store that remembers senders and counts answers; a file that is not there yet is not made."""
    config = chain.config
    stores = {"greylist": config.greylist.store, "reputation": config.reputation.store}
    if config.counters.limits:
        stores["counters"] = config.counters.store
    for name, url in stores.items():
        if url in ("memory", "off"):
            continue
        if "://" not in url and not os.path.exists(url):
            yield Line(name, f"{url}: nothing was noted yet")
            continue
        try:
            store = open_keyed(url)
            store.get([b"\0doctor looks in\0"], time.time())
            store.close()
        except (StoreError, MissingExtraError) as error:
            yield Line(name, str(error), wrong=True)
        else:
            yield Line(name, f"{without_password(url)} answers")


def _quarantine(chain: FilterChain) -> Iterator[Line]:
    """What is held, whether anybody looks, and whether there is room; one that was never used is not made."""
    from .quarantine.configured import quarantine

    config, path = chain.config, chain.config.quarantine.path
    if not path:
        return
    if "://" not in path and not os.path.exists(path):
        yield Line("quarantine", f"{path}: nothing was held yet")
        return
    try:
        store = quarantine(config)
        stats = store.stats()
        store.close()
    except StoreError as error:
        yield Line("quarantine", str(error), wrong=True)
        return
    mails = sum(count.mails for count in stats.counts if count.size)
    yield Line("quarantine", f"{mails} mails, {stats.size} bytes{f' of {stats.quota}' if stats.quota else ''}")
    if stats.alarm:
        days = f"{stats.oldest / 86_400:.1f} days"
        yield Line("quarantine", f"nobody looks: {stats.unseen} mails unseen, the oldest for {days}", wrong=True)
    if stats.faulty:
        yield Line("quarantine", f"{stats.faulty} mails are missing or damaged (quarantine verify)", wrong=True)
    if stats.quota and stats.size > 0.9 * stats.quota:
        yield Line("quarantine", "is nearly full: soon new mail is refused for now (quarantine.quota)", wrong=True)
    if not (config.quarantine.postmaster and config.quarantine.smtp):
        yield Line("quarantine", "recipients are not told, so nothing expires (quarantine.postmaster, quarantine.smtp)")

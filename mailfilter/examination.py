"""Looking over a chain: what is loaded, who answers, and whether the answers can be trusted.

The scanner is shown a harmless text and the EICAR test string; each DNS list is asked for the two test points
of RFC 5782 (127.0.0.2 must be listed, 127.0.0.1 must not).  A scanner or a list that gives the wrong answer is
worse than none, so it is called wrong and not merely slow.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass

from ._version import __version__
from .chain import FilterChain
from .checks.content import ContentCheck
from .checks.dnsbl import DnsblCheck, read_list_answer
from .deadline import Deadline
from .dnslists import raw_name
from .lookups import DnsQuestion, Lookup, ScanAnswer, ScanQuestion, ScanState

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
    yield Line("mailfilter", f"{__version__}, Python {platform.python_version()}")
    yield Line("settings", chain.config.source)
    yield Line("rules", f"{len(chain.catalogue)} symbols of {len(chain.local) + len(chain.asking)} checks")
    yield from _model(chain)
    yield from _scanner(chain)
    yield from _lists(chain)


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


def _lists(chain: FilterChain) -> Iterator[Line]:
    lookup = chain.lookups.get(DnsQuestion)
    check = next((check for check in chain.asking if isinstance(check, DnsblCheck)), None)
    if lookup is None:
        waiting = f"; {len(check.lists)} lists are waiting for one" if check and check.lists else ""
        yield Line("dns", f"no resolver is configured (dns.resolvers): no list is asked{waiting}", bool(waiting))
    elif check is None or not check.lists:
        yield Line("dns", "no list is configured (dns.lists, dns.custom)")
    else:
        yield from _test_points(chain, check, lookup)


def _test_points(chain: FilterChain, check: DnsblCheck, lookup: Lookup) -> Iterator[Line]:
    for definition in check.lists:
        for address, wanted in (("127.0.0.2", "listed"), ("127.0.0.1", "not_listed")):
            question = DnsQuestion(raw_name(definition, address))
            answer = read_list_answer(definition, lookup.ask(question, _deadline(chain)))
            state = answer.state.name.lower()
            hint = "" if state == wanted else f"; {wanted.replace('_', ' ')} was expected (RFC 5782)"
            yield Line("dns", f"{definition.zone}: {address} is {state.replace('_', ' ')}{hint}", bool(hint))


def _deadline(chain: FilterChain) -> Deadline:
    return Deadline.after(chain.config.engine.deadline)

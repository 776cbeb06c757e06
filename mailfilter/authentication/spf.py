"""SPF (RFC 7208): may this host send for that domain.

`check_host` is a dialogue (`mailfilter.authentication.dialogue`): it yields DNS questions and returns an `SpfAnswer`.
What DNS did not tell is ``temperror``, never ``fail`` and never ``pass``.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..lookups import DnsQuestion
from .dialogue import Dialogue, ask, ask_one, askable
from .spf_macros import SpfSyntaxError
from .spf_record import LOOKS_UP, Mechanism, SpfRecord, is_spf, parse_record
from .spf_session import (
    MAX_HOSTS,
    Session,
    SpfResult,
    StopError,
    expanded,
    is_below,
    known_records,
    read_address,
    reverse_names,
    target_name,
)

__all__ = ["SpfAnswer", "SpfResult", "check_helo", "check_host", "check_mail_from"]


@dataclass(frozen=True, slots=True)
class SpfAnswer:
    """Result, the domain that was asked about, what led to the result, and the domain's explanation of a fail."""

    result: SpfResult
    domain: str
    reason: str = ""
    explanation: str = ""


_QUALIFIED = {"+": SpfResult.PASS, "-": SpfResult.FAIL, "~": SpfResult.SOFTFAIL, "?": SpfResult.NEUTRAL}


def check_host(
    address: str,
    domain: str,
    sender: str,
    helo: str = "",
    *,
    receiver: str = "unknown",
    explain: bool = False,
    clock: Callable[[], float] = time.time,
) -> Dialogue[SpfAnswer]:
    """Whether ``address`` may send for ``domain`` (section 4).

    ``sender``  the mail address that macros speak of; without a local part it is ``postmaster``'s.
    ``helo``, ``receiver``, ``clock``  for macros only.
    ``explain``  whether to ask for the explanation of a fail (one question more, and its text is the sender's).

    Raises ValueError where ``address`` is none; nothing that DNS says raises.
    """
    client = ipaddress.ip_address(address.partition("%")[0])
    client = getattr(client, "ipv4_mapped", None) or client
    local, _, host = sender.rpartition("@")
    sender = f"{local or 'postmaster'}@{host or domain}"
    session = Session(client, sender, helo, receiver, clock, explain)
    asked = askable(domain)
    if asked is None:
        return SpfAnswer(SpfResult.NONE, domain, "no domain to ask about")
    try:
        return (yield from _check(session, asked, True))
    except StopError as stop:
        return SpfAnswer(stop.result, asked, stop.reason)


def check_mail_from(
    address: str, mail_from: str, helo: str, *, explain: bool = False, clock: Callable[[], float] = time.time
) -> Dialogue[SpfAnswer]:
    """`check_host` for MAIL FROM; for the null sender that is the HELO name (section 2.4)."""
    domain = mail_from.rpartition("@")[2] or helo
    sender = mail_from or f"postmaster@{helo}"
    return (yield from check_host(address, domain, sender, helo, explain=explain, clock=clock))


def check_helo(
    address: str, helo: str, *, explain: bool = False, clock: Callable[[], float] = time.time
) -> Dialogue[SpfAnswer]:
    """`check_host` for the HELO name (section 2.3)."""
    return (yield from check_host(address, helo, f"postmaster@{helo}", helo, explain=explain, clock=clock))


def _check(session: Session, domain: str, outermost: bool) -> Dialogue[SpfAnswer]:
    """check_host() of the RFC without its preliminaries; raises `StopError`."""
    record = yield from _fetch(domain)
    if record is None:
        return SpfAnswer(SpfResult.NONE, domain, "no SPF record")
    for mechanism in record.mechanisms:
        if (yield from _matches(session, mechanism, domain)):
            result = _QUALIFIED[mechanism.qualifier]
            explanation = ""
            if result is SpfResult.FAIL and session.explain and outermost and record.explanation:
                explanation = yield from _explain(session, record.explanation, domain)
            return SpfAnswer(result, domain, _shown(mechanism, domain), explanation)
    if not record.redirect:
        return SpfAnswer(SpfResult.NEUTRAL, domain, f"nothing in the record of {domain} matches")
    session.count()
    target = yield from target_name(session, record.redirect, domain)
    answer = (yield from _check(session, target, outermost)) if target else None
    if answer is None or answer.result is SpfResult.NONE:
        raise StopError(SpfResult.PERMERROR, f"redirect of {domain} leads to no record")
    return answer


def _shown(mechanism: Mechanism, domain: str) -> str:
    detail = str(mechanism.network) if mechanism.network else mechanism.domain
    return f"{mechanism.qualifier}{mechanism.name}{':' + detail if detail else ''} of {domain}"


def _fetch(domain: str) -> Dialogue[SpfRecord | None]:
    answer = yield from ask_one(domain, "TXT")
    texts = [text for text in known_records(answer, domain) if is_spf(text)]
    if not texts:
        return None
    if len(texts) > 1:
        raise StopError(SpfResult.PERMERROR, f"{domain} has {len(texts)} SPF records")
    try:
        return parse_record(texts[0])
    except SpfSyntaxError as error:
        raise StopError(SpfResult.PERMERROR, f"{domain}: {error}") from None


def _matches(session: Session, mechanism: Mechanism, domain: str) -> Dialogue[bool]:
    if mechanism.name in LOOKS_UP:
        session.count()
    elif mechanism.network is not None:
        return session.address.version == mechanism.network.version and session.address in mechanism.network
    else:
        return True
    target = (yield from target_name(session, mechanism.domain, domain)) if mechanism.domain else domain
    if mechanism.name == "include":
        return (yield from _include(session, target or ""))
    if not target:
        return False
    if mechanism.name == "ptr":
        names = yield from reverse_names(session, counted=True)
        return any(is_below(name, target) for name in names)
    if mechanism.name == "exists":
        answer = yield from ask_one(target, "A")
        return bool(session.found(answer, target))
    hosts: tuple[str, ...] = (target,)
    if mechanism.name == "mx":
        hosts = yield from _exchangers(session, target)
    return (yield from _hasread_address(session, hosts, mechanism))


def _include(session: Session, target: str) -> Dialogue[bool]:
    answer = (yield from _check(session, target, False)) if target else None
    if answer is None or answer.result is SpfResult.NONE:
        raise StopError(SpfResult.PERMERROR, f"include:{target} leads to no record")
    return answer.result is SpfResult.PASS


def _exchangers(session: Session, target: str) -> Dialogue[tuple[str, ...]]:
    records = session.found((yield from ask_one(target, "MX")), target)
    if len(records) > MAX_HOSTS:
        raise StopError(SpfResult.PERMERROR, f"{target} has more than {MAX_HOSTS} mail exchangers")
    names = (record.partition(" ")[2] for record in records)
    return tuple(name for name in names if name not in ("", "."))


def _hasread_address(session: Session, hosts: tuple[str, ...], mechanism: Mechanism) -> Dialogue[bool]:
    """Whether a host has the client's address, or one in the same network."""
    prefix = mechanism.prefix4 if session.address.version == 4 else mechanism.prefix6
    network = ipaddress.ip_network((session.address.packed, prefix), strict=False)
    answers = yield from ask(tuple(DnsQuestion(host, session.family) for host in hosts))
    error = None
    for host, answer in zip(hosts, answers, strict=True):
        try:
            records = session.found(answer, host) if mechanism.name == "a" else known_records(answer, host)
        except StopError as stop:
            error = error or stop
            continue
        if any(address in network for record in records if (address := read_address(record)) is not None):
            return True
    if error is not None:
        raise error
    return False


def _explain(session: Session, spec: str, domain: str) -> Dialogue[str]:
    """The domain's explanation of its fail (section 6.2); ``""`` where there is none to be had."""
    try:
        target = yield from target_name(session, spec, domain)
        if target is None:
            return ""
        answer = yield from ask_one(target, "TXT")
        if len(answer.records) != 1 or not answer.records[0].isascii():
            return ""
        text = yield from expanded(session, answer.records[0], domain, True)
    except (SpfSyntaxError, StopError):
        return ""
    return text if text.isascii() and text.isprintable() else ""

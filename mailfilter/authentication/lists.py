"""Mailing lists: a known one that is proved may have changed the mail, so that its author's proof no longer holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..message import Message
from .evaluation import Authentication
from .outcome import Outcome
from .spf import SpfResult
from .spf_session import is_below

_ID = re.compile(r"<([^<>\s]{1,253})>\s*\Z")


@dataclass(frozen=True, slots=True)
class ListProof:
    """The known list's domain, and what proves it; ``proof`` is ``""`` where that is not known."""

    domain: str
    proof: str = ""


def known_list(message: Message, lists: frozenset[str]) -> str:
    """The domain among ``lists`` that List-Id (RFC 2919) names, ``""`` if none; by itself it proves nothing."""
    fields = message.header_all("list-id") if lists else ()
    found = _ID.search(fields[0]) if len(fields) == 1 else None
    name = found[1].lower() if found else ""
    return max((domain for domain in lists if is_below(name, domain)), key=len, default="")


def list_proof(domain: str, found: Authentication) -> ListProof | None:
    """What proves that a list of ``domain`` sent the mail; None where nothing does.

    A signature over all of the body by its domain, one below it or one above; SPF for MAIL FROM in it; an ARC chain
    that it sealed last.
    """
    ways = [(method, certain) for method, by, certain in _proofs(found) if _is_of(by, domain)]
    if not ways:
        return None
    return ListProof(domain, next((method for method, certain in ways if certain), ""))


def _proofs(found: Authentication) -> Iterator[tuple[str, str, bool]]:
    """Method, domain, and whether that is certain."""
    open_or_passed = (Outcome.PASS, Outcome.TEMPERROR)
    for signature in found.dkim:
        if signature.outcome in open_or_passed and not signature.cut:
            yield "dkim", signature.domain, signature.outcome is Outcome.PASS
    spf = found.mail_from
    if spf is not None and spf.result in (SpfResult.PASS, SpfResult.TEMPERROR):
        yield "spf", spf.domain, spf.result is SpfResult.PASS
    if found.arc.outcome in open_or_passed and found.arc.sealers:
        yield "arc", found.arc.sealers[-1], found.arc.outcome is Outcome.PASS


def _is_of(domain: str, known: str) -> bool:
    return is_below(domain, known) or ("." in domain and is_below(known, domain))

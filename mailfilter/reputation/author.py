"""Who a mail is of, as far as that is told once, and what proves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..authentication.evaluation import from_addresses
from ..authentication.results import proved
from ..authentication.signed import SignedMail
from ..message import Message
from ..policy.addresses import domain_of, folded
from ..symbols import Symbol

_RESULTS, _BODY_CUT = "AUTH_RESULTS", "DKIM_BODY_CUT"


class Author(NamedTuple):
    """The one From address of a mail, folded, and what proves it: ``"dmarc"``, ``"spf"``, ``"dkim"`` or ``""``."""

    address: str
    proof: str = ""

    @property
    def domain(self) -> str:
        """Its domain."""
        return domain_of(self.address)


def author_of(message: Message) -> Author | None:
    """The one From address in all readings of a mail; `None` where there is none, or more than one."""
    written, complete = from_addresses(message, SignedMail(message.raw))
    names = {folded(address.strip(" <>")) for address in written}
    if not complete or len(names) != 1:
        return None
    (name,) = names
    return Author(name) if "@" in name and domain_of(name) else None


def proof_of(author: Author, mail_from: str, found: Sequence[Symbol]) -> str:
    """What proves the author.  A signature that leaves a part of the body open proves nothing of what is read."""
    said = next((symbol.evidence for symbol in found if symbol.name == _RESULTS), "")
    if not said:
        return ""
    seen, domain = proved(said), author.domain
    cut = any(symbol.name == _BODY_CUT for symbol in found)
    if domain in seen.dmarc and not cut:
        return "dmarc"
    if domain in seen.spf and domain_of(mail_from) == domain:
        return "spf"
    signed = any(domain == signer or domain.endswith(f".{signer}") for signer in seen.dkim)
    return "dkim" if signed and not cut else ""

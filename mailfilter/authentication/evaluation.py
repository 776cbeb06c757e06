"""All of sender authentication about one mail: SPF, DKIM and ARC side by side, then DMARC from what they proved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from ..checks import Mail
from ..message import Message
from ..mime.addresses import parse_addresses
from ..mime.charsets import decode_header_bytes
from ..mime.words import unfold
from ..trust import NOBODY, Path, is_private, path_of
from . import arc, dkim, dmarc
from .arc import ArcAnswer
from .dialogue import Dialogue, askable, together
from .dkim import DkimAnswer
from .dmarc import Discovery, DmarcAnswer, DmarcResult, Proof
from .outcome import Outcome
from .signed import SignedMail
from .spf import SpfAnswer, SpfResult, check_helo, check_mail_from
from .spf_session import read_address

MAX_FROM = 8
"""From fields, over all readings of a mail, whose domains are looked at."""
MAX_DOMAINS = 3
"""From domains whose policy is asked for; a mail has one."""

_FROM_LINE = re.compile(rb">?From[ \t]+:(.*)")
"""A first line that is taken for mbox's, and that some programs show as the header."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """What was found out.  ``mail_from`` and ``helo`` are None where SPF was not asked, and ``unasked`` says why.

    ``dmarc``  an answer for each From domain, one in all honest mail.
    """

    mail_from: SpfAnswer | None
    helo: SpfAnswer | None
    dkim: tuple[DkimAnswer, ...]
    arc: ArcAnswer
    dmarc: tuple[DmarcAnswer, ...]
    unasked: str = ""


def authenticate(mail: Mail, now: float, walk: bool = False, path: Path | None = None) -> Dialogue[Authentication]:
    """Evaluate a mail; ``now`` in seconds since 1970, ``walk`` chooses DMARC's tree walk.

    ``path``  how it came: SPF is asked about the first host that is not ours, or the one before a known forwarder.
    """
    signed = SignedMail(mail.message.raw)
    client = _client(mail, path or path_of(mail, NOBODY))
    every, complete = from_domains(mail.message, signed)
    domains = every[:MAX_DOMAINS]
    mail_from, helo, signatures, chain, *found = yield from together(
        [
            _spf_mail_from(mail, client),
            _spf_helo(mail, client),
            dkim.verify(signed, now),
            arc.verify(signed),
            *(dmarc.discover(domain, walk) for domain in domains),
        ]
    )
    discoveries: list[Discovery] = found
    proofs: list[Proof] = []
    if any(discovery.record is not None for discovery in discoveries):
        proofs = yield from _proofs(mail, client.helo, mail_from, signatures, walk)
    sample = int(mail.message.digest[:8], 16) % 100
    answers = [dmarc.judge(discovery, proofs, sample) for discovery in discoveries]
    if domains and (not complete or len(every) > len(domains)):
        answers.append(DmarcAnswer(DmarcResult.FAIL, every[-1], reason="more From domains than can be proved"))
    return Authentication(mail_from, helo, signatures, chain, tuple(answers), client.unasked)


class _Client(NamedTuple):
    """Whom SPF is asked about: address and HELO, or why nobody."""

    address: str = ""
    helo: str = ""
    unasked: str = ""


_REWRITTEN = ("srs0", "srs1")
"""Beginnings of a MAIL FROM that a forwarder has made its own (Sender Rewriting Scheme)."""


def _client(mail: Mail, path: Path) -> _Client:
    """The host that SPF is asked about.

    That is only what the SMTP session and hosts of our own tell: a proof must not come out of the mail itself.
    """
    envelope = mail.envelope
    if not path.anchored:
        return _Client(helo=envelope.helo or "", unasked="the address of the connecting host is not known")
    if path.client is None:
        return _Client(helo=envelope.helo or "", unasked=path.ends)
    rewritten = (envelope.mail_from or "").lower().startswith(_REWRITTEN)
    hop = path.client if path.forwarders and rewritten else path.origin
    if hop is None or read_address(hop.ip.partition("%")[0]) is None or is_private(hop.ip):
        return _Client(unasked="the host before the forwarder is not known")
    return _Client(hop.ip.partition("%")[0], hop.helo)


def _spf_mail_from(mail: Mail, client: _Client) -> Dialogue[SpfAnswer | None]:
    sender = mail.envelope.mail_from
    if not client.address or sender is None:
        return None
    return (yield from check_mail_from(client.address, sender, client.helo))


def _spf_helo(mail: Mail, client: _Client) -> Dialogue[SpfAnswer | None]:
    """The HELO name; the null sender's MAIL FROM is that already."""
    helo = client.helo
    if not client.address or not mail.envelope.mail_from or askable(helo) is None or helo.startswith("["):
        return None
    return (yield from check_helo(client.address, helo))


def _proofs(
    mail: Mail, helo: str, mail_from: SpfAnswer | None, signatures: tuple[DkimAnswer, ...], walk: bool
) -> Dialogue[list[Proof]]:
    """Every domain that was, or for all we know may have been, authenticated; certain ones first."""
    domains: dict[tuple[str, str], bool] = {}
    for answer in signatures:
        if answer.outcome in (Outcome.PASS, Outcome.TEMPERROR):
            certain = answer.outcome is Outcome.PASS
            domains["dkim", answer.domain] = domains.get(("dkim", answer.domain), False) or certain
    if mail_from is None:
        sender = mail.envelope.mail_from
        unknown = askable((sender or helo).rpartition("@")[2]) if sender is not None else ""
        if unknown is not None:
            domains["spf", unknown] = False
    elif mail_from.result in (SpfResult.PASS, SpfResult.TEMPERROR):
        domains["spf", mail_from.domain] = mail_from.result is SpfResult.PASS
    organizations = yield from together([dmarc.find_organization(domain, walk) for _, domain in domains])
    return [
        Proof(method, domain, organization, certain)
        for ((method, domain), certain), organization in zip(domains.items(), organizations, strict=True)
    ]


def from_domains(message: Message, signed: SignedMail) -> tuple[tuple[str, ...], bool]:
    """The domains of all From addresses in all readings of a mail: no reader may be shown one that is not judged.

    Also whether these are all; False where there are more From fields than are looked at.
    """
    addresses, complete = from_addresses(message, signed)
    domains = (askable(address.rpartition("@")[2].strip(" .>")) for address in addresses)
    return tuple(dict.fromkeys(domain for domain in domains if domain)), complete


def from_addresses(message: Message, signed: SignedMail) -> tuple[tuple[str, ...], bool]:
    """All From addresses in all readings of a mail, as they are written; and whether these are all."""
    texts = [
        decode_header_bytes(header.raw)
        for reading in message.readings()
        for header in reading.root.headers
        if header.name.lower() == "from"
    ]
    texts += [decode_header_bytes(field.value) for field in signed.by_name.get("from", ())]
    if field := _FROM_LINE.match(message.mbox_from):
        texts.append(decode_header_bytes(field[1]))
    unfolded = dict.fromkeys(unfold(text).strip() for text in texts)
    addresses = [address for text in list(unfolded)[:MAX_FROM] for address in parse_addresses(text)]
    return tuple(address.address for address in addresses), len(unfolded) <= MAX_FROM

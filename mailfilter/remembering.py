"""What a chain asks of its memory and what it tells it: greylist, counters, known correspondents."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .authentication.results import proved
from .checks import Mail
from .counters import Counters
from .decision import Action, GreylistState, Reason
from .envelope import Envelope
from .greylist import Asking, Greylist, GreylistAnswer, body_digest
from .lookups.engine import failure
from .policy.addresses import domain_of, folded
from .symbols import Findings, Symbol
from .verdict import ScoredSymbol, Verdict
from .verdicts import Batch

if TYPE_CHECKING:
    from .chain import FilterChain
    from .reputation import Reputation

_log = logging.getLogger("mailfilter")

_RESULTS = "AUTH_RESULTS"
_DOUBTS = frozenset({"SPF_FAIL", "SPF_SOFTFAIL", "DMARC_FAIL_NONE", "DMARC_FAIL_QUARANTINE", "DMARC_FAIL_REJECT"})


def counted(counters: Counters | None, mails: Sequence[Mail]) -> list[Findings]:
    """The limits that each mail passes; this counts them, so it is asked once for every mail that came."""
    return counters.count([mail.envelope for mail in mails]) if counters is not None else []


def reputed(
    reputation: Reputation | None, greylist: Greylist | None, mails: Sequence[Mail], found: Sequence[Sequence[Symbol]]
) -> list[Findings]:
    """What is known of each mail's sender; this notes them, so it is asked once for every mail that came.

    ``found``  what authentication found; nothing that the filter itself made of the mails is noted.
    """
    if reputation is None:
        return []
    try:
        return reputation.note(mails, found, greylist)
    except Exception as error:
        if len(mails) == 1:
            _log.warning("reputation failed on mail %s: %r", mails[0].message.digest, error)
            return [(failure("reputation", error),)]
    return [reputed(reputation, greylist, [mail], [symbols])[0] for mail, symbols in zip(mails, found, strict=True)]


def joined(some: Sequence[Findings], others: Sequence[Findings]) -> Sequence[Findings]:
    """The findings of two steps, mail by mail; a step that was not taken has none."""
    if not some or not others:
        return some or others
    return [(*one, *other) for one, other in zip(some, others, strict=True)]


def to_greylist(greylist: Greylist | None, batch: Batch) -> list[int]:
    """Rows of the mails that the greylist is to be asked about."""
    if greylist is None:
        return []
    asked = batch.decisions.actions == Action.GREYLIST.severity
    if greylist.always:
        asked |= batch.decisions.actions == Action.ACCEPT.severity
    rows: list[int] = np.flatnonzero(asked & (batch.decisions.reasons == Reason.SCORE)).tolist()
    return rows


def greylisted(greylist: Greylist | None, batch: Batch, rows: Sequence[int]) -> dict[int, GreylistAnswer]:
    """What the greylist says of these rows, in one question to its store."""
    if greylist is None or not rows:
        return {}
    answers = greylist.ask_many([_asking(batch, row) for row in rows])
    if greylist.always:
        answers = [
            answer._replace(state=GreylistState.WAIT_ALWAYS) if answer.state is GreylistState.WAIT else answer
            for answer in answers
        ]
    return {
        row: answer for row, answer in zip(rows, answers, strict=True) if answer.state is not GreylistState.NOT_ASKED
    }


def _asking(batch: Batch, row: int) -> Asking:
    message, envelope = batch.mails[row]
    found = batch.rows[row]
    doubted = any(symbol.name in _DOUBTS for symbol in found)
    return Asking(envelope, body_digest(message), _proved(envelope, found), doubted)


def _proved(envelope: Envelope, found: Sequence[Symbol | ScoredSymbol]) -> tuple[str, ...]:
    """Domains of From by DMARC, and that of MAIL FROM where SPF or a signature of it or of one above proves it."""
    said = next((symbol.evidence for symbol in found if symbol.name == _RESULTS), "")
    if not said:
        return ()
    seen = proved(said)
    sender = domain_of(folded(envelope.mail_from or ""))
    signed = any(sender == signer or sender.endswith(f".{signer}") for signer in seen.dkim)
    return tuple(sorted(seen.dmarc | ({sender} if sender and (sender in seen.spf or signed) else set())))


def delivered(chain: FilterChain, envelope: Envelope, verdict: Verdict) -> None:
    """Note an accepted mail: whom our users wrote to, and whose proved mail was welcome by its own score."""
    if verdict.action is not Action.ACCEPT or verdict.intended is not None:
        return
    ours = envelope.auth_user is not None or envelope.direction != "inbound"
    if chain.counters is not None and ours:
        chain.counters.sent(envelope)
    if chain.greylist is not None:
        if ours:
            chain.greylist.sent(envelope)
        elif verdict.reason is Reason.SCORE:
            chain.greylist.welcomed(_proved(envelope, verdict.symbols))

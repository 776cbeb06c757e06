"""Carrying out a verdict as far as it needs a store: holding, burying, disarming."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from .checks import Mail
from .checks.attachments import NOTHING_BANNED, AttachmentCheck
from .decision import Action, Reason
from .disarming import remove_doomed
from .envelope import Envelope
from .errors import StoreError
from .lookups import ScanQuestion
from .message import Message
from .policy.copies import Outcome
from .remembering import delivered
from .verdict import Verdict

if TYPE_CHECKING:
    from .chain import FilterChain
    from .quarantine import Quarantine

_log = logging.getLogger("mailfilter")


def act(chain: FilterChain, raw: bytes, envelope: Envelope, verdict: Verdict) -> Verdict:
    """See `FilterChain.act`."""
    done = _stored(chain, raw, envelope, verdict)
    delivered(chain, envelope, done)
    return done


def _stored(chain: FilterChain, raw: bytes, envelope: Envelope, verdict: Verdict) -> Verdict:
    quarantine = chain.quarantine
    if quarantine is None or verdict.intended is not None:
        return verdict
    try:
        return _kept(chain, quarantine, raw, envelope, verdict)
    except StoreError as error:
        _log.error("mail %s is refused for now: %s", verdict.mail_id, error)
        refused = Action.GREYLIST, Reason.NOT_STORED
        each = tuple(Outcome(one.recipient, *refused, Action.GREYLIST, one.policy) for one in verdict.recipients)
        return replace(verdict, action=refused[0], reason=refused[1], disarm=False, recipients=each)


def _kept(chain: FilterChain, quarantine: Quarantine, raw: bytes, envelope: Envelope, verdict: Verdict) -> Verdict:
    """The verdict with the receipt of what was held or buried, each for the recipients whose copies it is."""
    held, buried = (_for(envelope, verdict, action) for action in (Action.QUARANTINE, Action.DELETE))
    if buried is not None:
        verdict = replace(verdict, receipt=quarantine.bury(buried, verdict))
    if held is not None:
        verdict = replace(verdict, receipt=quarantine.hold(raw, held, verdict))
        return _disarmed(chain, raw, envelope, verdict, quarantine) if verdict.disarm else verdict
    return verdict


def _for(envelope: Envelope, verdict: Verdict, action: Action) -> Envelope | None:
    """The envelope with those recipients whose copies get this action; ``None`` where none does."""
    if not verdict.recipients:
        return envelope if verdict.action is action else None
    recipients = verdict.recipients_of(action)
    return replace(envelope, rcpt_to=recipients) if recipients else None


def _disarmed(chain: FilterChain, raw: bytes, envelope: Envelope, held: Verdict, quarantine: Quarantine) -> Verdict:
    """A held mail without the parts that policy wants gone; as it is where anything is left to object to."""
    message, policy = Message(raw), chain.governing(envelope)[0][0]
    banned = next((check.banned for check in chain.local if isinstance(check, AttachmentCheck)), NOTHING_BANNED)
    deadline = chain.deadline([Mail(message, envelope)])
    result = remove_doomed(message, policy, chain.lookups.get(ScanQuestion), banned, held.receipt, deadline)
    if result is None:
        return held
    left = chain.evaluate([Mail(Message(result.raw), envelope)]).decisions
    if left.actions[0] != Action.ACCEPT.severity:
        return held
    quarantine.mark(held.receipt, "disarmed")
    before = raw[: len(raw) - len(message.raw)]  # an mbox line
    accept = Action.ACCEPT
    each = tuple(one._replace(action=accept, carried=accept) for one in held.recipients)
    return replace(held, action=accept, recipients=each, removed=result.removed, replacement=before + result.raw)

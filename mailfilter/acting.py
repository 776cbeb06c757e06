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
from .quarantine import Quarantine
from .verdict import Verdict

if TYPE_CHECKING:
    from .chain import FilterChain

_log = logging.getLogger("mailfilter")


def act(chain: FilterChain, raw: bytes, envelope: Envelope, verdict: Verdict) -> Verdict:
    """See `FilterChain.act`."""
    quarantine = chain.quarantine
    if quarantine is None or verdict.action not in (Action.QUARANTINE, Action.DELETE):
        return verdict
    try:
        if verdict.action is Action.DELETE:
            return replace(verdict, receipt=quarantine.bury(envelope, verdict))
        held = replace(verdict, receipt=quarantine.hold(raw, envelope, verdict))
        return _disarmed(chain, raw, envelope, held, quarantine) if verdict.disarm else held
    except StoreError as error:
        _log.error("mail %s is refused for now: %s", verdict.mail_id, error)
        return replace(verdict, action=Action.GREYLIST, reason=Reason.NOT_STORED)


def _disarmed(chain: FilterChain, raw: bytes, envelope: Envelope, held: Verdict, quarantine: Quarantine) -> Verdict:
    """A held mail without the parts that policy wants gone; as it is where anything is left to object to."""
    message, policy = Message(raw), chain.governing(envelope)[0]
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
    return replace(held, action=Action.ACCEPT, removed=result.removed, replacement=before + result.raw)

"""Seeing a verdict through: what is held is on the disk, what is accepted is with the next server, and then we answer.

All that is not taken stays with the sender, who is told so.  Where others of its recipients have a mail already, a copy
that the next server refuses cannot be given back: it is bounced, to a proved sender only, or else held.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from ..bounce import Bouncer
from ..chain import FilterChain
from ..decision import Action, Reason
from ..envelope import Envelope
from ..errors import StoreError
from ..policy.copies import Outcome
from ..replies import SmtpReply, smtp_reply
from ..verdict import Verdict
from .hop import BROKEN, Delivery, Hop, NextHop, Refused, Spare
from .wire import Said

_log = logging.getLogger("mailfilter.mta")


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of a mail: the verdict as carried out, replies (one, or with LMTP one a recipient), seconds that the
    stores and the next server took, and the numbers of recipients by what became of their copies."""

    verdict: Verdict
    replies: tuple[SmtpReply, ...]
    stored: float = 0.0
    delivered: float = 0.0
    numbers: Mapping[str, int] = field(default_factory=dict)


class Disposal:
    """Carries verdicts out for one chain and one next server."""

    def __init__(self, chain: FilterChain, hop: Hop, *, tag_held: bool = False, bouncer: Bouncer | None = None) -> None:
        self._chain, self._hop, self._bouncer = chain, hop, bouncer
        self._tag_held = tag_held and chain.quarantine is None
        config = chain.config
        self._stores = config.greylist.store not in ("memory", "off") or config.counters.store != "memory"

    async def __call__(
        self,
        raw: bytes,
        envelope: Envelope,
        verdict: Verdict,
        *,
        head: bytes = b"",
        lmtp: bool = False,
        utf8: bool = False,
    ) -> Handed:
        """Hold, bury and hand on, in this order; ``head`` is put on top of what is handed on."""
        begun = time.perf_counter()
        if lmtp:
            verdict = _each_their_own(verdict)
        if self._tag_held:
            verdict = _tagged(verdict, lmtp)
        done = await self._acted(raw, envelope, verdict)
        stored = time.perf_counter()
        to = done.recipients_of(Action.ACCEPT)
        delivery = Delivery((), {})
        if to:
            outgoing = head + self._chain.rewrite(raw or b"\r\n", done)  # from an empty one no line end can be told
            delivery = await self._delivered(raw, replace(envelope, rcpt_to=to), done, outgoing, utf8, lmtp)
        replies = _by_recipient(done, delivery) if lmtp else (_for_all(done, delivery),)
        seconds = stored - begun, time.perf_counter() - stored
        return Handed(done, replies, *seconds, _numbers(done, delivery))

    async def close(self) -> None:
        """Let go of the next server."""
        if isinstance(self._hop, NextHop):
            await self._hop.close()

    async def _acted(self, raw: bytes, envelope: Envelope, verdict: Verdict) -> Verdict:
        """What may have to wait for a store is done in a thread."""
        kept = any(one.carried in (Action.QUARANTINE, Action.DELETE) for one in verdict.recipients)
        ours = envelope.auth_user is not None or envelope.direction != "inbound"
        noted = self._stores and (ours or any(symbol.name == "AUTH_RESULTS" for symbol in verdict.symbols))
        if kept or noted:
            return await asyncio.to_thread(self._chain.act, raw, envelope, verdict)
        return self._chain.act(raw, envelope, verdict)

    async def _delivered(
        self, raw: bytes, envelope: Envelope, verdict: Verdict, outgoing: bytes, utf8: bool, lmtp: bool
    ) -> Delivery:
        async def spare(refused: Refused) -> bool:
            """The others get the mail where each hears of its own copy, or those that are refused are kept."""
            return lmtp or await self._kept(raw, envelope, verdict, refused)

        try:
            delivery = await self._hop(envelope, outgoing, spare, utf8)
        except Exception:
            _log.exception("mail %s: handing on failed", verdict.mail_id)
            return Delivery((), dict.fromkeys(envelope.rcpt_to, BROKEN))
        late = {to: delivery.refused[to] for to in delivery.late}  # the others have been kept before
        if late and not lmtp and not await self._kept(raw, envelope, verdict, late):
            _log.critical(
                "mail %s: %d recipients were refused by the next server after others got it, and it cannot be kept",
                verdict.mail_id, len(late),
            )  # fmt: skip
            return Delivery((), delivery.refused)  # the sender keeps it: rather twice for some than never for others
        return delivery

    async def _kept(self, raw: bytes, envelope: Envelope, verdict: Verdict, refused: Refused) -> bool:
        """Whether copies that the next server refused are kept: bounced to the sender, or held."""
        final = tuple(to for to, said in refused.items() if said.code // 100 == 5)
        bounced = await self._bounced(raw, envelope, verdict, final) if final else False
        left = tuple(to for to in refused if not (bounced and to in final))
        if not left:
            return True
        quarantine, held = self._chain.quarantine, replace(envelope, rcpt_to=left)
        if quarantine is None:
            return False
        undelivered = _settled(verdict, left, Action.QUARANTINE)
        try:
            await asyncio.to_thread(quarantine.hold, raw, held, undelivered)
        except StoreError as error:
            _log.error("mail %s: %s", verdict.mail_id, error)
            return False
        _log.warning("mail %s is held for %d recipients: the next server refused them", verdict.mail_id, len(left))
        return True

    async def _bounced(self, raw: bytes, envelope: Envelope, verdict: Verdict, to: Sequence[str]) -> bool:
        """Whether a bounce went out that names these recipients."""
        if self._bouncer is None:
            return False
        refused = _settled(verdict, to, Action.BOUNCE)
        bounce = await asyncio.to_thread(self._bouncer.bounce, raw, replace(envelope, rcpt_to=to), refused)
        if bounce.envelope is None or bounce.raw is None:
            return False
        try:
            delivery = await self._hop(bounce.envelope, bounce.raw, _never)
        except Exception:
            _log.exception("mail %s: its bounce was not handed on", verdict.mail_id)
            return False
        return bool(delivery.taken)


def handed_over(deliver: Hop | Callable[[Envelope, bytes], Any]) -> Hop:
    """A `Hop` as it is, or made of a blocking function that returns the recipients who were refused."""
    if inspect.iscoroutinefunction(deliver) or inspect.iscoroutinefunction(type(deliver).__call__):
        return cast(Hop, deliver)
    blocking = cast(Callable[[Envelope, bytes], Collection[str]], deliver)

    async def hop(envelope: Envelope, raw: bytes, spare: Spare, utf8: bool = False) -> Delivery:
        try:
            refused = set(await asyncio.to_thread(blocking, envelope, raw) or ())
        except StoreError as error:
            _log.warning("%s", error)
            return Delivery((), dict.fromkeys(envelope.rcpt_to, BROKEN))
        taken = tuple(to for to in envelope.rcpt_to if to not in refused)
        late = tuple(to for to in envelope.rcpt_to if to in refused)
        return Delivery(taken, dict.fromkeys(late, Said(550, "5.0.0")), late if taken else ())

    return hop


async def _never(refused: Refused) -> bool:
    return False


def _each_their_own(verdict: Verdict) -> Verdict:
    """With a reply for each recipient, each copy gets what its own policy says."""
    return replace(verdict, recipients=tuple(one._replace(carried=one.action) for one in verdict.recipients))


def _tagged(verdict: Verdict, lmtp: bool) -> Verdict:
    """Without a place for held mail, spam is passed on marked; what is held for another reason, such as malware, is
    refused: to those for whom it would be held, or to all where there is one reply for all."""
    held = [one for one in verdict.recipients if one.carried is Action.QUARANTINE]
    worse = next((one for one in held if one.reason is not Reason.SCORE), None)
    if worse is not None and not lmtp:
        refused = Action.BOUNCE, worse.reason
        each = tuple(Outcome(one.recipient, *refused, Action.BOUNCE, one.policy) for one in verdict.recipients)
        return replace(verdict, action=refused[0], reason=refused[1], disarm=False, recipients=each)
    each = tuple(_marked(one) if one.carried is Action.QUARANTINE else one for one in verdict.recipients)
    mildest = min((one.carried for one in each), key=lambda action: action.severity)
    return replace(verdict, action=mildest, recipients=each)


def _marked(one: Outcome) -> Outcome:
    action = Action.ACCEPT if one.reason is Reason.SCORE else Action.BOUNCE
    return one._replace(action=action, carried=action)


def _settled(verdict: Verdict, recipients: Sequence[str], action: Action) -> Verdict:
    """The verdict for recipients whom the next server refused."""
    reason = Reason.NOT_DELIVERED
    each = tuple(Outcome(to, action, reason, action) for to in recipients)
    return replace(verdict, action=action, reason=reason, recipients=each, disarm=False)


def _for_all(done: Verdict, delivery: Delivery) -> SmtpReply:
    """The one reply of SMTP: refused for now if anything may still go well later; 250 where everything is somewhere."""
    if delivery.taken or not delivery.refused:
        return done.smtp_reply
    said = min(delivery.refused.values(), key=lambda one: (one.code // 100, one.code))
    return _passed_on(done, said)


def _by_recipient(done: Verdict, delivery: Delivery) -> tuple[SmtpReply, ...]:
    """The replies of LMTP, in the order of the recipients."""
    return tuple(
        _passed_on(done, delivery.refused[one.recipient])
        if one.recipient in delivery.refused
        else smtp_reply(done, one.carried, one.reason)
        for one in done.recipients
    )


def _passed_on(done: Verdict, said: Said) -> SmtpReply:
    """What the next server said, in our words: code and status code are its own."""
    final = said.code // 100 == 5
    action = Action.BOUNCE if final else Action.GREYLIST
    ours = smtp_reply(replace(done, removed=(), wait=0), action, Reason.NOT_DELIVERED)
    code = said.code if said.code // 100 in (4, 5) and said.code != 421 else 550 if final else 451
    return SmtpReply(code, said.enhanced if said.enhanced[:1] == str(code)[:1] else f"{str(code)[0]}.0.0", ours.text)


def _numbers(done: Verdict, delivery: Delivery) -> dict[str, int]:
    """Recipients by what became of their copies."""
    numbers = {"delivered": len(delivery.taken), "not_delivered": len(delivery.refused)}
    for one in done.recipients:
        if one.carried is not Action.ACCEPT:
            numbers[one.carried.value] = numbers.get(one.carried.value, 0) + 1
    return {name: number for name, number in numbers.items() if number}

"""A mail server's handler under aiosmtpd: filters, answers, greylists, holds, and hands on.

    chain = FilterChain.from_config("mailfilter.toml")
    handler = FilterHandler(chain, "127.0.0.1:10026")
    asyncio.run(serve(Server(handler, "127.0.0.1", 10025)))      # both from mailfilter.mta.server

A mail is answered with 250 only when the next server has it, or the quarantine has it on its disk, for every one of its
recipients.  Needs the extra ``mailfilter[smtpd]``.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from ..bounce import Bouncer
from ..chain import FilterChain
from ..envelope import Direction, Envelope
from ..errors import SettingError
from ..observing import log_event, mail_event
from .disposal import Disposal, Handed, handed_over
from .hop import Hop, NextHop
from .limits import Limits, names
from .trace import loops, received

_log = logging.getLogger("mailfilter.mta")
BARE = "550 5.5.2 Refused: lines of a mail end in CR LF and nothing else (MF-LINES)"
LOOP = "554 5.4.6 Refused: this mail goes round in a circle (MF-LOOP)"
FAILED = "451 4.3.0 An error here, please try again later (MF-ERROR)"

Directing = Callable[[Envelope], Direction]
Observer = Callable[[dict[str, Any]], None]


class FilterHandler:
    """Give it to `Server`, or to aiosmtpd's own `SMTP` and controllers (which then read mails their way).

    ``deliver``   where mail goes: an address as `NextHop` takes it, a `Hop`, or a blocking function as
    `mailfilter.quarantine.store.Deliver`, which is called in a thread.
    ``hostname``  our name.  ``direction``  which way a mail goes; by default what was authenticated goes out, all else
    comes in.  ``tag_held``  pass on marked what would be held as spam, refuse what would be held for another reason;
    without it a chain needs a quarantine.
    ``received``  whether to put a Received field on top.  ``bouncer``  tells proved senders of recipients whom the next
    server refused while others got the mail; else those copies are held.
    ``observers``  called with the event of each mail (`mailfilter.observing.mail_event`), beside the log.

    Raises `SettingError` when something that the policy needs is not there.
    """

    def __init__(
        self,
        chain: FilterChain,
        deliver: str | Hop | Callable[[Envelope, bytes], Any],
        *,
        hostname: str = "",
        direction: Directing | None = None,
        tag_held: bool = False,
        received: bool = True,
        bouncer: Bouncer | None = None,
        limits: Limits | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        if chain.quarantine is None and not tag_held:
            raise SettingError(chain.config.source, ("quarantine.path: held mail needs a place, or tag_held=True",))
        self.chain, self.hostname = chain, hostname or socket.getfqdn()
        self.limits = limits or Limits()
        hop = NextHop(deliver, hostname=self.hostname) if isinstance(deliver, str) else handed_over(deliver)
        self.disposal = Disposal(chain, hop, tag_held=tag_held, bouncer=bouncer)
        self._direction, self._received, self._observers = direction or _direction, received, tuple(observers)
        self._tasks: set[asyncio.Task[str]] = set()

    def __dir__(self) -> list[str]:
        """The hooks: to find these, aiosmtpd looks through all that there is, for every session."""
        return names(self.__class__, ("handle_", "auth_"))  # type: ignore[arg-type]  # classes are hashable

    # ----------------------------------------------------------------------------------------------- aiosmtpd's hooks
    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, name: str, lines: list[str]) -> list[str]:
        """What we offer beside what aiosmtpd does."""
        session.host_name = name
        offered = [line for line in lines[:-1] if line.strip() != "250-AUTH" and not _no_auth(server, line)]
        offered += ["250-PIPELINING", "250-ENHANCEDSTATUSCODES"]
        if getattr(server, "trusts", False):
            offered += ["250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN", "250-XFORWARD NAME ADDR PORT PROTO HELO IDENT"]
        return ["\r\n".join([*offered, "250 HELP"])]  # aiosmtpd sends each item by itself, in a packet of its own

    async def handle_PROXY(self, server: Any, session: Any, envelope: Any, proxy_data: Any) -> bool:
        """Every well-formed PROXY header is taken: only the proxy reaches a port on which it is expected."""
        return True

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """Take the sender, "<>" for none."""
        if not address.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 Such an address needs SMTPUTF8"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """Take a recipient."""
        if len(envelope.rcpt_tos) >= self.limits.recipients:
            return "452 4.5.3 Too many recipients"
        if address == "<>" or (not address.isascii() and not envelope.smtp_utf8):
            return "553 5.6.7 Such an address needs SMTPUTF8" if address != "<>" else "553 5.1.3 No recipient"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Decide a mail and see it through; the reply, or with LMTP one a line."""
        lmtp = bool(getattr(server, "lmtp", False))
        raw = bytes(envelope.original_content or b"")
        if _bare(raw):
            return self._refused(BARE)
        if loops(raw):
            return self._refused(LOOP)
        begun = time.perf_counter()
        facts = self._facts(session, envelope)
        verdict = await self.chain.acheck(raw, facts)
        checked = time.perf_counter() - begun
        head = b""
        if self._received:
            head = received(facts, self.hostname, _protocol(session, envelope, lmtp), verdict.mail_id)
        # A client that hangs up now has not heard whether we took the mail: what was begun is brought to an end.
        job = self.disposal(raw, facts, verdict, head=head, lmtp=lmtp, utf8=bool(envelope.smtp_utf8))
        handed: Handed = await asyncio.shield(self._kept(self._seen_through(job, facts, len(raw), checked)))
        return "\r\n".join(map(str, handed.replies))

    async def _seen_through(self, job: Awaitable[Handed], facts: Envelope, size: int, checked: float) -> Handed:
        handed = await job
        seconds = {"check": checked, "store": handed.stored, "deliver": handed.delivered}
        seconds["total"] = sum(seconds.values())
        self._observe(mail_event(handed.verdict, facts, size, seconds, handed.replies, handed.numbers))
        return handed

    async def handle_exception(self, error: Exception) -> str:
        """An error of ours: the mail stays with its sender, who is not told more."""
        _log.error("a session failed: %r", error, exc_info=error)
        return FAILED

    # --------------------------------------------------------------------------------------------------------- finish
    async def finish(self) -> None:
        """Wait until all mail in hand is where it belongs."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Finish, and let go of connections; the chain stays open."""
        await self.finish()
        await self.disposal.close()

    def _kept(self, job: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _observe(self, event: dict[str, Any]) -> None:
        log_event(event)
        for observer in self._observers:
            try:
                observer(event)
            except Exception:
                _log.exception("an observer failed")

    def _refused(self, reply: str) -> str:
        """Refused before it was looked at."""
        self._observe({"event": "refused", "time": round(time.time(), 3), "reply": reply})
        return reply

    def _facts(self, session: Any, envelope: Any) -> Envelope:
        """The envelope as the filter knows it; what a trusted server told outranks what we saw."""
        given, proxy = getattr(session, "given", {}), getattr(session, "proxy_data", None)
        peer = session.peer[0] if isinstance(session.peer, tuple) else None
        if proxy is not None and getattr(proxy, "src_addr", None) is not None:
            peer = str(proxy.src_addr)
        login = given.get("LOGIN") or _login(session)
        helo = (given.get("HELO") or session.host_name or "").encode("utf-8", "surrogateescape")
        facts = Envelope(
            client_ip=given.get("ADDR") or peer,
            client_name=given.get("NAME"),
            helo=helo.decode("utf-8", "replace"),
            mail_from="" if envelope.mail_from == "<>" else envelope.mail_from,
            rcpt_to=tuple(dict.fromkeys(envelope.rcpt_tos)),
            auth_user=login or None,
            received_at=time.time(),
        )
        way = self._direction(facts)
        return facts if way == facts.direction else replace(facts, direction=way)


def _direction(facts: Envelope) -> Direction:
    return "outbound" if facts.auth_user is not None else "inbound"


def _login(session: Any) -> str:
    """Who logged in: what the authenticator returned has it, or what the old callback did."""
    login = getattr(session.auth_data, "login", session.auth_data) or getattr(session, "_login_data", None)
    return login.decode("utf-8", "replace") if isinstance(login, bytes) else str(login or "")


def _no_auth(server: Any, line: str) -> bool:
    """Whether it offers AUTH where nobody can log in."""
    nobody = server._authenticator is None and getattr(server._auth_callback, "__name__", "") == "login_always_fail"
    return nobody and line.startswith("250-AUTH")


def _protocol(session: Any, envelope: Any, lmtp: bool) -> str:
    """Transmission type (RFC 3848, RFC 6531)."""
    name = "LMTP" if lmtp else "SMTP" if envelope.smtp_utf8 else "ESMTP" if session.extended_smtp else "SMTP"
    tls = "S" if session.ssl is not None else ""
    login = "A" if session.authenticated else ""
    return f"{'UTF8' if envelope.smtp_utf8 else ''}{name}{tls}{login}"


def _bare(raw: bytes) -> bool:
    """Whether a line ends in anything but CR LF."""
    ends = raw.count(b"\r\n")
    return raw.count(b"\n") != ends or raw.count(b"\r") != ends

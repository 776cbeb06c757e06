"""How a DNS server can go wrong: one function per failure, which gives the messages that it sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dns.message

    Answerer = Callable[[dns.message.Message], dns.message.Message]
    Script = Callable[[Answerer, dns.message.Message, str], list[bytes]]


def reply_with(query: dns.message.Message, code: str) -> dns.message.Message:
    """An empty reply with a response code, as a recursive resolver gives it."""
    import dns.message
    import dns.rcode

    reply = dns.message.make_response(query, recursion_available=True)
    reply.set_rcode(dns.rcode.from_text(code))
    return reply


def _coded(code: str) -> Script:
    return lambda answer, query, transport: [reply_with(query, code).to_wire()]


def _wrong_id(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    wire = answer(query).to_wire()
    return [(query.id ^ 1).to_bytes(2, "big") + wire[2:]]


def _wrong_id_first(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    return [*_wrong_id(answer, query, transport), answer(query).to_wire()]


def _truncated(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    import dns.flags

    if transport == "tcp":
        return [answer(query).to_wire()]
    reply = reply_with(query, "NOERROR")
    reply.flags |= dns.flags.TC
    return [reply.to_wire()]


def _truncated_closed(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    return _truncated(answer, query, transport) if transport == "udp" else []


def _malformed(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    wire = answer(query).to_wire()
    return [wire[:6] + b"\0\x09" + wire[8:-3]]


def _wrong_question(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    import dns.message

    other = dns.message.make_query("other.example.", query.question[0].rdtype, id=query.id)
    return [answer(other).to_wire()]


def _poisoned(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    import dns.rrset

    reply = reply_with(query, "NOERROR")
    reply.answer.append(dns.rrset.from_text("other.example.", 60, "IN", "A", "127.0.0.2"))
    return [reply.to_wire()]


def _referral(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    import dns.flags
    import dns.rrset

    reply = reply_with(query, "NOERROR")
    reply.flags &= ~dns.flags.RA
    reply.authority.append(dns.rrset.from_text("example.", 60, "IN", "NS", "ns.example."))
    return [reply.to_wire()]


def _no_edns(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    if query.edns < 0:
        return [answer(query).to_wire()]
    reply = reply_with(query, "FORMERR")
    reply.use_edns(False)
    return [reply.to_wire()]


def _plain(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    return [answer(query).to_wire()]


SCRIPTS: Mapping[str, Script] = {
    "servfail": _coded("SERVFAIL"),
    "refused": _coded("REFUSED"),
    "notimp": _coded("NOTIMP"),
    "timeout": lambda answer, query, transport: [],
    "wrong_id": _wrong_id,
    "wrong_id_first": _wrong_id_first,
    "truncated": _truncated,
    "truncated_closed": _truncated_closed,
    "truncated_hangs": _truncated_closed,
    "malformed": _malformed,
    "short": lambda answer, query, transport: [query.to_wire()[:3]],
    "wrong_question": _wrong_question,
    "echo": lambda answer, query, transport: [query.to_wire()],
    "poisoned": _poisoned,
    "referral": _referral,
    "no_edns": _no_edns,
    "slow": _plain,
}
"""``wrong_id``: replies with another number only; ``wrong_id_first``: one of them, then the right one;
``truncated``: by UDP, and whole by TCP; ``truncated_closed`` and ``truncated_hangs``: TCP is closed, or silent;
``malformed``: right number, then no message; ``short``: three bytes; ``echo``: the question comes back;
``poisoned``: records of another name; ``referral``: other servers' names; ``no_edns``: FORMERR to EDNS;
``slow``: the right answer, late."""

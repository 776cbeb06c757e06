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


def _aliased(query: dns.message.Message, *chain: str) -> dns.message.Message:
    """A reply in which each name is an alias of the next, and the last one has an address that means a listing."""
    import dns.rrset

    reply = reply_with(query, "NOERROR")
    names = [query.question[0].name.to_text(), *chain]
    for name, target in zip(names, chain, strict=False):
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", target))
    reply.answer.append(dns.rrset.from_text(names[-1], 60, "IN", "A", "127.0.0.2"))
    return reply


def _alias_loop(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    name = query.question[0].name.to_text()
    ring = _aliased(query, "a.loop.example.", "b.loop.example.", "a.loop.example.")
    return [ring.to_wire(), _aliased(query, name).to_wire()]


def _alias_out(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    return [_aliased(query, "listed.other.example.").to_wire()]


def _alias_chain(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    return [_aliased(query, *(f"n{number}.chain.example." for number in range(40))).to_wire()]


def _rewritten(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    import dns.rrset

    reply = reply_with(query, "NOERROR")
    reply.answer.append(dns.rrset.from_text(query.question[0].name.to_text(), 60, "IN", "A", "192.0.2.80"))
    return [reply.to_wire()]


def _unasked(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    """The right answer, with what nobody asked about in every section."""
    import dns.rrset

    reply = answer(query)
    for section in (reply.answer, reply.authority, reply.additional):
        section.append(dns.rrset.from_text("other.example.", 86_400, "IN", "A", "127.0.0.2"))
    return [reply.to_wire()]


def _oversized(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    return [answer(query).to_wire() + b"\0" * 9_000]


def _oversized_records(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    """More records than a datagram may hold that was asked for, cut off where it is read."""
    import dns.rrset

    reply = reply_with(query, "NOERROR")
    addresses = [f"127.0.{n // 250}.{n % 250 + 1}" for n in range(400)]
    reply.answer.append(dns.rrset.from_text_list(query.question[0].name.to_text(), 60, "IN", "A", addresses))
    return [reply.to_wire(max_size=65_535)]


def _garbage(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    """Nothing, one octet, noise, and noise under the right number."""
    noise = bytes(range(7, 250, 3))
    return [b"", b"\0", noise, noise * 10, query.to_wire()[:2] + noise]


def _flood(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    """Sixty guesses, of which none is right, then the answer."""
    wire = answer(query).to_wire()
    guesses = [(query.id ^ n).to_bytes(2, "big") + wire[2:] for n in range(1, 61)]
    return [*guesses, wire] if transport == "udp" else [wire]


def _twice(answer: Answerer, query: dns.message.Message, transport: str) -> list[bytes]:
    return [answer(query).to_wire()] * 3


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
    "alias_loop": _alias_loop,
    "alias_out": _alias_out,
    "alias_chain": _alias_chain,
    "rewritten": _rewritten,
    "unasked": _unasked,
    "oversized": _oversized,
    "oversized_records": _oversized_records,
    "garbage": _garbage,
    "flood": _flood,
    "twice": _twice,
    "slow": _plain,
}
"""``wrong_id``: replies with another number only; ``wrong_id_first``: one of them, then the right one;
``truncated``: by UDP, and whole by TCP; ``truncated_closed`` and ``truncated_hangs``: TCP is closed, or silent;
``malformed``: right number, then no message; ``short``: three bytes; ``echo``: the question comes back;
``poisoned``: records of another name only; ``unasked``: the right answer and such records; ``rewritten``: an address
in place of "no such name"; ``alias_loop``, ``alias_chain``, ``alias_out``: aliases in a ring, without end, elsewhere;
``oversized``: nine thousand octets too many; ``oversized_records``: four hundred addresses; ``garbage``: noise;
``flood``: sixty wrong numbers before the right one; ``twice``: the answer three times;
``referral``: other servers' names; ``no_edns``: FORMERR to EDNS;
``slow``: the right answer, late."""

"""DNS messages (RFC 1035, 6891) as far as a stub resolver needs them, without a socket.

Building and parsing dnspython's message objects takes 0.4 ms a question; reading only what was asked for takes a few
microseconds, which decides what a mail with forty questions costs (``docs/decisions/0003-dns.md``).  dnspython's
codec still reads the rarer record types and names that need escapes or IDNA, and is the reference in the tests.

Any bytes give a typed reading.  Only records that belong to the question, directly or through its chain of aliases,
are taken: what a server adds about other names is not looked at (cache poisoning).
"""

from __future__ import annotations

import socket
import struct
from enum import Enum

from . import DnsAnswer, DnsQuestion, DnsState
from .dns_names import MalformedError, NotAskableError, name_text, pack_name, unpack_name

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
"""Record types that are read here; others go through dnspython."""
UDP_PAYLOAD = 1232
"""Largest datagram that is asked for: fits every path without fragments (the 2020 DNS flag day's figure)."""
MAX_CHAIN = 16
"""Aliases (CNAME) that are followed."""
MAX_NEGATIVE_TTL = 10_800
"""RFC 2308 section 5: one to three hours."""

_A, _NS, _CNAME, _SOA, _PTR, _MX, _TXT, _AAAA, _OPT = 1, 2, 5, 6, 12, 15, 16, 28, 41
_IN = 1
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_TYPE_CLASS = struct.Struct("!HH")
_HEAD = struct.pack("!5H", 0x0100, 1, 0, 0, 1)
_PLAIN_HEAD = struct.pack("!5H", 0x0100, 1, 0, 0, 0)
_OPT_RECORD = struct.pack("!BHHIH", 0, _OPT, UDP_PAYLOAD, 0, 0)
_NOERROR, _FORMERR, _SERVFAIL, _NXDOMAIN, _NOTIMP, _REFUSED = range(6)


class Reading(Enum):
    """What a reply is, when it is no answer."""

    ANOTHER = "a reply to something else"
    """Not to this question's number: to be ignored, the answer may still come (RFC 5452)."""
    TRUNCATED = "truncated"
    """Ask again over TCP."""
    NO_EDNS = "the server does not know EDNS"
    """Ask again without it."""


class Query:
    """A question with its number, ready to send; `number` gives it another.

    ``asked``  name, type and class in wire form, as the reply has to repeat them; ``wire``  the message: recursion
    desired, one question, EDNS if wanted.
    """

    __slots__ = ("_rest", "asked", "edns", "ident", "name", "rdtype", "wire")

    def __init__(self, ident: int, name: bytes, rdtype: int, edns: bool = True) -> None:
        self.name = name
        """In wire form, lower case."""
        self.rdtype = rdtype
        self.edns = edns
        self.asked = name + _TYPE_CLASS.pack(rdtype, _IN)
        self._rest = _HEAD + self.asked + _OPT_RECORD if edns else _PLAIN_HEAD + self.asked
        self.number(ident)

    def number(self, ident: int) -> None:
        """Set the number."""
        self.ident = ident
        self.wire = ident.to_bytes(2, "big") + self._rest

    def plain(self) -> Query:
        """The same question without EDNS."""
        return Query(self.ident, self.name, self.rdtype, edns=False)


def make_query(question: DnsQuestion, ident: int = 0) -> Query:
    """Pack a question.  Raises `NotAskableError`."""
    return Query(ident, pack_name(question.name), type_number(question.rdtype))


def type_number(rdtype: str) -> int:
    """The number of a record type.  Raises `NotAskableError`."""
    number = TYPES.get(rdtype)
    if number is None:
        import dns.rdatatype

        try:
            number = int(dns.rdatatype.from_text(rdtype))
        except Exception:
            raise NotAskableError(f"{rdtype!r} is no record type") from None
    return number


def read_reply(wire: bytes, query: Query) -> DnsAnswer | Reading:
    """Read what came back for ``query``.  Never raises."""
    try:
        return _read(wire, query)
    except (IndexError, struct.error):
        if len(wire) >= 2 and wire[:2] != query.ident.to_bytes(2, "big"):
            return Reading.ANOTHER
        return DnsAnswer(DnsState.MALFORMED, detail="not a DNS message: it is cut short")
    except MalformedError as error:
        return DnsAnswer(DnsState.MALFORMED, detail=f"not a DNS message: {error}")


def _read(wire: bytes, query: Query) -> DnsAnswer | Reading:
    ident, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(wire)
    if ident != query.ident:
        return Reading.ANOTHER
    if not flags & 0x8000 or flags & 0x7800:
        return DnsAnswer(DnsState.MALFORMED, detail="a question came back, not an answer")
    code = flags & 15
    asked = query.asked
    body = 12 + len(asked)
    if questions == 1 and _same_question(wire[12:body], asked):
        pass
    elif questions == 0 and code not in (_NOERROR, _NXDOMAIN):
        body = 12
    else:
        return DnsAnswer(DnsState.MALFORMED, detail="an answer to another question")
    if flags & 0x0200:
        return Reading.TRUNCATED
    if code in (_FORMERR, _NOTIMP) and query.edns:
        return Reading.NO_EDNS
    if code not in (_NOERROR, _NXDOMAIN):
        return _failure(code)
    sections = _Sections(wire, query)
    sections.read(body, answers, authorities, additionals)
    if sections.extended_code:
        return Reading.NO_EDNS if query.edns else _failure(sections.extended_code << 4 | code)
    return sections.answer(code == _NXDOMAIN, authoritative=bool(flags & 0x0400), recursive=bool(flags & 0x0080))


def _same_question(got: bytes, asked: bytes) -> bool:
    """Letters may come back in another case; type and class may not."""
    return got == asked or (got[:-4].lower() == asked[:-4] and got[-4:] == asked[-4:])


def _failure(code: int) -> DnsAnswer:
    if code == _REFUSED:
        return DnsAnswer(DnsState.REFUSED, detail="the server refuses to answer")
    names = {_SERVFAIL: "SERVFAIL", _FORMERR: "FORMERR", _NOTIMP: "NOTIMP"}
    return DnsAnswer(DnsState.SERVFAIL, detail=f"the server failed: {names.get(code, f'code {code}')}")


class _Sections:
    """The records of one reply that matter to the question."""

    def __init__(self, wire: bytes, query: Query) -> None:
        self._wire = wire
        self._query = query
        self._records: list[tuple[bytes, int, int, int, int]] = []
        self._soa: tuple[bytes, int] | None = None
        self._referral = False
        self.extended_code = 0

    def read(self, at: int, answers: int, authorities: int, additionals: int) -> None:
        """Walk all sections; raises `MalformedError` where a record does not fit into the message."""
        wire = self._wire
        for number in range(answers + authorities + additionals):
            owner, at = self._owner(at)
            rdtype, rdclass, ttl, length = _RECORD.unpack_from(wire, at)
            at += 10
            end = at + length
            if end > len(wire):
                raise MalformedError("a record is longer than the message")
            if rdtype == _OPT:
                self.extended_code = ttl >> 24
            elif rdclass == _IN and number < answers:
                self._records.append((owner, rdtype, ttl if ttl < 1 << 31 else 0, at, end))
            elif rdclass == _IN and number < answers + authorities:
                self._note_authority(owner, rdtype, ttl, at, end)
            at = end

    def _owner(self, at: int) -> tuple[bytes, int]:
        """Owner name; nearly always a pointer to the question's."""
        if self._wire[at : at + 2] == b"\xc0\x0c":
            return self._query.name, at + 2
        return unpack_name(self._wire, at)

    def _note_authority(self, owner: bytes, rdtype: int, ttl: int, at: int, end: int) -> None:
        if rdtype == _SOA:
            minimum = int.from_bytes(self._wire[max(at, end - 4) : end], "big")
            self._soa = (owner, min(ttl, minimum, MAX_NEGATIVE_TTL))
        elif rdtype == _NS:
            self._referral = True

    def answer(self, nxdomain: bool, authoritative: bool, recursive: bool) -> DnsAnswer:
        """Follow the aliases from the question and take what stands at their end."""
        name, chain_ttl, hops = self._follow()
        if hops > MAX_CHAIN:
            return DnsAnswer(DnsState.MALFORMED, detail=f"more than {MAX_CHAIN} aliases")
        wanted = [record for record in self._records if record[1] == self._query.rdtype and record[0] == name]
        if wanted and nxdomain:
            return DnsAnswer(DnsState.MALFORMED, detail="records of a name that is said not to exist")
        if wanted:
            # sorted, because servers shuffle them: the same answer always reads the same
            texts = tuple(sorted(_text(self._wire, rdtype, at, end) for _, rdtype, _, at, end in wanted))
            ttl = min(chain_ttl, *(record[2] for record in wanted))
            return DnsAnswer(DnsState.FOUND, texts, ttl, alias=name_text(name) if hops else "")
        if self._records and not hops and all(record[0] != name for record in self._records):
            return DnsAnswer(DnsState.MALFORMED, detail="only records of other names")
        elsewhere = (hops and not recursive) or (self._referral and not authoritative)
        if elsewhere and not nxdomain and self._soa is None:
            return DnsAnswer(DnsState.SERVFAIL, detail="the server points elsewhere; it is no resolver")
        ttl = 0
        if self._soa is not None and (name == self._soa[0] or name.endswith(self._soa[0])):
            ttl = min(self._soa[1], chain_ttl)
        return DnsAnswer(DnsState.NOT_FOUND, ttl=ttl, detail="no such name" if nxdomain else "no such record")

    def _follow(self) -> tuple[bytes, int, int]:
        """The name at the end of the aliases, the least time to live on the way, and the number of aliases."""
        name, ttl, hops = self._query.name, 1 << 31, 0
        if self._query.rdtype == _CNAME:
            return name, ttl, hops
        aliases = {owner: (life, at) for owner, rdtype, life, at, _ in self._records if rdtype == _CNAME}
        while name in aliases and hops <= MAX_CHAIN:
            life, at = aliases[name]
            name, _ = unpack_name(self._wire, at)
            ttl, hops = min(ttl, life), hops + 1
        return name, ttl, hops


def _text(wire: bytes, rdtype: int, at: int, end: int) -> str:
    """A record as text: addresses canonical, names without final dot, TXT strings joined, bytes as ISO-8859-1."""
    data = wire[at:end]
    if rdtype == _A and len(data) == 4:
        return socket.inet_ntoa(data)
    if rdtype == _AAAA and len(data) == 16:
        return socket.inet_ntop(socket.AF_INET6, data)
    if rdtype == _TXT:
        return _strings(data)
    if rdtype in (_PTR, _CNAME, _NS):
        return name_text(unpack_name(wire, at)[0])
    if rdtype == _MX and len(data) > 2:
        return f"{int.from_bytes(data[:2], 'big')} {name_text(unpack_name(wire, at + 2)[0])}"
    return _odd_text(wire, rdtype, at, end)


def _strings(data: bytes) -> str:
    joined, at = b"", 0
    while at < len(data):
        size = data[at]
        if at + 1 + size > len(data):
            raise MalformedError("a text is longer than its record")
        joined += data[at + 1 : at + 1 + size]
        at += 1 + size
    return joined.decode("latin-1")


def _odd_text(wire: bytes, rdtype: int, at: int, end: int) -> str:
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    try:
        kind = dns.rdatatype.RdataType.make(rdtype)
        return dns.rdata.from_wire(dns.rdataclass.IN, kind, wire, at, end - at).to_text()
    except Exception as error:
        raise MalformedError(f"a record cannot be read: {error}") from None

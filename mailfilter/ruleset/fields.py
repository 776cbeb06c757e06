"""What header rules look at: fields of a mail and what is made of several, each by the name that rules give it.

A *target* is a name with modifiers (``"From:addr"``).  `reader` takes it apart once; what it gives then only reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from .headertext import MAX_VALUE, raw_lines, shown_name

if TYPE_CHECKING:
    from .facts import Facts

Reader = Callable[["Facts"], Sequence[str]]
"""The values of a target in one mail, most with their line ends."""

_IP = re.compile(r"(?<![.\d])(?:\d{1,3}\.){3}\d{1,3}(?![.\d])|(?<![\w:])[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]{2,38}")
_HOST = re.compile(r"[a-z0-9][a-z0-9._-]{0,250}\.[a-z][a-z0-9-]+", re.I)
_FOLD = re.compile(r"\r?\n\s+")


@lru_cache(4096)
def reader(target: str) -> tuple[str, Reader]:
    """The field (in lower case) without which there is no ``target``, ``""`` for what is no field; what reads it."""
    name, *modifiers = target.split(":")
    low = name.lower()
    if target in WHOLE:
        return "", WHOLE[target]
    return "" if is_special(target) else low, _reader(name, low, modifiers)


def _reader(name: str, low: str, modifiers: list[str]) -> Reader:
    address, raw = "addr" in modifiers, "raw" in modifiers
    parsed = address or "name" in modifiers
    read = _source(name, low, raw, parsed)
    if "first" in modifiers or "last" in modifiers:
        read = _end(read, "first" in modifiers)
    if parsed:
        read = _mailboxes(read, address, raw)
    for modifier in modifiers:
        if modifier in ("host", "domain", "ip", "revip"):
            read = _reduced(read, modifier, parsed)
    return read


def _source(name: str, low: str, raw: bool, parsed: bool) -> Reader:
    """The values themselves; addresses are taken out of fields as they stand."""
    special = SPECIAL.get(name) or SPECIAL.get(low)
    if special is not None:
        return special[raw]
    if raw or parsed:
        return lambda facts: [as_written(latin1) for latin1 in facts.index.get(low, ())]
    return lambda facts: facts.fields.values.get(low, ())


def as_written(latin1: str) -> str:
    """A field's value with its folds, and its line end."""
    text = latin1 if len(latin1) <= MAX_VALUE else latin1[:MAX_VALUE]
    return (text.replace("\r\n", "\n") if "\r" in text else text) + "\n"


def _end(read: Reader, first: bool) -> Reader:
    return (lambda facts: read(facts)[:1]) if first else (lambda facts: read(facts)[-1:])


def _mailboxes(read: Reader, address: bool, raw: bool) -> Reader:
    """The addresses or the names within values."""

    def found(facts: Facts) -> Sequence[str]:
        values = read(facts)
        if not values:
            return values
        boxes = [box for value in values for box in facts.mailboxes(value)]
        if address:
            return [box.address for box in boxes if box.address is not None]
        names = [box.name for box in boxes if box.name is not None]
        return names if raw else [shown_name(name) for name in names]

    return found


def _reduced(read: Reader, modifier: str, parsed: bool) -> Reader:
    """The first host, its domain, or the first address within each value."""
    reduce = _address if modifier in ("ip", "revip") else _host_of_address if parsed else _host

    def found(facts: Facts) -> Sequence[str]:
        texts = [reduce(facts, value) for value in read(facts)]
        if modifier == "domain":
            texts = [facts.finder.registered(text) for text in texts]
        elif modifier == "revip":
            texts = [text if ":" in text else ".".join(reversed(text.split("."))) for text in texts]
        return [text for text in texts if text]

    return found


def _address(facts: Facts, value: str) -> str:
    return first_ip(value)


def first_ip(text: str) -> str:
    """The first IP address in a text, ``""`` if there is none."""
    found = _IP.search(text)
    return found[0] if found else ""


def _host_of_address(facts: Facts, value: str) -> str:
    return value.rpartition("@")[2].strip() if "@" in value else ""


def _host(facts: Facts, value: str) -> str:
    after = value.rpartition("@")[2] if "@" in value else value
    hosts = (match[0] for match in _HOST.finditer(after))
    return next((host for host in hosts if facts.finder.is_domain(host)), "")


def _lines(facts: Facts) -> Sequence[str]:
    return facts.fields.lines()


def _raw_lines(facts: Facts) -> Sequence[str]:
    block = facts.message.root.block
    return raw_lines(block.written, block.raws)


def _first_untrusted(facts: Facts) -> int:
    """Number of the first Received field, among all fields, that cannot be trusted; of none, how many there are."""
    at, names = -1, facts.message.root.block.names
    try:
        for _ in range(facts.relays.first_untrusted + 1):
            at = names.index("received", at + 1)
    except ValueError:
        return len(names)
    return at


def _trusted(lines: Reader) -> Reader:
    """Everything down to the first Received field that cannot be trusted, that one included."""
    return lambda facts: lines(facts)[: _first_untrusted(facts) + 1]


def _untrusted(lines: Reader) -> Reader:
    """Everything from the first Received field on that cannot be trusted."""
    return lambda facts: lines(facts)[_first_untrusted(facts) :]


def _untrusted_text(facts: Facts) -> Sequence[str]:
    fields, first = facts.fields, _first_untrusted(facts)
    if first >= len(fields.ends):
        return ()
    return (fields.text[fields.ends[first - 1] if first else 0 :],)


def _several(*names: str) -> tuple[Reader, Reader]:
    def decoded(facts: Facts) -> Sequence[str]:
        return [value for name in names for value in facts.fields.values.get(name, ())]

    def raw(facts: Facts) -> Sequence[str]:
        values = [_FOLD.sub(" ", latin1) + "\n" for name in names for latin1 in facts.index.get(name, ())]
        return [value for value in values if value != "\n"]

    return decoded, raw


def _envelope_from(facts: Facts) -> Sequence[str]:
    return facts.sender


def sender_of(facts: Facts) -> list[str]:
    """The envelope's sender; without an envelope what the mail says of it, if it can be believed."""
    envelope = facts.envelope
    if envelope is not None and envelope.mail_from is not None:
        return [envelope.mail_from]
    hops = facts.relays
    hop = hops.untrusted[0] if hops.untrusted else hops.trusted[-1] if hops.trusted else None
    if hop is not None and hop.envfrom is not None and (hop.envfrom == "" or hop.envfrom.find("@") > 0):
        return [hop.envfrom]
    index = facts.index
    fetched = "x-sender" in index and "(fetchmail" in (facts.field("Received") or "")
    if fetched and "@" in (facts.field("X-Sender:first:addr") or ""):
        return []
    for name in ("x-envelope-from", "envelope-sender", "return-path"):
        values = reader(f"{name}:first:addr")[1](facts) if name in index else ()
        if values:
            names = facts.message.root.block.names
            if "received" not in names[: names.index(name)]:
                return list(values[:1])
            if name == "x-envelope-from":
                return []
    return []


def _both(read: Reader) -> tuple[Reader, Reader]:
    return read, read


SPECIAL: dict[str, tuple[Reader, Reader]] = {
    "ALL": (_lines, _raw_lines),
    "ALL-TRUSTED": (_trusted(_lines), _trusted(_raw_lines)),
    "ALL-INTERNAL": (_trusted(_lines), _trusted(_raw_lines)),
    "ALL-UNTRUSTED": (_untrusted(_lines), _untrusted(_raw_lines)),
    "ALL-EXTERNAL": (_untrusted(_lines), _untrusted(_raw_lines)),
    "tocc": _several("to", "cc"),
    "MESSAGEID": _several("x-message-id", "resent-message-id", "x-original-message-id", "message-id"),
    "envelopefrom": _both(_envelope_from),
    "x-spam-relays-untrusted": _both(lambda facts: [facts.untrusted_text]),
    "x-spam-relays-external": _both(lambda facts: [facts.external_text]),
    "x-spam-relays-trusted": _both(lambda facts: [facts.relays.trusted_text()]),
    "x-spam-relays-internal": _both(lambda facts: [facts.relays.internal_text()]),
}
"""Names that are no field: what reads their values, decoded and raw."""


WHOLE: dict[str, Reader] = {
    "ALL": lambda facts: (facts.fields.text,) if facts.fields.text else (),
    "ALL:raw": lambda facts: (facts.fields.raw_text,) if facts.fields.raw_text else (),
    "ALL-UNTRUSTED": _untrusted_text,
    "ALL-EXTERNAL": _untrusted_text,
}
"""The same where all lines together are wanted, which are there in one piece."""


def is_special(target: str) -> bool:
    """Whether a target is no field of the mail but made of several, or of other facts."""
    name = target.partition(":")[0]
    return name in SPECIAL or name.lower() in SPECIAL

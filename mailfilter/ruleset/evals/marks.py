"""Functions about marks that programs and services leave in headers, and about how recipients are named."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ..facts import Facts
from ._common import Query, flag, limit
from .headers import gated

_FEW, _HEAD = 5, 2
"""Recipients from which on they are compared, and characters of them that are."""
MAX_RECIPIENTS = 256


def similarity(facts: Facts) -> float:
    """Of all pairs of recipients the share of those that begin alike, and of those at hosts that do but are not one."""
    every = (facts.field("ToCc:addr") or "").split()
    if len(every) < _FEW:
        every += (facts.field("Bcc:addr") or "").split()
    boxes = [box for box, last in zip(every, ["", *every], strict=False) if box.lower() != last.lower()]
    boxes = boxes[:MAX_RECIPIENTS]
    if len(boxes) < _FEW:
        return 0.0
    hosts = [box.partition("@")[2] for box in boxes]
    alike = _pairs(box[:_HEAD] for box in boxes) + _pairs(host[:_HEAD] for host in hosts) - _pairs(hosts)
    return alike / (len(boxes) * (len(boxes) - 1) / 2)


def _pairs(words: Any) -> int:
    """Pairs of equal words."""
    return sum(times * (times - 1) // 2 for times in Counter(words).values())


def _within(arguments: Sequence[str]) -> Callable[[float], bool]:
    low, high = limit(arguments[0], float("-inf")), limit(arguments[1], float("inf"))
    return lambda share: low <= share < high


def addressed(facts: Facts) -> tuple[str, str] | None:
    """The first recipient's address and the subject, `None` where one is missing or the one is not in the other."""
    address = first(facts, "To:addr")
    subject = facts.field("Subject") or ""
    return (address, subject) if address and address.partition("@")[0].lower() in subject.lower() else None


def _in_subject(arguments: Sequence[str]) -> Callable[[tuple[str, str]], bool]:
    """``address``: the whole address; ``user``: its local part as a greeting, or as all there is."""
    if arguments[0] == "address":
        return lambda found: bool(re.search(rf"\b{re.escape(found[0])}\b", found[1], re.I))
    if arguments[0] != "user":
        return lambda found: False

    def named(found: tuple[str, str]) -> bool:
        user = re.escape(found[0].partition("@")[0])
        greeting = rf"(?:re|fw):\s*(?:\w+\s+)?{user}$|(?-i:{user})\s*[,:;!?-](?:$|\s)|{user}$|,\s*{user}[,:;!?-]$"
        return bool(re.match(f"(?:{greeting})", found[1], re.I))

    return named


def first(facts: Facts, target: str) -> str:
    """The first value of a field, ``""`` if there is none."""
    return (facts.field(target) or "").partition("\n")[0]


_NAMED_ID = re.compile(r"<[A-Z]{28}\.([^>]+?)>")


def _named_id(facts: Facts) -> bool:
    """28 capitals and the From address make up the Message-ID, and From has a quoted name."""
    match = _NAMED_ID.search(facts.field("MESSAGEID") or "")
    if not match:
        return False
    return bool(re.search(rf'"[^"]+"\s*<{re.escape(match[1])}>', facts.field("From") or ""))


_GMAIL_HOP = re.compile(r"by (?:10\.\S+|2002:a\d\d:\w+:\S+) with SMTP id \S")
_GMAIL_RELAY = re.compile(r"by smtp\.googlemail\.com with ESMTPSA id \S")
_GMAIL_SIGN = 60


def _forged_gmail(facts: Facts) -> bool:
    """From Gmail without what Gmail leaves: an inner hop, or its two long notes."""
    if not re.search(r"\bgmail\.com\Z", first(facts, "From:addr"), re.I):
        return False
    if _GMAIL_HOP.search(facts.field("X-Received") or "") or _GMAIL_RELAY.search(facts.field("Received") or ""):
        return False
    notes = (facts.field("X-Gm-Message-State") or "", facts.field("X-Google-Smtp-Source") or "")
    return any(len(note) < _GMAIL_SIGN for note in notes)


_ADDRESS = r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{2,38})"
_BY_ADDRESS = re.compile(
    r"from (?:\S*\.)?hotmail.com \(\S+\.hotmail(?:\.msn)?\.com[ )]"
    rf"|from \S*\.hotmail.com \(\[{_ADDRESS}\][ ):]"
    r"|from \S+ by \S+\.hotmail(?:\.msn)?\.com with HTTP;"
    r"|from \[66.218.\S+\] by \S+\.yahoo\.com"
)
_BY_TENANT = re.compile(
    r"from \S*\.outbound\.protection\.outlook\.com \(\S+\.outbound\.protection\.outlook\.com[ )]"
    rf"|from \S*\.(?:eur|nam)prd\d+\.prod\.outlook\.com \({_ADDRESS}\)"
)
_PICKUP = "from mail pickup service by hotmail.com with Microsoft SMTPSVC;"
_GREETED = re.compile(r"(?:from |HELO |helo=)\S*hotmail\.com\b")


def hotmail(facts: Facts) -> str:
    """``forged``: a host greeted as Hotmail's and left none of its marks; ``absent``: From alone says Hotmail."""
    received = facts.field("Received") or ""
    greeted = "hotmail.com" in received
    sender = first(facts, "From:addr").lower()
    if not greeted and not sender.endswith("hotmail.com"):
        return ""
    received = re.sub(r"\s+", " ", received)
    if _PICKUP in received or _to_msn_group(facts, received) or gated(facts):
        return ""
    if re.search(_ADDRESS, facts.field("X-Originating-Ip") or "") and _BY_ADDRESS.search(received):
        return ""
    tenant = re.search(r"hotmail\.com|msonline-outlook", facts.field("X-OriginatorOrg") or "")
    if tenant and _BY_TENANT.search(received):
        return ""
    if _GREETED.search(received):
        return "forged"
    return "absent" if re.search(r"\bhotmail\.com\Z", sender) else ""


def _to_msn_group(facts: Facts, received: str) -> bool:
    """Hotmail hands mail to MSN's groups without a hop."""
    pickup = re.search(r"from mail pickup service by p\d\d\.groups\.msn\.com\b", received)
    return bool(pickup and re.search(r"<\S+@groups\.msn\.com>", facts.field("To") or "", re.I))


_AOL_HOST = re.compile(r" rly-[a-z][a-z]\d\d\.", re.I)
_AOL_MARKS = re.compile(r"/AOL-\d+\.\d+\.\d+\)|ESMTP id (?:RELAY|MAILRELAY|MAILIN)")


def _fake_aol(facts: Facts) -> bool:
    """A host is named as AOL's relays were, and no hop bears the marks of their software."""
    received = facts.field("Received") or ""
    if "rly-" not in received.lower():
        return False
    received = re.sub(r"\s+", " ", received)
    return bool(_AOL_HOST.search(received)) and not _AOL_MARKS.search(received)


_JUNO_STEPS = (
    re.compile("from"), re.compile(r"\b(?:juno|untd)\.com"), re.compile(rf"[\[(]{_ADDRESS}[\])]"), re.compile("by"),
)  # fmt: skip
_JUNO_COOKIE = re.compile(r" cookie\.(?:juno|untd)\.com ")


def _forged_juno(facts: Facts) -> bool:
    """From Juno without what Juno leaves: where the mail was written, a hop of its own and its program's name."""
    if not re.search(r"\bjuno\.com\Z", first(facts, "From:addr"), re.I) or gated(facts):
        return False
    if not facts.field("X-Originating-IP"):
        return True
    received = facts.field("Received") or ""
    hop = _JUNO_COOKIE.search(received) or any(_in_order(line, _JUNO_STEPS) for line in received.split("\n"))
    return not hop or "Juno " not in (facts.field("X-Mailer") or "")


def _in_order(line: str, steps: Sequence[re.Pattern[str]]) -> bool:
    """Whether a line holds one after the other."""
    at = 0
    for step in steps:
        match = step.search(line, at)
        if match is None:
            return False
        at = match.end()
    return True


FUNCTIONS: dict[str, Query[Any]] = {
    "check_for_fake_aol_relay_in_rcvd": flag(_fake_aol),
    "check_for_forged_gmail_received_headers": flag(_forged_gmail),
    "check_for_forged_hotmail_received_headers": Query(hotmail, lambda arguments: "forged".__eq__),
    "check_for_forged_juno_received_headers": flag(_forged_juno),
    "check_for_no_hotmail_received_headers": Query(hotmail, lambda arguments: "absent".__eq__),
    "check_for_to_in_subject": Query(addressed, _in_subject),
    "check_ratware_name_id": flag(_named_id),
    "similar_recipients": Query(similarity, _within),
}
"""Name in rule files → what it asks."""

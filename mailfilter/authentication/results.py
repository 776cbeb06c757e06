"""What was found out, as an Authentication-Results field tells it (RFC 8601)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .dkim import DkimAnswer
from .dmarc import DmarcResult
from .evaluation import Authentication
from .outcome import Outcome
from .spf import SpfAnswer

_TOKEN = re.compile(r"[A-Za-z0-9._@+/=-]{1,253}")
_NOT_QUOTED = re.compile(r"[^!#-\[\]-~]")


def results(found: Authentication) -> str:
    """The methods with their results and properties, without the name of the host that looked."""
    parts = [_spf(found.mail_from, "mailfrom"), _spf(found.helo, "helo")]
    for answer in found.dkim:
        parts.append(_dkim(answer))
    if not found.dkim:
        parts.append("dkim=none")
    if found.arc.outcome is not Outcome.NONE:
        parts.append(f"arc={found.arc.outcome.value}")
    for judged in found.dmarc:
        policy = f" policy.dmarc={judged.policy.value}" if judged.result is DmarcResult.FAIL else ""
        parts.append(f"dmarc={judged.result.value}{policy} header.from={value(judged.domain)}")
    return "; ".join(part for part in parts if part)


def _spf(answer: SpfAnswer | None, identity: str) -> str:
    return f"spf={answer.result.value} smtp.{identity}={value(answer.domain)}" if answer else ""


def _dkim(answer: DkimAnswer) -> str:
    reason = f" reason={value(answer.reason.replace(' ', '-'))}" if answer.reason else ""
    who = f"header.d={value(answer.domain)} header.s={value(answer.selector)}"
    return f"dkim={answer.outcome.value}{reason} {who}"


def value(text: str) -> str:
    """A property's value: as it is, or as a quoted string that cannot end before its time."""
    if _TOKEN.fullmatch(text):
        return text
    return '"' + _NOT_QUOTED.sub("?", text[:120]) + '"'


def dmarc_passed(seen: str) -> bool:
    """Whether an ARC-Authentication-Results value says that DMARC passed; what stands in comments does not count."""
    return any(part.split()[:1] == ["dmarc=pass"] for part in _without_comments(seen).lower().split(";"))


def _without_comments(text: str) -> str:
    kept, depth = [], 0
    for piece in re.split(r"([()])", text):
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth = max(0, depth - 1)
        elif not depth:
            kept.append(piece)
    return " ".join(kept)


@dataclass(frozen=True, slots=True)
class Proved:
    """The domains that a mail is proved to be of: MAIL FROM's by SPF, signers' by DKIM, those of From by DMARC."""

    spf: frozenset[str] = frozenset()
    dkim: frozenset[str] = frozenset()
    dmarc: frozenset[str] = frozenset()


_PASSED = re.compile(
    r"(spf)=pass smtp\.mailfrom=([^ ;\"]+)"
    r"|(dkim)=pass header\.d=([^ ;\"]+) header\.s=[^ ]*"
    r"|(dmarc)=pass header\.from=([^ ;\"]+)"
)


def proved(said: str) -> Proved:
    """Read what `results` wrote.  A domain that could not be written as it is, is not proved.

    A quoted value holds no space, so nothing that a sender has written can end a part and begin another.
    """
    found: dict[str, set[str]] = {"spf": set(), "dkim": set(), "dmarc": set()}
    for part in said.split("; "):
        passed = _PASSED.fullmatch(part)
        if passed and passed.lastindex:
            found[passed[passed.lastindex - 1]].add(passed[passed.lastindex].lower())
    return Proved(*(frozenset(domains) for domains in found.values()))

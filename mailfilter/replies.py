"""What a sender is told: the SMTP reply (RFC 5321) with enhanced status code (RFC 3463), a sentence and a reason id.

A reply never quotes the mail, so nothing from a sender reaches the line.  Its end, ``(MF-SPAM 0123456789abcdef)``, is
for those who are asked about it: the code says why and never changes its meaning, the id finds the mail in our logs.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from .decision import Action, Reason

if TYPE_CHECKING:
    from .verdict import Verdict

PLACES = ("score", "seconds", "code", "id")
"""What is filled into texts of a site's own."""
_LONGEST = 200
"""Characters of such a text: with all else a reply stays below the 512 octets of RFC 5321."""


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """Reply code (RFC 5321), enhanced status code (RFC 3463) and text; ``str()`` gives the line."""

    code: int
    enhanced: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}"


@dataclass(frozen=True, slots=True)
class ReplyTexts:
    """Sentences in place of ours by action, and whom a refused sender can ask; empty ones leave ours."""

    contact: str = ""
    accept: str = ""
    greylist: str = ""
    quarantine: str = ""
    bounce: str = ""

    def faults(self) -> Iterator[str]:
        """What is wrong with them, a line each."""
        for item in fields(self):
            text = getattr(self, item.name)
            if not (text.isascii() and text.isprintable()) or len(text) > _LONGEST:
                yield f"replies.{item.name}: one line of at most {_LONGEST} printable ASCII characters is expected"
            elif item.name != "contact":
                yield from (f"replies.{item.name}: {fault}" for fault in _template_faults(text))


def _template_faults(text: str) -> Iterator[str]:
    known = ", ".join(f"{{{name}}}" for name in PLACES)
    try:
        for _, name, form, conversion in string.Formatter().parse(text):
            if name is not None and (name not in PLACES or form or conversion):
                yield f'"{{{name}}}" is not filled in; there are {known}'
    except ValueError as error:
        yield f"cannot be filled in: {error}; there are {known}"


_REFUSED = {
    Reason.MALWARE: (554, "MF-VIRUS", "Refused: a virus scanner found malware in this mail"),
    Reason.NOT_KNOWN: (554, "MF-UNEXAMINED", "Refused: this mail could not be examined"),
    Reason.NOT_WANTED: (554, "MF-CONTENT", "Refused: this mail holds what is not accepted here"),
    Reason.DENIED: (550, "MF-DENIED", "Refused: mail from this sender is not accepted here"),
    Reason.OVER_LIMIT: (550, "MF-LIMIT", "Refused: more mail has come than may pass"),
    Reason.NOT_DELIVERED: (550, "MF-NEXT-HOP", "Refused by the next server"),
}
_SPAM = (550, "MF-SPAM", "Refused as spam, score {score}")
_FOR_NOW = {
    Reason.NOT_KNOWN: ("4.7.1", "MF-UNEXAMINED", "This mail cannot be examined now, please try again later"),
    Reason.OVER_LIMIT: ("4.7.1", "MF-LIMIT", "More mail has come than may pass now, please try again later"),
    Reason.NOT_STORED: ("4.3.0", "MF-STORE", "This mail cannot be stored now, please try again later"),
    Reason.NOT_DELIVERED: ("4.4.0", "MF-NEXT-HOP", "This mail cannot be handed on now, please try again later"),
}


def reason_code(action: Action, reason: Reason) -> str:
    """The stable code of why a mail got its action, such as ``MF-SPAM``."""
    return _wording(action, reason, 0, False)[2]


def smtp_reply(verdict: Verdict, action: Action | None = None, reason: Reason | None = None) -> SmtpReply:
    """The reply to the end of DATA; with ``action`` and ``reason``, to one recipient whose own they are (LMTP)."""
    action = verdict.action if action is None else action
    reason = verdict.reason if reason is None else reason
    status, enhanced, code, sentence = _wording(action, reason, verdict.wait, bool(verdict.removed))
    texts = verdict.texts
    own: str = texts.accept if action is Action.DELETE else getattr(texts, action.value)
    filled = (own or sentence).format(
        score=f"{verdict.score:.1f}", seconds=verdict.wait, code=code, id=verdict.mail_id
    )
    contact = f". Questions: {texts.contact}" if texts.contact and status >= 400 else ""
    return SmtpReply(status, enhanced, f"{filled}{contact} ({code} {verdict.mail_id})")


def _wording(action: Action, reason: Reason, wait: int, disarmed: bool) -> tuple[int, str, str, str]:
    """Status, enhanced status, reason code and our sentence.  A deleted mail is answered as one that is taken."""
    if action is Action.BOUNCE:
        status, code, sentence = _REFUSED.get(reason, _SPAM)
        return status, "5.7.1", code, sentence
    if action is Action.GREYLIST:
        again = "in {seconds} seconds" if wait else "later"
        ours = ("4.7.1", "MF-GREYLIST", f"Greylisted, please try again {again}")
        return (451, *_FOR_NOW.get(reason, ours))
    if disarmed:
        return 250, "2.0.0", "MF-DISARMED", "Accepted without parts that are not accepted here"
    if action is Action.QUARANTINE:
        return 250, "2.0.0", "MF-HELD", "Accepted and held for review"
    return 250, "2.0.0", "MF-ACCEPTED", "Accepted"

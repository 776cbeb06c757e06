"""Who claims to have sent the mail, and what does not fit that claim.

Nothing here is proof of a sender (that is SPF, DKIM and DMARC); these are contradictions between what the reader of
the mail is shown and what stands beneath it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from ..envelope import Envelope
from ..message import Address, Message
from ..symbols import Findings, Symbol, declared_by
from . import Mail
from ._hosts import FREEMAIL, brand_in, disguise, domain_of, may_name_brand, registered_domain
from ._text import mixed_word, quote

LONGEST = 300
"""Characters of a display name or subject that are looked at."""
FEW = 5
"""Recipients that are looked at."""

_ADDRESS_IN_NAME = re.compile(r"[\w.+-]{1,64}@([\w-]{1,63}(?:\.[\w-]{1,63}){1,8})")
_NOTICE = re.compile(r"microsoft outlook|microsoft exchange|postmaster|mailer-daemon|mail delivery", re.IGNORECASE)

_SENT_BY_OTHERS = ("list-id", "list-post", "list-unsubscribe", "mailing-list", "x-mailing-list", "precedence", "sender")
"""Headers by which a mail says that another than its author sent it."""


class _Sender:
    """Addresses of the mail, computed once for all rules."""

    __slots__ = ("address", "display", "domain", "envelope", "message", "org")

    def __init__(self, message: Message, envelope: Envelope) -> None:
        self.message = message
        self.envelope = envelope
        display, address = found[0] if (found := message.addresses("from")) else ("", "")
        self.address, self.display = address.lower(), display[:LONGEST]
        self.domain = domain_of(self.address)
        self.org = registered_domain(self.domain)


def _invalid(sender: _Sender) -> Symbol | None:
    if "." in sender.domain.strip(".") and not sender.address.startswith("@"):
        return None
    text = sender.message.header("from")
    return Symbol("FROM_INVALID", evidence=f"no usable address in {quote(text)}") if text.strip() else None


def _other_address(sender: _Sender) -> Symbol | None:
    """`"service@bank.example" <x@elsewhere.example>`: most phones show the name only."""
    if "@" not in sender.display or not sender.domain:
        return None
    shown = _ADDRESS_IN_NAME.search(sender.display)
    if not shown or registered_domain(shown[1].lower()) == sender.org:
        return None
    evidence = f"name shows {quote(shown[0])}, address is at {quote(sender.domain)}"
    return Symbol("FROM_NAME_OTHER_ADDRESS", evidence=evidence)


def _brand(sender: _Sender) -> Symbol | None:
    if not sender.display or not sender.domain:
        return None
    brand = brand_in(sender.display.lower(), sender.org)
    if not brand or _NOTICE.search(sender.display):
        return None
    return Symbol("FROM_NAME_BRAND", evidence=f"name says {brand}, address is at {quote(sender.domain)}")


def _recipients_domain(sender: _Sender) -> Symbol | None:
    """`example.org support <x@elsewhere.example>` to somebody at example.org: the help desk that is none."""
    if "." not in sender.display or not sender.domain:
        return None
    name = sender.display.lower()
    for domain in {registered_domain(domain_of(to)): None for to in _recipients(sender)}:
        if "." in domain and domain in name and domain != sender.org:
            evidence = f"name shows the recipient's {quote(domain)}, address is at {quote(sender.domain)}"
            return Symbol("FROM_NAME_RECIPIENT_DOMAIN", evidence=evidence)
    return None


def _recipient_in_subject(sender: _Sender) -> Symbol | None:
    """A machine that knows an address and no name writes the address."""
    subject = sender.message.subject
    if "@" not in subject:
        return None
    subject = subject[:LONGEST].lower()
    for to in _recipients(sender):
        if domain_of(to) and to in subject and registered_domain(domain_of(to)) != sender.org:
            return Symbol("SUBJECT_NAMES_RECIPIENT", evidence=f"the subject holds the recipient's address {quote(to)}")
    return None


def _recipients(sender: _Sender) -> list[str]:
    """The first addresses of To and of the envelope, lower case."""
    shown = [to.address for to in sender.message.addresses("to")[:FEW]]
    return [address.lower() for address in (*shown, *sender.envelope.rcpt_to[:FEW])]


def _lookalike(sender: _Sender) -> Symbol | None:
    if label := disguise(sender.domain):
        evidence = f"{quote(label)} in {quote(sender.domain)} passes for Latin letters"
        return Symbol("FROM_DOMAIN_LOOKALIKE", evidence=evidence)
    return None


def _mixed_name(sender: _Sender) -> Symbol | None:
    if word := mixed_word(sender.display):
        return Symbol("FROM_NAME_MIXED_SCRIPT", evidence=f"{quote(word)} mixes alphabets that look alike")
    return None


def _reply_to(sender: _Sender) -> Symbol | None:
    """Answers go to a mailbox that anybody can open, not to where the mail says that it is from."""
    for reply in sender.message.addresses("reply-to"):
        domain = domain_of(reply.address)
        if domain in FREEMAIL and sender.domain and domain != sender.domain and not _same_local(reply, sender):
            return Symbol("REPLYTO_FREEMAIL", evidence=f"Reply-To at {quote(domain)}, From at {quote(sender.domain)}")
    return None


def _same_local(reply: Address, sender: _Sender) -> bool:
    """A person who writes from work and wants the answer at home keeps the name before the @."""
    return reply.address.partition("@")[0].lower() == sender.address.partition("@")[0]


def _bulk_freemail(sender: _Sender) -> Symbol | None:
    if sender.domain not in FREEMAIL:
        return None
    message = sender.message
    if message.header("list-id") or message.header("list-post"):
        return None
    if message.header("list-unsubscribe"):
        return Symbol("FREEMAIL_BULK", evidence=f"List-Unsubscribe in a mail from {quote(sender.domain)}")
    if message.header("precedence").strip().lower() in ("bulk", "junk"):
        return Symbol("FREEMAIL_BULK", evidence=f"Precedence of bulk mail in a mail from {quote(sender.domain)}")
    return None


def _from_is_to(sender: _Sender) -> Symbol | None:
    if not sender.domain or sender.address not in sender.message.header("to").lower():
        return None
    to = sender.message.addresses("to")
    if len(to) == 1 and to[0].address.lower() == sender.address:
        return Symbol("FROM_IS_TO", evidence="the mail claims to come from its recipient")
    return None


def _envelope_differs(sender: _Sender) -> Symbol | None:
    """Lists and senders of newsletters have an envelope of their own by right; others seldom do."""
    domain = domain_of(sender.envelope.mail_from or "")
    if not domain or not sender.domain or registered_domain(domain) == sender.org:
        return None
    if any(sender.message.header(name) for name in _SENT_BY_OTHERS):
        return None
    return Symbol("ENVELOPE_FROM_DIFFERS", evidence=f"MAIL FROM at {quote(domain)}, From at {quote(sender.domain)}")


_Rule = Callable[[_Sender], Symbol | None]
_RULES: tuple[_Rule, ...] = (
    _invalid, _other_address, _brand, _recipients_domain, _recipient_in_subject, _lookalike, _mixed_name, _reply_to,
    _bulk_freemail, _from_is_to, _envelope_differs,
)  # fmt: skip


def _suspected(sender: _Sender) -> Iterator[_Rule]:
    """The rules that may find something, in the order of `_RULES`: what each needs, as quickly as it can be seen."""
    address, display, domain = sender.address, sender.display, sender.domain
    if "." not in domain.strip(".") or address[0] == "@":
        yield _invalid
    if domain and display:
        if "@" in display:
            yield _other_address
        if may_name_brand(display):
            yield _brand
        if "." in display:
            yield _recipients_domain
    if "@" in sender.message.subject:
        yield _recipient_in_subject
    if "xn--" in domain or not domain.isascii():
        yield _lookalike
    if not display.isascii():
        yield _mixed_name
    block = sender.message.root.block
    if "reply-to" in block.by_name:
        yield _reply_to
    if domain in FREEMAIL:
        yield _bulk_freemail
    if domain and (not block.plain or ((to := block.values("to")) and ("\n" in to[0] or address in to[0].lower()))):
        yield _from_is_to
    if sender.envelope.mail_from:
        yield _envelope_differs


class SenderCheck:
    """Contradictions between the names, addresses and domains that a mail gives as its sender's."""

    name = "sender"
    symbols = declared_by("sender")

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail, in order."""
        return [find(mail) for mail in mails]


def find(mail: Mail) -> Findings:
    """What `SenderCheck` finds in one mail."""
    sender = _Sender(mail.message, mail.envelope)
    return tuple([symbol for rule in _suspected(sender) if (symbol := rule(sender)) is not None])

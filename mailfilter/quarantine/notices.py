"""Telling recipients what is held for them: one mail each, plain text and HTML, with links that release.

What a sender wrote (name, subject) is shown as text only, escaped, on one line, isolated from the direction of the
rest, and its addresses of pages are broken so that no program makes links of them.  Nothing is fetched from anywhere.
Malware has no link: a recipient cannot release it.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from importlib import resources
from string import Template
from typing import NamedTuple

from ..envelope import Envelope
from ..errors import SettingError, StoreError
from ..stores.index import Query
from .entry import Held
from .states import State
from .store import DAY, Deliver, Quarantine

_log = logging.getLogger("mailfilter.quarantine")
LONGEST = 100
"""Mails listed in one notice; what is beyond is in the next one."""
_SHOWN = 120
_ADDRESS = re.compile(r"[^\s<>()\[\]\\,;:\"@]{1,64}@[A-Za-z0-9.-]{1,253}")
_REASONS = {
    "score": "it looks like spam",
    "malware": "it holds malware",
    "denied": "its sender is not let in here",
    "not_known": "it could not be examined",
    "not_wanted": "it holds what is not accepted here",
}


@dataclass(frozen=True, slots=True)
class Notices:
    """How notices are made.

    ``postmaster``  our address in From, who can be asked, and who is told of mail that has no recipients of ours.
    ``link``  what a token is appended to, for example ``https://mail.example/release?token=``; ``""`` for no links.
    The page must release only once a person pressed a button there: programs follow links too (`Quarantine.redeem`).

    Raises `SettingError` where one of them is not of its kind.
    """

    postmaster: str
    link: str = ""

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.postmaster):
            raise SettingError("quarantine", (f"postmaster: an address is expected, got {self.postmaster!r}",))
        if self.link and not (self.link.startswith(("https://", "http://")) and self.link.isprintable()):
            raise SettingError("quarantine", (f"link: the beginning of an https address is expected: {self.link!r}",))


class Sent(NamedTuple):
    """Notices that went out, mails that they list, and addresses for which it failed."""

    notices: int
    mails: int
    failed: tuple[str, ...]


class _Item(NamedTuple):
    """One mail as a notice shows it; all plain text."""

    author: str
    subject: str
    when: str
    why: str
    receipt: str
    link: str


def send(quarantine: Quarantine, notices: Notices, deliver: Deliver, limit: int = LONGEST) -> Sent:
    """Tell everybody of what is held for them and was not told yet, in as few mails as may be.

    A mail counts as noticed for a recipient once ``deliver`` has taken the notice; what it refuses is tried the
    next time, and is not going to expire.
    """
    sent, mails, failed = 0, 0, []
    for address in quarantine.index.to_notice():
        while entries := _due(quarantine, address, limit):
            raw = compose(quarantine, notices, address, entries)
            envelope = Envelope(mail_from="", rcpt_to=[address or notices.postmaster], direction="internal")
            try:
                refused = list(deliver(envelope, raw))
            except StoreError as error:
                _log.error("no notice to %s: %s", address or notices.postmaster, error)
                refused = [address]
            if refused:
                failed.append(address or notices.postmaster)
                break
            quarantine.index.note_notice(address, [held.receipt for held in entries], quarantine.clock())
            sent, mails = sent + 1, mails + len(entries)
            if len(entries) < limit:
                break
    return Sent(sent, mails, tuple(failed))


def compose(quarantine: Quarantine, notices: Notices, address: str, entries: Sequence[Held]) -> bytes:
    """The notice for one recipient (``""``: the postmaster), as a mail with CRLF line ends."""
    now = datetime.fromtimestamp(quarantine.clock(), UTC)
    items = [_item(quarantine, notices, address, held) for held in entries]
    count = "1 mail is held" if len(items) == 1 else f"{len(items)} mails are held"
    to = address or notices.postmaster
    domain = notices.postmaster.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["From"] = f"Mail quarantine <{notices.postmaster}>"
    mail["To"] = to if _ADDRESS.fullmatch(to) and to.isascii() else "undisclosed-recipients:;"
    mail["Subject"] = f"{count} for you in the quarantine" if address else f"{count} for which nobody else is told"
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = make_msgid(domain=domain)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody answers this by a program
    mail["X-Auto-Response-Suppress"] = "All"
    days = f"{quarantine.keep / DAY:g}"
    mail.set_content(_plain(items, to, days, notices), cte="quoted-printable")
    mail.add_alternative(_html(items, to, days, notices), subtype="html", cte="quoted-printable")
    return mail.as_bytes()


def releasable(held: Held) -> bool:
    """Whether a recipient may release it: not malware, and nothing that somebody decided about already."""
    return held.reason != "malware" and held.state in (State.HELD, State.NOTICED) and not held.fault


def _due(quarantine: Quarantine, address: str, limit: int) -> list[Held]:
    query = Query(states=(State.HELD,), untold=address)
    found = []
    for held in quarantine.search(query):
        found.append(held)
        if len(found) == limit:
            break
    return found


def _item(quarantine: Quarantine, notices: Notices, address: str, held: Held) -> _Item:
    link = ""
    if notices.link and address and releasable(held):
        link = notices.link + quarantine.token(held.receipt, address)
    sender = held.author or held.envelope.mail_from or "nobody (a bounce)"
    when = datetime.fromtimestamp(held.stored, UTC).strftime("%d %b %Y, %H:%M UTC")
    why = _REASONS.get(held.reason, held.reason.replace("_", " ") or "unknown reason")
    return _Item(_shown(sender), _shown(held.subject) or "(no subject)", when, why, held.receipt, link)


def _shown(text: str) -> str:
    """What a sender wrote, harmless: one line of printable characters in which nothing looks like a link."""
    line = "".join(char if char.isprintable() else " " for char in text[:_SHOWN])
    line = line.replace("://", "[:]//").replace("www.", "www[.]").encode("utf-8", "replace").decode("utf-8")
    return " ".join(line.split()) + ("…" if len(text) > _SHOWN else "")


def _plain(items: Sequence[_Item], to: str, days: str, notices: Notices) -> str:
    lines = [f"Held in the quarantine for {_shown(to)}, and not delivered:", ""]
    for number, item in enumerate(items, 1):
        lines += [f"{number:>3}. {item.subject}", f"     from     {item.author}", f"     came     {item.when}"]
        lines += [f"     why      {item.why}", f"     receipt  {item.receipt}"]
        lines += [f"     release  {item.link}"] if item.link else []
        lines.append("")
    lines += _footer(days, notices, any(item.link for item in items))
    return "\n".join(lines) + "\n"


def _footer(days: str, notices: Notices, links: bool) -> list[str]:
    release = "Open the link of a mail to have it delivered. " if links else ""
    return [
        f"You need not do anything about mail that you do not want: it is removed {days} days after this notice.",
        f"{release}For what has no link, and for questions, ask {notices.postmaster} and name the receipt.",
    ]


def _html(items: Sequence[_Item], to: str, days: str, notices: Notices) -> str:
    """The same as a page: no script, no picture, nothing from elsewhere; every text escaped."""
    page, block, button = _templates()
    blocks = [
        block.substitute(
            {name: html.escape(value) for name, value in item._asdict().items()},
            button=button.substitute(link=html.escape(item.link)) if item.link else "",
        )
        for item in items
    ]
    footer = "".join(f"<p>{html.escape(line)}</p>" for line in _footer(days, notices, any(one.link for one in items)))
    return page.substitute(to=html.escape(_shown(to)), items="\n".join(blocks), footer=footer)


def _templates() -> tuple[Template, Template, Template]:
    text = resources.files(__package__).joinpath("notice.html").read_text(encoding="utf-8")
    page, block, button = text.split("<!-- cut -->\n")
    return Template(page), Template(block), Template(button)

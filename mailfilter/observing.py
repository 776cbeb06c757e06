"""What happened to each mail, for those who watch: one event a mail, with no text of the mail in it.

An event is a flat mapping that JSON can hold.  The logger ``mailfilter.events`` gets it as one line of JSON;
`mailfilter.metrics` counts it, `mailfilter stats` sums up files of such lines.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .replies import SmtpReply, reason_code

if TYPE_CHECKING:
    from .envelope import Envelope
    from .verdict import Verdict

events = logging.getLogger("mailfilter.events")
"""Its messages are lines of JSON and nothing else."""


def mail_event(
    verdict: Verdict,
    envelope: Envelope,
    size: int,
    seconds: Mapping[str, float],
    replies: Sequence[SmtpReply] = (),
    recipients: Mapping[str, int] | None = None,
    now: float | None = None,
) -> dict[str, Any]:
    """The event of a mail.

    ``size`` in octets; ``seconds`` by stage; ``replies`` as given, one or with LMTP one a recipient; ``recipients``
    numbers by what became of their copies.  Symbols stand with their points, without what they saw.
    """
    return {
        "event": "mail",
        "time": round(time.time() if now is None else now, 3),
        "mail_id": verdict.mail_id,
        "action": verdict.action.value,
        "reason": reason_code(verdict.action, verdict.reason),
        "settled_by": verdict.reason.name.lower(),
        "intended": verdict.intended.value if verdict.intended else "",
        "score": verdict.score,
        "probability": verdict.probability,
        "symbols": {symbol.name: symbol.points for symbol in verdict.symbols},
        "unknown": [symbol.name for symbol in verdict.unknown],
        "direction": envelope.direction,
        "client_ip": envelope.client_ip or "",
        "size": size,
        "recipients": dict(recipients) if recipients is not None else {"all": len(envelope.rcpt_to)},
        "replies": [f"{reply.code} {reply.enhanced}" for reply in replies],
        "wait": verdict.wait,
        "receipt": verdict.receipt,
        "seconds": {stage: round(spent, 6) for stage, spent in seconds.items()},
    }


def log_event(event: Mapping[str, Any]) -> None:
    """Log an event as one line of JSON, where somebody listens."""
    if events.isEnabledFor(logging.INFO):
        events.info("%s", json.dumps(event, ensure_ascii=True, separators=(",", ":")))


def log_to(path: str) -> logging.Handler:
    """Append events to a file, a line each; the file may be moved away by a log rotation.  Returns the handler."""
    from logging.handlers import WatchedFileHandler

    handler = WatchedFileHandler(path, encoding="ascii")
    handler.setFormatter(logging.Formatter("%(message)s"))
    events.addHandler(handler)
    events.setLevel(logging.INFO)
    return handler

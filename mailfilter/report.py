"""What the world is told beside the reply (`mailfilter.replies`): headers, and the explanation a person reads.

Header names are SpamAssassin's, so existing client rules and Sieve scripts work.  A sender can write them as
well, so every inbound header of the kind is to be removed before ours are added (`forged`, `rewrite`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .decision import Reason
from .disarm import headers as disarmed_headers
from .replies import reason_code

if TYPE_CHECKING:
    from .classifier import Clue
    from .policy.copies import Outcome
    from .verdict import ScoredSymbol, Verdict

FORGEABLE = ("x-spam-", "x-virus-", "x-mailfilter-")
"""Beginnings of header names that only we may set."""

_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)\n?", re.MULTILINE)
_AUTHSERV_ID = re.compile(rb"(?:\s|\([^()]*\))*([^\s;()]+)")
_PIECE = 60
"""Characters of a clue that are shown."""
_BLANK_LINE = re.compile(rb"^\r?\n", re.MULTILINE)


def headers(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """Header fields to add, unfolded ASCII values."""
    score, required = verdict.score, verdict.required
    flagged = required is not None and score >= required
    tests = ",".join(symbol.name for symbol in verdict.symbols if symbol.points) or "none"
    limit = "never" if required is None else f"{required:.1f}"
    found = [
        ("X-Spam-Flag", "YES" if flagged else "NO"),
        ("X-Spam-Score", f"{score:.3f}"),
        ("X-Spam-Level", "*" * max(0, min(50, int(score)))),
        ("X-Spam-Status", f"{'Yes' if flagged else 'No'}, score={score:.3f} required={limit} tests={tests}"),
        ("X-Mailfilter-Action", verdict.action.value),
        ("X-Mailfilter-Dry-Run", f"would {_would(verdict)}" if verdict.intended else ""),
    ]
    if verdict.probability is not None:
        found.append(("X-Mailfilter-Probability", f"{verdict.probability:.4f}"))
    if verdict.unknown:
        found.append(("X-Mailfilter-Unknown", ",".join(symbol.name for symbol in verdict.unknown)))
    if verdict.removed:
        found.extend(disarmed_headers(verdict.removed, verdict.receipt))
    return tuple((name, value) for name, value in found if value)


def authentication_results(verdict: Verdict, authserv_id: str) -> tuple[tuple[str, str], ...]:
    """The Authentication-Results field (RFC 8601); none where we have no name or nothing was looked at."""
    found = [symbol.evidence for symbol in verdict.symbols if symbol.name == "AUTH_RESULTS"]
    return tuple(("Authentication-Results", f"{authserv_id}; {value}") for value in found if authserv_id)


def forged(name: str) -> bool:
    """Whether an inbound header of this name only pretends to be ours."""
    return name.lower().startswith(FORGEABLE)


def rewrite(raw: bytes, added: Iterable[tuple[str, str]], *authserv_ids: str) -> bytes:
    """The mail with pretended headers removed and ``added`` on top; every other byte stays as it is.

    Authentication-Results fields are pretended when they claim to come from one of ``authserv_ids``, hosts of ours
    (RFC 8601 section 5); what is true of them, ours says once more.
    """
    line_end = b"\r\n" if raw[: raw.find(b"\n") + 1].endswith(b"\r\n") else b"\n"
    blank = _BLANK_LINE.search(raw)
    size = blank.start() if blank else len(raw)
    head, body = raw[:size], raw[size:]
    ours = {name.lower().encode("utf-8") for name in authserv_ids if name}
    kept = _FIELD.sub(lambda field: b"" if _pretended(field, ours) else field[0], head)
    return b"".join(_fold(name, value, line_end) for name, value in added) + kept + body


def _pretended(field: re.Match[bytes], ours: set[bytes]) -> bool:
    name = field[1].lower()
    if name == b"authentication-results" and ours:
        claimed = _AUTHSERV_ID.match(field[2])
        return claimed is not None and claimed[1].strip(b'"').lower() in ours
    return forged(name.decode("latin-1"))


def _fold(name: str, value: str, line_end: bytes) -> bytes:
    """One field, folded at commas and spaces to lines of 78 characters or fewer where it can be (RFC 5322)."""
    lines, line = [], f"{name}:"
    for word in re.split(r"(?<=,)|(?<= )", f" {value}"):
        if len(line) + len(word.rstrip()) > 78 and line.strip():
            lines.append(line.rstrip())
            line = " "
        line += word
    lines.append(line.rstrip())
    return line_end.join(text.encode("ascii", "replace") for text in lines) + line_end


def explain(verdict: Verdict, changes: Sequence[str] = (), clues: Sequence[Clue] = ()) -> str:
    """Every symbol with its points and evidence, the sum, and what was not known; several lines of text.

    ``changes``  what would lead to another action (`mailfilter.counterfactual`).
    ``clues``    what the content model saw, strongest first (`ContentCheck.explain`).
    """
    lines = [f"action       {verdict.action.value}  ({verdict.smtp_reply})"]
    if verdict.intended is not None:
        lines.append(f"dry run      without it: {_would(verdict)}")
    probability = "not computed" if verdict.probability is None else f"{verdict.probability:.4f}"
    lines.append(f"settled by   {_words(verdict.reason)}")
    lines.append(f"probability  {probability}  of spam, by content alone")
    lines.append("")
    ordered = sorted(verdict.symbols, key=lambda symbol: (-abs(symbol.points), symbol.name))
    lines.extend(_explained(symbol) for symbol in ordered)
    lines.append(f"{verdict.score:+9.3f}  sum")
    lines.extend(f"taken out    part {part.path} {part.name!r}: {part.why}" for part in verdict.removed)
    if len({(one.action, one.reason, one.policy) for one in verdict.recipients}) > 1:
        lines.extend(["", "by recipient:", *(f"           {_outcome(one)}" for one in verdict.recipients)])
    if changes:
        lines.extend(["", "another action:", *(f"           {change}" for change in changes)])
    if clues:
        lines.extend(["", "what moved the content model most (log-odds of this piece alone; + speaks for spam):"])
        lines.extend(f"           {clue.view:<13}{clue.weight:+7.2f}  {_quoted(clue.text)}" for clue in clues)
    if verdict.unknown:
        lines.extend(["", "not known (worth nothing, shown so that silence is not taken for an answer):"])
        lines.extend(f"           {symbol.name}: {symbol.evidence or symbol.description}" for symbol in verdict.unknown)
    return "\n".join(lines)


def _words(reason: Reason) -> str:
    return reason.name.lower().replace("_", " ")


def _would(verdict: Verdict) -> str:
    """What a dry run's verdict would have been without it."""
    intended = verdict.intended or verdict.action
    return f"{intended.value} ({reason_code(intended, verdict.reason)})"


def _outcome(one: Outcome) -> str:
    named = f", {one.policy}" if one.policy else ""
    recipient = one.recipient if one.recipient.isprintable() else ascii(one.recipient)
    given = "" if one.carried is one.action else f"; with one reply for all: {one.carried.value}"
    return f"{recipient}: {one.action.value} ({_words(one.reason)}{named}){given}"


def _explained(symbol: ScoredSymbol) -> str:
    # A line end in what a sender wrote would look like a line of ours.
    said = symbol.evidence if symbol.evidence.isprintable() else repr(symbol.evidence)[1:-1]
    evidence = f"  [{said}]" if said else ""
    return f"{symbol.points:+9.3f}  {symbol.name}: {symbol.description}{evidence}"


def _quoted(text: str) -> str:
    """A piece of a mail in quotes, cut to a line; control characters are shown as escapes."""
    return repr(text if len(text) <= _PIECE else text[: _PIECE - 1] + "…")

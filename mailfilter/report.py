"""What the world is told: SMTP reply, headers, and the explanation a person reads.

Header names are SpamAssassin's, so existing client rules and Sieve scripts work.  A sender can write them as
well, so every inbound header of the kind is to be removed before ours are added (`forged`, `rewrite`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .decision import ACTIONS, Action, GreylistState, Marks, Policy, Reason, decide
from .disarm import headers as disarmed_headers
from .scoring import SCALE, Hits, Weights, score

if TYPE_CHECKING:
    from .classifier import Clue
    from .verdict import ScoredSymbol, Verdict

FORGEABLE = ("x-spam-", "x-virus-", "x-mailfilter-")
"""Beginnings of header names that only we may set."""

_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)\n?", re.MULTILINE)
_AUTHSERV_ID = re.compile(rb"(?:\s|\([^()]*\))*([^\s;()]+)")
_PIECE = 60
"""Characters of a clue that are shown."""
_SHOWN = 4
"""Single findings that are named as what another action hangs on."""
_BLANK_LINE = re.compile(rb"^\r?\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """Reply code (RFC 5321), enhanced status code (RFC 3463) and text; ``str()`` gives the line."""

    code: int
    enhanced: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}"


def smtp_reply(verdict: Verdict) -> SmtpReply:
    """The reply to the end of DATA; never quotes the mail, so nothing from a sender reaches the line."""
    action, reason, mail_id = verdict.action, verdict.reason, verdict.mail_id
    if reason is Reason.MALWARE and action is Action.BOUNCE:
        return SmtpReply(554, "5.7.1", f"Refused: a virus scanner found malware in this mail (id {mail_id})")
    if action is Action.BOUNCE and reason is Reason.NOT_KNOWN:
        return SmtpReply(554, "5.7.1", f"Refused: this mail could not be examined (id {mail_id})")
    if action is Action.BOUNCE and reason is Reason.NOT_WANTED:
        return SmtpReply(554, "5.7.1", f"Refused: this mail holds what is not accepted here (id {mail_id})")
    if action is Action.BOUNCE:
        return SmtpReply(550, "5.7.1", f"Refused as spam, score {verdict.score:.1f} (id {mail_id})")
    if action is Action.GREYLIST and reason is Reason.NOT_KNOWN:
        return SmtpReply(451, "4.7.1", f"This mail cannot be examined now, please try again later (id {mail_id})")
    if action is Action.GREYLIST and reason is Reason.NOT_STORED:
        return SmtpReply(451, "4.3.0", f"This mail cannot be stored now, please try again later (id {mail_id})")
    if action is Action.GREYLIST:
        again = f"in {verdict.wait} seconds" if verdict.wait else "later"
        return SmtpReply(451, "4.7.1", f"Greylisted, please try again {again} (id {mail_id})")
    if verdict.removed:
        return SmtpReply(250, "2.0.0", f"Accepted without parts that are not accepted here (id {mail_id})")
    held = " and held for review" if action is Action.QUARANTINE else ""
    return SmtpReply(250, "2.0.0", f"Accepted{held} (id {mail_id})")


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


def rewrite(raw: bytes, added: Iterable[tuple[str, str]], authserv_id: str = "") -> bytes:
    """The mail with pretended headers removed and ``added`` on top; every other byte stays as it is.

    Authentication-Results fields are pretended when they claim to come from ``authserv_id``, us (RFC 8601 section 5).
    """
    line_end = b"\r\n" if raw[: raw.find(b"\n") + 1].endswith(b"\r\n") else b"\n"
    blank = _BLANK_LINE.search(raw)
    size = blank.start() if blank else len(raw)
    head, body = raw[:size], raw[size:]
    ours = authserv_id.lower().encode("utf-8")
    kept = _FIELD.sub(lambda field: b"" if _pretended(field, ours) else field[0], head)
    return b"".join(_fold(name, value, line_end) for name, value in added) + kept + body


def _pretended(field: re.Match[bytes], ours: bytes) -> bool:
    name = field[1].lower()
    if name == b"authentication-results" and ours:
        claimed = _AUTHSERV_ID.match(field[2])
        return claimed is not None and claimed[1].strip(b'"').lower() == ours
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

    ``changes``  what would lead to another action (`alternatives`).
    ``clues``    what the content model saw, strongest first (`ContentCheck.explain`).
    """
    lines = [f"action       {verdict.action.value}  ({verdict.smtp_reply})"]
    probability = "not computed" if verdict.probability is None else f"{verdict.probability:.4f}"
    lines.append(f"settled by   {verdict.reason.name.lower().replace('_', ' ')}")
    lines.append(f"probability  {probability}  of spam, by content alone")
    lines.append("")
    ordered = sorted(verdict.symbols, key=lambda symbol: (-abs(symbol.points), symbol.name))
    lines.extend(_explained(symbol) for symbol in ordered)
    lines.append(f"{verdict.score:+9.3f}  sum")
    lines.extend(f"taken out    part {part.path} {part.name!r}: {part.why}" for part in verdict.removed)
    if changes:
        lines.extend(["", "another action:", *(f"           {change}" for change in changes)])
    if clues:
        lines.extend(["", "what moved the content model most (log-odds of this piece alone; + speaks for spam):"])
        lines.extend(f"           {clue.view:<13}{clue.weight:+7.2f}  {_quoted(clue.text)}" for clue in clues)
    if verdict.unknown:
        lines.extend(["", "not known (worth nothing, shown so that silence is not taken for an answer):"])
        lines.extend(f"           {symbol.name}: {symbol.evidence or symbol.description}" for symbol in verdict.unknown)
    return "\n".join(lines)


def _explained(symbol: ScoredSymbol) -> str:
    # A line end in what a sender wrote would look like a line of ours.
    said = symbol.evidence if symbol.evidence.isprintable() else repr(symbol.evidence)[1:-1]
    evidence = f"  [{said}]" if said else ""
    return f"{symbol.points:+9.3f}  {symbol.name}: {symbol.description}{evidence}"


def _quoted(text: str) -> str:
    """A piece of a mail in quotes, cut to a line; control characters are shown as escapes."""
    return repr(text if len(text) <= _PIECE else text[: _PIECE - 1] + "…")


def alternatives(verdict: Verdict, weights: Weights, marks: Marks, policy: Policy) -> tuple[str, ...]:
    """What would have to change for another action, a line each: other points, or one finding less.

    Where no single finding makes the action milder, the fewest that do so together, by points, are named.  ``weights``,
    ``marks`` and ``policy`` are those that the verdict was reached with; all is decided again with them, so caps,
    malware and floors count.  Empty for a verdict that they do not lead to, such as of a mail that was acted upon.
    """
    found = [symbol for symbol in (*verdict.symbols, *verdict.unknown) if symbol.name in weights.column]
    found.sort(key=lambda symbol: weights.column[symbol.name])
    columns = np.array([weights.column[symbol.name] for symbol in found], np.int32)
    outranks = (marks.malware | (marks.floor > 0) | marks.disarm)[columns].tolist()
    # What outranks the score first, then by points: the order in which findings are given up.
    order = sorted(range(len(found)), key=lambda n: (not outranks[n], -found[n].points, found[n].name))
    order = [n for n in order if outranks[n] or found[n].points > 0]
    alone = ~np.eye(len(found), dtype=np.bool_)
    together = np.ones((len(order), len(found)), np.bool_)
    for number, which in enumerate(order):
        together[number:, which] = False
    kept = np.concatenate([np.ones((1, len(found)), np.bool_), alone, together])
    values = np.array([symbol.value for symbol in found], np.float64)
    now, *others = _redecided(kept, columns, values, verdict.reason, (weights, marks, policy))
    if now is not verdict.action:
        return ()
    singles, sets = others[: len(found)], others[len(found) :]
    strongest = sorted(range(len(found)), key=lambda n: (-abs(found[n].points), found[n].name))
    changed = [n for n in strongest if singles[n] is not now][:_SHOWN]
    lines = [*_other_points(verdict, policy), *(f"without {_named(found[n])}: {singles[n].value}" for n in changed)]
    if not any(action.severity < now.severity for action in singles):
        fewest = next((k for k, action in enumerate(sets) if action.severity < now.severity), None)
        if fewest is not None:
            names = " and ".join(_named(found[n]) for n in order[: fewest + 1])
            lines.append(f"without {names}: {sets[fewest].value}")
    return tuple(lines)


def _redecided(
    kept: NDArray[np.bool_],
    columns: NDArray[np.int32],
    values: NDArray[np.float64],
    reason: Reason,
    by: tuple[Weights, Marks, Policy],
) -> list[Action]:
    """The action for each row of ``kept``, (rows, findings): which of a mail's findings there are."""
    weights, marks, policy = by
    indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1, dtype=np.int64))])
    each = np.broadcast_to(columns, kept.shape)[kept], np.broadcast_to(values, kept.shape)[kept]
    hits = Hits(indptr, *each)
    passed = GreylistState.PASSED if reason is Reason.GREYLIST_PASSED else GreylistState.NOT_ASKED
    points = score(hits, weights.thousandths, weights.caps)
    decisions = decide(points, hits, marks, policy, np.full(len(kept), passed, np.int8))
    return [ACTIONS[severity] for severity in decisions.actions.tolist()]


def _other_points(verdict: Verdict, policy: Policy) -> list[str]:
    """The nearest points on either side that mean another action, in one line, where points settle it."""
    limits, severities = policy.limits()
    points = round(verdict.score * SCALE)

    def at(thousandths: int) -> Action:
        return ACTIONS[int(severities[int((limits <= thousandths).sum())])]

    if verdict.reason not in (Reason.SCORE, Reason.GREYLIST_PASSED):
        return [f"its points alone would mean {at(points).value}"]
    said = [
        f"{at(limit - 1).value} below {limit / SCALE:g} points ({(points - limit + 1) / SCALE:g} less)"
        for limit in limits[limits <= points].tolist()[-1:]
    ]
    said += [
        f"{at(limit).value} from {limit / SCALE:g} points ({(limit - points) / SCALE:g} more)"
        for limit in limits[limits > points].tolist()[:1]
    ]
    return ["; ".join(said)] if said else []


def _named(symbol: ScoredSymbol) -> str:
    return f"{symbol.name} ({symbol.points:+g})" if symbol.points else symbol.name

"""What would have to change for another action: other points, other limits, one finding less, an allow entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .authentication.results import proved
from .decision import ACTIONS, ALLOWED, Action, GreylistState, Marks, Policy, Reason, decide
from .policy.senders import UNPROVED
from .scoring import SCALE, Hits, Weights, score

if TYPE_CHECKING:
    from .verdict import ScoredSymbol, Verdict

_SHOWN = 4
"""Single findings that are named as what another action hangs on."""

_Deciding = tuple[Weights, Marks, Policy]
"""What a verdict is reached with."""


def alternatives(verdict: Verdict, weights: Weights, marks: Marks, policy: Policy) -> tuple[str, ...]:
    """What would have to change for another action, a line each: other points, or one finding less.

    Where no single finding makes the action milder, the fewest that do so together, by points, are named.  ``weights``,
    ``marks`` and ``policy`` are those that the verdict was reached with; all is decided again with them, so caps,
    malware and floors count.  Empty for a verdict that they do not lead to, such as of a mail that was acted upon.
    """
    found = [symbol for symbol in (*verdict.symbols, *verdict.unknown) if symbol.name in weights.column]
    found.sort(key=lambda symbol: weights.column[symbol.name])
    columns = np.array([weights.column[symbol.name] for symbol in found], np.int32)
    outranks = marks.outranks()[columns].tolist()
    # What outranks the score first, then by points: the order in which findings are given up.
    order = sorted(range(len(found)), key=lambda n: (not outranks[n], -found[n].points, found[n].name))
    order = [n for n in order if outranks[n] or found[n].points > 0]
    alone = ~np.eye(len(found), dtype=np.bool_)
    together = np.ones((len(order), len(found)), np.bool_)
    for number, which in enumerate(order):
        together[number:, which] = False
    kept = np.concatenate([np.ones((1, len(found)), np.bool_), alone, together])
    values = np.array([symbol.value for symbol in found], np.float64)
    by = (weights, marks, policy)
    now, *others = _redecided(kept, columns, values, verdict.reason, by)
    if now is not verdict.action:
        return ()
    singles, sets = others[: len(found)], others[len(found) :]
    strongest = sorted(range(len(found)), key=lambda n: (-abs(found[n].points), found[n].name))
    changed = [n for n in strongest if singles[n] is not now][:_SHOWN]
    lines = [*_other_points(verdict, policy), *_other_limits(verdict, policy)]
    lines += _allowed(verdict, columns, values, by)
    lines += [f"without {_named(found[n])}: {singles[n].value}" for n in changed]
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
    by: _Deciding,
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


def _other_limits(verdict: Verdict, policy: Policy) -> list[str]:
    """Which limits would have to lie higher for the mail to be accepted with its points as they are."""
    if verdict.reason is not Reason.SCORE or verdict.action is Action.ACCEPT:
        return []
    limits = [(action.value, getattr(policy, action.value)) for action in ACTIONS[1:]]
    reached = [name for name, limit in limits if limit is not None and limit <= verdict.score]
    return [f"accept at {verdict.score:g} points if {' and '.join(reached)} began above that"] if reached else []


def _allowed(
    verdict: Verdict, columns: NDArray[np.int32], values: NDArray[np.float64], by: _Deciding
) -> list[str]:
    """What the allow list would change: the proof that an entry lacks, or an entry for a domain that is proved."""
    weights, names = by[0], {symbol.name: symbol.evidence for symbol in verdict.symbols}
    if ALLOWED not in weights.column or ALLOWED in names:
        return []
    listed = np.append(columns, np.int32(weights.column[ALLOWED]))
    every = np.ones((1, len(listed)), np.bool_)
    (action,) = _redecided(every, listed, np.append(values, 1.0), verdict.reason, by)
    if action is verdict.action:
        return []
    if UNPROVED in names:
        return [f"with proof of the allow entry {names[UNPROVED]}: {action.value}"]
    seen = proved(names.get("AUTH_RESULTS", ""))
    found = [(domain, "dmarc") for domain in sorted(seen.dmarc)] or [(domain, "spf") for domain in sorted(seen.spf)]
    return [f"with an allow entry for {domain} (proof: {proof}): {action.value}" for domain, proof in found[:1]]


def _named(symbol: ScoredSymbol) -> str:
    return f"{symbol.name} ({symbol.points:+g})" if symbol.points else symbol.name

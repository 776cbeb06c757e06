"""The verdict on a mail that nothing but its points decides: in plain numbers, without an array.

Of `mailfilter.scoring`, `mailfilter.decision` and `mailfilter.verdicts` the part that nearly every mail needs, with the
same values.  For a single mail the calls of numpy would cost three times what its points are worth computing.  What
outranks points, is capped, has rules of its own or is a question to the greylist is left to those.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .decision import ACTIONS, Action, Marks, Policy, Reason
from .greylist import has_no_say
from .policy.copies import Outcome
from .scoring import SCALE, Weights
from .symbols import UNKNOWN, Catalogue, Symbol
from .verdict import ScoredSymbol, Verdict, made

if TYPE_CHECKING:
    from .checks import Mail
    from .greylist import Greylist
    from .replies import ReplyTexts

PROBABILITY = "CONTENT_PROBABILITY"
"""Symbol whose value is the content classifier's probability of spam; worth no points by itself."""

_new = tuple.__new__  # a named tuple's own constructor takes twice as long
_SCORE, _GREYLIST = Reason.SCORE, Action.GREYLIST.severity


class ByPoints:
    """Decides by points and puts it into words.  ``policy``  the only one; nothing may be capped."""

    def __init__(
        self, catalogue: Catalogue, weights: Weights, policy: Policy, marks: Marks, texts: ReplyTexts
    ) -> None:
        points, flags = weights.thousandths.tolist(), marks.flags.tolist()
        self._columns = [
            (worth, worth / SCALE, info.description, info.group, flag)
            for worth, info, flag in zip(points, catalogue.values(), flags, strict=True)
        ]
        self._thresholds, self._required, self._texts = policy.thresholds(), policy.quarantine, texts

    def verdict(self, mail: Mail, found: Mapping[int, Symbol], greylist: Greylist | None = None) -> Verdict | None:
        """The verdict on a mail in which this was found (by column, merged); ``None`` where more than points count."""
        total, probability = 0, None
        known: list[ScoredSymbol] = []
        unknown: list[ScoredSymbol] = []
        for column in sorted(found):
            name, value, evidence = found[column]
            worth, points, description, group, flag = self._columns[column]
            if flag:
                return None
            if value != 1.0:
                worth = round(value * worth)
                points = worth / SCALE
            total += worth
            shown = _new(ScoredSymbol, (name, points, value, evidence, description, group))
            if group == UNKNOWN:
                unknown.append(shown)
            else:
                known.append(shown)
                if name == PROBABILITY:
                    probability = value
        severity, recipients = bisect_right(self._thresholds, total), mail.envelope.rcpt_to
        doubtful = greylist is not None and (severity == _GREYLIST or (severity == 0 and greylist.always))
        if doubtful and not has_no_say(mail.envelope):
            return None
        action = ACTIONS[severity]
        outcomes = tuple([Outcome(one, action, _SCORE, action) for one in recipients]) if recipients else ()
        decided = (action, _SCORE, total / SCALE, probability, tuple(known), tuple(unknown), self._required)
        return made((*decided, mail.message.digest, 0, "", False, (), b"", outcomes, None, self._texts))

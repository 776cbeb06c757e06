"""A check of your own: it sees and says; what that is worth stands beside its symbol.

    python examples/own_check.py

To ship one, register a factory under the entry point group ``mailfilter.checks`` and name it in the settings
(``[checks] plugins = ["canteen"]``).
"""

from collections.abc import Sequence

import mailfilter as mf
from mailfilter.assembly import checks


class CanteenCheck:
    """Mail about lunch is welcome."""

    name = "canteen"
    symbols = (mf.SymbolInfo("CANTEEN_LUNCH", "The subject is about lunch.", "headers", -1.0, "canteen"),)

    def run(self, mails: Sequence[mf.Mail]) -> list[tuple[mf.Symbol, ...]]:
        """Findings per mail."""
        return [self._find(mail.message.subject) for mail in mails]

    def _find(self, subject: str) -> tuple[mf.Symbol, ...]:
        return (mf.Symbol("CANTEEN_LUNCH", evidence=subject),) if "lunch" in subject.lower() else ()


if __name__ == "__main__":
    config = mf.Config()
    with mf.FilterChain(config, checks=[*checks(config), CanteenCheck()]) as chain:
        verdict = chain.check(b"From: cook@example.org\nSubject: Lunch is ready\n\nSoup today.\n")
    for symbol in verdict.symbols:
        print(f"{symbol.points:+.3f} {symbol.name} {symbol.evidence}")

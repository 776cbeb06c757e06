"""Which parts of a mail have to go by the policy, and whether what is left may be delivered."""

from __future__ import annotations

from collections.abc import Iterator

from .checks.attachments import NOTHING_BANNED, Banned, find_in_part
from .checks.virus import MAX_PARTS, SYMBOLS
from .deadline import Deadline
from .decision import Policy
from .disarm import Disarmed, disarm
from .lookups import Lookup, ScanQuestion, ScanState
from .message import Message, Part


def remove_doomed(
    message: Message, policy: Policy, scanner: Lookup | None, banned: Banned, receipt: str, deadline: Deadline
) -> Disarmed | None:
    """``message`` without the parts that ``policy`` wants gone; ``None`` where that cannot be done.

    Each part of each reading is asked about by itself: what only the mail as a whole shows cannot be taken out of it.
    """
    leaves = [part for part in message.parts if part.data and not part.is_container]
    if len(leaves) > MAX_PARTS:
        return None
    doomed = [(part, why) for part in leaves for why in _reasons(part, policy, scanner, banned, deadline)]
    return disarm(message, doomed, receipt)


def _reasons(
    part: Part, policy: Policy, scanner: Lookup | None, banned: Banned, deadline: Deadline
) -> Iterator[str]:
    """Why this part has to go, in words; the first reason is enough."""
    if scanner is not None:
        answer = scanner.ask(ScanQuestion(part.data), deadline)
        malware = answer.state is ScanState.INFECTED and policy.disarm_malware
        if malware or SYMBOLS.get(answer.state) in policy.disarm:
            said = ", ".join(name if name.isprintable() else ascii(name) for name in answer.names)
            about = f"{answer.state.value} ({said})" if said else answer.state.value
            yield f"a virus scanner {'says' if answer.state.known else 'could not look into it'}: {about}"
            return
    for symbol in find_in_part(part, banned or NOTHING_BANNED):
        if symbol.name in policy.disarm:
            yield symbol.evidence or symbol.name
            return

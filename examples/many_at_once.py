"""Many mails in hand on one event loop: lookups of all of them are awaited side by side.

    python examples/many_at_once.py corpora/sample
"""

import asyncio
import sys
from collections import Counter

import mailfilter as mf


async def main(path: str) -> None:
    """Decide every mail under ``path`` and count the actions."""
    envelope = mf.Envelope(client_ip="203.0.113.9", mail_from="a@example.net", rcpt_to=["b@example.org"])
    mails = [item for item in mf.read_archive(path) if isinstance(item, mf.ArchivedMail)]
    with mf.FilterChain.default() as chain:
        verdicts = await asyncio.gather(*(chain.acheck(mail.raw, envelope) for mail in mails))
    print(Counter(str(verdict.action) for verdict in verdicts))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

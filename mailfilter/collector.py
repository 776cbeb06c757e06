"""The garbage collector kept out of the way while a batch is in hand.

What the chain makes of a mail has no cycles, so all of it goes when the batch does; until then there is so much of it
that the collector would go through it again and again, a tenth of the whole time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed() -> Iterator[None]:
    """Without collections in this process until the block ends, unless somebody else asks for one.

    Several threads may be in such blocks: what is lost is a few milliseconds of others' collections, never one at all.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

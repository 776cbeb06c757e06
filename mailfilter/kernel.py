"""The optional C kernel, ``None`` where it was not built or is not wanted.

Each of its functions has a twin in Python that gives the same bits, next to where it is used, so nothing but the time
that a mail takes depends on it.  ``MAILFILTER_KERNEL=python`` in the environment leaves it unused, which is how the
twins are tested.  What it does and what it gains: docs/decisions/0013-native-kernel.md.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

VARIABLE = "MAILFILTER_KERNEL"
"""Environment variable: ``python`` leaves the kernel unused."""


def _load() -> ModuleType | None:
    if os.environ.get(VARIABLE, "").lower() == "python":
        return None
    try:
        from . import _kernel
    except ImportError:
        return None
    return _kernel


native = _load()


def in_use() -> str:
    """Which kernel does the work, in words for people."""
    if native is not None:
        return "C"
    wanted = os.environ.get(VARIABLE, "").lower() != "python"
    return "Python (the C kernel was not built)" if wanted else f"Python ({VARIABLE}=python)"

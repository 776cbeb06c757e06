"""The optional C kernel, ``None`` where it was not built or is not wanted.

Each of its functions has a twin in Python that gives the same bits, next to where it is used, so nothing but the time
that a mail takes depends on it.  ``MAILFILTER_KERNEL=python`` in the environment leaves it unused, which is how the
twins are tested.  What it does and what it gains: docs/decisions/0018-native-kernel.md.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

VARIABLE = "MAILFILTER_KERNEL"
"""Environment variable: ``python`` leaves the kernel unused."""


VERSION = 17
"""Of the functions as this program calls them; a kernel that was built from another state of the source is not used."""


def _load() -> tuple[ModuleType | None, str]:
    """The kernel, and which one does the work, in words for people."""
    if os.environ.get(VARIABLE, "").lower() == "python":
        return None, f"Python ({VARIABLE}=python)"
    try:
        found = import_module("._kernel", __package__)
    except ModuleNotFoundError:
        return None, "Python (no C kernel was built)"
    except ImportError as error:
        return None, f"Python (the C kernel cannot be loaded: {error})"
    if getattr(found, "VERSION", 0) != VERSION:
        return None, "Python (the C kernel is of another version; install again, pip install -e .)"
    return found, "C"


native, IN_USE = _load()


def in_use() -> str:
    """Which kernel does the work, in words for people."""
    return IN_USE

"""The errors a caller can meet: one root, subclasses that carry data.

Content never raises.  These are for what a person can mend: a path, a setting, a damaged model file.
"""

from __future__ import annotations


class MailFilterError(Exception):
    """Root of every error that this library raises on purpose; ``str(error)`` is one clear line."""


class SettingError(MailFilterError):
    """A setting is unknown, of the wrong kind or out of range.

    ``faults`` holds every fault found in the file, not only the first, each as one line.
    """

    def __init__(self, source: str, faults: tuple[str, ...]) -> None:
        self.source = source
        self.faults = faults
        super().__init__("; ".join(f"{source}: {fault}" for fault in faults))


class EnvelopeError(MailFilterError):
    """A fact of the SMTP session is not of its kind (an address that is none, for example)."""


class ArchiveError(MailFilterError):
    """An archive as a whole cannot be read; a single bad member is reported and passed over instead."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class ModelError(MailFilterError):
    """A model file is damaged, of another version, or not a model at all."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class MissingExtraError(MailFilterError):
    """An optional part is wanted and its package is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        self.what = what
        self.extra = extra
        super().__init__(f"{what} needs an optional package: pip install 'mailfilter[{extra}]'")


class StoreError(MailFilterError):
    """A store (greylist, quarantine) cannot be opened or written, or does not hold what is asked for."""

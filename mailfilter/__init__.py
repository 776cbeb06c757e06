"""mailfilter decides what is to be done with a mail: accept, greylist, quarantine, bounce or delete.

    import mailfilter as mf
    chain = mf.FilterChain.default()
    verdict = chain.check(raw, mf.Envelope(client_ip="203.0.113.9", mail_from="a@example.net"))
    verdict.action, verdict.score, verdict.symbols

Names load on first use (PEP 562), so importing costs next to nothing; scikit-learn loads for training only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .archives import ArchivedMail, Unreadable, read_archive
    from .chain import FilterChain
    from .checks import LocalCheck, LookupCheck, Mail
    from .config import Config
    from .decision import Action, Policy, Reason
    from .envelope import Envelope
    from .errors import (
        ArchiveError,
        EnvelopeError,
        MailFilterError,
        MissingExtraError,
        ModelError,
        SettingError,
        StoreError,
    )
    from .message import Message
    from .quarantine import Quarantine
    from .symbols import Symbol, SymbolInfo
    from .verdict import ScoredSymbol, SmtpReply, Verdict

_HOME = {
    "Action": "decision",
    "ArchiveError": "errors",
    "ArchivedMail": "archives",
    "Config": "config",
    "Envelope": "envelope",
    "EnvelopeError": "errors",
    "FilterChain": "chain",
    "LocalCheck": "checks",
    "LookupCheck": "checks",
    "Mail": "checks",
    "MailFilterError": "errors",
    "Message": "message",
    "MissingExtraError": "errors",
    "ModelError": "errors",
    "Policy": "decision",
    "Quarantine": "quarantine",
    "Reason": "decision",
    "ScoredSymbol": "verdict",
    "SettingError": "errors",
    "SmtpReply": "verdict",
    "StoreError": "errors",
    "Symbol": "symbols",
    "SymbolInfo": "symbols",
    "Unreadable": "archives",
    "Verdict": "verdict",
    "read_archive": "archives",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

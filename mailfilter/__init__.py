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
    from .archives import ArchivedMail as ArchivedMail
    from .archives import Unreadable as Unreadable
    from .archives import read_archive as read_archive
    from .chain import FilterChain as FilterChain
    from .checks import LocalCheck as LocalCheck
    from .checks import LookupCheck as LookupCheck
    from .checks import Mail as Mail
    from .config import Config as Config
    from .decision import Action as Action
    from .decision import Policy as Policy
    from .decision import Reason as Reason
    from .envelope import Envelope as Envelope
    from .errors import ArchiveError as ArchiveError
    from .errors import EnvelopeError as EnvelopeError
    from .errors import MailFilterError as MailFilterError
    from .errors import MissingExtraError as MissingExtraError
    from .errors import ModelError as ModelError
    from .errors import SettingError as SettingError
    from .errors import StoreError as StoreError
    from .message import Message as Message
    from .quarantine import Quarantine as Quarantine
    from .replies import SmtpReply as SmtpReply
    from .symbols import Symbol as Symbol
    from .symbols import SymbolInfo as SymbolInfo
    from .verdict import ScoredSymbol as ScoredSymbol
    from .verdict import Verdict as Verdict

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
    "SmtpReply": "replies",
    "StoreError": "errors",
    "Symbol": "symbols",
    "SymbolInfo": "symbols",
    "Unreadable": "archives",
    "Verdict": "verdict",
    "read_archive": "archives",
}

__all__ = ["__version__"]
__all__ += list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

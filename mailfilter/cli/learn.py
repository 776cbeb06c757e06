"""Teach the filter what is spam and what is ham here, or take it back."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from . import _common

if TYPE_CHECKING:
    from ..classifier.site import SiteModel
    from ..message import Message
    from ..reputation import Reputation

M = TypeVar("M", bytes, "Message")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``mailfilter learn``."""
    for name, what in (
        ("--ham", "wanted mail"),
        ("--spam", "spam"),
        ("--forget", "mail that is to count as never taught"),
    ):
        parser.add_argument(
            name, nargs="+", action="extend", default=[], metavar="PATH", help=f'{what}: archives, or "-" for one mail'
        )
    parser.add_argument("--site", metavar="FILE", help="file of taught mail; default [learning] site in the settings")
    parser.add_argument("--user", metavar="NAME", help="teach this user's filter only, not the whole site's")
    _common.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Learn, print a summary; exit status 1 where a mail could not be read or was given as both ham and spam."""
    from ..assembly import reputation
    from ..classifier.model import Model
    from ..classifier.site import SiteModel
    from ..errors import StoreError

    config = _common.config(args)
    path = args.site or config.learning.site
    if not path:
        raise StoreError("where is what this site teaches kept? give --site FILE, or set [learning] site")
    if not (args.ham or args.spam or args.forget):
        raise StoreError("nothing to learn: name mails or archives after --ham, --spam or --forget")
    user = config.learning.user if args.user is None else args.user
    site = SiteModel(Model.load(config.content.model or None), path, user, keep=config.learning.keep)
    memory = None
    try:
        memory = None if user else reputation(config)  # one user's word is not the site's
        return _run(site, memory, args)
    finally:
        site.close()
        if memory is not None:
            memory.close()


def _run(site: SiteModel, memory: Reputation | None, args: argparse.Namespace) -> int:
    from ..classifier.journal import Done

    given: dict[str, bool] = {}
    clashes: list[str] = []
    sources = []
    done = Done()
    for spam, paths in ((False, args.ham), (True, args.spam)):
        sources.append(_common.Source(paths))
        mails = _agreeing(sources[-1], spam, given, clashes)
        done += site.learn((message, spam) for message in _remembered(memory, mails, spam))
    sources.append(_common.Source(args.forget))
    done += site.forget(_remembered(memory, (item.raw for item in sources[-1]), None))
    site.settle()
    unreadable = sum(len(source.unreadable) for source in sources)
    print(_summary(site, done, unreadable, len(clashes)))
    return 1 if unreadable or clashes else 0


def _remembered(memory: Reputation | None, mails: Iterable[M], spam: bool | None) -> Iterator[M]:
    """The mails, each of which is told to what is remembered of senders as it goes by."""
    for mail in mails:
        if memory is not None:
            memory.teach([(mail, spam)])
        yield mail


def _agreeing(
    source: _common.Source, spam: bool, given: dict[str, bool], clashes: list[str]
) -> Iterator[Message]:
    """The mails of ``source`` that were not given as the other class before; each of those is reported."""
    import sys

    from ..message import Message

    for item in source:
        message = Message(item.raw)
        if given.setdefault(message.digest, spam) == spam:
            yield message
            continue
        clashes.append(item.path)
        print(f"mailfilter: {_common.printable(item.path)}: was given as ham too; left as ham", file=sys.stderr)


def _summary(site: SiteModel, done: tuple[int, ...], unreadable: int, clashes: int) -> str:
    learned, known, relabelled, forgotten, unknown = done
    parts = [f"{learned} learned", f"{known} known already", f"{relabelled} relabelled", f"{forgotten} forgotten"]
    parts += [f"{unknown} to forget were not known"] if unknown else []
    parts += [f"{clashes} given as both ham and spam (named above)"] if clashes else []
    parts += [f"{unreadable} could not be read (named above)"] if unreadable else []
    counts = site.describe()["levels"]["user" if site.user else "site"]
    whose = f"user {_common.printable(site.user)}" if site.user else "site"
    held = f"{whose}: {counts['ham']} ham and {counts['spam']} spam taught in {_common.printable(site.path)}"
    return f"{', '.join(parts)}; {held}"

"""Look after held mail: list, show, release, delete, tell recipients, expire, verify."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from . import _common

if TYPE_CHECKING:
    from ..config import Config
    from ..quarantine import Held, Quarantine, Query

_SPAN = re.compile(r"(\d{1,6})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The orders of ``mailfilter quarantine`` with their options."""
    orders = parser.add_subparsers(required=True, metavar="ORDER")
    for name, (order, arguments, help_) in _ORDERS.items():
        one = orders.add_parser(name, help=help_, description=(order.__doc__ or "").strip())
        _common.add_config(one)
        one.add_argument("--json", action="store_true", help="print JSON, one object a line")
        for add in arguments:
            add(one)
        one.set_defaults(order=order)


def run(args: argparse.Namespace) -> int:
    """Carry out one order with the quarantine of the settings."""
    from ..quarantine.configured import quarantine

    config = _common.config(args)
    if not config.quarantine.path:
        raise StoreError("no quarantine is configured: set [quarantine] path in the settings file")
    order: Callable[..., int] = args.order
    if order is _rekey:
        return _rekey(config, args)
    store = quarantine(config)
    try:
        return order(store, config, args)
    finally:
        store.close()


def _list(store: Quarantine, config: Config, args: argparse.Namespace) -> int:
    """A line per mail, oldest first.  What a person was shown counts as looked at; with --json or --peek it is not."""
    seen = []
    for held in store.search(_query(args), args.subject or ""):
        if args.json:
            _print(held.to_dict())
            continue
        print(_common.printable(_line(held)))
        seen.append(held.receipt)
    return 0 if args.peek else _looked(store, seen)


def _show(store: Quarantine, config: Config, args: argparse.Namespace) -> int:
    """Write the exact original to standard output; with --json, print what is known of it instead."""
    if args.json:
        _print(store.entry(args.receipt).to_dict())
        return 0
    sys.stdout.buffer.write(store.get(args.receipt))
    return _looked(store, [args.receipt])


def _release(store: Quarantine, config: Config, args: argparse.Namespace) -> int:
    """Deliver held mails to their recipients by [quarantine] smtp; without it (or with --stdout), write one of them to
    standard output.  With --learn the site is taught that it is ham."""
    from ..assembly import reputation
    from ..quarantine.configured import delivery

    aside = args.stdout or not config.quarantine.smtp
    if aside and len(args.receipt) > 1:
        raise StoreError('several mails are released by SMTP only: set [quarantine] smtp = "host:port"')
    site = _site(config) if args.learn else None
    memory = reputation(config) if args.learn and not config.learning.user else None
    deliver = None if aside else delivery(config)
    failed = 0
    for receipt in args.receipt:
        try:
            raw = store.release(receipt, deliver, args.to)
        except StoreError as error:
            if aside:
                raise
            failed += 1
            print(f"mailfilter: {_common.printable(str(error))}", file=sys.stderr)
            continue
        if aside:
            sys.stdout.buffer.write(raw)
        else:
            _done(args, receipt, "released")
        if site is not None:
            site.learn([(raw, False)])
            if memory is not None:
                memory.teach([(raw, False)])
    for opened in (site, memory):
        if opened is not None:
            opened.close()
    return 1 if failed else 0


def _restore(store: Quarantine, config: Config, args: argparse.Namespace) -> int:
    """Write the exact original of a mail that was disarmed, or held by mistake, to standard output."""
    sys.stdout.buffer.write(store.restore(args.receipt))
    return 0


def _delete(store: Quarantine, config: Config, args: argparse.Namespace) -> int:
    """Remove mails for good.  A tombstone stays: digest, envelope, reason, symbols."""
    for receipt in args.receipt:
        store.delete(receipt)
        _done(args, receipt, "deleted")
    return 0


def _digest(store: Quarantine, config: Config, args: argparse.Namespace) -> int:
    """Tell every recipient by mail what is held for them and was not told yet, through [quarantine] smtp.  Exit status
    1 where a notice did not go out; its mails are not going to expire before one does."""
    from ..quarantine.configured import delivery, notices
    from ..quarantine.notices import send

    if args.dry_run:
        for address in store.index.to_notice():
            print(_common.printable(address or "postmaster"))
        return 0
    sent = send(store, notices(config), delivery(config))
    text = f"{sent.notices} notices of {sent.mails} mails went out; {len(sent.failed)} did not"
    _report(args, sent._asdict(), [text, *(f"not told: {address}" for address in sent.failed)])
    return 1 if sent.failed else 0


def _expire(store: Quarantine, config: Config, args: argparse.Namespace) -> int:
    """Remove mail that was kept long enough after its recipients were told.  Exit status 1 where there is mail old
    enough of which nobody was told: it stays."""
    done = store.expire()
    lines = [f"{done.expired} expired, {done.forgotten} tombstones removed"]
    lines += [f"{done.waiting} stay: nobody was told (`mailfilter quarantine digest`)"] if done.waiting else []
    _report(args, done._asdict(), lines)
    return 1 if done.waiting else 0


def _verify(store: Quarantine, config: Config, args: argparse.Namespace) -> int:
    """Compare the index with every stored mail, both ways, and set right what can be.  Exit status 1 where a mail is
    missing or damaged."""
    audit = store.verify(repair=not args.dry_run, grace=args.grace)
    lines = [f"{audit.whole} of {audit.entries} mails are whole"]
    for name, value in audit.to_dict().items():
        if value and name not in ("entries", "whole"):
            shown = str(value) if isinstance(value, int) else f"{len(value)}: {' '.join(value)}"
            lines.append(f"{name:<11} {shown}")
    _report(args, audit.to_dict(), lines)
    return 1 if audit.wrong else 0


def _stats(store: Quarantine, config: Config, args: argparse.Namespace) -> int:
    """What is there, and whether anybody looks.  Exit status 1 where nobody has for too long ([quarantine] alarm), or
    where mails are missing or damaged."""
    stats = store.stats()
    lines = [f"{count.state:<9} {count.mails:>8} mails {count.size:>14} bytes" for count in stats.counts]
    quota = f" of {stats.quota}" if stats.quota else ""
    lines += [f"kept      {stats.size} bytes{quota}"]
    lines += [f"unseen    {stats.unseen}, the oldest for {stats.oldest / 86_400:.1f} days"]
    lines += [
        "alarm     nobody looks: see `quarantine list`, or tell recipients with `quarantine digest`"
    ] * stats.alarm
    lines += [f"alarm     {stats.faulty} mails are missing or damaged: see `quarantine verify`"] * bool(stats.faulty)
    _report(args, {**stats._asdict(), "counts": [count._asdict() for count in stats.counts]}, lines)
    return 1 if stats.alarm or stats.faulty else 0


def _rekey(config: Config, args: argparse.Namespace) -> int:
    """Put a new key on top of the file [quarantine] keys (which is made if it is not there), and seal everything with
    it.  With --drop-old, some time later, seal what is not sealed with the newest key yet, and remove the older ones:
    links that they signed are void then."""
    from ..quarantine.configured import quarantine
    from ..quarantine.keys import add_key, drop_old

    path = config.quarantine.keys
    if not path or path.startswith("env:"):
        raise StoreError("keys are kept in a file to be renewed: set [quarantine] keys to its path")
    name = "" if args.drop_old else add_key(path)
    store = quarantine(config)
    try:
        changed = store.reseal()
    finally:
        store.close()
    dropped = drop_old(path) if args.drop_old else 0
    made = f"key {name} is the newest; " if name else ""
    text = f"{made}{changed} entries sealed anew, {dropped} older keys removed"
    _report(args, {"key": name, "resealed": changed, "dropped": dropped}, [text])
    return 0


def _looked(store: Quarantine, seen: Sequence[str]) -> int:
    """Note what a person has looked at; a disk that cannot be written is no reason not to show what is on it."""
    try:
        if seen:
            store.look(seen)
    except StoreError as error:
        print(f"mailfilter: {_common.printable(str(error))}", file=sys.stderr)
        return 1
    return 0


def _query(args: argparse.Namespace) -> Query:
    from ..quarantine import Query

    return Query(
        receipt=args.receipt or "", digest=args.digest or "", recipient=args.recipient or "", sender=args.sender or "",
        since=since(args.since) if args.since else None, states=tuple(args.state), symbol=args.symbol or "",
    )  # fmt: skip


def since(text: str) -> float:
    """Seconds since the epoch of a date (UTC), or of a span before now such as ``90m``, ``12h``, ``7d``."""
    if match := _SPAN.fullmatch(text):
        return datetime.now(UTC).timestamp() - int(match[1]) * _SECONDS[match[2]]
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise StoreError(f'--since: a date ("2026-01-31") or a span ("12h", "7d") is expected, got {text!r}') from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _line(held: Held) -> str:
    when = datetime.fromtimestamp(held.stored, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    to = ",".join(held.envelope.rcpt_to) or "-"
    fault = f"  [{held.fault}]" if held.fault else ""
    subject = f"  {held.subject[:60]}" if held.subject else ""
    who = f"{held.envelope.mail_from or '<>'} -> {to}"
    return f"{held.receipt}  {when}  {held.state:<9}{held.size:>10} bytes  {who}{subject}{fault}"


def _site(config: Config) -> Any:
    """What this site has taught, to teach it more."""
    from ..classifier.model import Model
    from ..classifier.site import SiteModel

    if not config.learning.site:
        raise StoreError("--learn: where is what this site teaches kept? set [learning] site")
    learning = config.learning
    return SiteModel(Model.load(config.content.model or None), learning.site, learning.user, keep=learning.keep)


def _done(args: argparse.Namespace, receipt: str, what: str) -> None:
    _report(args, {"receipt": receipt, "state": what}, [f"{receipt} {what}"])


def _report(args: argparse.Namespace, plain: dict[str, Any], lines: Iterable[str]) -> None:
    if args.json:
        _print(plain)
    else:
        print("\n".join(map(_common.printable, lines)))


def _print(plain: dict[str, Any]) -> None:
    print(json.dumps(plain))


def _find(parser: argparse.ArgumentParser) -> None:
    from ..quarantine.states import State

    parser.add_argument("--recipient", metavar="TEXT", help="anywhere in a recipient's address")
    parser.add_argument("--sender", metavar="TEXT", help="anywhere in the envelope sender")
    parser.add_argument("--subject", metavar="TEXT", help="anywhere in the subject")
    parser.add_argument("--since", metavar="WHEN", help='a date, or a span before now: "90m", "12h", "7d"')
    parser.add_argument("--state", action="append", default=[], choices=[*map(str, State)], help="may repeat")
    parser.add_argument("--symbol", metavar="NAME", help="a finding of the verdict")
    parser.add_argument("--receipt", metavar="TEXT", help="how the receipt begins")
    parser.add_argument("--digest", metavar="HEX", help="how the SHA-256 begins (the id in SMTP replies)")
    parser.add_argument("--peek", action="store_true", help="do not count what is listed as looked at")


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("receipt", metavar="RECEIPT", help="which mail, as `quarantine list` shows it")


def _some(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("receipt", nargs="+", metavar="RECEIPT", help="which mails, as `quarantine list` shows them")


def _releasing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", action="append", default=[], metavar="ADDRESS", help="only to this recipient of it")
    parser.add_argument("--stdout", action="store_true", help="write it to standard output, deliver nothing")
    parser.add_argument("--learn", action="store_true", help="teach the site that it is ham")


def _dry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def _grace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--grace", type=float, default=900.0, metavar="SECONDS", help="age of what may still be in the making (900)"
    )


def _dropping(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--drop-old", action="store_true", help="make no new key, but remove the older ones")


_ORDERS: dict[str, tuple[Callable[..., int], Sequence[Callable[[argparse.ArgumentParser], None]], str]] = {
    "list": (_list, (_find,), "a line per mail"),
    "show": (_show, (_one,), "write a mail to standard output"),
    "release": (_release, (_some, _releasing), "let mails out to their recipients"),
    "restore": (_restore, (_one,), "give back what was disarmed"),
    "delete": (_delete, (_some,), "remove mails; tombstones stay"),
    "digest": (_digest, (_dry,), "tell recipients what is held for them"),
    "expire": (_expire, (), "remove what was kept long enough after that"),
    "verify": (_verify, (_dry, _grace), "compare the index with the mails and repair"),
    "stats": (_stats, (), "what is there, and whether anybody looks"),
    "rekey": (_rekey, (_dropping,), "a new key, and everything sealed with it"),
}

"""A filtering mail server: takes mail by SMTP (and LMTP), filters it, and hands on by SMTP what is accepted.

    python examples/smtp_proxy.py --try corpora/sample

``--try`` sends the mails under a path through itself to a next server that keeps nothing, prints the answers, and
stops.  In earnest, with Postfix listening for what is handed on:

    python examples/smtp_proxy.py --config mailfilter.toml --listen 127.0.0.1:10025 --next 127.0.0.1:10026

SIGTERM stops it: what is in hand is finished first.
"""

import argparse
import asyncio
import contextlib
import logging
import smtplib
import ssl
import sys
import tempfile
from collections import Counter

import mailfilter as mf
from mailfilter import observing
from mailfilter.mta.limits import Limits
from mailfilter.mta.server import Server, serve
from mailfilter.mta.smtpd import FilterHandler
from mailfilter.quarantine.delivery import on_the_wire


def arguments() -> argparse.Namespace:
    """Ports and files."""
    usual = Limits()
    parser = argparse.ArgumentParser(description="A filtering mail server.")
    parser.add_argument("--config", help="settings (TOML); [quarantine] path is needed")
    parser.add_argument("--listen", default="127.0.0.1:10025", help="host:port for SMTP; port 0 takes a free one")
    parser.add_argument("--lmtp", default="", help="host:port for LMTP as well")
    parser.add_argument("--next", default="127.0.0.1:10026", help="where accepted mail goes: host:port, lmtp:host:port")
    parser.add_argument("--hostname", default="mx.example.org", help="our name")
    parser.add_argument("--trust", action="append", default=[], help="network whose XCLIENT is believed; may repeat")
    parser.add_argument("--size", type=int, default=usual.size, help="most octets of a mail")
    parser.add_argument("--sessions", type=int, default=usual.sessions, help="most connections at a time")
    parser.add_argument("--grace", type=float, default=usual.grace, help="seconds for mails in hand when it stops")
    parser.add_argument("--events", default="", help="file to which one line of JSON a mail is appended")
    parser.add_argument("--metrics", type=int, default=0, help="port on which Prometheus finds counters")
    parser.add_argument("--tls", default="", help="file with certificate and key: offers STARTTLS")
    parser.add_argument("--try", dest="trial", metavar="PATH", help="send these mails through it and stop")
    args = parser.parse_args()
    if not (args.config or args.trial):
        parser.error("--config FILE is needed (or --try PATH)")
    return args


async def main(args: argparse.Namespace) -> None:
    """Serve until told to stop."""
    chain = mf.FilterChain.from_config(args.config)
    limits = Limits(size=args.size, sessions=args.sessions, grace=args.grace)
    observers = []
    if args.events:
        observing.log_to(args.events)
    if args.metrics:
        from mailfilter.metrics import Metrics

        metrics = Metrics()
        metrics.watch(chain)
        metrics.serve(args.metrics)
        observers.append(metrics.observe)
    handler = FilterHandler(chain, args.next, hostname=args.hostname, limits=limits, observers=observers)
    tls = None
    if args.tls:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(args.tls)
    servers = [Server(handler, *place(args.listen), trusted=args.trust, tls=tls)]
    if args.lmtp:
        servers.append(Server(handler, *place(args.lmtp), lmtp=True, trusted=args.trust))
    with chain:
        await serve(*servers, started=lambda: print("listening", *(server.port for server in servers), flush=True))


def place(text: str) -> tuple[str, int]:
    """Host and port."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def nowhere(envelope: mf.Envelope, raw: bytes) -> list[str]:
    """A next server that takes everything and keeps nothing: it refuses nobody."""
    return []


async def trial(path: str) -> None:
    """Send the mails of an archive through a server of our own, and count what it answers."""
    mails = [item.raw for item in mf.read_archive(path) if isinstance(item, mf.ArchivedMail)]
    with tempfile.TemporaryDirectory() as folder:
        settings = {"quarantine": {"path": f"{folder}/quarantine.db"}}
        with mf.FilterChain(mf.Config.from_mapping(settings)) as chain:
            async with Server(FilterHandler(chain, nowhere, hostname="mx.example.org"), port=0) as server:
                answers = await asyncio.to_thread(send, server.port, mails)
    for answer, number in answers.most_common():
        print(f"{number:5} {answer}")


def send(port: int, mails: list[bytes]) -> Counter[str]:
    """The answers to mails, without what is peculiar to each."""
    answers: Counter[str] = Counter()
    with smtplib.SMTP("127.0.0.1", port) as client:
        for raw in mails:
            client.ehlo_or_helo_if_needed()
            client.mail("a@example.net")
            client.rcpt("b@example.org")
            code, said = client.data(on_the_wire(raw))
            answers[f"{code} {said.decode().rpartition('(')[2].split()[0]}"] += 1
    return answers


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    args = arguments()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(trial(args.trial) if args.trial else main(args))
    except mf.MailFilterError as error:
        sys.exit(f"smtp_proxy: {error}")

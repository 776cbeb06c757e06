"""The public test suites of sender authentication: how many cases come out as they want; and what it costs.

With ``--corpus`` also the cost of everything about its mails, with a resolver that knows none of the names.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mailfilter import Envelope, Mail
from mailfilter.authentication import dkim
from mailfilter.authentication.evaluation import authenticate
from mailfilter.authentication.signed import SignedMail
from mailfilter.checks.client import ClientCheck
from mailfilter.errors import MailFilterError
from mailfilter.message import Message
from mailfilter.trust import Trust, path_of

from . import auth_suites
from .auth_zones import Zones
from .corpus import load

ENVELOPE = Envelope(client_ip="198.51.100.4", helo="mx.example.net", mail_from="a@example.net")
CLIENT = ClientCheck()
ROUNDS = 5
"""Times that everything is measured; the least counts, because the machine is shared."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """A row for each suite, where ``left_out`` names each case that is not run, with the reason; then the costs."""
    root = auth_suites.folder()
    if root is None:
        raise MailFilterError("set MAILFILTER_AUTH_SUITES to the folder that holds the suites")
    rounds = 1 if args.quick else ROUNDS
    cases = list(auth_suites.cases(root))
    for suite in dict.fromkeys(case.suite for case in cases):
        yield _suite(suite, [case for case in cases if case.suite == suite], rounds)
    for name, reason in auth_suites.NOT_RUN.items():
        yield {"suite": name, "not_run": reason}
    yield _hostile(root, rounds)
    for corpus in args.corpus:
        yield _corpus(corpus, 100 if args.quick else 1500, rounds)


def _suite(suite: str, cases: Sequence[auth_suites.Case], rounds: int) -> dict[str, object]:
    applied = [case for case in cases if not case.left_out]
    seconds = _least(lambda: [case.outcome() for case in applied], rounds)
    return {
        "suite": suite,
        "cases": len(cases),
        "passed": sum(case.outcome() in case.expected for case in applied),
        "left_out": {case.name: case.left_out for case in cases if case.left_out},
        "us_cpu_per_case": round(seconds / len(applied) * 1e6),
    }


def _hostile(root: Path, rounds: int) -> dict[str, object]:
    """A signature with relaxed forms over a body of spaces, on which patterns with two quantifiers are quadratic."""
    head = b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=x.test; s=k; h=from; bh=AA==; b=AA==\r\n"
    key = (root / "stalwart_mail_auth/resources/dkim/002.txt").read_text(encoding="latin-1").split("\n", 1)[0]
    zone = {"k._domainkey.x.test": {"TXT": [key.split(None, 1)[1]]}}
    raw = head + b"From: a@x.test\r\n\r\n" + b" " * 300_000
    seconds = _least(lambda: Zones(zone).play(dkim.verify(SignedMail(raw))), rounds)
    return {"case": "DKIM, 300 kB of spaces, relaxed", "ms_cpu": round(seconds * 1e3, 2)}


def _corpus(name: str, limit: int, rounds: int) -> dict[str, object]:
    mails = [Mail(Message(mail.raw), ENVELOPE) for mail in load(name, limit=limit).mails]
    zones = Zones({})

    def everything() -> None:
        for mail in mails:
            zones.play(authenticate(mail, 0.0))

    everything()  # the reader's part, which every check shares, is done then
    questions = len(zones.asked)
    archived = [Mail(mail.message, Envelope()) for mail in mails]
    hosts = Zones({})
    for mail in mails:
        hosts.play(CLIENT.ask(mail))
    asked = len(hosts.asked)

    def paths() -> None:
        for mail in archived:
            path_of(mail, Trust())  # another each time: paths are remembered

    def clients() -> None:
        for mail in mails:
            hosts.play(CLIENT.ask(mail))

    return {
        "corpus": name,
        "mails": len(mails),
        "us_cpu_per_mail": round(_least(everything, rounds) / len(mails) * 1e6),
        "questions_per_mail": round(questions / len(mails), 2),
        "us_cpu_per_client": round(_least(clients, rounds) / len(mails) * 1e6),
        "questions_per_client": round(asked / len(mails), 2),
        "us_cpu_per_path": round(_least(paths, rounds) / len(mails) * 1e6),
    }


def _least(work: Callable[[], object], rounds: int) -> float:
    """CPU seconds of the quickest of several rounds."""
    spent = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return min(spent)

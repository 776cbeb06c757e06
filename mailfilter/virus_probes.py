"""What a scanner lets through: probes for ``mailfilter doctor --virus``.

The EICAR string is shown in wrappings that any scanner has to open, then beyond the limits that scanners have.  What
counts is that a scanner which gives up *says* so: clamd calls an object that it did not look into clean, unless
``AlertExceedsMax`` and ``AlertEncryptedArchive`` are set.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage

from .chain import FilterChain
from .deadline import Deadline
from .examination import EICAR, Line
from .lookups import Lookup, ScanAnswer, ScanQuestion, ScanState

SECONDS = 60.0
"""At least this long is waited for a probe: some are large."""
DEEP = 60
"""Zips within zips; clamd follows 17 unless told otherwise, and never more than 100."""
BEHIND_MEGABYTES = (27, 108, 450)
"""Megabytes of other files that stand before EICAR in a zip; clamd looks at 400 MB unless told otherwise."""
FILE_MEGABYTES = (12, 30, 110)
"""Sizes of a file with EICAR at its end; clamd reads the first 100 MB of a file unless told otherwise."""
USUAL_MEGABYTES = 30
"""A scanner that reads less than this of a file is told to read more."""
STREAM_MEGABYTES = (2, 12, 30)
"""Sizes of a mail; clamd takes 100 MB unless told otherwise."""

_MB = 1 << 20
_GIVES_UP = (ScanState.LIMITS_EXCEEDED, ScanState.TOO_LARGE)


def probe(chain: FilterChain) -> Iterator[Line]:
    """Show the scanner of ``chain`` every probe, one line each."""
    lookup = chain.lookups.get(ScanQuestion)
    if lookup is None:
        yield Line("virus", "no scanner is configured (virus.clamd, virus.scanners): every mail is unscanned", True)
        return
    seconds = max(SECONDS, chain.config.engine.deadline)
    yield _expect(lookup, seconds, "a harmless text", b"mailfilter doctor\n", ScanState.CLEAN)
    once = zipped(EICAR)
    for what, data in (
        ("EICAR as it is", EICAR),
        ("EICAR in a zip", once),
        ("EICAR in a zip in a zip", zipped(once, "inner.zip")),
        ("EICAR attached to a mail", mail_with(EICAR)),
        ("EICAR in a zip in a zip attached to a mail", mail_with(zipped(once, "inner.zip"))),
    ):
        yield _expect(lookup, seconds, what, data, ScanState.INFECTED)
    yield _deep(lookup, seconds)
    yield _behind(lookup, seconds)
    yield _cut(lookup, seconds)
    yield _large_mail(lookup, seconds)
    yield _encrypted(lookup, seconds, chain.config.virus.on_encrypted)


def _expect(lookup: Lookup, seconds: float, what: str, data: bytes, wanted: ScanState) -> Line:
    answer = _ask(lookup, data, seconds)
    right = answer.state is wanted
    return Line("virus", f"{what}: {_said(answer)}{'' if right else f'; {wanted.value} was expected'}", not right)


def _deep(lookup: Lookup, seconds: float) -> Line:
    data = EICAR
    for _ in range(DEEP):
        data = zipped(data, "n.zip")
    return _judge_limit(f"EICAR {DEEP} zips deep", _ask(lookup, data, seconds))


def _behind(lookup: Lookup, seconds: float) -> Line:
    """EICAR behind ever more other content in a zip, until the scanner stops before it."""
    for megabytes in BEHIND_MEGABYTES:
        answer = _ask(lookup, zipped_behind(EICAR, megabytes), seconds)
        line = _judge_limit(f"EICAR behind {megabytes} MB in a zip", answer)
        if answer.state is not ScanState.INFECTED:
            break
    return line


def _cut(lookup: Lookup, seconds: float) -> Line:
    """EICAR in a zip at the end of ever larger files, until the end of one is not looked at; clamd never says so."""
    for megabytes in FILE_MEGABYTES:
        what = f"EICAR at the end of a file of {megabytes} MB in a zip"
        answer = _ask(lookup, zipped_file(megabytes, zipped(EICAR)), seconds)
        if answer.state is ScanState.CLEAN:
            hint = "files are cut at MaxFileSize without a word (clamd.conf); AlertExceedsMax does not change that"
            return Line("virus", f"{what}: clean; {hint}", megabytes <= USUAL_MEGABYTES)
        if answer.state is not ScanState.INFECTED:
            return _judge_limit(what, answer)
    return Line("virus", f"{what}: {_said(answer)}")


def _judge_limit(what: str, answer: ScanAnswer) -> Line:
    if answer.state is ScanState.CLEAN:
        hint = "let through unseen: set `AlertExceedsMax yes` in clamd.conf, so that the scanner says what it skips"
        return Line("virus", f"{what}: clean; {hint}", True)
    if answer.state in _GIVES_UP:
        return Line("virus", f"{what}: {_said(answer)}; not looked into, and said so")
    return Line("virus", f"{what}: {_said(answer)}", answer.state is not ScanState.INFECTED)


def _large_mail(lookup: Lookup, seconds: float) -> Line:
    """Where the limit on a mail lies; beyond it a mail is scanned in parts."""
    taken = "none of those tried"
    for megabytes in STREAM_MEGABYTES:
        answer = _ask(lookup, bytes(megabytes * _MB), seconds)
        if answer.state is not ScanState.CLEAN:
            given_up = answer.state in _GIVES_UP
            text = f"a mail of {megabytes} MB: {_said(answer)}; the largest that was taken: {taken}"
            return Line("virus", f"{text}; larger mails are scanned in parts" if given_up else text, not given_up)
        taken = f"{megabytes} MB"
    return Line("virus", f"a mail of {taken}: clean, as it should be")


def _encrypted(lookup: Lookup, seconds: float, policy: str) -> Line:
    data = bytearray(zipped(EICAR))
    data[6] |= 1  # general purpose bit 0 of the local header, and of the directory's (APPNOTE 4.4.4)
    data[data.index(b"PK\x01\x02") + 8] |= 1
    answer = _ask(lookup, bytes(data), seconds)
    if answer.state is ScanState.CLEAN:
        hint = "set `AlertEncryptedArchive yes` in clamd.conf for virus.on_encrypted to have an effect"
        return Line("virus", f"an encrypted zip: clean, though nobody can look into it; {hint}", policy != "pass")
    return Line("virus", f"an encrypted zip: {_said(answer)}", not answer.state.known and answer.state not in _OPENED)


_OPENED = (ScanState.ENCRYPTED, *_GIVES_UP)


def _ask(lookup: Lookup, data: bytes, seconds: float) -> ScanAnswer:
    answer: ScanAnswer = lookup.ask(ScanQuestion(data), Deadline.after(seconds))
    return answer


def _said(answer: ScanAnswer) -> str:
    words = " ".join(filter(None, (answer.state.value, *answer.names, answer.detail)))
    return f"{words} ({answer.scanner or 'no scanner answered'})"


def zipped(data: bytes, name: str = "eicar.com") -> bytes:
    """A zip of one member."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return target.getvalue()


def zipped_behind(data: bytes, megabytes: int) -> bytes:
    """A zip in which ``data`` stands behind files of zeros, 9 MB each; they are never in memory as a whole."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(megabytes // 9):
            with archive.open(f"zeros{number}.bin", "w") as member:
                for _ in range(9):
                    member.write(bytes(_MB))
        archive.writestr("eicar.com", data)
    return target.getvalue()


def zipped_file(megabytes: int, end: bytes) -> bytes:
    """A zip of one file: zeros, and ``end`` behind them."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("large.bin", "w") as member,
    ):
        for _ in range(megabytes):
            member.write(bytes(_MB))
        member.write(end)
    return target.getvalue()


def mail_with(data: bytes) -> bytes:
    """A mail with one attachment."""
    mail = EmailMessage()
    mail["Subject"] = "mailfilter doctor"
    mail.set_content("A probe, harmless in itself.\n")
    mail.add_attachment(data, maintype="application", subtype="octet-stream", filename="probe.bin")
    return mail.as_bytes()

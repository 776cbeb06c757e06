"""EICAR in every wrapping that mail programs open, against a real clamd, by the check as the chain runs it.

And the other way round: mail that is like it in size is not called infected.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import gzip
import io
import lzma
import os
import quopri
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from mailfilter import Config, FilterChain
from mailfilter.checks.virus import VirusCheck
from mailfilter.errors import ArchiveError

from ..servers import EICAR, Clamd

pytestmark = pytest.mark.server

B64 = base64.encodebytes(EICAR)
OCTETS = b"Content-Type: application/octet-stream; name=a.com\n"


@pytest.fixture(scope="module")
def chain(clamd: Clamd) -> Iterator[FilterChain]:
    config = Config.from_mapping({"virus": {"clamd": [clamd.unix]}})
    with FilterChain(config, checks=[VirusCheck()], stateless=True) as made:
        yield made


def part(headers: bytes, body: bytes, boundary: bytes = b"b") -> bytes:
    return b"--" + boundary + b"\n" + headers + b"\n" + body + b"\n"


def mixed(
    *parts: bytes, head: bytes = b"Content-Type: multipart/mixed; boundary=b\n", end: bytes = b"--b--\n"
) -> bytes:
    text = part(b"Content-Type: text/plain\n", b"see below")
    return b"From: a@example.net\nSubject: x\nMIME-Version: 1.0\n" + head + b"\n" + text + b"".join(parts) + end


def coded(data: bytes, name: bytes = b"a.bin") -> bytes:
    head = b"Content-Type: application/octet-stream; name=" + name + b"\nContent-Transfer-Encoding: base64\n"
    return mixed(part(head, base64.encodebytes(data)))


def zipped(data: bytes, name: str = "a.com") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return target.getvalue()


def tarred(data: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        info = tarfile.TarInfo("a.com")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def uuencoded(data: bytes) -> bytes:
    lines = b"".join(binascii.b2a_uu(data[at : at + 45]) for at in range(0, len(data), 45))
    return b"begin 644 a.com\n" + lines + b"`\nend\n"


def forwarded() -> bytes:
    inner, outer = EmailMessage(), EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("inner")
    inner.add_attachment(EICAR, maintype="application", subtype="octet-stream", filename="a.com")
    outer["Subject"] = "outer"
    outer.set_content("outer")
    outer.add_attachment(inner)
    return outer.as_bytes()


def deep(levels: int, mail: bytes) -> bytes:
    return b"Subject: x\nContent-Type: message/rfc822\n\n" * levels + mail


CODED = b"Content-Transfer-Encoding: base64\n"
BIG = b"x" * 700_000
MAILS = {
    "base64": coded(EICAR),
    "base64 on one line": mixed(part(OCTETS + CODED, base64.b64encode(EICAR))),
    "quoted-printable": mixed(
        part(OCTETS + b"Content-Transfer-Encoding: quoted-printable\n", quopri.encodestring(EICAR))
    ),
    "all quoted": mixed(
        part(
            OCTETS + b"Content-Transfer-Encoding: quoted-printable\n", b"=\n".join(b"=%02X" % octet for octet in EICAR)
        )
    ),
    "8bit": mixed(part(OCTETS + b"Content-Transfer-Encoding: 8bit\n", EICAR)),
    "binary": mixed(part(OCTETS + b"Content-Transfer-Encoding: binary\n", EICAR)),
    "uuencode by label": mixed(part(OCTETS + b"Content-Transfer-Encoding: x-uuencode\n", uuencoded(EICAR))),
    "uuencode in the text": b"Subject: x\n\nhello\n\n" + uuencoded(EICAR),
    "the mail itself": b"Subject: x\nContent-Type: application/octet-stream\n" + CODED + b"\n" + B64,
    "zip": coded(zipped(EICAR)),
    "nested zip": coded(zipped(zipped(zipped(EICAR), "b.zip"), "c.zip")),
    "tar.gz": coded(gzip.compress(tarred(EICAR))),
    "tar.bz2": coded(bz2.compress(tarred(EICAR))),
    "tar.xz": coded(lzma.compress(tarred(EICAR))),
    "message/rfc822": forwarded(),
    "message/rfc822 in base64": mixed(
        part(b"Content-Type: message/rfc822\n" + CODED, base64.encodebytes(coded(EICAR)))
    ),
    "two types, multipart first": b"Subject: x\nContent-Type: multipart/mixed; boundary=b\nContent-Type: text/plain\n\n"
    + part(OCTETS + CODED, B64)
    + b"--b--\n",
    "two types, multipart last": b"Subject: x\nContent-Type: text/plain\nContent-Type: multipart/mixed; boundary=b\n\n"
    + part(OCTETS + CODED, B64)
    + b"--b--\n",
    "two encodings, the true one last": mixed(part(OCTETS + b"Content-Transfer-Encoding: 7bit\n" + CODED, B64)),
    "two encodings, the true one first": mixed(part(OCTETS + CODED + b"Content-Transfer-Encoding: 7bit\n", B64)),
    "base64 with junk": mixed(
        part(OCTETS + CODED, b"!".join(base64.b64encode(EICAR)[at : at + 7] for at in range(0, 99, 7)))
    ),
    "base64 with dashes and dots": mixed(
        part(OCTETS + CODED, b".-".join(bytes([octet]) for octet in base64.b64encode(EICAR)))
    ),
    "base64 with an early end": mixed(part(OCTETS + CODED, base64.b64encode(EICAR[:1]) + base64.b64encode(EICAR[1:]))),
    "base64 without padding": mixed(part(OCTETS + CODED, base64.b64encode(EICAR).rstrip(b"="))),
    "an encoding with a remark": mixed(part(OCTETS + b"Content-Transfer-Encoding: base64 (really)\n", B64)),
    "an encoding of another name": mixed(part(OCTETS + b"Content-Transfer-Encoding: x-base64\n", B64)),
    "an encoding in quotes": mixed(part(OCTETS + b'Content-Transfer-Encoding: "base64"\n', B64)),
    "no encoding said": mixed(part(OCTETS + b"Content-Transfer-Encoding: what\n", B64)),
    "two boundaries, the first": mixed(
        part(OCTETS + CODED, B64), head=b'Content-Type: multipart/mixed; boundary=b; boundary="c"\n'
    ),
    "two boundaries, the last": mixed(
        part(OCTETS + CODED, B64), head=b'Content-Type: multipart/mixed; boundary=c; boundary="b"\n'
    ),
    "a boundary in two forms": mixed(
        part(OCTETS + CODED, B64), head=b"Content-Type: multipart/mixed; boundary=c; boundary*=b\n"
    ),
    "an early terminator": mixed(b"--b--\n", part(OCTETS + CODED, B64)),
    "two early terminators": mixed(b"--b--\n--b--\n", part(OCTETS + CODED, B64)),
    "no terminator": mixed(part(OCTETS + CODED, B64), end=b""),
    "before the parts": mixed(head=b"Content-Type: multipart/mixed; boundary=b\n\n" + OCTETS + CODED + b"\n" + B64),
    "a boundary that begins another": mixed(b"--bc\n" + OCTETS + CODED + b"\n" + B64),
    "the same boundary inside": mixed(part(b"Content-Type: multipart/mixed; boundary=b\n", part(OCTETS + CODED, B64))),
    "no blank line": mixed(b"--b\n" + OCTETS + CODED + b"X: y\njunk\n" + b"\n" + B64),
    "CR LF": coded(EICAR).replace(b"\n", b"\r\n"),
    "CR alone": coded(EICAR).replace(b"\n", b"\r"),
    "NUL in the headers": coded(EICAR).replace(b"Content-Transfer", b"Content\0-Transfer"),
    "a blank before the colon": coded(EICAR).replace(b"Content-Transfer-Encoding:", b"Content-Transfer-Encoding :"),
    "a folded header": coded(EICAR).replace(
        b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding:\n base64"
    ),
    "capitals": coded(EICAR).replace(b"base64", b"BaSe64"),
    "external parts beyond the limit": mixed(*(part(OCTETS, BIG) for _ in range(3)), part(OCTETS + CODED, B64)),
    "beyond the limit, in a message": mixed(
        part(b"Content-Type: message/rfc822\n", mixed(part(OCTETS, BIG), part(OCTETS, BIG), part(OCTETS + CODED, B64)))
    ),
    "8 messages deep": deep(8, coded(EICAR)),
    "20 messages deep": deep(20, coded(EICAR)),
    "an mbox line before it": b"From a@example.net Mon Nov 24 00:00:00 2026\n" + coded(EICAR),
}


@pytest.mark.parametrize("form", MAILS)
def test_eicar_is_caught(chain: FilterChain, form: str) -> None:
    verdict = chain.check(MAILS[form])
    assert "VIRUS_INFECTED" in {symbol.name for symbol in verdict.symbols}, verdict.unknown
    assert verdict.action.value == "quarantine"


@pytest.mark.parametrize("levels", [35, 100, 1000])
def test_what_lies_too_deep_is_never_called_clean(chain: FilterChain, levels: int) -> None:
    """clamd calls it clean although it is told to say what it skips."""
    verdict = chain.check(deep(levels, coded(EICAR)))
    assert {symbol.name for symbol in (*verdict.symbols, *verdict.unknown)} & {
        "VIRUS_INFECTED",
        "VIRUS_LIMITS_EXCEEDED",
    }
    assert verdict.action.value == "quarantine"


@pytest.mark.parametrize("form", MAILS)
def test_the_same_without_eicar_is_not(chain: FilterChain, form: str) -> None:
    harmless = EICAR.replace(b"EICAR", b"PLAIN")
    raw = MAILS[form].replace(EICAR, harmless).replace(B64, base64.encodebytes(harmless))
    if raw != MAILS[form]:
        assert "VIRUS_INFECTED" not in {symbol.name for symbol in chain.check(raw).symbols}


def test_corpus_mails_of_like_size_are_not_infected(chain: FilterChain) -> None:
    """The 1,000 mails of a corpus that are nearest in size to a mail with EICAR in it."""
    folder = os.environ.get("MAILFILTER_CORPORA")
    if not folder:
        pytest.skip("MAILFILTER_CORPORA names no folder of corpora")
    from mailfilter.archives import ArchivedMail, find_corpus, read_archive

    try:
        path = find_corpus("spamassassin", os.environ)
    except ArchiveError as error:
        pytest.skip(str(error))
    mails = [item.raw for item in read_archive(path) if isinstance(item, ArchivedMail)]
    size = len(MAILS["base64"])
    nearest = sorted(mails, key=lambda raw: abs(len(raw) - size))[:1000]
    found = Counter(
        symbol.name for verdict in chain.check_many(nearest) for symbol in (*verdict.symbols, *verdict.unknown)
    )
    assert not found, found

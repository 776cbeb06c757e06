"""Hypothesis strategies for mail: well-formed ones, mutated ones, and soup.

`mails()` draws mails that look like mail but may break any rule; `mutated_mails()` cuts, repeats and overwrites
stretches of such; `byte_soup()` joins bytes that mean something to a mail reader; `linked_texts()` are texts with
blanks of all kinds or with links.
"""

from __future__ import annotations

import base64
import quopri

from hypothesis import strategies as st

BOUNDARIES = ("b", "bb", "=_x", "a b", "b--", "")
TYPES = (
    "text/plain", "text/html", "text/plain; charset=utf-8", "text/html; charset=iso-8859-1",
    "text/plain; charset=zlib",
    "text/plain; charset=undefined", "text/plain; charset=utf-7", "text/plain; charset=utf-16",
    "text/calendar",
    "application/octet-stream", "application/zip; name=a.zip", "message/rfc822", "message/delivery-status",
    "message/partial; id=x; number=1", "image/png; name*=utf-8''%41.png", "text", "", "text/plain;;;",
    "a/b/c",
    'multipart/mixed; boundary="b"', "multipart/digest; boundary=b", "multipart/mixed",
    "multipart/mixed; boundary=bb",
    'multipart/alternative; boundary=b; boundary="bb"', 'multipart/mixed; boundary*0="b"; boundary*1=b',
)  # fmt: skip
ENCODINGS = (
    "7bit", "8bit", "binary", "base64", "quoted-printable", "x-uuencode", "BASE64 ", "base64;", "bas64", "", "x-what"
)  # fmt: skip
NAMES = (
    "Subject", "From", "To", "Received", "Date", "Message-ID", "X-Mailer", "content-type", "CONTENT-TYPE",
    "Content-Type ",
    "Content-Disposition", "MIME-Version", "List-Unsubscribe",
)  # fmt: skip
PIECES = (
    b"\n", b"\r\n", b"\r", b"\n\n", b"\0", b" ", b"\t", b":", b"--b", b"--b--", b"--b\n", b"\n--b--\n",
    b"Content-Type: ",
    b"multipart/mixed; boundary=b\n", b"text/html\n\n", b"Content-Transfer-Encoding: base64\n",
    b"=?utf-8?q?=41?=",
    b"=?x?b?QQ==?= ", b"begin 644 a\n", b"#0V%T\n", b"end\n", b"QUJD", b"==", b"=41", b"=\n", b"<a href=",
    b"<!--", b"-->",
    b"<p style=display:none>", b"</p>", b"http://a.example/", b"www.", b"From x\n", b">From x\n",
    b"\xef\xbb\xbf", b"\xff\xfe",
    b"\xc3\xa4", b"\xe4", b'"', b";", b"=", b"name=", b"filename*0*=", b"boundary=", b"(", b")", b"<",
    b">", b",", b"@", b"&#x41;",
)  # fmt: skip


def byte_soup(max_size: int = 60) -> st.SearchStrategy[bytes]:
    """Pieces that mean something, and pieces that do not, in any order."""
    return st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=max_size).map(b"".join)


def header_values() -> st.SearchStrategy[str]:
    """Values of headers: plain, encoded, folded, 8-bit."""
    return st.sampled_from(
        (
            "hello",
            "=?utf-8?q?h=C3=A9?=",
            "=?utf-8?b?aMOp?= =?utf-8?b?aMOp?=",
            "a\n b\n\tc",
            "gr\xfc\xdf",
            "",
            "a <a@b.example>",
        )
    ) | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)


def texts() -> st.SearchStrategy[str]:
    """Bodies of text parts."""
    return st.sampled_from(
        (
            "",
            "hello\n",
            "<p>V<!-- -->iagra</p>",
            "see http://a.example/x.\n",
            "begin 644 a\n#0V%T\n`\nend\n",
            "--b\n",
            "caf\xe9",
        )
    ) | st.text(max_size=60)


@st.composite
def encoded(draw: st.DrawFn, text: str, encoding: str) -> bytes:
    """A text in a transfer encoding, or not in it after all."""
    raw = text.encode(draw(st.sampled_from(("utf-8", "utf-16", "utf-7"))), "replace")
    if not draw(st.integers(0, 9)):
        return raw
    if encoding.strip().lower() == "base64":
        return base64.encodebytes(raw)
    return quopri.encodestring(raw) if encoding == "quoted-printable" else raw


@st.composite
def entities(draw: st.DrawFn, depth: int = 3) -> bytes:
    """A header block and a body that may or may not be what the headers say."""
    kind = draw(st.sampled_from(TYPES))
    encoding = draw(st.sampled_from(ENCODINGS))
    lines = [f"Content-Type: {kind}"] if draw(st.integers(0, 9)) else []
    if draw(st.booleans()):
        lines.append(f"Content-Transfer-Encoding: {encoding}")
    if not draw(st.integers(0, 5)):
        lines.append(f"Content-Type: {draw(st.sampled_from(TYPES))}")
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=3)):
        lines.append(f"{name}: {draw(header_values())}")
    if not draw(st.integers(0, 9)):
        lines.append("junk")
    end = draw(st.sampled_from((b"\n", b"\n", b"\r\n")))
    head = b"".join(line.encode("latin-1", "replace").replace(b"\n", end) + end for line in lines)
    if depth and kind.startswith(("multipart/", "message/rfc822")):
        body = draw(_parts(depth - 1, end)) if kind.startswith("multipart/") else draw(entities(depth=depth - 1))
    else:
        body = draw(encoded(draw(texts()), encoding))
    return head + (end if draw(st.integers(0, 19)) else b"") + body


@st.composite
def _parts(draw: st.DrawFn, depth: int, end: bytes) -> bytes:
    """Parts between delimiter lines."""
    boundary = draw(st.sampled_from(BOUNDARIES)).encode()
    pieces = [draw(st.sampled_from((b"", b"", b"preamble" + end)))]
    for part in draw(st.lists(entities(depth=depth), max_size=3)):
        pieces += (b"--" + boundary + draw(st.sampled_from((b"", b"", b" ", b"x"))) + end, part, end)
        if not draw(st.integers(0, 9)):
            pieces.append(b"--" + boundary + b"--" + end)
    if draw(st.booleans()):
        pieces.append(b"--" + boundary + b"--" + draw(st.sampled_from((b"", end, end + b"epilogue" + end))))
    return b"".join(pieces)


def mails() -> st.SearchStrategy[bytes]:
    """Mails that look like mail; any rule may be broken."""
    prefixes = st.sampled_from((b"", b"", b"", b"From x@y.example Thu Jan  1 00:00:00 1970\n", b"\xef\xbb\xbf"))
    return st.builds(bytes.__add__, prefixes, entities())


@st.composite
def mutated_mails(draw: st.DrawFn) -> bytes:
    """Such mails with stretches cut out, repeated or overwritten."""
    mail = draw(mails())
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(mail)))
        end = draw(st.integers(start, len(mail)))
        middle = draw(st.sampled_from((b"", mail[start:end] * 2)) | byte_soup(4))
        mail = mail[:start] + middle + mail[end:]
    return mail


def linked_texts() -> st.SearchStrategy[str]:
    """Any text, text with blanks and references of all kinds, and starts of links."""
    starts = ["http://", "https://a.example/b", "www.", "WWW.x.example", "ww.", "wwww.", "ftp://", " ", "é", "x"]
    return st.one_of(
        st.text(max_size=80),
        st.text(alphabet="aZ1 \t\n\r\x0b\x1c\x1e\x85\xa0\u2003\u3000é<>&;@", max_size=80),
        st.lists(st.sampled_from(starts)).map("".join),
    )

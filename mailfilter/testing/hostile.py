"""Mails that were made to hang, crash or bloat a reader.

`hostile_mails` gives (name, mail) pairs, each about a megabyte unless its name says otherwise.  Whatever reads mail
should take any of them in time and memory linear in the size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

MANY = 100_000
"""Repetitions, where the attack is repetition."""

_HTML = b"Subject: html\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n"
_TEXT = b"Subject: text\nContent-Type: text/plain\n\n"


def _nested(kind: bytes, levels: int) -> bytes:
    """Multiparts within multiparts, each with a boundary of its own, none closed."""
    lines = [b"Subject: nested\n"]
    lines += [b'Content-Type: %s; boundary="b%d"\n\n--b%d\n' % (kind, i, i) for i in range(levels)]
    return b"".join([*lines, b"Content-Type: text/plain\n\ninnermost\n"])


def _nested_messages(levels: int, encoded: bool = False) -> bytes:
    head = b"Content-Type: message/rfc822\n"
    if encoded:
        head += b"Content-Transfer-Encoding: quoted-printable\n"
    return (head + b"\n") * levels + b"Subject: innermost\n\ntext\n"


def _multipart(body: bytes, boundary: bytes = b"b", more: bytes = b"") -> bytes:
    return b'Subject: parts\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="%s"%s\n\n%s' % (
        boundary, more, body,
    )  # fmt: skip


def _structures(many: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    yield "nested multiparts 3000", lambda: _nested(b"multipart/mixed", 3000)
    yield "nested multiparts 10000", lambda: _nested(b"multipart/mixed", many // 10)
    yield "nested digests 3000", lambda: _nested(b"multipart/digest", 3000)
    yield "nested messages 10000", lambda: _nested_messages(many // 10)
    yield "nested encoded messages 3000", lambda: _nested_messages(3000, encoded=True)
    yield "parts 1e5", lambda: _multipart(b"--b\n\nx\n" * many + b"--b--\n")
    yield "parts with headers 3e4", lambda: _multipart(b"--b\nContent-Type: text/html\n\n<p>x\n" * (many // 10 * 3))
    yield "terminators 1e5", lambda: _multipart(b"--b\n\nx\n" + b"--b--\n" * many)
    yield "boundary prefixes 1e5", lambda: _multipart(b"--b\n\nx\n" + b"--bx\n" * many + b"--b--\n")
    yield "boundary with long blanks 1e6", lambda: _multipart((b"--b" + b" " * 1000 + b"\n") * 1000)
    yield "boundary parameters 1e5", lambda: _multipart(b"--b7\n\nx\n--b7--\n", more=b"".join(
        b'; boundary="b%d"' % i for i in range(many // 10)))  # fmt: skip
    yield "boundary of 1e5 characters", lambda: _multipart(b"--" + b"b" * many + b"\n\nx\n", boundary=b"b" * many)
    yield "epilogue and preamble", lambda: _multipart(b"p\n" * many + b"--b\n\nx\n--b--\n" + b"e\n" * many)
    yield "every ambiguity at once", lambda: _ambiguous(many // 50)


def _ambiguous(parts: int) -> bytes:
    """A mail with so many disputes that their combinations would be thousands of readings."""
    part = (
        b"--a\nContent-Type: text/plain\nContent-Type: text/html\nContent-Transfer-Encoding: base64;\n"
        b"Content-Transfer-Encoding: x-what\n\nQQ==QQ==!!!!QUJD\n--a--\n--ab\n\nx\n--b\n\ny\n"
    )
    head = (
        b'Subject : x\nContent-Type: multipart/mixed; boundary=a; boundary="b"; boundary*=c\n'
        b"Content-Type: multipart/digest; boundary=b\njunk\nContent-Transfer-Encoding: base64\nX: \0\rY: z\n\n"
    )
    return head + b"preamble\n" + part * parts + b"epilogue\n"


def _headers(many: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    words = b"=?utf-8?q?a?= "
    yield "header lines 1e5", lambda: b"X-A: b\n" * many + b"Content-Type: text/html\n\n<p>x"
    yield "continuation lines 1e5", lambda: b"Subject: a\n" + b" b\n" * many + b"\nx"
    yield "encoded words 1e5", lambda: b"Subject: " + words * many + b"\n\nx"
    yield "encoded words 1e5 folded", lambda: b"Subject: " + b"=?utf-8?b?YQ==?=\n " * many + b"\n\nx"
    yield "unfinished encoded words 1e5", lambda: b"Subject: " + b"=?utf-8?q?" * many + b"\n\nx"
    yield "encoded words in names 1e4", lambda: b'Content-Type: x/y; name="' + words * (many // 10) + b'"\n\nx'
    yield "parentheses 2e4 in To", lambda: b"To: " + b"(" * (many // 5) + b"a@example.org\n\nx"
    yield "parentheses 1e6 in To", lambda: b"To: " + b"(" * 10 * many + b"\n\nx"
    yield "quotes 1e6 in To", lambda: b"To: " + b'"' * 10 * many + b"\n\nx"
    yield "backslashes 1e6 in To", lambda: b'To: "' + b"\\" * 10 * many + b"\n\nx"
    yield "addresses 1e5", lambda: b"To: " + b"a@example.org, " * many + b"\n\nx"
    yield "brackets 1e6 in To", lambda: b"To: " + b"<" * 10 * many + b"\n\nx"
    yield "parameters 1e5", lambda: b"Content-Type: text/plain" + b"; a=b" * many + b"\n\nx"
    yield "sections 1e5", lambda: b"Content-Type: x/y" + b"".join(b"; name*%d=a" % i for i in range(many)) + b"\n\nx"
    yield "open quotes 1e5", lambda: b"Content-Type: text/plain" + b'; a="' * many + b"\n\nx"
    yield "percent signs 1e6 in a name", lambda: b"Content-Type: x/y; name*=utf-8''" + b"%41" * many + b"\n\nx"
    yield "semicolons 1e6", lambda: b"Content-Type: text/plain" + b";" * 10 * many + b"\n\nx"
    yield "equals signs 1e6", lambda: b"Content-Type: text/plain;" + b"a=" * 5 * many + b"\n\nx"
    yield "blanks 1e6 in a type", lambda: b"Content-Type: " + b" " * 10 * many + b"text/plain\n\nx"
    yield "blanks 1e6 before a colon", lambda: b"Subject" + b" " * 10 * many + b"\nContent-Type: x/y\n\nx"
    yield "junk lines 1e5", lambda: b"Subject: a\n" + b"junk\n" * many + b"Content-Type: text/html\n\nx"
    yield "junk between headers 1e5", lambda: b"junk\nX: y\n" * many + b"Content-Type: text/html\n\nx"
    yield "content types 1e5", lambda: b"".join(b"Content-Type: a/b%d\n" % i for i in range(many)) + b"\nx"
    yield "carriage returns 1e6", lambda: b"Subject: a" + b"\r" * 10 * many + b"\n\nx"
    yield "header of one line 1e6", lambda: b"X" * 10 * many
    yield "colons 1e6", lambda: b":" * 10 * many


def _bodies(many: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    base64 = b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n"
    yield "blanks 1e6", lambda: _TEXT + b" " * 10 * many
    yield "line feeds 1e6", lambda: b"\n" * 10 * many
    yield "blank lines with returns 1e6", lambda: _TEXT + b"\r\n" * 5 * many
    yield "NUL 1e6", lambda: b"\0" * 10 * many
    yield "base64 padding 1e5", lambda: base64 + b"QQ==" * many
    yield "base64 junk 1e6", lambda: base64 + b"Q!Q?" * many
    yield "base64 of nothing 1e6", lambda: base64 + b"=" * 10 * many
    yield "quoted-printable 1e6", lambda: (
        b"Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n" + b"=" * 10 * many)  # fmt: skip
    yield "uuencoded files 1e5", lambda: _TEXT + b"begin 644 a\n#0V%T\n`\nend\n" * many
    yield "uuencoded beginnings 1e5", lambda: _TEXT + b"begin 644 a\n" * many
    yield "web addresses 1e5", lambda: _TEXT + b"http://a.example/ " * many
    yield "web address of 1e6", lambda: _TEXT + b"http://" + b"a" * 10 * many
    yield "schemes 1e5", lambda: _TEXT + b"http://" * many
    yield "www 1e5", lambda: _TEXT + b"www." * many
    yield "closing brackets 1e6", lambda: _TEXT + b"http://a.example/" + b")." * 5 * many
    yield "utf-7 1e6", lambda: b"Content-Type: text/plain; charset=utf-7\n\n" + b"+2AA-" * many
    yield "punycode 1e6", lambda: b"Content-Type: text/plain; charset=punycode\n\n" + b"a-9" * 3 * many
    yield "iso-2022-jp 1e6", lambda: b"Content-Type: text/plain; charset=iso-2022-jp\n\n" + b"\x1b$B\x1b(B" * many


def _markup(many: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    pieces = {
        "anchors": b'<a href="', "plain anchors": b"<a href=", "comments": b"<!--", "end tags": b"</",
        "questions": b"<?", "CDATA": b"<![CDATA[", "brackets": b"<", "divs": b"<div>",
        "hidden divs": b'<div style="display:none">',
        "tiny divs": b"<div style='font-size:0'>", "paragraphs with bold": b"<p><b a=1>x",
        "open tags": b"<a ",
        "open values": b"<a b='", "bold italic": b"<b><i></b></i>",
        "links": b"<a href=http://a.example/>x</a>",
        "tables": b"<table><tr><td>", "scripts": b"<script>", "styles": b"<style></style>",
        "titles": b"<title>",
        "entities": b"&amp;&#x41;&nosuch;", "ampersands": b"&", "conditional comments": b"<!--[if mso]>x",
        "closed conditional comments": b"<!--[if mso]><p>x<![endif]-->", "images": b"<img src=x>",
        "quotes": b"<a title=\">\">", "selects": b"<select><option>", "forms": b"<form action=x>",
        "nulls": b"\x00<\x1c\x1d\x1e>",
    }  # fmt: skip
    for name, piece in pieces.items():
        yield f"html {name} 1e5", lambda piece=piece: _HTML + piece * many  # type: ignore[misc]
    yield "html attributes 1e5", lambda: _HTML + b"<p " + b" ".join(b"a%d=b" % i for i in range(many)) + b">x"
    yield "html attributes without values 1e6", lambda: _HTML + b"<p " + b"a " * 5 * many + b">x"
    yield "html hidden styles in one tag 1e5", lambda: _HTML + b"<p style='" + b"display:none;" * many + b"'>x"
    yield "html hidden styles in text 1e5", lambda: _HTML + b"<p style=x>" + b"display:none " * many
    yield "html hidden styles in open tag 1e5", lambda: _HTML + b"<p " + b"display:none style " * many
    yield "html href in one tag 1e5", lambda: _HTML + b"<a " + b"xhref=y " * many + b">x"
    yield "html blanks after an attribute 1e6", lambda: _HTML + b"<a href" + b" " * 10 * many + b"=x>y"
    yield "html blanks 1e6", lambda: _HTML + b"<p>" + b" " * 10 * many
    yield "html text 1e6", lambda: _HTML + b"word " * 2 * many
    yield "html blanks before the first tag 1e6", lambda: b"Content-Type: x/y\n\n" + b" " * 10 * many + b"<html>"


def hostile_mails(many: int = MANY, largest: bool = False) -> Iterator[tuple[str, bytes]]:
    """(name, mail) pairs, made one at a time, each of ``many`` repetitions; names are for the usual number of them.

    ``largest`` adds those of 100 MB.
    """
    for family in (_structures, _headers, _bodies, _markup):
        for name, make in family(many):
            yield name, make()
    if largest:
        yield "one line of 100 MB", _TEXT + b"a" * 100_000_000
        yield "header of one line of 100 MB", b"Subject: " + b"a" * 100_000_000
        yield "base64 of 100 MB", b"Content-Transfer-Encoding: base64\n\n" + b"QUJD" * 25_000_000
        yield "html of 100 MB", _HTML + b"word " * 20_000_000

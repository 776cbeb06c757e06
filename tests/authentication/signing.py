"""Signs mails for the tests, with canonical forms of its own that are written for clearness and not for speed."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@cache
def private(kind: str) -> Any:
    return Ed25519PrivateKey.generate() if kind == "ed25519" else rsa.generate_private_key(65537, int(kind[3:]))


def record(kind: str) -> str:
    """The key record of ``ed25519``, ``rsa2048`` and so on."""
    public = private(kind).public_key()
    if kind == "ed25519":
        data = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        data = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k={kind.rstrip('0123456789') if kind != 'ed25519' else kind}; p={base64.b64encode(data).decode()}"


def body_form(body: bytes, relaxed: bool) -> bytes:
    """Canonical body, line by line."""
    lines = body.split(b"\r\n")
    if relaxed:
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    text = b"".join(line + b"\r\n" for line in lines)
    return text or (b"" if relaxed else b"\r\n")


def header_form(field: bytes, relaxed: bool) -> bytes:
    if not relaxed:
        return field
    name, _, value = field.partition(b":")
    return name.strip().lower() + b":" + re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip()


def raw_sign(kind: str, data: bytes) -> str:
    key = private(kind)
    digest = hashlib.sha256(data).digest()
    signature = key.sign(digest) if kind == "ed25519" else key.sign(data, padding.PKCS1v15(), SHA256())
    return base64.b64encode(signature).decode()


def sign(
    mail: bytes,
    kind: str = "rsa2048",
    forms: str = "relaxed/relaxed",
    names: str = "from:subject",
    domain: str = "x.test",
    more: str = "",
    length: int | None = None,
    field: str = "DKIM-Signature",
    start: str = "v=1; ",
) -> bytes:
    """``mail`` (CRLF, fields without folds) with a signature on top."""
    head, _, body = mail.partition(b"\r\n\r\n")
    fields = head.split(b"\r\n")
    header, _, body_kind = forms.partition("/")
    canonical = body_form(body, body_kind == "relaxed")
    if length is not None:
        canonical, more = canonical[:length], f"{more} l={length};"
    digest = base64.b64encode(hashlib.sha256(canonical).digest()).decode()
    algorithm = "ed25519-sha256" if kind == "ed25519" else "rsa-sha256"
    text = f"{field}: {start}a={algorithm}; c={forms}; d={domain}; s=k; h={names};{more} bh={digest}; b="
    lines = []
    for name in names.split(":"):
        found = [one for one in fields if one.lower().startswith(name.lower().encode() + b":")]
        if found:
            fields.remove(found[-1])
            lines.append(header_form(found[-1], header == "relaxed") + b"\r\n")
    lines.append(header_form(text.encode(), header == "relaxed"))
    return text.encode() + raw_sign(kind, b"".join(lines)).encode() + b"\r\n" + mail


def seal(mail: bytes, number: int, domain: str, seen: str = "dmarc=pass", kind: str = "rsa1024") -> bytes:
    """The mail with one more ARC set on top."""
    mail = f"ARC-Authentication-Results: i={number}; {domain}; {seen}\r\n".encode() + mail
    mail = sign(mail, kind, domain=domain, field="ARC-Message-Signature", start=f"i={number}; ")
    algorithm = "ed25519-sha256" if kind == "ed25519" else "rsa-sha256"
    state = "pass" if number > 1 else "none"
    own = f"ARC-Seal: i={number}; a={algorithm}; cv={state}; d={domain}; s=k; b=".encode()
    fields = [line for line in mail.partition(b"\r\n\r\n")[0].split(b"\r\n") if line.startswith(b"ARC-")]
    order = ("ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal")
    ordered = [
        next(line for line in fields if line.startswith(f"{name}: i={n};".encode()))
        for n in range(1, number + 1)
        for name in order[: 2 if n == number else 3]
    ]
    data = b"".join(header_form(field, True) + b"\r\n" for field in ordered) + header_form(own, True)
    return own + raw_sign(kind, data).encode() + b"\r\n" + mail

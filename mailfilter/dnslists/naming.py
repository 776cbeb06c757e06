"""From what stands in a mail to the name that is asked for: reversed addresses, domains, hashes."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import urllib.parse
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ..lookups import DnsQuestion
from .definition import DnsList

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

LONGEST_NAME = 253
"""Longest name of the DNS in text form (RFC 1035)."""
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_PATH = re.compile(r"[/?][a-zA-Z0-9()_.=~!/-]{2,512}")
"""What of a link's path counts where ``form = "host-path"``: up to the first character that is often random."""
_GMAIL = ("gmail.com", "googlemail.com")


class Subject(NamedTuple):
    """What may be asked about: a kind of `definition.SOURCES`, where it stands in the mail, and its canonical text.

    An address without brackets, a host name in lower case, a link as it stands, or a mail address.
    """

    kind: str
    source: str
    value: str


def question_names(definition: DnsList, subject: Subject) -> tuple[str, ...]:
    """The names to ask a list for about a subject: none where it is not asked about it, two for ``form = "both"``."""
    if subject.source not in definition.ask:
        return ()
    if subject.kind == "ip":
        family = "ipv6" if ":" in subject.value else "ipv4"
        wanted = definition.kind == "ip" or (definition.addresses and subject.source == "links")
        return _below(definition, reversed_address(subject.value)) if wanted and family in definition.families else ()
    if subject.kind != definition.kind:
        return ()
    if subject.kind == "domain":
        return tuple(name for form in _forms(definition, subject.value) for name in _below(definition, form))
    text = subject.value if subject.kind == "email" else link_text(subject.value, definition.form)
    if subject.kind == "email":
        text = normalised(text, definition.normalise)
    return _below(definition, digest(text, definition.hash, definition.encoding)) if text else ()


def raw_name(definition: DnsList, text: str) -> str:
    """The name for a test point: an address reversed, a mail address hashed, anything else as it stands."""
    if "@" in text:
        text = digest(normalised(text, definition.normalise), definition.hash, definition.encoding)
    else:
        try:
            text = reversed_address(str(ipaddress.ip_address(text)))
        except ValueError:
            text = text.lower()
    return f"{text}.{definition.asked_zone}"


def address_question(definition: DnsList, address: str) -> DnsQuestion:
    """The question about an address."""
    return DnsQuestion(f"{reversed_address(address)}.{definition.asked_zone}", "A")


@lru_cache(maxsize=4096)
def reversed_address(address: str) -> str:
    """Octets or nibbles reversed (RFC 5782 sections 2.1, 2.4)."""
    return ipaddress.ip_address(address).reverse_pointer.rsplit(".", 2)[0]


def _below(definition: DnsList, text: str) -> tuple[str, ...]:
    fits = len(text) + 1 + len(definition.asked_zone) <= LONGEST_NAME
    return (f"{text}.{definition.public_zone}",) if fits else ()


def _forms(definition: DnsList, host: str) -> tuple[str, ...]:
    registered = registered_domain(host)
    if not registered:
        return ()
    if definition.form == "registered":
        return (registered,)
    return (host,) if definition.form == "host" or host == registered else (host, registered)


@lru_cache(maxsize=16_384)
def registered_domain(host: str) -> str:
    """The name below a public suffix, ``""`` for a name that is none or a suffix itself."""
    found = _suffixes().privatesuffix(host)
    return str(found) if found else ""


@cache
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


@lru_cache(maxsize=16_384)
def host_name(text: str) -> str:
    """A host name in lower case and ASCII, ``""`` for what is none (RFC 1123, RFC 3490)."""
    text = text.strip(" .\t").lower()
    if not 3 < len(text) <= LONGEST_NAME or "." not in text:
        return ""
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    labels = text.split(".")
    return text if all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit() else ""


def normalised(address: str, how: tuple[str, ...]) -> str:
    """A mail address in lower case, and made alike as a list wants it."""
    local, _, domain = address.strip().lower().rpartition("@")
    if "tags" in how:
        local = local.partition("+")[0] or local
    if domain in _GMAIL and "dots" in how:
        local = local.replace(".", "")
    if domain in _GMAIL and "googlemail" in how:
        domain = _GMAIL[0]
    return f"{local}@{domain}"


def link_text(url: str, form: str) -> str:
    """What of a link is hashed: the whole without fragment, or ``host/path`` as Spamhaus' HBL takes it."""
    try:
        parts = urllib.parse.urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return ""
    if not host or parts.scheme.lower() not in ("http", "https"):
        return ""
    authority = f"{host}:{port}" if port else host
    rest = parts.path + (f"?{parts.query}" if parts.query else "")
    if form == "url":
        return f"{parts.scheme.lower()}://{authority}{rest}"
    path = _PATH.match(urllib.parse.unquote(rest, "latin-1"))
    return authority + path[0] if path else ""


def digest(text: str, method: str, encoding: str) -> str:
    """A hash as a label: lower-case hex, or base32 (RFC 4648) without padding."""
    value = hashlib.new(method, text.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return value.hex() if encoding == "hex" else base64.b32encode(value).decode("ascii").rstrip("=").lower()

"""URIs as rules see them: those of HTML, those that mail programs make of plain text, each with its plainer forms.

Text is octets, each one character.  What is found in text follows what Thunderbird and Outlook Express turn into
links, names without a scheme included; a name counts only with a known top level domain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from ..kernel import native
from .headertext import is_host
from .rules import Domains
from .uriforms import PERCENT, UriForms, unquote

MAX_URIS = 5_000
MAX_WORD = 300
"""Characters of a word of which is remembered what URIs are in it."""

_END = r"><\"`}\]{\[|\s\x1b\xa0"
_MAIL_END = _END + r",('\x80-\xff"
_CANDIDATE = re.compile(r"https?://|ftp://|www|mailto:|ftp\.|.@.", re.I)
_NAMES = re.compile(r"[a-z\d]\.[a-z\d]", re.I)
_DOMAIN = re.compile(r"[a-z\d._-]\.[a-z][a-z\d-]", re.I)
_FOUND = re.compile(
    rf"(?:\b|(?<=[><\"'`,{{\[(|]))(?:"
    rf"((?:(?:https?|ftp)://|(?:www\d{{0,2}}|ftp)\.)[^{_END}]{{1,2048}})(?=[{_END}]|\Z)"
    rf"|(mailto:[^{_MAIL_END}]{{1,2048}}|[^{_MAIL_END}@]{{1,251}}@[^{_MAIL_END}]{{1,251}})(?=[{_MAIL_END}]|\Z)"
    rf"|(?:\A|(?<=[!\"#$&'()*+,/:;<=>?@\[\\\]^`{{|}}~\s\x1b\xa0]))"
    rf"(([a-z\d][a-z\d._-]{{0,251}}\.([a-z][a-z\d-]{{1,62}}))\.?(?::\d{{1,5}})?(?:/[^{_END}]{{1,2048}})?)(?=[{_END}]|\Z))",
    re.I,
)
_AFTER_PAREN = re.compile(r"\A([^(]*)\).*", re.S)
_PUNCTUATION = "-~!@#^&*()_+=:;'?,."
_SCHEME = re.compile(r"(?:https?|ftp|mailto):", re.I)
_EMPTY = re.compile(r"\w+:/{0,2}\Z")
_MISPARSED = re.compile(r"\A(?:skype|e?-?mail)?:+", re.I)
_IP = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}\Z|\[?[0-9a-f:.]*:[0-9a-f:.]*\]?\Z", re.I)
_WWW = re.compile(r"www\d{0,2}\.")
_AFTER_AT = re.compile(r"@.+?\.")
_BEHIND_SLASH = re.compile(r"/.+@")
_MAIL_HOST = re.compile(r"@([^?&>]*)")
_SPACES = re.compile(r"(?:%20)+\Z")
_BEFORE_HOST = re.compile(r"[a-z]+:/{0,2}")
_HOST = re.compile(r"[^/?#]*")
_PORT = re.compile(r":\d*\Z")
_HIDDEN = re.compile(r"%(?:2[1-9a-f]|[3-6][0-9a-f]|7[0-9a-e])")


class UriFinder:
    """Finds and canonicalises; ``domains`` say what a top level domain is, ``redirectors`` find URIs within others."""

    def __init__(self, domains: Domains, redirectors: Sequence[re.Pattern[str]] = ()) -> None:
        self.domains = domains
        self._canonical = lru_cache(4096)(UriForms(self.is_domain, redirectors).of)
        self._leading = lru_cache(4096)(self._canonical_of_text)
        self._in_short_word = lru_cache(4096)(self._in_word)

    def of(self, html: Iterable[str], text: bytes) -> list[str]:
        """All forms of the URIs of HTML parts, as written, and of the rendered text; each once."""
        found: dict[str, None] = {}
        for uri in self.in_text(text):
            found.update(dict.fromkeys(self._leading(uri)))
        for uri in html:
            found.update(dict.fromkeys(self._canonical(uri)))
        return list(found)

    def in_text(self, text: bytes) -> list[str]:
        """URIs that mail programs make of plain text, with the scheme that they add."""
        seen: dict[str, str] = {}
        words = native.rule_words(text) if native is not None else _words(text)
        for word in dict.fromkeys(words):
            for raw, uri in self._in_short_word(word) if len(word) <= MAX_WORD else self._in_word(word):
                if raw not in seen and len(seen) < MAX_URIS:
                    seen[raw] = uri
        return [uri for uri in seen.values() if uri]

    def _in_word(self, word: str) -> tuple[tuple[str, str], ...]:
        """What looks like a URI in a word, and what becomes of it, ``""`` if it is none."""
        found: dict[str, str] = {}
        for match in _FOUND.finditer(word):
            raw = match[1] or match[2] or match[3]
            raw = (_AFTER_PAREN.sub(r"\1", raw) if ")" in raw else raw).rstrip(_PUNCTUATION)
            if raw not in found and len(found) < MAX_URIS:
                found[raw] = self._with_scheme(raw, match)
        return tuple(found.items())

    def _canonical_of_text(self, uri: str) -> tuple[str, ...]:
        """All forms of a URI, none if no form of it leads to a host that is valid."""
        forms = self._canonical(uri)
        return forms if any(map(self.domain_of, forms)) else ()

    def _with_scheme(self, raw: str, match: re.Match[str]) -> str:
        """A found URI with its scheme, ``""`` if it is none."""
        low = raw[:8].lower()
        if (match[2] and "@" not in raw) or low.startswith(("cid:", "mid:")) or _EMPTY.match(raw):
            return ""
        if match[3] and not (is_host(match[4]) and self.is_top(match[5])):
            return ""
        uri = raw
        if not _SCHEME.match(uri):
            if low.startswith("ftp."):
                return f"ftp://{uri}"
            if _WWW.match(low):
                return f"http://{uri}"
            if "/" in uri and _BEHIND_SLASH.search(uri):
                return f"http://{uri}"
            if "@" not in uri:
                return f"http://{uri}" if "." in uri else ""
            if "&nbsp;" in uri or not _AFTER_AT.search(uri):
                return ""
            uri = "mailto:" + _MISPARSED.sub("", uri)
        if uri[:7].lower() == "mailto:":
            if PERCENT.search(uri):
                uri = unquote(uri)
            host = _MAIL_HOST.search(uri)
            if not host or not self.is_domain(_SPACES.sub("", host[1])):
                return ""
        return uri

    def is_top(self, label: str) -> bool:
        """Whether a label is a top level domain; without a list, any letters."""
        return label.lower() in self.domains.top if self.domains.top else label.isalpha()

    def is_domain(self, host: str) -> bool:
        """Whether a host has two labels or more and ends in a top level domain."""
        _, dot, top = host.lower().rpartition(".")
        return bool(dot and top) and not any(char.isspace() for char in host) and self.is_top(top)

    def registered(self, host: str) -> str:
        """The domain that was registered: one label before the suffix."""
        labels = host.lower().strip(".").split(".")
        for size, suffixes in ((3, self.domains.three), (2, self.domains.two)):
            if len(labels) > size and ".".join(labels[-size:]) in suffixes:
                return ".".join(labels[-size - 1 :])
        return ".".join(labels[-2:])

    def domain_of(self, uri: str) -> str:
        """The host that a URI leads to, ``""`` if there is none that is valid."""
        uri = uri.lower()
        if uri.startswith(("javascript:", "cid:", "file:")):
            return ""
        if uri.startswith("mailto:"):
            uri = uri[7:].partition("?")[0]
            if uri.count("@") != 1:
                return ""
            host = uri.partition("@")[2]
        else:
            scheme = _BEFORE_HOST.match(uri)
            host = _HOST.match(uri, scheme.end() if scheme else 0)[0].rpartition("@")[2]  # type: ignore[index]
            if ":" in host:
                host = _PORT.sub("", host)
        if "%" in host and _HIDDEN.search(host):
            return ""
        if _IP.match(host):
            return host
        return host if is_host(host) and self.is_domain(host) else ""


def _words(text: bytes) -> list[str]:
    """Words between white space that may hold a URI (the kernel's ``rule_words``)."""
    return [
        word
        for word in text.decode("latin-1").split()
        if ("." in word or "@" in word or "://" in word)
        and (_CANDIDATE.search(word) or (_NAMES.search(word) and _DOMAIN.search(word)))
    ]

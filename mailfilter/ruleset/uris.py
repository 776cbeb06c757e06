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

MAX_URI = 8192
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
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_MISPARSED = re.compile(r"\A(?:skype|e?-?mail)?:+", re.I)
_IP = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}\Z|\[?[0-9a-f:.]*:[0-9a-f:.]*\]?\Z", re.I)
_LOCAL = re.compile(r"(?:[#?&]|/(?!/))")
_HTTP = re.compile(r"(https?://)([^@/?#]*@)?([^/?#:]+)((?::(\d*))?.*)\Z", re.I | re.S)
_INNER = re.compile(r"https?:/{0,2}[^&#]+", re.I)
_DECIMAL = re.compile(r"&#0*(3[3-9]|[4-9]\d|1[01]\d|12[0-6]);")
_HEXADECIMAL = re.compile(r"&#x0*(2[1-9]|[3-6][a-fA-F0-9]|7[0-9a-eA-E]);")
_DOTS = re.compile(r"&#(?:x2e|12290|x3002|65294|xff0e|65377|xff61);", re.I)
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+", re.I)


class UriFinder:
    """Finds and canonicalises; ``domains`` say what a top level domain is, ``redirectors`` find URIs within others."""

    def __init__(self, domains: Domains, redirectors: Sequence[re.Pattern[str]] = ()) -> None:
        self.domains = domains
        self.redirectors = tuple(redirectors)
        self._canonical = lru_cache(4096)(self._canonicalise)
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
            raw = _AFTER_PAREN.sub(r"\1", match[1] or match[2] or match[3]).rstrip(_PUNCTUATION)
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
            if re.match(r"www\d{0,2}\.", low):
                return f"http://{uri}"
            if "/" in uri and re.search(r"/.+@", uri):
                return f"http://{uri}"
            if "@" not in uri:
                return f"http://{uri}" if "." in uri else ""
            if "&nbsp;" in uri or not re.search(r"@.+?\.", uri):
                return ""
            uri = "mailto:" + _MISPARSED.sub("", uri)
        if uri[:7].lower() == "mailto:":
            if _PERCENT.search(uri):
                uri = unquote(uri)
            host = re.search(r"@([^?&>]*)", uri)
            if not host or not self.is_domain(re.sub(r"(?:%20)+\Z", "", host[1])):
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
            host = re.sub(r"\A[a-z]+:/{0,2}", "", uri)
            host = re.split(r"[/?#]", host, maxsplit=1)[0].rpartition("@")[2]
            host = re.sub(r":\d*\Z", "", host)
        if re.search(r"%(?:2[1-9a-f]|[3-6][0-9a-f]|7[0-9a-e])", host):
            return ""
        if _IP.match(host):
            return host
        return host if is_host(host) and self.is_domain(host) else ""

    def _canonicalise(self, uri: str) -> tuple[str, ...]:
        """A URI and its plainer forms; one redirection within another is followed, ten deep."""
        todo, done = [uri], dict[str, None]()
        plain: list[str] = []
        for _ in range(10):
            if not todo:
                break
            one = todo.pop(0).replace("\n", "").strip(" \t\f\v\r").replace("\r", "")[:MAX_URI]
            if one in done:
                continue
            done[one] = None
            if len(one) > 1 and not _LOCAL.match(one):
                plain += self._forms(one, todo)
        return tuple(dict.fromkeys([*done, *todo, *(form[:MAX_URI] for form in plain)]))

    def _forms(self, uri: str, todo: list[str]) -> list[str]:
        if uri[:7].lower() == "mailto:" or re.match(r"[^:]*@", uri):
            return _mail_forms(uri)
        form = uri.replace("\\", "/")
        form = re.sub(r"\A(https?:)/{0,2}", r"\1//", form, flags=re.I)
        if _PERCENT.search(form):
            form = unquote(form)
        if not re.match(r"[-_a-z0-9]+:", form, re.I):
            form = ("ftp://" if form.startswith("ftp.") else "http://") + form
        form = re.sub(r"\A(https?://[^/?#]+)([?#])", r"\1/\2", form, flags=re.I)
        if "&#" in form:
            form = _DECIMAL.sub(lambda m: chr(int(m[1])), form)
            form = _HEXADECIMAL.sub(lambda m: chr(int(m[1], 16)), form)
            form = _DOTS.sub(".", form)
        found = [form] if form != uri else []
        match = _HTTP.match(form)
        if match:
            found += self._host_forms(match)
            self._redirections(match, todo)
        return found

    def _redirections(self, match: re.Match[str], todo: list[str]) -> None:
        plain = match[1] + match[3] + match[4]
        for pattern in self.redirectors:
            inner = pattern.search(plain)
            if inner and inner.lastindex and inner[1] and "." in inner[1]:
                todo.append(inner[1])
                return
        generic = _INNER.search(match[4])
        if generic and "." in generic[0]:
            todo.append(generic[0])

    def _host_forms(self, match: re.Match[str]) -> list[str]:
        """Without the default port, with numeric addresses as dotted quads, ``http://name`` as www.name.com."""
        scheme, login, host, rest, port = match.groups()
        found = []
        default = "80" if scheme == "http://" else "443"
        if port == default:
            found.append(scheme + host + rest[len(port) + 1 :])
        if any(char <= " " for char in host):
            host = "".join(char for char in host if char > " ")
            found.append(scheme + host + rest)
        if "@" in host:
            host = host.rpartition("@")[2]
            found.append(scheme + host + rest)
        trimmed = re.sub(r"[^0-9A-Za-z]+\Z", "", host)
        if trimmed != host:
            host = trimmed
            found.append(scheme + host + rest)
        numbers = host.split(".")
        if len(numbers) in (1, 4) and all(_NUMBER.fullmatch(number) for number in numbers):
            found.append(scheme + _dotted(numbers) + rest)
        elif scheme == "http://" and not login and port in (None, "", "80") and host.lower() != "localhost":
            bare = re.fullmatch(r"(?:www\.)?([^.]+)", host.lower())
            if bare and not self.is_domain(host):
                found.append(f"http://www.{bare[1]}.com{rest}")
        return found


def _words(text: bytes) -> list[str]:
    """Words between white space that may hold a URI (the kernel's ``rule_words``)."""
    return [
        word
        for word in text.decode("latin-1").split()
        if ("." in word or "@" in word or "://" in word)
        and (_CANDIDATE.search(word) or (_NAMES.search(word) and _DOMAIN.search(word)))
    ]


def _dotted(numbers: list[str]) -> str:
    """Octal, hexadecimal and whole-number addresses as a dotted quad."""
    if len(numbers) == 1:
        text = numbers[0].lower()
        value = (int(text[-8:].lstrip("x") or "0", 16) if text.startswith("0x") else int(text[-12:])) & 0xFFFFFFFF
        return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))
    out = []
    for text in numbers:
        if text[:2].lower() == "0x":
            out.append(str(int(text[2:][-8:], 16)))
        elif re.fullmatch(r"0+(?:[1-3][0-7]{0,2}|[4-7][0-7]?)", text):
            out.append(str(int(text[-4:], 8)))
        else:
            out.append(text.lstrip("0"))
    return ".".join(out)


def _mail_forms(uri: str) -> list[str]:
    found = []
    for pattern, prefix in (
        (r"([^@]+@[^?]+)\?", ""), (r"([^@]+@[^?&]+)&", ""), (r"(?:mailto:)?(?:%20)*([^@]+@[^?&%]+)", "mailto:"),
        (r"[^?&]*<([^@>]+@[^>]+)>", "mailto:"),
    ):  # fmt: skip
        if prefix and pattern.startswith("(?:") and "%20" not in uri:
            continue
        match = re.match(pattern, uri)
        if match:
            found.append(prefix + match[1])
    return found


def unquote(uri: str) -> str:
    """Percent signs undone where they hide a printable ASCII character; what may not stand in a URI is escaped."""
    out = []
    for piece in re.split(r"(%[0-9a-fA-F]{2})", uri):
        if _PERCENT.fullmatch(piece):
            code = int(piece[1:], 16)
            hidden = 0x21 <= code < 0x7F and not re.search(r"20|7f|[0189a-f][0-9a-f]", piece, re.I)
            out.append(chr(code) if hidden else piece)
        else:
            out.append(re.sub(r"[\x00-\x20\x7f-\xff\"%<>]", lambda m: f"%{ord(m[0]):02x}", piece))
    return "".join(out)

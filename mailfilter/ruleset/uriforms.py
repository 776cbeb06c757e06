"""The plainer forms of a URI: what it leads to once its disguises are taken off."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .literals import required

MAX_URI = 8192

PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_LOCAL = re.compile(r"(?:[#?&]|/(?!/))")
_HTTP = re.compile(r"(https?://)([^@/?#]*@)?([^/?#:]+)((?::(\d*))?.*)\Z", re.I | re.S)
_INNER = re.compile(r"https?:/{0,2}[^&#]+", re.I)
_PLAIN = re.compile(r"https?://(?:[a-z\d_-]+\.)+[a-z](?:[a-z\d-]*[a-z\d])?(?:/[^\x00- %\\]*)?\Z", re.I | re.A)
"""A URI of the web that has no plainer form unless another is in it, if its host is not a single name."""
_SINGLE = re.compile(r"(?:www\.)?([^.]+)")
_SLASHES = re.compile(r"\A(https?:)/{0,2}", re.I)
_WITH_SCHEME = re.compile(r"[-_a-z0-9]+:", re.I)
_NO_PATH = re.compile(r"\A(https?://[^/?#]+)([?#])", re.I)
_MAIL = re.compile(r"[^:]*@")
_TRAILING = re.compile(r"[^0-9A-Za-z]+\Z")
_DECIMAL = re.compile(r"&#0*(3[3-9]|[4-9]\d|1[01]\d|12[0-6]);")
_HEXADECIMAL = re.compile(r"&#x0*(2[1-9]|[3-6][a-fA-F0-9]|7[0-9a-eA-E]);")
_DOTS = re.compile(r"&#(?:x2e|12290|x3002|65294|xff0e|65377|xff61);", re.I)
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+", re.I)


class UriForms:
    """Finds them; ``is_domain`` says whether a host has a top level domain, ``redirectors`` find URIs within others."""

    def __init__(self, is_domain: Callable[[str], bool], redirectors: Sequence[re.Pattern[str]] = ()) -> None:
        self.is_domain = is_domain
        self.redirectors = tuple([(_demanded(pattern), pattern) for pattern in redirectors])
        self._needles = tuple({word for words, _ in self.redirectors for word in words})

    def of(self, uri: str) -> tuple[str, ...]:
        """A URI and its plainer forms; one redirection within another is followed, ten deep."""
        if len(uri) <= MAX_URI and _PLAIN.match(uri) and "&#" not in uri and self._is_final(uri):
            return (uri,)
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

    def _is_final(self, uri: str) -> bool:
        """Whether no other URI is in one of the form `_PLAIN`, and its host is none to be completed."""
        low = uri.casefold()
        if "http" in low[7:] or any(map(low.__contains__, self._needles)):
            return False
        host = low[7 + (low[4] == "s") :].partition("/")[0]
        return not _SINGLE.fullmatch(host)

    def _forms(self, uri: str, todo: list[str]) -> list[str]:
        if uri[:7].lower() == "mailto:" or _MAIL.match(uri):
            return _mail_forms(uri)
        form = uri.replace("\\", "/")
        form = _SLASHES.sub(r"\1//", form)
        if PERCENT.search(form):
            form = unquote(form)
        if not _WITH_SCHEME.match(form):
            form = ("ftp://" if form.startswith("ftp.") else "http://") + form
        form = _NO_PATH.sub(r"\1/\2", form)
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
        low = plain.casefold()
        for words, pattern in self.redirectors:
            inner = pattern.search(plain) if any(map(low.__contains__, words)) else None
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
        trimmed = _TRAILING.sub("", host)
        if trimmed != host:
            host = trimmed
            found.append(scheme + host + rest)
        numbers = host.split(".")
        if len(numbers) in (1, 4) and all(_NUMBER.fullmatch(number) for number in numbers):
            found.append(scheme + _dotted(numbers) + rest)
        elif scheme == "http://" and not login and port in (None, "", "80") and host.lower() != "localhost":
            bare = _SINGLE.fullmatch(host.lower())
            if bare and not self.is_domain(host):
                found.append(f"http://www.{bare[1]}.com{rest}")
        return found


def _demanded(pattern: re.Pattern[str]) -> tuple[str, ...]:
    """Texts of which every match of a pattern holds at least one, in lower case; ``""`` if there are no others."""
    words = required(pattern.pattern.encode("latin-1", "replace"), "")
    return tuple([word.decode("latin-1") for word in words]) or ("",)


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
        if PERCENT.fullmatch(piece):
            code = int(piece[1:], 16)
            hidden = 0x21 <= code < 0x7F and not re.search(r"20|7f|[0189a-f][0-9a-f]", piece, re.I)
            out.append(chr(code) if hidden else piece)
        else:
            out.append(re.sub(r"[\x00-\x20\x7f-\xff\"%<>]", lambda m: f"%{ord(m[0]):02x}", piece))
    return "".join(out)

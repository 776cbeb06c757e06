"""HTML as rules see it: one text in which blocks are separated by blank lines, hidden text included, and the URIs.

This is not what a reader sees (`mailfilter.mime.html` renders that).  Rules of SpamAssassin are written for the text
that its own rendering makes: tags vanish without a trace except those of `_BREAKS`; script and style are dropped.
One pass over ``source.split("<")``, linear in its size; the kernel in C does the same (``native/ruletext.c``).
"""

from __future__ import annotations

import re
from html import unescape

from ..kernel import native

MAX_URI = 8192
MAX_URIS = 5_000

_BREAKS = {
    **dict.fromkeys(("br", "div"), "\n"),
    **dict.fromkeys(("li", "td", "th", "dt", "dd", "embed", "h1", "h2", "h3", "h4", "h5", "h6"), " "),
    **dict.fromkeys(("p", "hr", "blockquote", "pre", "listing", "plaintext", "xmp", "title"), "\n\n"),
}
_LITERAL = frozenset(("script", "style", "title", "textarea", "xmp", "iframe", "plaintext"))
_UNSEEN = frozenset(("script", "style"))
_HREF = ("href", "data-saferedirecturl")
_WANTED = {
    **dict.fromkeys(("body", "table", "tr", "td"), ("background",)),
    **dict.fromkeys(("a", "area", "link"), _HREF),
    **dict.fromkeys(("img", "frame", "iframe", "embed", "script", "bgsound"), ("src",)),
    "form": ("action",),
    "base": ("href",),
    "meta": ("content",),
}
_NAME = re.compile(r"(/?[A-Za-z][^\s>]{0,60})")
_VALUE = r"""\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*))"""
_ATTRIBUTES = {
    name: re.compile(rf"(?:\A|[\s\"'/]){name}{_VALUE}", re.I)
    for name in ("background", "href", "data-saferedirecturl", "src", "action", "content", "http-equiv")
}
_REFRESH = re.compile(r"\burl\s*=\s*([^;]*)", re.I)
_STANDARD = re.compile(r"(?:https?|ftp):/{0,2}", re.I)
_BLANK = " \t\r\n\f\v\xa0"


class HtmlText:
    """``text`` the rendered text, not yet normalised; ``uris`` as written, in order, each once."""

    __slots__ = ("_at", "_breaks", "_chunks", "base", "text", "uris")

    def __init__(self, source: str) -> None:
        self.uris: dict[str, None] = {}
        self.base = ""
        found = native.rule_text(source) if native is not None else None
        text = self._run(source) if found is None else self._taken(*found)
        self.text = unescape(text) if "&" in text else text

    def _taken(self, text: str, found: list[str | tuple[str, str]]) -> str:
        """What the kernel found: URIs as they stand in attributes, and tags in which more is to be looked at."""
        for item in found:
            if len(self.uris) >= MAX_URIS:
                break
            if isinstance(item, str):
                self._keep("", unescape(item) if "&" in item else item)
            else:
                self._collect(*item)
        return text

    def _run(self, source: str) -> str:  # noqa: PLR0912
        source = source.replace("&nbsp;", " ").replace("\r", " ").replace("\n", " ")
        if not source.isascii():
            source = source.replace("\u201c", '"').replace("\u201d", '"')
        self._chunks = chunks = source.split("<")
        self._at = 1
        out = [chunks[0]]
        after_break = False
        size = len(chunks)
        name_at, breaks, wanted = _NAME.match, _BREAKS, _WANTED
        while self._at < size:
            chunk = chunks[self._at]
            self._at += 1
            found = name_at(chunk)
            if found is None:
                text = self._other(chunk)
                name = ""
            else:
                name = found[1]
                attributes, _, text = chunk[found.end() :].partition(">")
                if "=" in attributes:
                    if ('"' in attributes or "'" in attributes) and _is_open(attributes):
                        attributes, text = self._whole(attributes, text)
                    name = name.lower()
                    if name in wanted and len(self.uris) < MAX_URIS:
                        self._collect(name, attributes)
                else:
                    name = name.lower()
                name = name.strip("/") if "/" in name else name
            gap = breaks.get(name)
            if gap is not None:
                if not after_break:
                    out[-1] = out[-1].rstrip(" \t\f\v")
                out.append(gap)
                after_break = True
            if name in _LITERAL and found is not None and found[1][0] != "/":
                text = self._literal(name, text)
                if name in _UNSEEN:
                    continue
            if text:
                if after_break:
                    text = text.lstrip(" \t\f\v")
                after_break = False
                out.append(text)
        return "".join(out)

    def _other(self, chunk: str) -> str:
        """The text after a comment, declaration or processing instruction, or a ``<`` that is only that."""
        if chunk.startswith("!--"):
            if chunk.startswith(("!-->", "!--->")):
                return chunk.partition(">")[2]
            start = 3
            while True:
                end = chunk.find("-->", start)
                if end >= 0:
                    return chunk[end + 3 :]
                if self._at >= len(self._chunks):
                    return ""
                chunk, start = self._chunks[self._at], 0
                self._at += 1
        if chunk[:1] in ("!", "?", "/"):
            return chunk.partition(">")[2]
        return "<" + chunk

    def _whole(self, attributes: str, text: str) -> tuple[str, str]:
        """Go on to where a quoted value ends that holds ``<`` or ``>``; if it never does, it is none."""
        quote = _is_open(attributes)
        pieces = [attributes, ">", text]
        if quote in text:
            inner, _, rest = text.partition(quote)
            tail, _, text = rest.partition(">")
            return f"{attributes}>{inner}{quote}{tail}", text
        for at in range(self._at, min(len(self._chunks), self._at + 200)):
            chunk = self._chunks[at]
            if quote in chunk:
                inner, _, rest = chunk.partition(quote)
                tail, _, text = rest.partition(">")
                self._at = at + 1
                return "".join([*pieces, "<", inner, quote, tail]), text
            pieces += ("<", chunk)
        return attributes, text

    def _literal(self, name: str, text: str) -> str:
        """The content of an element in which tags are no tags."""
        closing = "/" + name
        pieces = [text]
        while self._at < len(self._chunks):
            chunk = self._chunks[self._at]
            if chunk[: len(closing)].lower() == closing:
                break
            pieces += ("<", chunk)
            self._at += 1
        return "".join(pieces)

    def _collect(self, name: str, attributes: str) -> None:
        for wanted in _WANTED[name]:
            match = _ATTRIBUTES[wanted].search(attributes)
            if not match:
                continue
            uri = match[1] or match[2] or match[3] or ""
            if "&" in uri:
                uri = unescape(uri)
            if name == "meta":
                refresh = _ATTRIBUTES["http-equiv"].search(attributes)
                target = _REFRESH.search(uri)
                uri = target[1].strip() if refresh and "refresh" in refresh[0].lower() and target else ""
            self._keep(name, uri)

    def _keep(self, name: str, uri: str) -> None:
        """Note a URI out of the tag ``name``, references in it decoded."""
        uri = uri.strip(_BLANK)[:MAX_URI].replace("\ufeff", "")
        if name == "base":
            self._set_base(uri)
        if uri:
            self.uris[resolve(self.base, uri)] = None

    def _set_base(self, uri: str) -> None:
        if _STANDARD.match(uri):
            uri = re.sub(r"\A([a-z]+:/{0,2}[^/]+/.*?)[^/.]+\.[^/.]{2,4}\Z", r"\1", uri[:500], flags=re.I | re.S)
            self.base = uri if uri.endswith("/") else uri + "/"


def _is_open(attributes: str) -> str:
    """The quote that a value opens and does not close, ``""`` if there is none."""
    for quote in ('"', "'"):
        if attributes.count(quote) % 2 and f"={quote}" in attributes.replace(" ", ""):
            return quote
    return ""


_PARTS = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(\?[^#]*)?(#.*)?", re.S)
_OPAQUE = ("data:", "mailto:", "file:", "cid:", "tel:")


def resolve(base: str, uri: str) -> str:
    """A reference resolved against ``base`` (RFC 3986, section 5.2); without one it stays as it is, dots removed."""
    if uri[:8].lower().startswith(_OPAQUE):
        return uri
    if not base and "/." not in uri and uri[0] not in "./":
        return uri
    parts = _PARTS.match(uri)
    assert parts is not None
    scheme, authority, path, query, fragment = parts.groups()
    if not scheme and authority is None and base:
        under = _PARTS.match(base)
        assert under is not None
        scheme, authority = under[1], under[2]
        if not path:
            path, query = under[3], query or under[4]
        elif not path.startswith("/"):
            path = (under[3].rpartition("/")[0] if "/" in under[3] else "") + "/" + path
    elif not scheme and base:
        scheme = _PARTS.match(base)[1]  # type: ignore[index]
    elif not scheme and authority is not None and re.match(r"(?:www|ftp)\d*\.", authority, re.I):
        scheme = "http" if authority[:3].lower() == "www" else "ftp"
    result = f"{scheme}:" if scheme else ""
    if authority is not None:
        result += f"//{authority}"
    return result + _without_dots(path) + (query or "") + (fragment or "")


def _without_dots(path: str) -> str:
    """``.`` and ``..`` taken out of a path (RFC 3986, section 5.2.4)."""
    if "." not in path or not re.search(r"(?:\A|/)\.\.?(?:/|\Z)", path):
        return path
    out: list[str] = []
    segments = re.sub(r"\A\.\.?/", "/", path).split("/")
    for number, segment in enumerate(segments):
        if segment in (".", ".."):
            if segment == ".." and len(out) > 1:
                out.pop()
            if number == len(segments) - 1:
                out.append("")
        else:
            out.append(segment)
    return "/".join(out)

"""Header fields as rules see them: octets, unfolded, encoded words as UTF-8; addresses and names out of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from ..kernel import native
from ..mime.charsets import decode_text
from ..mime.words import word_bytes

MAX_VALUE = 8192
"""Characters of one field that rules see."""
MAX_ALL = 65_536
"""Characters of all fields together."""

_FOLD = re.compile(r"\n[ \t]+")
_WORD = re.compile(r"=\?([A-Za-z0-9*_-]{1,80})\?([bqBQ])\?([^?]*)\?=")
_BETWEEN = re.compile(r"(\?=)\s+(?==\?[A-Za-z0-9*_-]{1,80}\?[bqBQ]\?[^?]*\?=)")
_NOT_DECODED = re.compile(
    r"(?:received|(?:resent-)?(?:message-id|date)|mime-version|references|in-reply-to|list-.*)\Z", re.S
)
_BLANKS = " \t\n\r\f\v"


def octets(text: str) -> str:
    """Text as UTF-8, each octet one character."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("latin-1")


def decoded(name: str, latin1: str) -> str:
    """A field's value as rules see it, without the line end; ``name`` in lower case."""
    text = latin1 if len(latin1) <= MAX_VALUE else latin1[:MAX_VALUE]
    return _readable(name, _unfolded(text) if "\n" in text else text)


class Fields(NamedTuple):
    """The header fields of a mail as rules see them, each with its line end."""

    values: Mapping[str, Sequence[str]]
    """Decoded, by name in lower case."""
    text: str
    """Decoded, with their names, one behind the other; no more of them than fit."""
    ends: Sequence[int]
    """Where each ends in ``text``."""
    raw_text: str
    """With their names and folds, one behind the other; no more of them than fit."""

    def lines(self) -> list[str]:
        """The fields of ``text``, each for itself."""
        return [self.text[start:end] for start, end in zip((0, *self.ends), self.ends, strict=False)]


def fields(written: tuple[str, ...], names: tuple[str, ...], raws: tuple[str, ...]) -> Fields:
    """The fields of a header block; ``written`` are the names (ASCII) as they stand, ``names`` in lower case."""
    if native is not None:
        return Fields(*native.rule_fields(written, names, raws, _line))
    return _fields(written, names, raws)


def _line(name: str, latin1: str) -> str:
    return decoded(name, latin1) + "\n"


def _fields(written: tuple[str, ...], names: tuple[str, ...], raws: tuple[str, ...]) -> Fields:
    decoded = decoded_all(names, raws)
    values: dict[str, list[str]] = {}
    for name, value in zip(names, decoded, strict=True):
        values.setdefault(name, []).append(value)
    lines = [f"{name}: {value}" for name, value in zip(written, decoded, strict=True)]
    ends = [end for end in accumulate(map(len, lines)) if end <= MAX_ALL]
    return Fields(values, "".join(lines[: len(ends)]), ends, "".join(raw_lines(written, raws)))


def raw_lines(written: Sequence[str], raws: Sequence[str]) -> list[str]:
    """Fields with their names and folds, each for itself; no more of them than fit."""
    lines = [f"{name}:{latin1}\n".replace("\r", "") for name, latin1 in zip(written, raws, strict=True)]
    return lines[: sum(end <= MAX_ALL for end in accumulate(map(len, lines)))]


def decoded_all(names: Sequence[str], raws: Sequence[str]) -> list[str]:
    """The values of many fields as rules see them, each with its line end; ``names`` in lower case.

    They are unfolded at once and looked through at once for what is to decode: mostly there is nothing.
    """
    text = "\0".join(raws)
    if len(text) > MAX_VALUE and any(len(raw) > MAX_VALUE for raw in raws):
        text = "\0".join([raw[:MAX_VALUE] for raw in raws])
    if "\n" in text:
        text = _unfolded(text)
    values = text.split("\0")
    if len(values) != len(raws):
        return [decoded(name, raw) + "\n" for name, raw in zip(names, raws, strict=True)]
    if "=?" not in text and text.isascii():
        return [value.strip(_BLANKS) + "\n" for value in values]
    return [_readable(name, value) + "\n" for name, value in zip(names, values, strict=True)]


def _unfolded(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    text = _FOLD.sub(" ", text)
    return text.replace("\n", "") if "\n" in text else text


def _readable(name: str, text: str) -> str:
    """A value without folds: octets as UTF-8, encoded words decoded."""
    text = text.strip(_BLANKS)
    if not text.isascii():
        text = _as_utf8(text)
    if "=?" in text and not _NOT_DECODED.match(name):
        text = decode_words(text)
    return text


def _as_utf8(text: str) -> str:
    """Octets that are UTF-8 stay; others are taken for windows-1252."""
    raw = text.encode("latin-1", "replace")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return octets(decode_text(raw, "windows-1252")[0])
    return text


def decode_words(text: str) -> str:
    """RFC 2047 words decoded; neighbours of one charset are joined before they are."""
    if "?=" in text:
        text = _BETWEEN.sub(r"\1", text)
    pieces = _WORD.split(text, 2000)
    out = [pieces[0]]
    pending: list[bytes] = []
    label = ""
    for at in range(1, len(pieces), 4):
        charset, after = pieces[at].partition("*")[0].lower(), pieces[at + 3]
        if pending and charset != label:
            out.append(octets(decode_text(b"".join(pending), label)[0]))
            pending = []
        label = charset
        pending.append(word_bytes(pieces[at + 1], pieces[at + 2]))
        if after:
            out += (octets(decode_text(b"".join(pending), label)[0]), after)
            pending = []
    if pending:
        out.append(octets(decode_text(b"".join(pending), label)[0]))
    return "".join(out)


class Mailbox(NamedTuple):
    """A display name (raw) and an address; either may be missing."""

    name: str | None
    address: str | None


_MAILBOX = r'(?:"(?:[^"\\]++|\\.)*+"|[^@\s<>()\[\],:;]+)@(?:[^"\s<>()\[\],:;]+|\[[\d:.]+\])'
_QUOTED = r'"(?:[^"\\]++|\\.)*+"'
_ONE = re.compile(
    rf'\s*(?:(?:((?:{_QUOTED}|[^",;<]++)+)\s*)?<\s*([^>@]{{0,400}}\S{{1,400}}?|\s*)\s*>(?:\s*<[^>]*>)*+'
    rf'|(?:({_MAILBOX})|((?:{_QUOTED}|[^",;<]++)+)))'
    r"(?:\s*\(((?:[^()\\]++|\\.)*+)\))?\s*(?:[,;]|\Z)",
    re.S,
)
_ADDRESS = re.compile(rf"{_MAILBOX}\Z", re.S)
_ANGLE = re.compile(rf"<({_MAILBOX})>", re.S)
_COMMENT = re.compile(r"\((?:[^()\\]++|\\.)*+\)", re.S)
_GROUP = re.compile(r'[^"()<>:]+:\s*([^;]*?)\s*(?:;.*)?\Z', re.S)
_PIECE = re.compile(r'"((?:[^"\\]++|\\.)*+)"|([^"]++)', re.S)
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\Z")


_SIMPLE_ADDRESS = r"([A-Za-z0-9!#$%&'*+./=?^_`{|}~-]{1,64}@[A-Za-z0-9._-]{1,255})"
_SIMPLE = re.compile(
    rf'\s*(?:(?:"([^"\\]*)"(\s*)|([^\s"(),:;<>@\\][^"(),:;<>@\\]*))?<{_SIMPLE_ADDRESS}>'
    rf"|{_SIMPLE_ADDRESS}(?:\s*\(([^()\\]*)\))?)\Z"
)


def mailboxes(latin1: str) -> list[Mailbox]:
    """The mailboxes of a raw field, tolerant of what is between them."""
    text = (latin1 if len(latin1) <= MAX_VALUE else latin1[:MAX_VALUE]).rstrip(_BLANKS)
    match = _SIMPLE.match(text)
    return _mailboxes(text.replace("\\\\", "").rstrip(_BLANKS)) if match is None else [_simple(match)]


def _simple(match: re.Match[str]) -> Mailbox:
    """The mailbox of a field that holds one alone, in one of the usual forms."""
    quoted, blanks, phrase, address, alone, comment = match.groups()
    if alone is not None:
        return Mailbox(comment, alone)
    name = phrase if quoted is None else quoted + blanks
    return Mailbox(None if name in (address, "") else name, address)


def _mailboxes(text: str) -> list[Mailbox]:
    group = _GROUP.match(text)
    if group:
        text = group[1]
    found: list[Mailbox] = []
    position = 0
    while position < len(text) and len(found) < 1000:
        match = _ONE.match(text, position)
        if not match or match.end() == position:
            break
        position = match.end()
        found.append(_mailbox(match))
    if "@" in text[position:]:
        found += [Mailbox(None, match[1]) for match in _ANGLE.finditer(text, position) if _sound(match[1])]
    return found


def _mailbox(match: re.Match[str]) -> Mailbox:
    phrase: str | None = match[1] if match[1] is not None else match[4]
    address: str | None = match[2] if match[2] is not None else match[3]
    if match[2] is not None:
        address = _COMMENT.sub("", address or "")
        if not _ADDRESS.match(address):
            address = None
    if not _sound(address):
        address = None
    if phrase is not None:
        phrase = "".join(_unquoted(piece) for piece in _PIECE.finditer(phrase))
        bare = phrase.strip()
        if address is None and _ADDRESS.match(bare) and _sound(bare) and _is_host(bare.rpartition("@")[2]):
            phrase, address = None, bare
        elif phrase in (address, ""):
            phrase = None
    if phrase is None and match[5] is not None:
        phrase = match[5]
    if address is not None:
        local, _, rest = address.partition("@")
        address = f"{local}@{rest.partition('@')[0]}"
    return Mailbox(phrase, address)


def _unquoted(piece: re.Match[str]) -> str:
    if piece[1] is not None:
        return re.sub(r"\\(.)", r"\1", piece[1], flags=re.S)
    return _COMMENT.sub("", piece[2])


def _sound(address: str | None) -> bool:
    return address is not None and not address.startswith('""@') and address.count('"') != 1


def _is_host(host: str) -> bool:
    labels = host.strip(". \t\n").lower().split(".")
    return len(labels) > 1 and all(len(label) < 64 and _HOST.match(label) for label in labels)


def is_host(host: str) -> bool:
    """Whether a name has the form of a host of two labels or more (RFC 1123, with underscores from the third on)."""
    return len(host) <= 253 and _is_host(host) and "_" not in ".".join(host.rstrip(".").split(".")[-2:])


def shown_name(name: str) -> str:
    """A display name, encoded words decoded, blanks made one, a pair of single quotes dropped."""
    text = decoded("", name)
    if text.strip(_BLANKS):
        text = " ".join(text.split())
        if len(text) > 1 and text[0] == text[-1] == "'":
            text = text[1:-1]
    return text

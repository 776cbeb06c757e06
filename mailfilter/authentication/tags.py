"""Tag lists: ``name=value; name=value`` (RFC 6376 section 3.2), as signatures and keys are written."""

from __future__ import annotations

import base64
import binascii
import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SPACE = re.compile(r"[ \t\r\n]+")
_NUMBER = re.compile(r"[0-9]{1,12}")


class TagError(ValueError):
    """A tag list does not follow the grammar, or a tag's value is not of its kind."""


def parse_tags(text: str) -> dict[str, str]:
    """The tags of a list, values trimmed.  Raises `TagError`: no name, a name twice, or nothing between semicolons."""
    tags: dict[str, str] = {}
    specs = text.split(";")
    if not specs[-1].strip(" \t\r\n"):
        specs.pop()
    for spec in specs:
        name, equals, value = spec.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or not _NAME.fullmatch(name):
            raise TagError(f"{spec.strip()[:40]!r} is no tag")
        if name in tags:
            raise TagError(f"tag {name} stands twice")
        tags[name] = value.strip(" \t\r\n")
    return tags


def required(tags: dict[str, str], *names: str) -> None:
    """Raise `TagError` where a tag is missing or empty."""
    missing = [name for name in names if not tags.get(name)]
    if missing:
        raise TagError(f"no {'=, '.join(missing)}=")


def number(tags: dict[str, str], name: str) -> int | None:
    """A tag's whole number; None where it is not there.  Raises `TagError`."""
    text = tags.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise TagError(f"{name}={text[:40]!r} is no number")
    return int(text)


def octets(text: str, name: str) -> bytes:
    """Base64 with white space anywhere.  Raises `TagError`."""
    try:
        return base64.b64decode(_SPACE.sub("", text), validate=True)
    except (binascii.Error, ValueError):
        raise TagError(f"{name}= is not base64") from None


def names(text: str) -> tuple[str, ...]:
    """A list with colons, entries trimmed and in lower case; an entry may be empty."""
    return tuple(entry.strip(" \t\r\n").lower() for entry in text.split(":")) if text else ()

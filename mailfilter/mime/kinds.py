"""What mail programs make of a part: text to show, a web page, or a file with one or more names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .headers import Block
from .magic import HTML
from .params import Label, name_variants, parse_label

if TYPE_CHECKING:
    from .part import Part

MAX_NAMES = 64
"""File names that are kept of one part."""

SHOWN_MESSAGES = frozenset(
    f"message/{kind}"
    for kind in (
        "delivery-status", "global-delivery-status", "disposition-notification", "global-disposition-notification",
        "feedback-report", "external-body",
    )
)  # fmt: skip
"""Types below ``message/`` that hold lines to be read and no message."""

_BODY_TYPES = frozenset(("text/plain", "text/html", "text/enriched", "text/richtext", "text/x-amp-html"))
_HTML_TYPES = frozenset(("text/html", "application/xhtml+xml", "text/x-html", "text/x-amp-html"))
_HTML_NAMES = (".htm", ".html", ".shtml", ".xhtml", ".xht", ".hta", ".svg", ".mht", ".mhtml")


def shown_as_html(part: Part) -> bool:
    """Whether a browser would show the part as HTML: by its label, or as an attachment by name or content."""
    kind = part.content_type
    if kind in _HTML_TYPES:
        return True
    names = part.names
    if kind.startswith(("multipart/", "message/")) or (kind == "text/plain" and not names):
        return False
    return any(name.lower().rstrip(". ").endswith(_HTML_NAMES) for name in names) or (
        not kind.startswith("text/") and part.detected_type == HTML
    )


def offered_as_file(part: Part) -> bool:
    """Whether mail programs offer the part as a file rather than show it as body text."""
    kind = part.content_type
    if kind.startswith("multipart/"):
        return False
    attached = part.disposition == "attachment"
    if kind in SHOWN_MESSAGES:
        return attached
    if kind.startswith("message/"):
        return attached or bool(part.names) or not part.children
    if kind in _BODY_TYPES:
        return attached or (part.depth > 0 and bool(part.names))
    return True


def dispositions(block: Block) -> list[Label]:
    """The Content-Disposition headers taken apart."""
    return list(map(parse_label, block.values("content-disposition")))


def find_names(block: Block, label: Label, charset: str) -> tuple[str, ...]:
    """Every file name that a mail program may show, the likeliest first; ``label`` is the Content-Type that counts."""
    values: list[str] = []
    for disposition in dispositions(block):
        values += disposition.values("filename") + disposition.values("name")
    types = list(map(parse_label, block.values("content-type"))) or [label]
    for found in types:
        if found.named:
            values += found.values("name") + found.values("filename")
    return tuple(name_variants(values, charset)[:MAX_NAMES]) if values else ()

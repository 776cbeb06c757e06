"""Everything that a `Message` can be asked, asked."""

from __future__ import annotations

import re

from mailfilter.message import Message, Part

SURROGATE = re.compile("[\ud800-\udfff]")

def evaluate(raw: bytes) -> Message:
    """Touch every property of a mail in all its readings."""
    message = Message(raw)
    assert message.header_values == tuple(header.value for header in message.headers)
    for header in message.headers[:20]:
        assert "\n" not in header.value
        assert header.value in message.header_all(header.name)
        _ = header.raw
    for reading in message.readings():
        for part in reading.root.walk():
            touch(part)
    for part in message.parts:
        touch(part)
    _ = message.texts, message.links, message.attachments, message.defects, message.digest, message.subject
    _ = message.addresses("to"), message.addresses("from"), message.header_all("received"), repr(message)
    return message


def touch(part: Part) -> None:
    """Touch every property of a part."""
    _ = part.data, part.text, part.shown_text, part.names, part.params, part.charset, part.encoding, part.disposition
    _ = part.detected_type, part.is_attachment, part.is_html, part.is_text, part.is_container, part.headers, repr(part)
    _ = part.span, part.header_span, part.preamble_span, part.epilogue_span, part.path, part.depth, part.outside
    assert SURROGATE.search(part.text) is None

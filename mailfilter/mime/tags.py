"""What HTML tags do to the text around them (https://html.spec.whatwg.org/#rendering)."""

from __future__ import annotations

INLINE, BLOCK, CELL, ANCHOR, ANCHOR_END, LINK, RAW, NOTHING = range(8)
"""Kinds of tags: within a word; between lines; between words; starts or ends a link with a text; holds a link; holds
text that is not shown; and no tag at all."""

_TAGS = {
    INLINE: "abbr acronym b basefont bdi bdo big blink cite code data del dfn em font i ins kbd mark meta nobr o:p q s"
    " samp small span strike strong sub sup time tt u var wbr",
    BLOCK: "address article aside blockquote body br caption center col colgroup dd details dialog dir div dl dt"
    " fieldset figcaption figure footer frameset h1 h2 h3 h4 h5 h6 head header hr html legend li main menu nav"
    " noscript ol optgroup option p pre section select summary table tbody textarea tfoot thead tr ul",
    CELL: "td th",
    ANCHOR: "a",
    LINK: "area audio base button embed form frame iframe image img input link object source track video",
    RAW: "script style title xmp noembed noframes template",
}
_ENDS = {ANCHOR: ANCHOR_END, RAW: INLINE, LINK: INLINE}


def _kinds() -> dict[str, int]:
    kinds = {}
    for kind, names in _TAGS.items():
        for name in names.split():
            for form in (name, name.upper()):
                kinds[form] = kinds[f"{form}/"] = kinds[f"{form} /"] = kind
                kinds[f"/{form}"] = _ENDS.get(kind, kind)
    return kinds


KINDS = _kinds()
"""Kind of each tag by how it usually stands between its brackets, without attributes."""

VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "image", "img", "input", "link", "meta", "source", "track", "wbr")
)
"""Tags without content."""

CLOSED_BY_NEXT = frozenset(("p", "li", "td", "th", "tr", "option", "dt", "dd"))
"""Elements that another of their kind ends."""

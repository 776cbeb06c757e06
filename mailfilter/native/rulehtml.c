/* Tags as rules see them; the twin, with the reasons, is HtmlText in mailfilter/ruleset/htmltext.py.
 *
 * Names, attributes and texts are stretches of the source; ASCII is told from the rest by the callers. */

#include "rulehtml.h"

#define MAX_LOOK 200 /* chunks in which the end of a quoted value is looked for */

Span next_chunk(Chunks *s)
{
    const octet *start = s->at;
    const octet *lt = memchr(start, '<', (size_t)(s->end - start));
    s->at = lt ? lt + 1 : s->end + 1;
    return (Span){start, (lt ? lt : s->end) - start};
}

/* What stands behind the first ``c``; nothing where there is none. */
static Span behind(Span span, octet c)
{
    const octet *found = find_in(span, c);
    return found ? (Span){found + 1, span.at + span.size - found - 1} : (Span){span.at + span.size, 0};
}

Span other_text(Chunks *s, Span chunk)
{
    if (!chunk.size || !memchr("!?/", *chunk.at, 3))
        return (Span){chunk.at - 1, chunk.size + 1};
    if (!stands_at(chunk, 0, "!--") || stands_at(chunk, 3, ">") || stands_at(chunk, 3, "->"))
        return behind(chunk, '>');
    for (const octet *p = chunk.at + 3; p < s->end; p++) {
        p = memchr(p, '>', (size_t)(s->end - p));
        if (!p)
            break;
        if (p - chunk.at >= 5 && p[-1] == '-' && p[-2] == '-') {
            s->at = p + 1;
            return next_chunk(s);
        }
    }
    s->at = s->end + 1;
    return (Span){s->end, 0};
}

/* Whether a value opens with a quote: ``=``, blanks, the quote. */
static int assigns_quote(Span text, octet quote)
{
    for (const octet *p = text.at, *end = p + text.size; (p = memchr(p, '=', (size_t)(end - p)));) {
        for (p++; p < end && *p == ' '; p++)
            ;
        if (p < end && *p == quote)
            return 1;
    }
    return 0;
}

/* The quote that a value opens and does not close, 0 if there is none. */
static octet quote_left_open(Span text)
{
    unsigned doubles = 0, singles = 0;
    for (Py_ssize_t i = 0; i < text.size; i++) {
        doubles += text.at[i] == '"';
        singles += text.at[i] == '\'';
    }
    if ((doubles & 1) && assigns_quote(text, '"'))
        return '"';
    return (singles & 1) && assigns_quote(text, '\'') ? '\'' : 0;
}

/* Go on to where the quoted value ends in a later chunk; if it never does, it is none. */
static int go_on(Chunks *s, octet quote, Span *attributes, Span *text)
{
    Chunks later = *s;
    for (int looked = 0; looked < MAX_LOOK && later.at <= later.end; looked++) {
        Span chunk = next_chunk(&later), rest = {0};
        const octet *close = find_in(chunk, quote);
        if (!close)
            continue;
        rest = (Span){close + 1, chunk.at + chunk.size - close - 1};
        const octet *gt = find_in(rest, '>');
        const octet *stop = gt ? gt : rest.at + rest.size;
        s->joined.size = 0;
        if (!add_bytes(&s->joined, attributes->at, attributes->size) || !add_bytes(&s->joined, (const octet *)">", 1) ||
            !add_bytes(&s->joined, text->at, stop - text->at))
            return 0;
        s->at = later.at;
        *attributes = (Span){s->joined.at, s->joined.size};
        *text = behind(rest, '>');
        return 1;
    }
    return 1;
}

int split_tag(Chunks *s, Span rest, Span *attributes, Span *text)
{
    const octet *gt = find_in(rest, '>');
    *attributes = (Span){rest.at, (gt ? gt : rest.at + rest.size) - rest.at};
    *text = behind(rest, '>');
    octet quote = find_in(*attributes, '=') ? quote_left_open(*attributes) : 0;
    if (!quote)
        return 1;
    const octet *close = find_in(*text, quote);
    if (!close)
        return go_on(s, quote, attributes, text);
    Span tail = {close + 1, text->at + text->size - close - 1};
    const octet *stop = find_in(tail, '>');
    attributes->size = (stop ? stop : tail.at + tail.size) - attributes->at;
    *text = behind(tail, '>');
    return 1;
}

Span literal_text(Chunks *s, Span name, Span text)
{
    while (s->at <= s->end) {
        const octet *here = s->at;
        Span chunk = next_chunk(s);
        if (chunk.size > name.size && *chunk.at == '/') {
            Py_ssize_t same = 0;
            while (same < name.size && to_lower(chunk.at[same + 1]) == name.at[same])
                same++;
            if (same == name.size) {
                s->at = here;
                break;
            }
        }
        text.size = chunk.at + chunk.size - text.at;
    }
    return text;
}

int is_literal(Span name)
{
    static const char *const names[] = {"script", "style", "title", "textarea", "xmp", "iframe", "plaintext"};
    if (name.size < 3 || !memchr("stxip", *name.at, 5))
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_name(name, names[i]))
            return 1;
    return 0;
}

int is_odd(Span text)
{
    const octet *end = text.at + text.size;
    for (const octet *p = text.at; p < end; p++) {
        if (*p < 0x80)
            continue;
        if (blank_size(p, end))
            return 1;
        /* Letters that are i, s or k where case is passed over: U+0130, U+0131, U+017F, U+212A. */
        if (end - p >= 2 && ((*p == 0xC4 && (p[1] == 0xB0 || p[1] == 0xB1)) || (*p == 0xC5 && p[1] == 0xBF)))
            return 1;
        if (end - p >= 3 && *p == 0xE2 && p[1] == 0x84 && p[2] == 0xAA)
            return 1;
    }
    return 0;
}

Py_ssize_t read_assigned(Span head, Py_ssize_t i, Span *value)
{
    while (i < head.size && is_blank(head.at[i]))
        i++;
    if (i >= head.size || head.at[i] != '=')
        return 0;
    for (i++; i < head.size && is_blank(head.at[i]); i++)
        ;
    if (i >= head.size || head.at[i] == '>')
        return 0;
    octet quote = head.at[i];
    if (quote == '"' || quote == '\'') {
        const octet *close = memchr(head.at + i + 1, quote, (size_t)(head.size - i - 1));
        if (!close)
            return 0;
        *value = (Span){head.at + i + 1, close - head.at - i - 1};
        return close + 1 - head.at;
    }
    Py_ssize_t start = i;
    while (i < head.size && !is_blank(head.at[i]) && head.at[i] != '>')
        i++;
    *value = (Span){head.at + start, i - start};
    return i;
}

int find_value(Span head, const char *name, Span *value)
{
    Py_ssize_t size = (Py_ssize_t)strlen(name);
    for (Py_ssize_t i = 0; i + size < head.size; i++) {
        octet before = i ? head.at[i - 1] : ' ';
        if (to_lower(head.at[i]) == (octet)*name &&
            (is_blank(before) || before == '"' || before == '\'' || before == '/') && stands_at(head, i, name) &&
            read_assigned(head, i + size, value))
            return 1;
    }
    return 0;
}

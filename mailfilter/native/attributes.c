/* Attributes of tags; the twins are mailfilter/mime/attributes.py and _Renderer.whole of html.py. */

#include "html.h"

int beyond_ascii(Span text)
{
    for (Py_ssize_t i = 0; i < text.size; i++) {
        octet c = text.at[i], next = i + 1 < text.size ? text.at[i + 1] : 0;
        /* U+0085, U+00A0, U+0130, U+1680, U+2000 to U+213F (spaces; the Kelvin sign), U+3000 and their neighbours. */
        if (c >= 0x80 && ((c == 0xC2 && (next == 0x85 || next == 0xA0)) || (c == 0xC4 && next == 0xB0) ||
                          (c == 0xE1 && next == 0x9A) || (c == 0xE2 && next <= 0x84) || (c == 0xE3 && next == 0x80)))
            return 1;
    }
    return 0;
}

int add_bytes(Buffer *buffer, const octet *at, Py_ssize_t size)
{
    if (buffer->room - buffer->size < size) {
        Py_ssize_t room = buffer->room + buffer->room / 2 + size + 256;
        octet *grown = realloc(buffer->at, (size_t)room);
        if (!grown)
            return 0;
        buffer->at = grown;
        buffer->room = room;
    }
    if (size)
        memcpy(buffer->at + buffer->size, at, (size_t)size);
    buffer->size += size;
    return 1;
}

/* Where ``word`` (lower case) starts at or after ``from``, letter case passed over; -1 for nowhere. */
static Py_ssize_t find_word(Span text, Py_ssize_t from, const char *word, Py_ssize_t size)
{
    for (Py_ssize_t i = from; i + size <= text.size; i++) {
        Py_ssize_t same = 0;
        while (same < size && to_lower(text.at[i + same]) == (octet)word[same])
            same++;
        if (same == size)
            return i;
    }
    return -1;
}

int contains(Span text, const char *word, Py_ssize_t size) { return find_word(text, 0, word, size) >= 0; }

/* Past at most 20 blanks. */
static const octet *past_blanks(const octet *p, const octet *end)
{
    for (int i = 0; i < 20 && p < end && is_blank(*p); i++)
        p++;
    return p;
}

/* ``= value`` at p; whether it is that, and the value. */
static int read_value(const octet *p, const octet *end, Span *value)
{
    p = past_blanks(p, end);
    if (p >= end || *p != '=')
        return 0;
    p = past_blanks(p + 1, end);
    if (p >= end)
        return 0;
    const octet *q;
    if (*p == '"' || *p == '\'') {
        octet quote = *p++;
        q = memchr(p, quote, (size_t)(end - p));
        *value = (Span){p, (q ? q : end) - p};
        return 1;
    }
    for (q = p; q < end && !is_blank(*q) && *q != '<' && *q != '>' && *q != '"' && *q != '\''; q++)
        ;
    *value = (Span){p, q - p};
    return q > p;
}

static int before_name(Span head, Py_ssize_t start)
{
    octet c = head.at[start - 1];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '"' || c == '\'' || c == '/')
        return 1;
    Span form = {head.at + start - 4, 4};
    return start >= 4 && contains(form, "form", 4);
}

Span attribute_value(Span head, const char *name, Py_ssize_t size)
{
    const octet *end = head.at + head.size;
    Span value = {end, 0};
    Py_ssize_t start = 0;
    while (start + size <= head.size && (head.at[start] != (octet)*name || memcmp(head.at + start, name, (size_t)size)))
        start++;
    /* The usual way first: in lower case, after a space. */
    if (start > 0 && start + size <= head.size && head.at[start - 1] == ' ' &&
        read_value(head.at + start + size, end, &value))
        return value;
    start = find_word(head, 0, name, size);
    while (start > 0) {
        if (before_name(head, start) && read_value(head.at + start + size, end, &value))
            return value;
        start = find_word(head, start + size, name, size);
    }
    return (Span){end, 0};
}

/* ``head`` without its quoted values. */
static Py_ssize_t without_values(Span head, octet *made)
{
    const octet *p = head.at, *end = p + head.size;
    octet *out = made;
    while (p < end) {
        if (*p == '=') {
            const octet *q = past_blanks(p + 1, end);
            const octet *close = q < end && (*q == '"' || *q == '\'') ? memchr(q + 1, *q, (size_t)(end - q - 1)) : NULL;
            if (close) {
                p = close + 1;
                continue;
            }
        }
        *out++ = *p++;
    }
    return out - made;
}

int open_quote(Span head)
{
    octet *rest = malloc((size_t)head.size + 1);
    if (!rest)
        return -1;
    const octet *end = rest + without_values(head, rest);
    int quote = 0;
    for (const octet *p = rest; p < end && !quote; p++) {
        if (*p == '=') {
            const octet *q = past_blanks(p + 1, end);
            if (q < end && (*q == '"' || *q == '\''))
                quote = *q;
        }
    }
    free(rest);
    return quote;
}

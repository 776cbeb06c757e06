/* Styles that make what follows a tag invisible; the twin, with the reasons, is mailfilter/mime/chunks.py. */

#include "html.h"

#define MAX_MARKS 10000

/* Where patterns end, or chunks start, in order. */
typedef struct {
    Py_ssize_t *at, count;
} Places;

/* Past ``word`` (lower case) at p, letter case passed over; NULL if it is not there. */
static const octet *past_word(const octet *p, const octet *end, const char *word)
{
    for (; *word; word++, p++)
        if (p >= end || to_lower(*p) != (octet)*word)
            return NULL;
    return p;
}

/* Past at most nine blanks, a colon, at most nine blanks; ``*odd`` says that a character beyond ASCII is in the way. */
static const octet *past_colon(const octet *p, const octet *end, int *odd)
{
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < 9 && p < end && is_blank(*p); i++)
            p++;
        *odd |= p < end && *p >= 0x80;
        if (side)
            break;
        if (p >= end || *p != ':')
            return NULL;
        p++;
    }
    return p;
}

/* Past ``: 0`` that is not the start of a number above 0. */
static const octet *past_zero(const octet *p, const octet *end, int *odd)
{
    p = past_colon(p, end, odd);
    if (!p || p >= end || *p != '0')
        return NULL;
    const octet *q = ++p;
    for (int i = 0; i <= 20 && q < end; i++, q++) {
        *odd |= *q >= 0x80;
        if (*q >= '1' && *q <= '9')
            return NULL;
        if (*q != '.' && *q != '0')
            break;
    }
    return p;
}

static const octet *past_property(const octet *p, const octet *end, const char *name, const char *value, int *odd)
{
    p = past_word(p, end, name);
    p = p ? past_colon(p, end, odd) : NULL;
    return p ? past_word(p, end, value) : NULL;
}

static const octet *past_attribute(const octet *p, const octet *end, int *odd)
{
    p = past_word(p, end, " hidden");
    if (!p || p >= end)
        return NULL;
    *odd |= *p >= 0x80;
    return is_blank(*p) || *p == '=' || *p == '/' || *p == '>' ? p : NULL;
}

static void add_place(Places *places, Py_ssize_t at)
{
    if (places->count < MAX_MARKS)
        places->at[places->count++] = at;
}

/* By the first letter of a pattern (lower case) its second one: most of a text can be passed over by these two. */
static const octet seconds[256] = {
    ['s'] = 't', ['S'] = 't', ['d'] = 'i', ['D'] = 'i', ['v'] = 'i', ['V'] = 'i', ['o'] = 'p', ['O'] = 'p',
    ['f'] = 'o', ['F'] = 'o', [' '] = 'h',
};

/* Ends of all patterns; whether the text needs marks at all: 1 yes, 0 no, -1 only Python can tell. */
static int find_ends(Span text, Places *veiled, Places *shrunk)
{
    const octet *end = text.at + text.size, *found = NULL;
    int odd = 0, styled = 0;
    for (const octet *p = text.at; p + 1 < end; p++) {
        octet second = seconds[*p];
        if (!second || to_lower(p[1]) != second)
            continue;
        Places *places = veiled;
        switch (*p) {
        case 's': case 'S':
            styled = styled || past_word(p, end, "style");
            continue;
        case 'd': case 'D':
            found = past_property(p, end, "display", "none", &odd);
            break;
        case 'v': case 'V':
            found = past_property(p, end, "visibility", "hidden", &odd);
            break;
        case 'o': case 'O':
            found = past_word(p, end, "opacity");
            found = found ? past_zero(found, end, &odd) : NULL;
            break;
        case ' ':
            styled = styled || past_word(p, end, " hidden");
            found = past_attribute(p, end, &odd);
            break;
        default:
            found = past_word(p, end, "font-size");
            found = found ? past_zero(found, end, &odd) : NULL;
            places = shrunk;
        }
        if (found)
            add_place(places, found - text.at);
    }
    if (!styled || !(odd || veiled->count || shrunk->count))
        return 0;
    return odd ? -1 : 1;
}

/* Starts of the chunks within whose tag a pattern ends.  ``before`` are chunks that have a mark already; as in the
 * twin, each of those moves what comes after it on by one. */
static void choose_chunks(Span text, const Places *ends, const Places *before, Places *chosen)
{
    Py_ssize_t next = 0, passed = 0;
    for (Py_ssize_t start = 0; next < ends->count; ) {
        const octet *from = text.at + start;
        const octet *lt = memchr(from, '<', (size_t)(text.size - start));
        Py_ssize_t stop = lt ? lt - text.at : text.size, moved = start + passed;
        int marked = passed < before->count && before->at[passed] == start;
        passed += marked;
        if (ends->at[next] <= stop + passed) {
            const octet *gt = memchr(from, '>', (size_t)(stop - start));
            if (!marked && (!gt || ends->at[next] - moved <= gt - from))
                add_place(chosen, start);
            while (next < ends->count && ends->at[next] <= stop + passed)
                next++;
        }
        if (!lt)
            return;
        start = stop + 1;
    }
}

/* ``text`` with the marks in it. */
static int insert_marks(Span text, const Places *veiled, const Places *shrunk, Buffer *made)
{
    Py_ssize_t done = 0, v = 0, s = 0;
    while (v < veiled->count || s < shrunk->count) {
        int first = s >= shrunk->count || (v < veiled->count && veiled->at[v] < shrunk->at[s]);
        Py_ssize_t at = first ? veiled->at[v++] : shrunk->at[s++];
        octet mark = first ? VEILED : SHRUNK;
        if (!add_bytes(made, text.at + done, at - done) || !add_bytes(made, &mark, 1))
            return -1;
        done = at;
    }
    return add_bytes(made, text.at + done, text.size - done) ? 1 : -1;
}

static int is_ascii(Span text)
{
    for (Py_ssize_t i = 0; i < text.size; i++)
        if (text.at[i] >= 0x80)
            return 0;
    return 1;
}

static int mark_with(Span source, Buffer *made, Py_ssize_t *room)
{
    Places ends_veiled = {room, 0}, ends_shrunk = {room + MAX_MARKS, 0};
    Places veiled = {room + 2 * MAX_MARKS, 0}, shrunk = {room + 3 * MAX_MARKS, 0}, none = {room, 0};
    int needed = find_ends(source, &ends_veiled, &ends_shrunk);
    if (needed <= 0)
        return needed == 0;
    if (ends_veiled.count && ends_shrunk.count && !is_ascii(source))
        return 0; /* the twin counts characters */
    choose_chunks(source, &ends_veiled, &none, &veiled);
    choose_chunks(source, &ends_shrunk, &veiled, &shrunk);
    return veiled.count + shrunk.count ? insert_marks(source, &veiled, &shrunk, made) : 1;
}

int mark_hidden(Span source, Buffer *made)
{
    /* One mark takes a dozen bytes of source, so a short text needs less room; written to only as far as it is used. */
    Py_ssize_t *room = malloc(4 * MAX_MARKS * sizeof(Py_ssize_t));
    if (!room)
        return -1;
    int state = mark_with(source, made, room);
    free(room);
    return state;
}

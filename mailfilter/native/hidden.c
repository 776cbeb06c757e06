/* Styles that make what follows a tag invisible; the twin, with the reasons, is mailfilter/mime/chunks.py. */

#include "html.h"

#define MAX_MARKS 10000

/* Where patterns end, or chunks start, in order. */
typedef struct {
    Py_ssize_t *at, count, most;
} Places;

/* Past ``word`` (lower case) at p, letter case passed over; NULL if it is not there. */
static const octet *past_word(const octet *p, const octet *end, const char *word)
{
    for (; *word; word++, p++)
        if (p >= end || to_lower(*p) != (octet)*word)
            return NULL;
    return p;
}

/* Past at most nine blanks; ``*odd`` says that a character beyond ASCII is in the way. */
static const octet *past_blanks(const octet *p, const octet *end, int *odd)
{
    for (int i = 0; i < 9 && p < end && is_blank(*p); i++)
        p++;
    *odd |= p < end && *p >= 0x80;
    return p;
}

/* Past a 0 that is not the start of a number above 0. */
static const octet *past_zero(const octet *p, const octet *end, int *odd)
{
    if (p >= end || *p != '0')
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

/* Before the blanks that end at p, at most nine; those beyond ASCII, which only Python can tell, are passed too. */
static const octet *before_blanks(const octet *start, const octet *p, int *odd)
{
    for (int i = 0; i < 9 && p > start; i++) {
        int size = is_blank(p[-1]) ? 1 : 0;
        if (!size && p[-1] >= 0x80)
            size = p - start >= 2 && blank_size(p - 2, p) == 2 ? 2 : p - start >= 3 && blank_size(p - 3, p) == 3 ? 3 : 0;
        if (!size)
            break;
        *odd |= size > 1;
        p -= size;
    }
    return p;
}

/* Whether ``word`` (lower case) ends at p. */
static int ends_there(const octet *start, const octet *p, const char *word)
{
    Py_ssize_t size = (Py_ssize_t)strlen(word);
    return p - start >= size && past_word(p - size, p, word) == p;
}

/* Which property's name ends at p: its first letter, 0 for none of these. */
static int property_of(const octet *start, const octet *p)
{
    switch (p > start ? to_lower(p[-1]) : 0) {
    case 'y':
        return ends_there(start, p, "display") ? 'd' : ends_there(start, p, "visibility") ? 'v' :
               ends_there(start, p, "opacity") ? 'o' : 0;
    case 'e':
        return ends_there(start, p, "font-size") ? 'f' : 0;
    default:
        return 0;
    }
}

/* The end of a pattern whose colon is at p, NULL if it is in none; ``*shrinks`` for a font size. */
static const octet *past_pattern(const octet *start, const octet *p, const octet *end, int *odd, int *shrinks)
{
    int strange = 0, property = property_of(start, before_blanks(start, p, &strange));
    if (!property)
        return NULL;
    *odd |= strange;
    *shrinks = property == 'f';
    p = past_blanks(p + 1, end, odd);
    if (property == 'd')
        return past_word(p, end, "none");
    return property == 'v' ? past_word(p, end, "hidden") : past_zero(p, end, odd);
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
    if (places->count < places->most)
        places->at[places->count++] = at;
}

static int holds_word(Span text, const char *word)
{
    octet first = (octet)word[0], other = first >= 'a' && first <= 'z' ? (octet)(first - 32) : first;
    for (const octet *p = text.at, *end = p + text.size; p < end; p++)
        if ((*p == first || *p == other) && past_word(p, end, word))
            return 1;
    return 0;
}

/* Ends of all patterns; whether the text needs marks at all: 1 yes, 0 no, -1 only Python can tell.  A look at colons,
 * and at blanks before an h, passes over most of a text. */
static int find_ends(Span text, Places *veiled, Places *shrunk)
{
    const octet *end = text.at + text.size, *found;
    int odd = 0;
    for (const octet *p = text.at; p + 1 < end; p++) {
        int shrinks = 0, colon = *p == ':';
        if (!(colon | ((*p == ' ') & ((p[1] | 0x20) == 'h')))) /* one branch, which is seldom taken */
            continue;
        found = colon ? past_pattern(text.at, p, end, &odd, &shrinks) : past_attribute(p, end, &odd);
        if (found)
            add_place(shrinks ? shrunk : veiled, found - text.at);
    }
    if (!(odd || veiled->count || shrunk->count) || !(holds_word(text, "style") || holds_word(text, " hidden")))
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

static int mark_with(Span source, Buffer *made, Py_ssize_t *room, Py_ssize_t most)
{
    Places ends_veiled = {room, 0, most}, ends_shrunk = {room + most, 0, most};
    Places veiled = {room + 2 * most, 0, most}, shrunk = {room + 3 * most, 0, most}, none = {room, 0, 0};
    int needed = find_ends(source, &ends_veiled, &ends_shrunk);
    if (needed <= 0)
        return needed == 0;
    if (ends_veiled.count && ends_shrunk.count && !is_ascii(source))
        return 0; /* the twin counts characters */
    choose_chunks(source, &ends_veiled, &none, &veiled);
    choose_chunks(source, &ends_shrunk, &veiled, &shrunk);
    return veiled.count + shrunk.count ? insert_marks(source, &veiled, &shrunk, made) : 1;
}

#define SHORTEST 7 /* octets of a pattern */

int mark_hidden(Span source, Buffer *made)
{
    /* No more than the text can hold: memory of a fixed size would come from the system and go back with every call. */
    Py_ssize_t most = source.size / SHORTEST + 1;
    most = most < MAX_MARKS ? most : MAX_MARKS;
    Py_ssize_t *room = malloc(4 * (size_t)most * sizeof(Py_ssize_t));
    if (!room)
        return -1;
    int state = mark_with(source, made, room, most);
    free(room);
    return state;
}

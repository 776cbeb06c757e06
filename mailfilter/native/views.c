/* Normalising of texts for views; the twins are in mailfilter/classifier/views.py and relations.py. */

#include "kernel.h"

/* ASCII as views hold it: lower case, digits as 0, blanks and control characters as spaces. */
static const char SQUEEZED[129] = "                                 !\"#$%&'()*+,-./0000000000:;<=>?@abcdefghijklmnopqrstuvwxyz"
                                  "[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~ ";

/* Where text is put together: a space is written at once and overwritten by another; that is quicker than to ask. */
typedef struct {
    octet *start, *at;
    octet gap; /* whether a space, or nothing, stands before ``at`` */
} Squeezing;

static inline void put_octet(Squeezing *made, octet c)
{
    *made->at = c;
    made->at += !(made->gap & (c == ' '));
    made->gap = c == ' ';
}

/* The ASCII at p; where it ends.  By a table and without branches, of which every word would be two nobody foresees;
 * with values of its own, since a store of an octet could change ``made``. */
static const octet *put_ascii(Squeezing *made, const octet *p, const octet *end)
{
    octet *at = made->at, gap = made->gap;
    for (; p < end && *p < 0x80; p++) {
        octet c = (octet)SQUEEZED[*p], blank = c == ' ';
        *at = c;
        at += !(gap & blank);
        gap = blank;
    }
    made->at = at;
    made->gap = gap;
    return p;
}

static PyObject *end_squeezing(Squeezing *made)
{
    Py_ssize_t size = made->at - made->start;
    PyObject *result = PyBytes_FromStringAndSize((char *)made->start, size - (size && made->gap));
    free(made->start);
    return result;
}

/* squeeze(data: bytes) -> bytes: lower case, digits as 0, one space between words, none around them. */
PyObject *kernel_squeeze(PyObject *self, PyObject *data)
{
    char *given;
    Py_ssize_t size;
    (void)self;
    if (PyBytes_AsStringAndSize(data, &given, &size) < 0)
        return NULL;
    octet *room = malloc((size_t)size + 1);
    if (!room)
        return PyErr_NoMemory();
    Squeezing made = {room, room, 1};
    const octet *p = (const octet *)given, *end = p + size;
    while ((p = put_ascii(&made, p, end)) < end)
        put_octet(&made, *p++);
    return end_squeezing(&made);
}

static void put_octets(Squeezing *made, const octet *p, int count)
{
    for (int i = 0; i < count; i++)
        put_octet(made, p[i]);
}

/* A character of U+0080 to U+00FF in lower case; its length, 0 for one that compatibility or composition unfolds. */
static int put_latin(Squeezing *made, const octet *p)
{
    static const octet unfolded[] = {0xA8, 0xAA, 0xAF, 0xB2, 0xB3, 0xB4, 0xB5, 0xB8, 0xB9, 0xBA, 0xBC, 0xBD, 0xBE};
    octet last = p[1];
    if (p[0] == 0xC3) {
        put_octet(made, 0xC3);
        put_octet(made, last <= 0x9E && last != 0x97 ? last + 0x20 : last);
    } else if (last == 0xA0) {
        put_octet(made, ' ');
    } else if (memchr(unfolded, last, sizeof unfolded)) {
        return 0;
    } else if (last != 0xAD) { /* the soft hyphen is not seen */
        put_octets(made, p, 2);
    }
    return 2;
}

/* Punctuation of U+2000 to U+203F, spaces and invisible characters among it; its length or 0. */
static int put_punctuation(Squeezing *made, const octet *p)
{
    octet last = p[2];
    if (last <= 0x8A || last == 0xAF)
        put_octet(made, ' ');
    else if (last == 0xA6)
        put_octets(made, (const octet *)"...", 3);
    else if ((last >= 0x93 && last <= 0x95) || (last >= 0x98 && last <= 0xA2) || last == 0xB9 || last == 0xBA)
        put_octets(made, p, 3);
    else if (last > 0x8F && (last < 0xAA || last > 0xAE))
        return 0;
    return 3;
}

/* What becomes of a character beyond ASCII; its length, 0 for what only Python knows. */
static int put_character(Squeezing *made, const octet *p, const octet *end)
{
    if (end - p >= 2 && (*p == 0xC2 || *p == 0xC3))
        return put_latin(made, p);
    if (end - p < 3)
        return 0;
    if (*p == 0xE2 && p[1] == 0x80)
        return put_punctuation(made, p);
    int copied = (*p >= 0xE5 && *p <= 0xE9) /* Chinese characters */ || (*p == 0xE2 && p[1] == 0x82 && p[2] == 0xAC);
    int invisible = *p == 0xEF && p[1] == 0xBB && p[2] == 0xBF;
    if (copied || (*p == 0xEF && p[1] == 0xBF && p[2] == 0xBD))
        put_octets(made, p, 3);
    else if (!invisible)
        return 0;
    return 3;
}

/* plain(text: str) -> bytes | None: a text as views hold it; None for what has to be normalised in Python. */
PyObject *kernel_plain(PyObject *self, PyObject *text)
{
    Span given;
    (void)self;
    if (!utf8_of(text, &given))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    octet *room = malloc((size_t)given.size + 1); /* nothing becomes longer */
    if (!room)
        return PyErr_NoMemory();
    Squeezing made = {room, room, 1};
    const octet *p = given.at, *end = p + given.size;
    while ((p = put_ascii(&made, p, end)) < end) {
        int size = put_character(&made, p, end);
        if (!size) {
            free(room);
            return Py_NewRef(Py_None);
        }
        p += size;
    }
    return end_squeezing(&made);
}

/* The length of ``<tag``, ``</tag`` or ``<!tag`` at p (lower case), 0 if there is none. */
static Py_ssize_t tag_start(const octet *p, const octet *end)
{
    const octet *q = p + 1;
    if (q < end && (*q == '/' || *q == '!'))
        q++;
    if (q >= end || !is_lower(*q))
        return 0;
    const octet *last = end - q > 16 ? q + 16 : end;
    for (q++; q < last && (is_lower(*q) || is_digit(*q)); q++)
        ;
    return q - p;
}

static inline int in_name(octet c) { return is_lower(c) || c == '-'; }

/* The length of a name of 2 to 20 characters before ``=`` or ``:``, 0 if there is none; ``*run`` of what may be one. */
static Py_ssize_t name_size(const octet *p, const octet *end, Py_ssize_t *run)
{
    const octet *q = p;
    while (q < end && in_name(*q))
        q++;
    *run = q - p;
    return *run >= 2 && *run <= 20 && q < end && (*q == '=' || *q == ':') ? *run : 0;
}

static Py_ssize_t make_skeleton(const octet *low, Py_ssize_t size, Py_ssize_t most, octet *made)
{
    octet *out = made;
    Py_ssize_t found = 0;
    for (Py_ssize_t i = 0; i < size && found < most;) {
        Py_ssize_t length = 0, run = 1; /* no name starts within a run of letters */
        if (low[i] == '<')
            length = tag_start(low + i, low + size);
        else if (in_name(low[i]))
            length = i == 0 || !in_name(low[i - 1]) ? name_size(low + i, low + size, &run) : 0;
        if (!length) {
            i += run;
            continue;
        }
        if (found++)
            *out++ = ' ';
        memcpy(out, low + i, (size_t)length);
        out += length;
        i += length;
    }
    return out - made;
}

/* skeleton(source: bytes, most: int) -> bytes: the first ``most`` pieces of the skeleton, in lower case. */
PyObject *kernel_skeleton(PyObject *self, PyObject *args)
{
    const char *source;
    Py_ssize_t size, most;
    (void)self;
    if (!PyArg_ParseTuple(args, "y#n", &source, &size, &most))
        return NULL;
    /* Every piece but the first has a space before it: at most half as much again as the text. */
    octet *low = malloc(3 * (size_t)size + 2);
    if (!low)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < size; i++)
        low[i] = to_lower((octet)source[i]);
    Py_ssize_t length = make_skeleton(low, size, most, low + size);
    PyObject *result = PyBytes_FromStringAndSize((char *)low + size, length);
    free(low);
    return result;
}

/* How many octets of p are ``low`` to ``low + span``; in blocks of which a count fits an octet, which compilers do
 * many at a time. */
static Py_ssize_t count_within(const octet *p, Py_ssize_t size, octet low, octet span)
{
    Py_ssize_t found = 0;
    for (const octet *end = p + size; p < end;) {
        int block = end - p < 255 ? (int)(end - p) : 255;
        octet some = 0;
        for (int i = 0; i < block; i++)
            some += (octet)(p[i] - low) <= span;
        found += some;
        p += block;
    }
    return found;
}

static Py_ssize_t count_quoted(const octet *p, Py_ssize_t size)
{
    Py_ssize_t found = 0;
    for (const octet *end = p + size; (p = memchr(p, '\n', (size_t)(end - p))) && ++p < end;)
        found += *p == '>';
    return found;
}

/* The length of a character beyond ASCII that is known, and whether it is a capital: Latin-1, punctuation, Chinese. */
static int known_size(const octet *p, const octet *end, int *capital)
{
    *capital = *p == 0xC3 && end - p >= 2 && p[1] <= 0x9E && p[1] != 0x97;
    if (end - p >= 2 && (*p == 0xC2 || *p == 0xC3))
        return 2;
    if (end - p < 3)
        return 0;
    int known = (*p >= 0xE5 && *p <= 0xE9) || (*p == 0xE2 && p[1] == 0x80) || (*p == 0xE2 && p[1] == 0x82 && p[2] == 0xAC);
    return known || (*p == 0xEF && p[1] == 0xBF && p[2] == 0xBD) ? 3 : 0;
}

typedef struct {
    Py_ssize_t capitals, digits, beyond;
} Counts;

/* What stands in the first ``most`` characters; 0 for what only Python can tell. */
static int count_head(const octet *p, const octet *end, int most, Counts *counts)
{
    for (int size, capital; p < end && most > 0; p += size, most--) {
        size = 1;
        if (*p < 0x80) {
            counts->capitals += is_upper(*p);
            counts->digits += is_digit(*p);
        } else if ((size = known_size(p, end, &capital))) {
            counts->capitals += capital;
            counts->beyond++;
        } else {
            return 0;
        }
    }
    return 1;
}

/* count(text: str) -> (capitals, digits, characters beyond ASCII, exclamation marks, quoted lines) | None: the first
 * three in the first 2,000 characters, the others in all; None where Python has to look. */
PyObject *kernel_count(PyObject *self, PyObject *text)
{
    Span given;
    Counts counts = {0, 0, 0};
    (void)self;
    if (!utf8_of(text, &given))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    Py_ssize_t head = given.size < 2000 ? given.size : 2000;
    if (given.size == PyUnicode_GetLength(text)) {
        counts.capitals = count_within(given.at, head, 'A', 25);
        counts.digits = count_within(given.at, head, '0', 9);
    } else if (!count_head(given.at, given.at + given.size, 2000, &counts)) {
        return Py_NewRef(Py_None);
    }
    return Py_BuildValue("nnnnn", counts.capitals, counts.digits, counts.beyond,
                         count_within(given.at, given.size, '!', 0), count_quoted(given.at, given.size));
}

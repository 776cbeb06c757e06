/* Texts of HTML as a reader sees them; the twin is _tidied in mailfilter/mime/html.py. */

#include "html.h"

#define MOST_DIGITS 7

static int hexadecimal(octet c)
{
    return is_digit(c) ? c - '0' : to_lower(c) >= 'a' && to_lower(c) <= 'f' ? to_lower(c) - 'a' + 10 : -1;
}

/* A character as UTF-8; how many octets. */
static int put_utf8(octet *out, uint32_t code)
{
    if (code < 0x80) {
        *out = (octet)code;
        return 1;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    for (int i = more; i > 0; i--, code >>= 6)
        out[i] = (octet)(0x80 | (code & 0x3F));
    out[0] = (octet)((0xFF00 >> (more + 1)) | code);
    return more + 1;
}

/* What numbers from 0x80 on mean: windows-1252. */
static const uint16_t windows[32] = {
    0x20AC, 0xFFFD, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
    0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0xFFFD, 0x017D, 0xFFFD,
    0xFFFD, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
    0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0xFFFD, 0x017E, 0x0178,
};

/* The character of a number; its length, 0 for a number of none. */
static int put_number(octet *out, uint32_t code)
{
    if (!code || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF)
        return 0;
    return put_utf8(out, code >= 0x80 && code < 0xA0 ? windows[code - 0x80] : code);
}

/* What a reference becomes: how many octets, and behind which it goes on; 0 for what only Python can tell. */
typedef struct {
    int made;
    const octet *after;
} Reference;

static Reference read_number(const octet *p, const octet *end, octet *out)
{
    int hex = p < end && (*p == 'x' || *p == 'X'), digits = 0;
    uint32_t code = 0;
    for (p += hex; p < end && digits <= MOST_DIGITS; p++, digits++) {
        int digit = hex || is_digit(*p) ? hexadecimal(*p) : -1;
        if (digit < 0)
            break;
        code = code * (hex ? 16 : 10) + (uint32_t)digit;
    }
    if (!digits || digits > MOST_DIGITS)
        return (Reference){0, p};
    return (Reference){put_number(out, code), p + (p < end && *p == ';')};
}

static Reference read_name(const octet *p, const octet *end, octet *out)
{
    static const struct { char name[8]; uint16_t code; } known[] = {
        {"nbsp;", ' '}, {"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", 39}, {"copy;", 0xA9},
        {"reg;", 0xAE}, {"zwnj;", 0x200C}, {"shy;", 0xAD}, {"rsquo;", 0x2019}, {"lsquo;", 0x2018}, {"ldquo;", 0x201C},
        {"rdquo;", 0x201D}, {"ndash;", 0x2013}, {"mdash;", 0x2014}, {"hellip;", 0x2026}, {"bull;", 0x2022},
        {"euro;", 0x20AC}, {"trade;", 0x2122}, {"middot;", 0xB7}, {"laquo;", 0xAB}, {"raquo;", 0xBB}, {"auml;", 0xE4},
        {"ouml;", 0xF6}, {"uuml;", 0xFC}, {"Auml;", 0xC4}, {"Ouml;", 0xD6}, {"Uuml;", 0xDC}, {"szlig;", 0xDF},
        {"eacute;", 0xE9}, {"aacute;", 0xE1}, {"iacute;", 0xED}, {"oacute;", 0xF3}, {"uacute;", 0xFA}, {"ntilde;", 0xF1},
        {"agrave;", 0xE0}, {"egrave;", 0xE8}, {"ccedil;", 0xE7},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (*p != (octet)known[i].name[0])
            continue;
        Py_ssize_t size = (Py_ssize_t)strlen(known[i].name);
        if (end - p >= size && !memcmp(p, known[i].name, (size_t)size))
            return (Reference){put_utf8(out, known[i].code), p + size};
    }
    return (Reference){0, p};
}

/* The text at p with its references decoded, in ``out``, which nothing makes longer; its end, NULL where only Python
 * can tell. */
static octet *decode(const octet *p, const octet *end, octet *out)
{
    while (p < end) {
        const octet *mark = memchr(p, '&', (size_t)(end - p)), *stop = mark ? mark : end;
        memcpy(out, p, (size_t)(stop - p));
        out += stop - p;
        if (!mark)
            break;
        const octet *first = mark + 1, *second = first + 1;
        int letter = first < end && is_lower(to_lower(*first));
        if (first < end && *first == '#' ? second == end || !(is_digit(*second) || to_lower(*second) == 'x')
                                         : !letter || second == end || !(is_lower(to_lower(*second)) || is_digit(*second))) {
            *out++ = '&'; /* no reference */
            p = first;
            continue;
        }
        Reference found = letter ? read_name(first, end, out) : read_number(second, end, out);
        if (!found.made)
            return NULL;
        out += found.made;
        p = found.after;
    }
    return out;
}

/* What a character of ASCII parts texts by: nothing, a space, or the end of a line. */
static const octet parting[128] = {
    [9] = ' ', [10] = ' ', [11] = ' ', [12] = ' ', [13] = ' ', [0x1c] = ' ', [0x1d] = ' ', [BREAK] = '\n', [0x1f] = ' ',
    [' '] = ' ',
};

/* Lines end at BREAK; other runs of white space become one space; none is left at the ends.  ``made`` has room for one
 * octet more than the text, which may lie behind its first.  What parts texts is written at once, and overwritten by
 * what follows in the same run: where words end nobody foresees, so there is no branch for it. */
static Span put_lines(const octet *p, const octet *end, octet *made)
{
    octet *out = made + 1, gap = 1; /* whether that, or nothing, stands before ``out`` */
    *made = ' ';
    while (p < end) {
        octet c = *p, parts;
        Py_ssize_t size = 1;
        if (c < 0x80)
            parts = parting[c];
        else
            parts = (size = blank_size(p, end)) ? ' ' : 0;
        p += size + !size;
        out -= gap & (parts != 0);
        octet ends_line = gap & (parts != 0) & (*out == '\n');
        *out = ends_line ? '\n' : parts ? parts : c;
        out++;
        gap = parts != 0;
    }
    return (Span){made + 1, out - made - 1 - (gap && out > made + 1)};
}

/* The text with references decoded and in lines, in ``made``, which has room for two octets more; 0 for what only
 * Python can tell. */
static int tidied(Span text, octet *made, Span *result)
{
    const octet *p = text.at, *end = p + text.size;
    made[1] = 0;
    if (memchr(p, '&', (size_t)text.size)) {
        end = decode(p, end, made + 1);
        p = made + 1;
    }
    if (end)
        *result = put_lines(p, end, made);
    return end != NULL;
}

/* tidy(text: str) -> str | None: references decoded, blanks made one, a line per BREAK; None where Python has to. */
PyObject *kernel_tidy(PyObject *self, PyObject *text)
{
    Span given, lines;
    (void)self;
    if (!utf8_of(text, &given))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    octet *made = malloc((size_t)given.size + 2);
    if (!made)
        return PyErr_NoMemory();
    PyObject *result;
    if (tidied(given, made, &lines))
        result = PyUnicode_DecodeUTF8((const char *)lines.at, lines.size, NULL);
    else
        result = Py_NewRef(Py_None);
    free(made);
    return result;
}

PyObject *one_line(Span text)
{
    Span lines;
    octet *made = malloc((size_t)text.size + 2);
    if (!made)
        return PyErr_NoMemory();
    PyObject *result = NULL;
    if (tidied(text, made, &lines)) {
        for (Py_ssize_t i = 1; i <= lines.size; i++)
            if (made[i] == '\n')
                made[i] = ' ';
        result = PyUnicode_DecodeUTF8((const char *)lines.at, lines.size, NULL);
    }
    free(made);
    return result;
}

/* Normalising of texts; the twins are in mailfilter/classifier/views.py, mime/html.py and mime/links.py. */

#include "kernel.h"

/* squeeze(data: bytes) -> bytes: lower case, digits as 0, one space between words, none around them. */
PyObject *kernel_squeeze(PyObject *self, PyObject *data)
{
    char *given;
    Py_ssize_t size;
    (void)self;
    if (PyBytes_AsStringAndSize(data, &given, &size) < 0)
        return NULL;
    octet *made = malloc((size_t)size + 1);
    if (!made)
        return PyErr_NoMemory();
    const octet *p = (const octet *)given, *end = p + size;
    octet *out = made;
    while (p < end) {
        octet c = *p++;
        if (c > ' ' && c != 127) {
            *out++ = is_digit(c) ? '0' : to_lower(c);
        } else {
            while (p < end && (*p <= ' ' || *p == 127))
                p++;
            if (out > made && p < end)
                *out++ = ' ';
        }
    }
    PyObject *result = PyBytes_FromStringAndSize((char *)made, out - made);
    free(made);
    return result;
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

/* The length of a name of 2 to 20 characters before ``=`` or ``:``, 0 if there is none. */
static Py_ssize_t name_size(const octet *p, const octet *end)
{
    const octet *q = p, *last = end - p > 20 ? p + 20 : end;
    while (q < last && in_name(*q))
        q++;
    return q - p >= 2 && q < end && (*q == '=' || *q == ':') ? q - p : 0;
}

static Py_ssize_t make_skeleton(const octet *low, Py_ssize_t size, Py_ssize_t most, octet *made)
{
    octet *out = made;
    Py_ssize_t found = 0;
    for (Py_ssize_t i = 0; i < size && found < most;) {
        Py_ssize_t length = 0;
        if (low[i] == '<')
            length = tag_start(low + i, low + size);
        else if (in_name(low[i]) && (i == 0 || !in_name(low[i - 1])))
            length = name_size(low + i, low + size);
        if (!length) {
            i++;
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

#define BREAK 0x1e

/* tidy(text: str) -> str | None: lines end at BREAK; other runs of white space become one space. */
PyObject *kernel_tidy(PyObject *self, PyObject *text)
{
    Span given;
    (void)self;
    if (!utf8_of(text, &given))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    octet *made = malloc((size_t)given.size + 1), *out = made;
    if (!made)
        return PyErr_NoMemory();
    const octet *p = given.at, *end = p + given.size;
    octet gap = 0; /* what separates what comes from what stands there */
    while (p < end) {
        Py_ssize_t blank = blank_size(p, end);
        if (blank) {
            if (*p == BREAK)
                gap = '\n';
            else if (!gap)
                gap = ' ';
            p += blank;
            continue;
        }
        if (gap && out > made)
            *out++ = gap;
        gap = 0;
        *out++ = *p++;
    }
    PyObject *result = PyUnicode_DecodeUTF8((char *)made, out - made, NULL);
    free(made);
    return result;
}

static int ends_with(const octet *start, const octet *p, const char *word, Py_ssize_t size)
{
    if (p - start < size)
        return 0;
    for (Py_ssize_t i = 0; i < size; i++)
        if (to_lower(p[i - size]) != (octet)word[i])
            return 0;
    return 1;
}

/* How many bytes before ``://`` at p its scheme starts; 0 for none of the web. */
static Py_ssize_t scheme_size(const octet *start, const octet *p)
{
    return ends_with(start, p, "https", 5) ? 5 : ends_with(start, p, "http", 4) ? 4 : ends_with(start, p, "ftp", 3) ? 3 : 0;
}

static int in_word(octet c) { return is_lower(to_lower(c)) || is_digit(c) || memchr("/.-@_", c, 5); }

/* Append ``number`` to a list; 0 on failure. */
static int append_number(PyObject *list, Py_ssize_t number)
{
    PyObject *made = PyLong_FromSsize_t(number);
    int good = made && PyList_Append(list, made) == 0;
    Py_XDECREF(made);
    return good;
}

/* Append the starts to ``list``: 1 done, 0 what only Python can tell, -1 error. */
static int find_starts(Span text, Py_ssize_t limit, PyObject *list)
{
    const octet *start = text.at, *end = start + text.size, *counted = start;
    Py_ssize_t characters = 0, found[3] = {0, 0, 0};
    for (const octet *p = start; p < end; p++) {
        Py_ssize_t back = 0;
        if (*p == ':') {
            if (end - p < 3 || p[1] != '/' || p[2] != '/' || found[0]++ >= limit)
                continue;
            back = scheme_size(start, p);
        } else if (*p == '.' && p - start >= 2 && (p[-1] == 'w' || p[-1] == 'W') && p[-1] == p[-2]) {
            if (found[p[-1] == 'w' ? 1 : 2]++ >= limit || p - start < 3 || to_lower(p[-3]) != 'w')
                continue;
            if (p - start > 3 && p[-4] >= 0x80)
                return 0; /* a letter of some alphabet, or not */
            back = p - start > 3 && in_word(p[-4]) ? 0 : 3;
        }
        if (!back)
            continue;
        for (; counted < p; counted++)
            characters += (*counted & 0xC0) != 0x80;
        if (!append_number(list, characters - back))
            return -1;
    }
    return 1;
}

/* link_starts(text: str, limit: int) -> list[int] | None: positions of web schemes and of ``www.``, not sorted. */
PyObject *kernel_link_starts(PyObject *self, PyObject *args)
{
    PyObject *text;
    Py_ssize_t limit;
    Span given;
    (void)self;
    if (!PyArg_ParseTuple(args, "Un", &text, &limit))
        return NULL;
    if (!utf8_of(text, &given))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    PyObject *list = PyList_New(0);
    int state = list ? find_starts(given, limit, list) : -1;
    if (state == 1)
        return list;
    Py_XDECREF(list);
    return state < 0 ? NULL : Py_NewRef(Py_None);
}

/* count(text: str) -> (capitals, digits, exclamation marks, quoted lines) | None: the first two in the first 2,000
 * characters, the others in all; None unless the text is ASCII. */
PyObject *kernel_count(PyObject *self, PyObject *text)
{
    Span given;
    Py_ssize_t capitals = 0, digits = 0, exclaimed = 0, quoted = 0;
    (void)self;
    if (!utf8_of(text, &given))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    const octet *p = given.at;
    octet all = 0;
    for (Py_ssize_t i = 0; i < given.size; i++)
        all |= p[i];
    if (all >= 0x80)
        return Py_NewRef(Py_None);
    for (Py_ssize_t i = 0, head = given.size < 2000 ? given.size : 2000; i < head; i++) {
        capitals += is_upper(p[i]);
        digits += is_digit(p[i]);
    }
    for (Py_ssize_t i = 0; i < given.size; i++)
        exclaimed += p[i] == '!';
    for (Py_ssize_t i = 1; i < given.size; i++)
        quoted += p[i] == '>' && p[i - 1] == '\n';
    return Py_BuildValue("nnnn", capitals, digits, exclaimed, quoted);
}

static inline int is_hexadecimal(octet c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

/* shorten(data: bytes) -> bytes: lower case, runs of 12 or more hexadecimal digits as one #, digits as 0. */
PyObject *kernel_shorten(PyObject *self, PyObject *data)
{
    char *given;
    Py_ssize_t size;
    (void)self;
    if (PyBytes_AsStringAndSize(data, &given, &size) < 0)
        return NULL;
    octet *made = malloc((size_t)size + 1), *out = made;
    if (!made)
        return PyErr_NoMemory();
    Py_ssize_t run = 0; /* hexadecimal digits just before */
    for (Py_ssize_t i = 0; i < size; i++) {
        octet c = to_lower((octet)given[i]);
        run = is_hexadecimal(c) ? run + 1 : 0;
        if (run == 12) {
            out -= 11;
            *out++ = '#';
        } else if (run < 12) {
            *out++ = is_digit(c) ? '0' : c;
        }
    }
    PyObject *result = PyBytes_FromStringAndSize((char *)made, out - made);
    free(made);
    return result;
}

/* A well-formed header block in one pass, values, and a mark in bodies; the twins are in mailfilter/mime/headers.py,
 * words.py and part.py. */

#include "kernel.h"

#define MAX_HEADERS 2000
#define LONGEST_KEPT 40

typedef struct {
    const octet *name, *value, *end; /* the value ends where the next line end is that no fold follows */
    Py_ssize_t name_size;
} Line;

/* Read the header at p; 0 if it is none or if a line end is odd. */
static int read_line(const octet *p, const octet *end, int crlf, Line *line)
{
    line->name = p;
    while (p < end && *p > ' ' && *p < 127 && *p != ':')
        p++;
    line->name_size = p - line->name;
    if (!line->name_size || p >= end || *p != ':')
        return 0;
    line->value = ++p;
    for (;;) {
        const octet *newline = memchr(p, '\n', (size_t)(end - p));
        line->end = newline ? newline : end;
        if (crlf && newline) {
            if (newline == line->value || newline[-1] != '\r')
                return 0;
            line->end--;
        }
        if (memchr(p, '\r', (size_t)(line->end - p)))
            return 0;
        if (!newline || newline + 1 >= end || (newline[1] != ' ' && newline[1] != '\t'))
            return 1;
        p = newline + 1;
    }
}

/* The name in lower case. */
static PyObject *lower_name(const Line *line)
{
    octet room[80], *low = line->name_size <= (Py_ssize_t)sizeof room ? room : malloc((size_t)line->name_size);
    if (!low)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < line->name_size; i++)
        low[i] = to_lower(line->name[i]);
    PyObject *name = PyUnicode_DecodeASCII((const char *)low, line->name_size, NULL);
    if (low != room)
        free(low);
    return name;
}

/* A name as written and in lower case, made or from those kept: the same come in every mail, and a string that is kept
 * knows its hash.  0 on failure. */
static int name_of(State *state, const Line *line, PyObject **written, PyObject **lower)
{
    uint32_t hash = 2166136261u;
    int kept = line->name_size <= LONGEST_KEPT;
    Span form;
    for (Py_ssize_t i = 0; kept && i < line->name_size; i++)
        hash = (hash ^ line->name[i]) * 16777619u;
    Name *place = &state->names[(hash ^ hash >> 16) % KEPT_NAMES];
    if (kept && place->written && utf8_of(place->written, &form) && form.size == line->name_size &&
        !memcmp(form.at, line->name, (size_t)form.size)) {
        *written = Py_NewRef(place->written);
        *lower = Py_NewRef(place->lower);
        return 1;
    }
    *written = PyUnicode_DecodeASCII((const char *)line->name, line->name_size, NULL);
    *lower = *written ? lower_name(line) : NULL;
    if (!*lower) {
        Py_CLEAR(*written);
        return 0;
    }
    if (kept) {
        Py_XDECREF(place->written);
        Py_XDECREF(place->lower);
        place->written = Py_NewRef(*written);
        place->lower = Py_NewRef(*lower);
    }
    return 1;
}

/* Put ``raw`` behind the values that ``index`` has for ``name``. */
static int put(PyObject *index, PyObject *name, PyObject *raw)
{
    PyObject *before = PyDict_GetItemWithError(index, name), *values = NULL;
    if (before) {
        PyObject *more = PyTuple_Pack(1, raw);
        values = more ? PySequence_Concat(before, more) : NULL;
        Py_XDECREF(more);
    } else if (!PyErr_Occurred()) {
        values = PyTuple_Pack(1, raw);
    }
    int good = values && PyDict_SetItem(index, name, values) == 0;
    Py_XDECREF(values);
    return good;
}

/* What is made of a block. */
typedef struct {
    PyObject *written, *raws, *names, *index;
} Made;

static int take(State *state, const Line *line, Py_ssize_t place, Made *made)
{
    PyObject *written, *name, *raw = PyUnicode_DecodeLatin1((const char *)line->value, line->end - line->value, NULL);
    if (!raw || !name_of(state, line, &written, &name)) {
        Py_XDECREF(raw);
        return 0;
    }
    int good = put(made->index, name, raw);
    PyTuple_SetItem(made->written, place, written); /* which takes the reference, whatever comes of it */
    PyTuple_SetItem(made->names, place, name);
    PyTuple_SetItem(made->raws, place, raw);
    return good;
}

/* Whether there is nothing to decode. */
static int is_plain(const octet *p, const octet *end)
{
    octet all = 0;
    for (const octet *q = p; q < end; q++)
        all |= *q;
    for (const octet *q = p; all < 0x80 && (q = memchr(q, '?', (size_t)(end - q))); q++)
        if (q > p && q[-1] == '=')
            return 0;
    return all < 0x80;
}

/* How many headers a block has, 0 for an odd one. */
static Py_ssize_t count_lines(const octet *p, const octet *end, int crlf)
{
    if (p >= end || memchr(p, 0, (size_t)(end - p)))
        return 0;
    for (Py_ssize_t count = 0; p < end && count < MAX_HEADERS; count++) {
        Line line;
        if (!read_line(p, end, crlf, &line))
            return 0;
        if (line.end >= end)
            return count + 1;
        p = line.end + 1 + crlf;
    }
    return 0; /* too many, or a line end that nothing follows */
}

static int take_all(State *state, const octet *p, const octet *end, int crlf, Py_ssize_t count, Made *made)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        Line line;
        if (!read_line(p, end, crlf, &line) || !take(state, &line, i, made))
            return 0;
        p = line.end + 1 + crlf;
    }
    return 1;
}

/* header_block(buffer: bytes, start: int, end: int, crlf: int) -> (written, raws, names, index, plain) | None
 *
 * None for a block that has anything odd about it. */
PyObject *kernel_header_block(PyObject *self, PyObject *args)
{
    const char *buffer;
    Py_ssize_t size, start, end;
    int crlf;
    if (!PyArg_ParseTuple(args, "y#nnp", &buffer, &size, &start, &end, &crlf))
        return NULL;
    if (start < 0 || end > size || start > end)
        return PyErr_Format(PyExc_ValueError, "%zd to %zd is not within %zd bytes", start, end, size);
    const octet *first = (const octet *)buffer + start, *last = (const octet *)buffer + end;
    Py_ssize_t count = count_lines(first, last, crlf);
    if (!count)
        return Py_NewRef(Py_None);
    Made made = {PyTuple_New(count), PyTuple_New(count), PyTuple_New(count), PyDict_New()};
    PyObject *result = NULL;
    if (made.written && made.raws && made.names && made.index &&
        take_all(PyModule_GetState(self), first, last, crlf, count, &made))
        result = PyTuple_Pack(5, made.written, made.raws, made.names, made.index, is_plain(first, last) ? Py_True : Py_False);
    Py_XDECREF(made.written);
    Py_XDECREF(made.raws);
    Py_XDECREF(made.names);
    Py_XDECREF(made.index);
    return result;
}

/* The text at p without its line ends, in ``room``; its end. */
static const octet *unfold(const octet *p, const octet *end, octet *room)
{
    for (; p < end; p++) {
        *room = *p;
        room += *p != '\n' && *p != '\r';
    }
    return room;
}

/* One line, trimmed; None for one with an encoded word. */
static PyObject *trimmed(const octet *p, const octet *end)
{
    for (const octet *q = p; (q = memchr(q, '?', (size_t)(end - q))); q++)
        if (q > p && q[-1] == '=')
            return Py_NewRef(Py_None);
    while (p < end && is_blank(*p))
        p++;
    while (end > p && is_blank(end[-1]))
        end--;
    return PyUnicode_FromStringAndSize((const char *)p, end - p);
}

/* header_text(latin1: str) -> str | None: a header's value, one line, trimmed; None for one that has to be decoded. */
PyObject *kernel_header_text(PyObject *self, PyObject *latin1)
{
    Span given;
    (void)self;
    if (!PyUnicode_Check(latin1))
        return PyErr_Format(PyExc_TypeError, "a header's value is a string");
    if (!utf8_of(latin1, &given))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    if (given.size != PyUnicode_GetLength(latin1))
        return Py_NewRef(Py_None);
    const octet *p = given.at, *end = p + given.size;
    if (!memchr(p, '\n', (size_t)given.size) && !memchr(p, '\r', (size_t)given.size))
        return trimmed(p, end);
    octet *room = malloc((size_t)given.size + 1);
    if (!room)
        return PyErr_NoMemory();
    PyObject *text = trimmed(room, unfold(p, end, room));
    free(room);
    return text;
}

/* holds_begin(buffer: bytes, start: int, end: int) -> bool: whether a line starts with ``begin ``: a uuencoded file. */
PyObject *kernel_holds_begin(PyObject *self, PyObject *args)
{
    const char *buffer;
    Py_ssize_t size, start, end;
    (void)self;
    if (!PyArg_ParseTuple(args, "y#nn", &buffer, &size, &start, &end))
        return NULL;
    if (start < 0 || end > size || start > end)
        return PyErr_Format(PyExc_ValueError, "%zd to %zd is not within %zd bytes", start, end, size);
    const char *last = buffer + end;
    for (const char *p = buffer + start; p && last - p >= 6;) {
        if (!memcmp(p, "begin ", 6))
            return Py_NewRef(Py_True);
        p = memchr(p, '\n', (size_t)(last - p));
        p = p ? p + 1 : NULL;
    }
    return Py_NewRef(Py_False);
}

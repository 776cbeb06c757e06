/* A well-formed header block in one pass; the twin is in mailfilter/mime/headers.py. */

#include "kernel.h"

#define MAX_HEADERS 2000

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

static int take(const Line *line, PyObject *written, PyObject *raws, PyObject *names, PyObject *index)
{
    PyObject *as_written = PyUnicode_DecodeASCII((const char *)line->name, line->name_size, NULL);
    PyObject *raw = PyUnicode_DecodeLatin1((const char *)line->value, line->end - line->value, NULL);
    PyObject *name = lower_name(line);
    int good = as_written && raw && name && PyList_Append(written, as_written) == 0 && PyList_Append(raws, raw) == 0 &&
               PyList_Append(names, name) == 0 && put(index, name, raw);
    Py_XDECREF(as_written);
    Py_XDECREF(raw);
    Py_XDECREF(name);
    return good;
}

/* Whether there is nothing to decode. */
static int is_plain(const octet *p, const octet *end)
{
    for (const octet *q = p; q < end; q++)
        if (*q >= 0x80 || (*q == '=' && q + 1 < end && q[1] == '?'))
            return 0;
    return 1;
}

/* 1 all taken, 0 an odd block, -1 error. */
static int take_all(const octet *p, const octet *end, int crlf, PyObject *lists[3], PyObject *index)
{
    if (p >= end || memchr(p, 0, (size_t)(end - p)))
        return 0;
    for (int count = 0; p < end || !count; count++) {
        Line line;
        if (count == MAX_HEADERS || !read_line(p, end, crlf, &line))
            return 0;
        if (!take(&line, lists[0], lists[1], lists[2], index))
            return -1;
        if (line.end >= end)
            return 1;
        p = line.end + 1 + crlf;
    }
    return 0; /* a line end that nothing follows */
}

/* header_block(buffer: bytes, start: int, end: int, crlf: int) -> (written, raws, names, index, plain) | None
 *
 * None for a block that has anything odd about it. */
PyObject *kernel_header_block(PyObject *self, PyObject *args)
{
    const char *buffer;
    Py_ssize_t size, start, end;
    int crlf;
    (void)self;
    if (!PyArg_ParseTuple(args, "y#nnp", &buffer, &size, &start, &end, &crlf))
        return NULL;
    if (start < 0 || end > size || start > end)
        return PyErr_Format(PyExc_ValueError, "%zd to %zd is not within %zd bytes", start, end, size);
    const octet *first = (const octet *)buffer + start, *last = (const octet *)buffer + end;
    PyObject *lists[3] = {PyList_New(0), PyList_New(0), PyList_New(0)}, *index = PyDict_New(), *result = NULL;
    int state = lists[0] && lists[1] && lists[2] && index ? take_all(first, last, crlf, lists, index) : -1;
    if (state == 1) {
        PyObject *written = PyList_AsTuple(lists[0]), *raws = PyList_AsTuple(lists[1]), *names = PyList_AsTuple(lists[2]);
        if (written && raws && names)
            result = PyTuple_Pack(5, written, raws, names, index, is_plain(first, last) ? Py_True : Py_False);
        Py_XDECREF(written);
        Py_XDECREF(raws);
        Py_XDECREF(names);
    } else if (state == 0) {
        result = Py_NewRef(Py_None);
    }
    for (int i = 0; i < 3; i++)
        Py_XDECREF(lists[i]);
    Py_XDECREF(index);
    return result;
}

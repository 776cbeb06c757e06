/* The header fields of a mail as rules see them; the twin is in mailfilter/ruleset/headertext.py. */

#include "kernel.h"

#define MAX_VALUE 8192
#define MAX_ALL 65536

/* All fields, one behind the other, as many as fit. */
typedef struct {
    octet *at;
    Py_ssize_t size;
    int full;
} Whole;

typedef struct {
    PyObject *values, *ends, *decoder; /* what is made, and who decodes what is not plain ASCII */
    Whole text, raw;
} Making;

static int is_strip(octet c) { return c == ' ' || (c >= 9 && c <= 13); }

/* An ASCII value without folds and without blanks at its ends, its line end set behind it; its size. */
static Py_ssize_t unfold(const octet *p, Py_ssize_t size, octet *out)
{
    const octet *end = p + size;
    octet *to = out;
    while (p < end && is_strip(*p))
        p++;
    while (p < end) {
        const octet *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
        memcpy(to, p, (size_t)(stop - p));
        to += stop - p;
        if (!newline)
            break;
        if (newline > p && newline[-1] == '\r')
            to--;
        p = newline + 1;
        if (p < end && (*p == ' ' || *p == '\t'))
            *to++ = ' ';
        while (p < end && (*p == ' ' || *p == '\t'))
            p++;
    }
    while (to > out && is_strip(to[-1]))
        to--;
    *to++ = '\n';
    return to - out;
}

static int has_word(const octet *p, Py_ssize_t size)
{
    const octet *end = p + size;
    while ((p = memchr(p, '=', (size_t)(end - p))))
        if (++p < end && *p == '?')
            return 1;
    return 0;
}

/* Put a field behind the others, unless one has not fitted. */
static void append(Whole *whole, Span name, const char *between, Span value)
{
    Py_ssize_t gap = (Py_ssize_t)strlen(between);
    whole->full |= name.size > MAX_ALL || value.size > MAX_ALL || whole->size + name.size + gap + value.size > MAX_ALL;
    if (whole->full)
        return;
    octet *at = whole->at + whole->size;
    memcpy(at, name.at, (size_t)name.size);
    memcpy(at + name.size, between, (size_t)gap);
    memcpy(at + name.size + gap, value.at, (size_t)value.size);
    whole->size += name.size + gap + value.size;
}

/* Put a field as it stands behind the others, without its carriage returns. */
static void append_raw(Whole *whole, Span name, Span value)
{
    Py_ssize_t before = whole->size, returns = 0;
    if (!memchr(value.at, '\r', (size_t)value.size)) {
        if (whole->size + name.size + value.size + 2 > MAX_ALL)
            whole->full = 1;
        append(whole, name, ":", value);
    } else {
        for (Py_ssize_t i = 0; i < value.size; i++)
            returns += value.at[i] == '\r';
        if (name.size > MAX_ALL || whole->size + name.size + value.size - returns + 2 > MAX_ALL)
            whole->full = 1;
        append(whole, name, ":", (Span){value.at, 0});
        for (Py_ssize_t i = 0; !whole->full && i < value.size; i++)
            if (value.at[i] != '\r')
                whole->at[whole->size++] = value.at[i];
    }
    if (whole->full)
        whole->size = before;
    else
        whole->at[whole->size++] = '\n';
}

/* Put a value behind those that there are of its name. */
static int add_value(PyObject *values, PyObject *name, PyObject *value)
{
    PyObject *list = PyDict_GetItemWithError(values, name);
    if (list)
        return PyList_Append(list, value) == 0;
    if (PyErr_Occurred() || !(list = PyList_New(0)))
        return 0;
    int good = PyList_Append(list, value) == 0 && PyDict_SetItem(values, name, list) == 0;
    Py_DECREF(list);
    return good;
}

/* Add a decoded value, given as a string and as its octets, and where its line ends. */
static int add(Making *making, Span written, PyObject *name, PyObject *value, Span octets)
{
    append(&making->text, written, ": ", octets);
    if (!making->text.full) {
        PyObject *end = PyLong_FromSsize_t(making->text.size);
        int good = end && PyList_Append(making->ends, end) == 0;
        Py_XDECREF(end);
        if (!good)
            return 0;
    }
    return add_value(making->values, name, value);
}

/* A plain value; -1 if it is not plain, 0 on failure. */
static int take_plain(Making *making, Span written, PyObject *name, Span raw)
{
    octet room[MAX_VALUE + 1];
    Py_ssize_t size = unfold(raw.at, raw.size < MAX_VALUE ? raw.size : MAX_VALUE, room);
    if (has_word(room, size))
        return -1;
    PyObject *value = PyUnicode_DecodeASCII((const char *)room, size, NULL);
    int good = value && add(making, written, name, value, (Span){room, size});
    Py_XDECREF(value);
    return good;
}

static int take_other(Making *making, Span written, PyObject *name, PyObject *latin1)
{
    PyObject *value = PyObject_CallFunctionObjArgs(making->decoder, name, latin1, NULL);
    PyObject *octets = value ? PyUnicode_AsLatin1String(value) : NULL;
    int good = octets && add(making, written, name, value, (Span){(const octet *)PyBytes_AsString(octets), PyBytes_Size(octets)});
    Py_XDECREF(octets);
    Py_XDECREF(value);
    return good;
}

static int take(Making *making, PyObject *as_written, PyObject *name, PyObject *latin1)
{
    Span written, raw;
    PyObject *octets = NULL;
    int done = -1;
    if (!(written.at = (const octet *)PyUnicode_AsUTF8AndSize(as_written, &written.size)) ||
        !(raw.at = (const octet *)PyUnicode_AsUTF8AndSize(latin1, &raw.size)))
        return 0;
    if (raw.size == PyUnicode_GetLength(latin1)) {
        done = take_plain(making, written, name, raw);
    } else {
        if (!(octets = PyUnicode_AsLatin1String(latin1)))
            return 0;
        raw = (Span){(const octet *)PyBytes_AsString(octets), PyBytes_Size(octets)};
    }
    append_raw(&making->raw, written, raw);
    Py_XDECREF(octets);
    return done < 0 ? take_other(making, written, name, latin1) : done;
}

/* rule_fields(names as written, names, values, decoder) -> (values by name, all of them, where each ends there, all raw).
 * Names are ASCII, values are octets, each a character; decoder(name, value) decodes what is not plain ASCII. */
PyObject *kernel_rule_fields(PyObject *self, PyObject *args)
{
    PyObject *written, *names, *raws, *decoder, *result = NULL;
    if (!PyArg_ParseTuple(args, "O!O!O!O:rule_fields", &PyTuple_Type, &written, &PyTuple_Type, &names, &PyTuple_Type, &raws,
                          &decoder))
        return NULL;
    Py_ssize_t count = PyTuple_Size(raws), i = 0;
    if (PyTuple_Size(written) != count || PyTuple_Size(names) != count) {
        PyErr_SetString(PyExc_ValueError, "names and values must be as many");
        return NULL;
    }
    Making making = {PyDict_New(), PyList_New(0), decoder, {malloc(MAX_ALL), 0, 0}, {malloc(MAX_ALL), 0, 0}};
    if (!making.text.at || !making.raw.at)
        PyErr_NoMemory();
    else if (making.values && making.ends)
        while (i < count && take(&making, PyTuple_GetItem(written, i), PyTuple_GetItem(names, i), PyTuple_GetItem(raws, i)))
            i++;
    if (i == count && !PyErr_Occurred())
        result = Py_BuildValue("ONON", making.values,
                               PyUnicode_DecodeLatin1((const char *)making.text.at, making.text.size, NULL), making.ends,
                               PyUnicode_DecodeLatin1((const char *)making.raw.at, making.raw.size, NULL));
    free(making.text.at);
    free(making.raw.at);
    Py_XDECREF(making.values);
    Py_XDECREF(making.ends);
    return result;
}

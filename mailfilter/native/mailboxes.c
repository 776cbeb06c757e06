/* A mailbox in its common form; the twin is in mailfilter/mime/addresses.py. */

#include "kernel.h"

static const octet *after_blanks(const octet *p, const octet *end)
{
    while (p < end && is_blank(*p))
        p++;
    return p;
}

/* The display name at p, quoted or not; where it ends, NULL where it is of another form. */
static const octet *take_name(const octet *p, const octet *end, Span *name)
{
    const octet *quote = after_blanks(p, end);
    if (quote < end && *quote == '"') {
        const octet *start = ++quote;
        while (quote < end && *quote != '"' && *quote != '\\')
            quote++;
        *name = (Span){start, quote - start};
        return quote < end && *quote == '"' ? after_blanks(quote + 1, end) : NULL;
    }
    *name = (Span){p, 0};
    while (p < end && (!*p || !strchr("\"()<>,;:\\", *p)))
        p++;
    name->size = p - name->at;
    return p;
}

/* The address in brackets at p, which nothing follows; 0 where it is of another form. */
static int take_address(const octet *p, const octet *end, Span *address)
{
    *address = (Span){end, 0};
    if (p == end)
        return 1;
    if (*p != '<')
        return 0;
    const octet *start = after_blanks(++p, end);
    while (p < end && *p != '<' && *p != '>')
        p++;
    if (p == end || *p != '>' || after_blanks(p + 1, end) != end)
        return 0;
    start = start < p ? start : p;
    while (p > start && is_blank(p[-1]))
        p--;
    *address = (Span){start, p - start};
    return 1;
}

/* The name with runs of blanks made one, in ``room``. */
static Span one_line(Span name, octet *room)
{
    const octet *p = name.at, *end = p + name.size;
    octet *at = room;
    while ((p = after_blanks(p, end)) < end) {
        if (at > room)
            *at++ = ' ';
        while (p < end && !is_blank(*p))
            *at++ = *p++;
    }
    return (Span){room, at - room};
}

/* mailbox(text: str) -> (display name, address) | () | None: the one mailbox of a header, () for an empty one; None
 * for comments, escapes, groups, several, encoded words and what is not ASCII. */
PyObject *kernel_mailbox(PyObject *self, PyObject *text)
{
    Span given, name, address;
    (void)self;
    if (!PyUnicode_Check(text))
        return PyErr_Format(PyExc_TypeError, "a mailbox is a string");
    if (!utf8_of(text, &given))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    const octet *end = given.at + given.size, *p = given.at;
    if (given.size != PyUnicode_GetLength(text) || !(p = take_name(p, end, &name)) || !take_address(p, end, &address))
        return Py_NewRef(Py_None);
    octet *room = malloc((size_t)name.size + 1);
    if (!room)
        return PyErr_NoMemory();
    Span display = one_line(name, room);
    PyObject *result;
    if (memchr(display.at, '=', (size_t)display.size) && memchr(display.at, '?', (size_t)display.size))
        result = Py_NewRef(Py_None); /* perhaps an encoded word */
    else if (!address.size && memchr(display.at, '@', (size_t)display.size))
        result = Py_BuildValue("s#s#", "", (Py_ssize_t)0, display.at, display.size);
    else if (address.size || display.size)
        result = Py_BuildValue("s#s#", display.at, display.size, address.at, address.size);
    else
        result = PyTuple_New(0);
    free(room);
    return result;
}

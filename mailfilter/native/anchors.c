/* Links in tags: anchors with the text that shows them, and the attributes of other tags; the twin is
 * _Renderer.collect and close_anchor in mailfilter/mime/html.py. */

#include "html.h"

/* The host, NULL without an error for what only Python can tell. */
static PyObject *host_in(PyObject *url)
{
    Span given, host;
    if (!utf8_of(url, &given) || find_in(given, '&') || !find_host(given, &host))
        return NULL;
    return host_text(host);
}

/* A link whose URL and text are as they will be, or, with no host, as they are written. */
static int append_link(Walk *w, PyObject *url, int origin, Span written)
{
    PyObject *host = host_in(url), *text = host ? one_line(written) : NULL, *link = NULL;
    if (!text && !PyErr_Occurred()) {
        Py_XDECREF(host);
        host = Py_NewRef(Py_None);
        text = PyUnicode_DecodeUTF8(written.size ? (const char *)written.at : "", written.size, NULL);
    }
    if (host && text)
        link = PyTuple_Pack(4, url, text, w->origins[origin], host);
    int good = link && PyList_Append(w->links, link) == 0;
    Py_XDECREF(link);
    Py_XDECREF(host);
    Py_XDECREF(text);
    return good ? DONE : ERROR;
}

/* An anchor ends at its end tag or where the next one starts. */
int close_anchor(Walk *w)
{
    if (!w->anchor)
        return DONE;
    const Buffer *out = w->anchor_out;
    Span text = {out->at ? out->at + w->anchor_start : (const octet *)"", out->size - w->anchor_start};
    int state = append_link(w, w->anchor, 0, text);
    Py_CLEAR(w->anchor);
    return state;
}

/* The URL in an attribute as browsers take it, references not decoded; NULL if there is none, or with an error set. */
static PyObject *url_in(Span head, const char *name, Py_ssize_t size)
{
    static const char around[] = " \t\r\n\f"; /* with the NUL at its end */
    Span value = attribute_value(head, name, size);
    while (value.size && memchr(around, *value.at, sizeof around))
        value.at++, value.size--;
    while (value.size && memchr(around, value.at[value.size - 1], sizeof around))
        value.size--;
    if (!value.size)
        return NULL;
    if (!find_in(value, '\n') && !find_in(value, '\t') && !find_in(value, '\r'))
        return PyUnicode_DecodeUTF8((const char *)value.at, value.size, NULL);
    octet *clean = malloc((size_t)value.size), *out = clean;
    if (!clean)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < value.size; i++)
        if (value.at[i] != '\n' && value.at[i] != '\t' && value.at[i] != '\r')
            *out++ = value.at[i];
    PyObject *url = PyUnicode_DecodeUTF8((const char *)clean, out - clean, NULL);
    free(clean);
    return url;
}

int open_anchor(Walk *w, Span head, Buffer *out)
{
    if (close_anchor(w) == ERROR)
        return ERROR;
    PyObject *url = url_in(head, "href", 4);
    if (!url)
        return PyErr_Occurred() ? ERROR : DONE;
    if (PyList_Size(w->links) < w->max_links) {
        w->anchor = url;
        w->anchor_out = out;
        w->anchor_start = out->size;
        return DONE;
    }
    w->capped = 1;
    Py_DECREF(url);
    return DONE;
}

/* Attributes that hold a link. */
static const struct { const char *name; Py_ssize_t size; int origin; } attributes[] = {
    {"href", 4, 0}, {"src", 3, 1}, {"background", 10, 1}, {"action", 6, 2}, {"data", 4, 1},
};

/* A bit for each of them that a tag may have: the first two letters of its name stand in it. */
static int may_have(Span head)
{
    int found = 0;
    for (Py_ssize_t i = 0; i + 1 < head.size; i++) {
        octet second = to_lower(head.at[i + 1]);
        if (second != 'r' && second != 'a' && second != 'c')
            continue;
        for (int j = 0; j < 5; j++)
            if (second == attributes[j].name[1] && to_lower(head.at[i]) == attributes[j].name[0])
                found |= 1 << j;
    }
    return found;
}

/* Links in the attributes of a tag that is no anchor. */
int collect(Walk *w, Span head)
{
    Span start = {head.at, head.size < 5 ? head.size : 5};
    int is_base = contains(start, "base ", 5), state = DONE, possible = may_have(head);
    for (int i = 0; i < 5 && state == DONE; i++) {
        if (!(possible >> i & 1))
            continue;
        PyObject *url = url_in(head, attributes[i].name, attributes[i].size);
        if (!url) {
            state = PyErr_Occurred() ? ERROR : DONE;
            continue;
        }
        if (is_base) {
            if (!w->base)
                w->base = Py_NewRef(url);
        } else if (PyList_Size(w->links) < w->max_links) {
            state = append_link(w, url, attributes[i].origin, (Span){head.at, 0});
        } else {
            w->capped = 1;
            i = 5;
        }
        Py_DECREF(url);
    }
    return state;
}

/* Links in plain text, and hosts of links, with a twin in mailfilter/mime/links.py; links as views hold them, with one
 * in mailfilter/classifier/views.py. */

#include "kernel.h"

#define MAX_URL 4096

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

/* Where the search for links stands: of each kind only so many marks are looked at. */
typedef struct {
    const octet *start, *end;
    Py_ssize_t limit, schemes, small, large;
} Search;

/* Whether a link starts before p: how many bytes before, 0 for none, -1 for what only Python can tell. */
static Py_ssize_t link_before(Search *search, const octet *p)
{
    const octet *start = search->start;
    if (*p == ':') {
        if (search->end - p < 3 || p[1] != '/' || p[2] != '/' || search->schemes++ >= search->limit)
            return 0;
        return scheme_size(start, p);
    }
    if (*p != '.' || p - start < 2 || to_lower(p[-1]) != 'w' || p[-1] != p[-2])
        return 0;
    if ((p[-1] == 'w' ? search->small++ : search->large++) >= search->limit || p - start < 3 || to_lower(p[-3]) != 'w')
        return 0;
    if (p - start > 3 && p[-4] >= 0x80)
        return -1; /* a letter of some alphabet, or not */
    return p - start > 3 && in_word(p[-4]) ? 0 : 3;
}

/* The end of the address at p, which is followed by white space, a bracket, a quotation mark or nothing. */
static const octet *address_end(const octet *p, const octet *end)
{
    for (int count = 0; p < end && count < MAX_URL; count++) {
        if (*p <= ' ' || *p == '<' || *p == '>' || *p == '"' || (*p >= 0x80 && blank_size(p, end)))
            break;
        for (p++; p < end && (*p & 0xC0) == 0x80; p++)
            ;
    }
    return p;
}

/* The same without the punctuation that ends a sentence, and without brackets that were not opened within. */
static const octet *trimmed(const octet *p, const octet *end)
{
    size_t size = (size_t)(end - p);
    int round = memchr(p, '(', size) != NULL, square = memchr(p, '[', size) != NULL, curly = memchr(p, '{', size) != NULL;
    for (; end > p; end--) {
        octet last = end[-1];
        if (!last || !(memchr(".,;:!?'*_~|", last, 11) || (last == ')' && !round) || (last == ']' && !square) ||
                       (last == '}' && !curly)))
            break;
    }
    return end;
}

static int is_slash(octet c) { return c == '/' || c == '\\'; }

/* The host of what follows a scheme: 1 found (it may be empty), 0 what only Python can tell. */
static int authority_host(const octet *p, const octet *end, Span *host)
{
    while (p < end && is_slash(*p))
        p++;
    const octet *start = p;
    for (; p < end && !is_slash(*p) && *p != '?' && *p != '#'; p++) {
        if (*p >= 0x80 || *p == '%' || *p == '[')
            return 0;
        if (*p == '@')
            start = p + 1;
    }
    const octet *colon = memchr(start, ':', (size_t)(p - start));
    end = colon ? colon : p;
    while (start < end && (*start == '.' || *start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == '.' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *host = (Span){start, end - start};
    return 1;
}

#define HOST_ROOM 80

PyObject *host_text(Span host)
{
    char room[HOST_ROOM] = "", *low = host.size <= HOST_ROOM ? room : malloc((size_t)host.size);
    if (!low)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < host.size; i++)
        low[i] = (char)to_lower(host.at[i]);
    PyObject *made = PyUnicode_DecodeASCII(low, host.size, NULL);
    if (low != room)
        free(low);
    return made;
}

/* Append (full address, address as written, "text", host); 0 on failure. */
static int append_link(PyObject *list, Span url, int bare, Span host, PyObject *origin)
{
    PyObject *written = PyUnicode_DecodeUTF8((const char *)url.at, url.size, NULL);
    PyObject *full = !written ? NULL : bare ? PyUnicode_FromFormat("http://%U", written) : Py_NewRef(written);
    PyObject *name = host_text(host), *link = NULL;
    if (full && name)
        link = PyTuple_Pack(4, full, written, origin, name);
    int good = link && PyList_Append(list, link) == 0;
    Py_XDECREF(written);
    Py_XDECREF(full);
    Py_XDECREF(name);
    Py_XDECREF(link);
    return good;
}

/* Whether ``://`` stands in the first ten characters, or may, because they are not all ASCII. */
static int may_have_scheme(const octet *p, const octet *end)
{
    for (const octet *q = p; q < end && q - p < 10; q++)
        if (*q >= 0x80 || (q - p <= 7 && end - q >= 3 && !memcmp(q, "://", 3)))
            return 1;
    return 0;
}

/* The link at p: 1 taken or none, 0 what only Python can tell, -1 error; ``after`` becomes where it ends. */
static int take_link(const octet *p, const octet *end, int bare, const octet **after, PyObject *list, PyObject *origin)
{
    Span host;
    end = trimmed(p, address_end(p, end));
    *after = end;
    if (bare && may_have_scheme(p, end))
        return 0;
    const octet *authority = bare ? p : memchr(p, ':', (size_t)(end - p));
    if (!authority || !authority_host(authority + !bare, end, &host))
        return !authority;
    if (!host.size || end - p <= 4)
        return 1;
    return append_link(list, (Span){p, end - p}, bare, host, origin) ? 1 : -1;
}

static int take_links(Span text, Py_ssize_t limit, PyObject *list, PyObject *origin)
{
    Search search = {text.at, text.at + text.size, limit, 0, 0, 0};
    const octet *after = text.at;
    Py_ssize_t found = 0;
    for (const octet *p = text.at; p < search.end; p++) {
        if (*p != ':' && *p != '.')
            continue;
        Py_ssize_t back = link_before(&search, p);
        if (back < 0)
            return 0;
        if (!back || found++ >= limit || p - back < after)
            continue;
        int state = take_link(p - back, search.end, *p == '.', &after, list, origin);
        if (state < 1)
            return state;
    }
    return 1;
}

/* text_links(text: str, limit: int) -> list[tuple[str, str, str, str]] | None: links as they stand in `Link`; None
 * where Python has to look. */
PyObject *kernel_text_links(PyObject *self, PyObject *args)
{
    PyObject *text;
    Py_ssize_t limit;
    Span given;
    (void)self;
    if (!PyArg_ParseTuple(args, "Un", &text, &limit))
        return NULL;
    if (!utf8_of(text, &given))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    PyObject *list = PyList_New(0), *origin = PyUnicode_InternFromString("text");
    int state = list && origin ? take_links(given, limit, list, origin) : -1;
    Py_XDECREF(origin);
    if (state == 1)
        return list;
    Py_XDECREF(list);
    return state < 0 ? NULL : Py_NewRef(Py_None);
}

/* The size of a scheme and its colon at the start of an address, 0 for none. */
static Py_ssize_t scheme_before_colon(Span url)
{
    Py_ssize_t size = 0;
    while (size < url.size && size < 31 && (in_host(url.at[size]) || url.at[size] == '+'))
        size++;
    return size && size < url.size && url.at[size] == ':' && is_lower(to_lower(*url.at)) ? size + 1 : 0;
}

int find_host(Span url, Span *host)
{
    const octet *p = url.at, *end = p + url.size;
    Py_ssize_t scheme = scheme_before_colon(url);
    *host = (Span){end, 0};
    if (scheme) {
        int of_web = scheme_size(p, p + scheme - 1) == scheme - 1;
        if (!of_web && (url.size < scheme + 2 || p[scheme] != '/' || p[scheme + 1] != '/'))
            return 1;
        return authority_host(p + scheme, end, host);
    }
    if (url.size < 2 || !is_slash(p[0]) || !is_slash(p[1]) || (url.size > 2 && is_slash(p[2])))
        return 1;
    return authority_host(p + 2, end, host);
}

/* host(url: str) -> str | None: the host that a browser would go to; None where Python has to look. */
PyObject *kernel_host(PyObject *self, PyObject *url)
{
    Span given, host;
    (void)self;
    if (!PyUnicode_Check(url))
        return PyErr_Format(PyExc_TypeError, "an address is a string");
    if (!utf8_of(url, &given))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    return find_host(given, &host) ? host_text(host) : Py_NewRef(Py_None);
}

static inline int is_hexadecimal(octet c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

/* Lower case, runs of 12 or more hexadecimal digits as one #, digits as 0; the end of what is put at ``out``. */
static octet *put_shortened(const octet *p, const octet *end, octet *out)
{
    Py_ssize_t run = 0; /* hexadecimal digits just before */
    for (; p < end; p++) {
        octet c = to_lower(*p);
        run = is_hexadecimal(c) ? run + 1 : 0;
        if (run == 12) {
            out -= 11;
            *out++ = '#';
        } else if (run < 12) {
            *out++ = is_digit(c) ? '0' : c;
        }
    }
    return out;
}

/* The end of the first ``most`` characters. */
static const octet *first_characters(const octet *p, const octet *end, Py_ssize_t most)
{
    if (end - p <= most)
        return end;
    for (; p < end && most > 0; most--)
        for (p++; p < end && (*p & 0xC0) == 0x80; p++)
            ;
    return p;
}

#define MOST_LINKS 40
#define LONGEST_SHOWN 120
#define MOST_OCTETS 1500

/* The addresses of links, each once, a line each; 0 for what only Python can tell, -1 for an error. */
static int put_addresses(PyObject *links, octet *made, Py_ssize_t *size)
{
    Span lines[MOST_LINKS];
    Py_ssize_t count = PyTuple_Size(links), found = 0;
    octet *out = made;
    for (Py_ssize_t i = 0; i < count && i < MOST_LINKS && out - made < MOST_OCTETS; i++) {
        PyObject *link = PyTuple_GetItem(links, i);
        Span url;
        if (!PyTuple_Check(link) || PyTuple_Size(link) < 1) {
            PyErr_SetString(PyExc_TypeError, "a link is a tuple");
            return -1;
        }
        if (!utf8_of(PyTuple_GetItem(link, 0), &url) || memchr(url.at, '\n', (size_t)url.size))
            return PyErr_Occurred() ? -1 : 0;
        octet *line = out + (found > 0);
        octet *end = put_shortened(url.at, first_characters(url.at, url.at + url.size, LONGEST_SHOWN), line);
        Py_ssize_t before = 0;
        while (before < found && (lines[before].size != end - line || memcmp(lines[before].at, line, (size_t)(end - line))))
            before++;
        if (before < found)
            continue;
        if (found)
            *out = '\n';
        lines[found++] = (Span){line, end - line};
        out = end;
    }
    *size = out - made < MOST_OCTETS ? out - made : MOST_OCTETS;
    return 1;
}

/* link_view(links: tuple) -> bytes | None: where the first 40 links lead, as views hold it; None where Python has to
 * look. */
PyObject *kernel_link_view(PyObject *self, PyObject *links)
{
    octet made[MOST_OCTETS + 4 * LONGEST_SHOWN + 1];
    Py_ssize_t size;
    (void)self;
    if (!PyTuple_Check(links))
        return PyErr_Format(PyExc_TypeError, "links are a tuple");
    int state = put_addresses(links, made, &size);
    if (state < 1)
        return state < 0 ? NULL : Py_NewRef(Py_None);
    return PyBytes_FromStringAndSize((char *)made, size);
}

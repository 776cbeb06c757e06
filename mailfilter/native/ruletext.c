/* HTML rendered as rules see it, and its URIs; the twin, with the reasons, is HtmlText in mailfilter/ruleset/htmltext.py. */

#include "rulehtml.h"

#define MAX_NAME 61 /* octets of a tag's name, a slash before it not counted */

/* The source with what stands for a blank or a quote written as one. */
static int tidied(Span source, Buffer *made)
{
    static const octet space[] = " ", quote[] = "\"";
    octet *out = made->at = malloc((size_t)source.size + 1);
    if (!out)
        return ERROR;
    const octet *p = source.at, *end = p + source.size;
    while (p < end) {
        octet c = *p;
        if (c == '\r' || c == '\n') {
            *out++ = *space;
            p++;
        } else if (c == '&' && end - p >= 6 && !memcmp(p, "&nbsp;", 6)) {
            *out++ = *space;
            p += 6;
        } else if (c == 0xE2 && end - p >= 3 && p[1] == 0x80 && (p[2] == 0x9C || p[2] == 0x9D)) {
            *out++ = *quote;
            p += 3;
        } else {
            *out++ = c;
            p++;
        }
    }
    made->size = out - made->at;
    return DONE;
}

typedef struct {
    Chunks source;
    Buffer out;
    Py_ssize_t piece;          /* where the last piece of ``out`` starts */
    int after_break;
    PyObject *uris;            /* values as written; (name, attributes) where Python has to look */
} Rendering;

/* What a tag, its name in lower case and without slashes, puts into the text; NULL for nothing. */
static const char *gap_of(Span name)
{
    static const struct {
        const char *gap, *names[12];
    } gaps[] = {
        {"\n", {"br", "div"}},
        {" ", {"td", "li", "th", "dt", "dd", "embed", "h1", "h2", "h3", "h4", "h5", "h6"}},
        {"\n\n", {"p", "hr", "blockquote", "pre", "listing", "plaintext", "xmp", "title"}},
    };
    if (!name.size || !memchr("bdltehpx", *name.at, 8))
        return NULL;
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++)
        for (size_t j = 0; j < 12 && gaps[i].names[j]; j++)
            if (is_name(name, gaps[i].names[j]))
                return gaps[i].gap;
    return NULL;
}

/* The attribute that holds a URI, by the tag's name as written but for letter case. */
static const char *wanted_of(Span name)
{
    static const struct {
        const char *name, *attribute;
    } wanted[] = {
        {"a", "href"}, {"td", "background"}, {"tr", "background"}, {"img", "src"}, {"table", "background"},
        {"body", "background"}, {"area", "href"}, {"link", "href"}, {"frame", "src"}, {"iframe", "src"},
        {"embed", "src"}, {"script", "src"}, {"bgsound", "src"}, {"form", "action"}, {"base", "href"},
        {"meta", "refresh"},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (is_name(name, wanted[i].name))
            return wanted[i].attribute;
    return NULL;
}

static int has_word(Span text, const char *word)
{
    return contains(text, word, (Py_ssize_t)strlen(word));
}

/* Note the URI of a tag, or the tag where there is more to it. */
static int note_uri(Rendering *r, Span name, Span attributes)
{
    const char *attribute = wanted_of(name);
    if (!attribute)
        return DONE;
    PyObject *item = NULL;
    Span value;
    if (is_name(name, "base") || is_odd(attributes) || has_word(attributes, "data-saferedirecturl") ||
        (is_name(name, "meta") && has_word(attributes, attribute)))
        item = Py_BuildValue("s#s#", name.at, name.size, attributes.at, attributes.size);
    else if (find_value(attributes, attribute, &value) && value.size)
        item = PyUnicode_DecodeUTF8((const char *)value.at, value.size, NULL);
    else
        return DONE;
    int bad = !item || PyList_Append(r->uris, item) < 0;
    Py_XDECREF(item);
    return bad ? ERROR : DONE;
}

static int is_edge(octet c) { return c == ' ' || c == '\t' || c == '\f' || c == '\v'; }

static int add_gap(Rendering *r, const char *gap)
{
    if (!r->after_break)
        while (r->out.size > r->piece && is_edge(r->out.at[r->out.size - 1]))
            r->out.size--;
    r->after_break = 1;
    r->piece = r->out.size;
    return add_bytes(&r->out, (const octet *)gap, (Py_ssize_t)strlen(gap)) ? DONE : ERROR;
}

static int add_text(Rendering *r, Span text)
{
    if (!text.size)
        return DONE;
    if (r->after_break)
        for (; text.size && is_edge(*text.at); text.at++)
            text.size--;
    r->after_break = 0;
    r->piece = r->out.size;
    return add_bytes(&r->out, text.at, text.size) ? DONE : ERROR;
}

/* The name at the start of a tag in lower case, a slash before it included: its size, 0 for none, -1 for one that only
 * Python can tell. */
static Py_ssize_t read_name(Span chunk, octet *name)
{
    Py_ssize_t i = chunk.size > 0 && *chunk.at == '/', most = i + MAX_NAME;
    if (i >= chunk.size || !is_lower(to_lower(chunk.at[i])))
        return 0;
    *name = *chunk.at;
    for (; i < chunk.size && i < most && !is_blank(chunk.at[i]) && chunk.at[i] != '>'; i++) {
        if (chunk.at[i] >= 0x80)
            return -1;
        name[i] = to_lower(chunk.at[i]);
    }
    return i;
}

static int take_tag(Rendering *r, Span chunk)
{
    octet low[MAX_NAME + 1];
    Py_ssize_t size = read_name(chunk, low);
    if (size < 0)
        return GIVE_UP;
    if (!size)
        return add_text(r, other_text(&r->source, chunk));
    Span name = {low, size}, attributes, text;
    if (!split_tag(&r->source, (Span){chunk.at + size, chunk.size - size}, &attributes, &text))
        return ERROR;
    int state = find_in(attributes, '=') ? note_uri(r, name, attributes) : DONE;
    for (; name.size && *name.at == '/'; name.at++)
        name.size--;
    while (name.size && name.at[name.size - 1] == '/')
        name.size--;
    const char *gap = gap_of(name);
    if (state == DONE && gap)
        state = add_gap(r, gap);
    if (*low != '/' && is_literal(name)) {
        text = literal_text(&r->source, name, text);
        if (is_name(name, "script") || is_name(name, "style"))
            return state;
    }
    return state == DONE ? add_text(r, text) : state;
}

static int render(Rendering *r, Span source)
{
    r->source.at = source.at;
    r->source.end = source.at + source.size;
    Span first = next_chunk(&r->source);
    if (!add_bytes(&r->out, first.at, first.size))
        return ERROR;
    int state = DONE;
    while (state == DONE && r->source.at <= r->source.end)
        state = take_tag(r, next_chunk(&r->source));
    return state;
}

/* rule_text(source: str) -> (text, uris) | None: text before references are decoded; URIs as written, those in which
 * Python has to look as (name, attributes). */
PyObject *kernel_rule_text(PyObject *self, PyObject *text)
{
    Rendering r = {0};
    Buffer made = {0};
    Span source;
    PyObject *result = NULL;
    (void)self;
    if (!utf8_of(text, &source))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    r.uris = PyList_New(0);
    int state = r.uris ? tidied(source, &made) : ERROR;
    if (state == DONE)
        state = render(&r, (Span){made.at, made.size});
    if (state == DONE)
        result = Py_BuildValue("s#O", r.out.at ? (char *)r.out.at : "", r.out.size, r.uris);
    else if (state == GIVE_UP)
        result = Py_NewRef(Py_None);
    else if (!PyErr_Occurred())
        PyErr_NoMemory();
    free(made.at);
    free(r.out.at);
    free(r.source.joined.at);
    Py_XDECREF(r.uris);
    return result;
}

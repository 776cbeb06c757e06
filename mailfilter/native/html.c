/* HTML to text and links in one pass; the twin, with the reasons, is _Renderer in mailfilter/mime/html.py.
 *
 * The source is never copied: heads of tags and texts are stretches of it.  What only Python can tell (white space
 * and letters beyond ASCII within tags) is given up, and the twin does the whole text. */

#include "html.h"

#define MAX_ASIDES 10000

/* From p to the end of its chunk; the walk goes on behind it. */
static Span rest_of_chunk(Walk *w, const octet *p)
{
    const octet *lt = memchr(p, '<', (size_t)(w->end - p));
    w->at = lt ? lt + 1 : w->end + 1;
    return (Span){p, (lt ? lt : w->end) - p};
}

static int add_octet(Buffer *buffer, octet c) { return add_bytes(buffer, &c, 1); }
static int add_span(Buffer *buffer, Span span) { return add_bytes(buffer, span.at, span.size); }

static Py_ssize_t count_in(Span span, octet c)
{
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < span.size; i++)
        count += span.at[i] == c;
    return count;
}

static const octet *find_bytes(const octet *p, const octet *end, const char *what, Py_ssize_t size)
{
    for (; end - p >= size; p++) {
        p = memchr(p, what[0], (size_t)(end - p - size + 1));
        if (!p || !memcmp(p, what, (size_t)size))
            return p;
    }
    return NULL;
}

/* A tag in which a quoted value may hold > or <: it goes on to where the quote ends. */
static int whole(Walk *w, Span *head, Span *text)
{
    int quote = '"';
    if (head->size < 2 || memcmp(head->at + head->size - 2, "=\"", 2) || find_in(*head, '\'') ||
        !(count_in(*head, '"') & 1))
        quote = open_quote(*head);
    if (quote < 0) {
        PyErr_NoMemory();
        return ERROR;
    }
    int *unclosed = quote == '"' ? &w->unclosed_double : &w->unclosed_single;
    if (!quote || *unclosed)
        return DONE;
    /* Within the text of this chunk, and in those after it, which lie behind it in the source. */
    const octet *close = memchr(text->at, quote, (size_t)(w->end - text->at));
    if (!close) {
        *unclosed = 1;
        w->replaced = 1;
        return DONE;
    }
    Span rest = rest_of_chunk(w, close + 1);
    const octet *gt = find_in(rest, '>');
    head->size = (gt ? gt : rest.at + rest.size) - head->at;
    const octet *after = gt ? gt + 1 : rest.at + rest.size;
    *text = (Span){after, rest.at + rest.size - after};
    return DONE;
}

static int declaration(Walk *w, Span chunk, int *kind, Span *text, Buffer *out)
{
    *kind = INLINE;
    if (!chunk.size || !memchr("!?/", *chunk.at, 3)) {
        *text = chunk;
        return add_octet(out, '<') ? DONE : ERROR;
    }
    int comment = chunk.size >= 3 && !memcmp(chunk.at, "!--", 3) && !(chunk.size >= 4 && chunk.at[3] == '>') &&
                  !(chunk.size >= 5 && !memcmp(chunk.at + 3, "->", 2));
    if (!comment) {
        const octet *gt = find_in(chunk, '>');
        *text = gt ? (Span){gt + 1, chunk.at + chunk.size - gt - 1} : (Span){w->end, 0};
        return DONE;
    }
    const octet *close = find_bytes(chunk.at + 3, w->end, "-->", 3);
    if (!close) {
        *kind = NOTHING;
        w->at = w->end + 1;
        return DONE;
    }
    *text = rest_of_chunk(w, close + 3);
    if (chunk.size >= 6 && !memcmp(chunk.at + 3, "[if", 3) && w->count_asides < MAX_ASIDES) {
        const octet *inner = find_bytes(chunk.at + 3, close, "]>", 2);
        Py_ssize_t size = inner ? close - inner - 2 : 0;
        PyObject *aside = PyUnicode_DecodeUTF8(inner ? (const char *)inner + 2 : "", size, NULL);
        int bad = !aside || PyList_Append(w->asides, aside) < 0;
        Py_XDECREF(aside);
        w->count_asides++;
        return bad ? ERROR : DONE;
    }
    return DONE;
}

/* The name at the start of a tag, with a slash before it; empty if there is none. */
static Span name_of(Span chunk)
{
    Py_ssize_t i = chunk.size > 0 && *chunk.at == '/';
    if (i >= chunk.size || !is_lower(to_lower(chunk.at[i])))
        return (Span){chunk.at, 0};
    while (i < chunk.size && !is_blank(chunk.at[i]) && chunk.at[i] != '/' && chunk.at[i] != '>')
        i++;
    return (Span){chunk.at, i};
}

static Tag tag_of_any_case(Span name)
{
    octet low[12];
    if (name.size > 11)
        return (Tag){-1, 0, 0};
    for (Py_ssize_t i = 0; i < name.size; i++)
        low[i] = to_lower(name.at[i]);
    return tag_of(low, name.size);
}

static int starts_with(Span text, Py_ssize_t from, Span word)
{
    if (text.size - from < word.size)
        return 0;
    for (Py_ssize_t i = 0; i < word.size; i++)
        if (to_lower(text.at[from + i]) != to_lower(word.at[i]))
            return 0;
    return 1;
}

/* The content of a raw text element is passed over; a title is kept as hidden text. */
static int pass_raw(Walk *w, Span head, Span text)
{
    Span name = name_of(head);
    const octet *stop = w->end;
    Span after = {w->end, 0};
    while (w->at <= w->end) {
        const octet *start = w->at;
        Span chunk = rest_of_chunk(w, start);
        if (chunk.size > name.size && *chunk.at == '/' && starts_with(chunk, 1, name)) {
            const octet *gt = find_in(chunk, '>');
            stop = start - 1;
            if (gt)
                after = (Span){gt + 1, chunk.at + chunk.size - gt - 1};
            break;
        }
    }
    if (!add_span(&w->shown, after))
        return ERROR;
    Span title = {(const octet *)"title", 5};
    if (name.size != 5 || !starts_with(name, 0, title))
        return DONE;
    return add_octet(&w->veiled, BREAK) && add_bytes(&w->veiled, text.at, stop > text.at ? stop - text.at : 0) &&
                   add_octet(&w->veiled, BREAK) ? DONE : ERROR;
}

/* An element that a style hides begins: what is in it goes to the hidden text. */
static int enter_veil(Walk *w, octet mark, Span name, Tag tag, Span head, Span text, Buffer *out)
{
    if (tag.kind == BLOCK || tag.kind == CELL)
        if (!add_octet(out, tag.kind == BLOCK ? BREAK : ' '))
            return ERROR;
    if (tag.kind == ANCHOR && open_anchor(w, head, &w->veiled) == ERROR)
        return ERROR;
    if (!add_octet(&w->veiled, BREAK) || !add_span(&w->veiled, text))
        return ERROR;
    w->veil = name;
    w->depth = 1;
    w->shrunk = mark == SHRUNK;
    w->closed_by_next = tag.closed_by_next;
    return DONE;
}

/* Kind, head and following text of what is not a plain tag. */
static int classify(Walk *w, Span chunk, int closed, int *kind, Span *head, Span *text, Buffer *out)
{
    octet mark = chunk.size && (*chunk.at == VEILED || *chunk.at == SHRUNK) ? *chunk.at : 0;
    if (mark) {
        chunk.at++, chunk.size--;
        head->at++, head->size--;
    }
    Span name = name_of(chunk);
    if (!name.size) {
        *head = (Span){w->end, 0};
        return declaration(w, chunk, kind, text, out);
    }
    if (!closed) {
        const octet *gt = memchr(chunk.at, '>', (size_t)(w->end - chunk.at));
        if (!gt) { /* text that looks like a tag */
            *kind = INLINE;
            *head = (Span){w->end, 0};
            *text = (Span){chunk.at, w->end - chunk.at};
            w->at = w->end + 1;
            return add_octet(out, '<') ? DONE : ERROR;
        }
        *head = (Span){chunk.at, gt - chunk.at};
        *text = rest_of_chunk(w, gt + 1);
    }
    if (find_in(*head, '=')) {
        if (beyond_ascii(*head))
            return GIVE_UP;
        int state = whole(w, head, text);
        if (state != DONE)
            return state;
    }
    for (Py_ssize_t i = 0; i < name.size; i++)
        if (name.at[i] >= 0x80)
            return GIVE_UP;
    Tag tag = tag_of_any_case(name);
    *kind = tag.kind < 0 ? INLINE : tag.kind;
    if (w->veil.size || !mark || *name.at == '/' || tag.is_void || *kind == RAW)
        return DONE;
    tag.kind = *kind;
    *kind = NOTHING;
    if (tag.kind == ANCHOR && beyond_ascii(*head))
        return GIVE_UP;
    return enter_veil(w, mark, name, tag, *head, *text, out);
}

static int is_alnum(octet c) { return is_lower(to_lower(c)) || is_digit(c); }

/* What a tag does to the depth within an invisible element; 2 for what only Python can tell. */
static int nesting(Walk *w, Span head)
{
    Py_ssize_t size = w->veil.size, looked = size + 2 < head.size ? size + 2 : head.size;
    for (Py_ssize_t i = 0; i < looked; i++)
        if (head.at[i] >= 0x80)
            return 2;
    if (starts_with(head, 0, w->veil) && !(head.size > size && is_alnum(head.at[size])))
        return w->closed_by_next ? -1 : 1;
    if (head.size && *head.at == '/' && starts_with(head, 1, w->veil))
        return head.size > size + 1 && is_alnum(head.at[size + 1]) ? 0 : -1;
    return 0;
}

/* Go on within an invisible element, or leave it. */
static int follow_veil(Walk *w, Span head, Span text, Buffer *out)
{
    int change = nesting(w, head);
    if (change == 2)
        return GIVE_UP;
    w->depth += change;
    if (w->depth > 0 && !(w->shrunk && contains(head, "font-size", 9)))
        return DONE;
    /* The text behind the end tag is seen again. */
    out->size -= text.size;
    w->veil.size = 0;
    return add_span(&w->shown, text) && add_octet(out, ' ') ? DONE : ERROR;
}

static int take_chunk(Walk *w)
{
    Span chunk = rest_of_chunk(w, w->at), head = chunk, text = {w->end, 0};
    Buffer *out = w->veil.size ? &w->veiled : &w->shown;
    int inner = w->veil.size != 0, state = DONE;
    const octet *gt = find_in(chunk, '>');
    if (gt) {
        head.size = gt - chunk.at;
        text = (Span){gt + 1, chunk.size - head.size - 1};
    }
    int kind = gt ? usual_kind(head.at, head.size) : -1;
    if (kind < 0) {
        const octet *space = find_in(head, ' ');
        kind = usual_kind(head.at, space ? space - head.at : head.size);
        if (kind < 0 || !gt || count_in(head, '"') & 1 || count_in(head, '\'') & 1)
            state = classify(w, chunk, gt != NULL, &kind, &head, &text, out);
    }
    if (state == DONE && (kind == ANCHOR || kind == LINK)) {
        if (beyond_ascii(head))
            return GIVE_UP;
        state = kind == ANCHOR ? open_anchor(w, head, out) : collect(w, head);
    } else if (state == DONE && kind == ANCHOR_END) {
        state = close_anchor(w);
    } else if (state == DONE && kind == RAW) {
        state = pass_raw(w, head, text);
    } else if (state == DONE && (kind == BLOCK || kind == CELL)) {
        state = add_octet(out, kind == BLOCK ? BREAK : ' ') ? DONE : ERROR;
    }
    if (state == DONE && kind != NOTHING && kind != RAW) {
        state = add_span(out, text) ? DONE : ERROR;
        if (state == DONE && inner)
            state = follow_veil(w, head, text, out);
    }
    /* After a quote that never ends the twin starts anew behind the tag, outside of any invisible element. */
    if (w->replaced && inner)
        w->veil.size = 0;
    w->replaced = 0;
    return state;
}

static PyObject *result_of(Walk *w)
{
    PyObject *shown = PyUnicode_DecodeUTF8(w->shown.size ? (char *)w->shown.at : "", w->shown.size, NULL);
    PyObject *veiled = PyUnicode_DecodeUTF8(w->veiled.size ? (char *)w->veiled.at : "", w->veiled.size, NULL);
    PyObject *base = w->base ? Py_NewRef(w->base) : PyUnicode_FromStringAndSize("", 0);
    PyObject *result = NULL;
    if (shown && veiled && base)
        result = Py_BuildValue("OOOOOO", shown, veiled, w->links, base, w->capped ? Py_True : Py_False, w->asides);
    Py_XDECREF(shown);
    Py_XDECREF(veiled);
    Py_XDECREF(base);
    return result;
}

static int walk_all(Walk *w, Span source)
{
    w->at = source.at;
    w->end = source.at + source.size;
    w->veil = (Span){w->end, 0};
    if (!add_span(&w->shown, rest_of_chunk(w, source.at)))
        return ERROR;
    int state = DONE;
    while (state == DONE && w->at <= w->end)
        state = take_chunk(w);
    return state == DONE ? close_anchor(w) : state;
}

/* walk(source: str, max_links: int) -> (shown, veiled, links, base, capped, asides) | None
 *
 * shown, veiled  with BREAK between lines, blanks and references as they were; links  as they stand in Link, but with
 * None for the host of one that Python has to finish; asides  what only Outlook shows. */
PyObject *kernel_walk(PyObject *self, PyObject *args)
{
    PyObject *text, *result = NULL;
    Walk w = {0};
    Span source;
    Buffer marked = {0};
    w.origins = ((State *)PyModule_GetState(self))->origins;
    if (!PyArg_ParseTuple(args, "Un", &text, &w.max_links))
        return NULL;
    if (!utf8_of(text, &source))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    int state = mark_hidden(source, &marked);
    if (marked.size)
        source = (Span){marked.at, marked.size};
    w.links = PyList_New(0);
    w.asides = PyList_New(0);
    if (!w.links || !w.asides)
        state = ERROR;
    if (state == DONE)
        state = walk_all(&w, source);
    if (state == DONE)
        result = result_of(&w);
    else if (state == GIVE_UP)
        result = Py_NewRef(Py_None);
    else if (!PyErr_Occurred())
        PyErr_NoMemory();
    free(marked.at);
    free(w.shown.at);
    free(w.veiled.at);
    Py_XDECREF(w.links);
    Py_XDECREF(w.asides);
    Py_XDECREF(w.anchor);
    Py_XDECREF(w.base);
    return result;
}

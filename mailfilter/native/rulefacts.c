/* What rules ask about HTML; the twin, with the reasons, is _Walk in mailfilter/ruleset/evals/htmlfacts.py. */

#include "rulehtml.h"

#define MAX_NAME 61    /* octets of a tag's name */
#define MAX_PIECES 2000
#define SLOTS 64       /* names in hand; where two meet, the one before goes to the dictionary */

typedef struct {
    octet name[MAX_NAME];
    Py_ssize_t size;
    long open;
} Slot;

typedef struct {
    Chunks source;
    Slot slots[SLOTS];
    PyObject *elements, *comments, *anchors, *titles, *images, *sizes;
    Buffer anchor;
    Py_ssize_t pieces;         /* of the anchor that is open; -1 where none is */
    int embeds, mailto, frame_source;
} Facts;

/* Write the count of a slot to the dictionary. */
static int put_away(Facts *f, Slot *slot)
{
    if (!slot->size)
        return 1;
    PyObject *name = PyUnicode_FromStringAndSize((const char *)slot->name, slot->size);
    PyObject *count = PyLong_FromLong(slot->open);
    int good = name && count && PyDict_SetItem(f->elements, name, count) == 0;
    Py_XDECREF(name);
    Py_XDECREF(count);
    return good;
}

/* The slot of a name, its count read from the dictionary where it is not in hand; NULL with an error set. */
static Slot *slot_of(Facts *f, Span name)
{
    Slot *slot = &f->slots[((unsigned)name.at[0] * 5u + (unsigned)name.at[name.size - 1] * 11u +
                            (unsigned)name.size) % SLOTS];
    if (slot->size == name.size && !memcmp(slot->name, name.at, (size_t)name.size))
        return slot;
    if (!put_away(f, slot))
        return NULL;
    PyObject *key = PyUnicode_FromStringAndSize((const char *)name.at, name.size);
    PyObject *count = key ? PyDict_GetItemWithError(f->elements, key) : NULL;
    Py_XDECREF(key);
    if (PyErr_Occurred())
        return NULL;
    slot->open = count ? PyLong_AsLong(count) : 0;
    slot->size = name.size;
    memcpy(slot->name, name.at, (size_t)name.size);
    return slot;
}

/* Append to a list; takes the item, NULL for one that could not be made. */
static int append(PyObject *list, PyObject *item)
{
    int good = item && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return good ? DONE : ERROR;
}

static PyObject *text_of(Span span)
{
    return PyUnicode_DecodeUTF8((const char *)span.at, span.size, NULL);
}

static int add_piece(Facts *f, Span text)
{
    if (!text.size || f->pieces < 0 || f->pieces >= MAX_PIECES)
        return DONE;
    f->pieces++;
    return add_bytes(&f->anchor, text.at, text.size) ? DONE : ERROR;
}

static int anchor_tag(Facts *f, int ends)
{
    int state = DONE;
    if (f->pieces >= 0)
        state = append(f->anchors, text_of((Span){f->anchor.at ? f->anchor.at : (const octet *)"", f->anchor.size}));
    f->anchor.size = 0;
    f->pieces = ends ? -1 : 0;
    return state;
}

/* The last values of the attributes that are asked for; names in the order of ``names``, unset where there is none. */
static void read_values(Span head, Span values[5])
{
    static const char *const names[] = {"width", "height", "size", "src", "action"};
    for (Py_ssize_t i = 0, from = 0; i < head.size; i++) {
        octet before = i ? head.at[i - 1] : ' ', c = to_lower(head.at[i]);
        if ((i && i <= from) || (c != 'w' && c != 'h' && c != 's' && c != 'a') ||
            !(is_blank(before) || before == '"' || before == '\'' || before == '/'))
            continue;
        for (int n = 0; n < 5; n++) {
            Span value;
            Py_ssize_t end = stands_at(head, i, names[n]) ? i + (Py_ssize_t)strlen(names[n]) : 0;
            if (!end || !(end = read_assigned(head, end, &value)))
                continue;
            values[n] = value;
            from = end;
            i = end - 1;
            break;
        }
    }
}

static int image_tag(Facts *f, Span values[5])
{
    if (values[0].at && values[1].at &&
        append(f->images, Py_BuildValue("s#s#", values[0].at, values[0].size, values[1].at, values[1].size)) != DONE)
        return ERROR;
    return add_piece(f, (Span){(const octet *)"<img>", 5});
}

/* What a start tag tells beyond that it is there. */
static int start_tag(Facts *f, Span name, Span attributes)
{
    Span values[5] = {{0}};
    int image = is_name(name, "img"), frame = is_name(name, "iframe"), form = is_name(name, "form");
    if (is_name(name, "embed") || is_name(name, "object"))
        f->embeds = 1;
    if (!image && !frame && !form && !is_name(name, "font"))
        return DONE;
    if (find_in(attributes, '=')) {
        if (is_odd(attributes))
            return GIVE_UP;
        read_values(attributes, values);
    }
    if (image)
        return image_tag(f, values);
    if (frame)
        f->frame_source |= values[3].size > 0;
    else if (form)
        f->mailto |= values[4].at && stands_at(values[4], 0, "mailto:");
    else if (values[2].size)
        return append(f->sizes, text_of(values[2]));
    return DONE;
}

/* Keep a comment or declaration with what follows it up to the next tag, and how many characters that is. */
static int keep_comment(Facts *f, Span chunk, Span rest)
{
    const octet *start = chunk.at - 1, *stop = start, *end = f->source.at - 1;
    for (int chunks = 0; chunks < 200 && stop < end; chunks++) {
        const octet *lt = memchr(stop + 1, '<', (size_t)(end - stop - 1));
        stop = lt ? lt : end;
    }
    Py_ssize_t characters = 0;
    for (Py_ssize_t i = 0; i < rest.size; i++)
        characters += (rest.at[i] & 0xC0) != 0x80;
    return append(f->comments, Py_BuildValue("s#n", start, stop - start, characters));
}

static int other(Facts *f, Span chunk)
{
    Span rest = other_text(&f->source, chunk);
    if (chunk.size > 1 && *chunk.at == '!' && !is_lower(to_lower(chunk.at[1])) && keep_comment(f, chunk, rest) != DONE)
        return ERROR;
    return add_piece(f, rest);
}

static int take_tag(Facts *f, Span chunk)
{
    octet low[MAX_NAME];
    int ends = chunk.size > 0 && *chunk.at == '/';
    Py_ssize_t i = ends, size = 0;
    if (i >= chunk.size || !is_lower(to_lower(chunk.at[i])))
        return other(f, chunk);
    for (; i < chunk.size && size < MAX_NAME && !is_blank(chunk.at[i]) && chunk.at[i] != '>' && chunk.at[i] != '/'; i++) {
        if (chunk.at[i] >= 0x80)
            return GIVE_UP;
        low[size++] = to_lower(chunk.at[i]);
    }
    Span name = {low, size}, attributes, text;
    if (!split_tag(&f->source, (Span){chunk.at + i, chunk.size - i}, &attributes, &text))
        return ERROR;
    Slot *slot = slot_of(f, name);
    if (!slot)
        return ERROR;
    slot->open = ends ? (slot->open > 1 ? slot->open - 1 : 0) : slot->open + 1;
    int state = is_name(name, "a") ? anchor_tag(f, ends) : ends ? DONE : start_tag(f, name, attributes);
    if (state == DONE && !ends && is_literal(name)) {
        text = literal_text(&f->source, name, text);
        if (is_name(name, "title")) {
            state = append(f->titles, text_of(text));
            text.size = 0;
        }
    }
    return state == DONE ? add_piece(f, text) : state;
}

static int walk(Facts *f, Span source)
{
    f->pieces = -1;
    f->source.at = source.at;
    f->source.end = source.at + source.size;
    next_chunk(&f->source);
    int state = DONE;
    while (state == DONE && f->source.at <= f->source.end)
        state = take_tag(f, next_chunk(&f->source));
    for (int i = 0; state == DONE && i < SLOTS; i++)
        state = put_away(f, &f->slots[i]) ? DONE : ERROR;
    return state;
}

/* rule_facts(source: str, elements: dict[str, int]) -> (elements, comments, anchors, titles, images, sizes, embeds,
 * mailto, frame_source) | None
 *
 * elements  those given, counted on; comments  (source up to the next tag, characters of it that are no comment);
 * images  (width, height) and sizes of fonts as written; the others whether there are some. */
PyObject *kernel_rule_facts(PyObject *self, PyObject *args)
{
    PyObject *text, *before, *result = NULL;
    Facts f = {0};
    Span source;
    int state = ERROR;
    (void)self;
    if (!PyArg_ParseTuple(args, "UO!", &text, &PyDict_Type, &before))
        return NULL;
    if (!utf8_of(text, &source))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    PyObject **lists[] = {&f.comments, &f.anchors, &f.titles, &f.images, &f.sizes};
    f.elements = PyDict_Copy(before);
    int made = f.elements != NULL;
    for (int i = 0; i < 5; i++)
        made &= (*lists[i] = PyList_New(0)) != NULL;
    if (made)
        state = walk(&f, source);
    if (state == DONE)
        result = Py_BuildValue("OOOOOOOOO", f.elements, f.comments, f.anchors, f.titles, f.images, f.sizes,
                               f.embeds ? Py_True : Py_False, f.mailto ? Py_True : Py_False,
                               f.frame_source ? Py_True : Py_False);
    else if (state == GIVE_UP)
        result = Py_NewRef(Py_None);
    else if (!PyErr_Occurred())
        PyErr_NoMemory();
    Py_XDECREF(f.elements);
    for (int i = 0; i < 5; i++)
        Py_XDECREF(*lists[i]);
    free(f.anchor.at);
    free(f.source.joined.at);
    return result;
}

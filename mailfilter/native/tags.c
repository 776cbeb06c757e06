/* What HTML tags do to the text around them; the twin, with the reasons, is mailfilter/mime/tags.py. */

#include "html.h"

/* Names by length, so that few have to be compared; each after its kind and what else holds of it. */
#define VOID_TAG 16
#define CLOSED_TAG 32
#define TAG(kind, flags, name) {(kind) | (flags), name}
static const struct {
    unsigned char kind;
    char name[12];
} known[] = {
    TAG(INLINE, 0, "abbr"), TAG(INLINE, 0, "acronym"), TAG(INLINE, 0, "b"), TAG(INLINE, 0, "basefont"),
    TAG(INLINE, 0, "bdi"), TAG(INLINE, 0, "bdo"), TAG(INLINE, 0, "big"), TAG(INLINE, 0, "blink"),
    TAG(INLINE, 0, "cite"), TAG(INLINE, 0, "code"), TAG(INLINE, 0, "data"), TAG(INLINE, 0, "del"),
    TAG(INLINE, 0, "dfn"), TAG(INLINE, 0, "em"), TAG(INLINE, 0, "font"), TAG(INLINE, 0, "i"), TAG(INLINE, 0, "ins"),
    TAG(INLINE, 0, "kbd"), TAG(INLINE, 0, "mark"), TAG(INLINE, VOID_TAG, "meta"), TAG(INLINE, 0, "nobr"),
    TAG(INLINE, 0, "o:p"), TAG(INLINE, 0, "q"), TAG(INLINE, 0, "s"), TAG(INLINE, 0, "samp"), TAG(INLINE, 0, "small"),
    TAG(INLINE, 0, "span"), TAG(INLINE, 0, "strike"), TAG(INLINE, 0, "strong"), TAG(INLINE, 0, "sub"),
    TAG(INLINE, 0, "sup"), TAG(INLINE, 0, "time"), TAG(INLINE, 0, "tt"), TAG(INLINE, 0, "u"), TAG(INLINE, 0, "var"),
    TAG(INLINE, VOID_TAG, "wbr"),
    TAG(BLOCK, 0, "address"), TAG(BLOCK, 0, "article"), TAG(BLOCK, 0, "aside"), TAG(BLOCK, 0, "blockquote"),
    TAG(BLOCK, 0, "body"), TAG(BLOCK, VOID_TAG, "br"), TAG(BLOCK, 0, "caption"), TAG(BLOCK, 0, "center"),
    TAG(BLOCK, VOID_TAG, "col"), TAG(BLOCK, 0, "colgroup"), TAG(BLOCK, CLOSED_TAG, "dd"), TAG(BLOCK, 0, "details"),
    TAG(BLOCK, 0, "dialog"), TAG(BLOCK, 0, "dir"), TAG(BLOCK, 0, "div"), TAG(BLOCK, 0, "dl"),
    TAG(BLOCK, CLOSED_TAG, "dt"), TAG(BLOCK, 0, "fieldset"), TAG(BLOCK, 0, "figcaption"), TAG(BLOCK, 0, "figure"),
    TAG(BLOCK, 0, "footer"), TAG(BLOCK, 0, "frameset"), TAG(BLOCK, 0, "h1"), TAG(BLOCK, 0, "h2"), TAG(BLOCK, 0, "h3"),
    TAG(BLOCK, 0, "h4"), TAG(BLOCK, 0, "h5"), TAG(BLOCK, 0, "h6"), TAG(BLOCK, 0, "head"), TAG(BLOCK, 0, "header"),
    TAG(BLOCK, VOID_TAG, "hr"), TAG(BLOCK, 0, "html"), TAG(BLOCK, 0, "legend"), TAG(BLOCK, CLOSED_TAG, "li"),
    TAG(BLOCK, 0, "main"), TAG(BLOCK, 0, "menu"), TAG(BLOCK, 0, "nav"), TAG(BLOCK, 0, "noscript"), TAG(BLOCK, 0, "ol"),
    TAG(BLOCK, 0, "optgroup"), TAG(BLOCK, CLOSED_TAG, "option"), TAG(BLOCK, CLOSED_TAG, "p"), TAG(BLOCK, 0, "pre"),
    TAG(BLOCK, 0, "section"), TAG(BLOCK, 0, "select"), TAG(BLOCK, 0, "summary"), TAG(BLOCK, 0, "table"),
    TAG(BLOCK, 0, "tbody"), TAG(BLOCK, 0, "textarea"), TAG(BLOCK, 0, "tfoot"), TAG(BLOCK, 0, "thead"),
    TAG(BLOCK, CLOSED_TAG, "tr"), TAG(BLOCK, 0, "ul"),
    TAG(CELL, CLOSED_TAG, "td"), TAG(CELL, CLOSED_TAG, "th"), TAG(ANCHOR, 0, "a"),
    TAG(LINK, VOID_TAG, "area"), TAG(LINK, 0, "audio"), TAG(LINK, VOID_TAG, "base"), TAG(LINK, 0, "button"),
    TAG(LINK, VOID_TAG, "embed"), TAG(LINK, 0, "form"), TAG(LINK, 0, "frame"), TAG(LINK, 0, "iframe"),
    TAG(LINK, VOID_TAG, "image"), TAG(LINK, VOID_TAG, "img"), TAG(LINK, VOID_TAG, "input"), TAG(LINK, VOID_TAG, "link"),
    TAG(LINK, 0, "object"), TAG(LINK, VOID_TAG, "source"), TAG(LINK, VOID_TAG, "track"), TAG(LINK, 0, "video"),
    TAG(RAW, 0, "script"), TAG(RAW, 0, "style"), TAG(RAW, 0, "title"), TAG(RAW, 0, "xmp"), TAG(RAW, 0, "noembed"),
    TAG(RAW, 0, "noframes"), TAG(RAW, 0, "template"),
};
#define KNOWN ((int)(sizeof known / sizeof *known))

/* Position in ``known`` by hash, filled on first use; the same values whoever writes them. */
#define PLACES 512
static short places[PLACES];
static int ready;

static unsigned hash_name(const octet *name, Py_ssize_t size)
{
    return ((unsigned)name[0] * 31u + (unsigned)name[size - 1] * 7u + (unsigned)name[size / 2] * 131u + (unsigned)size)
           % PLACES;
}

static void fill_places(void)
{
    for (int i = 0; i < PLACES; i++)
        places[i] = -1;
    for (int i = 0; i < KNOWN; i++) {
        unsigned at = hash_name((const octet *)known[i].name, (Py_ssize_t)strlen(known[i].name));
        while (places[at] >= 0)
            at = (at + 1) % PLACES;
        places[at] = (short)i;
    }
    ready = 1;
}

/* Everything known of a name in lower case, -1 for a name that is not known. */
static int look_up(const octet *name, Py_ssize_t size)
{
    if (size < 1 || size > 10)
        return -1;
    if (!ready)
        fill_places();
    for (unsigned at = hash_name(name, size); places[at] >= 0; at = (at + 1) % PLACES) {
        const char *other = known[places[at]].name;
        if (!memcmp(other, name, (size_t)size) && !other[size])
            return known[places[at]].kind;
    }
    return -1;
}

static int end_kind(int kind) { return kind == ANCHOR ? ANCHOR_END : kind == RAW || kind == LINK ? INLINE : kind; }

Tag tag_of(const octet *name, Py_ssize_t size)
{
    int end = size > 1 && *name == '/';
    int found = look_up(name + end, size - end);
    if (found < 0)
        return (Tag){-1, 0, 0};
    if (end)
        return (Tag){end_kind(found & 15), 0, 0};
    return (Tag){found & 15, (found & VOID_TAG) != 0, (found & CLOSED_TAG) != 0};
}

int usual_kind(const octet *p, Py_ssize_t size)
{
    octet low[12];
    int end = size > 1 && *p == '/', lower = 0, upper = 0;
    if (!end && size > 1 && p[size - 1] == '/') {
        size--;
        if (size > 1 && p[size - 1] == ' ')
            size--;
    }
    if (size < 1 || size > 11)
        return -1;
    for (Py_ssize_t i = 0; i < size; i++) {
        lower |= is_lower(p[i]);
        upper |= is_upper(p[i]);
        low[i] = to_lower(p[i]);
    }
    return lower && upper ? -1 : tag_of(low, size).kind;
}

/* tag(name: str) -> (kind or -1, void, closed by next): for the test that both tables are the same. */
PyObject *kernel_tag(PyObject *self, PyObject *name)
{
    Span text;
    (void)self;
    if (!utf8_of(name, &text))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    Tag tag = tag_of(text.at, text.size);
    return Py_BuildValue("iOOi", tag.kind, tag.is_void ? Py_True : Py_False, tag.closed_by_next ? Py_True : Py_False,
                         usual_kind(text.at, text.size));
}

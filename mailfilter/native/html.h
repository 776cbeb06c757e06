/* Shared by the files that take HTML apart. */

#ifndef MAILFILTER_HTML_H
#define MAILFILTER_HTML_H

#include "kernel.h"

enum { INLINE, BLOCK, CELL, ANCHOR, ANCHOR_END, LINK, RAW, NOTHING };

#define BREAK 0x1e
#define VEILED 0x1c
#define SHRUNK 0x1d

typedef struct {
    int kind, is_void, closed_by_next;
} Tag;

/* What is known of a name in lower case, perhaps with a slash before it; kind -1 for a name that is not known. */
Tag tag_of(const octet *name, Py_ssize_t size);

/* Kind of a tag by how it usually stands between its brackets, without attributes; -1 for none. */
int usual_kind(const octet *p, Py_ssize_t size);

/* Put a mark after each ``<`` behind which a style hides what comes: 1 done, 0 what only Python can tell, -1 no
 * memory.  ``made`` stays empty where there is nothing to mark. */
int mark_hidden(Span source, Buffer *made);

/* Where the value of an attribute lies, as written; empty if there is none. */
Span attribute_value(Span head, const char *name, Py_ssize_t size);

/* The quote that is open at the end of a tag; 0 for none, -1 for no memory. */
int open_quote(Span head);

/* Whether ASCII rules are not enough for a tag: white space or letters beyond it that Python's patterns heed. */
int beyond_ascii(Span text);

static inline const octet *find_in(Span span, octet c) { return memchr(span.at, c, (size_t)span.size); }

int contains(Span text, const char *word, Py_ssize_t size);
int add_bytes(Buffer *buffer, const octet *at, Py_ssize_t size);

enum { ERROR = -1, GIVE_UP, DONE };

typedef struct {
    const octet *at, *end;     /* start of the next chunk, past the end when there is none; end of the source */
    Buffer shown, veiled;
    PyObject *const *origins;  /* of the state */
    PyObject *links, *asides, *anchor, *base;
    Buffer *anchor_out;        /* where the text of the open anchor goes, and from which place on */
    Py_ssize_t anchor_start, max_links, count_asides;
    Span veil;                 /* name of the invisible element that we are in, empty if in none */
    int depth, shrunk, closed_by_next;
    int capped, unclosed_double, unclosed_single, replaced;
} Walk;

/* The text of a link: references decoded, one line; NULL without an error for what only Python can tell. */
PyObject *one_line(Span text);

/* Links of one walk: DONE, or ERROR with an error set. */
int open_anchor(Walk *w, Span head, Buffer *out);
int close_anchor(Walk *w);
int collect(Walk *w, Span head);

#endif

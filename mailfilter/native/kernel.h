/* What the parts of the kernel share.  See docs/decisions/0018-native-kernel.md.
 *
 * Rules: plain loops over buffers with explicit bounds; no recursion; nothing is allocated that the input does not
 * bound; every function here has a Python twin that gives the same bits. */

#ifndef MAILFILTER_KERNEL_H
#define MAILFILTER_KERNEL_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char octet;

/* A stretch of somebody else's bytes. */
typedef struct {
    const octet *at;
    Py_ssize_t size;
} Span;

/* Bytes that grow. */
typedef struct {
    octet *at;
    Py_ssize_t size, room;
} Buffer;

static inline int is_lower(octet c) { return c >= 'a' && c <= 'z'; }
static inline int is_upper(octet c) { return c >= 'A' && c <= 'Z'; }
static inline int is_digit(octet c) { return c >= '0' && c <= '9'; }
static inline octet to_lower(octet c) { return is_upper(c) ? (octet)(c + 32) : c; }

/* What str.isspace says of an ASCII character. */
static inline int is_blank(octet c) { return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x1f); }

/* A character of a host's name. */
static inline int in_host(octet c) { return is_lower(to_lower(c)) || is_digit(c) || c == '.' || c == '-'; }

/* Length of the white space of one character at p, 0 if there is none; the text is UTF-8 and ends at end. */
static inline Py_ssize_t blank_size(const octet *p, const octet *end)
{
    if (*p < 0x80)
        return is_blank(*p);
    if (*p == 0xC2)
        return end - p >= 2 && (p[1] == 0x85 || p[1] == 0xA0) ? 2 : 0;
    if (*p < 0xE1 || *p > 0xE3 || end - p < 3)
        return 0;
    if (*p == 0xE1)
        return p[1] == 0x9A && p[2] == 0x80 ? 3 : 0;
    if (*p == 0xE3)
        return p[1] == 0x80 && p[2] == 0x80 ? 3 : 0;
    if (p[1] == 0x80)
        return p[2] <= 0x8A || p[2] == 0xA8 || p[2] == 0xA9 || p[2] == 0xAF ? 3 : 0;
    return p[1] == 0x81 && p[2] == 0x9F ? 3 : 0;
}

/* The UTF-8 of a string, ASCII without a copy; 0 with no error set where it has none (lone surrogates). */
static inline int utf8_of(PyObject *text, Span *span)
{
    span->at = (const octet *)PyUnicode_AsUTF8AndSize(text, &span->size);
    if (span->at)
        return 1;
    if (PyErr_ExceptionMatches(PyExc_UnicodeError))
        PyErr_Clear();
    return 0;
}

/* What the kernel keeps between calls; whoever holds the interpreter's lock has it for himself. */
#define KEPT_NAMES 512
typedef struct {
    PyObject *written, *lower;
} Name;
typedef struct {
    Name names[KEPT_NAMES]; /* of headers */
    uint64_t *seen;         /* a bit per slot, all clear; NULL while somebody uses it */
    PyObject *origins[3];   /* of links: href, src, action */
} State;

/* The host of an address as it stands there, perhaps empty; 0 for what only Python can tell. */
int find_host(Span url, Span *host);

/* Whether two stretches are the same but for upper and lower case. */
int same_but_case(Span a, Span b);

/* The part of a host name that somebody registered. */
Span organisation_of(Span host);

/* The organisation of the last address in a header, empty if there is none. */
Span domain_of(Span text);

/* A host in lower case; NULL for an error. */
PyObject *host_text(Span host);

PyObject *kernel_weigh(PyObject *self, PyObject *args);
PyObject *kernel_squeeze(PyObject *self, PyObject *data);
PyObject *kernel_skeleton(PyObject *self, PyObject *args);
PyObject *kernel_tidy(PyObject *self, PyObject *text);
PyObject *kernel_text_links(PyObject *self, PyObject *args);
PyObject *kernel_host(PyObject *self, PyObject *url);
PyObject *kernel_plain(PyObject *self, PyObject *text);
PyObject *kernel_relations(PyObject *self, PyObject *args);
PyObject *kernel_header_block(PyObject *self, PyObject *args);
PyObject *kernel_header_text(PyObject *self, PyObject *latin1);
PyObject *kernel_mailbox(PyObject *self, PyObject *text);
PyObject *kernel_count(PyObject *self, PyObject *text);
PyObject *kernel_link_view(PyObject *self, PyObject *links);
PyObject *kernel_holds_begin(PyObject *self, PyObject *args);
PyObject *kernel_anchors(PyObject *self, PyObject *args);
PyObject *kernel_date(PyObject *self, PyObject *args);
PyObject *kernel_phrase_text(PyObject *self, PyObject *args);
PyObject *kernel_holds(PyObject *self, PyObject *args);
PyObject *kernel_may_hold(PyObject *self, PyObject *args);
PyObject *kernel_client(PyObject *self, PyObject *received);
PyObject *kernel_walk(PyObject *self, PyObject *args);
PyObject *kernel_tag(PyObject *self, PyObject *name);
PyObject *kernel_find(PyObject *self, PyObject *args);
PyObject *kernel_follow(PyObject *self, PyObject *args);
PyObject *kernel_rule_text(PyObject *self, PyObject *text);
PyObject *kernel_rule_paragraphs(PyObject *self, PyObject *text);
PyObject *kernel_rule_words(PyObject *self, PyObject *data);
PyObject *kernel_rule_facts(PyObject *self, PyObject *args);
PyObject *kernel_rule_fields(PyObject *self, PyObject *args);

#endif

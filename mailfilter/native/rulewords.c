/* Texts as rules see them: paragraphs, and words that may be URIs; the twins, with the reasons, are
 * mailfilter/ruleset/bodytext.py and uris.py. */

#include "rulehtml.h"

/* rule_paragraphs(text: str) -> bytes | None: UTF-8 in which a run of white space is a blank, or a line end with a
 * blank for what stands before it and for what stands behind it where it holds two line ends or more. */
PyObject *kernel_rule_paragraphs(PyObject *self, PyObject *text)
{
    Span given;
    (void)self;
    if (!utf8_of(text, &given))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    const octet *p = given.at, *end = p + given.size;
    octet *made = malloc((size_t)given.size + 1), *out = made;
    if (!made)
        return PyErr_NoMemory();
    while (p < end) {
        const octet *from = p;
        while (p < end && !((*p <= ' ' || *p >= 0xC2) && blank_size(p, end)))
            p++;
        memcpy(out, from, (size_t)(p - from));
        out += p - from;
        if (p == end)
            break;
        if (*p == ' ' && (p + 1 == end || (p[1] > ' ' && p[1] < 0xC2))) {
            *out++ = *p++;
            continue;
        }
        const octet *start = p, *first = NULL, *last = NULL;
        for (Py_ssize_t blank; p < end && (blank = blank_size(p, end)); p += blank)
            if (*p == '\n') {
                first = first ? first : p;
                last = p;
            }
        if (first == last) {
            *out++ = ' ';
            continue;
        }
        if (first > start)
            *out++ = ' ';
        *out++ = '\n';
        if (p > last + 1)
            *out++ = ' ';
    }
    PyObject *result = PyBytes_FromStringAndSize((const char *)made, out - made);
    free(made);
    return result;
}

/* What str.isspace says of an octet as a character of latin-1, and what no URI is without. */
enum { OTHER, BLANK, TRIGGER };
static const octet kinds[256] = {
    [9] = BLANK, [10] = BLANK, [11] = BLANK, [12] = BLANK, [13] = BLANK, [0x1C] = BLANK, [0x1D] = BLANK, [0x1E] = BLANK,
    [0x1F] = BLANK, [' '] = BLANK, [0x85] = BLANK, [0xA0] = BLANK, ['.'] = TRIGGER, ['@'] = TRIGGER, [':'] = TRIGGER,
};

static int is_word(octet c) { return is_lower(to_lower(c)) || is_digit(c); }

static int ends_with(Span word, Py_ssize_t end, const char *what)
{
    Py_ssize_t size = (Py_ssize_t)strlen(what);
    return end >= size && stands_at(word, end - size, what);
}

/* Whether a word may hold a URI: a scheme, ``www``, something on both sides of an ``@``, or names with a dot between of
 * which the second is as long as a top level domain. */
static int may_be_uri(Span word)
{
    int names = 0, domain = 0;
    for (Py_ssize_t i = 0; i < word.size; i++) {
        octet c = word.at[i], before = i ? word.at[i - 1] : 0, next = i + 1 < word.size ? word.at[i + 1] : 0;
        if (c == '.') {
            if (ends_with(word, i, "ftp"))
                return 1;
            names |= is_word(before) && is_word(next);
            domain |= (is_word(before) || before == '.' || before == '_' || before == '-') &&
                      is_lower(to_lower(next)) && i + 2 < word.size &&
                      (is_word(word.at[i + 2]) || word.at[i + 2] == '-');
        } else if (c == '@') {
            if (i && i + 1 < word.size)
                return 1;
        } else if (c == ':') {
            if (ends_with(word, i, "mailto") || (stands_at(word, i, "://") && (ends_with(word, i, "http") ||
                ends_with(word, i, "https") || ends_with(word, i, "ftp"))))
                return 1;
        } else if (c == 'w' || c == 'W') {
            if (stands_at(word, i, "www"))
                return 1;
        }
    }
    return names && domain;
}

/* rule_words(text: bytes) -> list[str]: the words between white space of latin-1 that may hold a URI. */
PyObject *kernel_rule_words(PyObject *self, PyObject *data)
{
    char *at;
    Py_ssize_t size;
    (void)self;
    if (PyBytes_AsStringAndSize(data, &at, &size) < 0)
        return NULL;
    PyObject *words = PyList_New(0);
    const octet *text = (const octet *)at, *end = text + size, *start = text;
    for (const octet *p = text; words && p < end;) {
        octet kind = kinds[*p];
        if (kind < TRIGGER || (*p == ':' && !(end - p >= 3 && p[1] == '/' && p[2] == '/'))) {
            p++;
            if (kind == BLANK)
                start = p;
            continue;
        }
        while (p < end && kinds[*p] != BLANK)
            p++;
        Span word = {start, p - start};
        if (!may_be_uri(word))
            continue;
        PyObject *found = PyUnicode_DecodeLatin1((const char *)word.at, word.size, NULL);
        if (!found || PyList_Append(words, found) < 0)
            Py_CLEAR(words);
        Py_XDECREF(found);
    }
    return words;
}

/* What checks ask first of every mail; the twins are in mailfilter/checks: _dates.py, _phrases.py, _needles.py. */

#include "kernel.h"

static PyObject *look_in_python(void) { return PyErr_Occurred() ? NULL : Py_NewRef(Py_None); }

/* --- dates --- */

static const octet *pass_blanks(const octet *p, const octet *end)
{
    const octet *last = end - p > 4 ? p + 4 : end;
    while (p < last && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* The number of so many digits at p; -1 if there are not so many. */
static int digits(const octet **p, const octet *end, int least, int most)
{
    int value = 0, count = 0;
    for (; count < most && *p < end && is_digit(**p); count++)
        value = value * 10 + *(*p)++ - '0';
    return count < least ? -1 : value;
}

static int month_of(const octet *p)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (int month = 0; month < 12; month++)
        if (to_lower(p[0]) == (octet)names[3 * month] && to_lower(p[1]) == (octet)names[3 * month + 1] &&
            to_lower(p[2]) == (octet)names[3 * month + 2])
            return month + 1;
    return 0;
}

/* Days since 1970-01-01 (Hinnant's days_from_civil); 0 < month < 13, year > 0. */
static long days_of(int year, int month, int day)
{
    long y = year - (month < 3), era = y / 400, of_era = y - era * 400;
    long of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int is_one(const octet **p, const octet *end, octet c)
{
    if (*p >= end || **p != c)
        return 0;
    ++*p;
    return 1;
}

/* Seconds since 1970 of ``Thu, 22 Aug 2002 18:26:25 +0700``, in ``seconds``; 0 for any other form. */
static int read_date(const octet *p, const octet *end, long long *seconds)
{
    static const octet lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}; /* a leap day is left to Python */
    p = pass_blanks(p, end);
    if (end - p > 4 && p[3] == ',' && is_lower(to_lower(p[0])) && is_lower(to_lower(p[1])) && is_lower(to_lower(p[2])))
        p = pass_blanks(p + 4, end);
    int day = digits(&p, end, 1, 2);
    if (!is_one(&p, end, ' ') || end - p < 4 || p[3] != ' ')
        return 0;
    int month = month_of(p);
    p += 4;
    int year = digits(&p, end, 4, 4);
    if (!is_one(&p, end, ' '))
        return 0;
    int hour = digits(&p, end, 2, 2), minute = is_one(&p, end, ':') ? digits(&p, end, 2, 2) : -1;
    int second = is_one(&p, end, ':') ? digits(&p, end, 2, 2) : -1;
    if (!month || day < 1 || day > lengths[month - 1] || year < 1900 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0)
        return 0;
    if (!is_one(&p, end, ' ') || p >= end || (*p != '+' && *p != '-'))
        return 0;
    int sign = *p++ == '-' ? -1 : 1, east = digits(&p, end, 4, 4);
    if (east < 0)
        return 0;
    long offset = sign * (east / 100 * 3600L + east % 100 * 60L);
    *seconds = days_of(year, month, day) * 86400LL + hour * 3600 + minute * 60 + second - offset;
    return 1;
}

/* date(text: str, start: int) -> int | None: of the form that nearly all have; None for those that Python looks at. */
PyObject *kernel_date(PyObject *self, PyObject *args)
{
    PyObject *text;
    Py_ssize_t start;
    Span given;
    long long seconds;
    (void)self;
    if (!PyArg_ParseTuple(args, "Un", &text, &start))
        return NULL;
    if (!utf8_of(text, &given) || given.size != PyUnicode_GetLength(text) || start < 0 || start > given.size)
        return look_in_python();
    if (!read_date(given.at + start, given.at + given.size, &seconds))
        return look_in_python();
    return PyLong_FromLongLong(seconds);
}

/* --- phrases --- */

/* Length of the character at p that is not seen (zero-width, curly quotes, soft hyphens) or, ``blank``, is seen as one
 * (dashes, the no-break space); 0 for others.  UTF-8. */
static int unseen(const octet *p, const octet *end, int *blank)
{
    *blank = 0;
    if (*p == 0xC2 && end - p >= 2 && (p[1] == 0xA0 || p[1] == 0xAD || p[1] == 0xB4)) {
        *blank = p[1] == 0xA0;
        return 2;
    }
    if (*p == 0xCD)
        return end - p >= 2 && p[1] == 0x8F ? 2 : 0;
    if (end - p < 3)
        return 0;
    if (*p == 0xEF)
        return p[1] == 0xBB && p[2] == 0xBF ? 3 : 0;
    if (*p != 0xE2)
        return 0;
    octet last = p[2];
    if (p[1] == 0x81)
        return last == 0xA0 ? 3 : 0;
    *blank = last == 0x93 || last == 0x94;
    int gone = (last >= 0x8B && last <= 0x8F) || (last >= 0x98 && last <= 0x9E) || last == 0xA6;
    return p[1] == 0x80 && (*blank || gone) ? 3 : 0;
}

/* ``given`` by the table, an end of line after a blank left out; how much that makes. */
static Py_ssize_t put_phrase_text(Span given, const octet *table, octet *made)
{
    octet *out = made;
    int after_blank = 0, blank;
    for (const octet *p = given.at, *end = p + given.size; p < end; p++) {
        octet c = *p;
        if (c >= 0x80) {
            int size = unseen(p, end, &blank);
            p += size ? size - 1 : 0;
            if (size && !blank)
                continue;
            c = size ? ' ' : c;
        }
        if (after_blank & (c == '\n')) {
            after_blank = 0;
            continue;
        }
        after_blank = c == ' ';
        *out = table[c];
        out += *out != 0;
    }
    return out - made;
}

/* phrase_text(text: str | bytes, table: bytes) -> bytes | None: ``text``, UTF-8 where it is bytes, as phrases are
 * compared, by a table in which an octet that is left out is 0; None for a str that is not ASCII. */
PyObject *kernel_phrase_text(PyObject *self, PyObject *args)
{
    PyObject *text;
    Span given, table;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oy#", &text, &table.at, &table.size))
        return NULL;
    if (table.size != 256) {
        PyErr_SetString(PyExc_ValueError, "a table of 256 octets is expected");
        return NULL;
    }
    if (PyUnicode_Check(text)) {
        if (!utf8_of(text, &given) || given.size != PyUnicode_GetLength(text))
            return look_in_python();
    } else {
        char *at;
        if (PyBytes_AsStringAndSize(text, &at, &given.size) < 0)
            return NULL;
        given.at = (const octet *)at;
    }
    octet *room = malloc((size_t)given.size + 2), *out = room + 1; /* nothing becomes longer */
    if (!room)
        return PyErr_NoMemory();
    *room = ' ';
    out += put_phrase_text(given, table.at, out);
    *out++ = ' ';
    PyObject *result = PyBytes_FromStringAndSize((char *)room, out - room);
    free(room);
    return result;
}

/* --- needles --- */

static int same_in_lower(const octet *p, Span needle)
{
    for (Py_ssize_t i = 0; i < needle.size; i++)
        if (to_lower(p[i]) != needle.at[i])
            return 0;
    return 1;
}

/* Whether a needle is in ``text``; ``first`` is the octet that stands at its pivot there; ``fold``: in any case. */
static int find_needle(Span text, Span needle, Py_ssize_t pivot, octet first, int fold)
{
    if (needle.size > text.size)
        return 0;
    const octet *p = text.at + pivot, *end = text.at + text.size - (needle.size - 1 - pivot);
    while ((p = memchr(p, first, (size_t)(end - p)))) {
        const octet *start = p - pivot;
        if (fold ? same_in_lower(start, needle) : !memcmp(start, needle.at, (size_t)needle.size))
            return 1;
        if (++p == end)
            break;
    }
    return 0;
}

/* The text that is searched: the UTF-8 of a str, or bytes, up to ``limit``; 0 where Python has to look. */
static int searched(PyObject *text, Py_ssize_t limit, Span *given)
{
    if (!PyUnicode_Check(text)) {
        char *at;
        if (PyBytes_AsStringAndSize(text, &at, &given->size) < 0)
            return 0;
        given->at = (const octet *)at;
    } else if (!utf8_of(text, given) || (given->size > limit && given->size != PyUnicode_GetLength(text))) {
        return 0;
    }
    if (given->size > limit)
        given->size = limit > 0 ? limit : 0;
    return 1;
}

/* holds(text: str | bytes, needles: tuple[bytes, ...], pivots: bytes, limit: int) -> int | None: a bit for each of up to
 * 31 needles (ASCII, not empty) that is within the first ``limit`` characters, in bytes in upper or lower case (the
 * needles then in lower case); ``pivots`` says which octet of each is looked for first.  None where a str is longer and
 * not ASCII, or has no UTF-8. */
PyObject *kernel_holds(PyObject *self, PyObject *args)
{
    PyObject *text, *needles;
    Span given, pivots;
    Py_ssize_t limit;
    long found = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO!y#n", &text, &PyTuple_Type, &needles, &pivots.at, &pivots.size, &limit))
        return NULL;
    if (pivots.size != PyTuple_Size(needles) || pivots.size > 31) {
        PyErr_SetString(PyExc_ValueError, "a pivot for each of up to 31 needles is expected");
        return NULL;
    }
    if (!searched(text, limit, &given))
        return look_in_python();
    int fold = !PyUnicode_Check(text);
    for (Py_ssize_t i = 0; i < pivots.size; i++) {
        char *at;
        Span needle;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(needles, i), &at, &needle.size) < 0)
            return NULL;
        needle.at = (const octet *)at;
        if (pivots.at[i] >= needle.size) {
            PyErr_SetString(PyExc_ValueError, "a pivot lies within its needle");
            return NULL;
        }
        octet first = needle.at[pivots.at[i]], other = is_lower(first) && fold ? (octet)(first - 32) : first;
        int held = find_needle(given, needle, pivots.at[i], first, fold);
        if (!held && other != first)
            held = find_needle(given, needle, pivots.at[i], other, fold);
        found |= (long)held << i;
    }
    return PyLong_FromLong(found);
}

/* may_hold(text: str, table: bytes) -> bool | None: whether a run of three letters or more, in lower case, may be among
 * the words that the table of 8192 octets has a bit for, by their hash (FNV-1a, folded to 16 bits).  None for what is not
 * ASCII. */
PyObject *kernel_may_hold(PyObject *self, PyObject *args)
{
    PyObject *text;
    Span given, table;
    (void)self;
    if (!PyArg_ParseTuple(args, "Uy#", &text, &table.at, &table.size))
        return NULL;
    if (table.size != 8192) {
        PyErr_SetString(PyExc_ValueError, "a table of 8192 octets is expected");
        return NULL;
    }
    if (!utf8_of(text, &given) || given.size != PyUnicode_GetLength(text))
        return look_in_python();
    const octet *p = given.at, *end = p + given.size;
    while (p < end) {
        const octet *start = p;
        uint32_t hash = 2166136261u;
        for (; p < end && is_lower(to_lower(*p)); p++)
            hash = (hash ^ to_lower(*p)) * 16777619u;
        hash = (hash ^ hash >> 16) & 0xFFFF;
        if (p - start >= 3 && table.at[hash >> 3] >> (hash & 7) & 1)
            return Py_NewRef(Py_True);
        p += p < end;
    }
    return Py_NewRef(Py_False);
}

/* --- the client in a Received field --- */

static int is_paren(octet c) { return c == '(' || c == ')'; }

/* Where a run of at most so many octets that are no brackets ends; NULL if no bracket follows it. */
static const octet *to_paren(const octet *p, const octet *end, Py_ssize_t most)
{
    const octet *start = p;
    while (p < end && !is_paren(*p))
        p++;
    return p < end && p - start <= most ? p : NULL;
}

/* ``from HELO (comment)`` at p, with one pair of brackets within the comment; 0 if that does not stand there. */
static int read_from(const octet *p, const octet *end, Span *helo, Span *comment)
{
    while (p < end && is_blank(*p))
        p++;
    if (end - p < 5 || memcmp(p, "from", 4) || !is_blank(p[4]))
        return 0;
    for (p += 4; p < end && is_blank(*p); p++)
        ;
    for (helo->at = p; p < end && !is_blank(*p); p++)
        ;
    helo->size = p - helo->at;
    while (p < end && is_blank(*p))
        p++;
    if (!helo->size || helo->size > 255 || p == end || *p != '(' || !is_blank(p[-1]))
        return 0;
    comment->at = ++p;
    p = to_paren(p, end, 300);
    if (p && *p == '(') {
        p = to_paren(p + 1, end, 100);
        p = p && *p == ')' ? to_paren(p + 1, end, 100) : NULL;
    }
    if (!p || *p != ')')
        return 0;
    comment->size = p - comment->at;
    return 1;
}

static int in_address(octet c) { return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f') || c == '.' || c == ':'; }

/* The first address in square brackets; empty if there is none. */
static Span address_in(Span comment)
{
    const octet *end = comment.at + comment.size;
    for (const octet *p = comment.at; p < end; p++) {
        if (*p != '[')
            continue;
        const octet *start = end - p > 6 && !memcmp(p + 1, "IPv6:", 5) ? p + 6 : p + 1, *q = start;
        while (q < end && in_address(*q))
            q++;
        if (q < end && *q == ']' && q - start >= 3 && q - start <= 45)
            return (Span){start, q - start};
    }
    return (Span){NULL, 0};
}

/* The last word before the first square bracket, blanks and dots around what stands there taken away. */
static Span name_in(Span comment)
{
    const octet *start = comment.at, *bracket = memchr(start, '[', (size_t)comment.size);
    const octet *end = bracket ? bracket : start + comment.size;
    while (end > start && (end[-1] == ' ' || end[-1] == '.'))
        end--;
    while (start < end && (*start == ' ' || *start == '.'))
        start++;
    const octet *word = end;
    while (word > start && word[-1] != ' ')
        word--;
    return (Span){word, end - word};
}

static PyObject *lower_text(Span text)
{
    octet low[512];
    if (text.size > (Py_ssize_t)sizeof low)
        text.size = sizeof low; /* neither a HELO nor what stands in a comment is longer */
    for (Py_ssize_t i = 0; i < text.size; i++)
        low[i] = to_lower(text.at[i]);
    return PyUnicode_DecodeUTF8((const char *)low, text.size, NULL);
}

/* client(received: str) -> (str, str, str) | () | None: HELO, verified name and address that a Received field gives; ()
 * where it does not give them in the common form, None for what is not ASCII. */
PyObject *kernel_client(PyObject *self, PyObject *received)
{
    Span given, helo, comment;
    (void)self;
    if (!PyUnicode_Check(received)) {
        PyErr_SetString(PyExc_TypeError, "a str is expected");
        return NULL;
    }
    if (!utf8_of(received, &given) || given.size != PyUnicode_GetLength(received))
        return look_in_python();
    const octet *end = given.at + (given.size < 800 ? given.size : 800);
    if (!read_from(given.at, end, &helo, &comment))
        return PyTuple_New(0);
    Span address = address_in(comment);
    if (!address.at)
        return PyTuple_New(0);
    PyObject *host = lower_text(helo), *name = host ? lower_text(name_in(comment)) : NULL, *result = NULL;
    if (name)
        result = Py_BuildValue("OOs#", host, name, (const char *)address.at, address.size);
    Py_XDECREF(host);
    Py_XDECREF(name);
    return result;
}

/* Tokens on how sender, links and text relate; the twin is in mailfilter/classifier/relations.py. */

#include "kernel.h"

#define LONGEST_SENDER 500
#define MOST_LINKS 60
#define ROOM 1500
#define MOST_TOKENS 40 /* less those in pairs */
#define SHOWN_DOMAIN 8

/* Tokens parted by spaces, and where those lie that are joined in pairs; ``full`` if one did not fit. */
typedef struct {
    char at[ROOM];
    int size, full, count;
    int start[MOST_TOKENS], end[MOST_TOKENS];
} Tokens;

static void add(Tokens *tokens, const char *key, const char *value, Py_ssize_t size)
{
    Py_ssize_t before = (Py_ssize_t)strlen(key);
    if (tokens->count >= MOST_TOKENS || size > ROOM || tokens->size + before + size + 1 > ROOM) {
        tokens->full = 1;
        return;
    }
    if (tokens->size)
        tokens->at[tokens->size++] = ' ';
    char *place = tokens->at + tokens->size;
    memcpy(place, key, (size_t)before);
    memcpy(place + before, value, (size_t)size);
    tokens->start[tokens->count] = tokens->size;
    tokens->size += (int)(before + size);
    tokens->end[tokens->count++] = tokens->size;
}

static void add_word(Tokens *tokens, const char *key, const char *value) { add(tokens, key, value, (Py_ssize_t)strlen(value)); }

static void add_number(Tokens *tokens, const char *key, Py_ssize_t number)
{
    char digits[24], *p = digits + sizeof digits;
    size_t left = number > 0 ? (size_t)number : 0; /* there are no negative ones */
    do
        *--p = (char)('0' + left % 10);
    while (left /= 10);
    add(tokens, key, p, digits + sizeof digits - p);
}

/* A coarse logarithm: the number of binary digits. */
static void add_grade(Tokens *tokens, const char *key, Py_ssize_t number)
{
    Py_ssize_t grade = 0;
    for (; number > 0; number >>= 1)
        grade++;
    add_number(tokens, key, grade);
}

static void add_pair(Tokens *tokens, int first, int second)
{
    int left = tokens->end[first] - tokens->start[first], right = tokens->end[second] - tokens->start[second];
    if (tokens->size + left + right + 2 > ROOM) {
        tokens->full = 1;
        return;
    }
    char *place = tokens->at + tokens->size;
    *place++ = ' ';
    memcpy(place, tokens->at + tokens->start[first], (size_t)left);
    place[left] = '&';
    memcpy(place + left + 1, tokens->at + tokens->start[second], (size_t)right);
    tokens->size += left + right + 2;
}

static Py_ssize_t count_of(Span text, octet wanted)
{
    Py_ssize_t found = 0;
    for (const octet *p = text.at, *end = p + text.size; (p = memchr(p, wanted, (size_t)(end - p))); p++)
        found++;
    return found;
}

/* Whether a text holds one of the two characters beyond ASCII that have ASCII in lower case. */
static int folds_to_ascii(Span text)
{
    const octet *end = text.at + text.size;
    for (const octet *p = text.at; p < end; p++) {
        if (*p == 0xC4 && end - p >= 2 && p[1] == 0xB0)
            return 1;
        if (*p == 0xE2 && end - p >= 3 && p[1] == 0x84 && p[2] == 0xAA)
            return 1;
    }
    return 0;
}

/* The letters and digits of a text in lower case, less ``.`` and whatever else; the room is as long as the text. */
static Span letters_of(Span text, octet *room)
{
    Py_ssize_t size = 0;
    for (Py_ssize_t i = 0; i < text.size; i++) {
        octet c = to_lower(text.at[i]);
        if (is_lower(c) || is_digit(c))
            room[size++] = c;
    }
    return (Span){room, size};
}

static int holds(Span text, Span wanted)
{
    for (Py_ssize_t i = 0; i + wanted.size <= text.size; i++)
        if (same_but_case((Span){text.at + i, wanted.size}, wanted))
            return 1;
    return 0;
}

/* ``here`` less its dots, in the room. */
static Span undotted(Span here, octet *room)
{
    Py_ssize_t size = 0;
    for (Py_ssize_t i = 0; i < here.size; i++)
        if (here.at[i] != '.')
            room[size++] = to_lower(here.at[i]);
    return (Span){room, size};
}

/* The name before the address, empty where there is no address in brackets. */
static Span display_of(Span sender)
{
    const octet *start = sender.at, *end = memchr(sender.at, '<', (size_t)sender.size);
    if (!end)
        return (Span){sender.at, 0};
    while (start < end && (*start == ' ' || *start == '"'))
        start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '"'))
        end--;
    return (Span){start, end - start};
}

enum { SENDER, IDENTITY, REPLY, TO, CC, SUBJECT, VALUES };

static void add_sender(Tokens *tokens, const Span *values, Span here, Span identity)
{
    octet letters_room[LONGEST_SENDER], here_room[LONGEST_SENDER], tld[SHOWN_DOMAIN];
    Span display = display_of(values[SENDER]), letters = letters_of(display, letters_room), core = here, to = values[TO];
    add_word(tokens, "id=", !identity.size ? "none" : same_but_case(identity, here) ? "same" : "other");
    add_word(tokens, "rt=", !values[REPLY].size ? "none" : same_but_case(domain_of(values[REPLY]), here) ? "same" : "other");
    Py_ssize_t recipients = count_of(to, '@');
    add_word(tokens, "to=", !to.size ? "none" : !recipients ? "nodom" : same_but_case(domain_of(to), here) ? "same" : "other");
    add_grade(tokens, "rcpt=", recipients + count_of(values[CC], '@'));
    add_word(tokens, "disp=", !display.size ? "none" : count_of(display, '@') ? "addr" : "name");
    const octet *end = here.at + here.size, *last = end;
    while (last > here.at && last[-1] != '.')
        last--;
    Py_ssize_t shown = end - last < SHOWN_DOMAIN ? end - last : SHOWN_DOMAIN;
    for (Py_ssize_t i = 0; i < shown; i++)
        tld[i] = to_lower(last[i]);
    add(tokens, "tld=", (const char *)tld, shown);
    const octet *dot = here.size ? memchr(here.at, '.', (size_t)here.size) : NULL;
    if (dot)
        core.size = dot - here.at;
    if (letters.size && core.size)
        add_word(tokens, "own=", holds(letters, core) || holds(undotted(here, here_room), letters) ? "1" : "0");
}

static int is_numeric(Span host)
{
    for (Py_ssize_t i = 0; i < host.size; i++)
        if (!is_digit(host.at[i]) && host.at[i] != '.')
            return 0;
    return host.size > 0;
}

typedef struct {
    Span owners[MOST_LINKS];
    Py_ssize_t hosts, images;
    int numeric;
} Links;

/* One link's host and origin: 1 taken, 0 what only Python can tell, -1 error. */
static int take_link(PyObject *link, Links *links)
{
    Span host, origin;
    if (!PyTuple_Check(link) || PyTuple_Size(link) < 4) {
        PyErr_SetString(PyExc_TypeError, "a link is a tuple of four");
        return -1;
    }
    if (!utf8_of(PyTuple_GetItem(link, 3), &host) || !utf8_of(PyTuple_GetItem(link, 2), &origin))
        return PyErr_Occurred() ? -1 : 0;
    links->images += origin.size == 3 && !memcmp(origin.at, "src", 3);
    if (!host.size)
        return 1;
    for (Py_ssize_t i = 0; i < host.size; i++)
        if (host.at[i] >= 0x80 || is_upper(host.at[i]))
            return 0;
    links->owners[links->hosts++] = organisation_of(host);
    links->numeric |= is_numeric(host);
    return 1;
}

static int take_links(PyObject *given, Links *links)
{
    Py_ssize_t most = PyTuple_Size(given);
    most = most < MOST_LINKS ? most : MOST_LINKS;
    for (Py_ssize_t i = 0; i < most; i++) {
        int state = take_link(PyTuple_GetItem(given, i), links);
        if (state < 1)
            return state;
    }
    return 1;
}

/* How many of the organisations are ``wanted``. */
static Py_ssize_t count_owned(const Links *links, Span wanted)
{
    Py_ssize_t found = 0;
    for (Py_ssize_t i = 0; i < links->hosts; i++)
        found += same_but_case(links->owners[i], wanted);
    return found;
}

static Py_ssize_t count_different(const Links *links)
{
    Py_ssize_t found = 0;
    for (Py_ssize_t i = 0; i < links->hosts; i++) {
        Py_ssize_t before = 0;
        while (before < i && !same_but_case(links->owners[before], links->owners[i]))
            before++;
        found += before == i;
    }
    return found;
}

static void add_links(Tokens *tokens, const Links *links, Span here, Span identity)
{
    Py_ssize_t own = here.size ? count_owned(links, here) : 0;
    add_grade(tokens, "nl=", links->hosts);
    add_grade(tokens, "nd=", count_different(links));
    add_word(tokens, "same=", !links->hosts ? "nolink" : own == links->hosts ? "all" : own ? "some" : "none");
    add_grade(tokens, "img=", links->images);
    if (links->numeric)
        add_word(tokens, "numeric", "");
    if (links->hosts && identity.size)
        add_word(tokens, "idlink=", count_owned(links, identity) ? "1" : "0");
}

static int is_reply(Span subject)
{
    static const char *const starts[] = {"re:", "fw:", "fwd:", "aw:", "wg:", "sv:", "vs:", "tr:", "rv:", "antw:"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        Py_ssize_t size = (Py_ssize_t)strlen(starts[i]);
        if (subject.size >= size && same_but_case((Span){subject.at, size}, (Span){(const octet *)starts[i], size}))
            return 1;
    }
    return 0;
}

enum { LENGTH, CAPITALS, DIGITS, BEYOND, EXCLAIMED, QUOTED, COUNTS };

static void add_writing(Tokens *tokens, const Py_ssize_t *counts, Span subject, Py_ssize_t characters)
{
    Py_ssize_t size = counts[LENGTH] < 1 ? 1 : counts[LENGTH] < 2000 ? counts[LENGTH] : 2000;
    add_grade(tokens, "len=", counts[LENGTH] / 16);
    add_number(tokens, "up=", 10 * counts[CAPITALS] / size);
    add_number(tokens, "dg=", 20 * counts[DIGITS] / size);
    add_number(tokens, "na=", 10 * counts[BEYOND] / size);
    add_grade(tokens, "ex=", counts[EXCLAIMED]);
    add_grade(tokens, "qu=", counts[QUOTED]);
    add_grade(tokens, "sl=", characters / 4);
    add_word(tokens, "re=", is_reply(subject) ? "1" : "0");
}

/* Those of ``names`` that ``index`` has; 0 on error. */
static int add_present(Tokens *tokens, PyObject *names, PyObject *index)
{
    for (Py_ssize_t i = 0, count = PyTuple_Size(names); i < count; i++) {
        PyObject *name = PyTuple_GetItem(names, i);
        Span form;
        int has = PyDict_Contains(index, name);
        if (has < 0 || !utf8_of(name, &form)) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_ValueError, "a name without UTF-8");
            return 0;
        }
        if (has)
            add(tokens, "h:", (const char *)form.at, form.size);
    }
    return 1;
}

/* The header values as UTF-8: 1 all taken, 0 what only Python can tell, -1 error. */
static int take_values(PyObject *given, Span *values)
{
    if (PyTuple_Size(given) != VALUES) {
        PyErr_Format(PyExc_ValueError, "%d header values, not %zd", VALUES, PyTuple_Size(given));
        return -1;
    }
    for (int i = 0; i < VALUES; i++) {
        if (!utf8_of(PyTuple_GetItem(given, i), &values[i]))
            return PyErr_Occurred() ? -1 : 0;
        if (i < CC && values[i].size != PyUnicode_GetLength(PyTuple_GetItem(given, i)) && folds_to_ascii(values[i]))
            return 0;
    }
    return values[SENDER].size <= LONGEST_SENDER;
}

static void add_pairs(Tokens *tokens, int links)
{
    static const int senders[] = {0, 1, 2, 4};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            add_pair(tokens, senders[i], links + j);
}

/* relations(values, links, counts, names, index) -> bytes | None: all relation tokens of a mail
 *
 * values  from, message-id, reply-to, to, cc, subject; links  of which the first 60 count; counts  characters of the
 * text, then of its start capitals, digits, characters beyond ASCII, exclamation marks, quoted lines; names  of
 * headers that are looked for in index.  None where Python has to look. */
PyObject *kernel_relations(PyObject *self, PyObject *args)
{
    PyObject *given, *all, *names, *index;
    Py_ssize_t counts[COUNTS];
    Span values[VALUES];
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!(nnnnnn)O!O!", &PyTuple_Type, &given, &PyTuple_Type, &all, &counts[LENGTH],
                          &counts[CAPITALS], &counts[DIGITS], &counts[BEYOND], &counts[EXCLAIMED], &counts[QUOTED],
                          &PyTuple_Type, &names, &PyDict_Type, &index))
        return NULL;
    Links links = {.hosts = 0, .images = 0, .numeric = 0};
    int state = take_values(given, values);
    if (state == 1)
        state = take_links(all, &links);
    if (state < 1)
        return state < 0 ? NULL : Py_NewRef(Py_None);
    Tokens tokens = {.size = 0, .full = 0, .count = 0};
    Span here = domain_of(values[SENDER]), identity = domain_of(values[IDENTITY]);
    add_sender(&tokens, values, here, identity);
    int first = tokens.count;
    add_links(&tokens, &links, here, identity);
    add_writing(&tokens, counts, values[SUBJECT], PyUnicode_GetLength(PyTuple_GetItem(given, SUBJECT)));
    if (!tokens.full)
        add_pairs(&tokens, first);
    if (!add_present(&tokens, names, index))
        return NULL;
    return tokens.full ? Py_NewRef(Py_None) : PyBytes_FromStringAndSize(tokens.at, tokens.size);
}

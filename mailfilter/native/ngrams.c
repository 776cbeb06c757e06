/* Hashing, telling doubles and summing of weights; the twin is in mailfilter/classifier/features.py and model.py. */

#include "kernel.h"

#define BITS 20
#define SLOTS ((size_t)1 << BITS)
#define GRAM 0x9E3779B1u
#define POWER 0x5851F42D4C957F2Dull
#define PAIR 0xD6E8FEB86659FD93ull
#define MIX 0x9E3779B97F4A7C15ull
#define LONGEST 16384
#define UNSEEN (-128)
#define MOST_VIEWS 64

/* The slots of one view, each once.  ``seen`` has a bit per slot, all clear between views: whatever slots a sender
 * aims at, noting one takes the same time. */
typedef struct {
    uint64_t *seen;
    uint32_t *list;
    size_t count;
    const int8_t *weights;
} Slots;

#if defined(__GNUC__)
#define SOON(address) __builtin_prefetch(address)
#else
#define SOON(address) ((void)0)
#endif

static inline void note(Slots *slots, uint32_t slot)
{
    uint64_t bit = 1ull << (slot & 63), *word = &slots->seen[slot >> 6];
    uint64_t fresh = !(*word & bit);
    /* Without a branch: whether a slot is new is anybody's guess.  The list has room for one more than there are. */
    SOON(&slots->weights[slot]);
    slots->list[slots->count] = slot;
    slots->count += fresh;
    *word |= bit;
}

static inline uint32_t word_at(const octet *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void note_grams(Slots *slots, const octet *p, Py_ssize_t size)
{
    for (Py_ssize_t i = 0; i + 4 <= size; i++) {
        note(slots, (uint32_t)(word_at(p + i) * GRAM) >> (32 - BITS));
    }
}

/* Words between single spaces, and pairs of neighbours. */
static void note_tokens(Slots *slots, const octet *p, Py_ssize_t size)
{
    uint64_t before = 0;
    int has_before = 0;
    Py_ssize_t i = 0;
    size = size < LONGEST ? size : LONGEST;
    while (i < size) {
        if (p[i] == ' ') { /* more than one space: no neighbours */
            has_before = 0;
            i++;
            continue;
        }
        uint64_t hash = 0, power = 1;
        for (; i < size && p[i] != ' '; i++, power *= POWER)
            hash += p[i] * power;
        note(slots, (uint32_t)((hash * MIX) >> (64 - BITS)));
        if (has_before)
            note(slots, (uint32_t)(((before * PAIR + hash) * MIX) >> (64 - BITS)));
        before = hash;
        has_before = 1;
        i++; /* the space after it */
    }
}

/* Sum and number of known weights; leaves all bits of ``seen`` clear. */
static void sum_up(Slots *slots, int64_t *sum, int64_t *known)
{
    int64_t total = 0, unseen = 0;
    for (size_t i = 0; i < slots->count; i++) {
        int weight = slots->weights[slots->list[i]];
        total += weight;
        unseen += weight == UNSEEN;
        slots->seen[slots->list[i] >> 6] = 0;
    }
    *sum += total - UNSEEN * unseen;
    *known += (int64_t)slots->count - unseen;
}

/* Most slots that a text can have. */
static size_t most_slots(Py_ssize_t size) { return (size_t)size + 3; }

/* 0 for no memory.  ``seen`` has a bit per slot, all clear before and after. */
static int weigh_all(const Span *texts, Py_ssize_t views, const octet *kinds, const octet *parts, uint64_t *seen,
                     const int8_t *weights, int64_t *sums, int64_t *known, int64_t *total)
{
    size_t longest = 0;
    for (Py_ssize_t i = 0; i < views; i++)
        if ((size_t)texts[i].size > longest)
            longest = (size_t)texts[i].size;
    Slots slots = {seen, malloc(most_slots((Py_ssize_t)longest) * sizeof(uint32_t)), 0, weights};
    if (!slots.list)
        return 0;
    for (Py_ssize_t i = 0; i < views; i++) {
        slots.count = 0;
        slots.weights = weights + (size_t)i * SLOTS;
        note(&slots, 0); /* the part's constant */
        (kinds[i] ? note_tokens : note_grams)(&slots, texts[i].at, texts[i].size);
        *total += (int64_t)slots.count;
        sum_up(&slots, &sums[parts[i]], &known[parts[i]]);
    }
    free(slots.list);
    return 1;
}

/* ``given`` is a tuple: its bytes stay while the interpreter's lock is released. */
static PyObject *weigh_views(State *state, PyObject *given, const octet *kinds, const octet *parts, Py_ssize_t views,
                             const Py_buffer *weights)
{
    Span texts[MOST_VIEWS];
    int64_t sums[MOST_VIEWS] = {0}, known[MOST_VIEWS] = {0}, total = 0;
    Py_ssize_t most = 0;
    int good;
    for (Py_ssize_t i = 0; i < views; i++) {
        PyObject *text = PyTuple_GetItem(given, i);
        if (!text || parts[i] >= MOST_VIEWS)
            return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "part %d of a view", (int)parts[i]);
        if (PyBytes_AsStringAndSize(text, (char **)&texts[i].at, &texts[i].size) < 0)
            return NULL;
        most = parts[i] + 1 > most ? parts[i] + 1 : most;
    }
    /* 128 kB that are clear already: made anew for each mail they cost a tenth of this. */
    uint64_t *seen = state->seen;
    state->seen = NULL;
    if (!seen && !(seen = calloc(SLOTS / 64, sizeof(uint64_t))))
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    good = weigh_all(texts, views, kinds, parts, seen, weights->buf, sums, known, &total);
    Py_END_ALLOW_THREADS
    if (state->seen)
        free(seen);
    else
        state->seen = seen;
    if (!good)
        return PyErr_NoMemory();
    PyObject *result = PyList_New(0);
    for (Py_ssize_t i = 0; result && i <= 2 * most; i++) {
        PyObject *number = PyLong_FromLongLong(i == 0 ? total : i <= most ? known[i - 1] : sums[i - most - 1]);
        if (!number || PyList_Append(result, number) < 0)
            Py_CLEAR(result);
        Py_XDECREF(number);
    }
    return result;
}

/* weigh(texts: tuple[bytes, ...], kinds: bytes, parts: bytes, weights) -> [n-grams, known of each part…, sum of each…]
 *
 * kinds  0 for 4-byte windows, 1 for words; parts  position of each view's part. */
PyObject *kernel_weigh(PyObject *self, PyObject *args)
{
    PyObject *texts;
    const char *kinds, *parts;
    Py_ssize_t views, more;
    Py_buffer weights;
    if (!PyArg_ParseTuple(args, "O!y#y#y*", &PyTuple_Type, &texts, &kinds, &views, &parts, &more, &weights))
        return NULL;
    PyObject *result = NULL;
    if (PyTuple_Size(texts) != views || more != views || views > MOST_VIEWS)
        PyErr_Format(PyExc_ValueError, "texts, kinds and parts have to be of one length, at most %d", MOST_VIEWS);
    else if (weights.itemsize != 1 || (size_t)weights.len != (size_t)views * SLOTS)
        PyErr_Format(PyExc_ValueError, "%zd weights do not fit %zd views", weights.len, views);
    else
        result = weigh_views(PyModule_GetState(self), texts, (const octet *)kinds, (const octet *)parts, views, &weights);
    PyBuffer_Release(&weights);
    return result;
}

/* anchors(text: bytes, table) -> list[int]: the places, in steps of two, where eight bytes stand whose hash ``table``
 * (1 << 20 bits) has; the twin is in mailfilter/checks/_phrases.py. */
PyObject *kernel_anchors(PyObject *self, PyObject *args)
{
    const char *given;
    Py_ssize_t size;
    Py_buffer table;
    (void)self;
    if (!PyArg_ParseTuple(args, "y#y*", &given, &size, &table))
        return NULL;
    PyObject *places = NULL;
    if ((size_t)table.len != SLOTS / 8)
        PyErr_Format(PyExc_ValueError, "a table of %zd octets, not %zd", table.len, (Py_ssize_t)SLOTS / 8);
    else
        places = PyList_New(0);
    const octet *p = (const octet *)given, *marked = table.buf;
    for (Py_ssize_t i = 0; places && i + 8 <= size; i += 2) {
        uint32_t hash = (word_at(p + i) * 0x9E3779B1u ^ word_at(p + i + 4) * 0x85EBCA77u) >> (32 - BITS);
        if (!(marked[hash >> 3] >> (hash & 7) & 1))
            continue;
        PyObject *place = PyLong_FromSsize_t(i);
        if (!place || PyList_Append(places, place) < 0)
            Py_CLEAR(places);
        Py_XDECREF(place);
    }
    PyBuffer_Release(&table);
    return places;
}

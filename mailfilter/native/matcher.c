/* A pattern looked for in a text, with a limit on the steps that it may take: the twin is `regex` in
 * mailfilter/ruleset/exact.py, which decides where the steps do not suffice.  Programs are made by
 * mailfilter/ruleset/program.py: a head, instructions of five numbers each, sets of octets of 32 bytes each. */

#include "kernel.h"

enum { CHAR, SET, JUMP, SPLIT, GREEDY, LAZY, POSSESSIVE, SAVE, REFERENCE, LOOK, LOOKED, AT, MATCH };
enum { START, LINE_START, END, LINE_END, VERY_END, BOUNDARY, NO_BOUNDARY };
enum { AHEAD, NOT_AHEAD, ATOMIC };
enum { BRANCH, SHORTER, LONGER, RESTORE, BARRIER };
enum { NONE = -1, GAVE_UP = -2 };
enum { SLOTS = 20, FRAMES = 2048 };

typedef struct { int32_t op, a, b, c, next; } Instruction;

/* What is left to try: where in the program and in the text, and how far, by kind. */
typedef struct { int32_t kind, pc, at, limit; } Frame;

typedef struct {
    const Instruction *code;
    const octet *sets, *text;
    int32_t size, set_count, stop;
    int32_t steps;
    int32_t slots[SLOTS];
    int32_t top, barrier;
    Frame frames[FRAMES];
} Run;

/* A set: a table, or any octet (-1), or any octet but one (-2 less that one). */
static inline int is_in(const Run *r, int32_t set, octet c)
{
    if (set < 0)
        return set == -1 || c != -2 - set;
    return (uint32_t)set < (uint32_t)r->set_count && r->sets[32 * set + (c >> 3)] >> (c & 7) & 1;
}

static inline int is_word(octet c) { return is_lower(c) || is_upper(c) || is_digit(c) || c == '_'; }

static inline int push(Run *r, int32_t kind, int32_t pc, int32_t at, int32_t limit)
{
    if (r->top == FRAMES)
        return 0;
    r->frames[r->top++] = (Frame){kind, pc, at, limit};
    return 1;
}

static int holds(const Run *r, int32_t what, int32_t at)
{
    const octet *text = r->text;
    switch (what) {
    case START:
        return at == 0;
    case LINE_START:
        return at == 0 || text[at - 1] == '\n';
    case END:
        return at == r->stop || (at == r->stop - 1 && text[at] == '\n');
    case LINE_END:
        return at == r->stop || text[at] == '\n';
    case VERY_END:
        return at == r->stop;
    }
    int edge = (at > 0 && is_word(text[at - 1])) != (at < r->stop && is_word(text[at]));
    return what == BOUNDARY ? edge : !edge;
}

/* Where a run of the set ends, at most `most` octets on. */
static int32_t run_of(Run *r, int32_t set, int32_t at, int32_t most)
{
    int32_t stop = most >= 0 && most < r->stop - at ? at + most : r->stop, start = at;
    if (set < 0) {
        const octet *end = set == -1 || at == stop ? NULL : memchr(r->text + at, -2 - set, (size_t)(stop - at));
        at = end ? (int32_t)(end - r->text) : stop;
    }
    while (at < stop && is_in(r, set, r->text[at]))
        at++;
    r->steps -= (at - start) >> 3;
    return at;
}

/* One octet more for a repeat as short as may be, and on to where the next octet is the one that must come, if that is
 * known; NONE if there is no more. */
static int32_t longer(Run *r, const Instruction *in, int32_t at, int32_t limit)
{
    int32_t start = at;
    do {
        if (at >= limit || !is_in(r, in->a, r->text[at])) {
            r->steps -= (at - start) >> 3;
            return NONE;
        }
        at++;
        if (in->a == -1 && in->next >= 0 && at < limit) {
            const octet *next = memchr(r->text + at, in->next, (size_t)(limit - at));
            at = next ? (int32_t)(next - r->text) : limit;
        }
    } while (at < limit && in->next >= 0 && r->text[at] != in->next);
    r->steps -= (at - start) >> 3;
    return at;
}

/* The end of what a group matched, found again; -1 if it is not there. */
static int32_t again(Run *r, const Instruction *in, int32_t at)
{
    int32_t start = r->slots[2 * in->a], size = r->slots[2 * in->a + 1] - start;
    if (start < 0 || size < 0 || size > r->stop - at)
        return NONE;
    int32_t same = 0;
    for (; same < size; same++) {
        octet one = r->text[start + same], other = r->text[at + same];
        if (one != other && !(in->b && to_lower(one) == to_lower(other)))
            break;
    }
    r->steps -= same >> 3;
    return same == size ? at + size : NONE;
}

/* Go back to what is left to try; 0 if nothing is. */
static int back(Run *r, int32_t *pc, int32_t *at)
{
    while (r->top) {
        Frame *f = &r->frames[r->top - 1];
        const Instruction *in = &r->code[(uint32_t)f->pc < (uint32_t)r->size ? f->pc : 0];
        int32_t here = f->at;
        switch (f->kind) {
        case BRANCH:
            r->top--;
            *pc = f->pc, *at = here;
            return 1;
        case SHORTER:
            do
                here--;
            while (here > f->limit && in->next >= 0 && r->text[here] != in->next);
            r->steps -= (f->at - here) >> 3;
            f->at = here;
            if (here <= f->limit)
                r->top--;
            *pc = f->pc + 1, *at = here;
            return 1;
        case LONGER:
            here = longer(r, in, here, f->limit);
            if (here == NONE) {
                r->top--;
                break;
            }
            f->at = here;
            *pc = f->pc + 1, *at = here;
            return 1;
        case RESTORE:
            r->slots[f->pc] = here;
            r->top--;
            break;
        default:
            r->barrier = f->limit;
            r->top--;
            if (in->a == NOT_AHEAD) {
                *pc = in->b, *at = here;
                return 1;
            }
        }
    }
    return 0;
}

/* A repeat of a set: the longest run, or the shortest, and the others for later.  Where it is now, or NONE. */
static int32_t repeat(Run *r, const Instruction *in, int32_t pc, int32_t at)
{
    if (in->b < 0 || in->b > r->stop - at)
        return NONE;
    int32_t least = at + in->b;
    if (in->op == LAZY) {
        int32_t limit = in->c >= 0 && in->c < r->stop - at ? at + in->c : r->stop;
        if (in->b && run_of(r, in->a, at, in->b) != least)
            return NONE;
        return limit <= least || push(r, LONGER, pc, least, limit) ? least : GAVE_UP;
    }
    int32_t end = run_of(r, in->a, at, in->c);
    if (end < least)
        return NONE;
    return in->op == POSSESSIVE || end == least || push(r, SHORTER, pc, end, least) ? end : GAVE_UP;
}

/* The end of a look-around or an atomic group: what was left to try within it is dropped.  NONE where it must not be. */
static int32_t leave(Run *r, int32_t at)
{
    Frame f = r->frames[r->barrier];
    int32_t kind = r->code[f.pc].a;
    r->top = r->barrier;
    r->barrier = f.limit;
    return kind == NOT_AHEAD ? NONE : kind == AHEAD ? f.at : at;
}

/* The end of the match that starts at `at`, NONE or GAVE_UP. */
static int32_t match_at(Run *r, int32_t at)
{
    int32_t pc = 0;
    r->top = 0, r->barrier = -1;
    for (;;) {
        if (--r->steps < 0 || pc < 0 || pc >= r->size)
            return GAVE_UP;
        const Instruction *in = &r->code[pc++];
        switch (in->op) {
        case CHAR:
            at = at < r->stop && r->text[at] == in->a ? at + 1 : NONE;
            break;
        case SET:
            at = at < r->stop && is_in(r, in->a, r->text[at]) ? at + 1 : NONE;
            break;
        case JUMP:
            pc = in->a;
            break;
        case SPLIT:
            if (!push(r, BRANCH, in->b, at, 0))
                return GAVE_UP;
            pc = in->a;
            break;
        case GREEDY:
        case LAZY:
        case POSSESSIVE:
            at = repeat(r, in, pc - 1, at);
            break;
        case SAVE:
            if ((uint32_t)in->a >= SLOTS || !push(r, RESTORE, in->a, r->slots[in->a], 0))
                return GAVE_UP;
            r->slots[in->a] = at;
            break;
        case REFERENCE:
            if ((uint32_t)in->a >= SLOTS / 2)
                return GAVE_UP;
            at = again(r, in, at);
            break;
        case LOOK:
            if (!push(r, BARRIER, pc - 1, at, r->barrier))
                return GAVE_UP;
            r->barrier = r->top - 1;
            at = in->c >= 0 && in->c <= at ? at - in->c : NONE;
            break;
        case LOOKED:
            if (r->barrier < 0)
                return GAVE_UP;
            at = leave(r, at);
            break;
        case AT:
            at = holds(r, in->a, at) ? at : NONE;
            break;
        case MATCH:
            return at;
        default:
            return GAVE_UP;
        }
        if (at == GAVE_UP)
            return GAVE_UP;
        if (at == NONE && !back(r, &pc, &at))
            return NONE;
    }
}

/* A match starts with so many octets of the set `first`: the place itself, or the one after the last octet of these
 * that is not of the set.  Looked at from behind, most of a text is passed over. */
static int32_t past_breaks(const Run *r, int32_t at, int32_t first, int32_t least)
{
    if (least > r->stop - at)
        return r->stop + 1;
    for (int32_t last = at + least - 1; last >= at; last--)
        if (!is_in(r, first, r->text[last]))
            return last + 1;
    return at;
}

/* The next place from which a match may start: an octet of the set `first` (-1: any), at the start of the text or of
 * a line where the pattern wants that; past the end if there is none. */
static int32_t next_start(const Run *r, int32_t at, int32_t first, int32_t anchor)
{
    for (;; at++) {
        if (anchor == START && at > 0)
            return r->stop + 1;
        if (anchor == LINE_START && at > 0 && at <= r->stop && r->text[at - 1] != '\n') {
            const octet *end = at < r->stop ? memchr(r->text + at, '\n', (size_t)(r->stop - at)) : NULL;
            if (!end)
                return r->stop + 1;
            at = (int32_t)(end - r->text) + 1;
        }
        if (first < 0 || at >= r->stop)
            return first < 0 || at > r->stop ? at : r->stop + 1;
        if (anchor < 0)
            while (at < r->stop && !is_in(r, first, r->text[at]))
                at++;
        if (at < r->stop && is_in(r, first, r->text[at]))
            return at;
    }
}

/* (program, text, start, stop, steps, most) -> how many matches that do not overlap, at most `most` of them; None when
 * the steps do not suffice.  With `most` 1 it is where the first one ends, -1 if there is none. */
PyObject *kernel_find(PyObject *self, PyObject *args)
{
    Span program, text;
    Py_ssize_t start, stop;
    int steps, most;
    if (!PyArg_ParseTuple(args, "y#y#nnii", &program.at, &program.size, &text.at, &text.size, &start, &stop, &steps, &most))
        return NULL;
    Run r;
    int32_t head[5];
    if (program.size < (Py_ssize_t)sizeof head || stop > text.size || start < 0 || start > stop || stop > INT32_MAX / 2)
        Py_RETURN_NONE;
    memcpy(head, program.at, sizeof head);
    Py_ssize_t code = head[0] * (Py_ssize_t)sizeof(Instruction), sets = head[1] * (Py_ssize_t)32;
    if (head[0] < 1 || head[1] < 0 || (Py_ssize_t)sizeof head + code + sets != program.size)
        Py_RETURN_NONE;
    r.code = (const Instruction *)(program.at + sizeof head);
    r.sets = program.at + sizeof head + code;
    r.size = head[0], r.set_count = head[1];
    r.text = text.at, r.stop = (int32_t)stop, r.steps = steps;
    memset(r.slots, 0xff, sizeof r.slots);
    int32_t at = (int32_t)start, found = 0;
    for (;;) {
        at = next_start(&r, at, head[2], head[3]);
        if (head[4] > 0 && head[2] >= 0 && at <= r.stop) {
            int32_t after = past_breaks(&r, at, head[2], head[4]);
            if (after != at) {
                at = after;
                r.steps--;
                if (at <= r.stop)
                    continue;
            }
        }
        if (at > r.stop)
            return PyLong_FromLong(most == 1 ? NONE : found);
        r.steps--;
        int32_t end = match_at(&r, at);
        if (end == GAVE_UP)
            Py_RETURN_NONE;
        if (end == NONE) {
            at++;
            continue;
        }
        if (most == 1)
            return PyLong_FromLong(end);
        if (++found == most)
            return PyLong_FromLong(found);
        at = end > at ? end : at + 1;
        memset(r.slots, 0xff, sizeof r.slots);
    }
}

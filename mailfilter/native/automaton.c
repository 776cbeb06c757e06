/* A table of states followed over a text; its twin is hyperscan, which mailfilter/ruleset/automaton.py takes the work
 * from.  A table holds a row of 16-bit numbers a state, one a class of octets: the next state in the low 15 bits, the
 * highest bit set where something ends there; 0 where nobody has been yet. */

#include "kernel.h"

enum { ENDS = 0x8000, UNKNOWN = 0x10000 };

/* (table, classes of the 256 octets, width of a row, text, place, state) -> place << 17 | state, where something ends,
 * at the end of the text, or, with the bit UNKNOWN set, before an octet with which nobody has been in that state. */
PyObject *kernel_follow(PyObject *self, PyObject *args)
{
    Py_buffer table, text;
    Span classes;
    Py_ssize_t width, at;
    long state;
    if (!PyArg_ParseTuple(args, "y*y#ny*nl", &table, &classes.at, &classes.size, &width, &text, &at, &state))
        return NULL;
    const uint16_t *rows = table.buf;
    const octet *octets = text.buf;
    size_t room = (size_t)table.len / sizeof *rows;
    long flags = 0;
    if (classes.size != 256 || width < 1 || at < 0 || state < 0)
        at = text.len;
    while (at < text.len) {
        size_t place = (size_t)state * (size_t)width + classes.at[octets[at]];
        uint16_t next = place < room ? rows[place] : 0;
        if (!next) {
            flags = UNKNOWN;
            break;
        }
        at++;
        state = next & (ENDS - 1);
        if (next & ENDS)
            break;
    }
    PyBuffer_Release(&table);
    PyBuffer_Release(&text);
    return PyLong_FromLongLong((long long)at << 17 | flags | state);
}

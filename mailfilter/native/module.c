/* mailfilter._kernel: the inner loops of reading and classifying in C; optional, see mailfilter/kernel.py. */

#include "kernel.h"

static PyMethodDef methods[] = {
    {"weigh", kernel_weigh, METH_VARARGS, "N-grams of a mail: how many, how many known and their weights, by part."},
    {"squeeze", kernel_squeeze, METH_O, "UTF-8 in the form that views hold."},
    {"skeleton", kernel_skeleton, METH_VARARGS, "Tags and names of attributes and properties of HTML."},
    {"tidy", kernel_tidy, METH_O, "References decoded, runs of blanks made one, empty lines dropped; None where Python has to."},
    {"text_links", kernel_text_links, METH_VARARGS, "Links in plain text; None where Python has to look."},
    {"host", kernel_host, METH_O, "The host of an address of the web; None for an odd form."},
    {"plain", kernel_plain, METH_O, "A text in the form that views hold; None for what Python has to normalise."},
    {"relations", kernel_relations, METH_VARARGS, "How sender, links and text relate; None where Python has to look."},
    {"header_block", kernel_header_block, METH_VARARGS, "The headers of a well-formed block; None for an odd one."},
    {"header_text", kernel_header_text, METH_O, "A header's value; None for one that has to be decoded."},
    {"mailbox", kernel_mailbox, METH_O, "The one mailbox of a header; None for any but the common form."},
    {"count", kernel_count, METH_O, "What stands out in a text; None where Python has to look."},
    {"link_view", kernel_link_view, METH_O, "Where links lead, as views hold it; None where Python has to look."},
    {"holds_begin", kernel_holds_begin, METH_VARARGS, "Whether a line may be the beginning of a uuencoded file."},
    {"anchors", kernel_anchors, METH_VARARGS, "Places where a phrase may stand."},
    {"date", kernel_date, METH_VARARGS, "A date of the common form in seconds; None for others."},
    {"phrase_text", kernel_phrase_text, METH_VARARGS, "A text as phrases are compared; None for what is not ASCII."},
    {"holds", kernel_holds, METH_VARARGS, "Which needles are in a text."},
    {"may_hold", kernel_may_hold, METH_VARARGS, "Whether a text may hold one of many words."},
    {"client", kernel_client, METH_O, "HELO, name and address in a Received field of the common form."},
    {"walk", kernel_walk, METH_VARARGS, "Take HTML apart; None where Python has to."},
    {"tag", kernel_tag, METH_O, "What is known of a tag."},
    {"follow", kernel_follow, METH_VARARGS, "A table of states followed over a text."},
    {"find", kernel_find, METH_VARARGS, "A pattern looked for in a text, in so many steps; None where they do not suffice."},
    {"rule_text", kernel_rule_text, METH_O, "HTML rendered for rules, and its URIs; None where Python has to."},
    {"rule_paragraphs", kernel_rule_paragraphs, METH_O, "Text as body rules see it; None for what has no UTF-8."},
    {"rule_words", kernel_rule_words, METH_O, "Words that may hold a URI."},
    {"rule_facts", kernel_rule_facts, METH_VARARGS, "What rules ask about HTML; None where Python has to look."},
    {"rule_fields", kernel_rule_fields, METH_VARARGS, "Header fields as rules see them."},
    {NULL, NULL, 0, NULL},
};

/* Counted up with every change of what a function takes or gives; mailfilter/kernel.py wants its own number. */
#define VERSION 17

static int fill(PyObject *module)
{
    static const char *const origins[] = {"href", "src", "action"};
    State *state = PyModule_GetState(module);
    for (int i = 0; i < 3; i++)
        if (!(state->origins[i] = PyUnicode_InternFromString(origins[i])))
            return -1;
    return PyModule_AddIntConstant(module, "VERSION", VERSION);
}

static void let_go(void *module)
{
    State *state = PyModule_GetState(module);
    if (!state)
        return;
    for (int i = 0; i < KEPT_NAMES; i++) {
        Py_CLEAR(state->names[i].written);
        Py_CLEAR(state->names[i].lower);
    }
    for (int i = 0; i < 3; i++)
        Py_CLEAR(state->origins[i]);
    free(state->seen);
    state->seen = NULL;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)fill}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_kernel", "The inner loops of mailfilter in C.", sizeof(State), methods, slots, NULL, NULL, let_go,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&definition); }

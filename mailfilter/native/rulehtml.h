/* Shared by the files that read HTML as rules in SpamAssassin's language want it. */

#ifndef MAILFILTER_RULEHTML_H
#define MAILFILTER_RULEHTML_H

#include "html.h"

/* A source split at its ``<``; the chunk before the first is not a tag. */
typedef struct {
    const octet *at, *end;     /* start of the next chunk, past the end when there is none; end of the source */
    Buffer joined;             /* attributes that do not stand in the source as they are read */
} Chunks;

/* The next chunk; only while ``at <= end``. */
Span next_chunk(Chunks *s);

/* The text after a comment, declaration or processing instruction, or after a ``<`` that is only that. */
Span other_text(Chunks *s, Span chunk);

/* Part a tag behind its name into attributes and the text that follows it; 0 for no memory. */
int split_tag(Chunks *s, Span behind, Span *attributes, Span *text);

/* The content of an element in which tags are no tags; ``name`` in lower case. */
Span literal_text(Chunks *s, Span name, Span text);

/* Whether a name (lower case, less its slashes) is one of an element in which tags are no tags. */
int is_literal(Span name);

/* Whether white space or letters beyond ASCII are in a tag that patterns heed. */
int is_odd(Span text);

/* The value of the first attribute ``name``: 1 if there is one. */
int find_value(Span attributes, const char *name, Span *value);

/* ``= value`` at ``i``: where it ends, 0 if there is none. */
Py_ssize_t read_assigned(Span attributes, Py_ssize_t i, Span *value);

static inline int is_name(Span name, const char *word)
{
    return (size_t)name.size == strlen(word) && !memcmp(name.at, word, (size_t)name.size);
}

/* Whether ``word`` (lower case) stands at ``i``, letter case passed over. */
static inline int stands_at(Span text, Py_ssize_t i, const char *word)
{
    for (; *word; word++, i++)
        if (i >= text.size || to_lower(text.at[i]) != (octet)*word)
            return 0;
    return 1;
}

#endif

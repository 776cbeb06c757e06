/* Who registered a host, guessed without a list; the twin is in mailfilter/classifier/relations.py. */

#include "kernel.h"

int same_but_case(Span a, Span b)
{
    if (a.size != b.size)
        return 0;
    for (Py_ssize_t i = 0; i < a.size; i++)
        if (to_lower(a.at[i]) != to_lower(b.at[i]))
            return 0;
    return 1;
}

static int is_second(Span label)
{
    static const char *const known[] = {"com", "net", "org", "gov", "edu"};
    if (label.size == 2)
        return 1;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (same_but_case(label, (Span){(const octet *)known[i], 3}))
            return 1;
    return 0;
}

Span organisation_of(Span host)
{
    const octet *start = host.at, *end = host.at + host.size, *label[3]; /* where the last, second and third to last start */
    int found = 0;
    while (start < end && *start == '.')
        start++;
    while (end > start && end[-1] == '.')
        end--;
    for (const octet *p = end; found < 3; p--) {
        if (p > start && p[-1] != '.')
            continue;
        label[found++] = p;
        if (p <= start)
            break;
    }
    if (found == 3 && end - label[0] == 2 && is_second((Span){label[1], label[0] - 1 - label[1]}))
        return (Span){label[2], end - label[2]};
    const octet *first = label[found < 2 ? 0 : 1];
    return (Span){first, end - first};
}

Span domain_of(Span text)
{
    const octet *end = text.at + text.size;
    for (const octet *p = end; p > text.at; p--) {
        if (p[-1] != '@' || p == end || !in_host(*p))
            continue;
        const octet *stop = p;
        while (stop < end && in_host(*stop))
            stop++;
        return organisation_of((Span){p, stop - p});
    }
    return (Span){end, 0};
}

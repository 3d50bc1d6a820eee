/* SPDX-License-Identifier: MIT */
/* The pattern as a machine whose states are its positions; all that are possible are followed at once. */
#include "core/tool/glob.h"

#include <stdint.h>

struct states {
    uint8_t is_in[GLOB_MAX + 1];
};

/* The length of what stands at `at`: one unit of the pattern. */
static size_t unit(struct span p, size_t at)
{
    size_t end = at + 1;

    if (p.ptr[at] == '*')
        return at + 1 < p.len && p.ptr[at + 1] == '*' ? 2 : 1;
    if (p.ptr[at] == '\\' && at + 1 < p.len)
        return 2;
    if (p.ptr[at] != '[')
        return 1;
    if (end < p.len && (p.ptr[end] == '!' || p.ptr[end] == '^'))
        end++;
    if (end < p.len && p.ptr[end] == ']')
        end++;
    while (end < p.len && p.ptr[end] != ']')
        end++;
    return end < p.len ? end + 1 - at : 1; /* not closed: the character itself */
}

static bool in_class(struct span set, char c)
{
    bool is_not = set.ptr[1] == '!' || set.ptr[1] == '^', is_in = false;
    size_t i = is_not ? 2 : 1;

    for (; i + 1 < set.len; i++) {
        if (i + 3 < set.len && set.ptr[i + 1] == '-') {
            is_in |= (unsigned char) c >= (unsigned char) set.ptr[i] &&
                     (unsigned char) c <= (unsigned char) set.ptr[i + 2];
            i += 2;
        } else {
            is_in |= c == set.ptr[i];
        }
    }
    return is_in != is_not && c != '/';
}

static bool takes(struct span p, size_t at, size_t len, char c)
{
    if (p.ptr[at] == '*')
        return len == 2 || c != '/';
    if (p.ptr[at] == '?')
        return c != '/';
    if (p.ptr[at] == '[' && len > 1)
        return in_class(span_make(p.ptr + at, len), c);
    return c == p.ptr[at + len - 1];
}

/* Stars may take nothing; "**" with its slash may take no component at all, where one begins. */
static void spread(struct span p, const size_t *units, bool is_begin, struct states *s)
{
    for (size_t at = 0; at < p.len; at++) {
        size_t len = units[at];

        if (!s->is_in[at] || p.ptr[at] != '*')
            continue;
        s->is_in[at + len] = 1;
        if (is_begin && len == 2 && at + 2 < p.len && p.ptr[at + 2] == '/' &&
            (at == 0 || p.ptr[at - 1] == '/'))
            s->is_in[at + 3] = 1;
    }
}

static bool match(struct span p, struct span text)
{
    struct states now = { .is_in = { 1 } };
    size_t units[GLOB_MAX];

    for (size_t at = 0; at < p.len; at++)
        units[at] = unit(p, at);
    spread(p, units, true, &now);
    for (size_t i = 0; i < text.len; i++) {
        struct states next = { .is_in = { 0 } };

        for (size_t at = 0; at < p.len; at++) {
            if (now.is_in[at] && takes(p, at, units[at], text.ptr[i]))
                next.is_in[p.ptr[at] == '*' ? at : at + units[at]] = 1;
        }
        spread(p, units, text.ptr[i] == '/', &next);
        now = next;
    }
    return now.is_in[p.len];
}

bool glob_match(struct span pattern, struct span path)
{
    const char *slash = path.len ? memrchr(path.ptr, '/', path.len) : NULL;

    if (pattern.len > GLOB_MAX)
        return false;
    if (pattern.len > 1 && span_starts(pattern, "./"))
        pattern = span_make(pattern.ptr + 2, pattern.len - 2);
    if (slash && !(pattern.len && memchr(pattern.ptr, '/', pattern.len)))
        path = span_make(slash + 1, (size_t) (path.ptr + path.len - slash - 1));
    return match(pattern, path);
}

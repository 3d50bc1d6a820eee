/* SPDX-License-Identifier: MIT */
/* The list of what does not pass. */
#include "core/egress/hop.h"

#include "core/egress/fields.h"

#include <strings.h>

#define NAMED_MAX 16 /* headers that Connection names; further ones pass, which harms only who named them */

static const char *const never[] = {
    "Connection",
    "Proxy-Connection",
    "Keep-Alive",
    "Transfer-Encoding",
    "Content-Length",
    "TE",
    "Trailer",
    "Proxy-Authorization",
    "Proxy-Authenticate",
    "Upgrade",
    "HTTP2-Settings",
    "Host",
    "Expect",
    "Proxy-Authentication-Info",
};

static const char *const vital[] = {
    "Host",   "Content-Length", "Transfer-Encoding", "Authorization", "Cookie", "Content-Type",
    "Expect", "Range",
};

struct names {
    struct span list[NAMED_MAX];
    size_t count;
};

bool hop_is_vital(struct span name)
{
    for (size_t i = 0; i < sizeof(vital) / sizeof(vital[0]); i++)
        if (span_is_nocase(name, vital[i]))
            return true;
    return false;
}

bool hop_is_ours(struct span name)
{
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (span_is_nocase(name, never[i]))
            return true;
    return false;
}

static bool same(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

static bool passes(const struct field *field, const struct names *named, const char *const *without)
{
    if (hop_is_ours(field->name))
        return false;
    for (; without && *without; without++)
        if (field_is(field, *without))
            return false;
    for (size_t i = 0; i < named->count; i++)
        if (same(field->name, named->list[i]))
            return false;
    return true;
}

static void collect_named(struct span fields, struct names *named)
{
    struct field field;
    struct span word;
    const char *why;

    while (field_next(&fields, &field, &why) > 0) {
        if (!field_is(&field, "Connection") && !field_is(&field, "Proxy-Connection"))
            continue;
        while (named->count < NAMED_MAX && list_next(&field.value, &word))
            named->list[named->count++] = word;
    }
}

int hop_copy(struct span fields, const char *const *without, struct buf *out)
{
    struct names named = { .count = 0 };
    struct field field;
    const char *why;
    int r = 0;

    collect_named(fields, &named);
    while (r == 0 && field_next(&fields, &field, &why) > 0)
        if (passes(&field, &named, without))
            r = buf_add_span(out, field.line);
    return r;
}

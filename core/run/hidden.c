/* SPDX-License-Identifier: MIT */
/* Hidden entries of an output's folder. */
#include "core/run/hidden.h"

#include <stdio.h>
#include <string.h>

#define NAMED_MAX 3

/* The part of `name` up to the end of the first hidden one in it; empty: none is. */
static struct span hidden_part(struct span name)
{
    size_t at = 0;

    while (at < name.len) {
        const char *slash = memchr(name.ptr + at, '/', name.len - at);
        size_t end = slash ? (size_t) (slash - name.ptr) : name.len;

        if (name.ptr[at] == '.')
            return span_make(name.ptr, end);
        at = end + 1;
    }
    return span_make(NULL, 0);
}

static void remember(struct hidden *h, struct span part)
{
    size_t room = sizeof(h->names) - h->len;
    int n = h->named < NAMED_MAX
                ? snprintf(h->names + h->len, room, "%s'" SPAN_FMT "'", h->len ? ", " : "", SPAN_ARG(part))
                : -1;

    if (n > 0 && (size_t) n < room) {
        h->len += (size_t) n;
        h->named++;
    } else {
        h->names[h->len] = '\0';
    }
    h->count++;
}

void hidden_look(struct hidden *h, const char *top, struct span path)
{
    const size_t prefix = strlen(top) + 1;
    struct span part = { NULL, 0 };

    if (path.len > prefix)
        part = hidden_part(span_make(path.ptr + prefix, path.len - prefix));
    if (part.len == 0 || span_is(part, h->last))
        return;
    remember(h, part);
    h->last[0] = '\0';
    if (part.len < sizeof(h->last))
        snprintf(h->last, sizeof(h->last), SPAN_FMT, SPAN_ARG(part));
}

int hidden_refuse(const struct hidden *h, struct err *err)
{
    char more[32] = "";

    if (h->count == 0)
        return 0;
    if (h->count > h->named)
        snprintf(more, sizeof(more), "%s%zu%s", h->named ? " and " : "", h->count - h->named,
                 h->named ? " more" : "");
    err_set(err, ERR_OUTPUT, "it holds hidden entries: %s%s", h->names, more);
    return err_hint(
        err, "programs of the host act upon such files (.git, .envrc, .vscode): let the agent write none; "
             "a manifest that you trust may say `hidden: true`");
}

/* SPDX-License-Identifier: MIT */
#include "core/base/json_canonical.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const struct tree *one = *(const struct tree *const *) a, *other = *(const struct tree *const *) b;
    size_t len = one->key.len < other->key.len ? one->key.len : other->key.len;
    int order = len ? memcmp(one->key.ptr, other->key.ptr, len) : 0;

    return order ? order : (one->key.len > other->key.len) - (one->key.len < other->key.len);
}

static void write_members(struct json_writer *w, const struct tree *value)
{
    const struct tree **members = calloc((size_t) value->count + 1, sizeof(*members));
    size_t count = 0;

    if (!members) {
        w->failed = w->failed ? w->failed : -ERR_INTERNAL;
        return;
    }
    tree_each (member, value)
        members[count++] = member;
    qsort(members, count, sizeof(*members), compare);
    for (size_t i = 0; i < count; i++) {
        json_key_span(w, members[i]->key);
        json_canonical(w, members[i]);
    }
    free(members);
}

void json_canonical(struct json_writer *w, const struct tree *value)
{
    int64_t whole;

    switch (value->kind) {
    case TREE_NULL:
        json_null(w);
        return;
    case TREE_BOOL:
        json_bool(w, value->is_true);
        return;
    case TREE_STRING:
        json_span(w, value->text);
        return;
    case TREE_NUMBER:
        if (tree_read_int(value, &whole))
            json_int(w, whole);
        else
            json_raw(w, value->text);
        return;
    case TREE_ARRAY:
        json_array(w);
        tree_each (item, value)
            json_canonical(w, item);
        json_array_end(w);
        return;
    case TREE_OBJECT:
        json_object(w);
        write_members(w, value);
        json_object_end(w);
        return;
    }
}

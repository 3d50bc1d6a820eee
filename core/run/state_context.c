/* SPDX-License-Identifier: MIT */
/* The fold of what the model was told of the workspace: which folders were looked into, and which are next.
 */
#include "core/run/state_impl.h"

#include <stdlib.h>
#include <string.h>

/* Where `folder` is, or would be, among those looked into. */
static size_t place_of(const struct run_context *c, const char *folder, size_t len)
{
    size_t low = 0, high = c->looked_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strncmp(c->looked[mid].folder, folder, len);

        if (order == 0 && c->looked[mid].folder[len] == '\0')
            return mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool has_looked(const struct run_context *c, const char *folder, size_t len)
{
    size_t at = place_of(c, folder, len);

    return at < c->looked_count && strncmp(c->looked[at].folder, folder, len) == 0 &&
           c->looked[at].folder[len] == '\0';
}

bool run_state_has_looked(const struct run_state *s, const char *folder)
{
    return has_looked(&s->context, folder, strlen(folder));
}

int64_t run_state_told_bytes(const struct run_state *s)
{
    int64_t sum = 0;

    for (size_t i = 0; i < s->context.looked_count; i++)
        sum = state_add(sum, s->context.looked[i].shown);
    return sum;
}

/* ---- what a turn has touched ---- */

void state_drop_touched(struct run_state *s)
{
    for (size_t i = 0; i < s->context.touched_count; i++)
        free(s->context.touched[i]);
    s->context.touched_count = 0;
}

static int touch(struct run_context *c, const char *folder, size_t len, struct err *err)
{
    char *copy;

    if (c->touched_count == RUN_TOUCHED_MAX || c->looked_count >= RUN_LOOKED_MAX ||
        has_looked(c, folder, len))
        return 0;
    for (size_t i = 0; i < c->touched_count; i++)
        if (strncmp(c->touched[i], folder, len) == 0 && c->touched[i][len] == '\0')
            return 0;
    copy = strndup(folder, len);
    if (!copy)
        return err_set(err, ERR_INTERNAL, "no memory for the state of the run");
    c->touched[c->touched_count++] = copy;
    return 0;
}

/* It, and those that it is in, the outer ones first. */
static int touch_all(struct run_context *c, const char *folder, struct err *err)
{
    int r = 0;

    for (const char *slash = strchr(folder, '/'); slash && r == 0; slash = strchr(slash + 1, '/'))
        r = touch(c, folder, (size_t) (slash - folder), err);
    return r < 0 || !*folder ? r : touch(c, folder, strlen(folder), err);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

int state_touch(struct run_state *s, struct err *err)
{
    struct run_context *c = &s->context;
    int r = 0;

    state_drop_touched(s);
    for (size_t i = 0; i < s->call_count && r == 0; i++)
        for (size_t k = 0; k < s->calls[i].folder_count && r == 0 && s->calls[i].runs > 0; k++)
            r = touch_all(c, s->calls[i].folders[k], err);
    qsort(c->touched, c->touched_count, sizeof(c->touched[0]), compare);
    return r;
}

/* ---- what was said ---- */

/* What is no longer part of the conversation may be said again. */
void state_forget_context(struct run_state *s)
{
    struct run_context *c = &s->context;
    size_t kept = 0;

    for (size_t i = 0; i < c->looked_count; i++)
        if (c->looked[i].at <= s->item_count)
            c->looked[kept++] = c->looked[i];
        else
            free(c->looked[i].folder);
    c->looked_count = kept;
}

void state_context_done(struct run_state *s)
{
    for (size_t i = 0; i < s->context.looked_count; i++)
        free(s->context.looked[i].folder);
    free(s->context.looked);
    state_drop_touched(s);
}

static int add_looked(struct run_state *s, const struct record_looked *from, struct err *err)
{
    struct run_context *c = &s->context;
    size_t at = place_of(c, from->folder, strlen(from->folder));
    struct run_looked looked = { .shown = from->shown, .at = s->item_count };
    void *list = c->looked;
    int r;

    if (has_looked(c, from->folder, strlen(from->folder)) || c->looked_count >= RUN_LOOKED_MAX)
        return 0;
    r = state_reserve(&list, &c->looked_cap, c->looked_count, sizeof(*c->looked), err);
    c->looked = list;
    if (r == 0)
        r = state_set_text(&looked.folder, from->folder, err);
    if (r < 0)
        return r;
    memmove(c->looked + at + 1, c->looked + at, (c->looked_count - at) * sizeof(*c->looked));
    c->looked[at] = looked;
    c->looked_count++;
    return 0;
}

/* Before the first answer it goes in front of the task: what is always so comes before what is asked. */
static int add_item(struct run_state *s, const struct record_blob *blob, struct err *err)
{
    struct run_item item = { .kind = RUN_ITEM_INPUT, .turn = s->turn, .is_pinned = true };
    bool is_there = blob->json.len > 0 || blob->size > 0;
    int r = is_there ? state_reserve_item(s, err) : 0;

    if (r == 0 && is_there)
        r = state_set_raw(&item, blob, err);
    if (r < 0 || !is_there)
        return r;
    if (s->turn > 0) {
        s->items[s->item_count++] = item;
        return 0;
    }
    memmove(s->items + 1, s->items, s->item_count * sizeof(*s->items));
    s->items[0] = item;
    s->base_items = ++s->item_count;
    return 0;
}

static bool can_look(const struct run_state *s, const struct record *rec)
{
    return rec->context.turn == s->turn && (s->phase == RUN_TURN_NONE || s->phase == RUN_TURN_ANSWERED);
}

int apply_context_begin(struct run_state *s, const struct record *rec, struct err *err)
{
    if (!can_look(s, rec) || s->context.phase == RUN_PART_STARTING)
        return state_misplaced(rec, err);
    s->context.phase = RUN_PART_STARTING;
    return 0;
}

/* A fork brings what it has looked into along, before anything starts. */
int apply_context_done(struct run_state *s, const struct record *rec, struct err *err)
{
    bool is_brought = s->turn == 0 && s->attempt == 0;
    int r;

    if (!can_look(s, rec) || (s->context.phase != RUN_PART_STARTING && !is_brought))
        return state_misplaced(rec, err);
    r = add_item(s, &rec->context.item, err);
    for (size_t i = 0; i < rec->context.looked_count && r == 0; i++)
        r = add_looked(s, &rec->context.looked[i], err);
    state_drop_touched(s);
    s->context.phase = RUN_PART_NONE;
    return r;
}

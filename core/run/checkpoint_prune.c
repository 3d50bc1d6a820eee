/* SPDX-License-Identifier: MIT */
/*
 * What may go. A pack goes when no checkpoint that stays needs a content whose home
 * it is; each content knows the last one that did, so no listing is read for this. A
 * tree record says what its pack holds, so it outlives it; and it stays as long as one is based on it.
 */
#include "core/run/checkpoint_impl.h"

#include <stdlib.h>
#include <string.h>

struct needs {
    bool pack, record;
};

static size_t position(const struct checkpoint_store *store, int64_t number)
{
    return (size_t) (checkpoint_stored(store, number) - store->list);
}

static void need_packs(const struct checkpoint_store *store, int64_t oldest, struct needs *needs)
{
    const struct contents *c = &store->contents;

    for (size_t i = 0; i < c->cap; i++) {
        const struct content_home *home = &c->homes[i];
        int64_t used = home->used > store->used_floor ? home->used : store->used_floor;

        if (home->member && home->pack && used >= oldest && checkpoint_stored(store, home->pack))
            needs[position(store, home->pack)].pack = true;
    }
}

static void need_records(const struct checkpoint_store *store, int64_t oldest, int64_t base,
                         struct needs *needs)
{
    if (checkpoint_stored(store, base))
        needs[position(store, base)].record = true;
    for (size_t i = store->count; i > 0; i--) { /* bases come before what is based on them */
        const struct stored *s = &store->list[i - 1];
        struct needs *own = &needs[i - 1];

        own->record = own->record || s->number >= oldest || (own->pack && !s->pack_is_pruned);
        if (own->record && checkpoint_stored(store, s->base))
            needs[position(store, s->base)].record = true;
    }
}

static int add_name(struct arena *arena, const char *name, struct record_text *list, int64_t *count,
                    struct err *err)
{
    list[*count].text = arena_text(arena, name);
    if (!list[*count].text)
        return err_set(err, ERR_INTERNAL, "no memory for a list of files");
    ++*count;
    return 0;
}

/* The newest first, a pack before its record: so a list that is cut off leaves nothing without its base. */
static int list_names(const struct checkpoint_store *store, const struct needs *needs, struct arena *arena,
                      struct record_checkpoint *ret, struct err *err)
{
    struct record_text *list = arena_alloc(arena, RECORD_LIST_MAX * sizeof(*list));
    char name[CHECKPOINT_NAME_MAX];
    int64_t count = 0;
    int r = list ? 0 : err_set(err, ERR_INTERNAL, "no memory for a list of files");

    for (size_t i = store->count; r == 0 && i > 0; i--) {
        const struct stored *s = &store->list[i - 1];
        bool drop_pack = s->pack[0] && !s->pack_is_pruned && !needs[i - 1].pack;
        bool drop_record = !s->record_is_pruned && !needs[i - 1].record;

        if (count + drop_pack + drop_record > RECORD_LIST_MAX)
            break;
        checkpoint_pack_name(s->number, name);
        if (drop_pack)
            r = add_name(arena, name, list, &count, err);
        checkpoint_record_name(s->number, name);
        if (r == 0 && drop_record)
            r = add_name(arena, name, list, &count, err);
    }
    ret->pruned = list;
    ret->pruned_count = (size_t) count;
    return r;
}

int checkpoint_find_prunable(struct checkpoint_store *store, int64_t base, int64_t keep, struct arena *arena,
                             struct record_checkpoint *ret, struct err *err)
{
    struct needs *needs;
    int64_t oldest;
    int r;

    if (keep <= 0 || (uint64_t) keep > store->count)
        return 0;
    /* the new one is the first of those that stay */
    oldest =
        keep == 1 ? checkpoint_store_last(store) + 1 : store->list[store->count - (size_t) (keep - 1)].number;
    needs = calloc(store->count, sizeof(*needs));
    if (!needs)
        return err_set(err, ERR_INTERNAL, "no memory for a list of files");
    need_packs(store, oldest, needs);
    need_records(store, oldest, base, needs);
    r = list_names(store, needs, arena, ret, err);
    free(needs);
    return r;
}

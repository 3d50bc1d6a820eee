/* SPDX-License-Identifier: MIT */
/* The tree records of checkpoints: which contents they have, and the listings that they make. */
#include "core/run/checkpoint_impl.h"

#include "core/base/file.h"

#include <inttypes.h>
#include <string.h>

#define HEAD_ARENA_MAX ((size_t) 512 * 1024 * 1024)

/* ---- tree records ---- */

static int not_there(const struct checkpoint_store *store, int64_t number, const char *why, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "checkpoint %" PRId64 " of run '%s' %s", number, store->folder->id,
                   why);
}

static int damaged(const struct checkpoint_store *store, int64_t number, const char *why, struct err *err)
{
    return err_set(err, ERR_INVALID, "checkpoint %" PRId64 " of run '%s' is damaged: %s", number,
                   store->folder->id, why);
}

int checkpoint_read_record(struct checkpoint_store *store, const struct stored *s, struct buf *out,
                           struct err *err)
{
    char name[CHECKPOINT_NAME_MAX], digest[DIGEST_HEX];
    struct err why = { 0 };
    int r;

    if (s->record_is_pruned)
        return not_there(store, s->number, "was pruned", err);
    r = checkpoint_open_dir(store, false, &why);
    checkpoint_record_name(s->number, name);
    buf_clear(out);
    if (r == 0)
        r = file_read_at(store->dir_fd, name, out, &why);
    if (r == -ERR_NOT_FOUND)
        return damaged(store, s->number, "its tree record is missing", err);
    if (r < 0) {
        if (err)
            *err = why;
        (void) err_wrap(err, "checkpoint %" PRId64 " of run '%s'", s->number, store->folder->id);
        return r;
    }
    digest_of(buf_span(out), digest);
    return strcmp(digest, s->record) == 0
               ? 0
               : damaged(store, s->number, "its tree record is not what was written", err);
}

/* The number of the checkpoint whose record has this digest; records name their base so. */
static int64_t number_of(const struct checkpoint_store *store, const char *record, int64_t before)
{
    for (size_t i = store->count; i > 0; i--)
        if (store->list[i - 1].number < before && strcmp(store->list[i - 1].record, record) == 0)
            return store->list[i - 1].number;
    return 0;
}

static int take_head(struct checkpoint_store *store, struct stored *s, const struct listing_text *head,
                     struct err *err)
{
    int64_t base = head->base ? number_of(store, head->base, s->number) : 0;
    const struct stored *below = checkpoint_stored(store, base);

    if (head->base && (!below || (below->is_read && below->depth != head->depth - 1)))
        return damaged(store, s->number, "what its tree record is based on is not there", err);
    s->base = base;
    s->depth = head->depth;
    s->is_read = true;
    if (!s->pack[0] && head->content_count)
        return damaged(store, s->number, "it has contents, but no pack", err);
    return s->pack_is_pruned
               ? 0
               : checkpoint_add_contents(store, s->number, head->contents, head->content_count, err);
}

static int read_head(struct checkpoint_store *store, struct stored *s, struct err *err)
{
    struct arena arena = ARENA_INIT(HEAD_ARENA_MAX);
    struct buf record = BUF_INIT(LISTING_RECORD_MAX);
    struct listing_text head;
    int r = checkpoint_read_record(store, s, &record, err);

    store->used_floor = checkpoint_store_last(store); /* who needs its contents was not looked at */
    if (r == 0) {
        r = listing_decode_head(buf_span(&record), &arena, &head, err);
        if (r < 0)
            (void) err_wrap(err, "checkpoint %" PRId64 " of run '%s'", s->number, store->folder->id);
    }
    if (r == 0)
        r = take_head(store, s, &head, err);
    buf_done(&record);
    arena_done(&arena);
    return r;
}

/* Those that are damaged leave the others readable; each is looked at once. */
int checkpoint_read_heads(struct checkpoint_store *store, struct err *err)
{
    for (; store->heads_seen < store->count; store->heads_seen++) {
        struct stored *s = &store->list[store->heads_seen];
        struct err why = { 0 };

        if (s->is_read || s->record_is_pruned)
            continue;
        if (read_head(store, s, &why) < 0 && !store->heads_err.code)
            store->heads_err = why;
    }
    if (store->heads_err.code && err)
        *err = store->heads_err;
    return -(int) store->heads_err.code;
}

/* ---- listings ---- */

/* `s` and what it is based on, down to a complete record or the one whose listing is in memory. */
static int find_chain(struct checkpoint_store *store, struct stored *s,
                      struct stored *chain[LISTING_DEPTH_MAX + 1], size_t *ret_count, struct err *err)
{
    size_t count = 0;
    int r;

    for (;;) {
        r = s->is_read ? 0 : read_head(store, s, err);
        if (r < 0)
            return r;
        chain[count++] = s;
        if (!s->base || s->base == store->last_number)
            break;
        if (count == LISTING_DEPTH_MAX + 1)
            return damaged(store, s->number, "it is based on too many others", err);
        s = checkpoint_stored(store, s->base);
    }
    *ret_count = count;
    return 0;
}

static int decode_onto(struct checkpoint_store *store, const struct stored *s, const struct listing *base,
                       struct listing *ret, struct err *err)
{
    struct buf record = BUF_INIT(LISTING_RECORD_MAX);
    int r = checkpoint_read_record(store, s, &record, err);
    char tree[DIGEST_HEX];

    if (r == 0) {
        r = listing_decode(buf_span(&record), base, ret, err);
        if (r < 0)
            (void) err_wrap(err, "checkpoint %" PRId64 " of run '%s'", s->number, store->folder->id);
    }
    buf_done(&record);
    if (r < 0)
        return r;
    listing_digest(ret, tree);
    if (strcmp(tree, s->tree) == 0)
        return 0;
    listing_done(ret);
    return damaged(store, s->number, "its tree is not that of the journal", err);
}

int checkpoint_read_listing(struct checkpoint_store *store, struct stored *s, struct listing *ret,
                            struct err *err)
{
    struct stored *chain[LISTING_DEPTH_MAX + 1];
    struct listing at, next;
    const struct listing *base;
    size_t count = 0;
    int r;

    if (s->number == store->last_number)
        return listing_copy(&store->last, ret, err);
    r = find_chain(store, s, chain, &count, err);
    if (r < 0)
        return r;
    base = chain[count - 1]->base ? &store->last : NULL;
    listing_init(&at);
    for (; r == 0 && count > 0; count--) {
        r = decode_onto(store, chain[count - 1], base, &next, err);
        if (r == 0) {
            listing_done(&at);
            at = next;
            base = &at;
        }
    }
    if (r < 0)
        listing_done(&at);
    else
        *ret = at;
    return r;
}

int checkpoint_read_last(struct checkpoint_store *store, struct err *err)
{
    int64_t number = checkpoint_store_last(store);
    struct listing l;
    int r;

    if (number == store->last_number)
        return 0;
    r = checkpoint_read_listing(store, checkpoint_stored(store, number), &l, err);
    if (r < 0)
        return r;
    listing_done(&store->last);
    store->last = l;
    store->last_number = number;
    return 0;
}

static bool is_any_pack_pruned(const struct checkpoint_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        if (store->list[i].pack_is_pruned)
            return true;
    return false;
}

static int no_content(struct checkpoint_store *store, int64_t number, struct err *err)
{
    int r = checkpoint_read_heads(store, err);

    if (r < 0)
        return r;
    if (is_any_pack_pruned(store))
        return not_there(store, number, "was pruned", err);
    return damaged(store, number, "a content is in no pack", err);
}

int checkpoint_check_contents(struct checkpoint_store *store, int64_t number, const struct listing *l,
                              struct err *err)
{
    (void) checkpoint_read_heads(store, NULL); /* what is damaged need not be ours */
    for (size_t i = 0; i < l->count; i++) {
        const struct listing_entry *e = &l->entries[i];
        const struct content_home *home;

        if (e->kind != LISTING_FILE || e->size == 0)
            continue;
        home = contents_find(&store->contents, e->sha256);
        if (home && home->size == e->size)
            continue;
        return home ? damaged(store, number, "a file has not the size of its content", err)
                    : no_content(store, number, err);
    }
    return 0;
}

int checkpoint_load(struct checkpoint_store *store, int64_t number, struct listing *ret, struct err *err)
{
    struct stored *s = checkpoint_stored(store, number);
    struct listing l;
    int r;

    listing_init(&l);
    if (number != 0 && !s)
        return not_there(store, number, "was never taken", err);
    r = number == 0 ? 0 : checkpoint_read_listing(store, s, &l, err);
    if (r == -ERR_NOT_FOUND)
        return not_there(store, number, "was pruned", err);
    if (r < 0)
        return r;
    r = checkpoint_check_contents(store, number, &l, err);
    if (r < 0)
        listing_done(&l);
    else
        *ret = l;
    return r;
}

/* SPDX-License-Identifier: MIT */
/* Contents back out of the packs: those of a listing in one pass through each, or a single one. */
#include "core/run/checkpoint_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define READ_STEP 65536

struct wanted {
    struct listing_content content;
    int64_t pack, member; /* 0 = the empty one */
};

struct checkpoint_reader {
    struct checkpoint_store *store;
    struct wanted *list; /* by pack and member */
    size_t count, at;    /* at: the one that next() gives next */
    struct pack_reader *pack;
    int64_t pack_number;
    struct digest *digest;
    int64_t missing; /* bytes of the content that is read */
    bool is_open;
};

static int damaged(const struct checkpoint_store *store, int64_t pack, struct err *err)
{
    (void) err_wrap(err, "the pack of checkpoint %" PRId64 " of run '%s' is damaged", pack,
                    store->folder->id);
    return -ERR_INVALID;
}

static int open_pack(struct checkpoint_store *store, int64_t number, struct pack_reader **ret,
                     struct err *err)
{
    char name[CHECKPOINT_NAME_MAX];
    int r = checkpoint_open_dir(store, false, err);

    checkpoint_pack_name(number, name);
    if (r == 0)
        r = pack_reader_new(store->dir_fd, name, ret, err);
    if (r == -ERR_NOT_FOUND)
        return err_set(err, ERR_INVALID, "the pack of checkpoint %" PRId64 " of run '%s' is missing", number,
                       store->folder->id);
    return r;
}

/* ---- all of a listing ---- */

static int by_place(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;

    if (x->pack != y->pack)
        return x->pack < y->pack ? -1 : 1;
    return x->member < y->member ? -1 : x->member > y->member;
}

static int want(struct checkpoint_reader *r, const struct listing_entry *e, struct err *err)
{
    struct wanted *w = &r->list[r->count];
    const struct content_home *home = NULL;

    *w = (struct wanted){ .content = { .size = e->size } };
    memcpy(w->content.sha256, e->sha256, DIGEST_HEX);
    if (e->size > 0) {
        home = contents_find(&r->store->contents, e->sha256);
        if (!home || home->size != e->size)
            return err_set(err, ERR_INVALID, "the content of '%s' is in no pack of run '%s'", e->path,
                           r->store->folder->id);
        w->pack = home->pack;
        w->member = home->member;
    }
    r->count++;
    return 0;
}

/* Each place once. */
static void sort_wanted(struct checkpoint_reader *r)
{
    size_t kept = 0;

    if (r->count)
        qsort(r->list, r->count, sizeof(*r->list), by_place);
    for (size_t i = 0; i < r->count; i++)
        if (kept == 0 || by_place(&r->list[kept - 1], &r->list[i]) != 0)
            r->list[kept++] = r->list[i];
    r->count = kept;
}

int checkpoint_reader_new(struct checkpoint_store *store, const struct listing *listing,
                          struct checkpoint_reader **ret, struct err *err)
{
    struct checkpoint_reader *reader = calloc(1, sizeof(*reader));
    int r = 0;

    if (reader)
        reader->list = calloc(listing->count + 1, sizeof(*reader->list));
    if (!reader || !reader->list) {
        free(reader);
        return err_set(err, ERR_INTERNAL, "no memory to read a checkpoint");
    }
    reader->store = store;
    (void) checkpoint_read_heads(store, NULL); /* a content that is not known is told below */
    for (size_t i = 0; r == 0 && i < listing->count; i++)
        if (listing->entries[i].kind == LISTING_FILE)
            r = want(reader, &listing->entries[i], err);
    if (r < 0) {
        checkpoint_reader_free(reader);
        return r;
    }
    sort_wanted(reader);
    *ret = reader;
    return 0;
}

void checkpoint_reader_free(struct checkpoint_reader *r)
{
    if (!r)
        return;
    pack_reader_free(r->pack);
    digest_free(r->digest);
    free(r->list);
    free(r);
}

static int go_to(struct checkpoint_reader *r, const struct wanted *w, struct err *err)
{
    int64_t size;
    int result = 0;

    if (w->pack == 0)
        return 0;
    if (r->pack_number != w->pack) {
        pack_reader_free(r->pack);
        r->pack = NULL;
        r->pack_number = 0;
        result = open_pack(r->store, w->pack, &r->pack, err);
        if (result < 0)
            return result;
        r->pack_number = w->pack;
    }
    result = pack_reader_go(r->pack, w->member, &size, err);
    if (result == 0 && size != w->content.size)
        result = err_set(err, ERR_INVALID, "member %" PRId64 " has not the size it must have", w->member);
    return result == -ERR_INVALID ? damaged(r->store, w->pack, err) : result;
}

int checkpoint_reader_next(struct checkpoint_reader *r, struct listing_content *ret, struct err *err)
{
    const struct wanted *w = &r->list[r->at];
    int result;

    if (r->at == r->count)
        return 0;
    result = go_to(r, w, err);
    if (result < 0)
        return result;
    digest_free(r->digest);
    r->digest = digest_new();
    if (!r->digest)
        return err_set(err, ERR_INTERNAL, "no memory to read a checkpoint");
    r->missing = w->content.size;
    r->is_open = true;
    r->at++;
    *ret = w->content;
    return 1;
}

/* The end of a content: was it what it must be? */
static int end_content(struct checkpoint_reader *r, struct err *err)
{
    const struct wanted *w = &r->list[r->at - 1];
    uint8_t sum[DIGEST_SIZE];
    char sha256[DIGEST_HEX];

    if (!r->is_open)
        return 0;
    r->is_open = false;
    digest_end(r->digest, sum);
    digest_hex(sum, sha256);
    if (strcmp(sha256, w->content.sha256) == 0)
        return 0;
    (void) err_set(err, ERR_INVALID, "member %" PRId64 " is not what was written", w->member);
    return damaged(r->store, w->pack, err);
}

ssize_t checkpoint_reader_read(struct checkpoint_reader *r, char *out, size_t size, struct err *err)
{
    ssize_t n;

    if (r->missing == 0)
        return end_content(r, err);
    if ((uint64_t) r->missing < size)
        size = (size_t) r->missing;
    n = pack_reader_read(r->pack, out, size, err);
    if (n == 0)
        n = err_set(err, ERR_INVALID, "member %" PRId64 " is cut off", r->list[r->at - 1].member);
    if (n < 0)
        return n == -ERR_INVALID ? damaged(r->store, r->pack_number, err) : n;
    digest_add(r->digest, out, (size_t) n);
    r->missing -= n;
    return n;
}

/* ---- a single one ---- */

/* A pack that is open before this member, or a new one in place of the oldest. */
static int find_cursor(struct checkpoint_store *store, const struct content_home *home, size_t *ret,
                       struct err *err)
{
    size_t at = store->cursor_next;

    for (size_t i = 0; i < CHECKPOINT_CURSORS; i++) {
        if (!store->cursors[i] || store->cursor_packs[i] != home->pack)
            continue;
        if (pack_reader_at(store->cursors[i]) < home->member) {
            *ret = i;
            return 0;
        }
        at = i; /* it has passed it: begin again */
        break;
    }
    if (at == store->cursor_next)
        store->cursor_next = (at + 1) % CHECKPOINT_CURSORS;
    pack_reader_free(store->cursors[at]);
    store->cursors[at] = NULL;
    store->cursor_packs[at] = home->pack;
    *ret = at;
    return open_pack(store, home->pack, &store->cursors[at], err);
}

static int read_member(struct pack_reader *r, const struct content_home *home, struct buf *out,
                       struct err *err)
{
    int64_t size, missing = home->size;
    int result = pack_reader_go(r, home->member, &size, err);

    if (result == 0 && size != home->size)
        result = err_set(err, ERR_INVALID, "member %" PRId64 " has not the size it must have", home->member);
    while (result == 0 && missing > 0) {
        size_t step = missing < READ_STEP ? (size_t) missing : READ_STEP;
        char *at = buf_reserve(out, step);
        ssize_t n = at ? pack_reader_read(r, at, step, err)
                       : err_set(err, ERR_INTERNAL, "no memory to read a content");

        if (n == 0)
            n = err_set(err, ERR_INVALID, "member %" PRId64 " is cut off", home->member);
        if (n < 0)
            return (int) n;
        buf_commit(out, (size_t) n);
        missing -= n;
    }
    return result;
}

static int get(struct checkpoint_store *store, const struct content_home *home, const char *sha256,
               struct buf *out, struct err *err)
{
    size_t before = out->len, cursor;
    char found[DIGEST_HEX];
    int r = find_cursor(store, home, &cursor, err);

    if (r == 0)
        r = read_member(store->cursors[cursor], home, out, err);
    if (r < 0)
        return r == -ERR_INVALID ? damaged(store, home->pack, err) : r;
    digest_of(span_make(out->data + before, out->len - before), found);
    if (strcmp(found, sha256) == 0)
        return 0;
    (void) err_set(err, ERR_INVALID, "member %" PRId64 " is not what was written", home->member);
    return damaged(store, home->pack, err);
}

int checkpoint_get(struct checkpoint_store *store, const char *sha256, struct buf *out, struct err *err)
{
    int64_t size = checkpoint_size_of(store, sha256);
    const struct content_home *home = contents_find(&store->contents, sha256);

    if (size == 0)
        return 0;
    if (!home)
        return err_set(err, ERR_INVALID, "content '%s' is in no pack of run '%s'", sha256, store->folder->id);
    if ((uint64_t) size > out->max - out->len)
        return err_set(err, ERR_TOO_LARGE, "a content of %" PRId64 " bytes", size);
    return get(store, home, sha256, out, err);
}

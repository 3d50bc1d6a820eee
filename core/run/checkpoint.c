/* SPDX-License-Identifier: MIT */
/* The checkpoint store: what the journal told of, and the files that go with it. */
#include "core/run/checkpoint_impl.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- names ---- */

void checkpoint_record_name(int64_t number, char ret[CHECKPOINT_NAME_MAX])
{
    snprintf(ret, CHECKPOINT_NAME_MAX, CHECKPOINT_RECORD_NAME, (long long) number);
}

void checkpoint_pack_name(int64_t number, char ret[CHECKPOINT_NAME_MAX])
{
    snprintf(ret, CHECKPOINT_NAME_MAX, CHECKPOINT_PACK_NAME, (long long) number);
}

int64_t checkpoint_name_number(const char *name, bool *ret_is_pack)
{
    char again[CHECKPOINT_NAME_MAX];
    long long number = strtoll(name, NULL, 10);

    if (number <= 0 || number == INT64_MAX)
        return 0;
    checkpoint_record_name(number, again);
    *ret_is_pack = false;
    if (strcmp(name, again) == 0)
        return number;
    checkpoint_pack_name(number, again);
    *ret_is_pack = true;
    return strcmp(name, again) == 0 ? number : 0;
}

/* ---- life ---- */

int checkpoint_store_new(struct run_folder *folder, struct checkpoint_store **ret, struct err *err)
{
    struct checkpoint_store *store = calloc(1, sizeof(*store));

    if (!store)
        return err_set(err, ERR_INTERNAL, "no memory for checkpoints");
    store->folder = folder;
    store->dir_fd = -1;
    contents_init(&store->contents);
    listing_init(&store->last);
    checkpoint_fresh_init(&store->fresh);
    *ret = store;
    return 0;
}

void checkpoint_fresh_init(struct fresh *fresh)
{
    memset(fresh, 0, sizeof(*fresh));
    listing_init(&fresh->changes);
    arena_init(&fresh->texts, LISTING_TEXT_MAX);
}

void checkpoint_fresh_done(struct fresh *fresh)
{
    free(fresh->contents);
    free(fresh->gone);
    listing_done(&fresh->changes);
    arena_done(&fresh->texts);
    checkpoint_fresh_init(fresh);
}

void checkpoint_store_free(struct checkpoint_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < CHECKPOINT_CURSORS; i++)
        pack_reader_free(store->cursors[i]);
    if (store->dir_fd >= 0)
        (void) close(store->dir_fd); /* only a folder */
    checkpoint_fresh_done(&store->fresh);
    contents_done(&store->contents);
    listing_done(&store->last);
    free(store->list);
    free(store);
}

int checkpoint_open_dir(struct checkpoint_store *store, bool make, struct err *err)
{
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, r = 0;

    if (store->dir_fd >= 0)
        return 0;
    store->dir_fd = openat(store->folder->fd, CHECKPOINT_DIR, flags);
    if (store->dir_fd >= 0)
        return 0;
    if (errno == ENOENT && !make)
        return err_set(err, ERR_NOT_FOUND, "run '%s' has no checkpoints", store->folder->id);
    if (errno == ENOENT && mkdirat(store->folder->fd, CHECKPOINT_DIR, 0700) == 0) {
        r = file_sync_dir(store->folder->fd, err);
        store->dir_fd = r < 0 ? -1 : openat(store->folder->fd, CHECKPOINT_DIR, flags);
    }
    if (r == 0 && store->dir_fd < 0)
        r = err_errno(err, ERR_IO, "folder '%s' of run '%s'", CHECKPOINT_DIR, store->folder->id);
    return r < 0 && make ? run_folder_unwritable(store->folder, err) : r;
}

/* ---- what the journal says ---- */

struct stored *checkpoint_stored(const struct checkpoint_store *store, int64_t number)
{
    size_t from = 0, to = store->count;

    while (from < to) {
        size_t at = from + (to - from) / 2;

        if (store->list[at].number < number)
            from = at + 1;
        else
            to = at;
    }
    return from < store->count && store->list[from].number == number ? &store->list[from] : NULL;
}

int64_t checkpoint_store_last(const struct checkpoint_store *store)
{
    return store->count ? store->list[store->count - 1].number : 0;
}

static bool is_digest(const char *text)
{
    return text && strlen(text) == DIGEST_HEX - 1 && strspn(text, "0123456789abcdef") == DIGEST_HEX - 1;
}

static struct stored *add_stored(struct checkpoint_store *store, struct err *err)
{
    size_t cap = store->cap ? store->cap * 2 : 16;
    struct stored *more = store->list;

    if (store->count == store->cap) {
        more = realloc(more, cap * sizeof(*more));
        if (!more) {
            (void) err_set(err, ERR_INTERNAL, "no memory for checkpoints");
            return NULL;
        }
        store->list = more;
        store->cap = cap;
    }
    memset(&more[store->count], 0, sizeof(*more));
    return &more[store->count++];
}

static void mark_pruned(struct checkpoint_store *store, const struct record_checkpoint *rec)
{
    for (size_t i = 0; i < rec->pruned_count; i++) {
        bool is_pack;
        int64_t number = checkpoint_name_number(rec->pruned[i].text, &is_pack);
        struct stored *s = checkpoint_stored(store, number);

        if (!s)
            continue;
        if (is_pack)
            contents_forget(&store->contents, number);
        s->pack_is_pruned = s->pack_is_pruned || is_pack;
        s->record_is_pruned = s->record_is_pruned || !is_pack;
    }
}

int checkpoint_add_contents(struct checkpoint_store *store, int64_t number,
                            const struct listing_content *list, size_t count, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++)
        r = contents_add(&store->contents, &list[i], number, (int64_t) i + 1, true, err);
    return r;
}

/* The listing in memory becomes that of the new checkpoint. */
static int take_listing(struct checkpoint_store *store, struct fresh *fresh, struct err *err)
{
    if (fresh->base == 0) {
        listing_done(&store->last);
        store->last = fresh->changes;
        listing_init(&fresh->changes);
    } else {
        int r = listing_merge(&store->last, &fresh->changes, fresh->gone, fresh->gone_count, err);

        if (r < 0)
            return r;
    }
    store->last_number = fresh->number;
    return 0;
}

/* It was written by us just now: nothing has to be read. */
static int take_fresh(struct checkpoint_store *store, struct stored *s, struct err *err)
{
    struct fresh *fresh = &store->fresh;
    int r;

    if (fresh->number != s->number || strcmp(fresh->record, s->record) != 0)
        return 0;
    r = checkpoint_add_contents(store, s->number, fresh->contents, fresh->count, err);
    if (r < 0)
        return r;
    s->is_read = true;
    s->base = fresh->base;
    s->depth = fresh->depth;
    return take_listing(store, fresh, err);
}

int checkpoint_store_told(struct checkpoint_store *store, const struct record_checkpoint *rec,
                          struct err *err)
{
    struct stored *s;
    int r;

    if (rec->is_same)
        return 0;
    if (rec->number <= checkpoint_store_last(store) || !is_digest(rec->tree) || !is_digest(rec->record) ||
        (rec->pack && !is_digest(rec->pack)))
        return err_set(err, ERR_INVALID, "checkpoint %" PRId64 " is out of order, or lacks digests",
                       rec->number);
    s = add_stored(store, err);
    if (!s)
        return -ERR_INTERNAL;
    s->number = rec->number;
    memcpy(s->tree, rec->tree, DIGEST_HEX);
    memcpy(s->record, rec->record, DIGEST_HEX);
    if (rec->pack)
        memcpy(s->pack, rec->pack, DIGEST_HEX);
    r = take_fresh(store, s, err);
    checkpoint_fresh_done(&store->fresh);
    mark_pruned(store, rec);
    return r;
}

/* ---- asked by whoever takes one ---- */

static const char empty_sha256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

int64_t checkpoint_size_of(struct checkpoint_store *store, const char *sha256)
{
    const struct content_home *home;

    if (strcmp(sha256, empty_sha256) == 0)
        return 0;
    /* what a damaged record says is unknown is stored once more */
    (void) checkpoint_read_heads(store, NULL);
    home = contents_find(&store->contents, sha256);
    return home ? home->size : -1;
}

bool checkpoint_has(struct checkpoint_store *store, const char *sha256)
{
    return checkpoint_size_of(store, sha256) >= 0;
}

bool checkpoint_has_size(struct checkpoint_store *store, int64_t size)
{
    (void) checkpoint_read_heads(store, NULL); /* likewise */
    return contents_has_size(&store->contents, size);
}

/* ---- files that go ---- */

static bool is_ours(const struct checkpoint_store *store, const char *name)
{
    bool is_pack;
    int64_t number = checkpoint_name_number(name, &is_pack);
    const struct stored *s = checkpoint_stored(store, number);

    if (number == 0)
        return !(name[0] >= '0' && name[0] <= '9' && strstr(name, ".tmp")); /* else it is not from us */
    return s && (is_pack ? s->pack[0] && !s->pack_is_pruned : !s->record_is_pruned);
}

int checkpoint_clean(struct checkpoint_store *store, struct err *err)
{
    int r = checkpoint_open_dir(store, false, err), fd;
    struct dirent *entry;
    DIR *dir;

    if (r < 0)
        return r == -ERR_NOT_FOUND ? 0 : r;
    fd = openat(store->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        r = err_errno(err, ERR_IO, "reading the checkpoints of run '%s'", store->folder->id);
        if (fd >= 0)
            (void) close(fd); /* only a folder */
        return r;
    }
    while (r == 0 && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && !is_ours(store, entry->d_name) &&
            unlinkat(store->dir_fd, entry->d_name, 0) < 0) {
            (void) err_errno(err, ERR_IO, "removing '%s'", entry->d_name);
            r = run_folder_unwritable(store->folder, err);
        }
    }
    (void) closedir(dir); /* only read */
    return r;
}

int checkpoint_prune(struct checkpoint_store *store, const struct record_checkpoint *rec, struct err *err)
{
    bool is_pack;
    int r = rec->pruned_count ? checkpoint_open_dir(store, false, err) : 0;

    for (size_t i = 0; r == 0 && i < rec->pruned_count; i++) {
        const char *name = rec->pruned[i].text;

        if (checkpoint_name_number(name, &is_pack) == 0 || unlinkat(store->dir_fd, name, 0) == 0 ||
            errno == ENOENT)
            continue;
        (void) err_errno(err, ERR_IO, "removing '%s'", name);
        r = run_folder_unwritable(store->folder, err);
    }
    return r;
}

/* SPDX-License-Identifier: MIT */
/*
 * Writing a checkpoint. Small contents wait in memory until their digest is known,
 * so that what some pack has already is never written; large ones go straight into the
 * pack. What takes time (compressing the rest, the tree record, the flushing) is done by a thread at the end.
 */
#include "core/run/checkpoint_impl.h"

#include "core/base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL_MAX ((int64_t) 256 * 1024)
#define TEXTS_MAX ((size_t) 64 * 1024)

struct checkpoint_writer {
    struct checkpoint_store *store;
    int64_t number;
    struct pack_writer *pack; /* NULL: no content yet */
    struct listing_content *contents;
    size_t count, cap;
    int64_t new_bytes;

    /* the content that comes in */
    bool is_open;
    int64_t size, missing;
    struct digest *digest;
    struct buf small;

    /* the commit */
    struct loop_source *work;
    const struct listing *now;
    struct listing_text text;
    int64_t keep;
    checkpoint_commit_fn *fn;
    void *data;
    int result;
    struct err err;
    struct fresh fresh;
    struct record_checkpoint rec;
    char tree[DIGEST_HEX], record[DIGEST_HEX], pack_sha256[DIGEST_HEX], base[DIGEST_HEX];
    struct arena arena;                   /* names of what may be pruned */
    bool has_pack, has_record, is_stored; /* files under their final names; told to the caller */
};

static void name_temp(char name[CHECKPOINT_NAME_MAX])
{
    size_t len = strlen(name);

    snprintf(name + len, CHECKPOINT_NAME_MAX - len, ".tmp");
}

/* ---- contents ---- */

int checkpoint_begin(struct checkpoint_store *store, struct checkpoint_writer **ret, struct err *err)
{
    struct checkpoint_writer *w;
    int r = checkpoint_open_dir(store, true, err);

    if (r < 0)
        return r;
    (void) checkpoint_read_heads(store, NULL); /* what a damaged record says is unknown is stored once more */
    w = calloc(1, sizeof(*w));
    if (!w)
        return err_set(err, ERR_INTERNAL, "no memory for a checkpoint");
    w->store = store;
    w->number = checkpoint_store_last(store) + 1;
    buf_init(&w->small, (size_t) SMALL_MAX);
    arena_init(&w->arena, TEXTS_MAX);
    checkpoint_fresh_init(&w->fresh);
    *ret = w;
    return 0;
}

static int unwritable(const struct checkpoint_writer *w, struct err *err)
{
    return run_folder_unwritable(w->store->folder, err);
}

/* A new member of the pack, which is made with its first one. */
static int begin_member(struct checkpoint_writer *w, struct err *err)
{
    char name[CHECKPOINT_NAME_MAX];
    int r = 0;

    if (!w->pack) {
        checkpoint_pack_name(w->number, name);
        name_temp(name);
        r = pack_writer_new(w->store->dir_fd, name, &w->pack, err);
    }
    if (r == 0)
        r = pack_begin(w->pack, w->size, err);
    return r < 0 ? unwritable(w, err) : 0;
}

int checkpoint_content_begin(struct checkpoint_writer *w, int64_t size, struct err *err)
{
    assert(!w->is_open && size >= 0);
    digest_free(w->digest);
    w->digest = digest_new();
    if (!w->digest)
        return err_set(err, ERR_INTERNAL, "no memory for a checkpoint");
    w->is_open = true;
    w->size = w->missing = size;
    buf_clear(&w->small);
    return size > SMALL_MAX ? begin_member(w, err) : 0;
}

int checkpoint_content_add(struct checkpoint_writer *w, struct span piece, struct err *err)
{
    int r = 0;

    assert(w->is_open);
    if ((uint64_t) w->missing < piece.len)
        piece.len = (size_t) w->missing;
    digest_add(w->digest, piece.ptr, piece.len);
    w->missing -= (int64_t) piece.len;
    if (w->size > SMALL_MAX)
        r = pack_add(w->pack, piece, err);
    else if (buf_add_span(&w->small, piece) < 0)
        return err_set(err, ERR_INTERNAL, "no memory for a checkpoint");
    return r < 0 ? unwritable(w, err) : 0;
}

int checkpoint_content_zeros(struct checkpoint_writer *w, int64_t count, struct err *err)
{
    /* never written; const, it would take its size in the program file */
    static char zeros[64 * 1024];
    int r = 0;

    assert(w->is_open && count >= 0);
    if (count > w->missing)
        count = w->missing;
    if (w->size > SMALL_MAX)
        r = pack_add_zeros(w->pack, count, err);
    w->missing -= w->size > SMALL_MAX ? count : 0;
    for (int64_t n; r == 0 && count > 0; count -= n) {
        n = count < (int64_t) sizeof(zeros) ? count : (int64_t) sizeof(zeros);
        if (w->size > SMALL_MAX)
            digest_add(w->digest, zeros, (size_t) n);
        else
            r = checkpoint_content_add(w, span_make(zeros, (size_t) n), err);
    }
    return r < 0 && w->size > SMALL_MAX ? unwritable(w, err) : r;
}

static int note_content(struct checkpoint_writer *w, const char *sha256, struct err *err)
{
    struct listing_content *more = w->contents, content = { .size = w->size };
    size_t cap = w->cap ? w->cap * 2 : 64;
    int r;

    if (w->count == w->cap) {
        more = realloc(more, cap * sizeof(*more));
        if (!more)
            return err_set(err, ERR_INTERNAL, "no memory for a checkpoint");
        w->contents = more;
        w->cap = cap;
    }
    memcpy(content.sha256, sha256, DIGEST_HEX);
    /* known from here on; given up again should nothing come of this checkpoint */
    r = contents_add(&w->store->contents, &content, w->number, (int64_t) w->count + 1, false, err);
    if (r == 0) {
        more[w->count++] = content;
        w->new_bytes += w->size;
    }
    return r;
}

static int end_small(struct checkpoint_writer *w, const char *sha256, struct err *err)
{
    int r;

    if (w->size == 0 || contents_find(&w->store->contents, sha256))
        return 0;
    r = begin_member(w, err);
    if (r < 0)
        return r;
    if (pack_add(w->pack, buf_span(&w->small), err) < 0)
        return unwritable(w, err);
    return note_content(w, sha256, err);
}

int checkpoint_content_end(struct checkpoint_writer *w, char ret_sha256[DIGEST_HEX], struct err *err)
{
    uint8_t sum[DIGEST_SIZE];
    char sha256[DIGEST_HEX];
    int r = checkpoint_content_zeros(w, w->missing, err);

    w->is_open = false;
    if (r < 0)
        return r;
    digest_end(w->digest, sum);
    digest_hex(sum, sha256);
    r = w->size > SMALL_MAX ? note_content(w, sha256, err) : end_small(w, sha256, err);
    if (r == 0)
        memcpy(ret_sha256, sha256, DIGEST_HEX);
    return r;
}

int checkpoint_content_take(struct checkpoint_writer *w, char *bytes, int64_t size,
                            char ret_sha256[DIGEST_HEX], struct err *err)
{
    int r;

    assert(!w->is_open && size >= 0);
    w->size = size;
    digest_of(span_make(bytes, (size_t) size), ret_sha256);
    if (size == 0 || contents_find(&w->store->contents, ret_sha256)) {
        free(bytes);
        return 0;
    }
    r = begin_member(w, err);
    if (r < 0) {
        free(bytes);
        return r;
    }
    if (pack_add_taken(w->pack, bytes, (size_t) size, err) < 0)
        return unwritable(w, err);
    return note_content(w, ret_sha256, err);
}

/* ---- the commit, on its thread ---- */

static int note_gone(struct checkpoint_writer *w, const char *path, struct err *err)
{
    struct fresh *f = &w->fresh;
    const char **more = f->gone;

    /* room for twice as many whenever their number is a power of two */
    if ((f->gone_count & (f->gone_count - 1)) == 0)
        more = realloc(f->gone, (f->gone_count ? 2 * f->gone_count : 1) * sizeof(*more));
    if (more) {
        f->gone = more;
        more[f->gone_count] = arena_text(&f->texts, path);
    }
    if (!more || !more[f->gone_count])
        return err_set(err, ERR_INTERNAL, "no memory for a checkpoint");
    f->gone_count++;
    return 0;
}

/* What differs from `base`; 1 when that is more than half of it, and not worth it. */
static int note_changes(struct checkpoint_writer *w, const struct listing *base, struct err *err)
{
    const struct listing *now = w->now;
    size_t i = 0, j = 0;
    int r = 0;

    while (r == 0 && (i < base->count || j < now->count)) {
        int order = i == base->count  ? 1
                    : j == now->count ? -1
                                      : strcmp(base->entries[i].path, now->entries[j].path);

        if (order < 0)
            r = note_gone(w, base->entries[i].path, err);
        else if (order > 0 || !listing_same_entry(&base->entries[i], &now->entries[j]))
            r = listing_append(&w->fresh.changes, &now->entries[j], err);
        i += order <= 0;
        j += order >= 0;
        if (r == 0 && w->fresh.changes.count + w->fresh.gone_count > now->count / 2)
            r = 1;
    }
    return r;
}

/* Only what is different goes into the record, unless that is much, or stands on too many others. */
static int choose_base(struct checkpoint_writer *w, const struct listing **ret, struct err *err)
{
    struct checkpoint_store *store = w->store;
    const struct stored *last = checkpoint_stored(store, store->last_number);
    bool is_usable = last && last->number == checkpoint_store_last(store) && last->depth < LISTING_DEPTH_MAX;
    int r = is_usable ? note_changes(w, &store->last, err) : 1;

    if (r < 0)
        return r;
    if (r > 0) {
        checkpoint_fresh_done(&w->fresh);
        *ret = NULL;
        return listing_copy(w->now, &w->fresh.changes, err);
    }
    memcpy(w->base, last->record, DIGEST_HEX);
    w->text.base = w->base;
    w->text.depth = last->depth + 1;
    w->fresh.base = last->number;
    w->fresh.depth = w->text.depth;
    *ret = &store->last;
    return 0;
}

static int write_temp(int dir_fd, const char *name, struct span content, struct err *err)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), r;

    if (fd < 0)
        return err_errno(err, ERR_IO, "making '%s'", name);
    r = file_write_all(fd, content.ptr, content.len, err);
    if (r == 0)
        r = file_sync_data(fd, err);
    if (close(fd) < 0 && r == 0)
        r = err_errno(err, ERR_IO, "closing '%s'", name);
    return r;
}

static int write_record(struct checkpoint_writer *w, struct err *err)
{
    struct buf record = BUF_INIT(LISTING_RECORD_MAX);
    char name[CHECKPOINT_NAME_MAX];
    const struct listing *base = NULL;
    int r = choose_base(w, &base, err);

    if (r == 0)
        r = listing_encode(w->now, base, &w->text, &record, err);
    if (r == 0) {
        digest_of(buf_span(&record), w->record);
        memcpy(w->tree, record.data + record.len - sizeof("\"}\n") - DIGEST_HEX + 2, DIGEST_HEX - 1);
        checkpoint_record_name(w->number, name);
        name_temp(name);
        r = write_temp(w->store->dir_fd, name, buf_span(&record), err);
        if (r < 0)
            r = unwritable(w, err);
    }
    buf_done(&record);
    return r;
}

static int finish_pack(struct checkpoint_writer *w, struct err *err)
{
    if (!w->pack)
        return 0;
    if (pack_finish(w->pack, w->pack_sha256, &w->rec.pack_bytes, err) < 0)
        return unwritable(w, err);
    return 0;
}

static int rename_final(struct checkpoint_writer *w, const char *name, struct err *err)
{
    char temp[CHECKPOINT_NAME_MAX];
    int fd = w->store->dir_fd;

    snprintf(temp, sizeof(temp), "%s", name);
    name_temp(temp);
    return renameat(fd, temp, fd, name) < 0 ? err_errno(err, ERR_IO, "renaming '%s'", temp) : 0;
}

static int place_files(struct checkpoint_writer *w, struct err *err)
{
    char name[CHECKPOINT_NAME_MAX];
    int r = 0;

    checkpoint_pack_name(w->number, name);
    if (w->pack) {
        r = rename_final(w, name, err);
        w->has_pack = r == 0;
    } else if (unlinkat(w->store->dir_fd, name, 0) < 0 && errno != ENOENT) {
        r = err_errno(err, ERR_IO, "removing '%s'", name); /* of a crash: would be taken for ours */
    }
    checkpoint_record_name(w->number, name);
    if (r == 0)
        r = rename_final(w, name, err);
    w->has_record = r == 0;
    if (r == 0)
        r = file_sync_dir(w->store->dir_fd, err);
    return r < 0 ? unwritable(w, err) : 0;
}

static void fill_rec(struct checkpoint_writer *w)
{
    struct record_checkpoint *rec = &w->rec;
    struct listing_totals totals;

    listing_totals(w->now, &totals);
    rec->number = w->number;
    rec->tree = w->tree;
    rec->record = w->record;
    rec->pack = w->pack ? w->pack_sha256 : NULL;
    rec->files = totals.files;
    rec->folders = totals.folders;
    rec->links = totals.links;
    rec->bytes = totals.bytes;
    rec->new_files = (int64_t) w->count;
    rec->new_bytes = w->new_bytes;
    rec->unkept = (int64_t) w->text.unkept_count;
}

/* What the store wants to know when the journal tells of this checkpoint. */
static void keep_fresh(struct checkpoint_writer *w)
{
    w->fresh.number = w->number;
    memcpy(w->fresh.record, w->record, DIGEST_HEX);
    w->fresh.contents = w->contents;
    w->fresh.count = w->count;
    w->contents = NULL;
}

/* What is written must be what can be read again. What did not change was there before. */
static int check_contents(const struct checkpoint_writer *w, struct err *err)
{
    const struct listing *l = &w->fresh.changes;

    for (size_t i = 0; i < l->count; i++) {
        const struct listing_entry *e = &l->entries[i];
        const struct content_home *home = NULL;

        if (e->kind != LISTING_FILE || e->size == 0)
            continue;
        home = contents_find(&w->store->contents, e->sha256);
        if (!home || home->size != e->size)
            return err_set(err, ERR_INTERNAL, "the content of '%s' was not stored", e->path);
    }
    return 0;
}

static int find_prunable(struct checkpoint_writer *w, struct err *err)
{
    if (w->keep <= 0) {
        w->store->used_floor = w->number; /* without a look at what it needs */
        return 0;
    }
    contents_use(&w->store->contents, w->now, w->number);
    return checkpoint_find_prunable(w->store, w->fresh.base, w->keep, &w->arena, &w->rec, err);
}

static void on_thread(void *data)
{
    struct checkpoint_writer *w = data;
    struct err *err = &w->err;
    int r = finish_pack(w, err);

    if (r == 0)
        r = write_record(w, err);
    if (r == 0)
        r = check_contents(w, err);
    if (r == 0)
        r = find_prunable(w, err);
    if (r == 0)
        r = place_files(w, err);
    if (r == 0) {
        fill_rec(w);
        keep_fresh(w);
    }
    w->result = r;
}

static void on_finished(void *data)
{
    struct checkpoint_writer *w = data;

    loop_source_free(w->work);
    w->work = NULL;
    if (w->result == 0) {
        w->is_stored = true;
        checkpoint_fresh_done(&w->store->fresh);
        w->store->fresh = w->fresh;
        checkpoint_fresh_init(&w->fresh);
    }
    w->fn(w->data, w->result, w->result < 0 ? NULL : &w->rec, w->result < 0 ? &w->err : NULL);
}

int checkpoint_commit(struct checkpoint_writer *w, struct loop *loop, const struct checkpoint_commit *commit,
                      checkpoint_commit_fn *fn, void *data, struct err *err)
{
    assert(!w->is_open && !w->work);
    if (checkpoint_store_last(w->store))
        (void) checkpoint_read_last(w->store, NULL); /* without it the record will be a complete one */
    w->now = commit->now;
    w->text = (struct listing_text){ .contents = w->contents,
                                     .content_count = w->count,
                                     .unkept = commit->unkept,
                                     .unkept_count = commit->unkept_count };
    w->keep = commit->keep;
    w->fn = fn;
    w->data = data;
    return loop_work(loop, on_thread, on_finished, w, &w->work, err);
}

/* What lies under a temporary or a final name, as far as it came; nobody was told of it. */
static void remove_files(struct checkpoint_writer *w)
{
    char name[CHECKPOINT_NAME_MAX];
    int fd = w->store->dir_fd;

    checkpoint_record_name(w->number, name);
    if (w->has_record)
        (void) unlinkat(fd, name, 0); /* a leftover would only take room, here and below */
    name_temp(name);
    (void) unlinkat(fd, name, 0);
    checkpoint_pack_name(w->number, name);
    if (w->has_pack)
        (void) unlinkat(fd, name, 0);
    name_temp(name);
    if (w->pack)
        (void) unlinkat(fd, name, 0);
}

void checkpoint_drop(struct checkpoint_writer *w)
{
    if (!w)
        return;
    loop_source_free(w->work); /* waits for its thread */
    pack_writer_free(w->pack);
    if (!w->is_stored) {
        remove_files(w);
        contents_forget(&w->store->contents, w->number);
    }
    digest_free(w->digest);
    buf_done(&w->small);
    free(w->contents);
    checkpoint_fresh_done(&w->fresh);
    arena_done(&w->arena);
    free(w);
}

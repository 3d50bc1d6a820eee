/* SPDX-License-Identifier: MIT */
/* A run folder, file by file: first what the journal says, then whether everything else is that. */
#include "core/run/verify.h"

#include "core/base/cleanup.h"
#include "core/run/checkpoint_impl.h"
#include "core/run/journal.h"
#include "core/run/object.h"
#include "core/run/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP      65536
#define HEAD_ARENA_MAX ((size_t) 512 * 1024 * 1024)
#define TORN_TRIES     16

struct verify {
    struct run_folder *folder;
    struct run_verdict *verdict;
    struct checkpoint_store *store;
    struct run_state state;
    char manifest[DIGEST_HEX]; /* what the journal says of it; "" = nothing */
    bool is_whole; /* the journal was read to its end, so a file that it does not name is nobody's */
};

/* ---- telling ---- */

static void add(struct run_damage *list, size_t *count, const char *file, int64_t offset,
                const struct err *why)
{
    size_t room = sizeof(((struct run_verdict *) NULL)->damage) / sizeof(*list);

    if (*count < room) {
        list[*count].offset = offset;
        list[*count].err = *why;
        snprintf(list[*count].file, sizeof(list[*count].file), "%.255s", file);
    }
    ++*count;
}

void run_verdict_add(struct run_verdict *v, const char *file, int64_t offset, const struct err *why)
{
    add(v->damage, &v->damage_count, file, offset, why);
}

static void damaged(struct verify *v, const char *file, int64_t offset, const struct err *why)
{
    add(v->verdict->damage, &v->verdict->damage_count, file, offset, why);
}

static void __attribute__((format(printf, 3, 4)))
damage(struct verify *v, const char *file, const char *format, ...)
{
    struct err why = { 0 };
    char text[256];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    (void) err_set(&why, ERR_INVALID, "%s", text);
    damaged(v, file, -1, &why);
}

static void leftover(struct verify *v, const char *file, const char *what)
{
    struct err why = { 0 };

    (void) err_set(&why, ERR_NONE, "%s", what);
    add(v->verdict->leftovers, &v->verdict->leftover_count, file, -1, &why);
}

/* What could not be read at all ends the verification; what could be and is wrong is told. */
static int told(struct verify *v, const char *file, int r, const struct err *why, struct err *err)
{
    if (r == -ERR_IO || r == -ERR_INTERNAL) {
        if (err)
            *err = *why;
        return r;
    }
    if (r < 0)
        damaged(v, file, -1, why);
    return 0;
}

/* ---- files ---- */

static void path_in(char *out, size_t size, const char *folder, const char *name)
{
    snprintf(out, size, "%s/%s", folder, name);
}

/* 1 = there, with its digest and size; 0 = not there, or no file, which was told then. One of more than `max`
 * bytes is not read: its digest is "". */
static int sum_file(struct verify *v, const char *path, bool is_required, int64_t max,
                    char ret_sha256[DIGEST_HEX], int64_t *ret_size, struct err *err)
{
    CLEANUP(fd) int fd = openat(v->folder->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    int r;

    if (fd < 0 && errno == ENOENT) {
        if (is_required)
            damage(v, path, "it is missing");
        return 0;
    }
    if (fd < 0 && errno != ELOOP && errno != EMLINK && errno != ENXIO)
        return err_errno(err, ERR_IO, "opening '%s'", path);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        damage(v, path, "it is not a regular file");
        return 0;
    }
    *ret_size = st.st_size;
    ret_sha256[0] = '\0';
    if (st.st_size > max)
        return 1;
    r = digest_fd(fd, ret_sha256, ret_size, err);
    v->verdict->bytes += *ret_size;
    return r < 0 ? err_wrap(err, "'%s'", path) : 1;
}

/* Calls `fn` for each name in a folder; a missing folder is empty. */
typedef int name_fn(struct verify *v, const char *name, struct err *err);

static int each_name(struct verify *v, const char *folder, name_fn *fn, struct err *err)
{
    int fd = openat(v->folder->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), r = 0;
    struct dirent *entry;
    DIR *dir;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
        damage(v, folder, "it is not a folder");
        return 0;
    }
    dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        r = err_errno(err, ERR_IO, "reading folder '%s'", folder);
        if (fd >= 0)
            (void) close(fd); /* only a folder */
        return r;
    }
    while (r == 0 && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = fn(v, entry->d_name, err);
    (void) closedir(dir); /* only read */
    return r;
}

static bool is_temp(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && strcmp(name + len - 4, ".tmp") == 0;
}

/* ---- the journal ---- */

static int need_object(struct verify *v, const char *name, uint64_t seq, struct err *err)
{
    char path[128];
    struct stat st;

    if (!name || !name[0])
        return 0;
    if (strlen(name) != DIGEST_HEX - 1 || strchr(name, '/')) {
        damage(v, JOURNAL_FILE, "record %" PRIu64 " speaks of an object that has no name", seq);
        return 0;
    }
    path_in(path, sizeof(path), "objects", name);
    if (fstatat(v->folder->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (errno != ENOENT && errno != ENOTDIR)
        return err_errno(err, ERR_IO, "looking at '%s'", path);
    damage(v, path, "it is missing: record %" PRIu64 " speaks of it", seq);
    return 0;
}

static int need_objects(struct verify *v, struct record *rec, struct err *err)
{
    const struct record_blob *blob = record_blob_of(rec);
    int r = blob ? need_object(v, blob->object, rec->seq, err) : 0;

    if (rec->type == RECORD_OUTPUT_DONE)
        return need_object(v, rec->output.list, rec->seq, err);
    if (rec->type != RECORD_CALL_END && rec->type != RECORD_CHECK_END)
        return r;
    for (size_t i = 0; r == 0 && i < rec->call_end.stream_count; i++)
        r = need_object(v, rec->call_end.streams[i].object, rec->seq, err);
    return r;
}

static int take_record(struct verify *v, struct record *rec, struct err *err)
{
    int r;

    v->verdict->records++;
    if (rec->type == RECORD_RUN_BEGIN && rec->run_begin.manifest)
        snprintf(v->manifest, sizeof(v->manifest), "%s", rec->run_begin.manifest);
    r = need_objects(v, rec, err);
    if (r < 0)
        return r;
    r = run_apply(&v->state, rec, err);
    if (r == 0 && rec->type == RECORD_CHECKPOINT_DONE)
        r = checkpoint_store_told(v->store, &rec->checkpoint, err);
    return r;
}

/* A rest without a newline is what a crash leaves of a line. But if it begins with a whole line, it is the
 * newline behind that one that somebody has changed. */
static bool is_line_changed(const struct journal_reader *reader)
{
    static const char tail[] = ",\"sum\":\"";
    struct span rest = span_make(reader->buf.data + reader->used, reader->buf.len - reader->used);
    const char *at = rest.ptr;
    bool is_whole = false;

    for (int i = 0; !is_whole && i < TORN_TRIES; i++) {
        struct journal_chain chain = reader->chain;
        struct arena arena = ARENA_INIT(HEAD_ARENA_MAX);
        struct buf line = BUF_INIT(JOURNAL_LINE_MAX + 1);
        size_t left = rest.len - (size_t) (at - rest.ptr), end;
        struct record rec;

        at = left ? memmem(at, left, tail, sizeof(tail) - 1) : NULL;
        if (!at)
            break;
        at += sizeof(tail) - 1;
        end = (size_t) (at - rest.ptr) + DIGEST_HEX - 1 + strlen("\"}");
        if (end >= rest.len)
            break;
        is_whole = buf_add(&line, rest.ptr, end) == 0 && buf_add_char(&line, '\n') == 0 &&
                   journal_decode(buf_span(&line), &chain, &arena, &rec, NULL) > 0;
        buf_done(&line);
        arena_done(&arena);
    }
    return is_whole;
}

static int read_records(struct verify *v, struct journal_reader *reader, struct err *err)
{
    struct err why = { 0 };
    struct record rec;
    int64_t offset = 0;
    int r;

    for (;;) {
        offset = reader->offset;
        r = journal_next(reader, &rec, &why);
        if (r <= 0)
            break;
        r = take_record(v, &rec, &why);
        if (r < 0)
            break;
    }
    if (r == -ERR_IO || r == -ERR_INTERNAL) {
        if (err)
            *err = why;
        return r;
    }
    if (r < 0)
        damaged(v, JOURNAL_FILE, offset, &why);
    v->is_whole = r == 0;
    return 0;
}

static int check_journal(struct verify *v, struct err *err)
{
    struct err why = { 0 };
    struct journal_reader reader;
    int r = journal_open(v->folder, &reader, &why);

    if (r < 0) {
        journal_close(&reader);
        return told(v, JOURNAL_FILE, r, &why, err);
    }
    r = read_records(v, &reader, err);
    if (r == 0 && v->is_whole && reader.chain.seq == 0) {
        (void) err_set(&why, ERR_INVALID, "it holds no record");
        damaged(v, JOURNAL_FILE, 0, &why);
        v->is_whole = false;
    }
    if (r == 0 && v->is_whole) {
        v->verdict->torn_bytes = reader.torn_bytes;
        if (is_line_changed(&reader)) {
            (void) err_set(&why, ERR_INVALID, "the last record does not end as it was written");
            damaged(v, JOURNAL_FILE, reader.offset, &why);
            v->is_whole = false;
        }
    }
    v->verdict->bytes += reader.offset;
    memcpy(v->verdict->head, reader.chain.prev, sizeof(v->verdict->head));
    journal_close(&reader);
    return r;
}

/* ---- manifest, lock, objects ---- */

static int check_manifest(struct verify *v, struct err *err)
{
    char sha256[DIGEST_HEX];
    int64_t size;
    int r = v->manifest[0] ? sum_file(v, RUN_MANIFEST, true, OBJECT_MAX, sha256, &size, err) : 0;

    if (r > 0 && strcmp(sha256, v->manifest) != 0)
        damage(v, RUN_MANIFEST, "it is not the manifest that the run began with");
    return r < 0 ? r : 0;
}

static int check_lock(struct verify *v, struct err *err)
{
    char sha256[DIGEST_HEX];
    int64_t size;
    int r = sum_file(v, "lock", false, 0, sha256, &size, err);

    if (r > 0 && size > 0)
        damage(v, "lock", "it must be empty");
    return r < 0 ? r : 0;
}

static int check_object(struct verify *v, const char *name, struct err *err)
{
    char path[300], sha256[DIGEST_HEX];
    int64_t size;
    int r;

    path_in(path, sizeof(path), "objects", name);
    if (name[0] == '.' && is_temp(name)) {
        leftover(v, path, "an object that was not finished");
        return 0;
    }
    r = sum_file(v, path, true, INT64_MAX, sha256, &size, err);
    if (r > 0)
        v->verdict->objects++;
    if (r > 0 && strcmp(sha256, name) != 0)
        damage(v, path, "it is not what its name says");
    return r < 0 ? r : 0;
}

/* Of a subagent: what it was handed and hands back, which its own records have the digests of. */
static bool is_handed(const struct verify *v, const char *name)
{
    return run_folder_is_child(v->folder) && (strcmp(name, "inputs") == 0 || strcmp(name, "outputs") == 0);
}

static int check_top(struct verify *v, const char *name, struct err *err)
{
    static const char *const known[] = { JOURNAL_FILE, RUN_MANIFEST,   "lock",
                                         "objects",    CHECKPOINT_DIR, RUN_AGENTS };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(name, known[i]) == 0)
            return 0;
    if (name[0] == '.' && is_temp(name))
        leftover(v, name, "a file that was not finished");
    else if (!is_handed(v, name))
        damage(v, name, "it does not belong here");
    return 0;
}

/* ---- checkpoints ---- */

static int check_member(struct pack_reader *pack, int64_t number, const struct listing_content *want,
                        struct err *err)
{
    struct digest *digest = digest_new();
    char bytes[READ_STEP], sha256[DIGEST_HEX];
    uint8_t sum[DIGEST_SIZE];
    int64_t size = 0, seen = 0;
    ssize_t n =
        digest ? pack_reader_go(pack, number, &size, err) : err_set(err, ERR_INTERNAL, "no memory to verify");

    if (n == 0 && size != want->size) /* before much of nothing is unpacked */
        n = err_set(err, ERR_INVALID, "member %" PRId64 " is not what the tree record says", number);
    while (n >= 0 && (n = pack_reader_read(pack, bytes, sizeof(bytes), err)) > 0) {
        digest_add(digest, bytes, (size_t) n);
        seen += n;
    }
    if (n == 0) {
        digest_end(digest, sum);
        digest_hex(sum, sha256);
    }
    digest_free(digest);
    if (n < 0)
        return (int) n;
    if (seen == want->size && strcmp(sha256, want->sha256) == 0)
        return 0;
    return err_set(err, ERR_INVALID, "member %" PRId64 " is not what the tree record says", number);
}

static int check_members(struct verify *v, const struct stored *s, const char *name,
                         const struct listing_text *head, struct err *err)
{
    struct pack_reader *pack = NULL;
    char sha256[DIGEST_HEX];
    int64_t size = 0;
    int r = pack_reader_new(v->store->dir_fd, name, &pack, err);

    for (size_t i = 0; r == 0 && i < head->content_count; i++)
        r = check_member(pack, (int64_t) i + 1, &head->contents[i], err);
    if (r == 0)
        r = pack_reader_end(pack, sha256, &size, err);
    if (r == 0 && strcmp(sha256, s->pack) != 0)
        r = err_set(err, ERR_INVALID, "it is not what the journal says");
    pack_reader_free(pack);
    return r;
}

/* The whole file first: what is wrong inside one that is as it was written would be our own mistake. */
static int check_pack(struct verify *v, const struct stored *s, const struct listing_text *head,
                      struct err *err)
{
    char name[CHECKPOINT_NAME_MAX], path[128], sha256[DIGEST_HEX];
    struct err why = { 0 };
    int64_t size;
    int r;

    checkpoint_pack_name(s->number, name);
    path_in(path, sizeof(path), CHECKPOINT_DIR, name);
    r = sum_file(v, path, true, INT64_MAX, sha256, &size, err);
    if (r <= 0)
        return r;
    v->verdict->packs++;
    if (strcmp(sha256, s->pack) != 0) {
        damage(v, path, "it is not what the journal says");
        return 0;
    }
    return head ? told(v, path, check_members(v, s, name, head, &why), &why, err) : 0;
}

/* The listing it makes, which is kept for the next one that is based on it. A damage is told once, not of all
 * that are based on it. */
static int check_listing(struct verify *v, struct stored *s, struct err *err)
{
    const struct stored *base = s->is_read ? checkpoint_stored(v->store, s->base) : NULL;
    struct listing l;
    int r;

    s->is_broken = true;
    if (base && base->is_broken)
        return 0;
    r = checkpoint_read_listing(v->store, s, &l, err);
    if (r < 0)
        return r;
    s->is_broken = false;
    if (!v->store->heads_err.code) /* else it is not known what the packs have */
        r = checkpoint_check_contents(v->store, s->number, &l, err);
    listing_done(&v->store->last);
    v->store->last = l;
    v->store->last_number = s->number;
    return r == -ERR_NOT_FOUND ? 0 : r; /* pruned */
}

static int check_record(struct verify *v, struct stored *s, struct arena *arena, struct listing_text *head,
                        struct err *err)
{
    struct buf record = BUF_INIT(LISTING_RECORD_MAX);
    int r = checkpoint_read_record(v->store, s, &record, err);

    s->is_broken = r < 0;
    if (r == 0) {
        v->verdict->bytes += (int64_t) record.len;
        r = listing_decode_head(buf_span(&record), arena, head, err);
    }
    buf_done(&record);
    return r < 0 ? r : check_listing(v, s, err);
}

static int check_checkpoint(struct verify *v, struct stored *s, struct err *err)
{
    struct arena arena = ARENA_INIT(HEAD_ARENA_MAX);
    struct listing_text head = { 0 };
    char name[CHECKPOINT_NAME_MAX], path[128];
    struct err why = { 0 };
    bool has_head = false;
    int r = 0;

    checkpoint_record_name(s->number, name);
    path_in(path, sizeof(path), CHECKPOINT_DIR, name);
    v->verdict->checkpoints++;
    if (!s->record_is_pruned) {
        r = check_record(v, s, &arena, &head, &why);
        has_head = r == 0;
        r = told(v, path, r, &why, err);
    }
    if (r == 0 && s->pack[0] && !s->pack_is_pruned)
        r = check_pack(v, s, has_head ? &head : NULL, err);
    arena_done(&arena);
    return r;
}

static int check_checkpoint_name(struct verify *v, const char *name, struct err *err)
{
    int64_t number, last = checkpoint_store_last(v->store);
    const struct stored *s;
    char path[300];
    bool is_pack;

    path_in(path, sizeof(path), CHECKPOINT_DIR, name);
    number = checkpoint_name_number(name, &is_pack);
    s = checkpoint_stored(v->store, number);
    if (is_temp(name) && name[0] >= '0' && name[0] <= '9')
        leftover(v, path, "a checkpoint that was not finished");
    else if (!s && number > last)
        leftover(v, path, "a checkpoint that the journal does not know");
    else if (!s || (is_pack && !s->pack[0]))
        damage(v, path, "it does not belong here");
    else if (is_pack ? s->pack_is_pruned : s->record_is_pruned)
        leftover(v, path, "of a checkpoint that was pruned");
    return 0;
}

static int check_checkpoints(struct verify *v, struct err *err)
{
    int r = v->store->count ? checkpoint_open_dir(v->store, false, err) : 0;

    if (r == -ERR_NOT_FOUND) {
        damage(v, CHECKPOINT_DIR, "it is missing");
        return 0;
    }
    (void) checkpoint_read_heads(v->store, NULL); /* what is wrong with one is told when its turn comes */
    for (size_t i = 0; r == 0 && i < v->store->count; i++)
        r = check_checkpoint(v, &v->store->list[i], err);
    return r == 0 && v->is_whole ? each_name(v, CHECKPOINT_DIR, check_checkpoint_name, err) : r;
}

/* ---- all of it ---- */

static int verify_one(struct run_folder *folder, struct run_verdict *ret, struct err *err)
{
    struct verify v = { .folder = folder, .verdict = ret };
    int r = checkpoint_store_new(folder, &v.store, err);

    run_state_init(&v.state);
    if (r == 0)
        r = check_journal(&v, err);
    if (r == 0)
        r = check_manifest(&v, err);
    if (r == 0)
        r = check_lock(&v, err);
    if (r == 0)
        r = each_name(&v, "objects", check_object, err);
    if (r == 0)
        r = check_checkpoints(&v, err);
    if (r == 0)
        r = each_name(&v, ".", check_top, err);
    run_state_done(&v.state);
    checkpoint_store_free(v.store);
    return r;
}

/* ---- subagents ---- */

/* The run's line `digest`: is it one of this journal? Its head counts as well. */
static bool has_line(struct run_folder *folder, const char *digest)
{
    struct journal_reader reader;
    struct record rec;
    bool is_there = false;

    if (journal_open(folder, &reader, NULL) < 0)
        return false;
    while (!is_there && journal_next(&reader, &rec, NULL) > 0)
        is_there = strcmp(reader.chain.prev, digest) == 0;
    journal_close(&reader);
    return is_there;
}

/* What the parent's journal says of a run below it, beside that run. */
static void check_told(struct verify *v, const struct record *rec)
{
    const char *key = strrchr(rec->agent.id, '/');
    struct run_folder *child = NULL;
    char file[64];

    snprintf(file, sizeof(file), RUN_AGENTS "/%.40s", key ? key + 1 : "");
    if (!key || run_folder_open_child(v->folder, key + 1, &child, NULL) < 0)
        damage(v, file, "it is missing: record %" PRIu64 " speaks of it", rec->seq);
    else if (rec->agent.line && !has_line(child, rec->agent.line))
        damage(v, file, "it is not the run that record %" PRIu64 " speaks of", rec->seq);
    run_folder_free(child);
}

static int check_all_told(struct verify *v, struct err *err)
{
    struct journal_reader reader;
    struct record rec;
    int r = journal_open(v->folder, &reader, err);

    if (r < 0)
        return r;
    while (journal_next(&reader, &rec, NULL) > 0)
        if (rec.type == RECORD_AGENT_END)
            check_told(v, &rec);
    journal_close(&reader);
    return 0;
}

/* What was found in it, told of the folder above. */
static void add_child(struct run_verdict *to, const struct run_verdict *from, const char *key)
{
    size_t room = sizeof(to->damage) / sizeof(to->damage[0]);

    for (size_t i = 0; i < from->damage_count && i < room; i++) {
        char file[sizeof(from->damage[0].file)];

        snprintf(file, sizeof(file), RUN_AGENTS "/%s/%.200s", key, from->damage[i].file);
        add(to->damage, &to->damage_count, file, from->damage[i].offset, &from->damage[i].err);
    }
    for (size_t i = 0; i < from->leftover_count && i < room; i++) {
        char file[sizeof(from->damage[0].file)];

        snprintf(file, sizeof(file), RUN_AGENTS "/%s/%.200s", key, from->leftovers[i].file);
        add(to->leftovers, &to->leftover_count, file, -1, &from->leftovers[i].err);
    }
    to->records += from->records;
    to->objects += from->objects;
    to->checkpoints += from->checkpoints;
    to->packs += from->packs;
    to->bytes += from->bytes;
    to->torn_bytes += from->torn_bytes;
    to->agents += 1 + from->agents;
}

/* Killed before its first record: the parent's resume begins it. */
static bool has_begun(struct run_folder *folder)
{
    struct journal_reader reader;
    struct record rec;
    bool has_any = false;

    if (journal_open(folder, &reader, NULL) < 0)
        return false;
    has_any = journal_next(&reader, &rec, NULL) != 0;
    journal_close(&reader);
    return has_any;
}

static void unbegun(struct run_verdict *v, const char *key)
{
    struct err why = { 0 };
    char file[64];

    snprintf(file, sizeof(file), RUN_AGENTS "/%.40s", key);
    (void) err_set(&why, ERR_NONE, "a run that had not begun");
    add(v->leftovers, &v->leftover_count, file, -1, &why);
}

static int verify_child(const struct run_folder *folder, const char *key, struct run_verdict *ret,
                        struct err *err)
{
    struct run_verdict *below = calloc(1, sizeof(*below));
    struct run_folder *child = NULL;
    int r = below ? run_folder_open_child(folder, key, &child, err)
                  : err_set(err, ERR_INTERNAL, "no memory to verify");

    if (r == 0 && !has_begun(child)) {
        unbegun(ret, key);
        run_folder_free(child);
        free(below);
        return 0;
    }
    if (r == 0)
        r = run_verify(child, below, err);
    if (r == 0)
        add_child(ret, below, key);
    run_folder_free(child);
    free(below);
    return r;
}

int run_verify(struct run_folder *folder, struct run_verdict *ret, struct err *err)
{
    struct verify v = { .folder = folder, .verdict = ret };
    char **keys = NULL;
    size_t count = 0;
    int r;

    memset(ret, 0, sizeof(*ret));
    r = verify_one(folder, ret, err);
    if (r == 0)
        r = run_folder_children(folder, &keys, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = verify_child(folder, keys[i], ret, err);
    if (r == 0 && ret->damage_count == 0)
        r = check_all_told(&v, err);
    run_folder_list_free(keys, count);
    return r;
}

/* SPDX-License-Identifier: MIT */
/* The journal: lines with a chain, written and synced, read and checked. */
#include "core/run/journal.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/run/folder.h"
#include "core/run/object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARENA_MAX (256 * 1024 * 1024) /* of one decoded line: a tree is larger than its text */
#define READ_STEP (64 * 1024)
#define SUM_TAIL  74 /* bytes of ,"sum":"<64 digits>"} */

struct journal {
    struct run_folder *folder;
    int fd;
    struct journal_chain chain;
    struct buf line;    /* the one appended last, without newline */
    struct buf pending; /* lines not yet written */
    bool is_unsynced;   /* something was written since the last sync */
    struct err broken;  /* code set: nothing goes any more */
};

void journal_chain_init(struct journal_chain *chain)
{
    chain->seq = 0;
    memset(chain->prev, '0', DIGEST_HEX - 1);
    chain->prev[DIGEST_HEX - 1] = '\0';
}

static void chain_move(struct journal_chain *chain, struct span line)
{
    chain->seq++;
    digest_of(line, chain->prev);
}

/* ---- decoding ---- */

static int decode_envelope(const struct tree *line, const struct journal_chain *chain, struct record *ret,
                           struct err *err)
{
    struct span type = tree_span(tree_get(line, "type"));
    int64_t seq = tree_int(tree_get(line, "seq"), -1);
    const char *time = tree_string(tree_get(line, "time"), "");

    if (line->kind != TREE_OBJECT)
        return err_set(err, ERR_INVALID, "not an object");
    if (seq < 1 || (chain && (uint64_t) seq != chain->seq + 1))
        return err_set(err, ERR_INVALID, "record %lld where %llu must be", (long long) seq,
                       (unsigned long long) (chain ? chain->seq + 1 : 1));
    if (chain && !tree_is_string(tree_get(line, "prev"), chain->prev))
        return err_set(err, ERR_INVALID, "the chain is broken: record %lld does not follow the one before it",
                       (long long) seq);
    if (!type.len || clock_parse(time, &ret->time_ms) < 0)
        return err_set(err, ERR_INVALID, "record %lld has no type or no time", (long long) seq);
    ret->ms = tree_int(tree_get(line, "ms"), -1);
    if (ret->ms < 0)
        return err_set(err, ERR_INVALID, "record %lld has no running time", (long long) seq);
    ret->seq = (uint64_t) seq;
    ret->type = record_type_of(type);
    if (ret->type == RECORD_UNKNOWN)
        ret->unknown = tree_string(tree_get(line, "type"), "");
    return 0;
}

/* The digest at the end of a line is that of everything before it. */
static int check_sum(struct span line, struct err *err)
{
    char tail[SUM_TAIL + 1], sum[DIGEST_HEX];

    if (line.len <= SUM_TAIL)
        return err_set(err, ERR_INVALID, "a record without its digest");
    line.len -= SUM_TAIL;
    digest_of(line, sum);
    snprintf(tail, sizeof(tail), ",\"sum\":\"%s\"}", sum);
    if (memcmp(line.ptr + line.len, tail, SUM_TAIL) != 0)
        return err_set(err, ERR_INVALID, "a record that is not what its digest says");
    return 0;
}

/* A journal begins with run.begin, once, in a format that we know. */
static int check_begin(const struct record *rec, struct err *err)
{
    if ((rec->seq == 1) != (rec->type == RECORD_RUN_BEGIN))
        return err_set(err, ERR_INVALID, "record %llu is '%s'", (unsigned long long) rec->seq,
                       record_type_name(rec->type));
    if (rec->seq != 1 || rec->run_begin.format == RECORD_FORMAT)
        return 0;
    (void) err_set(err, ERR_PROTOCOL, "journal format %lld is not known, only %d",
                   (long long) rec->run_begin.format, RECORD_FORMAT);
    return err_hint(err, "use the version of agentbox that wrote it");
}

static int decode_line(struct span line, const struct journal_chain *chain, struct arena *arena,
                       struct record *ret, struct err *err)
{
    const struct tree *tree;
    int r = chain ? check_sum(line, err) : 0;

    if (r == 0)
        r = json_parse(line, arena, &tree, err);
    if (r == 0)
        r = decode_envelope(tree, chain, ret, err);
    if (r == 0)
        r = record_decode(tree, arena, ret, err);
    return r == 0 ? check_begin(ret, err) : r;
}

ssize_t journal_decode(struct span bytes, struct journal_chain *chain, struct arena *arena,
                       struct record *ret, struct err *err)
{
    size_t look = bytes.len < JOURNAL_LINE_MAX + 1 ? bytes.len : JOURNAL_LINE_MAX + 1;
    const char *end = look ? memchr(bytes.ptr, '\n', look) : NULL;
    struct record rec = { 0 };
    struct span line;
    int r;

    if (!end && look > JOURNAL_LINE_MAX)
        return err_set(err, ERR_TOO_LARGE, "a line is longer than %d bytes", JOURNAL_LINE_MAX);
    if (!end)
        return 0;
    line = span_make(bytes.ptr, (size_t) (end - bytes.ptr));
    r = decode_line(line, chain, arena, &rec, err);
    if (r < 0)
        return r;
    chain_move(chain, line);
    *ret = rec;
    return (ssize_t) line.len + 1;
}

int journal_peek(struct span line, struct arena *arena, struct record *ret, struct err *err)
{
    return decode_line(line, NULL, arena, ret, err);
}

/* ---- writing ---- */

void journal_free(struct journal *j)
{
    if (!j)
        return;
    if (j->fd >= 0)
        (void) close(j->fd); /* what was promised is synced */
    buf_done(&j->line);
    buf_done(&j->pending);
    free(j);
}

static int writer_new(struct run_folder *folder, const char *name, int flags, struct journal **ret,
                      struct err *err)
{
    struct journal *j = calloc(1, sizeof(*j));

    if (!j)
        return err_set(err, ERR_INTERNAL, "no memory for the journal");
    j->folder = folder;
    buf_init(&j->line, JOURNAL_LINE_MAX);
    buf_init(&j->pending, 64 * (size_t) JOURNAL_LINE_MAX);
    journal_chain_init(&j->chain);
    j->fd = openat(folder->fd, name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (j->fd < 0) {
        int r = err_errno(err,
                          errno == EEXIST   ? ERR_CONFLICT
                          : errno == ENOENT ? ERR_NOT_FOUND
                                            : ERR_IO,
                          "journal of run '%s'", folder->id);

        journal_free(j);
        return r;
    }
    *ret = j;
    return 0;
}

int journal_create(struct run_folder *folder, struct journal **ret, struct err *err)
{
    struct journal *j = NULL;
    int r = writer_new(folder, JOURNAL_FILE, O_CREAT | O_EXCL, &j, err);

    if (r < 0)
        return r;
    r = file_sync_dir(folder->fd, err);
    if (r < 0)
        journal_free(j);
    else
        *ret = j;
    return r;
}

int journal_continue(struct run_folder *folder, const struct journal_chain *chain, int64_t end_offset,
                     struct journal **ret, struct err *err)
{
    struct journal *j = NULL;
    int r = writer_new(folder, JOURNAL_FILE, 0, &j, err);

    if (r < 0)
        return r;
    j->chain = *chain;
    if (ftruncate(j->fd, (off_t) end_offset) < 0) {
        r = err_errno(err, ERR_IO, "cutting the torn end of the journal of run '%s'", folder->id);
        journal_free(j);
        return r;
    }
    *ret = j;
    return 0;
}

static int broken(const struct journal *j, struct err *err)
{
    if (err)
        *err = j->broken;
    return -(int) j->broken.code;
}

static int break_for_good(struct journal *j, struct err *why, struct err *err)
{
    (void) run_folder_unwritable(j->folder, why);
    j->broken = *why;
    return broken(j, err);
}

/* Line breaks are legal between the tokens of a JSON text; a journal line cannot hold them. */
static bool fits_inline(struct span json)
{
    return json.len <= RECORD_INLINE_MAX && (json.len == 0 || !memchr(json.ptr, '\n', json.len));
}

static int store_blob(struct journal *j, struct record *rec, struct err *err)
{
    struct record_blob *blob = record_blob_of(rec);

    if (!blob || blob->object[0])
        return 0;
    blob->size = (int64_t) blob->json.len;
    return fits_inline(blob->json) ? 0 : object_put(j->folder, blob->json, blob->object, err);
}

static int encode_line(struct journal *j, const struct record *rec, struct err *err)
{
    struct json_writer w;
    char time[CLOCK_TEXT], sum[DIGEST_HEX];

    clock_text(rec->time_ms, time);
    buf_clear(&j->line);
    json_begin(&w, &j->line);
    json_object(&w);
    json_put_int(&w, "seq", (int64_t) rec->seq);
    json_put_string(&w, "time", time);
    json_put_int(&w, "ms", rec->ms);
    json_put_string(&w, "type", record_type_name(rec->type));
    record_encode(&w, rec);
    json_put_string(&w, "prev", j->chain.prev);
    digest_of(buf_span(&j->line), sum);
    json_put_string(&w, "sum", sum);
    json_object_end(&w);
    return json_end(&w, err);
}

int journal_append(struct journal *j, struct record *rec, struct span *ret_line, struct err *err)
{
    struct err why = { 0 };
    int r;

    if (j->broken.code)
        return broken(j, err);
    rec->seq = j->chain.seq + 1;
    rec->time_ms = clock_wall_ms();
    r = store_blob(j, rec, &why);
    if (r == 0)
        r = encode_line(j, rec, &why);
    if (r == 0 && (buf_add_span(&j->pending, buf_span(&j->line)) < 0 || buf_add_char(&j->pending, '\n') < 0))
        r = err_set(&why, ERR_TOO_LARGE, "too much to write at once");
    if (r < 0)
        return break_for_good(j, &why, err);
    chain_move(&j->chain, buf_span(&j->line));
    if (ret_line)
        *ret_line = buf_span(&j->line);
    return 0;
}

bool journal_is_broken(const struct journal *j)
{
    return j->broken.code != 0;
}

const struct journal_chain *journal_head(const struct journal *j)
{
    return &j->chain;
}

bool journal_is_dirty(const struct journal *j)
{
    return j->pending.len > 0 || j->is_unsynced;
}

static int sync_data(int fd)
{
#ifdef __APPLE__
    return fcntl(fd, F_FULLFSYNC); /* fsync() there leaves the bytes in the drive's cache */
#else
    return fdatasync(fd);
#endif
}

int journal_write(struct journal *j, struct err *err)
{
    struct err why = { 0 };

    if (j->broken.code)
        return broken(j, err);
    if (!j->pending.len)
        return 0;
    if (file_write_all(j->fd, j->pending.data, j->pending.len, &why) < 0)
        return break_for_good(j, &why, err);
    buf_clear(&j->pending);
    j->is_unsynced = true;
    return 0;
}

int journal_sync(struct journal *j, struct err *err)
{
    struct err why = { 0 };
    int r = journal_write(j, err);

    if (r < 0 || !j->is_unsynced)
        return r;
    if (sync_data(j->fd) < 0) {
        (void) err_errno(&why, ERR_IO, "syncing");
        return break_for_good(j, &why, err);
    }
    j->is_unsynced = false;
    return 0;
}

int journal_create_hidden(struct run_folder *folder, struct journal **ret, struct err *err)
{
    return writer_new(folder, JOURNAL_HIDDEN, O_CREAT | O_EXCL, ret, err);
}

int journal_publish(struct journal *j, struct err *err)
{
    struct err why = { 0 };
    int r = journal_sync(j, err);

    if (r < 0)
        return r;
    if (renameat(j->folder->fd, JOURNAL_HIDDEN, j->folder->fd, JOURNAL_FILE) < 0)
        r = err_errno(&why, ERR_IO, "renaming");
    if (r == 0)
        r = file_sync_dir(j->folder->fd, &why);
    return r < 0 ? break_for_good(j, &why, err) : 0;
}

/* ---- reading ---- */

int journal_open(struct run_folder *folder, struct journal_reader *ret, struct err *err)
{
    memset(ret, 0, sizeof(*ret));
    ret->folder = folder;
    buf_init(&ret->buf, 2 * (size_t) JOURNAL_LINE_MAX);
    arena_init(&ret->arena, ARENA_MAX);
    journal_chain_init(&ret->chain);
    ret->fd = -1;
    if (file_open_regular_at(folder->fd, JOURNAL_FILE, &ret->fd, err) < 0)
        return err_wrap(err, "journal of run '%s'", folder->id);
    return 0;
}

void journal_close(struct journal_reader *r)
{
    if (r->fd >= 0)
        (void) close(r->fd);
    r->fd = -1;
    buf_done(&r->buf);
    arena_done(&r->arena);
}

/* 1 = more bytes, 0 = end of the file for now. */
static int read_more(struct journal_reader *r, struct err *err)
{
    char *at;
    ssize_t n;

    buf_drop(&r->buf, r->used);
    r->used = 0;
    at = buf_reserve(&r->buf, READ_STEP);
    if (!at)
        return err_set(err, ERR_INTERNAL, "no memory to read the journal");
    do
        n = read(r->fd, at, READ_STEP);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_errno(err, ERR_IO, "reading the journal of run '%s'", r->folder->id);
    buf_commit(&r->buf, (size_t) n);
    return n > 0;
}

static int damaged(const struct journal_reader *r, struct err *err)
{
    return err_wrap(err, "journal of run '%s' is damaged at byte %lld", r->folder->id, (long long) r->offset);
}

int journal_next(struct journal_reader *r, struct record *ret, struct err *err)
{
    int more = 1;

    while (more > 0) {
        struct span rest = span_make(r->buf.data + r->used, r->buf.len - r->used);
        ssize_t n;

        arena_done(&r->arena);
        n = journal_decode(rest, &r->chain, &r->arena, ret, err);
        if (n < 0)
            return damaged(r, err);
        if (n > 0) {
            r->line = span_make(rest.ptr, (size_t) n - 1);
            r->used += (size_t) n;
            r->offset += n;
            return 1;
        }
        r->torn_bytes = (int64_t) rest.len;
        more = read_more(r, err);
    }
    return more;
}

int journal_resolve(struct run_folder *folder, struct record *rec, struct buf *out, struct err *err)
{
    struct record_blob *blob = record_blob_of(rec);
    int r;

    if (!blob || !blob->object[0] || blob->json.len)
        return 0;
    buf_clear(out);
    r = object_get(folder, blob->object, out, err);
    if (r < 0)
        return err_wrap(err, "record %llu", (unsigned long long) rec->seq);
    blob->json = buf_span(out);
    return 0;
}

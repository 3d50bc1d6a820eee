/* SPDX-License-Identifier: MIT */
#include "core/guest/request.h"

#include "core/guest/beneath.h"
#include "core/guest/conn.h"
#include "core/guest/out.h"
#include "core/guest/request_table.h"
#include "core/guest/scan.h"
#include "core/guest/sha256.h"
#include "core/guest/walk.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Some more than a host may use, for commands that had to be refused. */
enum { SLOTS = FRAME_REQUESTS + 16 };

/* The number is a port. What may come of it is for conn.h to say. */
static int request_listen(struct request *r)
{
    int result = conn_listen(r->number);

    frame_put(&r->out, r->number, 4);
    return result < 0 ? result : REQUEST_FINISHED;
}

/* The closed list. Row order means nothing. */
struct kind {
    uint8_t type;
    uint8_t number_bytes, time_bytes; /* before the strings */
    uint8_t paths;
    bool is_walk, is_root_fine, is_free_path; /* free: not beneath the root, or not a path */
    int (*run)(struct request *r);
    int (*step)(struct request *r, uint8_t *ret, uint32_t *ret_len);
    uint8_t answer; /* type of the frames that step fills */
};

static const struct kind kinds[] = {
    { FRAME_STAT, 0, 0, 1, false, true, false, request_stat, NULL, 0 },
    { FRAME_READ, 1, 0, 1, false, false, false, request_read, request_read_step, FRAME_DATA },
    { FRAME_CHECKSUM, 0, 0, 1, false, false, false, request_read, request_sum_step, 0 },
    { FRAME_PROBE, 0, 0, 1, false, false, true, request_probe, request_read_step, FRAME_DATA },
    { FRAME_WRITE, 4, 0, 1, false, false, false, request_write, NULL, 0 },
    { FRAME_MKDIR, 4, 0, 1, false, false, false, request_mkdir, NULL, 0 },
    { FRAME_SYMLINK, 0, 0, 2, false, false, true, request_symlink, NULL, 0 },
    { FRAME_LINK, 0, 0, 2, false, false, false, request_link, NULL, 0 },
    { FRAME_SET, 4, 8, 1, false, false, false, request_set, NULL, 0 },
    { FRAME_RENAME, 0, 0, 2, false, false, false, request_rename, NULL, 0 },
    { FRAME_LISTEN, 4, 0, 0, false, false, false, request_listen, NULL, 0 },
    { FRAME_STATS, 0, 0, 0, false, false, false, request_stats, NULL, 0 },
    { FRAME_LIST, 1, 0, 1, true, true, false, NULL, request_list_step, FRAME_ENTRIES },
    { FRAME_SCAN, 1, 0, 0, true, false, false, NULL, request_scan_step, FRAME_ENTRIES },
    { FRAME_REMOVE, 1, 0, 1, false, false, false, request_remove, request_remove_step, 0 },
};

static struct request slots[SLOTS];
static struct request *walker; /* who has the walk */
static uint64_t order;
static int turn;

static const struct kind *kind_of(uint8_t type)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].type == type)
            return &kinds[i];
    }
    return NULL;
}

static struct request *find(uint64_t stream)
{
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i].state != REQUEST_FREE && slots[i].stream == stream && slots[i].type != FRAME_EXEC)
            return &slots[i];
    }
    return NULL;
}

static struct request *slot_get(uint8_t type, uint64_t stream)
{
    for (int i = 0; i < SLOTS; i++) {
        struct request *r = &slots[i];

        if (r->state != REQUEST_FREE)
            continue;
        r->type = type;
        r->stream = stream;
        r->order = order++;
        r->number = r->open_bytes = r->credit = 0;
        r->time_ns = 0;
        r->path[0] = r->second[0] = r->temporary[0] = 0;
        r->fd = r->folder = -1;
        r->count = r->data_end = 0;
        r->errnum = 0;
        r->has_begun = r->is_walked = r->is_sparse = r->is_summing = false;
        r->out = (struct frame_out){ r->result, 0, sizeof(r->result), false };
        return r;
    }
    return NULL;
}

/* ---- ends ---- */

static uint8_t code_of(int errnum)
{
    switch (errnum) {
    case 0:
        return FRAME_OK;
    case ENOENT:
        return FRAME_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
    case EISDIR:
    case EBUSY:
    case EADDRINUSE:
        return FRAME_CONFLICT;
    case EINVAL:
    case ELOOP:
    case ENOTDIR:
    case EXDEV:
        return FRAME_INVALID;
    case EOVERFLOW:
    case ENAMETOOLONG:
    case EFBIG:
        return FRAME_TOO_LARGE;
    case ECANCELED:
        return FRAME_CANCELED;
    default:
        return FRAME_IO;
    }
}

static const char *text_of(int errnum)
{
    switch (errnum) {
    case 0:
        return "";
    case ELOOP:
        return "a symbolic link is in the way, and links are not followed";
    case EOVERFLOW:
        return "more names than the guest can hold";
    case ENAMETOOLONG:
        return "folders nested too deeply, or a path too long";
    default:
        return strerror(errnum);
    }
}

static void release(struct request *r)
{
    if (walker == r) {
        walk_stop();
        walker = NULL;
    }
    request_write_abort(r);
    if (r->fd >= 0)
        (void) close(r->fd);
    if (r->folder >= 0)
        (void) close(r->folder);
    r->fd = r->folder = -1;
}

static void finish(struct request *r, int errnum)
{
    if (r->type == FRAME_SCAN && errnum != 0)
        scan_forget();
    release(r);
    r->state = REQUEST_ENDED;
    r->done =
        (struct frame_done){ .code = code_of(errnum), .errnum = (uint32_t) errnum, .text = text_of(errnum) };
    r->done.text_len = (uint8_t) strlen(r->done.text); /* all of them are short */
    if (errnum != 0)
        r->out.len = 0;
}

static void outcome(struct request *r, int result)
{
    if (result != REQUEST_MORE)
        finish(r, result < 0 ? -result : 0);
}

/* ---- from the host ---- */

/* Strings end within the payload and are shorter than FRAME_PATH_MAX, because frame_get_text says so. */
void request_path_take(char ret[FRAME_PATH_MAX], struct frame_in *in)
{
    const char *text = frame_get_text(in, FRAME_PATH_MAX);

    memcpy(ret, text, strlen(text) + 1);
}

static bool arguments(struct request *r, const struct kind *k, struct frame_in in)
{
    r->number = k->number_bytes ? (uint32_t) frame_get(&in, k->number_bytes) : 0;
    r->time_ns = k->time_bytes ? (int64_t) frame_get(&in, k->time_bytes) : 0;
    if (k->paths > 0)
        request_path_take(r->path, &in);
    if (k->paths > 1 || (k->type == FRAME_WRITE && (r->number & FRAME_WRITE_KEEP)))
        request_path_take(r->second, &in);
    if (in.is_bad || in.len > 0)
        return false;
    if (k->paths == 0 || k->type == FRAME_PROBE)
        return true;
    if (k->is_root_fine && (r->path[0] == 0 || strcmp(r->path, ".") == 0))
        return true;
    return frame_path_ok(r->path, strlen(r->path)) &&
           (k->paths < 2 || k->is_free_path || frame_path_ok(r->second, strlen(r->second)));
}

/* Safe: as removing one, so many as fit into a request. The first failure is the answer, but all that can be
 * removed are. */
static int remove_all(struct request *r, struct frame_in in)
{
    int failed = 0;

    while (in.len > 0 && !in.is_bad) {
        int result = -EINVAL;

        request_path_take(r->path, &in);
        if (!in.is_bad && frame_path_ok(r->path, strlen(r->path)))
            result = request_remove(r);
        if (result < 0 && result != -ENOENT && failed == 0)
            failed = result;
        if (r->folder >= 0)
            (void) close(r->folder);
        r->folder = -1;
    }
    return failed < 0 ? failed : REQUEST_FINISHED;
}

void request_start(uint8_t type, uint64_t stream, struct frame_in in)
{
    const struct kind *k = kind_of(type);
    struct request *r = find(stream) ? NULL : slot_get(type, stream);

    if (!r) /* the host broke its side of the bargain */
        return;
    r->state = REQUEST_RUNNING;
    if (type == FRAME_REMOVE && in.len > 0 && in.p[0] == FRAME_REMOVE_ALL)
        outcome(r, remove_all(r, (struct frame_in){ in.p + 1, in.len - 1, false }));
    else if (type == FRAME_FIND)
        outcome(r, request_find(r, in));
    else if (!k || !arguments(r, k, in))
        finish(r, EINVAL);
    else if (k->is_walk)
        r->state = REQUEST_WAITING;
    else if (k->run)
        outcome(r, k->run(r));
}

void request_refuse(uint64_t exec, const struct frame_exit *why)
{
    struct request *r = slot_get(FRAME_EXEC, exec);

    if (!r)
        return;
    r->state = REQUEST_ENDED;
    r->refusal = *why;
}

void request_data(uint64_t stream, const uint8_t *p, size_t len, bool is_end)
{
    struct request *r = find(stream);

    if (!r || r->type != FRAME_WRITE ||
        r->state != REQUEST_RUNNING) /* it failed, and the host has not heard of it yet */
        return;
    r->credit += (uint32_t) len;
    outcome(r, request_write_data(r, p, len, is_end));
}

void request_hole(uint64_t stream, uint64_t len)
{
    struct request *r = find(stream);

    if (!r || r->type != FRAME_WRITE || r->state != REQUEST_RUNNING)
        return;
    r->credit += 8; /* what its frame took of the window */
    outcome(r, request_write_hole(r, len));
}

void request_credit(uint64_t stream, uint32_t bytes)
{
    struct request *r = find(stream);

    if (r)
        r->open_bytes -= bytes < r->open_bytes ? bytes : r->open_bytes;
}

void request_cancel(uint64_t stream)
{
    struct request *r = find(stream);

    if (!r || r->state == REQUEST_ENDED)
        return;
    finish(r, ECANCELED);
}

void request_reset(void)
{
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i].state != REQUEST_FREE)
            release(&slots[i]);
        slots[i].state = REQUEST_FREE;
    }
    scan_forget();
}

/* ---- to the host ---- */

static enum request_turn done_produce(struct request *r)
{
    struct frame_out out = { out_begin(), 0, OUT_PAYLOAD, false };
    uint8_t type = FRAME_DONE;

    if (!out.p)
        return REQUEST_IDLE;
    if (r->type == FRAME_EXEC) {
        frame_exit_encode(&out, &r->refusal);
        type = FRAME_EXIT;
    } else {
        frame_done_encode(&out, &r->done);
        frame_put_bytes(&out, r->result, r->out.len);
    }
    out_commit(type, 0, r->stream, (uint32_t) out.len);
    r->state = REQUEST_FREE;
    return REQUEST_SPOKE;
}

static enum request_turn step_produce(struct request *r, const struct kind *k)
{
    uint8_t *p = out_begin();
    uint32_t len = 0;

    if (!p || (k->answer && r->open_bytes + OUT_PAYLOAD > FRAME_WINDOW))
        return REQUEST_IDLE;
    r->answer = k->answer;
    int result = k->step(r, p, &len);

    if (len > 0) {
        out_commit(r->answer, 0, r->stream, len);
        r->open_bytes += len;
    }
    outcome(r, result);
    return len > 0 ? REQUEST_SPOKE : REQUEST_BUSY;
}

static enum request_turn credit_produce(struct request *r)
{
    struct frame_out out = { NULL, 0, OUT_PAYLOAD, false };

    if (r->credit < FRAME_WINDOW / 4 || !(out.p = out_begin()))
        return REQUEST_IDLE;
    frame_put(&out, 0, 1);
    frame_put(&out, r->credit, 4);
    r->credit = 0;
    out_commit(FRAME_CREDIT, 0, r->stream, (uint32_t) out.len);
    return REQUEST_SPOKE;
}

/* Whoever asked first. */
static void walk_grant(void)
{
    struct request *next = NULL;

    for (int i = 0; i < SLOTS && !walker; i++) {
        if (slots[i].state == REQUEST_WAITING && (!next || slots[i].order < next->order))
            next = &slots[i];
    }
    if (next) {
        walker = next;
        next->state = REQUEST_RUNNING;
    }
}

enum request_turn request_produce(void)
{
    enum request_turn result = REQUEST_IDLE;

    walk_grant();
    for (int i = 0; i < SLOTS && result != REQUEST_SPOKE; i++) {
        struct request *r = &slots[turn = (turn + 1) % SLOTS];
        const struct kind *k = r->state == REQUEST_RUNNING ? kind_of(r->type) : NULL;
        enum request_turn t = REQUEST_IDLE;

        if (r->state == REQUEST_ENDED)
            t = done_produce(r);
        else if (k && k->step)
            t = step_produce(r, k);
        else if (k)
            t = credit_produce(r);
        if (t != REQUEST_IDLE)
            result = t;
    }
    return result;
}

/* SPDX-License-Identifier: MIT */
/* Folding journals into rows. */
#include "core/run/view.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/run/journal.h"
#include "core/run/object.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_FIELD(v) (v), sizeof(v)
#define TAIL_SIZE     8192

static const char *const state_names[RUN_VIEW_STATES] = {
    [RUN_VIEW_RUNNING] = "running",         [RUN_VIEW_DONE] = "done",
    [RUN_VIEW_FAILED] = "failed",           [RUN_VIEW_LIMIT] = "limit",
    [RUN_VIEW_INTERRUPTED] = "interrupted", [RUN_VIEW_CRASHED] = "crashed",
    [RUN_VIEW_DAMAGED] = "damaged",
};

const char *run_view_state_name(enum run_view_state state)
{
    return state < RUN_VIEW_STATES ? state_names[state] : "unknown";
}

static void copy(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "");
}

/* Reads every record into `s`; with `load`, the objects that records refer to as well. */
static int fold(struct run_folder *folder, bool load, struct run_state *s, int64_t *ret_torn, struct err *err)
{
    struct buf object = BUF_INIT(OBJECT_MAX);
    struct journal_reader reader;
    struct record rec;
    int r = journal_open(folder, &reader, err);

    while (r >= 0 && (r = journal_next(&reader, &rec, err)) > 0) {
        if (load)
            r = journal_resolve(folder, &rec, &object, err);
        if (r >= 0)
            r = run_apply(s, &rec, err);
    }
    *ret_torn = reader.torn_bytes;
    journal_close(&reader);
    buf_done(&object);
    return r;
}

int run_fold(struct run_folder *folder, struct run_state *ret, struct err *err)
{
    struct run_state s;
    int64_t torn;
    int r;

    run_state_init(&s);
    r = fold(folder, true, &s, &torn, err);
    if (r < 0)
        run_state_done(&s);
    else
        *ret = s;
    return r;
}

static enum run_view_state state_of(const struct run_state *s, bool is_locked)
{
    switch (s->end) {
    case RUN_DONE:
        return RUN_VIEW_DONE;
    case RUN_FAILED:
        return RUN_VIEW_FAILED;
    case RUN_LIMIT:
        return RUN_VIEW_LIMIT;
    case RUN_INTERRUPTED:
        return RUN_VIEW_INTERRUPTED;
    default:
        return is_locked ? RUN_VIEW_RUNNING : RUN_VIEW_CRASHED;
    }
}

static void fill(struct run_view *v, const struct run_state *s, bool is_locked)
{
    bool has_container = s->container_name && !s->is_removed && s->sandbox != RUN_PART_NONE;

    v->state = state_of(s, is_locked);
    copy(NAME_FIELD(v->name), s->name);
    copy(NAME_FIELD(v->agent), s->agent);
    copy(NAME_FIELD(v->model), s->model);
    copy(NAME_FIELD(v->reason), s->reason);
    copy(NAME_FIELD(v->message), s->end_failure.message);
    copy(NAME_FIELD(v->container_name), has_container ? s->container_name : "");
    v->exit_status = s->end == RUN_ACTIVE ? -1 : (int) s->exit_status;
    v->started_ms = s->began_ms;
    v->ended_ms = v->state == RUN_VIEW_RUNNING ? 0 : s->changed_ms;
    v->elapsed_ms = s->ms;
    if (v->state == RUN_VIEW_RUNNING && clock_wall_ms() > s->changed_ms && s->seq > 0)
        v->elapsed_ms += clock_wall_ms() - s->changed_ms; /* since its last record */
    v->turns = s->turns_spent;
    v->calls = s->calls_begun;
    v->tokens = s->usage.total;
    v->cost_micros = s->is_cost_unknown ? -1 : s->cost_micros;
    v->records = s->seq;
    copy(NAME_FIELD(v->parent), s->parent);
    v->resumes = s->resumes;
    v->checkpoint = s->checkpoint;
}

/* The end of the journal, from the beginning of a line on. */
static int read_tail(struct run_folder *folder, char *out, size_t size, struct span *ret)
{
    CLEANUP(fd) int fd = -1;
    off_t end = file_open_regular_at(folder->fd, JOURNAL_FILE, &fd, NULL) < 0 ? -1 : lseek(fd, 0, SEEK_END);
    off_t from = end > (off_t) size ? end - (off_t) size : 0;
    ssize_t n = end < 0 ? -1 : pread(fd, out, size, from);
    const char *line = out;

    if (n <= 0 || out[n - 1] != '\n')
        return -ERR_NOT_FOUND;
    if (from > 0 && !(line = memchr(out, '\n', (size_t) n)))
        return -ERR_NOT_FOUND;
    *ret = from > 0 ? span_make(line + 1, (size_t) (out + n - line - 1)) : span_make(out, (size_t) n);
    return 0;
}

static void fill_end(struct run_view *v, const struct record *rec)
{
    const struct record_run_end *e = &rec->run_end;
    int state = RUN_VIEW_DONE;

    while (state < RUN_VIEW_CRASHED && strcmp(e->state, state_names[state]) != 0)
        state++;
    v->state = (enum run_view_state) state;
    copy(NAME_FIELD(v->reason), e->reason);
    copy(NAME_FIELD(v->message), e->message);
    v->exit_status = (int) e->exit_status;
    v->turns = e->turns;
    v->calls = e->calls;
    v->tokens = e->tokens;
    v->cost_micros = e->cost_micros;
}

/* The last lines of a run that has ended and left nothing behind say all that a row needs. 0 = they did. */
static int glance_end(struct span tail, struct run_view *v)
{
    bool has_ended = false, is_removed = false;
    struct record rec;

    while (tail.len) {
        size_t len = (size_t) ((const char *) memchr(tail.ptr, '\n', tail.len) - tail.ptr);
        struct arena arena = ARENA_INIT(1 << 24);

        if (journal_peek(span_make(tail.ptr, len), &arena, &rec, NULL) == 0) {
            if (rec.type == RECORD_RUN_END)
                fill_end(v, &rec);
            has_ended = rec.type != RECORD_RUN_RESUME && (has_ended || rec.type == RECORD_RUN_END);
            is_removed = (rec.type == RECORD_SANDBOX_REMOVED && !rec.failure.code) ||
                         (rec.type == RECORD_SIDE_REMOVED && is_removed);
            v->records = rec.seq;
            v->ended_ms = rec.time_ms;
            v->elapsed_ms = rec.ms;
        }
        arena_done(&arena);
        tail = span_make(tail.ptr + len + 1, tail.len - len - 1);
    }
    return has_ended && is_removed && v->state < RUN_VIEW_CRASHED ? 0 : -ERR_NOT_FOUND;
}

/* A long journal is not folded for one row in a list: first line and last lines are enough once a run has
 * ended. */
static int glance(struct run_folder *folder, struct run_view *v)
{
    struct journal_reader reader;
    struct record first;
    struct span tail;
    char end[TAIL_SIZE];
    int r = read_tail(folder, end, sizeof(end), &tail);

    if (r == 0)
        r = glance_end(tail, v);
    if (r < 0)
        return r;
    r = journal_open(folder, &reader, NULL);
    if (r == 0)
        r = journal_next(&reader, &first, NULL) == 1 ? 0 : -ERR_INVALID;
    if (r == 0) {
        v->started_ms = first.time_ms;
        copy(NAME_FIELD(v->name), first.run_begin.name);
        copy(NAME_FIELD(v->model), first.run_begin.model);
        if (!first.run_begin.agent)
            copy(NAME_FIELD(v->parent), first.run_begin.parent);
    }
    journal_close(&reader);
    return r;
}

int run_view_load(struct run_folder *folder, struct run_view *ret, struct err *err)
{
    /* asked before reading: a run that ends meanwhile has then been seen to end */
    bool is_locked = run_folder_is_locked(folder);
    struct run_view view = { 0 };
    struct err why = { 0 };
    struct run_state s;
    int r;

    copy(NAME_FIELD(view.id), folder->id);
    run_state_init(&s);
    r = fold(folder, false, &s, &view.torn_bytes, &why);
    fill(&view, &s, is_locked);
    run_state_done(&s);
    if (r < 0) {
        view.state = r == -ERR_NOT_FOUND ? is_locked ? RUN_VIEW_RUNNING : RUN_VIEW_CRASHED : RUN_VIEW_DAMAGED;
        view.problem = why;
        copy(NAME_FIELD(view.message), why.text);
    }
    *ret = view;
    return 0;
}

int run_view_all(struct run_view **ret, size_t *ret_count, struct err *err)
{
    struct run_view *views;
    char **ids;
    size_t count, used = 0;
    int r = run_folder_list(&ids, &count, err);

    if (r < 0)
        return r;
    views = calloc(count + 1, sizeof(*views));
    for (size_t i = 0; views && i < count; i++) {
        struct run_folder *folder;

        if (run_folder_open(ids[i], &folder, NULL) < 0)
            continue; /* removed meanwhile */
        copy(NAME_FIELD(views[used].id), folder->id);
        if (glance(folder, &views[used]) < 0)
            (void) run_view_load(folder, &views[used], NULL); /* says itself what is wrong */
        used++;
        run_folder_free(folder);
    }
    run_folder_list_free(ids, count);
    if (!views)
        return err_set(err, ERR_INTERNAL, "no memory for the list of runs");
    *ret = views;
    *ret_count = used;
    return 0;
}

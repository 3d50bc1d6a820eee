/* SPDX-License-Identifier: MIT */
/* A run's answers and results, out of its journal. */
#include "core/run/replay.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/model/cassette.h"
#include "core/run/conversation.h"
#include "core/run/journal.h"
#include "core/run/object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXTS_MAX      (64 * 1024 * 1024)
#define LINE_BYTES_MAX ((size_t) 96 << 20)
#define ANSWER_MAX     ((size_t) 64 << 20)
#define FD_FOLDER      "/dev/fd/" /* Linux, the BSDs, macOS: opens what this process has open */

/* ---- reading ---- */

static int no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, "no memory for the calls of a run");
}

/* Room for element `count` of an array. */
static int grow(void *list, size_t *cap, size_t count, size_t size, struct err *err)
{
    void **slot = list, *more;
    size_t wanted = count < 16 ? 16 : 2 * count;

    if (count < *cap)
        return 0;
    more = realloc(*slot, wanted * size);
    if (!more)
        return no_memory(err);
    memset((char *) more + *cap * size, 0, (wanted - *cap) * size);
    *slot = more;
    *cap = wanted;
    return 0;
}

static const char *keep(struct replay *r, const char *text)
{
    return text ? arena_text(&r->arena, text) : NULL;
}

/* Turn numbers are used again after a rollback: the last one is the one that counts. */
static int take_turn(struct replay *r, const struct record_request_end *e, struct err *err)
{
    struct replay_turn *turn;
    int result;

    if (e->turn < 1 || (size_t) e->turn > r->turn_count + 1)
        return err_set(err, ERR_INVALID, "turn %lld ends before the one before it", (long long) e->turn);
    r->turn_count = (size_t) e->turn;
    result = grow(&r->turns, &r->turn_cap, r->turn_count, sizeof(*r->turns), err);
    if (result < 0)
        return result;
    turn = &r->turns[e->turn - 1];
    snprintf(turn->status, sizeof(turn->status), "%s", e->status);
    turn->reason = keep(r, e->reason);
    turn->response_id = keep(r, e->response_id);
    turn->model = keep(r, e->model);
    turn->usage = e->usage;
    return 0;
}

/* Calls are numbered through the run, and none is asked for twice. */
static int take_call(struct replay *r, const struct record_request_item *e, struct err *err)
{
    struct replay_call *call;
    int result;

    if (e->call == 0)
        return 0;
    result = grow(&r->calls, &r->call_cap, r->call_count, sizeof(*r->calls), err);
    if (result < 0)
        return result;
    call = &r->calls[r->call_count++];
    *call = (struct replay_call){ .number = e->call, .turn = e->turn, .exit_code = -1 };
    call->call_id = keep(r, e->call_id);
    call->title = keep(r, e->title ? e->title : e->item_type);
    return 0;
}

static struct replay_call *call_of(const struct replay *r, int64_t number)
{
    for (size_t i = r->call_count; i > 0; i--)
        if (r->calls[i - 1].number == number)
            return &r->calls[i - 1];
    return NULL;
}

static void take_result(struct replay *r, const struct record_call_end *e)
{
    struct replay_call *call = call_of(r, e->call);

    if (!call)
        return;
    call->outcome = keep(r, e->outcome ? e->outcome : "ok");
    call->exit_code = e->exit_code;
    snprintf(call->same, sizeof(call->same), "%s", e->same ? e->same : "");
}

static void take_approval(struct replay *r, const struct record_approval *e)
{
    struct replay_call *call = call_of(r, e->call);

    if (!call)
        return;
    call->approval = keep(r, e->answer);
    call->approval_by = keep(r, e->by);
    call->approval_reason = keep(r, e->reason);
}

static int take_record(struct replay *r, const struct record *rec, struct err *err)
{
    switch ((int) rec->type) {
    case RECORD_REQUEST_ITEM:
        return take_call(r, &rec->request_item, err);
    case RECORD_REQUEST_END:
        return take_turn(r, &rec->request_end, err);
    case RECORD_APPROVAL_ANSWER:
        take_approval(r, &rec->approval);
        return 0;
    case RECORD_CALL_END:
        take_result(r, &rec->call_end);
        return 0;
    default:
        return 0;
    }
}

static int read_journal(struct run_folder *folder, struct replay *r, struct err *err)
{
    struct buf object = BUF_INIT(OBJECT_MAX);
    struct journal_reader reader;
    struct record rec;
    int result = journal_open(folder, &reader, err);

    while (result >= 0 && (result = journal_next(&reader, &rec, err)) > 0) {
        result = journal_resolve(folder, &rec, &object, err);
        if (result >= 0)
            result = run_apply(&r->state, &rec, err);
        if (result >= 0)
            result = take_record(r, &rec, err);
    }
    journal_close(&reader);
    buf_done(&object);
    return result;
}

/* ---- what is left of it ---- */

static struct span answer_of(const struct run_state *s, int64_t number)
{
    for (size_t i = s->item_count; i > 0; i--)
        if (s->items[i - 1].kind == RUN_ITEM_ANSWER && s->items[i - 1].call == number)
            return span_make(s->items[i - 1].raw, s->items[i - 1].len);
    for (size_t i = 0; i < s->call_count; i++)
        if (s->calls[i].number == number && s->calls[i].phase == RUN_CALL_ANSWERED)
            return span_make(s->calls[i].answer.raw, s->calls[i].answer.len);
    return span_make(NULL, 0);
}

static bool is_asked(const struct run_state *s, int64_t number)
{
    for (size_t i = s->item_count; i > 0; i--)
        if (s->items[i - 1].kind == RUN_ITEM_CALL && s->items[i - 1].call == number)
            return true;
    return false;
}

/* Calls and turns that are part of the conversation, as it is at the end. */
static void settle(struct replay *r)
{
    const struct run_state *s = &r->state;
    size_t closed = s->phase == RUN_TURN_CLOSED || s->phase == RUN_TURN_ANSWERED ? (size_t) s->turn
                    : s->turn > 0                                                ? (size_t) s->turn - 1
                                                                                 : 0;
    size_t kept = 0;

    for (size_t i = 0; i < r->call_count; i++) {
        struct replay_call call = r->calls[i];

        if (!is_asked(s, call.number))
            continue;
        call.answer = answer_of(s, call.number);
        if (call.answer.len == 0)
            call.outcome = NULL;
        r->calls[kept++] = call;
    }
    r->call_count = kept;
    if (r->turn_count > closed)
        r->turn_count = closed;
}

int replay_load(struct run_folder *folder, struct replay *ret, struct err *err)
{
    int r;

    *ret = (struct replay){ .arena = ARENA_INIT(TEXTS_MAX) };
    snprintf(ret->id, sizeof(ret->id), "%s", folder->id);
    run_state_init(&ret->state);
    r = read_journal(folder, ret, err);
    if (r == 0 && ret->state.seq == 0)
        r = err_set(err, ERR_NOT_FOUND, "run '%s' never began: its journal is empty", folder->id);
    if (r < 0)
        replay_done(ret);
    else
        settle(ret);
    return r;
}

const struct replay_call *replay_call_of(const struct replay *r, int64_t turn, const char *call_id)
{
    for (size_t i = 0; i < r->call_count; i++)
        if (r->calls[i].turn == turn && r->calls[i].call_id && strcmp(r->calls[i].call_id, call_id) == 0)
            return &r->calls[i];
    return NULL;
}

void replay_done(struct replay *r)
{
    run_state_done(&r->state);
    free(r->turns);
    free(r->calls);
    arena_done(&r->arena);
    *r = (struct replay){ 0 };
}

/* ---- the recording ---- */

static int write_line(int fd, struct json_writer *w, struct err *err)
{
    int r = json_end(w, err);

    if (r == 0 && buf_add_char(w->out, '\n') < 0)
        r = err_set(err, ERR_TOO_LARGE, "an answer of the model is too large to be given again");
    return r == 0 ? file_write_all(fd, w->out->data, w->out->len, err) : r;
}

static void line_begin(struct json_writer *w, struct buf *line)
{
    buf_clear(line);
    json_begin(w, line);
    json_object(w);
}

static int write_head(int fd, const struct replay *r, struct buf *line, struct err *err)
{
    struct json_writer w;

    line_begin(&w, line);
    json_put_int(&w, "agentbox_cassette", CASSETTE_VERSION);
    json_put_bool(&w, "in_order", true);
    json_put_string(&w, "note", r->id);
    json_object_end(&w);
    return write_line(fd, &w, err);
}

static int write_answer(int fd, bool is_aside, struct buf *line, struct err *err)
{
    struct json_writer w;

    line_begin(&w, line);
    json_key(&w, "answer");
    json_object(&w);
    json_put_int(&w, "status", 200);
    if (is_aside)
        json_put_bool(&w, "aside", true);
    json_object_end(&w);
    json_object_end(&w);
    return write_line(fd, &w, err);
}

static int write_item(int fd, const struct run_item *item, struct buf *line, struct err *err)
{
    struct json_writer w;

    line_begin(&w, line);
    json_key(&w, "event");
    json_object(&w);
    json_put_string(&w, "type", "response.output_item.done");
    json_put_int(&w, "output_index", item->output_index);
    json_put_raw(&w, "item", span_make(item->raw, item->len));
    json_object_end(&w);
    json_object_end(&w);
    return write_line(fd, &w, err);
}

static void put_usage(struct json_writer *w, const struct record_usage *u)
{
    if (u->is_estimated) /* it is estimated again, by the same rule */
        return;
    json_key(w, "usage");
    json_object(w);
    json_put_int(w, "input_tokens", u->input);
    json_key(w, "input_tokens_details");
    json_object(w);
    json_put_int(w, "cached_tokens", u->cached);
    json_object_end(w);
    json_put_int(w, "output_tokens", u->output);
    json_key(w, "output_tokens_details");
    json_object(w);
    json_put_int(w, "reasoning_tokens", u->reasoning);
    json_object_end(w);
    json_put_int(w, "total_tokens", u->total);
    json_object_end(w);
}

static int write_end(int fd, const struct replay_turn *turn, struct buf *line, struct err *err)
{
    bool is_incomplete = strcmp(turn->status, "incomplete") == 0;
    struct json_writer w;

    line_begin(&w, line);
    json_key(&w, "event");
    json_object(&w);
    json_put_string(&w, "type", is_incomplete ? "response.incomplete" : "response.completed");
    json_key(&w, "response");
    json_object(&w);
    if (turn->response_id)
        json_put_string(&w, "id", turn->response_id);
    if (turn->model)
        json_put_string(&w, "model", turn->model);
    json_put_string(&w, "status", is_incomplete ? "incomplete" : "completed");
    if (is_incomplete) {
        json_key(&w, "incomplete_details");
        json_object(&w);
        json_put_string(&w, "reason", turn->reason);
        json_object_end(&w);
    }
    put_usage(&w, &turn->usage);
    json_object_end(&w);
    json_object_end(&w);
    json_object_end(&w);
    return write_line(fd, &w, err);
}

static bool is_of_model(const struct run_item *item)
{
    return item->kind != RUN_ITEM_INPUT && item->kind != RUN_ITEM_ANSWER && item->kind != RUN_ITEM_SUMMARY;
}

/* A summary as the answer of one message. */
static int write_summary(int fd, const struct run_item *item, struct buf *line, struct err *err)
{
    struct buf text = BUF_INIT(LINE_BYTES_MAX);
    struct json_writer w;
    int r = conversation_read_summary(span_make(item->raw, item->len), &text, err);

    if (r == 0)
        r = write_answer(fd, true, line, err);
    line_begin(&w, line);
    json_key(&w, "body");
    json_object(&w);
    json_put_string(&w, "status", "completed");
    json_key(&w, "output");
    json_array(&w);
    json_object(&w);
    json_put_string(&w, "type", "message");
    json_put_string(&w, "role", "assistant");
    json_put_span(&w, "content", buf_span(&text));
    json_object_end(&w);
    json_array_end(&w);
    json_object_end(&w);
    json_object_end(&w);
    buf_done(&text);
    return r < 0 ? r : write_line(fd, &w, err);
}

bool replay_has_summaries(const struct run_state *s)
{
    for (size_t i = 0; i < s->item_count; i++)
        if (s->items[i].kind == RUN_ITEM_SUMMARY)
            return true;
    return false;
}

/* Those that were made since the answer of the turn before this one, in its place or before it. */
static int write_summaries(int fd, const struct replay *r, size_t number, struct buf *line, struct err *err)
{
    const struct run_state *s = &r->state;
    int64_t turn = (int64_t) number, newest = 0;
    int result = 0;

    for (size_t i = 0; i < s->item_count && result == 0; i++) {
        const struct run_item *item = &s->items[i];

        if (is_of_model(item))
            newest = item->turn;
        else if (item->kind == RUN_ITEM_SUMMARY && newest == turn - 1)
            result = write_summary(fd, item, line, err);
    }
    return result;
}

static int write_turn(int fd, const struct replay *r, size_t number, struct buf *line, struct err *err)
{
    const struct run_state *s = &r->state;
    int result = write_summaries(fd, r, number, line, err);

    if (result == 0)
        result = write_answer(fd, false, line, err);

    for (size_t i = 0; i < s->item_count && result == 0; i++)
        if (s->items[i].turn == (int64_t) number && is_of_model(&s->items[i]))
            result = write_item(fd, &s->items[i], line, err);
    return result < 0 ? result : write_end(fd, &r->turns[number - 1], line, err);
}

/* Nobody else can name it, and it goes with us. */
static int open_unnamed(int *ret_fd, struct err *err)
{
    const char *folder = getenv("TMPDIR");
    CLEANUP(free) char *path = file_join(folder && *folder ? folder : "/tmp", "agentbox-replay-XXXXXX");
    CLEANUP(fd) int fd = path ? mkstemp(path) : -1;

    if (!path)
        return no_memory(err);
    if (fd < 0)
        return err_errno(err, ERR_IO, "making the temporary file '%s'", path);
    if (unlink(path) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return err_errno(err, ERR_IO, "hiding the temporary file '%s'", path);
    *ret_fd = take_fd(&fd);
    return 0;
}

int replay_record(const struct replay *r, int *ret_fd, struct err *err)
{
    struct buf line = BUF_INIT(LINE_BYTES_MAX);
    CLEANUP(fd) int fd = -1;
    int result = open_unnamed(&fd, err);

    if (result == 0)
        result = write_head(fd, r, &line, err);
    for (size_t i = 1; i <= r->turn_count && result == 0; i++)
        result = write_turn(fd, r, i, &line, err);
    if (result == 0 &&
        lseek(fd, 0, SEEK_SET) < 0) /* where opening it is duplicating it, the offset is shared */
        result = err_errno(err, ERR_IO, "rewinding the temporary file");
    buf_done(&line);
    if (result == 0)
        *ret_fd = take_fd(&fd);
    return result < 0 ? err_wrap(err, "writing down the answers of run '%s'", r->id) : 0;
}

void replay_path(int fd, char ret[REPLAY_PATH_SIZE])
{
    snprintf(ret, REPLAY_PATH_SIZE, FD_FOLDER "%d", fd);
}

bool replay_is_path(const char *path)
{
    return strncmp(path, FD_FOLDER, sizeof(FD_FOLDER) - 1) == 0;
}

/* ---- comparing ---- */

const char *replay_verdict_name(enum replay_verdict v)
{
    static const char *const names[] = { [REPLAY_SAME] = "same",
                                         [REPLAY_DIFFERS] = "differs",
                                         [REPLAY_MISSING] = "missing",
                                         [REPLAY_UNCERTAIN] = "uncertain" };

    return names[v];
}

enum replay_verdict replay_compare(const struct replay_call *then, const struct replay_call *now)
{
    if (!then->outcome || strcmp(then->outcome, "interrupted") == 0)
        return REPLAY_UNCERTAIN;
    if (!now || !now->outcome)
        return REPLAY_MISSING;
    return then->same[0] && strcmp(then->same, now->same) == 0 ? REPLAY_SAME : REPLAY_DIFFERS;
}

static void add_text(struct buf *out, struct span text)
{
    buf_add_span(out, text);
    if (text.len > 0 && text.ptr[text.len - 1] != '\n')
        buf_add_char(out, '\n');
}

/* Results of the function style begin with an id of the call and the time that it took. */
static struct span without_time(struct span text)
{
    static const char id[] = "Chunk ID: ", time[] = "Wall time: ";
    const char *eol = text.len > sizeof(id) && memcmp(text.ptr, id, sizeof(id) - 1) == 0
                          ? memchr(text.ptr, '\n', text.len)
                          : NULL;
    struct span rest = eol ? span_make(eol + 1, (size_t) (text.ptr + text.len - eol - 1)) : text;

    if (!eol || rest.len < sizeof(time) || memcmp(rest.ptr, time, sizeof(time) - 1) != 0)
        return text;
    eol = memchr(rest.ptr, '\n', rest.len);
    return eol ? span_make(eol + 1, (size_t) (rest.ptr + rest.len - eol - 1)) : text;
}

static void add_part(struct buf *out, const struct tree *part)
{
    const struct tree *outcome = tree_get(part, "outcome");

    if (part->kind == TREE_STRING) {
        add_text(out, without_time(part->text));
        return;
    }
    add_text(out, tree_span(tree_get(part, "stdout")));
    add_text(out, tree_span(tree_get(part, "stderr")));
    add_text(out, tree_span(tree_get(part, "text")));
    if (tree_is_string(tree_get(outcome, "type"), "timeout"))
        buf_add_text(out, "[timed out]\n");
    else if (outcome)
        buf_printf(out, "[exit %lld]\n", (long long) tree_int(tree_get(outcome, "exit_code"), -1));
}

int replay_answer_text(const struct replay_call *call, struct buf *out, struct err *err)
{
    struct arena arena = ARENA_INIT(ANSWER_MAX);
    const struct tree *item = NULL, *output;
    int r = call->answer.len > 0 ? json_parse(call->answer, &arena, &item, err) : 0;

    output = tree_get(item, "output");
    if (output && output->kind == TREE_ARRAY)
        tree_each (part, output)
            add_part(out, part);
    else if (output)
        add_part(out, output);
    arena_done(&arena);
    return r;
}

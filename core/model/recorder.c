/* SPDX-License-Identifier: MIT */
/* Writes a cassette. */
#include "core/model/recorder.h"

#include "core/base/cleanup.h"
#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/url.h"
#include "core/model/cassette.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#define TREE_MAX ((size_t) 96 << 20)

struct recorder {
    int fd;
    char *path;
    const struct error_context *ctx;
    struct buf line;
    struct json_writer w;
    bool has_begun; /* the first request was seen */
    int failed;
    struct err err;
};

static bool is_cassette(int fd)
{
    char start[sizeof(CASSETTE_START)] = "";

    return pread(fd, start, sizeof(start) - 1, 0) == (ssize_t) sizeof(start) - 1 &&
           strcmp(start, CASSETTE_START) == 0;
}

static int check_file(int fd, const char *path, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_errno(err, ERR_MODEL, "reading '%s'", path);
    if (st.st_size > 0 && !is_cassette(fd)) {
        err_set(err, ERR_MODEL, "'%s' is no recording of agentbox, so it is not overwritten", path);
        return err_hint(err, "name another file in 'model.record', or remove that one");
    }
    return 0;
}

int recorder_open(const char *path, const struct error_context *ctx, struct recorder **ret, struct err *err)
{
    CLEANUP(fd) int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    struct recorder *rec;
    int r;

    if (fd < 0) {
        (void) err_errno(err, ERR_MODEL, "opening the recording '%s'", path);
        return err_hint(err, "'model.record' must name a file in a folder that exists and can be written");
    }
    r = check_file(fd, path, err);
    if (r < 0)
        return r;
    rec = calloc(1, sizeof(*rec));
    if (!rec || !(rec->path = strdup(path))) {
        free(rec);
        return err_set(err, ERR_INTERNAL, "no memory for a recording");
    }
    rec->fd = take_fd(&fd);
    rec->ctx = ctx;
    buf_init(&rec->line, 2 * SSE_DATA_MAX);
    *ret = rec;
    return 0;
}

void recorder_free(struct recorder *rec)
{
    if (!rec)
        return;
    (void) close(rec->fd); /* every write was checked */
    buf_done(&rec->line);
    free(rec->path);
    free(rec);
}

int recorder_result(const struct recorder *rec, struct err *err)
{
    if (rec->failed < 0 && err)
        *err = rec->err;
    return rec->failed;
}

static void keep_failure(struct recorder *rec, int r)
{
    if (r >= 0 || rec->failed < 0)
        return;
    rec->failed = r;
    (void) err_wrap(&rec->err, "recording to '%s'", rec->path);
}

/* -- lines --------------------------------------------------------------- */

static void begin_line(struct recorder *rec)
{
    buf_clear(&rec->line);
    json_begin(&rec->w, &rec->line);
    json_object(&rec->w);
}

static void end_line(struct recorder *rec)
{
    int r;

    json_object_end(&rec->w);
    r = json_end(&rec->w, &rec->err);
    errors_scrub(rec->ctx, &rec->line);
    if (r == 0 && buf_add_char(&rec->line, '\n') < 0)
        r = err_set(&rec->err, ERR_TOO_LARGE, "a line of more than %zu bytes", rec->line.max);
    if (r == 0 && rec->failed == 0)
        r = file_write_all(rec->fd, rec->line.data, rec->line.len, &rec->err);
    keep_failure(rec, r);
    if (rec->line.cap > SSE_KEEP)
        buf_done(&rec->line);
}

/* A raw JSON value on one line: line breaks can only stand between tokens. */
static void put_one_line(struct recorder *rec, const char *name, struct span raw)
{
    size_t from;

    json_put_raw(&rec->w, name, raw);
    from = rec->line.len - (rec->w.failed ? 0 : raw.len);
    for (size_t i = from; i < rec->line.len; i++)
        if (rec->line.data[i] == '\n' || rec->line.data[i] == '\r')
            rec->line.data[i] = ' ';
}

static bool ends_with(struct span s, const char *tail)
{
    size_t len = strlen(tail);

    return s.len >= len && memcmp(s.ptr + s.len - len, tail, len) == 0;
}

/* No model has said anything yet that was acted on. */
static bool is_fresh(const struct tree *request)
{
    if (tree_get(request, "previous_response_id"))
        return false;
    tree_each (item, tree_get(request, "input")) {
        struct span type = tree_span(tree_get(item, "type"));

        if (ends_with(type, "_call") || ends_with(type, "_output"))
            return false;
    }
    return true;
}

static void begin_file(struct recorder *rec, const struct tree *request)
{
    struct stat st = { 0 };

    rec->has_begun = true;
    if (is_fresh(request) && ftruncate(rec->fd, 0) < 0)
        keep_failure(rec, err_errno(&rec->err, ERR_MODEL, "emptying the file"));
    if (fstat(rec->fd, &st) < 0 || st.st_size > 0)
        return;
    begin_line(rec);
    json_put_int(&rec->w, "agentbox_cassette", CASSETTE_VERSION);
    json_put_string(&rec->w, "note", "answers of a model server; 'model.replay' answers from them");
    end_line(rec);
}

/* What was asked, in short: a conversation grows with each turn and would be repeated in each request. */
static void put_summary(struct json_writer *w, const struct tree *request)
{
    json_put_span(w, "model", tree_span(tree_get(request, "model")));
    json_key(w, "input");
    json_array(w);
    tree_each (item, tree_get(request, "input")) {
        struct span call = tree_span(tree_get(item, "call_id"));

        json_object(w);
        json_put_span(w, "type", tree_span(tree_get(item, "type")));
        if (call.len > 0)
            json_put_span(w, "call_id", call);
        json_object_end(w);
    }
    json_array_end(w);
}

void recorder_request(struct recorder *rec, struct span body)
{
    struct arena arena = ARENA_INIT(2 * TREE_MAX);
    const struct tree *request = NULL;
    char hex[DIGEST_HEX];

    if (json_parse(body, &arena, &request, &rec->err) < 0) {
        keep_failure(rec, -ERR_INVALID);
        arena_done(&arena);
        return;
    }
    if (!rec->has_begun)
        begin_file(rec, request);
    digest_of(body, hex);
    begin_line(rec);
    json_key(&rec->w, "request");
    json_object(&rec->w);
    put_summary(&rec->w, request);
    json_put_string(&rec->w, "sha256", hex);
    json_object_end(&rec->w);
    end_line(rec);
    arena_done(&arena);
}

static void put_given(struct json_writer *w, const char *name, struct span value)
{
    if (value.len > 0)
        json_put_span(w, name, value);
}

void recorder_answer(struct recorder *rec, const struct answer_head *head)
{
    begin_line(rec);
    json_key(&rec->w, "answer");
    json_object(&rec->w);
    json_put_int(&rec->w, "status", head->status);
    if (head->is_aside)
        json_put_bool(&rec->w, "aside", true);
    put_given(&rec->w, "content_type", head->content_type);
    put_given(&rec->w, "retry_after", head->retry_after);
    put_given(&rec->w, "retry_after_ms", head->retry_after_ms);
    put_given(&rec->w, "should_retry", head->should_retry);
    put_given(&rec->w, "location", url_host(head->location));
    json_object_end(&rec->w);
    end_line(rec);
}

/* Raw where it is JSON, else as a string, so that broken answers can be recorded too. */
static void put_payload(struct recorder *rec, const char *json_name, const char *text_name, struct span name,
                        struct span payload)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    const struct tree *value;
    bool is_json = json_parse(payload, &arena, &value, NULL) == 0;

    begin_line(rec);
    if (is_json && name.len > 0 && !tree_get(value, "type"))
        json_put_span(&rec->w, "name", name);
    if (is_json)
        put_one_line(rec, json_name, value->raw);
    else
        json_put_span(&rec->w, text_name, payload);
    end_line(rec);
    arena_done(&arena);
}

void recorder_event(struct recorder *rec, struct span name, struct span payload)
{
    put_payload(rec, "event", "data", name, payload);
}

void recorder_body(struct recorder *rec, struct span body)
{
    put_payload(rec, "body", "text", span_make(NULL, 0), body);
}

void recorder_end(struct recorder *rec, const char *cut)
{
    begin_line(rec);
    json_put_string(&rec->w, "end", cut ? cut : "");
    end_line(rec);
}
